"""What a batch says of itself, against strings read by eye; and what cannot be a batch."""

from dataclasses import replace

import jaxtyping
import pytest
import torch

from interp.base.errors import UserError
from interp.tasks import ContrastPair, CopyTask, NgramLookup, Vocabulary, need, pack
from interp.tasks.vocabulary import LETTERS

BARE = CopyTask(vocab=Vocabulary(n_letters=3, bos=50, separator=None, eos=None, pad=50, letter_ids=(7, 11, 13)))


def numbers(text):
    return torch.tensor([[LETTERS.index(c) for c in text]])


def test_a_copy_knows_its_parts():
    batch = CopyTask().layout(numbers("cab"))  # $cab|cab
    assert CopyTask().decode(batch.answer_tokens) == ["cab"]
    assert batch.copied_from.nonzero()[:, 1].tolist() == [1, 2, 3]
    assert (batch.prompt_end.tolist(), batch.string_start.tolist(), batch.answer_lengths.tolist()) == ([4], [1], [3])
    assert CopyTask().decode(batch.whole()) == ["$cab|cab."]


def test_strings_of_several_lengths_each_know_their_own():
    letters = numbers("cabd").expand(3, -1)
    batch = CopyTask().layout(letters, torch.tensor([4, 2, 1]))  # $cabd|cabd  $ca|ca  $c|c
    assert batch.prompt_end.tolist() == [5, 3, 2]
    assert batch.string_start.tolist() == [1, 1, 1]
    assert batch.copied_from.sum(dim=1).tolist() == batch.answer_lengths.tolist() == [4, 2, 1]
    with pytest.raises(UserError, match="answers must be of one length; got 1 to 4 letters"):
        _ = batch.answer_tokens


def test_without_a_separator_the_last_letter_ends_the_prompt():
    batch = BARE.layout(numbers("cab"))  # BOS c a b c a
    assert batch.prompt_end.tolist() == [3]
    assert bool(batch.copied_from[0, 3]), "it is copied, too"


def test_a_lookup_copies_what_follows_the_key():
    batch = NgramLookup(n=2, answer=1).ask(numbers("bcadb"), torch.tensor([1]), torch.tensor([5]))  # $bcadb|ca
    assert batch.prompt_end.tolist() == [8]
    assert batch.string_start.tolist() == [4]


def test_a_row_that_is_asked_nothing_has_no_prompt_and_copies_nothing():
    batch = CopyTask().layout(numbers("cab"))
    nothing = torch.zeros_like(batch.answer)
    batch = replace(batch, answer=nothing, loss_mask=nothing)
    assert (batch.prompt_end.tolist(), batch.string_start.tolist()) == ([-1], [-1])
    assert batch.answer_tokens.shape == (1, 0)


def test_positions_copied_from_are_those_that_a_loop_over_sources_finds():
    batch = pack(CopyTask(4), 6, 50, (1, 8), 0, isolate=False)
    for row in range(6):
        wanted = {int(s) for s, asked in zip(batch.source[row], batch.answer[row], strict=True) if asked}
        assert set(batch.copied_from[row].nonzero()[:, 0].tolist()) == wanted


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda b: {"targets": b.targets[:, 1:]}, "targets of a batch must be int64"),
        (lambda b: {"answer": b.answer.long()}, "answer of a batch must be bool"),
        (lambda b: {"tokens": b.tokens.float()}, "tokens of a batch must be int64"),
        (lambda b: {"tokens": -b.tokens}, "token ids of a batch must be at least 0"),
        (lambda b: {"targets": b.targets - 4}, "token ids of a batch must be at least 0"),
        (lambda b: {"source": b.source - 1}, "source of a batch must be a position, or -1 for none"),
        (lambda b: {"source": b.source.to("meta")}, "source of a batch must be on cpu"),
        (lambda b: {"segment": b.source[:1]}, "segment of a batch must be int64"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(change, words, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # it checks in the tests alone
    batch = CopyTask().sample(3, 4, 0)
    with pytest.raises(UserError) as error:
        replace(batch, **change(batch))
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda b: {"targets": b.targets + 9}, "token ids of a batch must be below 8"),
        (lambda b: {"loss_mask": ~b.answer}, "loss_mask of a batch must cover the answer"),
        (lambda b: {"source": b.source + 5}, "source of a batch must be a position up to the one that asks"),
        (lambda b: {"source": (b.source - 1).clamp(min=-1)}, "source of a batch must hold the answer's letter"),
    ],
)
def test_a_task_that_draws_wrongly_is_found_out(change, words):
    batch = CopyTask(4).sample(30, 5, 0)
    assert batch.check(CopyTask(4).vocabulary) is batch
    with pytest.raises(UserError) as error:
        replace(batch, **change(batch)).check(CopyTask(4).vocabulary)
    assert words in str(error.value)


# ---------------------------------------------------------------------- contrast


@pytest.mark.parametrize(
    ("task", "length"),
    [
        (CopyTask(2), (1, 9)),
        (BARE, 6),
        (NgramLookup(n=2, alphabet=4), (5, 12)),
        (NgramLookup(n=1, answer=2, key="prefix", alphabet=5), 8),
    ],
    ids=["copy", "bare", "suffix", "prefix"],
)
def test_a_contrast_changes_one_letter_and_all_that_is_copied_from_it(task, length):
    pair = task.contrast(64, length, 0)
    for row in range(64):
        one = pair.rows(slice(row, row + 1))
        query, clean, corrupted = int(one.query), one.clean, one.corrupted
        source = int(clean.source[0, query])
        assert bool(clean.answer[0, query])
        assert torch.equal(clean.source, corrupted.source)
        assert int(clean.tokens[0, source]) == int(one.clean_answer) != int(one.corrupted_answer)
        assert int(corrupted.tokens[0, source]) == int(one.corrupted_answer)
        before = one.differs[0, : query + 1].nonzero()[:, 0].tolist()
        assert before == [source], "up to the query nothing else differs"
        for batch in (clean, corrupted):
            copied = batch.tokens.gather(1, batch.source.clamp(min=0))
            assert torch.equal(copied[batch.answer], batch.targets[batch.answer])
            assert (batch.tokens[:, 1:] == batch.targets[:, :-1])[:, : int(batch.answer[0].nonzero().max())].all()


def test_both_strings_of_a_lookup_hold_their_key_once():
    task = NgramLookup(n=1, alphabet=3)
    pair = task.contrast(200, (3, 9), 1)
    for batch in (pair.clean, pair.corrupted):
        for text in task.decode(batch.whole()):
            string, asked = text.strip("$*.").split("|")
            assert string.count(asked[0]) == 1
            assert string.split(asked[0])[1] == asked[1:]


def test_every_place_and_letter_is_drawn_and_one_can_be_told():
    task = CopyTask(3)
    pair = task.contrast(400, 4, 0)
    assert set((pair.query - 5).tolist()) == {0, 1, 2, 3}
    assert {(int(a), int(b)) for a, b in zip(pair.clean_answer, pair.corrupted_answer, strict=True)} == {
        (a, b) for a in range(3) for b in range(3) if a != b
    }
    assert (task.contrast(20, 6, 0, place=2).query == 9).all()


def test_the_logit_difference_is_that_of_the_two_answers_at_the_query():
    pair = CopyTask(4).contrast(5, 6, 0)
    logits = torch.randn(*pair.clean.tokens.shape, 8, generator=torch.Generator().manual_seed(0))
    for row, value in enumerate(pair.logit_difference(logits)):
        at = logits[row, pair.query[row]]
        assert float(value) == pytest.approx(float(at[pair.clean_answer[row]] - at[pair.corrupted_answer[row]]))


def test_pairs_that_do_not_differ_where_they_should_are_refused():
    batch = CopyTask().sample(3, 4, 0)
    with pytest.raises(UserError, match="must change what each query is answered"):
        ContrastPair(batch, batch, batch.prompt_end)
    with pytest.raises(UserError, match="two batches of one shape"):
        ContrastPair(batch, batch.rows(slice(2)), batch.prompt_end)
    with pytest.raises(UserError, match="place must be a letter of every answer, 0 to 1; got 2"):
        CopyTask().contrast(50, (2, 5), 0, place=2)
    with pytest.raises(UserError, match="place must be a letter of the answer, 0 to 1; got 2"):
        NgramLookup(answer=2).contrast(5, 9, 0, place=2)


# ---------------------------------------------------------------------- capabilities


def test_a_measurement_is_told_what_a_task_cannot_do():
    need(CopyTask(), "lays_out_letters", "uniform_letters", "has_prompt_end", "contrasts")
    need(NgramLookup(key="prefix"), "has_prompt_end", "contrasts")
    need(NgramLookup(ambiguous=True), "uniform_letters")
    for task, lacking in [
        (BARE, "has_prompt_end"),
        (NgramLookup(), "has_prompt_end"),
        (NgramLookup(), "lays_out_letters"),
        (NgramLookup(), "uniform_letters"),
        (NgramLookup(ambiguous=True), "contrasts"),
    ]:
        with pytest.raises(UserError, match=f"\\({lacking}\\); got {type(task).__name__}"):
            need(task, lacking)
    with pytest.raises(UserError, match="lay out given letters"):
        NgramLookup().layout(numbers("abc"))
    with pytest.raises(UserError, match="pair strings"):
        NgramLookup(ambiguous=True).contrast(2, 9, 0)


def test_a_task_speaks_the_ids_of_another_vocabulary():
    eight = CopyTask().over(Vocabulary().first(8))
    batch = eight.sample(50, 9, 0)
    assert (batch.tokens[:, 0] == 26).all()
    assert (batch.tokens[:, 10] == 27).all()
    assert int(batch.tokens[:, 1:10].max()) == 7
    assert CopyTask(8).over(Vocabulary()) == CopyTask()
    looked = NgramLookup(2).over(Vocabulary(3, 50, 51, 52, 53, (7, 11, 13))).sample(20, 5, 0)
    assert set(looked.tokens.unique().tolist()) <= {7, 11, 13, 50, 51, 53}
    with pytest.raises(UserError, match="must have a separator"):
        NgramLookup().over(BARE.vocabulary)
    with pytest.raises(UserError, match="2 to 26 letters of the vocabulary; got 27"):
        Vocabulary().first(27)
