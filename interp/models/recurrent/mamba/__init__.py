"""Mamba (Gu & Dao 2023)."""

from interp.models.recurrent.family import Family, register
from interp.models.recurrent.mamba.mixer import MambaMixer
from interp.models.recurrent.mamba.model import HookedMamba, MambaConfig

register(Family("mamba", MambaConfig, MambaMixer, HookedMamba))
