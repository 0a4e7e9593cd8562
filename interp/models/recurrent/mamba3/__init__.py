"""Mamba-3 (Lahoti et al. 2026)."""

from interp.models.recurrent.family import Family, register
from interp.models.recurrent.mamba3.mixer import Mamba3Mixer
from interp.models.recurrent.mamba3.model import HookedMamba3, Mamba3Config

register(Family("mamba3", Mamba3Config, Mamba3Mixer, HookedMamba3))
