"""The planted model that writes backwards, against a mirrored lookup written out over the letters themselves."""

import pytest
import torch

from interp.base.errors import UserError
from interp.models.planted.looks import AtToken, Match
from interp.models.planted.reverser import planted_reverser
from interp.tasks.reverse import ReverseCopy


def expected(letters: list[int], n: int) -> list[set[int]]:
    """What may be written at each letter: what stands before every place in the string that holds the last n."""
    length, out = len(letters), []
    for written in range(length):
        if written < n:
            out.append({letters[length - 1 - written]})
            continue
        following = letters[length - written : length - written + n]
        places = [j for j in range(-1, length - n) if letters[j + 1 : j + 1 + n] == following]
        out.append({letters[j] if j >= 0 else -1 for j in places})
    return out


@pytest.mark.parametrize(("n", "alphabet", "length"), [(1, 26, 6), (2, 5, 20), (3, 5, 30), (3, 3, 14), (4, 2, 12)])
def test_it_writes_what_stands_before_a_mirrored_match(n, alphabet, length):
    model, _ = planted_reverser(n, alphabet, dtype=torch.float64)
    batch = ReverseCopy(alphabet).sample(24, length, 0)
    said = model(batch.tokens).argmax(dim=-1)
    sure = 0
    for string in range(len(batch)):
        letters = batch.tokens[string, 1 : length + 1].tolist()
        answers = said[string, batch.answer[string]].tolist()
        for may, answer in zip(expected(letters, n), answers, strict=True):
            assert len(may) > 1 or answer in may
            sure += len(may) == 1
    assert sure > 24 * n


@pytest.mark.parametrize("length", [1, 2, 3, 8, 40, 300])
def test_strings_of_any_length_are_written_backwards_and_ended(length):
    model, _ = planted_reverser(6, 26)
    task = ReverseCopy()
    batch = task.sample(4, length, 1)
    said, asked = model(batch.tokens).argmax(dim=-1), batch.loss_mask
    assert said[asked].tolist() == batch.targets[asked].tolist()
    if length > 8:
        return
    written = model.generate(batch.tokens[:, : length + 2], length + 1)[:, length + 2 :]
    assert written.tolist() == torch.cat([batch.tokens[:, 1 : length + 1].flip(1), torch.full((4, 1), 28)], 1).tolist()


def mirrored(tokens: list[int], m: int) -> set[int]:
    """What stands m back from every place whose last m tokens are the last m of all, read backwards."""
    asked, places = tokens[: -m - 1 : -1], range(m, len(tokens))
    return {tokens[place - m] for place in places if tokens[place - m + 1 : place + 1] == asked}


@pytest.mark.parametrize(
    ("n", "alphabet", "length", "shorter"), [(2, 5, 20, 1), (3, 6, 30, 1), (4, 3, 14, 2), (7, 4, 40, 2), (8, 5, 40, 3)]
)
def test_across_the_separator_it_writes_the_first_letters_by_shorter_matches(n, alphabet, length, shorter):
    model, planting = planted_reverser(n, alphabet, across=True, dtype=torch.float64)
    assert len(planting.shorter) == shorter and planting.beginnings == ()
    batch = ReverseCopy(alphabet).sample(24, length, 0)
    said = model(batch.tokens).argmax(dim=-1)
    sure = 0
    for string, tokens in enumerate(batch.tokens.tolist()):
        for written in range(length):
            query, longest = length + 1 + written, n
            while longest > 2 * written + 1:
                longest //= 2
            may = mirrored(tokens[: query + 1], longest)
            assert tokens[query + 1] in may
            assert len(may) > 1 or said[string, query] == tokens[query + 1]
            sure += len(may) == 1
    assert sure > 24 * n


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 40, 300])
def test_strings_of_any_length_are_written_across_the_separator_and_ended(length):
    model, planting = planted_reverser(7, 26, across=True)
    batch = ReverseCopy().sample(4, length, 1)
    said, asked = model(batch.tokens).argmax(dim=-1), batch.loss_mask
    assert said[asked].tolist() == batch.targets[asked].tolist()
    table = [head.removeprefix("L1H") for head in (planting.lookup, *planting.shorter)]
    for least in range(len(table)):  # without its shortest heads, the first letters go, and they alone
        left = planted_reverser(7, 26, across=True)[0]
        with torch.no_grad():
            for head in table[least + 1 :]:
                left.blocks[1].attn.W_O[int(head)] = 0
        wrong = (left(batch.tokens).argmax(dim=-1) != batch.tokens.roll(-1, 1))[:, length + 1 : 2 * length + 1]
        first = (7 >> least) // 2  # a head of m letters serves those from (m + 1) / 2 on
        assert not wrong[:, first:].any() and (length <= 3 or wrong[:, :first].any(dim=0).all())


def test_its_head_looks_behind_what_it_writes_and_rests_before():
    n, length = 3, 12
    model, planting = planted_reverser(n, 26, dtype=torch.float64)
    batch = ReverseCopy().sample(4, length, 2)
    _, cache = model.run_with_cache(batch.tokens)
    pattern = cache["blocks.1.attn.hook_pattern"][:, int(planting.lookup[3:])]
    queries = torch.arange(length + 1, 2 * length + 1)
    for written, row in enumerate(pattern[:, queries].unbind(1)):
        at = 0 if written < n else length - written + n
        assert (row[:, at] > 1 - 1e-6).all(), written


def test_numbers_that_cannot_be_are_refused():
    with pytest.raises(UserError, match="n must be from 1 to 16, alphabet from 2 to 26"):
        planted_reverser(0)
    with pytest.raises(UserError, match="n must be at least 2 across the separator, as a letter alone reads"):
        planted_reverser(1, across=True)
    with pytest.raises(UserError, match="behind must be at least 0, and the token the separator"):
        AtToken("bos", behind=1)
    with pytest.raises(UserError, match="mirrored must be False but for ordered letters"):
        Match((0, 2), after=False, mirrored=True)
