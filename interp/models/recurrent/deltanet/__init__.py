"""DeltaNet (Schlag et al. 2021; Yang et al. 2024)."""

from interp.models.recurrent.deltanet.mixer import DeltaNetMixer
from interp.models.recurrent.deltanet.model import DeltaNetConfig, HookedDeltaNet
from interp.models.recurrent.family import Family, register

register(Family("deltanet", DeltaNetConfig, DeltaNetMixer, HookedDeltaNet))
