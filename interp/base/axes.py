"""The names of the axes, and the array types that public functions take and return.

| axis | is |
|---|---|
| `batch` | strings (or prompts) run together |
| `pos` | position in the token sequence; always axis 1, attention patterns excepted |
| `query`, `key` | position that attends, position that is attended to; key <= query |
| `vocab` | token ids |
| `layer`, `head` | transformer block, attention head within it (in results: the heads of all layers, in order) |
| `d_model`, `d_head`, `d_mlp` | width of the residual stream, of a head, of the MLP's hidden layer |
| `example` | one query position of one string: the unit over which measurements are averaged and resampled |
| `match` | length of the longest common suffix of two contexts, in tokens: 0, 1, 2, ... |
| `offset` | letters back from a position: 0 is the position's own letter |

Torch tensors before a measurement, numpy arrays after it. jaxtyping checks shapes in the tests only.
"""

from jaxtyping import Bool, Float, Int
from torch import Tensor

Tokens = Int[Tensor, "batch pos"]
PosMask = Bool[Tensor, "batch pos"]
Logits = Float[Tensor, "batch pos vocab"]
Residual = Float[Tensor, "batch pos d_model"]
HeadVectors = Float[Tensor, "batch pos head d_head"]
Pattern = Float[Tensor, "batch head query key"]
