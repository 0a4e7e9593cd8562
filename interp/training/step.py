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


def summed_loss(model: nn.Module, batch: Batch, first: int = 0) -> Float[Tensor, ""]:
    """Cross-entropy in nats, summed over the trained tokens (`batch.loss_mask`).

    Args:
        first: no token before this position is trained. Above 0, the model's forward must take `queries_from`; its last
            block then computes half as much.
    """
    options: dict[str, Any] = {} if batch.segment is None else {"segment": batch.segment}
    if first:
        options["queries_from"] = first
    logits = model(batch.tokens, **options).float()
    targets = batch.targets.masked_fill(~batch.loss_mask, -100)[:, -logits.shape[1] :]
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum")


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) with weight decay on matrices only: see `TrainConfig.weight_decay`."""
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    decaying = decaying_parameters(model)
    groups = [
        {"params": [p for name, p in named if name in decaying], "weight_decay": config.weight_decay},
        {"params": [p for name, p in named if name not in decaying], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas)


def decaying_parameters(model: nn.Module) -> set[str]:
    """Names of the parameters that have weight decay: matrices that no module exempts by name (`no_weight_decay`)."""
    exempt = {
        f"{prefix}.{name}".removeprefix(".")
        for prefix, module in model.named_modules()
        for name in getattr(module, "no_weight_decay", ())
    }
    return {name for name, parameter in model.named_parameters() if name not in exempt and decays(name, parameter)}


def decays(name: str, parameter: nn.Parameter) -> bool:
    """Whether a parameter is a matrix by itself: no bias, norm or embedding, nor marked `_no_weight_decay`.

    The mark is how modules of mamba-ssm exempt a parameter; a copy of such a module loses it.
    """
    leaf = name.rsplit(".", 1)[-1]
    if leaf in EMBEDDINGS or leaf.startswith("b") or getattr(parameter, "_no_weight_decay", False):
        return False
    return parameter.ndim >= 2


def take_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, share: Share, config: TrainConfig, step: int
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Update the weights once.

    Args:
        share: this process's rows, on the model's device. Gradients are averaged over processes, hence the factor: the
            mean of sum_r x processes / trained is the loss per trained token of the whole batch.
        step: counted from 0; sets the learning rate.

    Returns: this process's part of the loss (its mean over processes is the loss in nats per trained token), and the
        norm of the gradient before clipping.
    """
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate_at(step)
    device = share.batch.tokens.device.type
    with torch.autocast(device, torch.bfloat16) if config.precision == "bf16" else nullcontext():
        loss = summed_loss(model, share.batch, share.first) * (share.processes / share.trained)
    optimizer.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip)
    optimizer.step()
    return loss.detach(), norm.detach()
