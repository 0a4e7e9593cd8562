"""`RecurrentModel`: a stack with recurrent layers. Its states can be named, edited, carried on and streamed.

`HookedRecurrent` is one whose layers are all of one family, whichever it is.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens.utilities.activation_functions import SOFTCAP_DISABLED

from interp.base.axes import Tokens
from interp.base.calls import checked_call
from interp.base.errors import UserError, unknown
from interp.models.hooks.aliases import OF_BLOCK, OF_MODEL, REFUSED_OF_BLOCK, REFUSED_OF_MODEL
from interp.models.hooks.point import HookPoint
from interp.models.recurrent.config import RecurrentConfig
from interp.models.recurrent.family import family_of
from interp.models.recurrent.initial import fill_normal, fill_uniform
from interp.models.recurrent.mixer import Mixer, RecurrentBlock, RecurrentState
from interp.models.scan.methods import choose
from interp.models.stack.config import TransformerConfig
from interp.models.stack.key_values import KeyValues
from interp.models.stack.layers import make_norm
from interp.models.stack.masks import Mask, make_mask, positions_seen
from interp.models.stack.model import StackModel
from interp.models.stack.scores import capped

STEP = re.compile(r"blocks\.(\d+)\.mixer\.(\w+)\.(0|[1-9]\d*)")
"""Name of a hook point at one position: layer, quantity, position from 0."""
OTHER_STEP = re.compile(r"blocks\.(\d+)\.([\w.]+)\.(\d+)")
"""Another tool's name for such a point."""


class RecurrentModel(StackModel):
    """A stack in which some or all blocks are recurrent.

    Args:
        config: has the fields of `RecurrentConfig`.
        blocks: the layers, first to last.
        attention: config of its attention layers; None where it has none.
        seed: seed of the first weights.
        logit_cap: bound of the logits; None: none.
    """

    isolates = False

    def __init__(
        self,
        config: Any,
        blocks: list[nn.Module],
        attention: TransformerConfig | None = None,
        seed: int = 0,
        logit_cap: float | None = None,
    ) -> None:
        super().__init__()
        if logit_cap is not None:
            self.logit_cap, self.hook_uncapped = logit_cap, HookPoint()
            # By this name TransformerLens's logit lens asks what stands behind the unembedding.
            self.adapter = SimpleNamespace(apply_output_logits_transform=partial(capped, cap=logit_cap))
        self.config, self.attention = config, attention
        self.embed = nn.Module()
        self.embed.W_E = nn.Parameter(torch.empty(config.d_vocab, config.d_model))
        self.hook_embed = HookPoint()
        self.blocks = nn.ModuleList(blocks)
        for block in blocks:
            if isinstance(block, RecurrentBlock) and block.mlp is None and self.mlp_width:
                block.hook_mlp_out = HookPoint()
        self.ln_final = make_norm(config.normalization, config.d_model, config.norm_eps)
        self.unembed = nn.Module()
        if not config.tied:
            self.unembed.W_U = nn.Parameter(torch.empty(config.d_model, config.d_vocab))
            self.unembed.b_U = nn.Parameter(torch.empty(config.d_vocab))
        self.init_weights(seed)
        self.setup()

    @property
    def W_U(self) -> Float[Tensor, "d_model vocab"]:
        """The unembedding; of a tied model the embedding's transpose."""
        return self.W_E.T if self.config.tied else self.unembed.W_U

    @property
    def b_U(self) -> Float[Tensor, " vocab"]:
        return self.W_E.new_zeros(len(self.W_E)) if self.config.tied else self.unembed.b_U

    @torch.no_grad()
    def init_weights(self, seed: int) -> None:
        """Draw all weights anew; the same seed gives the same weights on every device."""
        if self.embed.W_E.is_meta:
            return
        generator = torch.Generator().manual_seed(seed)
        fill_normal(self.embed.W_E, self.config.embedding_std, generator)
        for block in self.blocks:
            part: Any = block
            part.init_weights(generator)
        if not self.config.tied:
            fill_uniform(self.unembed.W_U, self.config.d_model**-0.5, generator)
            self.unembed.b_U.zero_()

    def make_mask(self, tokens: Tensor, segment: Tensor | None, past: list[Any] | None, first: int = 0) -> Mask:
        if segment is not None:
            raise UserError(
                "segment must be None for recurrent layers, whose state crosses from one packed string to the "
                "next; got one. Give one string per row."
            )
        if self.attention is None:
            positions = torch.arange(tokens.shape[1], device=tokens.device)[None]
            return Mask(positions[:, first:], positions)
        return make_mask(self.attention, tokens, self.W_E.dtype, seen=positions_seen(past), first=first)

    def new_past(self) -> list[Any]:
        return [RecurrentState({}) if isinstance(block, RecurrentBlock) else KeyValues() for block in self.blocks]

    @property
    def mixers(self) -> dict[int, Mixer]:
        """Layer -> its recurrent mixer."""
        return {layer: block.mixer for layer, block in enumerate(self.blocks) if isinstance(block, RecurrentBlock)}

    @property
    def mlp_width(self) -> int:
        """Hidden width of the layers' MLPs, of the widest; 0 where there are none."""
        mlps: list[Any] = [block.mlp for block in self.blocks if block.mlp is not None]
        return max((mlp.width for mlp in mlps), default=0)

    @property
    def recurrent_layers(self) -> tuple[int, ...]:
        """Layers that are recurrent, from 0."""
        return tuple(self.mixers)

    @property
    def attention_layers(self) -> tuple[int, ...]:
        """Layers that attend, from 0."""
        return tuple(layer for layer in range(len(self.blocks)) if layer not in self.mixers)

    def scans(self) -> dict[str, str]:
        used = {
            scan: choose(scan, self.device, dtype=self.dtype, width=getattr(mixer.config, "d_conv", 4))
            for mixer in self.mixers.values()
            for scan in mixer.scans
        }
        return dict(sorted(used.items()))

    @property
    def lens_names(self) -> dict[str, Any]:
        c, a = self.config, self.attention
        return {
            "n_layers": len(self.blocks),
            "n_heads": 1 if a is None else a.most_heads,
            "d_model": c.d_model,
            "d_head": c.d_model if a is None else a.head_width,
            "d_mlp": self.mlp_width,
            "d_vocab": c.d_vocab,
            "n_ctx": 4096 if a is None else a.n_ctx,  # nothing bounds a recurrence
            "act_fn": getattr(c, "activation", "silu") if a is None else a.activation,
            "attn_only": self.mlp_width == 0,
            "normalization_type": c.normalization,
            "positional_embedding_type": "none",
            "output_logits_soft_cap": self.logit_cap or SOFTCAP_DISABLED,
        }

    # ------------------------------------------------------------------ hook points

    def on_demand(self, name: str) -> bool:
        parts = name.split(".")
        if len(parts) > 3 and parts[2] == "mixer" and (mixer := self.mixers.get(int(parts[1]))) is not None:
            return parts[3] in (*mixer.large, *mixer.per_step)
        return super().on_demand(name)

    def made_anew(self, name: str) -> bool:
        return name.rsplit(".", 1)[-1] in (large for mixer in self.mixers.values() for large in mixer.large)

    def other_names(self) -> dict[str, str]:
        found = dict(OF_MODEL)
        for layer, mixer in self.mixers.items():
            for other, own in (OF_BLOCK | mixer.other_names).items():
                found[f"blocks.{layer}.{other}"] = f"blocks.{layer}.{own}"
        return {other: own for other, own in found.items() if own in self.hook_dict and other not in self.hook_dict}

    def refused_names(self) -> dict[str, str]:
        """Other tools' names for what is not the same here -> what to use."""
        found = dict(REFUSED_OF_MODEL)
        for layer, mixer in self.mixers.items():
            found |= {f"blocks.{layer}.{name}": cure for name, cure in (REFUSED_OF_BLOCK | mixer.refused).items()}
        return found

    def known_names(self) -> list[str]:
        steps = [f"blocks.{layer}.mixer.{each}.0" for layer, mixer in self.mixers.items() for each in mixer.per_step]
        return [*super().known_names(), *steps]

    def resolve(self, name: str) -> str:
        """A hook point's own name. `blocks.0.mixer.h.5`, the state after position 5, is made when first named.

        Raises: UserError for a name that does not exist, and for another tool's name for what is not the same here.
        """
        if name in self.hook_dict:
            return name
        if (cure := self.refused_names().get(name)) is not None:
            raise UserError(
                f"a hook point must have a name of this package; got {name}, another tool's name for something "
                f"else: {cure}."
            )
        own = self._own_step(name)
        step = STEP.fullmatch(own)
        if step is None or (mixer := self.mixers.get(int(step[1]))) is None:
            return super().resolve(name)
        if step[2] not in mixer.per_step:
            raise unknown("quantity with a hook point at each position", step[2], mixer.per_step)
        if own not in self.hook_dict:
            points: Any = getattr(mixer, step[2])
            point = points[step[3]] = HookPoint()
            point.name = own
            self.mod_dict[own] = self.hook_dict[own] = point
        return own

    def _own_step(self, name: str) -> str:
        """Our name for a point at one position, of another tool's; any other name as it is."""
        step = OTHER_STEP.fullmatch(name)
        mixer = None if step is None else self.mixers.get(int(step[1]))
        if step is None or mixer is None or step[2] not in mixer.other_steps:
            return name
        return f"blocks.{step[1]}.mixer.{mixer.other_steps[step[2]]}.{step[3]}"

    # ------------------------------------------------------------------ states

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """What the model carries for each string, besides what attention layers keep: `blocks.0.h` -> shape."""
        return {
            f"blocks.{layer}.{name}": shape
            for layer, mixer in self.mixers.items()
            for name, shape in mixer.state_shapes().items()
        }

    @checked_call
    @torch.no_grad()
    def stream(
        self, tokens: Tokens, names: str | Sequence[str], positions: int = 64, past: list[Any] | None = None
    ) -> Iterator[tuple[slice, Any]]:
        """Read hook points over a long string, a stretch of positions at a time.

        The model continues from its own state, so that the whole is never held. Memory, for Mamba: in one layer at a
        time three tensors [batch positions channel state] (decays, writes, states), of which those that are named stay
        until the caller lets the stretch go. At a batch of 8, 64 positions, 256 channels and 16 states in float32
        each takes 8.4 MB, however long the string.

        >>> for here, cache in model.stream(tokens, "blocks.0.mixer.hook_state", positions=64):
        ...     print(here, cache["blocks.0.mixer.hook_state"].norm())

        Args:
            names: hook points, as in `run_with_cache`; states of every position among them. The state of a single
                position (`blocks.0.mixer.h.3`) is in the stretch that it lies in.
            positions: length of a stretch.
            past: to begin after; None begins a string.

        Yields: the positions, and an `ActivationCache` of the stretch.

        Raises: UserError for a stretch of no positions, a name that does not exist, or a position that is not read.
        """
        if positions < 1:
            raise UserError(f"positions must be an integer of at least 1, the length of a stretch; got {positions}.")
        tokens = self.to_tokens(tokens)
        past, end = self.new_past() if past is None else past, tokens.shape[1]
        before, named = positions_seen(past), [names] if isinstance(names, str) else list(names)
        steps = {name: int(step[3]) for name in named if (step := STEP.fullmatch(self.resolve(name)))}
        for name, at in steps.items():
            if not before <= at < before + end:
                raise UserError(
                    f"names must be of positions that are read, {before} to {before + end - 1}; got {name}."
                )
        for first in range(0, end, positions):
            here = slice(first, min(first + positions, end))
            inside = [name for name in named if name not in steps or first <= steps[name] - before < here.stop]
            yield here, self.run_with_cache(tokens[:, here], return_type=None, past=past, names_filter=inside)[1]


class HookedRecurrent(RecurrentModel):
    """A language model whose layers are all of one recurrent family, opened by hook points.

    >>> HookedRecurrent(MambaConfig(d_state=4), seed=0)

    Args:
        config: that of the family.
        seed: seed of the first weights.
    """

    config_class = RecurrentConfig
    config: Any

    def __init__(self, config: RecurrentConfig, seed: int = 0) -> None:
        family = family_of(config)
        self.kind = family.kind
        super().__init__(config, [family.block(config) for _ in range(config.n_layers)], seed=seed)
