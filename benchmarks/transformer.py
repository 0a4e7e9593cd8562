"""What being open costs: a training step beside a plain model's, and many ablations beside one at a time; and what some
of a layer's options cost, beside an obvious way to compute them.

Contestants compute the same function of the same weights, which is checked before the clock starts, and take turns in
an order that changes from round to round. The ratios are of median processor times, which other work on the machine
disturbs less than it does the clock's; the last line is JSON.
"""

import json
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
import tyro
from einops import rearrange
from rounds import Clock, Run, at_hand, measure, table, times_ours
from torch import Tensor, nn
from transformer_lens import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge

from interp.measure.ablation.sets import Ablation
from interp.measure.ablation.sweep import sweep
from interp.measure.values import Zero
from interp.models.heads import HeadTable
from interp.models.stack.entmax import entmax
from interp.models.stack.positions import attention_bias
from interp.models.stack.short_conv import ShortConv
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.tasks.copy import CopyTask
from interp.tasks.score import answer_loss, letter_correct, per_string

CONFIG = TransformerConfig(n_layers=2, n_heads=8, d_model=128, d_vocab=30, windows=(2, 3, 4, 5, 6, None, None, None))
BATCH = 32
LENGTHS = (128, 512)
DEEP = TransformerConfig(n_layers=12, n_heads=12, d_model=192, d_vocab=30)
"""As deep as GPT-2 small, and as many heads."""


class PlainTransformer(nn.Module):
    """The same in PyTorch's own words, with nothing to hold on to; its mask is made once, for the fused kernel."""

    bias: Tensor

    def __init__(self, ours: HookedTransformer, n_ctx: int) -> None:
        super().__init__()
        d, v = CONFIG.d_model, CONFIG.d_vocab
        self.embed, self.unembed = nn.Embedding(v, d), nn.Linear(d, v)
        self.qkv = nn.ModuleList(nn.Linear(d, 3 * d) for _ in range(CONFIG.n_layers))
        self.out = nn.ModuleList(nn.Linear(d, d) for _ in range(CONFIG.n_layers))
        at = torch.arange(n_ctx)
        self.register_buffer("bias", attention_bias(at, at, torch.float32, windows=CONFIG.windows)[None])
        with torch.no_grad():
            self.embed.weight.copy_(ours.W_E)
        _fill(self.unembed, ours.W_U, ours.b_U)
        for block, qkv, out in zip(ours.blocks, self.qkv, self.out, strict=True):
            _fill(qkv, block.attn.W_QKV.flatten(1), block.attn.b_QKV.flatten())
            _fill(out, block.attn.W_O.flatten(0, 1), block.attn.b_O)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        for qkv, out in zip(self.qkv, self.out, strict=True):
            q, k, v = rearrange(qkv(F.layer_norm(x, x.shape[-1:])), "b p (w h d) -> w b h p d", w=3, h=CONFIG.n_heads)
            z = F.scaled_dot_product_attention(q, k, v, attn_mask=self.bias)
            x = x + out(rearrange(z, "b h p d -> b p (h d)"))
        return self.unembed(F.layer_norm(x, x.shape[-1:]))


@torch.no_grad()
def _fill(linear: Any, weight: Tensor, bias: Tensor) -> None:
    linear.weight.copy_(weight.T)
    linear.bias.copy_(bias)


def native_model(ours: HookedTransformer, n_ctx: int) -> TransformerBridge:
    """TransformerLens's model of this shape, with its positions held at zero."""
    shape = {name: getattr(ours.cfg, name) for name in ("n_layers", "n_heads", "d_model", "d_head", "d_vocab")}
    names = {"attn_only": True, "normalization_type": "LNPre", "positional_embedding_type": "standard"}
    boot: Any = TransformerBridge  # boot_native is attached when it is imported
    bridge = boot.boot_native(TransformerBridgeConfig(n_ctx=n_ctx, device="cpu", seed=0, **shape, **names))
    parameters = {name.replace("_original_component.", ""): p for name, p in bridge.named_parameters()}
    with torch.no_grad():
        parameters["pos.weight"].zero_().requires_grad_(False)
        parameters["tok_embed.weight"].copy_(ours.W_E)
        parameters["head.weight"].copy_(ours.W_U.T)
        for (layer, block), letter in product(enumerate(ours.blocks), "qkv"):
            weight = rearrange(getattr(block.attn, f"W_{letter.upper()}"), "h m d -> (h d) m")
            parameters[f"layers.{layer}.attn.{letter}.weight"].copy_(weight)
            parameters[f"layers.{layer}.attn.o.weight"].copy_(block.attn.W_O.flatten(0, 1).T)
    return bridge


def training_steps(length: int, with_native: bool) -> dict[str, Run]:
    """Forward, loss, backward and AdamW of every contestant, on the same strings."""
    ours = HookedTransformer(CONFIG, seed=0)
    tokens = torch.randint(0, CONFIG.d_vocab, (BATCH, length), generator=torch.Generator().manual_seed(0))
    models = {"ours": (ours, {}), "plain SDPA": (PlainTransformer(ours, length), {})}
    if with_native:
        hidden = attention_bias(torch.arange(length), torch.arange(length), torch.float32, windows=CONFIG.windows) < 0
        models["TransformerLens"] = (native_model(ours, length), {"attention_mask": hidden.expand(BATCH, -1, -1, -1)})
    steps = {}
    for name, (model, options) in models.items():
        torch.testing.assert_close(model(tokens, **options), ours(tokens), atol=1e-4, rtol=1e-4)
        steps[name] = _step(model, tokens, options)
    return steps


def _step(model: nn.Module, tokens: Tensor, options: dict[str, Any]) -> Run:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        logits = model(tokens, **options)
        F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()).backward()
        optimizer.step()

    return step


def ablation_sweeps(config: TransformerConfig, first: int) -> dict[str, Run]:
    """Each head from a layer on, alone, set to zero on 64 strings of 30 letters: the letters right, and the loss."""
    model, task = HookedTransformer(config, seed=0), CopyTask()
    batch = task.sample(64, 30, torch.Generator().manual_seed(0))
    heads = [head for head in HeadTable.of(model) if head.layer >= first]

    def batched() -> tuple[Tensor, Tensor]:
        outcomes = sweep(model, batch, task.vocabulary, [Ablation((head,), Zero()) for head in heads])
        return outcomes.letter_correct, outcomes.loss

    @torch.no_grad()
    def one_by_one() -> tuple[Tensor, Tensor]:
        letters, losses = [], []
        for head in heads:

            def zero(z: Tensor, index: int = head.index, **_: Any) -> None:
                z[:, :, index] = 0

            logits = model.run_with_hooks(batch.tokens, fwd_hooks=[(head.output_hook, zero)])
            letters.append(per_string(letter_correct(logits.argmax(-1), batch).float(), batch))
            losses.append(per_string(answer_loss(logits, batch), batch))
        return torch.stack(letters), torch.stack(losses)

    torch.testing.assert_close(batched(), one_by_one(), rtol=1e-4, atol=1e-4)
    return {"ours": batched, "run_with_hooks per head": one_by_one}


def entmax_of_scores() -> dict[str, Run]:
    """Causal attention of the heads of a layer by alpha-entmax, forward and backward, beside 50 bisections."""
    generator = torch.Generator().manual_seed(0)
    n_heads = CONFIG.heads_in(0).n
    scores = torch.randn(BATCH, n_heads, LENGTHS[0], LENGTHS[0], generator=generator)
    scores += torch.full(scores.shape[-2:], -torch.inf).triu(1)
    alpha = torch.linspace(1.1, 1.9, n_heads)[:, None, None]
    ways: dict[str, Callable[..., Tensor]] = {"ours": entmax}
    if at_hand("bisection", "entmax"):
        from entmax import entmax_bisect

        ways["bisection"] = entmax_bisect
    return _both_ways(ways, [scores, alpha], generator)


def short_convolution() -> dict[str, Run]:
    """Queries, keys and values of a layer behind a convolution of width 9, beside the sum over its places."""
    generator = torch.Generator().manual_seed(0)
    heads = CONFIG.heads_in(0)
    conv = ShortConv(9, heads)
    nn.init.normal_(conv.W_conv, generator=generator)
    qkv = torch.randn(BATCH, LENGTHS[0], 3, heads.n, heads.width, generator=generator)
    ways: dict[str, Callable[..., Tensor]] = {
        "ours": lambda x, _: torch.stack(conv(list(x.unbind(2)))[0], dim=2),
        "place by place": lambda x, _: conv.place_by_place(x)[0],
    }
    return _both_ways(ways, [qkv, conv.W_conv], generator)


def _both_ways(
    ways: Mapping[str, Callable[..., Tensor]], inputs: list[Tensor], generator: torch.Generator
) -> dict[str, Run]:
    """Forward and backward of functions that are one, which is checked."""
    inputs = [x.requires_grad_() for x in inputs]
    weights = torch.randn(ways["ours"](*inputs).shape, generator=generator)
    runs: dict[str, Run] = {
        name: lambda way=way: torch.autograd.grad((way(*inputs) * weights).sum(), inputs) for name, way in ways.items()
    }
    for run in runs.values():
        torch.testing.assert_close(run(), runs["ours"](), rtol=1e-3, atol=1e-3)
    return runs


def main(repeats: int = 15, threads: int = 1, quick: bool = False) -> None:
    """Measure, print tables, and the ratios as one line of JSON.

    Args:
        repeats: rounds that count.
        threads: of PyTorch; with more than one, processor time counts their waiting for each other too.
        quick: only short strings, in two rounds.
    """
    torch.set_num_threads(threads)
    lengths, repeats = (LENGTHS[:1], 2) if quick else (LENGTHS, repeats)
    steps = {f"{n} tokens": measure(training_steps(n, n == LENGTHS[0]), repeats) for n in lengths}
    print(table("training step, milliseconds", steps))
    every = measure(ablation_sweeps(CONFIG, 0), repeats)
    late = measure(ablation_sweeps(DEEP, 10), 2)
    sweeps = {"all 16 heads of 2 layers": every, "24 heads of the last 2 of 12": late}
    print(table("ablation of each head, milliseconds", sweeps))
    options = {
        "entmax": measure(entmax_of_scores(), repeats),
        "short convolution": measure(short_convolution(), repeats),
    }
    print(table("options of a layer, milliseconds", options))
    short, long = steps[f"{LENGTHS[0]} tokens"], steps.get(f"{LENGTHS[1]} tokens")
    found = {
        "step_vs_sdpa_128": ours_over(short, "plain SDPA"),
        "step_vs_sdpa_512": long and ours_over(long, "plain SDPA"),
        "step_vs_tl_native_128": ours_over(short, "TransformerLens"),
        "ablation_sweep_speedup": times_ours(every, "run_with_hooks per head"),
        "late_ablation_sweep_speedup": times_ours(late, "run_with_hooks per head"),
        "entmax_speedup": times_ours(options["entmax"], "bisection"),
        "short_conv_speedup": times_ours(options["short convolution"], "place by place"),
    }
    print(json.dumps(found))


def ours_over(clocks: Mapping[str, Clock | None], name: str) -> float | None:
    """Our processor time as a share of a contestant's."""
    times = times_ours(clocks, name)
    return times and round(1 / times, 3)


if __name__ == "__main__":
    tyro.cli(main)
