"""`HookedModel`: what every model of this package can do, on top of TransformerLens's `HookedRootModule`.

One forward path with hook points on it; running with hooks and with a cache, where a name that does not exist is an
error; saving and loading; greedy generation from whatever the model carries from one call to the next (`past`).
"""

import dataclasses
import sys
from abc import abstractmethod
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens import ActivationCache, HookedRootModule
from transformer_lens.hook_points import HookPoint
from transformer_lens.utilities.components_utils import get_act_name
from transformer_lens.utilities.slice import Slice

from interp.base.axes import Tokens
from interp.base.errors import UserError, unknown
from interp.models.checkpoint import WEIGHTS, load_weights, read_config, save_model
from interp.models.scan import huge_pages

NamesFilter = str | Sequence[str] | Callable[[str], bool] | None
Hook = tuple[str | Callable[[str], bool], Callable[..., Any]]
M = TypeVar("M", bound="HookedModel")  # not Self: beartype, under which the tests run, cannot check it method by method


def in_use(*points: HookPoint) -> bool:
    """Whether anything listens at one of these hook points: a hook of either direction, or an nnsight trace."""
    return any(
        p._forward_hooks or p._forward_pre_hooks or p._backward_hooks or p._backward_pre_hooks or traced(p)
        for p in points
    )


def traced(point: HookPoint) -> bool:
    """Whether a running nnsight trace waits for this point next, or caches it.

    nnsight leaves a `forward` of its own on each module that it has wrapped, traced or not. A trace reads in the order
    of execution, so what it wants of a point is known when the model comes there.
    """
    state = vars(point).get("__nnsight__")
    if state is None:
        return "forward" in vars(point)  # replaced by something else: who knows
    interleaver, path = state.active()[:2]
    wanted = () if interleaver is None else (*interleaver.parked, *interleaver.observers)
    return any(place.startswith(f"{path}.") for place in wanted)


class Cache(ActivationCache):
    """An `ActivationCache` that also knows its entries under the model's `other_names`."""

    model: Any

    def __getitem__(self, key: Any) -> Tensor:
        if isinstance(key, str) and key not in self.cache_dict:
            key = self.model.other_names().get(key, key)
        elif isinstance(key, tuple) and (name := get_act_name(*key)) not in self.cache_dict:
            key = self.model.other_names().get(name, key)
        return super().__getitem__(key)


class HookedModel(HookedRootModule):
    """A language model over token ids, opened by hook points.

    Subclasses are built from a frozen config (`config`), declare the `kind` under which they are saved, call `setup()`
    at the end of their constructor and implement `forward` and `new_past`.
    """

    kind: ClassVar[str]
    isolates: ClassVar[bool] = True
    """Whether packed strings can be kept apart, as `segment` asks."""
    config: Any
    """The frozen dataclass from which the model is built."""
    cfg: Any
    """The same in TransformerLens's names."""

    @abstractmethod
    def new_past(self) -> Any:
        """What the model carries from one call to the next, before the first: pass it to `forward(..., past=...)`."""

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    @property
    def n_parameters(self) -> int:
        return sum(p.numel() for p in self.parameters())

    def scans(self) -> dict[str, str]:
        """What it runs of `interp.models.scan` -> by which method, on its device: for a run's provenance."""
        return {}

    def to_tokens(self, tokens: Any, *_: Any, **__: Any) -> Tokens:
        """Token ids as a batch: TransformerLens's tools ask for it. There is no tokenizer behind it.

        Raises: UserError for text; a task's vocabulary encodes text.
        """
        if not isinstance(tokens, Tensor):
            raise UserError(
                f"this model takes token ids; encode text with a task's vocabulary first (got {type(tokens)})."
            )
        return tokens if tokens.ndim == 2 else tokens[None]

    # ------------------------------------------------------------------ hooks and cache

    def on_demand(self, name: str) -> bool:  # noqa: ARG002
        """Whether a hook point is left out when everything is cached, because it costs memory out of proportion.

        It fires as soon as it is named.
        """
        return False

    def made_anew(self, name: str) -> bool:  # noqa: ARG002
        """Whether the tensor at a hook point is made for it and never written to again, except by hooks.

        Such a one is cached as it is, unless another hook stands at the point: copies of whole states take longer than
        to compute them.
        """
        return False

    def other_names(self) -> dict[str, str]:
        """Names under which other tools know a hook point -> its own; they serve wherever a hook point is named."""
        return {}

    def resolve(self, name: str) -> str:
        """A hook point's own name.

        Raises: UserError for a name that does not exist.
        """
        if name in self.hook_dict:
            return name
        if (own := self.other_names().get(name)) is not None:
            return own
        raise unknown("hook point", name, self.known_names())

    def known_names(self) -> list[str]:
        """What `resolve` suggests from, for a name that does not exist."""
        return [*self.hook_dict, *self.other_names()]

    def hook_names(self, names: NamesFilter) -> list[str]:
        """The hook points that a filter means: None (all but those on demand), a name, names, or a predicate.

        Raises: UserError for a name that does not exist, or a predicate that matches nothing.
        """
        if names is None:
            return [name for name in self.hook_dict if not self.on_demand(name)]
        if callable(names):
            if chosen := [name for name in self.hook_dict if names(name)]:
                return chosen
            raise UserError(f"the names filter matches none of the model's {len(self.hook_dict)} hook points.")
        return [self.resolve(name) for name in ([names] if isinstance(names, str) else names)]

    @contextmanager
    def hooks(
        self,
        fwd_hooks: Sequence[Hook] = (),
        bwd_hooks: Sequence[Hook] = (),
        reset_hooks_end: bool = True,
        clear_contexts: bool = False,
    ) -> Iterator["HookedModel"]:
        """As in TransformerLens, but every name is checked before the first hook is attached.

        Compiled code does not look for hooks that came after it: it runs as written while these are attached. One that
        is added for good (`add_hook`) must be there before the model is compiled.
        """
        forward, backward = ([(self._checked(name), hook) for name, hook in hooks] for hooks in (fwd_hooks, bwd_hooks))
        compiling = "torch._dynamo" in sys.modules
        with (
            torch.compiler.set_stance("force_eager") if compiling else nullcontext(),
            super().hooks(forward, backward, reset_hooks_end, clear_contexts),
        ):
            yield self

    def add_hook(self, name: str | Callable[[str], bool], *args: Any, **kwargs: Any) -> None:
        """As in TransformerLens; a name that does not exist is an error."""
        super().add_hook(self._checked(name), *args, **kwargs)

    def _checked(self, name: str | Callable[[str], bool]) -> str | Callable[[str], bool]:
        """A name as `resolve` gives it; a predicate, if it matches anything."""
        if isinstance(name, str):
            return self.resolve(name)
        self.hook_names(name)
        return name

    def run_with_hooks(self, *args: Any, fwd_hooks: Sequence[Hook] = (), **kwargs: Any) -> Any:
        """As in TransformerLens; a hook that the run does not come to, because it stops before, is an error."""
        fired: set[str] = set()

        def noting(function: Callable[..., Any]) -> Callable[..., Any]:
            def run(tensor: Tensor, hook: HookPoint) -> Any:
                fired.add(hook.name or "")
                return function(tensor, hook=hook)

            return run

        out = super().run_with_hooks(
            *args, fwd_hooks=[(name, noting(function)) for name, function in fwd_hooks], **kwargs
        )
        _require_fired([self.resolve(name) for name, _ in fwd_hooks if isinstance(name, str)], fired)
        return out

    def run_with_cache(self, *args: Any, return_cache_object: bool = True, **kwargs: Any) -> tuple[Any, Any]:
        """As in TransformerLens; returns the output and an `ActivationCache` (or a dict, if so asked).

        Cached tensors are copies, or nothing else holds them: no later hook can change them. `pos_slice` cuts the
        position axis (of patterns and scores: the query axis), whatever stands behind it. A hook point that is named
        and not come to, because the run stops before, is an error.
        """
        out, cache = super().run_with_cache(*args, **kwargs)
        wanted = kwargs.get("names_filter")
        if wanted is not None and not callable(wanted):
            _require_fired(self.hook_names(wanted), cache)
            asked = [wanted] if isinstance(wanted, str) else list(wanted)
            cache |= {name: cache[self.resolve(name)] for name in asked}
        batched = not kwargs.get("remove_batch_dim", False)
        return out, Cache(cache, self, has_batch_dim=batched) if return_cache_object else cache

    def get_caching_hooks(
        self,
        names_filter: NamesFilter = None,
        incl_bwd: bool = False,
        device: torch.device | str | None = None,
        remove_batch_dim: bool = False,
        cache: dict[str, Tensor] | None = None,
        pos_slice: Any = None,
    ) -> tuple[dict[str, Tensor], list[Hook], list[Hook]]:
        """Hooks that fill `cache`, and the cache. See `run_with_cache`."""
        cache = {} if cache is None else cache
        pos_slice = Slice.unwrap(pos_slice)

        def keep(suffix: str) -> Callable[..., None]:
            def save(tensor: Tensor, hook: HookPoint) -> None:
                name = hook.name or ""
                axis = 2 if name.endswith(("hook_pattern", "hook_attn_scores")) else 1
                if remove_batch_dim and len(tensor) != 1:
                    raise UserError(f"remove_batch_dim is for a batch of one string; {name} has {len(tensor)}.")
                kept = pos_slice.apply(tensor.detach(), dim=axis - tensor.ndim)
                if device is not None:
                    kept = kept.to(device, copy=True)
                elif kept.shape != tensor.shape or not self.made_anew(name) or len(hook._forward_hooks) > 1:
                    kept = huge_pages.copy(kept)
                cache[name + suffix] = kept[0] if remove_batch_dim else kept

            return save

        names = self.hook_names(names_filter)
        forward: list[Hook] = [(name, keep("")) for name in names]
        backward: list[Hook] = [(name, keep("_grad")) for name in names] if incl_bwd else []
        return cache, forward, backward

    def add_caching_hooks(
        self,
        names_filter: NamesFilter = None,
        incl_bwd: bool = False,
        device: torch.device | str | None = None,
        remove_batch_dim: bool = False,
        cache: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Attach `get_caching_hooks` until `reset_hooks`; returns the cache that they fill."""
        cache, forward, backward = self.get_caching_hooks(names_filter, incl_bwd, device, remove_batch_dim, cache)
        for direction, hooks in (("fwd", forward), ("bwd", backward)):
            for name, hook in hooks:
                self.add_hook(name, hook, direction)
        return cache

    # ------------------------------------------------------------------ generation

    @torch.no_grad()
    def generate(
        self,
        tokens: Tokens,
        max_new_tokens: int,
        stop_at: int | None = None,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "batch longer"]:
        """Continue prompts of equal length, each step reading one token and the `past`.

        Args:
            tokens: prompts.
            max_new_tokens: tokens to append at most.
            stop_at: a token after which a string is finished; its row is filled up with that token, and when all rows
                are finished no more is generated.
            temperature: 0 takes the most likely token.
            generator: randomness for a temperature above 0.

        Raises: UserError for a negative temperature.
        """
        if temperature < 0:
            raise UserError(f"temperature is at least 0, which takes the most likely token; got {temperature}.")
        past, new, out = self.new_past(), tokens, [tokens]
        finished = torch.zeros_like(tokens[:, :1], dtype=torch.bool)
        for _ in range(max_new_tokens):
            logits = self(new, past=past)[:, -1]
            new = _draw(logits, temperature, generator)
            if stop_at is not None:
                new = new.masked_fill(finished, stop_at)
                finished = finished | (new == stop_at)
            out.append(new)
            if stop_at is not None and bool(finished.all()):
                break
        return torch.cat(out, dim=1)

    # ------------------------------------------------------------------ files

    def config_dict(self) -> dict[str, Any]:
        """The model's kind and config as JSON values; `interp.models.build` makes the model again."""
        return {"kind": self.kind, **dataclasses.asdict(self.config)}

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write `config.json` and `model.safetensors`, or leave the folder as it was. Returns the folder.

        Raises: InterpError if they cannot be written.
        """
        save_model(self, self.config_dict(), Path(folder))
        return Path(folder)

    @classmethod
    def from_pretrained(cls: type[M], folder: str | Path, device: torch.device | str = "cpu") -> M:
        """Build the model that `save_pretrained` (or a training) left in a folder, in the dtype that it has there.

        Raises: UserError if the folder holds no model or one of another kind; InterpError for damaged weights.
        """
        from interp.models import build

        model = build(read_config(Path(folder)))
        if not isinstance(model, cls):
            raise UserError(f"{folder} should hold a {cls.__name__}; it holds a {type(model).__name__}.")
        load_weights(model, Path(folder) / WEIGHTS)
        return model.to(device)


def _require_fired(names: Sequence[str], fired: Container[str]) -> None:
    if idle := [name for name in names if name not in fired]:
        raise UserError(f"the run did not come to {', '.join(idle[:6])}; let it start before and stop after.")


def _draw(logits: Float[Tensor, "batch vocab"], temperature: float, generator: torch.Generator | None) -> Tokens:
    if temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    return torch.multinomial((logits / temperature).softmax(dim=-1), 1, generator=generator)
