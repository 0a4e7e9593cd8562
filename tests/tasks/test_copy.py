"""The copy task against strings written by hand, and its sampling against the uniform distribution."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from interp.base.errors import UserError
from interp.tasks.copy import CopyTask
from interp.tasks.vocabulary import LETTERS, Vocabulary

ONE_LETTER = CopyTask(vocab=Vocabulary(1, bos=1, separator=2, eos=3, pad=4))

BARE = Vocabulary(n_letters=3, bos=50, separator=None, eos=None, pad=50, letter_ids=(7, 11, 13))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def numbers(text):
    return torch.tensor([[LETTERS.index(c) for c in text]])


def slow_batch(task, text):
    """One string, position by position: full string, then what follows each token and where it is copied from."""
    vocab = task.vocabulary
    ids = vocab.ids(numbers(text))[0].tolist()
    string = [(vocab.bos, -1, False)] + [(i, -1, False) for i in ids]
    string += [(vocab.separator, -1, False)] if vocab.separator is not None else []
    string += [(i, 1 + place, True) for place, i in enumerate(ids)]
    string += [(vocab.eos, -1, True)] if vocab.eos is not None else []
    following = string[1:]
    return {
        "tokens": [token for token, _, _ in string[:-1]],
        "targets": [token for token, _, _ in following],
        "loss_mask": [trained for _, _, trained in following],
        "answer": [source >= 0 for _, source, _ in following],
        "source": [source for _, source, _ in following],
    }


def test_the_picture_in_base_is_what_the_copy_task_makes():
    task = CopyTask()
    batch = task.layout(numbers("cab"))
    assert task.decode(batch.tokens) == ["$cab|cab"]
    assert task.decode(batch.targets) == ["cab|cab."]
    assert batch.loss_mask.tolist() == [[False] * 4 + [True] * 4]
    assert batch.answer.tolist() == [[False] * 4 + [True] * 3 + [False]]
    assert batch.source.tolist() == [[-1, -1, -1, -1, 1, 2, 3, -1]]
    assert batch.segment is None


def test_the_ids_are_those_of_the_paper_and_a_smaller_alphabet_moves_the_specials_down():
    assert CopyTask().layout(numbers("az")).tokens.tolist() == [[26, 0, 25, 27, 0, 25]]
    assert CopyTask(4).layout(numbers("ad")).tokens.tolist() == [[4, 0, 3, 5, 0, 3]]


def test_without_a_separator_the_last_letter_of_the_first_copy_asks_for_the_first():
    batch = CopyTask(vocab=BARE).layout(numbers("cab"))
    assert batch.tokens.tolist() == [[50, 13, 7, 11, 13, 7]]
    assert batch.targets.tolist() == [[13, 7, 11, 13, 7, 11]]
    assert batch.answer.tolist() == [[False, False, False, True, True, True]]
    assert torch.equal(batch.loss_mask, batch.answer)
    assert batch.source.tolist() == [[-1, -1, -1, 1, 2, 3]]


def test_the_alphabet_of_a_task_laid_over_a_model_is_its_vocabularys():
    assert CopyTask(vocab=BARE).alphabet == 3


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.text("abc", min_size=1, max_size=9), min_size=1, max_size=5),
    task=st.sampled_from([CopyTask(), CopyTask(3), CopyTask(vocab=BARE)]),
)
def test_a_ragged_batch_is_every_string_by_itself_and_then_padding(texts, task):
    width = max(map(len, texts))
    letters = torch.cat([numbers(text.ljust(width, "c")) for text in texts])
    batch = task.layout(letters, torch.tensor([len(text) for text in texts]))
    padding = {"tokens": task.vocabulary.pad, "targets": task.vocabulary.pad, "source": -1}
    for row, text in enumerate(texts):
        for name, wanted in slow_batch(task, text).items():
            found = getattr(batch, name)[row].tolist()
            assert found[: len(wanted)] == wanted, name
            assert set(found[len(wanted) :]) <= {padding.get(name, False)}, name


def test_the_source_of_every_answer_letter_holds_that_letter():
    batch = CopyTask(5).sample(200, (1, 12), seeded())
    copied = batch.tokens.gather(1, batch.source.clamp(min=0))
    assert torch.equal(copied[batch.answer], batch.targets[batch.answer])
    assert torch.equal(batch.answer, batch.source >= 0)


def test_letters_are_uniform_and_independent_of_their_neighbours():
    batch = CopyTask(5).sample(4000, 10, seeded(1))
    letters = batch.tokens[:, 1:11]
    assert chisquare(torch.bincount(letters.flatten())).pvalue > 1e-3
    pairs = letters[:, ::2] * 5 + letters[:, 1::2]
    assert chisquare(torch.bincount(pairs.flatten(), minlength=25)).pvalue > 1e-3


def test_lengths_are_uniform_over_the_range_with_both_ends():
    lengths = CopyTask().sample(6000, (3, 8), seeded(2)).answer.sum(1)
    counts = torch.bincount(lengths)
    assert counts[:3].sum() == 0
    assert len(counts) == 9
    assert chisquare(counts[3:]).pvalue > 1e-3


def test_letters_per_string_limits_each_string_to_a_random_subset():
    letters = CopyTask(8).sample(3000, 40, seeded(3), letters_per_string=3).tokens[:, 1:41]
    kinds = [set(row) for row in letters.tolist()]
    assert max(map(len, kinds)) == 3
    assert chisquare(torch.bincount(letters.flatten(), minlength=8) / 40).pvalue > 1e-3
    assert len({frozenset(kind) for kind in kinds}) == 56, "all 8 over 3 subsets occur"


def test_letters_per_string_can_differ_from_string_to_string():
    letters = CopyTask().sample(4, 200, seeded(), letters_per_string=torch.tensor([26, 1, 26, 2])).tokens[:, 1:201]
    assert [len(set(row)) for row in letters.tolist()] == [26, 1, 26, 2]


def test_the_same_seed_draws_the_same_strings_and_another_seed_others():
    first, again, other = (CopyTask().sample(4, (5, 9), seeded(seed)) for seed in (7, 7, 8))
    assert torch.equal(first.tokens, again.tokens)
    assert not torch.equal(first.tokens, other.tokens)


def test_layout_runs_on_meta_tensors():
    letters = torch.zeros(4, 6, dtype=torch.long, device="meta")
    for task in (CopyTask(), CopyTask(vocab=BARE)):
        batch = task.layout(letters, torch.zeros(4, dtype=torch.long, device="meta"))
        assert {value.device.type for value in vars(batch).values() if value is not None} == {"meta"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CopyTask(1), "2 to 21028"),
        (lambda: CopyTask().sample(2, 0, seeded()), "at least 1"),
        (lambda: CopyTask().sample(2, (9, 3), seeded()), "(shortest, longest)"),
        (lambda: CopyTask(4).sample(2, 5, seeded(), letters_per_string=5), "1 to 4 different letters"),
        (lambda: ONE_LETTER.contrast(2, 3, seeded()), "alphabet must be at least 2 letters, for one to be another"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_what_can(make, words):
    with pytest.raises(UserError) as error:
        make()
    assert words in str(error.value)
