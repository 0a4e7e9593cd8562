# What `interp` offers at the top, and where it is defined: read by type checkers, and at run time by lazy_loader.
# A name that comes here is imported from its module at first use.

from .base import errors as errors
from .experiments.results import load_result as load_result
from .loading import Loaded as Loaded
from .loading import load as load
from .loading.hub import push_to_hub as push_to_hub
from .loading.opening import open as open
from .measure.circuits.letters import letter_circuits as letter_circuits
from .measure.heads.score import score_heads as score_heads
from .models.planted import planted_copier as planted_copier
from .models.recurrent.hybrid import HookedHybrid as HookedHybrid
from .models.recurrent.lstm.model import HookedLSTM as HookedLSTM
from .models.recurrent.mamba.model import HookedMamba as HookedMamba
from .models.recurrent.mamba2.model import HookedMamba2 as HookedMamba2
from .models.transformer import HookedTransformer as HookedTransformer
from .models.transformer import TransformerConfig as TransformerConfig
from .studies.ablation.run import ablation_study as ablation_study
from .studies.attention.run import view_attention as view_attention
from .studies.attention.run.examples import attention_examples as attention_examples
from .studies.heads.run import hash_head_study as hash_head_study
from .studies.state.run import saturation_study as saturation_study
from .tasks.copy import CopyTask as CopyTask
from .tasks.ngram import NgramLookup as NgramLookup
from .training.catalogue import presets as presets
from .training.curves import learning_curves as learning_curves
from .training.evaluate import accuracy_by_length as accuracy_by_length
from .training.loop import train as train
from .training.recipe import TrainConfig as TrainConfig

__version__: str
