"""Planted repeats and offset swaps: every claim checked on the text of each string."""

import pytest
import torch
from scipy.stats import chi2_contingency, chisquare

from interp.base.errors import UserError
from interp.tasks.copy import CopyTask
from interp.tasks.probes.matches import match_lengths
from interp.tasks.probes.planted_repeats import offset_swaps, planted_repeats
from interp.tasks.vocabulary import Vocabulary

BARE = CopyTask(vocab=Vocabulary(n_letters=5, bos=50, separator=None, eos=None, pad=50, letter_ids=(7, 11, 13, 2, 4)))
TASKS = pytest.mark.parametrize("task", [CopyTask(4), CopyTask(26), BARE], ids=["4", "26", "over a model"])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def cases(probe):
    """For each string: its letters, and where (index of the letter) the two places end, the true one first.

    Found from the positions alone: a source follows its place, and the first copy begins after the first token.
    """
    for row in range(len(probe)):
        whole = probe.whole.rows(slice(row, row + 1))
        letters = whole.targets[whole.answer].tolist()
        ends = [int(probe.source[row]) - 2, int(probe.rival[row]) - 2]
        copied = int(probe.query[row]) - int(whole.answer[0].int().argmax()) - 1
        yield row, letters, ends, copied


def common_suffix(letters, a, b):
    k = 0
    while k <= min(a, b) and letters[a - k] == letters[b - k]:
        k += 1
    return k


@TASKS
@pytest.mark.parametrize("exclusive", [True, False])
def test_a_planted_repeat_is_maximal_and_has_exactly_k_letters(task, exclusive):
    k = torch.arange(1, 6).repeat(60)
    probe = planted_repeats(task, k, (16, 24), seeded(), exclusive, context=6)
    for row, letters, (true, rival), copied in cases(probe):
        assert common_suffix(letters, true, rival) == k[row], "the left neighbours differ and are there"
        assert min(true, rival) >= k[row]
        assert letters[true + 1] != letters[rival + 1], "the letters that follow differ"
        assert abs(true - rival) > k[row], "the places do not overlap"
        assert copied == true, "the query is the copied last letter of the true place"
        assert (true > rival) == bool(probe.place[row])


@TASKS
def test_an_exclusive_repeat_ends_in_a_letter_that_stands_nowhere_else(task):
    probe = planted_repeats(task, torch.arange(0, 5).repeat(50), (16, 20), seeded(1), True, context=5)
    for row, letters, (true, rival), _ in cases(probe):
        places = [i for i, letter in enumerate(letters) if letter == letters[true]]
        assert places == (sorted([true, rival]) if probe.k[row] else [true])


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_match_of_the_query_is_k_at_the_rival_and_longer_than_the_context_at_the_source(exclusive):
    k = torch.arange(0, 7).repeat(40)
    probe = planted_repeats(CopyTask(5), k, (20, 30), seeded(2), exclusive, context=6)
    matches = match_lengths(probe.batch.tokens, 40)[range(len(k)), probe.query]
    assert (matches.gather(1, probe.source[:, None] - 1) >= 7).all()
    planted = k > 0
    at_rival = matches[planted].gather(1, probe.rival[planted, None] - 1)[:, 0]
    assert torch.equal(at_rival, k[planted])
    if exclusive:
        first_copy = torch.arange(matches.shape[1]) < probe.query[:, None] - 30
        assert ((matches * first_copy > 0).sum(1) <= 2).all(), "no third place in the first copy competes"


def test_without_a_repeat_there_is_no_rival_and_the_last_letters_differ():
    probe = planted_repeats(CopyTask(3), torch.zeros(200, dtype=torch.long), 12, seeded(3), False, context=4)
    assert (probe.rival == -1).all()


def test_places_are_drawn_alike_for_every_k_so_that_zero_is_the_control():
    k = torch.tensor([0, 6]).repeat(3000)
    probe = planted_repeats(CopyTask(6), k, 20, seeded(4), True, context=3)
    ends = probe.source - 2
    counts = torch.stack([torch.bincount(ends[k == value], minlength=19) for value in (0, 6)])
    assert (counts[:, :6] == 0).all()
    assert chi2_contingency(counts[:, counts.sum(0) > 0]).pvalue > 1e-3


def test_pairs_of_places_are_uniform_over_all_that_fit():
    probe = planted_repeats(CopyTask(6), torch.full((6000,), 2), 12, seeded(5), False, context=2)
    first, second = torch.minimum(probe.source, probe.rival) - 2, torch.maximum(probe.source, probe.rival) - 2
    fitting = [(a, b) for a in range(2, 11) for b in range(a + 4, 11)]
    counts = torch.tensor([int(((first == a) & (second == b)).sum()) for a, b in fitting])
    assert counts.sum() == 6000
    assert chisquare(counts).pvalue > 1e-3
    assert chisquare(torch.bincount(probe.place)).pvalue > 1e-3


def test_letters_outside_the_repeat_stay_uniform_whatever_their_place():
    probe = planted_repeats(CopyTask(5), torch.full((8000,), 1), 7, seeded(6), False, context=1)
    for letter in range(1, 8):
        assert chisquare(torch.bincount(probe.batch.tokens[:, letter], minlength=5)).pvalue > 1e-4


def test_the_batch_asks_for_the_query_only_and_the_whole_for_all_letters():
    probe = planted_repeats(CopyTask(6), torch.tensor([0, 1, 2, 3]), (15, 18), seeded(), True, context=4)
    rows = torch.arange(4)
    assert probe.batch.answer.sum(1).tolist() == [1, 1, 1, 1]
    assert probe.batch.answer[rows, probe.query].all()
    assert torch.equal(probe.batch.answer, probe.batch.loss_mask)
    assert torch.equal(probe.batch.source[rows, probe.query], probe.source)
    assert (probe.batch.source >= 0).sum() == 4
    assert torch.equal(probe.batch.tokens, probe.whole.tokens)
    assert (probe.whole.answer.sum(1) >= 15).all()
    asked = probe.batch.targets[rows, probe.query]
    assert torch.equal(asked, probe.batch.tokens[rows, probe.source])
    assert torch.equal(probe.rows(slice(1, 3)).query, probe.query[1:3])


@TASKS
def test_an_offset_swap_gives_the_rival_the_match_and_takes_it_from_the_truth(task):
    context = 5
    offset = torch.arange(context).repeat(60)
    probe, edited = offset_swaps(task, offset, context, (14, 22), seeded(7))
    rows = torch.arange(len(offset))
    for row, letters, (true, rival), copied in cases(probe):
        agreeing = [t for t in range(context + 1) if letters[true - t] == letters[rival - t]]
        assert agreeing == [t for t in range(context) if t != offset[row]], (
            "all of the last K letters but one, and no more"
        )
        assert letters[true + 1] != letters[rival + 1]
        assert copied == true
        last = {letters[true], letters[rival]}
        assert sorted(i for i, letter in enumerate(letters) if letter in last) == sorted({true, rival})
    changed = edited != probe.batch.tokens
    assert changed.sum(1).tolist() == [1] * len(offset)
    assert changed[rows, probe.query - offset].all()
    before, after = (match_lengths(tokens, 30)[rows, probe.query] for tokens in (probe.batch.tokens, edited))
    assert torch.equal(before.gather(1, probe.rival[:, None] - 1)[:, 0], offset)
    assert (before.gather(1, probe.source[:, None] - 1) > context).all()
    assert torch.equal(after.gather(1, probe.source[:, None] - 1)[:, 0], offset)
    assert (after.gather(1, probe.rival[:, None] - 1) == context).all()
    assert (probe.rival > 0).all()


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_an_exact_n_gram_lookup_moves_to_the_rival_exactly_where_the_offset_is_below_n(n):
    """The claim itself, for the lookup by definition: even over the places of the first copy that match n letters."""
    offset = torch.arange(4).repeat(50)
    probe, edited = offset_swaps(CopyTask(4), offset, 4, (12, 30), seeded(n))
    rows = torch.arange(len(offset))
    first_copy = torch.arange(edited.shape[1]) < probe.whole.answer.int().argmax(1)[:, None]

    def looked_up(tokens):
        matched = (match_lengths(tokens, n)[rows, probe.query] >= n) & first_copy
        assert matched.any(1).all()
        weight = matched / matched.sum(1, keepdim=True)
        return weight[rows, probe.source - 1], weight[rows, probe.rival - 1]

    moved = (offset < n).float()
    source, rival = looked_up(probe.batch.tokens)
    assert torch.equal(source, (1 + moved) / 2)
    assert torch.equal(rival, (1 - moved) / 2)
    source, rival = looked_up(edited)
    assert torch.equal(source, (1 - moved) / 2)
    assert torch.equal(rival, (1 + moved) / 2)


@pytest.mark.parametrize("place", [0, 1])
def test_the_place_that_is_asked_about_can_be_told(place):
    probe = planted_repeats(CopyTask(4), torch.full((50,), 2), 15, seeded(8), True, context=3, place=place)
    assert (probe.place == place).all()
    assert ((probe.source > probe.rival) == bool(place)).all()


def test_one_probe_read_as_text():
    probe = planted_repeats(CopyTask(26), torch.tensor([3]), 14, seeded(11), True, context=4)
    (text,) = CopyTask().decode(probe.batch.tokens)
    source, rival, query = int(probe.source), int(probe.rival), int(probe.query)
    repeat = text[source - 3 : source]
    assert text[rival - 3 : rival] == text[query - 2 : query + 1] == repeat
    assert text[:15].count(repeat) == 2
    assert text[1:15] == text[16:29] + CopyTask().decode(probe.batch.targets)[0][28]


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (
            lambda: planted_repeats(CopyTask(4), torch.tensor([1, 3]), 11, seeded(), True, 5),
            "at least 12 letters; got 11",
        ),
        (
            lambda: planted_repeats(CopyTask(2), torch.tensor([1]), 11, seeded(), True, 2),
            "alphabet must be at least 3 letters",
        ),
        (lambda: planted_repeats(CopyTask(4), torch.tensor([-1]), 11, seeded(), True, 2), "at least 0 letters"),
        (lambda: offset_swaps(CopyTask(3), torch.tensor([1]), 3, 20, seeded()), "alphabet must be at least 4 letters"),
        (lambda: offset_swaps(CopyTask(4), torch.tensor([3]), 3, 20, seeded()), "0 to 2, into 3 letters; got 3 to 3"),
        (lambda: offset_swaps(CopyTask(4), torch.tensor([0]), 3, 9, seeded()), "at least 10 letters; got 9"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(ask, words):
    with pytest.raises(UserError) as error:
        ask()
    assert words in str(error.value)


def test_the_shortest_length_that_the_error_names_fits():
    planted_repeats(CopyTask(3), torch.tensor([1, 3]), 12, seeded(), True, 5)
    offset_swaps(CopyTask(4), torch.tensor([0, 2]), 3, 10, seeded())
