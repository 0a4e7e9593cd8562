"""Long short-term memory."""

from interp.models.recurrent.family import Family, register
from interp.models.recurrent.lstm.mixer import LSTMMixer
from interp.models.recurrent.lstm.model import HookedLSTM, LSTMConfig

register(Family("lstm", LSTMConfig, LSTMMixer, HookedLSTM, replaces_stream=True))
