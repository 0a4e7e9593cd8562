"""Natural text as strings to copy: repeats are planted into it as into random letters, and heads keep their n."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

import interp
from interp.base.errors import UserError
from interp.measure.heads.score import HeadSettings, score_heads
from interp.models.planted import draw, plant
from interp.models.surface import untrained_like
from interp.tasks import planted_repeats
from interp.tasks.text import Corpus, TextStrings, Writer, text_strings

TEXT = "the keeper of the light rowed to the town and the town gave the keeper a lamp of brass and a map of the coast"


def like_text(alphabet: int, length: int = 4000) -> tuple[int, ...]:
    """Letters of which some follow each other often and others seldom, as words do."""
    drawn, odds = torch.Generator().manual_seed(0), 1 / (torch.arange(alphabet) + 1.0)
    follow = torch.stack([odds[torch.randperm(alphabet, generator=drawn)] for _ in range(alphabet)])
    text = [0]
    while len(text) < length:
        text.append(int(torch.multinomial(follow[text[-1]], 1, generator=drawn)))
    return tuple(text)


def test_strings_are_pieces_of_the_text_and_are_asked_twice(byte_pairs):
    task = text_strings(Writer(byte_pairs, 0), Corpus(TEXT))
    batch = task.sample(4, 6, generator=0)
    for row in batch.tokens[:, 1:7]:
        assert byte_pairs.decode(row.tolist()).strip() in TEXT
    assert torch.equal(batch.targets[batch.answer].view(4, 6), batch.tokens[:, 1:7])
    assert batch.source[0].tolist() == [-1] * 6 + [1, 2, 3, 4, 5, 6]
    assert not task.uniform_letters and task.lays_out_letters


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_planted_repeat_agrees_in_exactly_k_letters_and_the_rest_is_text(exclusive):
    text = like_text(26)
    task, k = TextStrings(alphabet=26, text=text), torch.arange(5).repeat_interleave(20)
    probe = planted_repeats(task, k, (16, 20), 0, exclusive=exclusive, context=4, place=0)
    pairs = set(pairwise(text))
    natural = 0
    for row in range(len(probe)):
        letters = probe.batch.tokens[row, 1 : 1 + 16].tolist()
        source, rival = int(probe.source[row]), int(probe.rival[row])
        natural += sum(pair in pairs for pair in pairwise(letters)) / 15
        if exclusive:
            asked = int(probe.batch.tokens[row, probe.query[row]])
            first = probe.batch.tokens[row, : int(probe.batch.tokens.shape[1] // 2)].tolist()
            assert first[: source + 1].count(asked) <= 2
        if rival < 0:
            continue
        agree = 0
        while probe.batch.tokens[row, source - 1 - agree] == probe.batch.tokens[row, rival - 1 - agree]:
            agree += 1
        assert agree == int(k[row])
    assert natural / len(probe) > 0.6, "most neighbours are those of the text"


def test_a_planted_lookup_head_among_grouped_queries_keeps_its_n_on_text_and_an_untrained_model_has_none():
    circuit = replace(draw("grouped", 0), alphabet=26)
    model, planting = plant(circuit)
    task, settings = TextStrings(alphabet=26, text=like_text(26)), HeadSettings(longest=5, strings=16)
    (lookup,) = planting.with_role("lookup")
    found = score_heads(model, task, circuit.lengths, 0, settings, feeders=False)
    assert found.of_role("lookup") == (lookup.name,)
    row = next(head for head in found.heads if head.name == lookup.name)
    assert (row.n, row.matched) == (2, (0, 1))
    untrained = score_heads(
        untrained_like(model, 7), task, circuit.lengths, 0, settings, null=found.null, feeders=False
    )
    assert untrained.of_role("lookup") == ()


def test_texts_that_are_too_short_are_refused(byte_pairs):
    with pytest.raises(UserError, match=r"text must have at least two different tokens; got 1"):
        text_strings(Writer(byte_pairs, 0), Corpus("\n a"))
    task = TextStrings(alphabet=5, text=(0, 1, 2, 3, 4) * 3)
    with pytest.raises(UserError, match=r"text must have at least 16 tokens; got 15"):
        task.sample(2, 16, 0)
    with pytest.raises(UserError, match=r"strings must lack 1 letters of 5; got some that do not"):
        planted_repeats(task, torch.tensor([1]), 14, 0, exclusive=True, context=3)
    assert interp.CopyTask().background(2, 3, torch.Generator()) is None


def test_a_text_has_its_own_letters():
    with pytest.raises(UserError, match="letters_per_string must be None on a text; got 2"):
        TextStrings(alphabet=26, text=like_text(26)).sample(2, 4, 0, letters_per_string=2)
