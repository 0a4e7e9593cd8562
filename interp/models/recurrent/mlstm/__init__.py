"""The mLSTM of xLSTM (Beck et al. 2024)."""

from interp.models.recurrent.family import Family, register
from interp.models.recurrent.mlstm.mixer import MLSTMMixer
from interp.models.recurrent.mlstm.model import HookedMLSTM, MLSTMConfig

register(Family("mlstm", MLSTMConfig, MLSTMMixer, HookedMLSTM))
