"""S4D (Gu, Gupta, Goel & Re 2022)."""

from interp.models.recurrent.family import Family, register
from interp.models.recurrent.s4d.mixer import S4DMixer
from interp.models.recurrent.s4d.model import HookedS4D, S4DConfig

register(Family("s4d", S4DConfig, S4DMixer, HookedS4D))
