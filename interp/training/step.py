"""One step of a training: the loss on what is trained, its gradient, and AdamW."""

from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from interp.tasks.base import Batch
from interp.training.data import Share
from interp.training.recipe import TrainConfig

EMBEDDINGS = ("W_E", "W_pos")


def summed_loss(model: nn.Module, batch: Batch, first: int = 0, past: list[Any] | None = None) -> Float[Tensor, ""]:
    """Cross-entropy in nats, summed over the trained tokens (`batch.loss_mask`).

    Args:
        first: no token before this position is trained. Above 0, the model's forward must take `queries_from`; its last
            block then computes half as much.
        past: the states that the rows start from; None for empty ones.
    """
    options: dict[str, Any] = {} if batch.segment is None else {"segment": batch.segment}
    if first:
        options["queries_from"] = first
    if past is not None:
        options["past"] = past
    logits = model(batch.tokens, **options).float()
    targets = batch.targets.masked_fill(~batch.loss_mask, -100)[:, -logits.shape[1] :]
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum")


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) with weight decay on matrices only: see `TrainConfig.weight_decay`."""
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    decaying = decaying_parameters(model, config.decay_exempted)
    groups = [
        {"params": [p for name, p in named if name in decaying], "weight_decay": config.weight_decay},
        {"params": [p for name, p in named if name not in decaying], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas)


def decaying_parameters(model: nn.Module, exempted: bool = False) -> set[str]:
    """Names of the parameters that have weight decay: matrices that no module exempts by name (`no_weight_decay`).

    Args:
        exempted: whether those that one exempts decay as well, apart from biases.
    """
    exempt = {
        f"{prefix}.{name}".removeprefix(".")
        for prefix, module in model.named_modules()
        for name in getattr(module, "no_weight_decay", ())
    }
    also = {name for name in exempt if exempted and not _is_bias(name)}
    named = dict(model.named_parameters())
    return {name for name in named if name in also or (name not in exempt and decays(name, named[name]))}


def decays(name: str, parameter: nn.Parameter) -> bool:
    """Whether a parameter is a matrix by itself: no bias, norm or embedding, nor marked `_no_weight_decay`.

    The mark is how modules of mamba-ssm exempt a parameter; a copy of such a module loses it.
    """
    if name.rsplit(".", 1)[-1] in EMBEDDINGS or _is_bias(name) or getattr(parameter, "_no_weight_decay", False):
        return False
    return parameter.ndim >= 2


def _is_bias(name: str) -> bool:
    return name.rsplit(".", 1)[-1].startswith("b")


def take_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    share: Share,
    config: TrainConfig,
    step: int,
    past: list[Any] | None = None,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Update the weights once.

    Args:
        share: this process's rows, on the model's device. Gradients are averaged over processes, hence the factor: the
            mean of sum_r x processes / trained is the loss per trained token of the whole batch.
        step: counted from 0; sets the learning rate.
        past: the states that the rows start from; None for empty ones.

    Returns: this process's part of the loss (its mean over processes is the loss in nats per trained token), and the
        norm of the gradient before clipping.
    """
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate_at(step)
    device = share.batch.tokens.device.type
    with torch.autocast(device, torch.bfloat16) if config.precision == "bf16" else nullcontext():
        loss = summed_loss(model, share.batch, share.first, past) * (share.processes / share.trained)
    optimizer.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip)
    optimizer.step()
    return loss.detach(), norm.detach()
