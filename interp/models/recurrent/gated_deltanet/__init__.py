"""Gated DeltaNet (Yang, Kautz & Hatamizadeh 2024)."""

from interp.models.recurrent.family import Family, register
from interp.models.recurrent.gated_deltanet.mixer import GatedDeltaNetMixer
from interp.models.recurrent.gated_deltanet.model import GatedDeltaNetConfig, HookedGatedDeltaNet

register(Family("gated_deltanet", GatedDeltaNetConfig, GatedDeltaNetMixer, HookedGatedDeltaNet))
