"""A delta-rule memory that copies: detector, hidden attention, bits and state study say what a dict says."""

import math

import numpy as np
import pytest
import torch

from interp.loading import Loaded
from interp.measure.heads.score import score_heads
from interp.measure.heads.settings import HeadSettings
from interp.measure.state.bits import bits_of, used_bits
from interp.measure.state.matrices import effective_state_size
from interp.models.hidden_attention.pattern import hidden_pattern
from interp.models.planted.delta import planted_delta_copier
from interp.studies.state.run import saturation_study
from interp.studies.state.settings import SaturationSettings
from interp.tasks.copy import CopyTask

ALPHABET, LOGIT = 8, 6.0
TASK = CopyTask(ALPHABET)
BOS, SEPARATOR = ALPHABET, ALPHABET + 1


@pytest.fixture(scope="module")
def copier():
    return planted_delta_copier(ALPHABET, LOGIT)[0]


def written(row: list[int]) -> list[tuple[int | None, int | None]]:
    """What a dict of followers holds under each token when it is read, and where that was written."""
    held: dict[int, tuple[int, int]] = {}
    found = []
    for at, token in enumerate(row):
        if at:
            held[row[at - 1]] = (token, at)
        found.append(held.get(BOS if token == SEPARATOR else token, (None, None)))
    return found


def bits_by_dict(length: int, strings: int, seed: int) -> np.ndarray:
    """Bits of each answer letter: the letters are uniform but for the one that the dict holds."""
    batch = TASK.sample(strings, length, seed)
    rows, start = [], length + 1
    for row in batch.tokens.tolist():
        held = [token for token, _ in written(row)][start : start + length]
        wanted = row[start + 1 : start + 1 + length]
        sure = [token is not None and token < ALPHABET for token in held]
        whole = [math.log(math.exp(LOGIT) + ALPHABET - 1) if s else math.log(ALPHABET) for s in sure]
        mine = [LOGIT if h == w else 0.0 for h, w in zip(held, wanted, strict=True)]
        rows.append([(m - w + math.log(ALPHABET)) / math.log(2) for m, w in zip(mine, whole, strict=True)])
    return np.array(rows)


def test_it_answers_what_a_dict_of_followers_holds_and_looks_where_that_was_written(copier):
    batch = TASK.sample(12, 9, 0)
    logits, pattern = copier(batch.tokens), hidden_pattern(copier, batch.tokens, 0)[:, 0]
    overwritten = 0
    for string, row in enumerate(batch.tokens.tolist()):
        for at, (token, source) in enumerate(written(row)):
            if token is None:
                assert logits[string, at].abs().max() < 1e-3
                continue
            expected = torch.zeros(copier.cfg.d_vocab)
            expected[token] = LOGIT
            torch.testing.assert_close(logits[string, at], expected, atol=1e-3, rtol=1e-4)
            assert pattern[string, at, source] == pytest.approx(1, abs=1e-4)
            overwritten += row[:source].count(row[source - 1]) > 1
    assert overwritten > 20


def test_its_head_looks_up_one_letter_and_prefers_the_later_of_two_matches():
    model, n = planted_delta_copier(26)
    (head,) = score_heads(model, CopyTask(), (14, 18), 0, HeadSettings(longest=3, strings=24)).heads
    assert (head.name, head.kind, head.role, head.n) == ("L0H0", "hidden attention", "lookup", n)
    assert head.matched == (0,) and head.prefers == "later" and head.score > 0.99


def test_its_effective_size_counts_the_letters_that_are_read_again_before_they_are_overwritten(copier):
    tokens = TASK.sample(6, 9, 1).tokens
    splits = [2, 6, 10, 14]
    found = effective_state_size(copier, tokens, 0, splits)
    for string, row in enumerate(tokens.tolist()):
        sources = [source for _, source in written(row)]
        crossing = [{source for source in sources[split:] if source is not None and source < split} for split in splits]
        assert found.rank[string, :, 0].tolist() == [len(each) for each in crossing]


def test_the_bits_that_it_uses_are_those_of_the_dict(copier):
    lengths = (2, 6, 12)
    rows = [bits_by_dict(length, 200, 5) for length in lengths]
    for length, row in zip(lengths, rows, strict=True):
        found, expected = used_bits(copier, TASK, (length,), 200, 5), bits_of((length,), [row])
        np.testing.assert_allclose(found.total, expected.total, atol=1e-3)
        np.testing.assert_allclose(found.by_position, expected.by_position, atol=1e-3)
    assert rows[0].mean() > 2.0 and rows[2].mean() < 0.5 * rows[0].mean()  # letters come again, and are overwritten


@pytest.mark.slow
def test_the_study_of_its_state_finds_it_whole_and_used_as_the_dict_says(copier):
    loaded = Loaded(copier, TASK, {"spec": "delta copier"})
    profile = saturation_study(loaded, 0, SaturationSettings.tiny())
    whole = next(part for part in profile.transplant if part.kind == "whole")
    assert whole.follows_donor > 0.9 and whole.largest_difference < 1e-3
    for length, ends in zip(profile.lengths, profile.used.interval, strict=True):
        exact = bits_of((length,), [bits_by_dict(length, 2000, 7)]).total[0]
        assert ends.low - 0.5 <= exact <= ends.high + 0.5
    for ablation in profile.state_ablations:
        if ablation.name == "layer 0":
            assert ablation.letter_accuracy_after < ablation.letter_accuracy_before - 0.3
