"""How does a sequence model copy? Train copiers, find the heads that hash n-grams, see what fits in a state.

The package, in the order in which data passes through it; each line imports only from lines above it:

    base         what everything stands on: refusals, whole files, names of axes, intervals, seeds, provenance
    results      what was found, kept without a model: of heads, ablations, accuracy, training, states, attention
    tasks        what a model is asked: copying, n-gram lookup; probes (planted repeats); its score
    models       what is asked: hooked transformers, recurrent families, hybrids; planted and pretrained ones
    training     how a model learns        } none of the three knows another
    measure      how a model is opened     }
    figures      what a person sees        }
    loading      from a model specification (a run folder, a preset, planted:..., hf:...) to a model
    studies      everything that is asked of one model: a folder a question, with the same rooms in each
    experiments  what is asked of many models: families of them, each with its own folder
    cli          what the command lines of analyses/ share

`import interp` imports none of it: the names below come from their modules at first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interp.loading import load as load
    from interp.measure.ablation.ablate import ablation_study as ablation_study
    from interp.measure.heads.score import score_heads as score_heads
    from interp.models.planted import planted_copier as planted_copier
    from interp.models.recurrent.hybrid import HookedHybrid as HookedHybrid
    from interp.models.recurrent.lstm.model import HookedLSTM as HookedLSTM
    from interp.models.recurrent.mamba.model import HookedMamba as HookedMamba
    from interp.models.recurrent.mamba2.model import HookedMamba2 as HookedMamba2
    from interp.models.transformer import HookedTransformer as HookedTransformer
    from interp.models.transformer import TransformerConfig as TransformerConfig
    from interp.studies.attention.run import view_attention as view_attention
    from interp.studies.heads.run import hash_head_study as hash_head_study
    from interp.studies.state.run import saturation_study as saturation_study
    from interp.tasks.copy import CopyTask as CopyTask
    from interp.tasks.ngram import NgramLookup as NgramLookup
    from interp.training.evaluate import accuracy_by_length as accuracy_by_length
    from interp.training.loop import train as train
    from interp.training.recipe import TrainConfig as TrainConfig

_HOME = {
    "CopyTask": "interp.tasks.copy",
    "HookedHybrid": "interp.models.recurrent.hybrid",
    "HookedLSTM": "interp.models.recurrent.lstm.model",
    "HookedMamba": "interp.models.recurrent.mamba.model",
    "HookedMamba2": "interp.models.recurrent.mamba2.model",
    "HookedTransformer": "interp.models.transformer",
    "NgramLookup": "interp.tasks.ngram",
    "TrainConfig": "interp.training.recipe",
    "TransformerConfig": "interp.models.transformer",
    "ablation_study": "interp.measure.ablation.ablate",
    "accuracy_by_length": "interp.training.evaluate",
    "hash_head_study": "interp.studies.heads.run",
    "load": "interp.loading",
    "planted_copier": "interp.models.planted",
    "saturation_study": "interp.studies.state.run",
    "score_heads": "interp.measure.heads.score",
    "train": "interp.training.loop",
    "view_attention": "interp.studies.attention.run",
}
__all__ = list(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
