"""How methods of circuit discovery did on planted copiers, model by model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float

from interp.base.errors import UserError
from interp.base.estimates import mean_interval, proportion_interval, share_interval
from interp.base.interval import Interval
from interp.results.record import Result

GRADES = ("auroc", "cmd", "recovered")


@dataclass(frozen=True)
class BenchResult(Result):
    """Grades of methods on planted models."""

    methods: Annotated[tuple[str, ...], "method"]
    models: Annotated[tuple[str, ...], "model"]
    """Kind and seed of each, as `planted:circuit?kind=K&seed=N` has them."""
    n_edges: Annotated[tuple[int, ...], "model"]
    """Edges of each model."""
    n_true: Annotated[tuple[int, ...], "model"]
    """Edges of its mechanism."""
    auroc: Float[np.ndarray, "method model"]
    """Chance that an edge of the mechanism has a higher score than another edge; ties count half."""
    cmd: Float[np.ndarray, "method model"]
    """Area between 1 and the faithfulness of the best edges: 0 is best."""
    recovered: Bool[np.ndarray, "method model"]
    """Whether every edge of the mechanism has a higher score than any other edge."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of models, each once."""
        return tuple(dict.fromkeys(name.split("&")[0] for name in self.models))

    def by_kind(self, quantity: str = "auroc") -> Float[np.ndarray, "method kind"]:
        """Means of a quantity over the models of each kind."""
        kinds = np.array([name.split("&")[0] for name in self.models])
        values = np.asarray(getattr(self, quantity), dtype=np.float64)
        return np.stack([values[:, kinds == kind].mean(axis=1) for kind in self.kinds], axis=1)

    def table(self) -> str:
        """The table of methods as Markdown, with intervals at 95 % over models."""
        lines = ["| method | AUROC | CMD | exact recovery |", "|---|---|---|---|"]
        for name, auroc, cmd, found in zip(self.methods, self.auroc, self.cmd, self.recovered, strict=True):
            cells = [
                _cell(auroc.mean(), share_interval(auroc)),
                _cell(cmd.mean(), mean_interval(cmd)),
                _cell(found.mean(), proportion_interval(int(found.sum()), len(found))),
            ]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def kinds_table(self) -> str:
        """Mean AUROC on each kind of model, as Markdown."""
        means = self.by_kind()
        lines = [f"| kind | {' | '.join(self.methods)} |", "|---" * (1 + len(self.methods)) + "|"]
        lines += [
            f"| {kind} | {' | '.join(f'{mean:.3f}' for mean in column)} |"
            for kind, column in zip(self.kinds, means.T, strict=True)
        ]
        return "\n".join(lines)


def joined(parts: Sequence[BenchResult]) -> BenchResult:
    """Put the models of several parts together, in their order.

    >>> joined([BenchResult.load("parts/0"), BenchResult.load("parts/12")]).table()

    Raises: UserError for no parts, parts of other methods, and a model that is in two of them.
    """
    methods = {part.methods for part in parts}
    if len(methods) != 1:
        raise UserError(
            f"parts must be at least one, all of the same methods; got {len(parts)} of {len(methods)} lists of "
            "methods. Join those of one."
        )
    models = tuple(name for part in parts for name in part.models)
    if twice := [name for name in dict.fromkeys(models) if models.count(name) > 1]:
        raise UserError(
            f"parts must have models of their own; got {twice[0]} in several. Leave all of them but one out."
        )
    return BenchResult(
        methods=methods.pop(),
        models=models,
        n_edges=sum((tuple(part.n_edges) for part in parts), ()),
        n_true=sum((tuple(part.n_true) for part in parts), ()),
        **{name: np.concatenate([getattr(part, name) for part in parts], axis=1) for name in GRADES},
    )


def _cell(mean: float, interval: Interval) -> str:
    low, high = interval
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"
