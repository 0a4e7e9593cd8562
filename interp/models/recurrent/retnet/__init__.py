"""Retentive networks (Sun et al. 2023)."""

from interp.models.recurrent.family import Family, register
from interp.models.recurrent.retnet.mixer import RetNetMixer
from interp.models.recurrent.retnet.model import HookedRetNet, RetNetConfig

register(Family("retnet", RetNetConfig, RetNetMixer, HookedRetNet))
