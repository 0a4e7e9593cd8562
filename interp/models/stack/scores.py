"""What stands between q k^T / sqrt(d_head) and attention: a scale that grows with the keys, and softmax or entmax."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.base.axes import HeadVectors, Pattern
from interp.models.stack.entmax import entmax
from interp.models.stack.layer_heads import LayerHeads

FIRST_SCALE = 0.43
"""First s of scalable softmax: the slope over log N that Nakanishi (2025, section 2) found where it was free."""


def capped(scores: Tensor, cap: float | None) -> Tensor:
    """c tanh(z / c) for a cap c, so that no score is beyond it (Gemma 2); the scores themselves without one."""
    return scores if cap is None else cap * (scores / cap).tanh()


class ScoreScale(nn.Module):
    """Queries times s log N, of which scores are then multiples: N is the number of keys that the query sees.

    "log-n" has s = 1 (Chiang & Cholak 2022); "ssmax" learns one s a head: softmax(s log N z) (Nakanishi 2025).

    Args:
        kind: one of the two.
        heads: of the layer.
    """

    def __init__(self, kind: str, heads: LayerHeads) -> None:
        super().__init__()
        self.heads = heads
        self.w = nn.Parameter(torch.full((heads.n,), FIRST_SCALE)) if kind == "ssmax" else None

    def forward(self, q: HeadVectors, positions: Int[Tensor, "#batch pos"]) -> HeadVectors:
        """Scale queries that stand at these positions."""
        most = torch.iinfo(positions.dtype).max
        windows = [w or most for w in self.heads.windows or (None,) * self.heads.n]
        seen = torch.minimum(positions[..., None] + 1, torch.tensor(windows, device=positions.device))
        scale = seen.to(q.dtype).log()
        return q * (scale if self.w is None else scale * self.w)[..., None]


class Entmax(nn.Module):
    """alpha-entmax with an alpha = 1 + sigmoid(w) of each head (Correia, Niculae & Martins 2019).

    p = [(alpha - 1) z - tau]_+^(1 / (alpha - 1)), with tau such that p sums to 1: exactly 0 for scores far below the
    largest. alpha -> 1 is softmax, 2 sparsemax; it begins at 1.5.

    Args:
        n_heads: of the layer.
    """

    def __init__(self, n_heads: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(n_heads))

    @property
    def alpha(self) -> Float[Tensor, " head"]:
        """alpha of each head."""
        return 1 + self.w.sigmoid()

    def forward(self, scores: Pattern) -> Pattern:
        """Make scores attention."""
        return entmax(scores, self.alpha[:, None, None])

    def together(self, scores: Float[Tensor, "head query key"], heads: Sequence[int]) -> Float[Tensor, "head query"]:
        """The score at which one more key would get as much attention as all of these keys together.

        Half of the attention is left to them, so that with c = 2^-(alpha - 1) they have half of entmax(z / c), whose
        threshold follows from its largest share; the one that has the other half stands c above it.

        Args:
            scores: of some heads, -inf where hidden.
            heads: their indices.
        """
        alpha = self.alpha[list(heads)].to(scores.dtype)[:, None]
        half = 0.5 ** (alpha - 1)
        largest = entmax(scores / half[..., None], alpha[..., None]).amax(dim=-1)
        return scores.amax(dim=-1) + half * (1 - largest ** (alpha - 1)) / (alpha - 1)


class Softmax(nn.Module):
    """exp(z) / sum exp(z) over the keys."""

    def forward(self, scores: Pattern) -> Pattern:
        """Make scores attention."""
        return scores.softmax(dim=-1)

    def together(self, scores: Float[Tensor, "head query key"], heads: Sequence[int]) -> Float[Tensor, "head query"]:  # noqa: ARG002
        """The score at which one more key would get as much attention as all of these keys together."""
        return scores.logsumexp(dim=-1)
