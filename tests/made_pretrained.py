"""Models of transformers' own classes, written to a folder."""

from collections.abc import Callable
from typing import Any

import pytest
import torch


@pytest.fixture(scope="session")
def pretrained() -> Callable[..., Any]:
    """Writes the untrained model of a config to a folder, with weights four times as large as usual, so that attention
    is far from even: `pretrained(config, folder)`; returns the model."""

    def make(config: Any, folder: Any) -> Any:
        from transformers import AutoModelForCausalLM

        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(4)
        model.save_pretrained(folder)
        return model.eval()

    return make
