"""Attention with hook points on every quantity, and two paths that compute the same.

The fast path is `scaled_dot_product_attention`. The explicit path writes scores and pattern out; it runs as soon as
something listens at `hook_attn_scores` or `hook_pattern`, or when `Attention.fast` is off.
"""

import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Float
from torch import Tensor, nn

from interp.base.axes import HeadVectors, Residual
from interp.base.budget import budget, check_fits
from interp.models.hooks.point import HookPoint, in_use
from interp.models.stack.causal import attends_without_mask, causal_attention
from interp.models.stack.config import TransformerConfig
from interp.models.stack.head_norm import HeadNorm, normed
from interp.models.stack.key_values import KeyValues
from interp.models.stack.layer_heads import LayerHeads
from interp.models.stack.masks import Mask
from interp.models.stack.positions import rotate
from interp.models.stack.scores import Entmax, ScoreScale, Softmax, capped
from interp.models.stack.short_conv import ShortConv
from interp.models.stack.steps import STEPS, Steps, joined
from interp.models.stack.transport import Queries

Values = Float[Tensor, "batch pos head d_value"]
"""As wide as keys, but where keys and values are made of a latent."""
Attended = Float[Tensor, "batch query head d_value"]
Bias = Float[Tensor, "#batch #head query pos"]
LEAST_QUERIES = 128
"""Queries of a block, at least: fewer would read all keys anew for hardly any work."""


class Attention(nn.Module):
    """Multi-head attention. The weights of queries, keys and values are one matrix; W_Q, W_K, W_V are views of it.

    Hook points: `hook_q | hook_k | hook_v | hook_z` [batch pos head d_head], `hook_attn_scores` (scaled, capped,
    biased, -inf where hidden) and `hook_pattern` [batch head query key]. On demand: `hook_result` [batch pos head
    d_model], what each head writes, and `hook_q_input | hook_k_input | hook_v_input` [batch pos head d_model], which
    the block runs before its norm. More of them where there is more:

    - RoPE: `hook_rot_q | hook_rot_k`, rotated;
    - a short convolution: `hook_raw_q | hook_raw_k | hook_raw_v`, before it;
    - a forget gate: `hook_f` [batch pos head]; PaTH: `hook_w` [batch pos head d_head], `hook_beta` [batch pos head]; of
      all positions, read from what the keys read;
    - norms of queries and keys: `q_norm.hook_scale | k_norm.hook_scale`; `hook_q` and `hook_k` stand behind them;
    - a gate: `hook_attended`, the values as attention weighs them, and `hook_gate`, before its sigmoid, both
      [batch pos head d_head]; `hook_z` is the product;
    - a latent that keys and values are made of: `latent_norm.hook_scale | hook_normalized` (`LatentAttention`).
    """

    def __init__(self, config: TransformerConfig, layer: int) -> None:
        super().__init__()
        self.heads = config.heads_in(layer)
        n_heads, d_head, d_model = self.heads.n, self.heads.width, config.d_model
        self.n_key_value_heads = config.n_key_value_heads or n_heads
        self._make_weights(config)
        self.W_O = nn.Parameter(torch.empty(n_heads, config.d_value or d_head, d_model))
        self.b_O = nn.Parameter(torch.empty(d_model))
        self.rotary_dim = (config.rotary_dim or d_head) if config.position == "rope" else None
        self.rotary_base = config.rotary_base
        self.scale = None if config.score_scale is None else ScoreScale(config.score_scale, self.heads)
        self.to_pattern = Entmax(n_heads) if config.pattern == "entmax" else Softmax()
        makes = STEPS.get(config.position) if self.heads.looking else None
        self.step = None if makes is None else makes(d_model, self.heads)
        width = config.conv_in(layer)
        self.conv = ShortConv(width, self.heads) if width else None
        kind, self.score_cap = config.qk_norm, config.score_cap
        norms = [HeadNorm(kind, n_heads, d_head, config.norm_eps) if kind else None for _ in "qk"]
        self.q_norm, self.k_norm = norms
        self.W_gate = nn.Parameter(torch.empty(d_model, n_heads, d_head)) if config.attention_gate else None
        self.b_gate = nn.Parameter(torch.empty(n_heads, d_head)) if config.attention_gate else None
        if self.W_gate is not None:
            self.hook_attended, self.hook_gate = HookPoint(), HookPoint()
        self.fast = True
        self.hook_q_input, self.hook_k_input, self.hook_v_input = HookPoint(), HookPoint(), HookPoint()
        self.hook_q, self.hook_k, self.hook_v = HookPoint(), HookPoint(), HookPoint()
        if self.conv is not None:
            self.hook_raw_q, self.hook_raw_k, self.hook_raw_v = HookPoint(), HookPoint(), HookPoint()
        if self.rotary_dim is not None:
            self.hook_rot_q, self.hook_rot_k = HookPoint(), HookPoint()
        for name in self.step_hooks:
            setattr(self, name, HookPoint())
        self.hook_attn_scores, self.hook_pattern = HookPoint(), HookPoint()
        self.hook_z, self.hook_result = HookPoint(), HookPoint()

    def _make_weights(self, config: TransformerConfig) -> None:
        """Make the weights of queries, keys and values."""
        d_model = config.d_model
        self.W_QKV = nn.Parameter(torch.empty(d_model, 3, self.heads.n, self.heads.width))
        self.b_QKV = nn.Parameter(torch.empty(3, self.heads.n, self.heads.width))

    @property
    def step_hooks(self) -> tuple[str, ...]:
        """Names of the hook points at what each step does to scores; () where nothing is done from step to step."""
        return () if self.step is None else self.step.hooks

    @property
    def W_Q(self) -> Float[Tensor, "head d_model d_head"]:
        return self.W_QKV[:, 0].transpose(0, 1)

    @property
    def W_K(self) -> Float[Tensor, "head d_model d_head"]:
        return self.W_QKV[:, 1].transpose(0, 1)

    @property
    def W_V(self) -> Float[Tensor, "head d_model d_head"]:
        return self.W_QKV[:, 2].transpose(0, 1)

    @property
    def b_Q(self) -> Float[Tensor, "head d_head"]:
        return self.b_QKV[0]

    @property
    def b_K(self) -> Float[Tensor, "head d_head"]:
        return self.b_QKV[1]

    @property
    def b_V(self) -> Float[Tensor, "head d_head"]:
        return self.b_QKV[2]

    def forward(
        self,
        x: Residual | tuple[Tensor, Tensor, Tensor],
        mask: Mask,
        past: KeyValues | None = None,
    ) -> Float[Tensor, "batch query d_model"]:
        """Attend; returns what is written at the positions that look.

        Args:
            x: the normalised residual stream, or three of them [batch pos head d_model], one for each head's queries
                (from `first_query` on), keys and values, so that a path into one of them can be patched.
            mask: from `HookedTransformer`.
            past: keys and values of earlier positions, extended in place.
        """
        steps = self._steps(x[1] if isinstance(x, tuple) else x)
        q, k, v = self._project(x, self.first_query(mask))
        if self.conv is not None:
            q, k, v = self._convolved(self.conv, [q, k, v], mask, past)
        q, k = normed(self.q_norm, q), normed(self.k_norm, k)
        if self.scale is not None:
            q = self.scale(q, mask.queries)
        if in_use(self.hook_q, self.hook_k, self.hook_v):
            q, k, v = q.clone(), k.clone(), v.clone()  # they are views of one tensor, which autograd keeps from edits
        q, k, v = self.hook_q(q), self.hook_k(k), self.hook_v(v)
        if self.rotary_dim is not None:
            q = self.hook_rot_q(rotate(q, mask.queries, self.rotary_dim, self.rotary_base))
            k = self.hook_rot_k(rotate(k, mask.keys, self.rotary_dim, self.rotary_base))
        if past is not None:
            k, v = past.append(k, v)
            steps = None if steps is None else past.append_steps(steps)
        explicit = not self.fast or in_use(self.hook_attn_scores, self.hook_pattern)
        z = self._explicit(q, k, v, mask, steps) if explicit else self._fast(q, k, v, mask, steps)
        z = self.hook_z(z if self.W_gate is None else self._gated(z, x[0] if isinstance(x, tuple) else x))
        if in_use(self.hook_result):
            return self.hook_result(einsum(z, self.W_O, "b p h d, h d m -> b p h m")).sum(dim=2) + self.b_O
        return F.linear(z.flatten(2), self.W_O.flatten(0, 1).T, self.b_O)

    def _gated(self, z: Attended, x: Tensor) -> Attended:
        """What attention gathers, times the sigmoid of a map of what the queries read."""
        assert self.W_gate is not None and self.b_gate is not None  # it has a gate
        x = x[:, x.shape[1] - z.shape[1] :]
        if x.ndim == 4:
            gate = einsum(x, self.W_gate, "b p h m, m h d -> b p h d") + self.b_gate
        else:
            gate = F.linear(x, self.W_gate.flatten(1).T, self.b_gate.flatten()).unflatten(-1, self.b_gate.shape)
        return self.hook_attended(z) * self.hook_gate(gate).sigmoid()

    def _steps(self, x: Tensor) -> Steps | None:
        """What the step to each new position does to scores, where positions are made of the text."""
        if self.step is None:
            return None
        parts = zip(self.step_hooks, self.step(x), strict=True)
        return joined(tuple(getattr(self, name)(part) for name, part in parts))

    def first_query(self, mask: Mask) -> int:
        """Index of the first new token whose query is made: of the first that looks; of all before a convolution."""
        return mask.first if self.conv is None else 0

    def _convolved(self, conv: ShortConv, raw: list[Tensor], mask: Mask, past: KeyValues | None) -> list[Tensor]:
        hooks = self.hook_raw_q, self.hook_raw_k, self.hook_raw_v
        if in_use(*hooks):
            raw = [hook(y.clone()) for hook, y in zip(hooks, raw, strict=True)]
        (q, k, v), window = conv(raw, mask.segment, None if past is None else past.window)
        if past is not None:
            past.window = window
        return [q[:, mask.first :], k, v]

    def _project(self, x: Residual | tuple[Tensor, Tensor, Tensor], first: int) -> list[Tensor]:
        """Queries of the positions from `first` on; keys and values of all."""
        if isinstance(x, tuple):
            maps = zip(x, self.W_QKV.unbind(1), self.b_QKV, strict=True)
            return [einsum(y, weight, "b p h m, m h d -> b p h d") + bias for y, weight, bias in maps]
        if first == 0:
            return self._heads(x, slice(None))
        return self._heads(x[:, first:], slice(0, 1)) + self._heads(x, slice(1, 3))

    def _heads(self, x: Residual, which: slice) -> list[HeadVectors]:
        """One product for several of queries, keys and values, then apart."""
        weight, bias = self.W_QKV[:, which], self.b_QKV[which]
        return list(F.linear(x, weight.flatten(1).T, bias.flatten()).unflatten(-1, bias.shape).unbind(2))

    def _explicit(self, q: Queries, k: HeadVectors, v: Values, mask: Mask, steps: Steps | None) -> Attended:
        cells = len(q) * q.shape[2] * q.shape[1] * k.shape[1]
        check_fits(3 * k.element_size() * cells, "an attention pattern, its scores and its mask")
        scores = self.hook_attn_scores(self._scores(q, k, mask.bias(self.heads), steps))
        return einsum(self.hook_pattern(self.to_pattern(scores)), v, "b h q k, b k h d -> b q h d")

    def _fast(self, q: Queries, k: HeadVectors, v: Values, mask: Mask, steps: Steps | None) -> Attended:
        return self._some_heads(self.heads, q, k, v, mask, steps)

    def _some_heads(
        self, heads: LayerHeads, q: Queries, k: HeadVectors, v: Values, mask: Mask, steps: Steps | None
    ) -> Attended:
        """Some of the heads, all queries at once; without gradients, in blocks of queries as memory suggests."""
        if self._causal_alone(heads, mask, steps) and attends_without_mask(q, k, v):
            return causal_attention(q, k, v)
        n_queries, n_keys = q.shape[1], k.shape[1]
        at_once = max(LEAST_QUERIES, budget(q.device).pairs // (len(q) * n_keys))
        if torch.is_grad_enabled() or n_queries <= at_once:
            return self._attend(q, k, v, mask.bias(heads), steps)
        done = []
        for start in range(0, n_queries, at_once):
            stop = min(start + at_once, n_queries)
            seen = n_keys - n_queries + stop
            reached = None if steps is None else steps[:, :seen]
            bias = mask.rows(heads, start, stop)
            done.append(self._attend(q[:, start:stop], k[:, :seen], v[:, :seen], bias, reached))
        return torch.cat(done, dim=1)

    def _causal_alone(self, heads: LayerHeads, mask: Mask, steps: Steps | None) -> bool:
        """Whether nothing but scaled products and the order of positions decides what is looked at."""
        by_softmax = self.score_cap is None and not isinstance(self.to_pattern, Entmax)
        return by_softmax and steps is None and mask.segment is None and heads.see_all

    def _attend(self, q: Queries, k: HeadVectors, v: Values, bias: Bias | None, steps: Steps | None) -> Attended:
        """Attention without hooks, by PyTorch's kernels where they have it; without a bias, causal."""
        written_out = q.device.type == "cpu" and torch.is_autocast_enabled("cpu")  # there, faster than the kernel
        if written_out or steps is not None or self.score_cap is not None or isinstance(self.to_pattern, Entmax):
            return einsum(self.to_pattern(self._scores(q, k, bias, steps)), v, "b h q k, b k h d -> b q h d")
        q, k, v = (y.transpose(1, 2) for y in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=bias is None).transpose(1, 2)

    def _scores(
        self, q: Queries, k: HeadVectors, bias: Bias | None, steps: Steps | None
    ) -> Float[Tensor, "batch head query pos"]:
        """Scores as the positions have them, hidden places at -inf."""
        if self.step is None or steps is None:
            return scaled_scores(q, k, bias, self.score_cap)
        return hidden_after(self.step.scores(q, k, steps), bias)


def scaled_scores(
    q: Queries, k: HeadVectors, bias: Bias | None, cap: float | None = None
) -> Float[Tensor, "batch head query pos"]:
    """q k^T / sqrt(d_head), capped, with what positions and windows add, hidden places at -inf; without a bias,
    causal."""
    return hidden_after(capped(einsum(q, k, "b q h d, b k h d -> b h q k") * q.shape[-1] ** -0.5, cap), bias)


def hidden_after(
    scores: Float[Tensor, "batch head query pos"], bias: Bias | None
) -> Float[Tensor, "batch head query pos"]:
    """Scores with a bias; without one, those of later positions at -inf."""
    if bias is not None:
        return scores + bias
    hidden = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
    return scores.masked_fill(hidden, -torch.inf)
