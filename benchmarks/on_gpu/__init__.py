"""The parts of `gpu.py`, a module each with `rows(device, quick)`; here is what they share: rows, clocks, memory."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.benchmark import Timer

Row = dict[str, Any]
ERROR = 300
"""Characters that are kept of an error."""


def row(what: str, measure: Callable[..., Row], *arguments: Any) -> Row:
    """What a measurement gives, or what went wrong in it; the next one begins with an empty memory."""
    try:
        return {"what": what, **measure(*arguments)}
    except Exception as error:
        return {"what": what, "error": f"{type(error).__name__}: {error}"[:ERROR]}
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()


def milliseconds(run: Callable[[], Any], seconds: float = 0.3) -> float:
    """Median time of a run that was warmed up; a GPU's work is waited for."""
    run()
    timer = Timer("run()", globals={"run": run}, num_threads=torch.get_num_threads())
    return timer.blocked_autorange(min_run_time=seconds).median * 1e3


def peak_gib(device: str) -> float | None:
    """The most memory that tensors took since the last row; None on a CPU, which does not count it."""
    return torch.cuda.max_memory_allocated(device) / 2**30 if device.startswith("cuda") else None


def training_step(model: nn.Module, tokens: Tensor, bf16: bool = False) -> Callable[[], Tensor]:
    """Forward, loss on the next token, backward and AdamW; with `bf16` under autocast. Gives the loss."""
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-4)

    def step() -> Tensor:
        optimizer.zero_grad()
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=bf16):
            out: Any = model(tokens)
            logits = out if isinstance(out, Tensor) else out.logits
            loss = F.cross_entropy(logits[:, :-1].float().flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def strings(d_vocab: int, batch: int, length: int, device: str) -> Tensor:
    """Tokens drawn on the CPU, the same for every device."""
    return torch.randint(0, d_vocab, (batch, length), generator=torch.Generator().manual_seed(0)).to(device)
