"""What a model is asked, how it is scored, and what an ideal copier would score."""

from interp.tasks.base import Batch, Task
from interp.tasks.copy import CopyTask
from interp.tasks.ngram import NgramLookup
from interp.tasks.packing import pack
from interp.tasks.probes.ideal import IdealAccuracy, ambiguous, guess_probability, ideal_ngram_accuracy
from interp.tasks.probes.matches import match_lengths
from interp.tasks.probes.planted_repeats import Probe, offset_swaps, planted_repeats
from interp.tasks.registry import task_config, task_from_config
from interp.tasks.score import (
    Scores,
    answer_loss,
    letter_correct,
    logit_difference,
    per_string,
    score,
    score_generated,
)
from interp.tasks.vocabulary import Vocabulary

__all__ = [
    "Batch",
    "CopyTask",
    "IdealAccuracy",
    "NgramLookup",
    "Probe",
    "Scores",
    "Task",
    "Vocabulary",
    "ambiguous",
    "answer_loss",
    "guess_probability",
    "ideal_ngram_accuracy",
    "letter_correct",
    "logit_difference",
    "match_lengths",
    "offset_swaps",
    "pack",
    "per_string",
    "planted_repeats",
    "score",
    "score_generated",
    "task_config",
    "task_from_config",
]
