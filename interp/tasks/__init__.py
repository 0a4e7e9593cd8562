"""What a model is asked, how it is scored, and what an ideal copier would score.

A task is a file of this folder that registers itself (`interp.tasks.registry`); all of them are imported here.

This package can be taken for itself, as the reference definition of the paper's tasks: it imports numpy and torch, and
two small packages, jaxtyping and lazy_loader. What goes further imports what it needs when it is called: configs and
specifications cattrs, strings as Parquet pyarrow (`interp.tasks.strings`).
"""

import pkgutil
from importlib import import_module

from interp.tasks.base import Batch, ContrastPair, Task, need
from interp.tasks.beginning import PrefixCopy
from interp.tasks.copy import CopyTask
from interp.tasks.duplicate import DuplicateCopy
from interp.tasks.ngram import NgramLookup
from interp.tasks.packing import pack
from interp.tasks.passkey import Passkey
from interp.tasks.phone_book import PhoneBook
from interp.tasks.planted import PlantedCopy
from interp.tasks.probes.ideal import IdealAccuracy, ambiguous, guess_probability, ideal_ngram_accuracy
from interp.tasks.probes.matches import match_lengths
from interp.tasks.probes.planted_repeats import offset_swaps, planted_repeats
from interp.tasks.probes.probe import Probe
from interp.tasks.recall import Recall
from interp.tasks.registry import register, task_class, task_config, task_from_config, task_from_spec, task_spec
from interp.tasks.reverse import ReverseCopy
from interp.tasks.score import (
    Scores,
    answer_loss,
    letter_correct,
    logit_difference,
    per_string,
    score,
    score_generated,
)
from interp.tasks.selective import SelectiveCopy
from interp.tasks.strings import read_strings, write_strings
from interp.tasks.unique import UniqueCopy
from interp.tasks.vocabulary import Vocabulary

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "Batch",
    "ContrastPair",
    "CopyTask",
    "DuplicateCopy",
    "IdealAccuracy",
    "NgramLookup",
    "Passkey",
    "PhoneBook",
    "PlantedCopy",
    "PrefixCopy",
    "Probe",
    "Recall",
    "ReverseCopy",
    "Scores",
    "SelectiveCopy",
    "Task",
    "UniqueCopy",
    "Vocabulary",
    "ambiguous",
    "answer_loss",
    "guess_probability",
    "ideal_ngram_accuracy",
    "letter_correct",
    "logit_difference",
    "match_lengths",
    "need",
    "offset_swaps",
    "pack",
    "per_string",
    "planted_repeats",
    "read_strings",
    "register",
    "score",
    "score_generated",
    "task_class",
    "task_config",
    "task_from_config",
    "task_from_spec",
    "task_spec",
    "write_strings",
]
