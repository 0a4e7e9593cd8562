"""Randomness of its own for every measurement of a study."""

import numpy as np
import torch


def own_generator(measurement: str, seed: int, device: str) -> torch.Generator:
    """Strings of its own for each measurement, so that a change to one does not shift what the others see."""
    entropy = np.random.SeedSequence([seed, *measurement.encode()]).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(entropy[0] >> 1))
