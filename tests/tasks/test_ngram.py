"""The n-gram lookups, read as text."""

import pytest
import torch
from scipy.stats import chisquare

from interp.base.errors import UserError
from interp.tasks.ngram import NgramLookup
from interp.tasks.vocabulary import LETTERS

FORMS = [(key, answer) for key in ("prefix", "suffix") for answer in (None, 2)]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def numbers(text):
    return torch.tensor([[LETTERS.index(c) for c in text]])


def read(task, batch):
    """The parts of each string: body, key, answer, taken from the whole text by the paper's format."""
    full = task.decode(torch.cat([batch.tokens[:, :1], batch.targets], dim=1))
    for row, text in enumerate(full):
        text = text.rstrip("*")
        assert text[0] == "$"
        assert text[-1] == "."
        parts = text[1:-1].split("|")
        if task.key == "prefix":
            key, body, answer = parts
        else:
            body, key, answer = parts[0], parts[1][: task.n], parts[1][task.n :]
        yield row, text, body, key, answer


def test_the_two_formats_are_those_of_the_paper():
    start, lengths = torch.tensor([1]), torch.tensor([5])
    for key, answer, text in [
        ("prefix", 1, "$ca|bcadb|d."),
        ("prefix", None, "$ca|bcadb|db."),
        ("suffix", 1, "$bcadb|cad."),
        ("suffix", None, "$bcadb|cadb."),
    ]:
        task = NgramLookup(n=2, answer=answer, key=key)
        batch = task.ask(numbers("bcadb"), start, lengths)
        (full,) = task.decode(torch.cat([batch.tokens[:, :1], batch.targets], dim=1))
        assert full.rstrip("*") == text
        asked = text[-3:-1] if answer is None else text[-2]
        assert "".join(task.decode(batch.targets[batch.answer][None])) == asked
        assert "".join(task.decode(batch.targets[batch.loss_mask][None])) == asked + "."
        assert batch.source[batch.answer].tolist() == [text.index("bcadb") + 3, text.index("bcadb") + 4][: len(asked)]


@pytest.mark.parametrize(("key", "answer"), FORMS)
@pytest.mark.parametrize(("n", "alphabet"), [(1, 26), (2, 4), (3, 26)])
def test_the_key_stands_once_and_the_answer_follows_it(key, answer, n, alphabet):
    task = NgramLookup(n=n, answer=answer, key=key, alphabet=alphabet)
    batch = task.sample(200, (6, 20), seeded(n))
    for row, text, body, key_text, asked in read(task, batch):
        starts = [i for i in range(len(body)) if body.startswith(key_text, i)]
        assert len(key_text) == n
        assert len(starts) == 1
        rest = body[starts[0] + n :]
        assert asked == (rest if answer is None else rest[:answer])
        assert len(asked) == (answer or len(asked)) >= 1
        length = len(text) - 1
        assert int(batch.answer[row].sum()) == len(asked)
        assert torch.equal(batch.loss_mask[row], batch.answer[row] | (batch.targets[row] == task.vocabulary.eos))
        assert (batch.tokens[row, length:] == task.vocabulary.pad).all()
        assert (batch.targets[row, length:] == task.vocabulary.pad).all()
        sources = batch.source[row][batch.answer[row]]
        assert "".join(text[i] for i in sources) == asked
        offset = text.index("|") + 1 if task.key == "prefix" else 1
        assert sources.tolist() == list(range(offset + starts[0] + n, offset + starts[0] + n + len(asked)))
    assert torch.equal(batch.source >= 0, batch.answer)


@pytest.mark.parametrize("answer", [None, 3])
def test_every_place_at_which_a_key_fits_is_used_alike_the_last_one_too(answer):
    task = NgramLookup(n=2, answer=answer)
    batch = task.sample(5000, 10, seeded(3))
    first = batch.source.masked_fill(~batch.answer, 99).amin(dim=1) - 1 - 2
    counts = torch.bincount(first)
    assert len(counts) == 10 - 2 - (answer or 1) + 1
    assert chisquare(counts).pvalue > 1e-3


def test_letters_of_a_one_letter_key_and_of_the_others_are_uniform():
    task = NgramLookup(n=1, alphabet=4)
    batch = task.sample(4000, 9, seeded(4))
    key = batch.tokens[:, 11]
    assert chisquare(torch.bincount(key)).pvalue > 1e-3
    steps = (batch.tokens[:, 1:10] - key[:, None]) % 4
    counts = torch.bincount(steps.flatten(), minlength=4)
    assert counts[0] == 4000, "once in each string"
    assert chisquare(counts[1:]).pvalue > 1e-3


def test_one_letter_keys_are_unique_even_in_long_strings():
    """Drawing whole strings until the key is unique would take 100,000 draws a string."""
    task = NgramLookup(n=1)
    for _, _, body, key, _ in read(task, task.sample(20, 300, seeded())):
        assert body.count(key) == 1


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (
            lambda: NgramLookup(n=2, alphabet=2).sample(9, 2000, seeded()),
            "n must be large enough for a key to be unique",
        ),
        (lambda: NgramLookup(n=3, answer=4).sample(5, 6, seeded()), "at least 7 letters"),
        (lambda: NgramLookup(n=0), "at least 1 letter"),
        (lambda: NgramLookup(answer=0), "at least 1 letter"),
        (lambda: NgramLookup(alphabet=1), "2 to 21028"),
    ],
)
def test_what_does_not_fit_is_refused(ask, words):
    with pytest.raises(UserError) as error:
        ask()
    assert words in str(error.value)


def test_layout_runs_on_meta_tensors():
    letters, start = (torch.zeros(*shape, dtype=torch.long, device="meta") for shape in ((3, 8), (3,)))
    for key, answer in FORMS:
        assert NgramLookup(n=2, key=key, answer=answer).ask(letters, start, start).tokens.device.type == "meta"
