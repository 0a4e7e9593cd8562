"""Packed rows taken apart again as text."""

import pytest
import torch

from interp.base.errors import UserError
from interp.tasks.copy import CopyTask
from interp.tasks.ngram import NgramLookup
from interp.tasks.packing import pack
from interp.tasks.score import score
from interp.tasks.vocabulary import Vocabulary

TASKS = pytest.mark.parametrize(
    ("task", "length"),
    [
        (CopyTask(), (1, 8)),
        (CopyTask(4), 3),
        (NgramLookup(n=2, answer=None, key="prefix"), (4, 9)),
        (NgramLookup(n=1, answer=2, key="suffix"), (3, 6)),
    ],
    ids=["ragged", "fixed", "prefix", "suffix"],
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def strings_of(task, batch, row):
    """(begin, text) of each string of a row with its last target; the last one may be cut."""
    text = task.decode(torch.cat([batch.tokens[row : row + 1, :1], batch.targets[row : row + 1]], dim=1))[0]
    begins = [i for i, c in enumerate(text) if c == "$"]
    return [(a, text[a:b]) for a, b in zip(begins, [*begins[1:], len(text)], strict=True)]


@TASKS
@pytest.mark.parametrize("isolate", [True, False])
def test_rows_are_filled_to_the_context_with_whole_strings_and_one_cut(task, length, isolate):
    batch = pack(task, 30, 64, length, seeded(), isolate)
    assert batch.tokens.shape == (30, 64)
    assert torch.equal(batch.tokens[:, 1:], batch.targets[:, :-1])
    assert (batch.tokens != task.vocabulary.pad).all()
    for row in range(30):
        strings = strings_of(task, batch, row)
        assert strings[0][0] == 0
        assert all(text.endswith(".") for _, text in strings[:-1])


@TASKS
def test_each_whole_string_asks_what_it_would_ask_alone(task, length):
    batch = pack(task, 30, 64, length, seeded(1), False)
    for row in range(30):
        for begin, text in strings_of(task, batch, row):
            here = slice(begin, begin + len(text) - 1)  # the positions whose targets belong to the string
            answer, trained, source = batch.answer[row, here], batch.loss_mask[row, here], batch.source[row, here]
            if not text.endswith("."):
                assert not trained.any(), "a cut string carries no loss"
                assert not answer.any()
                assert (source == -1).all()
                continue
            asked = "".join(text[i + 1] for i in answer.nonzero()[:, 0])
            assert len(asked) >= 1
            if isinstance(task, CopyTask):
                assert text == f"${asked}|{asked}."
            copied = batch.tokens[row].gather(0, source[answer])
            assert task.decode(copied[None]) == [asked]
            assert ((source[answer] >= begin) & (source[answer] < begin + len(text))).all()
            assert trained.tolist() == [*answer.tolist()[:-1], True], "the end token is trained"
        boundaries = [begin - 1 for begin, _ in strings_of(task, batch, row)[1:]]
        assert not batch.loss_mask[row, boundaries].any(), "no string is asked for the beginning of the next"


def test_a_string_whose_end_is_the_last_target_is_whole_and_one_token_less_cuts_it():
    whole = pack(CopyTask(), 5, 8, 3, seeded(), False)  # $abc|abc is 8 tokens, its end the last target
    assert whole.loss_mask.sum(1).tolist() == [4] * 5
    assert whole.answer.sum(1).tolist() == [3] * 5
    cut = pack(CopyTask(), 5, 16, 3, seeded(), False)  # the second would take 18
    assert cut.answer.sum(1).tolist() == [3] * 5


def test_isolated_strings_are_numbered_within_their_row_and_others_are_not():
    batch = pack(CopyTask(), 10, 40, (1, 6), seeded(2), True)
    begins = batch.tokens == CopyTask().vocabulary.bos
    assert torch.equal(batch.segment, begins.long().cumsum(dim=1) - 1)
    assert torch.equal(batch.segment.gather(1, batch.source.clamp(min=0))[batch.answer], batch.segment[batch.answer])
    assert pack(CopyTask(), 10, 40, (1, 6), seeded(2), False).segment is None


def test_rows_pack_over_a_language_model_where_the_padding_is_also_the_beginning():
    task = CopyTask(vocab=Vocabulary(n_letters=3, bos=50, separator=None, eos=None, pad=50, letter_ids=(7, 11, 13)))
    batch = pack(task, 20, 30, (2, 5), seeded(3), True)
    copied = batch.tokens.gather(1, batch.source.clamp(min=0))
    assert torch.equal(copied[batch.answer], batch.targets[batch.answer])
    assert (batch.answer.sum(1) >= 8).all(), "at most one string is cut, of 11 tokens"
    assert (batch.segment.diff(dim=1) == (batch.tokens == 50)[:, 1:].long()).all(), "no padding between the strings"


def test_packing_cuts_as_few_letters_as_it_must():
    batch = pack(CopyTask(), 500, 220, (5, 20), seeded(4), False)
    assert 0.38 < batch.answer.double().mean() < 0.46
    assert score(batch.targets, batch).string_correct.all()


def test_a_context_that_holds_no_string_is_refused_with_one_that_does():
    with pytest.raises(UserError, match="longest string, 22 tokens; got 21"):
        pack(CopyTask(), 2, 21, (5, 10), seeded(), False)
    pack(CopyTask(), 2, 22, (5, 10), seeded(), False)
