"""What a preset is."""

from typing import Any

from interp.tasks.copy import CopyTask
from interp.tasks.reverse import ReverseCopy
from interp.training.recipe import TrainConfig

Preset = tuple[dict[str, Any], CopyTask | ReverseCopy, TrainConfig]
"""The model's kind and what differs from its config's defaults, as `build` takes them; the task; the recipe."""
