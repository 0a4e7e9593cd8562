"""Linear attention (Katharopoulos et al. 2020)."""

from interp.models.recurrent.family import Family, register
from interp.models.recurrent.linear_attention.mixer import LinearAttentionMixer
from interp.models.recurrent.linear_attention.model import HookedLinearAttention, LinearAttentionConfig

register(Family("linear_attention", LinearAttentionConfig, LinearAttentionMixer, HookedLinearAttention))
