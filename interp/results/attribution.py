"""What replacing single edges does to a measure, exactly or as gradients estimate it, and how far the two agree."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from scipy import stats

from interp.base.errors import UserError
from interp.results.record import Result

Method = Literal["exact", "eap", "eap-ig", "atp"]
Target = Literal["logit_difference", "loss"]


@dataclass(frozen=True)
class EdgeEffects(Result):
    """Change of a measure where one edge, or all edges out of one node, carry a donor's value: changed less clean."""

    method: Method
    """`exact` by running it; the others estimate it from gradients."""
    measure: Target
    edges: Annotated[tuple[str, ...], "edge"]
    nodes: Annotated[tuple[str, ...], "node"]
    """Nodes that write."""
    effect: Float[np.ndarray, "edge string"]
    """Per string; of `atp` its size, which is an average of sizes, without the sign."""
    node_effect: Float[np.ndarray, "node string"]
    passes: int
    """Forward passes and backward passes of the whole model over each string, added up."""

    @property
    def scores(self) -> Float[np.ndarray, " edge"]:
        """Size of each edge's mean effect: what edges are ranked by."""
        return np.abs(self.effect.mean(axis=1))

    @property
    def node_scores(self) -> Float[np.ndarray, " node"]:
        """Size of each node's mean effect."""
        return np.abs(self.node_effect.mean(axis=1))

    def edges_by_node(self) -> Float[np.ndarray, " edge"]:
        """Scores of edges from those of nodes alone: the lesser of its ends' (not embedding, unembedding)."""
        of_node = dict(zip(self.nodes, self.node_scores, strict=True)) | {"embed": np.inf, "unembed": np.inf}
        ends = [name.removesuffix(".q").removesuffix(".k").removesuffix(".v").split("->") for name in self.edges]
        found = [min(of_node[writer], of_node[reader]) for writer, reader in ends]
        return np.array([score if np.isfinite(score) else 0.0 for score in found])

    def rank_correlation(self, exact: "EdgeEffects") -> float:
        """Spearman's correlation of the scores of edges with the exact ones; nan where one of them is constant.

        Raises: UserError for effects on other edges.
        """
        self._require_like(exact)
        if np.ptp(self.scores) == 0 or np.ptp(exact.scores) == 0:
            return float("nan")
        return float(stats.spearmanr(self.scores, exact.scores).statistic)

    def missed(self, exact: "EdgeEffects", share: float = 0.1) -> tuple[str, ...]:
        """Edges that matter and are not seen: the exact score is at least a share of the largest, the estimate less
        than that share of the exact one. Worst first.

        Raises: UserError for effects on other edges.
        """
        self._require_like(exact)
        mine, true = self.scores, exact.scores
        places = np.flatnonzero((true >= share * true.max()) & (true > 0) & (mine < share * true))
        return tuple(self.edges[i] for i in places[np.argsort(-true[places], kind="stable")])

    def _require_like(self, exact: "EdgeEffects") -> None:
        if self.edges != exact.edges or self.measure != exact.measure:
            raise UserError(
                f"effects must be of the same edges on the same measure to be compared; got {self.measure} of "
                f"{len(self.edges)} edges and {exact.measure} of {len(exact.edges)}. Measure both on one model."
            )
