"""RWKV-7 (Peng et al. 2025)."""

from interp.models.recurrent.family import Family, register
from interp.models.recurrent.rwkv7.mixer import RWKV7Mixer
from interp.models.recurrent.rwkv7.model import HookedRWKV7, RWKV7Config

register(Family("rwkv7", RWKV7Config, RWKV7Mixer, HookedRWKV7))
