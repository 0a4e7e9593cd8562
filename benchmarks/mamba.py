"""What an open Mamba costs: a training step beside other CPU implementations, growth with length, reading every hook.

Contestants hold the same weights, and their logits are compared before the clock starts. *No scan* is ours with the
recurrence left out (y = u): what the rest of the model takes. Ratios are of median processor times on one thread;
whoever needs longer than the limit is reported so. The last line is JSON.
"""

import json
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
import tyro
from rounds import Run, at_hand, measure, measure_within, table, times_ours
from torch import Tensor, nn

from interp.models.recurrent.mamba import mixer as mamba_mixer
from interp.models.recurrent.mamba.model import HookedMamba, MambaConfig

CONFIG = MambaConfig(n_layers=2, d_model=128, d_state=16, d_vocab=32)
BATCH, LENGTH = 64, 100
GROWTH = (100, 200, 400, 800)
"""Lengths at which 8 strings show how the step's time grows."""
READ = (8, 256)
"""Strings, and their length, on which every hook is read."""


def original_weights(ours: HookedMamba) -> dict[str, Tensor]:
    """Our weights under the names of the authors' layers, without the embedding."""
    found = {}
    for layer, mixer in ours.mixers.items():
        m: Any = mixer
        block: Any = ours.blocks[layer]
        part = {
            "in_proj.weight": torch.cat([m.W_in, m.W_gate], dim=1).T,
            "conv1d.weight": m.W_conv[:, None],
            "conv1d.bias": m.b_conv,
            "x_proj.weight": torch.cat([m.W_dt_down, m.W_B, m.W_C], dim=1).T,
            "dt_proj.weight": m.W_dt.T,
            "dt_proj.bias": m.b_dt,
            "A_log": m.A_log,
            "D": m.D,
            "out_proj.weight": m.W_out.T,
        }
        found |= {f"layers.{layer}.mixer.{name}": value for name, value in part.items()}
        found[f"layers.{layer}.norm.weight"] = block.norm.w
    return {name: value.detach().clone() for name, value in found.items()}


def huggingface(ours: HookedMamba, use_mambapy: bool) -> nn.Module:
    from transformers import MambaConfig as TheirConfig
    from transformers import MambaForCausalLM

    c = CONFIG
    shape = {"vocab_size": c.d_vocab, "hidden_size": c.d_model, "state_size": c.d_state}
    model = MambaForCausalLM(TheirConfig(**shape, num_hidden_layers=c.n_layers, use_mambapy=use_mambapy))
    weights = {f"backbone.{name}": value for name, value in original_weights(ours).items()}
    weights |= {"backbone.embeddings.weight": ours.W_E.detach(), "backbone.norm_f.weight": ours.ln_final.w.detach()}
    missing, surplus = model.load_state_dict(weights, strict=False)
    assert missing in ([], ["lm_head.weight"]) and not surplus, (missing, surplus)
    return model


class Mambapy(nn.Module):
    def __init__(self, ours: HookedMamba) -> None:
        super().__init__()
        from mambapy.mamba import Mamba
        from mambapy.mamba import MambaConfig as TheirConfig

        self.layers = Mamba(TheirConfig(d_model=CONFIG.d_model, n_layers=CONFIG.n_layers, d_state=CONFIG.d_state))
        self.layers.load_state_dict(original_weights(ours))
        self.embedding = nn.Parameter(ours.W_E.detach().clone())
        self.norm = nn.RMSNorm(CONFIG.d_model, eps=CONFIG.norm_eps)

    def forward(self, tokens: Tensor) -> Tensor:
        return F.linear(self.norm(self.layers(self.embedding[tokens])), self.embedding)


class NoScan(HookedMamba):
    """Ours, but for the recurrence."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        scan = mamba_mixer.selective_scan
        mamba_mixer.selective_scan = lambda u, delta, A, B, C, D, initial: (
            u + delta + A.sum() + B.sum() + C.sum() + D,
            initial,
        )
        try:
            return super().forward(*args, **kwargs)
        finally:
            mamba_mixer.selective_scan = scan


def models(names: tuple[str, ...]) -> dict[str, nn.Module]:
    """The contestants of these names; all but *no scan* give the same logits."""
    ours = HookedMamba(CONFIG, seed=0)
    makers = {
        "ours": lambda: ours,
        "ours, no scan": lambda: NoScan(CONFIG, seed=0),
        "Hugging Face": lambda: huggingface(ours, use_mambapy=False),
        "Hugging Face with mambapy": lambda: huggingface(ours, use_mambapy=True),
        "mambapy": lambda: Mambapy(ours),
    }
    made = {name: makers[name]() for name in names}
    tokens = strings(2, 20)
    for name, model in made.items():
        if name != "ours, no scan":
            torch.testing.assert_close(logits_of(model.train(), tokens), ours(tokens), atol=1e-5, rtol=1e-5)
    return made


def strings(batch: int, length: int) -> Tensor:
    return torch.randint(0, CONFIG.d_vocab, (batch, length), generator=torch.Generator().manual_seed(0))


def logits_of(model: nn.Module, tokens: Tensor) -> Tensor:
    out = model(tokens)
    return out if isinstance(out, Tensor) else out.logits


def step(model: nn.Module, optimizer: torch.optim.Optimizer, tokens: Tensor) -> None:
    """Forward, loss, backward and AdamW."""
    optimizer.zero_grad()
    logits = logits_of(model, tokens)
    F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()).backward()
    optimizer.step()


def steps(made: dict[str, nn.Module], batch: int, length: int) -> dict[str, Run]:
    tokens = strings(batch, length)
    return {
        name: partial(step, model, torch.optim.AdamW(model.parameters(), lr=1e-4), tokens)
        for name, model in made.items()
    }


def readings() -> dict[str, Run]:
    """A plain forward, and ones that keep what is asked for."""
    model, tokens = HookedMamba(CONFIG, seed=0), strings(*READ)
    every = list(model.hook_dict)

    @torch.no_grad()
    def read(names: list[str] | None) -> None:
        model.run_with_cache(tokens, names_filter=names)

    return {
        "ours": torch.no_grad()(partial(model, tokens)),
        "all but whole states": partial(read, None),
        "every hook, states included": partial(read, every),
    }


def main(repeats: int = 7, limit: float = 90.0, quick: bool = False) -> None:
    """Measure, print tables, and the ratios as one line of JSON.

    Args:
        repeats: rounds that count.
        limit: seconds that one step may take; whoever needs longer is reported so.
        quick: only the step at the first size, and the reading, in two rounds.
    """
    torch.set_num_threads(1)
    repeats = 2 if quick else repeats
    names = ("ours", "ours, no scan", "mambapy", "Hugging Face with mambapy", "Hugging Face")
    made = models(tuple(name for name in names if "mambapy" not in name or at_hand(name, "mambapy")))
    first = measure_within(steps(made, BATCH, LENGTH), repeats, limit)
    print(table("training step, milliseconds", {f"{BATCH} strings of {LENGTH}": first}, limit=limit))
    if not quick:
        some = {name: made[name] for name in ("ours", "mambapy", "Hugging Face") if name in made}
        growth = {f"8 strings of {n}": measure_within(steps(some, 8, n), max(2, repeats // 3), limit) for n in GROWTH}
        print(table("against the length, milliseconds", growth, limit=limit))
    reading = measure(readings(), repeats)
    print(table("forward pass, milliseconds", {f"{READ[0]} strings of {READ[1]}": reading}))
    no_scan = times_ours(first, "ours, no scan", limit)
    found = {
        "speedup_vs_hf": times_ours(first, "Hugging Face", limit),
        "speedup_vs_mambapy": times_ours(first, "mambapy", limit),
        "over_no_scan": no_scan and round(1 / no_scan, 3),
        "read_every_hook": times_ours(reading, "every hook, states included"),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    tyro.cli(main)
