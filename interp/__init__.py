"""How does a sequence model copy? Train copiers, find the heads that hash n-grams, see what fits in a state.

The package, in the order in which data passes through it; each line imports only from lines above it:

    errors, files, axes, stats   what everything stands on: refusals, whole files, names of axes, intervals
    records                      how a result is kept on disk; with
    provenance                   where a result comes from
    tasks                        what a model is asked: copying, n-gram lookup, planted repeats; and its score
    models                       what is asked: hooked transformers, Mambas, LSTMs, hybrids; planted and pretrained ones
    results, profiles, views     what was found (of states: profiles; on one string: views), kept without a model
    families                     the same of several models that differ in one thing
    training, measure, figures   how a model learns, is opened, is shown; none of the three knows another
    loading                      from a model specification (a run folder, a preset, planted:..., hf:...) to a model
    verdict, state_verdict       what a study found, in words
    study, saturation            everything that is asked of one model's heads, and of its state, in one call
    state_growth                 whether a larger state holds more, over a family of models
    viewing                      attention on one string, for a page
    cli                          what the command lines of analyses/ share

`import interp` imports none of it: the names below come from their modules at first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interp.loading import load as load
    from interp.measure.ablate import ablation_study as ablation_study
    from interp.measure.heads import score_heads as score_heads
    from interp.models.hybrid import HookedHybrid as HookedHybrid
    from interp.models.lstm import HookedLSTM as HookedLSTM
    from interp.models.mamba import HookedMamba as HookedMamba
    from interp.models.mamba2 import HookedMamba2 as HookedMamba2
    from interp.models.planted import planted_copier as planted_copier
    from interp.models.transformer import HookedTransformer as HookedTransformer
    from interp.models.transformer import TransformerConfig as TransformerConfig
    from interp.saturation import saturation_study as saturation_study
    from interp.study import hash_head_study as hash_head_study
    from interp.tasks.copy import CopyTask as CopyTask
    from interp.tasks.ngram import NgramLookup as NgramLookup
    from interp.training.config import TrainConfig as TrainConfig
    from interp.training.evaluate import accuracy_by_length as accuracy_by_length
    from interp.training.loop import train as train
    from interp.viewing import view_attention as view_attention

_HOME = {
    "CopyTask": "interp.tasks.copy",
    "HookedHybrid": "interp.models.hybrid",
    "HookedLSTM": "interp.models.lstm",
    "HookedMamba": "interp.models.mamba",
    "HookedMamba2": "interp.models.mamba2",
    "HookedTransformer": "interp.models.transformer",
    "NgramLookup": "interp.tasks.ngram",
    "TrainConfig": "interp.training.config",
    "TransformerConfig": "interp.models.transformer",
    "ablation_study": "interp.measure.ablate",
    "accuracy_by_length": "interp.training.evaluate",
    "hash_head_study": "interp.study",
    "load": "interp.loading",
    "planted_copier": "interp.models.planted",
    "saturation_study": "interp.saturation",
    "score_heads": "interp.measure.heads",
    "train": "interp.training.loop",
    "view_attention": "interp.viewing",
}
__all__ = list(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
