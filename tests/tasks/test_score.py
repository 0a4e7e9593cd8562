"""Scores worked by hand, and against loops over letters."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.base.errors import UserError
from interp.tasks.copy import CopyTask
from interp.tasks.score import answer_loss, letter_correct, logit_difference, per_string, score, score_generated
from interp.tasks.vocabulary import Vocabulary

TASK = CopyTask(4)
BARE = CopyTask(vocab=Vocabulary(n_letters=3, bos=50, separator=None, eos=None, pad=50, letter_ids=(7, 11, 13)))


def ragged(task=TASK, n=12, seed=0):
    return task.sample(n, (1, 7), torch.Generator().manual_seed(seed))


def letters_of(batch, row):
    return [(p, int(batch.targets[row, p])) for p in range(batch.targets.shape[1]) if batch.answer[row, p]]


def test_one_wrong_letter_is_counted_where_it_is():
    batch = TASK.layout(torch.tensor([[2, 0, 1, 3], [0, 0, 1, 2]]))
    predicted = batch.targets.clone()
    predicted[0, 7] = 0  # $cabd|cabd: the query 7 asks for the third letter of the copy
    predicted[:, 2] = 3  # before the answer: not scored
    predicted[1, 9] = 0  # the end token: trained, not scored
    scores = score(predicted, batch)
    assert scores.string_correct.tolist() == [False, True]
    assert scores.letter_accuracy.tolist() == [0.75, 1.0]
    assert scores.first_error.tolist() == [2, -1]
    assert letter_correct(predicted, batch)[0].nonzero()[:, 0].tolist() == [5, 6, 8]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), noise=st.sampled_from([0.0, 0.2, 1.0]), task=st.sampled_from([TASK, BARE]))
def test_scores_are_what_a_loop_over_letters_finds(seed, noise, task):
    batch, generator = ragged(task, seed=seed), torch.Generator().manual_seed(seed)
    strange = torch.rand(batch.targets.shape, generator=generator) < noise
    scores = score(torch.where(strange, (batch.targets + 1) % 60, batch.targets), batch)
    for row in range(len(batch)):
        wrong = [bool(strange[row, p]) for p, _ in letters_of(batch, row)]
        assert scores.string_correct[row] == (not any(wrong))
        assert scores.letter_accuracy[row] == pytest.approx(1 - sum(wrong) / len(wrong))
        assert scores.first_error[row] == (wrong.index(True) if any(wrong) else -1)


def test_logits_are_scored_by_their_greatest():
    batch = ragged()
    logits = torch.randn(*batch.tokens.shape, TASK.vocabulary.size, generator=torch.Generator().manual_seed(1))
    for got, wanted in zip(
        vars(score(logits, batch)).values(), vars(score(logits.argmax(-1), batch)).values(), strict=True
    ):
        assert torch.equal(got, wanted)


def test_what_was_generated_is_scored_against_the_answer_from_its_first_letter():
    batch = TASK.layout(torch.tensor([[2, 0, 1, 3], [0, 1, 2, 2], [3, 3, 1, 1]]), torch.tensor([4, 2, 3]))
    end = TASK.vocabulary.eos
    generated = torch.tensor([[2, 0, 3, 3, end], [0, 1, end, 0, 0], [1, 3, 1, end, 3]])
    scores = score_generated(generated, batch)
    assert scores.string_correct.tolist() == [False, True, False]
    assert scores.letter_accuracy.tolist() == pytest.approx([0.75, 1.0, 2 / 3])
    assert scores.first_error.tolist() == [2, -1, 0]


def test_letters_that_were_not_written_are_wrong():
    batch = TASK.layout(torch.tensor([[2, 0, 1, 3]]))
    scores = score_generated(torch.tensor([[2, 0]]), batch)
    assert scores.letter_accuracy.tolist() == [0.5]
    assert scores.first_error.tolist() == [2]


def test_forced_and_free_agree_on_whole_strings_and_differ_on_letters():
    """A copier with one mistake that then copies from the wrong place: forced it errs once, free it is lost."""
    batch = TASK.layout(torch.tensor([[0, 1, 0, 2, 3]]))
    forced = batch.targets.clone()
    forced[0, 9] = 1
    free = torch.tensor([[0, 1, 0, 1, 0]])
    assert score(forced, batch).letter_accuracy.item() == pytest.approx(0.8)
    assert score_generated(free, batch).letter_accuracy.item() == pytest.approx(0.6)
    assert score(forced, batch).string_correct.item() is score_generated(free, batch).string_correct.item() is False
    assert score(forced, batch).first_error.item() == score_generated(free, batch).first_error.item() == 3


def test_a_row_that_is_asked_nothing_has_no_letter_accuracy():
    batch = ragged(n=1)
    batch.answer[:] = False
    assert math.isnan(score(batch.targets, batch).letter_accuracy.item())


@pytest.mark.parametrize("task", [TASK, BARE], ids=["letters", "over a model"])
def test_loss_and_logit_difference_are_what_a_loop_over_letters_finds(task):
    batch, ids = ragged(task), task.vocabulary.ids(torch.arange(task.alphabet)).tolist()
    logits = torch.randn(*batch.tokens.shape, 60, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    loss, difference = answer_loss(logits, batch), logit_difference(logits, batch, task.vocabulary)
    for row in range(len(batch)):
        losses = []
        for p, letter in letters_of(batch, row):
            here = logits[row, p].tolist()
            losses.append(math.log(sum(map(math.exp, here))) - here[letter])
            others = [here[i] for i in ids if i != letter]
            assert loss[row, p] == pytest.approx(losses[-1], abs=1e-5)
            assert difference[row, p] == pytest.approx(here[letter] - sum(others) / len(others), abs=1e-5)
        assert per_string(loss, batch)[row] == pytest.approx(sum(losses) / len(losses), abs=1e-5)
    assert (loss[~batch.answer] == 0).all()
    assert (difference[~batch.answer] == 0).all()


def test_half_precision_logits_are_scored_in_full():
    batch = ragged()
    logits = torch.zeros(*batch.tokens.shape, TASK.vocabulary.size, dtype=torch.bfloat16)
    loss = answer_loss(logits, batch)
    assert loss.dtype == torch.float32
    assert loss[batch.answer].tolist() == pytest.approx([math.log(8)] * int(batch.answer.sum()))


def test_scores_run_on_meta_tensors():
    batch = TASK.layout(torch.zeros(2, 5, dtype=torch.long, device="meta"))
    logits = torch.zeros(*batch.tokens.shape, 8, device="meta")
    assert score(logits, batch).first_error.device.type == "meta"
    assert score_generated(batch.targets[:, :3], batch).first_error.device.type == "meta"
    assert (
        answer_loss(logits, batch).shape == logit_difference(logits, batch, TASK.vocabulary).shape == batch.tokens.shape
    )


def test_one_row_is_not_taken_for_all_of_them():
    batch = ragged()
    logits = torch.zeros(1, batch.tokens.shape[1], 40)
    for measure in (
        lambda: score(batch.targets[:1], batch),
        lambda: score(batch.targets[:, 1:], batch),
        lambda: score_generated(batch.targets[:1], batch),
        lambda: answer_loss(logits, batch),
        lambda: logit_difference(logits, batch, TASK.vocabulary),
        lambda: per_string(logits[..., 0], batch),
    ):
        with pytest.raises(UserError, match=r"(predicted|generated|logits|values) must (be of|have) 12 strings"):
            measure()


def test_one_letter_alone_is_not_held_against_others():
    task = CopyTask(vocab=Vocabulary(1, bos=1, separator=2, eos=3, pad=4))
    batch = task.sample(2, 3, 0)
    for over in ("mean", "median"):
        with pytest.raises(UserError, match=r"vocabulary must have at least 2 letters, .*; got 1\."):
            logit_difference(torch.zeros(2, 8, 5), batch, task.vocabulary, over)
