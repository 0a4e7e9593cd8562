"""The config of a transformer: everything that is fixed before its weights are drawn."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from interp.base.codec import checked, without_defaults
from interp.base.errors import UserError, shown
from interp.models.stack.checks import MOST, require_choice, require_counts, require_layers, require_size
from interp.models.stack.head_norm import KINDS as QK_NORMS
from interp.models.stack.layer_heads import LayerHeads, Window, alibi_slopes, default_windows
from interp.models.stack.layers import ACTIVATIONS, NORMS

POSITIONS = ("learned", "rope", "nope", "alibi", "hard-alibi", "nape", "forget", "path")
SCALES = (None, "log-n", "ssmax")
PATTERNS = ("softmax", "entmax")
LATER = (
    *("even", "score_scale", "pattern", "qkv_conv", "norm_eps", "gated_mlp", "n_key_value_heads", "qk_norm"),
    *("attention_gate", "score_cap", "norm_after", "d_latent", "d_shared_key", "d_value"),
)
"""Fields that are left out of a config's dict where they have their default, so that older recipes keep their name."""


@checked
@dataclass(frozen=True)
class TransformerConfig:
    """Config of a `HookedTransformer`.

    >>> TransformerConfig(n_heads=4).windows
    (2, 3, None, None)

    Raises: UserError for a value that cannot be, or two that do not fit together.
    """

    n_layers: int = 2
    n_heads: int | tuple[int, ...] = 8
    """Heads of every layer, or of each."""
    d_model: int = 128
    d_vocab: int = 30
    d_head: int | tuple[int, ...] | None = None
    """Width of a head, in every layer or in each; None: d_model / n_heads."""
    d_mlp: int = 0
    """Hidden width of the MLP; 0: attention only."""
    activation: str = "gelu"
    """One of `layers.ACTIVATIONS`."""
    position: str = "hard-alibi"
    """One of `POSITIONS`. With "nape" the first half of the heads have ALiBi's bias, with the slopes of this many
    heads, and the others know no positions (NoPE and ALiBi; Vasylenko et al. 2025). With "forget" each head forgets as
    the text says: scores get sum log f_t over the steps between key and query, f_t = sigmoid(w x_t + b) (Lin et al.
    2025; `steps.ForgetGate`). With "path" they are q_i^T H_i ... H_(j+1) k_j, H_t = I - beta_t w_t w_t^T made of the
    text (Yang et al. 2025; `steps.Reflections`)."""
    windows: tuple[Window | tuple[Window, ...], ...] | None = None
    """One window per head, the same in every layer, or a list for each layer: how many positions it sees, itself
    included; None sees all. Of "hard-alibi" the default is `default_windows`; may be given with any other position
    encoding, too."""
    n_ctx: int = 4096
    """Longest sequence; binding for learned positions, which have one vector each."""
    rotary_dim: int | None = None
    """Coordinates of each head that RoPE turns; None: all."""
    rotary_base: float = 10000.0
    normalization: str | None = "LNPre"
    """Norm before each part (with `norm_after`, after it), and before the unembedding: LayerNorm with learned scale and
    shift ("LN") or without ("LNPre"), RMSNorm ("RMS"), None."""
    parallel: bool = False
    """Attention and MLP both read the block's input (GPT-NeoX) rather than one after the other."""
    even: bool | tuple[bool, ...] = False
    """Whether, in every layer or in each, the heads with a window look at all of it evenly: they have neither queries
    nor keys (W_Q = W_K = 0, where training would leave them), and cost a running mean."""
    score_scale: str | None = None
    """What scores are multiplied by, besides 1 / sqrt(d_head), for a query that sees N positions in all (1 where N is
    1, and a softmax has nothing to choose): "log-n", log N (Chiang & Cholak 2022); "ssmax", s log N with one learned s
    a head (scalable softmax; Nakanishi 2025). A bias by distance is not multiplied. `hook_q` holds queries so scaled.
    """
    pattern: str = "softmax"
    """What makes scores z attention p: "softmax"; or "entmax", p = [(alpha - 1) z - tau]_+^(1 / (alpha - 1)) with tau
    such that p sums to 1, and alpha = 1 + sigmoid(a) learned for each head (Correia, Niculae & Martins 2019)."""
    qkv_conv: int | tuple[int, ...] = 0
    """Width, in every layer or in each, of a short causal convolution on queries, keys and values before they are used
    (`short_conv.ShortConv`); 0: none. With it one layer looks n-grams up, n the width less one (CAT; Li et al. 2025).
    """
    norm_eps: float = 1e-5
    """What norms add to the mean square that they divide by the root of."""
    gated_mlp: bool = False
    """Whether the MLP's activations are multiplied by a second map of its input (`layers.GatedMLP`)."""
    n_key_value_heads: int | None = None
    """Maps to keys and values, each shared by as many consecutive heads; None: every head has its own."""
    qk_norm: str | None = None
    """Whether queries and keys are divided by their rms: those of each "head" by its own, or all of a "layer" by that
    of all its heads together; None: they are not."""
    attention_gate: bool = False
    """Whether what heads gather is multiplied by the sigmoid of a map of what their queries read."""
    score_cap: float | None = None
    """Bound c of scores, which become c tanh(z / c) before positions and windows are added; None: no bound."""
    norm_after: bool = False
    """Whether the norms stand after attention and MLP, on what they write, rather than before."""
    d_latent: int | None = None
    """Width of the normalised latent that keys and values are made of (`latent_attention.LatentAttention`); None: they
    are made of the stream."""
    d_shared_key: int = 0
    """Numbers of each key, of d_head, that are the same map of the stream in all heads, past the latent."""
    d_value: int | None = None
    """Width of a head's values, where they are made of a latent; None: that of its keys."""

    def __post_init__(self) -> None:
        require_layers(self.n_layers)
        require_counts(self, "d_model", "d_vocab", "n_ctx")
        require_counts(self, "d_mlp", least=0)
        require_counts(self, *["rotary_dim"] * (self.rotary_dim is not None))
        require_choice("position encoding", self.position, POSITIONS)
        require_choice("activation", self.activation, tuple(ACTIVATIONS))
        require_choice("normalization", self.normalization, NORMS)
        require_choice("score scale", self.score_scale, SCALES)
        require_choice("pattern", self.pattern, PATTERNS)
        for name in ("n_heads", "d_head", "even", "qkv_conv"):
            object.__setattr__(self, name, _alike(self._by_layer(name)))
        for name in ("n_heads", "d_head"):
            for size in set(self._by_layer(name)) - {None}:
                require_size(name, size)
        for n_heads, width in zip(self._by_layer("n_heads"), self._by_layer("d_head"), strict=True):
            if width is None and self.d_model % n_heads:
                raise UserError(
                    f"d_model must be a multiple of n_heads; got {self.d_model} and {n_heads}. Or give d_head."
                )
        if not all(width == 0 or width >= 2 for width in self._by_layer("qkv_conv")):
            raise UserError(
                f"qkv_conv must be a width of at least 2, or 0 for none, in every layer or in each; got "
                f"{self.qkv_conv}."
            )
        object.__setattr__(self, "windows", self._all_windows())
        for width in {self.heads_in(layer).width for layer in range(self.n_layers)}:
            turned = self.rotary_dim or width
            if self.position == "rope" and (turned % 2 or turned > width):
                raise UserError(f"rotary_dim must be even and at most d_head, {width}; got {turned}.")
        for name in ("rotary_base", *["score_cap"] * (self.score_cap is not None)):
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"{name} must be a positive number; got {getattr(self, name)}.")
        check_options(self)

    def heads_in(self, layer: int) -> LayerHeads:
        """The heads of a layer.

        >>> TransformerConfig(n_heads=(4, 2), d_head=8).heads_in(1).windows
        (2, None)
        """
        n_heads, width, even = (self._by_layer(name)[layer] for name in ("n_heads", "d_head", "even"))
        windows = self._windows_in(layer)
        looks_evenly = tuple(even and window is not None for window in windows or (None,) * n_heads)
        slopes = None
        if self.position in ("alibi", "nape"):
            biased = n_heads if self.position == "alibi" else (n_heads + 1) // 2
            slopes = (*alibi_slopes(biased), *[0.0] * (n_heads - biased))
            slopes = tuple(0.0 if flat else slope for slope, flat in zip(slopes, looks_evenly, strict=True))
        return LayerHeads(self.d_model // n_heads if width is None else width, windows, slopes, looks_evenly)

    def conv_in(self, layer: int) -> int:
        """Width of a layer's short convolution; 0: none."""
        return self._by_layer("qkv_conv")[layer]

    def to_dict(self) -> dict[str, Any]:
        """The fields, without those of `LATER` that have their default."""
        return without_defaults(self, dataclasses.asdict(self), LATER)

    def _by_layer(self, name: str) -> tuple[Any, ...]:
        """A field's value in each layer."""
        value = getattr(self, name)
        if not isinstance(value, tuple):
            return (value,) * self.n_layers
        if len(value) != self.n_layers:
            raise UserError(f"{name} must be one value, or one for each of {self.n_layers} layers; got {len(value)}.")
        return value

    def _windows_in(self, layer: int) -> tuple[Window, ...] | None:
        windows: Any = self.windows
        return windows[layer] if windows and isinstance(windows[0], tuple) else windows

    def _all_windows(self) -> Any:
        """The windows as given, or their default; one list where all layers are alike."""
        heads = self._by_layer("n_heads")
        given = self.windows
        if given is None:
            return _alike(tuple(map(default_windows, heads))) if self.position == "hard-alibi" else None
        if given and isinstance(given[0], tuple) and len(given) != len(heads):
            raise UserError(
                f"windows must be one list, or one for each of {len(heads)} layers; got {len(given)} lists."
            )
        for layer, n_heads in enumerate(heads):
            _check_windows(self._windows_in(layer), n_heads)
        return _alike(given) if given and isinstance(given[0], tuple) else given

    @property
    def head_width(self) -> int:
        """Width of a head, of the widest where layers differ."""
        return max(self.heads_in(layer).width for layer in range(self.n_layers))

    @property
    def most_heads(self) -> int:
        """Heads of the layer that has most."""
        return max(self._by_layer("n_heads"))

    @property
    def rope_dim(self) -> int:
        """Coordinates of each head that RoPE turns."""
        return self.head_width if self.rotary_dim is None else self.rotary_dim


def check_options(config: TransformerConfig) -> None:
    """Raises: UserError for options of attention that cannot be, or that exclude each other."""
    require_choice("normalization of queries and keys", config.qk_norm, QK_NORMS)
    if not 0 <= config.norm_eps < math.inf:
        raise UserError(f"norm_eps must be a finite number of at least 0; got {config.norm_eps}.")
    shared = config.n_key_value_heads
    if shared is not None:
        require_size("n_key_value_heads", shared)
        for layer in range(config.n_layers):
            if (n := config.heads_in(layer).n) % shared:
                raise UserError(f"n_key_value_heads must divide the {n} heads of each layer; got {shared}.")
    if config.score_cap is not None and config.position in ("forget", "path"):
        raise UserError(f"score_cap must be None with the positions of {config.position!r}; got {config.score_cap}.")
    check_latent(config)
    grouped = {"n_key_value_heads": shared, "qk_norm": config.qk_norm, "attention_gate": config.attention_gate or None}
    given = [name for name, value in grouped.items() if value is not None]
    if given and any(any(config.heads_in(layer).even) for layer in range(config.n_layers)):
        raise UserError(f"even must be False with {given[0]}, as heads that look evenly have no scores; got True.")


def check_latent(config: TransformerConfig) -> None:
    """Raises: UserError for a latent and its options that cannot be, or that exclude others."""
    layers = range(config.n_layers)
    if config.d_latent is None:
        if config.d_shared_key or config.d_value is not None:
            raise UserError("d_latent must be given with d_shared_key or d_value; got None.")
        return
    require_size("d_latent", config.d_latent)
    require_counts(config, *["d_value"] * (config.d_value is not None))
    least = min(config.heads_in(layer).width for layer in layers)
    if not 0 <= config.d_shared_key < least:
        raise UserError(f"d_shared_key must be from 0 to less than d_head, {least}; got {config.d_shared_key}.")
    others = {name: getattr(config, name) for name in ("n_key_value_heads", "qk_norm", "attention_gate")}
    others |= {
        "qkv_conv": any(map(config.conv_in, layers)),
        "even": any(any(config.heads_in(at).even) for at in layers),
    }
    if given := [name for name, value in others.items() if value]:
        raise UserError(f"d_latent must be None with {given[0]}; got {config.d_latent}.")


def _alike(values: tuple[Any, ...]) -> Any:
    """The value, where it is the same in every layer."""
    return values[0] if len(set(values)) == 1 else values


def _check_windows(windows: Any, n_heads: int) -> None:
    if not isinstance(windows, tuple) or len(windows) != n_heads:
        got = len(windows) if isinstance(windows, tuple) else windows
        raise UserError(f"windows must have one entry for each of {n_heads} heads, or be left out; got {got}.")
    if not all(w is None or (type(w) is int and 1 <= w <= MOST) for w in windows):
        raise UserError(
            f"windows must be integers of at least 1 (the position itself) and at most {MOST}, or None (all "
            f"positions); got {shown(windows)}."
        )
