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
from jaxtyping import Int
from torch import Tensor

from interp.base.axes import Tokens
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.models.checkpoint import WEIGHTS, load_weights, read_config, save_model
from interp.models.hooks.cache import Cache, Hook, keeping_hooks
from interp.models.hooks.construction import check_call
from interp.models.hooks.generation import generate
from interp.models.hooks.lock import ModelLock
from interp.models.hooks.names import NamedPoints, NamesFilter
from interp.models.hooks.point import HookPoint, in_use
from interp.models.hooks.tokens import as_tokens

M = TypeVar("M", bound="HookedModel")  # not Self: beartype, under which the tests run, cannot check it method by method


class HookedModel(NamedPoints):
    """A language model over token ids, opened by hook points.

    Subclasses are built from a frozen config (`config`), declare the `kind` under which they are saved, call `setup()`
    at the end of their constructor and implement `forward` and `new_past`.

    One thread runs a model at a time: hooks are attached to the model itself, so that another thread would meet them.
    It waits while hooks are attached (`with model.hooks(...)`) or the model runs.
    """

    WANTED: ClassVar[str] = "a model of this package"
    ADVICE: ClassVar[str] = "Of a model under a bridge ask for what runs it: heads, ablations, texts."

    kind: str
    """Kind that `interp.models.build` makes it by."""
    config_class: ClassVar[type | None] = None
    """Class of its `config`, to which what it is built from is held; None: anything."""
    isolates: ClassVar[bool] = True
    """Whether packed strings can be kept apart, as `segment` asks."""
    config: Any
    """Frozen dataclass that the model is built from."""
    cfg: Any
    """`config` in TransformerLens's names."""

    def __new__(cls: type[M], *args: Any, **kwargs: Any) -> M:
        """Make an object whose constructor was called with a config.

        Raises: UserError for anything else in the config's place; its fields among it.
        """
        if cls.config_class is not None and (args or kwargs):
            check_call(cls, cls.config_class, args, kwargs)
        return super().__new__(cls)  # pyright: ignore[reportArgumentType]

    def __init__(self) -> None:
        super().__init__()
        self.lock = ModelLock()

    def setup(self) -> None:
        """Name the hook points. The model is in evaluation mode from then on, as TransformerLens's tools ask."""
        super().setup()
        self.eval()

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

    @property
    def hooked(self) -> bool:
        """Whether anything is attached to a hook point or another module now: a way round the forward pass would miss
        it."""
        if in_use(*self.hook_dict.values()):
            return True
        return any(module._forward_hooks or module._forward_pre_hooks for module in self.modules())

    def scans(self) -> dict[str, str]:
        """What it runs of `interp.models.scan` -> by which method, on its device: for a run's provenance."""
        return {}

    def to_tokens(self, tokens: Any, *_: Any, **__: Any) -> Tokens:
        """Token ids as a batch [batch pos], held to the vocabulary. TransformerLens's tools ask for it.

        In training on an accelerator the values are left to its own check in the embedding, which stops the process
        for good, but waits for nothing.

        Raises: UserError for anything but token ids (text: there is no tokenizer here), and for ids out of bounds.
        """
        on_cpu = isinstance(tokens, Tensor) and tokens.device.type == "cpu"
        return as_tokens(tokens, self.config.d_vocab, check_values=on_cpu or not self.training)

    # ------------------------------------------------------------------ hooks and cache

    @contextmanager
    def hooks(
        self,
        fwd_hooks: Sequence[Hook] = (),
        bwd_hooks: Sequence[Hook] = (),
        reset_hooks_end: bool = True,
        clear_contexts: bool = False,
    ) -> Iterator["HookedModel"]:
        """Run with hooks, as in TransformerLens, but every name is checked before the first hook is attached.

        Compiled code does not look for hooks that came after it: it runs as written while these are attached. One that
        is added for good (`add_hook`) must be there before the model is compiled.

        Args:
            fwd_hooks: pairs of a name (or a choice of names) and a function of the value and `hook`.
            bwd_hooks: the same, of gradients.
            reset_hooks_end: whether these hooks are removed at the end; else they stay until `reset_hooks`.
            clear_contexts: whether what they have stored in `hook.ctx` is removed with them.
        """
        compiling = "torch._dynamo" in sys.modules
        with self.lock:
            forward, backward = self.checked_pairs(fwd_hooks), self.checked_pairs(bwd_hooks)
            with (
                torch.compiler.set_stance("force_eager") if compiling else nullcontext(),
                super().hooks(forward, backward, reset_hooks_end, clear_contexts),
            ):
                yield self

    def add_hook(self, name: str | Callable[[str], bool], *args: Any, **kwargs: Any) -> None:
        """Attach a hook, as in TransformerLens; a name that does not exist is an error."""
        with self.lock:
            super().add_hook(self.checked_name(name), *args, **kwargs)

    @checked_call
    def run_with_hooks(self, *args: Any, fwd_hooks: Sequence[Hook] = (), **kwargs: Any) -> Any:
        """Run with hooks, as in TransformerLens; a hook that the run never reaches, because it stops before, is an
        error."""
        fired: set[str] = set()

        def noting(function: Callable[..., Any]) -> Callable[..., Any]:
            def run(tensor: Tensor, hook: HookPoint) -> Any:
                fired.add(hook.name or "")
                return function(tensor, hook=hook)

            return run

        out = super().run_with_hooks(
            *args, fwd_hooks=[(name, noting(function)) for name, function in self.checked_pairs(fwd_hooks)], **kwargs
        )
        _require_fired([self.resolve(name) for name, _ in fwd_hooks if isinstance(name, str)], fired)
        return out

    def run_with_cache(self, *args: Any, return_cache_object: bool = True, **kwargs: Any) -> tuple[Any, Any]:
        """Run and cache activations, as in TransformerLens; returns the output and an `ActivationCache` (or a dict, if
        asked).

        Cached tensors are copies, or nothing else holds them: no later hook can change them. `pos_slice` cuts the
        position axis (of patterns and scores: the query axis), whatever stands behind it. A hook point that is named
        and not come to, because the run stops before, is an error.
        """
        if args and isinstance(args[0], Tensor) and args[0].ndim == 1:
            args = (args[0][None], *args[1:])
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
        forward, backward = keeping_hooks(
            self.hook_names(names_filter),
            cache,
            self.made_anew,
            incl_bwd=incl_bwd,
            device=device,
            remove_batch_dim=remove_batch_dim,
            pos_slice=pos_slice,
        )
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

    @checked_call
    def generate(
        self,
        tokens: Tokens,
        max_new_tokens: int,
        stop_at: int | None = None,
        temperature: float = 0.0,
        generator: torch.Generator | int | None = None,
    ) -> Int[Tensor, "batch longer"]:
        """Continue prompts of equal length, each step reading one token and the `past`.

        Args:
            tokens: prompts.
            max_new_tokens: tokens to append at most.
            stop_at: a token after which a string is finished; its row is filled up with that token, and when all rows
                are finished no more is generated.
            temperature: 0 takes the most likely token.
            generator: randomness for a temperature above 0; a seed serves as well.

        Raises: UserError for a negative number of tokens or a negative temperature.
        """
        return generate(self, self.to_tokens(tokens), max_new_tokens, stop_at, temperature, generator)

    # ------------------------------------------------------------------ files

    def config_dict(self) -> dict[str, Any]:
        """The model's kind and config as JSON values; `interp.models.build` makes the model again."""
        describe = getattr(self.config, "to_dict", lambda: dataclasses.asdict(self.config))
        return {"kind": self.kind, **describe()}

    @checked_call
    def save_pretrained(self, folder: str | Path) -> Path:
        """Write `config.json` and `model.safetensors`, or leave the folder as it was. Returns the folder.

        Raises: InterpError if they cannot be written.
        """
        save_model(self, self.config_dict(), Path(folder))
        return Path(folder)

    @classmethod
    @checked_call
    def from_pretrained(cls: type[M], folder: str | Path, device: torch.device | str = "cpu") -> M:
        """Build the model that `save_pretrained` (or a training) left in a folder, in the dtype that it has there.

        Raises: UserError if the folder holds no model or one of another kind; InterpError for damaged weights.
        """
        from interp.models import build

        model = build(read_config(Path(folder)))
        if not isinstance(model, cls):
            raise UserError(
                f"{folder} must hold a {cls.__name__}; got a {type(model).__name__}. Use from_pretrained of that class."
            )
        load_weights(model, Path(folder) / WEIGHTS)
        return model.to(device)


def _require_fired(names: Sequence[str], fired: Container[str]) -> None:
    if idle := [name for name in names if name not in fired]:
        raise UserError(
            f"hook points must be reached by this run; got {', '.join(idle[:6])}, which it never reached. "
            "Choose start_at_layer and stop_at_layer so that it does."
        )
