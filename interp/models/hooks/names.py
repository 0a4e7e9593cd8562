"""Which hook points a model has under which names, and what a user's names, lists and predicates mean.

A name that does not exist is an error that lists the nearest known ones, never an empty cache.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from transformer_lens import HookedRootModule

from interp.base.errors import UserError, shown, unknown
from interp.models.hooks.cache import Hook

NamesFilter = str | Sequence[str] | Callable[[str], bool] | None
"""A hook point's name, several, a predicate on names, or None for all but those on demand."""


class NamedPoints(HookedRootModule):
    """A module whose hook points are found by name.

    >>> model.resolve("blocks.0.hook_attn_out")  # of a Mamba: TransformerLens's tools ask for it
    'blocks.0.hook_mixer_out'
    """

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
            n = len(self.hook_dict)
            raise UserError(
                f"names_filter must match a hook point; got one that matches none of the model's {n}. Print "
                "model.hook_dict to see them."
            )
        chosen: list[Any]
        try:
            chosen = [names] if isinstance(names, str) else list(names)
        except TypeError:  # a tensor without dimensions has __iter__, and cannot be iterated over
            chosen = [names]
        if not all(isinstance(name, str) for name in chosen):
            raise UserError(
                f"names_filter must be a hook point's name, a list of names or a predicate; got {shown(names)}."
            )
        return [self.resolve(name) for name in chosen]

    def checked_pairs(self, hooks: Sequence[Hook]) -> list[Hook]:
        """Hooks with their names as `checked_name` gives them.

        Raises: UserError for one that is not a pair (name, function), or whose function does not take (tensor, hook),
            and as `checked_name`.
        """
        for hook in hooks:
            if not isinstance(hook, tuple | list) or len(hook) != 2 or not callable(hook[1]):
                raise UserError(f"a hook must be a pair (name, function); got {shown(hook)}.")
            _check_takes(hook[1])
        return [(self.checked_name(name), function) for name, function in hooks]

    def checked_name(self, name: str | Callable[[str], bool]) -> str | Callable[[str], bool]:
        """A name as `resolve` gives it; a predicate, if it matches anything."""
        if isinstance(name, str):
            return self.resolve(name)
        self.hook_names(name)
        return name


def _check_takes(function: Callable[..., Any]) -> None:
    """Refuse a function that cannot be called as hooks are: with a tensor and, by its name, the hook point."""
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # what is written in C may not tell
        return
    try:
        signature.bind(None, hook=None)
    except TypeError as error:
        raise UserError(f"a hook's function must take (tensor, hook); got one that does not ({error}).") from error
