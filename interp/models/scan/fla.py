"""flash-linear-attention's Triton kernels behind `matrix_scan`: taken only where `using("fla")` asks for them.

What each of its functions is handed, in the terms of `scan.matrix`:

| where | function | a_t | erasure |
|---|---|---|---|
| all rows of a state decay alike | `simple_gla.chunk_simple_gla` | g [batch pos head] | - |
| each row by itself | `gla.chunk_gla` | g [batch pos head d_key] | - |
| anything is erased | `generalized_delta_rule.dplr.chunk_dplr_delta_rule` | gk [batch pos head d_key] | a = p, b = -e |

All begin from a state in float32 and give one; queries are not scaled again (scale = 1). They multiply in TF32 where
Triton's default is that: about 1e-3 instead of 1e-6. That is why they are not taken unasked.
"""

from functools import cache
from importlib import import_module
from typing import Any

from jaxtyping import Float
from torch import Tensor

from interp.base.errors import UserError

KERNELS = {
    "alike": ("fla.ops.simple_gla", "chunk_simple_gla"),
    "rows": ("fla.ops.gla", "chunk_gla"),
    "erasing": ("fla.ops.generalized_delta_rule.dplr", "chunk_dplr_delta_rule"),
}
"""Where it is called -> the module to import, and the function in it."""
WIDEST = 256
"""Width of a key up to which they run."""

Keys = Float[Tensor, "batch pos head d_key"]


@cache
def missing() -> str | None:
    """Why the kernels cannot be used here; None if they can. Found out once per process, by importing them."""
    try:
        homes = [(import_module(module), function) for module, function in KERNELS.values()]
    except ModuleNotFoundError as error:
        if error.name == "fla":
            return "flash-linear-attention is not installed"
        return f"flash-linear-attention is installed without {error.name}, which it needs"
    except (ImportError, OSError, RuntimeError) as error:  # made for another Triton; no driver
        return f"flash-linear-attention cannot be imported: {str(error).splitlines()[0]}"
    lacking = [function for home, function in homes if not hasattr(home, function)]
    return f"flash-linear-attention is installed in a version without {lacking[0]}" if lacking else None


def matrix_scan(
    q: Keys,
    k: Keys,
    v: Float[Tensor, "batch pos head d_value"],
    log_decay: Float[Tensor, "batch pos head d_key_or_1"],
    erase: Keys | None = None,
    probe: Keys | None = None,
    initial: Float[Tensor, "batch head d_key d_value"] | None = None,
) -> tuple[Float[Tensor, "batch pos head d_value"], Float[Tensor, "batch head d_key d_value"]]:
    """`scan.matrix.matrix_scan` by these kernels; y in the dtype of v, the last state in float32.

    Raises: UserError for keys wider than they take.
    """
    if q.shape[3] > WIDEST:
        raise UserError(
            f"d_key must be at most {WIDEST} for the kernels of flash-linear-attention; got {q.shape[3]}. Leave "
            'using("fla") out.'
        )
    options: Any = {"scale": 1.0, "initial_state": None if initial is None else initial.float()}
    options["output_final_state"] = True
    q, k, log_decay = q.to(v.dtype), k.to(v.dtype), log_decay.float()
    if erase is not None and probe is not None:
        decay = log_decay.expand_as(q).contiguous()
        return _kernel("erasing")(q, k, v, a=probe.to(v.dtype), b=-erase.to(v.dtype), gk=decay, **options)
    if log_decay.shape[3] == 1:
        return _kernel("alike")(q, k, v, g=log_decay[..., 0], **options)
    return _kernel("rows")(q, k, v, g=log_decay, **options)


def _kernel(where: str) -> Any:
    module, function = KERNELS[where]
    return getattr(import_module(module), function)
