"""The whole study, on models and settings that do not fit each other neatly."""

from dataclasses import replace

import pytest

from interp.loading import Loaded, load
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.studies.heads.result import EffectiveN
from interp.studies.heads.run import hash_head_study
from interp.studies.heads.settings import HeadStudySettings
from interp.studies.heads.verdict import head_verdict
from interp.tasks.copy import CopyTask

TINY = HeadStudySettings.tiny()


def test_lengths_that_leave_out_the_longest_of_training_still_get_a_verdict():
    model = HookedTransformer(TransformerConfig(d_model=16, n_heads=2, windows=(2, None)))
    study = hash_head_study(Loaded(model, CopyTask(), {}, trained_lengths=(20, 30)), settings=TINY)
    assert study.accuracy_by_length.lengths == (10, 20)
    assert "of strings of 20 letters" in str(study.verdict)


def test_probes_beyond_the_lengths_of_training_are_named_and_ablations_stay_within(monkeypatch):
    lengths = []
    monkeypatch.setattr(
        "interp.studies.heads.run.ablation_study", lambda *args, **_: lengths.append(args[3].answer.sum(dim=1)) or ()
    )
    for trained in ((1, 6), (20, 30)):
        study = hash_head_study(replace(load("planted:ngram?n=3&alphabet=8"), trained_lengths=trained), settings=TINY)
        assert ("trained on 1 to 6" in " ".join(study.scores.notes)) is (trained == (1, 6))
    assert [found.unique().tolist() for found in lengths] == [[6], [30]]


@pytest.mark.parametrize(("ns", "words"), [((1, 1), "the last letter."), ((3, 5), "the last 3 or 5 letters.")])
def test_the_verdict_names_every_n_that_lookup_heads_have(ns, words):
    study = hash_head_study(load("planted:ngram?n=3&alphabet=8&n_lookup=2"), settings=TINY)
    rest = iter(ns)
    heads = tuple(replace(head, n=next(rest)) if head.role == "lookup" else head for head in study.heads)
    scores = replace(study.scores, heads=heads)
    assert words in str(head_verdict(scores, study.accuracy_by_length, EffectiveN(None, None, ns[0]), ()))


def test_a_study_draws_the_same_strings_again():
    first, second = (hash_head_study(load("planted:ngram?n=2&alphabet=8"), seed=3, settings=TINY) for _ in range(2))
    assert first.heads == second.heads
    assert first.causal.value == second.causal.value


def test_where_too_few_strings_are_right_the_ablation_is_told_by_letters():
    study = hash_head_study(load("planted:ngram?n=2&alphabet=8"), settings=replace(TINY, lengths=(6,)))
    together = [a for a in study.ablations if a.group == "all"]
    poor = (replace(together[0], string_accuracy_before=0.1, letter_accuracy_before=0.6, letter_accuracy_after=0.2),)
    words = head_verdict(study.scores, study.accuracy_by_length, study.effective_n, poor)
    assert "the share of right letters goes from 60% to 20%." in str(words)
    assert "2" in study.accuracy_by_length.ideal  # the model's own n stands beside the usual ones
