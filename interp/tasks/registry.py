"""Tasks by name: registered where they are written, kept as JSON, and asked for by a short text such as `ngram?n=3`.

A task is one file: a frozen dataclass of plain values under `@register("name")`. What stands in `interp.tasks` is found
by itself; a task of one's own is known once its module is imported.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from interp.base.calls import checked_call
from interp.base.errors import UserError, shown, unknown
from interp.tasks.base import Task
from interp.tasks.spec import parse, write
from interp.tasks.vocabulary import Vocabulary

KINDS: dict[str, type[Task]] = {}
"""Name -> class of every task that is known."""
Kind = TypeVar("Kind", bound=type[Task])


@checked_call
def register(kind: str) -> Callable[[Kind], Kind]:
    """Register a task under a name for run folders and specifications.

    >>> @interp.tasks.register("copy-of-three")
    ... class CopyOfThree(interp.CopyTask):
    ...     pass
    >>> interp.tasks.task_class("copy-of-three").__name__
    'CopyOfThree'

    Args:
        kind: its name, of letters, digits and dashes, that no other task has.

    Raises: UserError for a name that another task has.
    """

    def known(cls: Kind) -> Kind:
        here = KINDS.setdefault(kind, cls)
        if (here.__module__, here.__qualname__) != (cls.__module__, cls.__qualname__):
            raise UserError(f"a task must have a name of its own; got {shown(kind)}, which is {here.__qualname__}.")
        KINDS[kind] = cls  # a notebook defines its class anew
        return cls

    return known


@checked_call
def task_config(task: Task) -> dict[str, Any]:
    """Describe a task by plain JSON values: its `kind` and its fields.

    >>> interp.tasks.task_config(interp.NgramLookup(n=2))["kind"]
    'ngram'

    Raises: UserError for a task of a kind that is not registered.
    """
    from interp.base.codec import to_plain  # here, as below: whoever only draws strings needs no codec

    return {"kind": _kind(task)} | to_plain(task)


@checked_call
def task_from_config(config: dict[str, Any]) -> Task:
    """Make the task that `task_config` described.

    >>> interp.tasks.task_from_config({"kind": "copy", "alphabet": 4})
    CopyTask(alphabet=4, vocab=None)

    Raises: UserError for an unknown kind or field, or a value that the task refuses.
    """
    from interp.base.codec import from_plain

    fields = dict(config)
    return from_plain(task_class(str(fields.pop("kind", None))), fields)


@checked_call
def task_from_spec(spec: str, vocabulary: Vocabulary | None = None) -> Task:
    """Make the task that a text asks for: a name, and after a question mark fields that differ from their defaults.

    Args:
        spec: such as `copy`, `copy?alphabet=8` or `ngram?n=2&key=prefix`.
        vocabulary: token ids that the task is to speak, those of a model; `alphabet` then takes the first of its
            letters. None: the task's own.

    Raises: UserError for an unknown name or field, naming the nearest, or a value that the task refuses.

    >>> task_from_spec("copy?alphabet=8")
    CopyTask(alphabet=8, vocab=None)
    """
    from interp.base.codec import from_plain

    kind, question, options = spec.strip().partition("?")
    cls = task_class(spec)
    fields = parse(options, cls, f"the task {kind!r}") if question else {}
    if vocabulary is None:
        return from_plain(cls, fields)
    letters = fields.pop("alphabet", vocabulary.n_letters)
    own = from_plain(cls, fields)
    return own.over(vocabulary if letters == vocabulary.n_letters else vocabulary.first(letters))


@checked_call
def task_class(spec: str) -> type[Task]:
    """Find the class of the task that a text names, whatever its options.

    >>> interp.tasks.task_class("copy?alphabet=8").__name__
    'CopyTask'

    Raises: UserError for an unknown name, with the nearest.
    """
    kind = spec.strip().partition("?")[0]
    if kind not in KINDS:
        raise unknown("task", kind, KINDS)
    return KINDS[kind]


@checked_call
def task_spec(task: Task) -> str:
    """Write a task as the text that `task_from_spec` reads; token ids of another model (`vocab`) are left out.

    >>> task_spec(task_from_spec("ngram?n=2"))
    'ngram?n=2'
    """
    return write(_kind(task), task)


def _kind(task: Task) -> str:
    for kind, cls in KINDS.items():
        if type(task) is cls:
            return kind
    raise UserError(
        f"a task must be registered to be kept or named; got {type(task).__name__}. Put @register('a-name') before it."
    )
