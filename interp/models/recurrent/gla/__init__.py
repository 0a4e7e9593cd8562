"""Gated linear attention (Yang et al. 2023)."""

from interp.models.recurrent.family import Family, register
from interp.models.recurrent.gla.mixer import GLAMixer
from interp.models.recurrent.gla.model import GLAConfig, HookedGLA

register(Family("gla", GLAConfig, GLAMixer, HookedGLA))
