"""Mamba-2 (Dao & Gu 2024)."""

from interp.models.recurrent.family import Family, register
from interp.models.recurrent.mamba2.mixer import Mamba2Mixer
from interp.models.recurrent.mamba2.model import HookedMamba2, Mamba2Config

register(Family("mamba2", Mamba2Config, Mamba2Mixer, HookedMamba2))
