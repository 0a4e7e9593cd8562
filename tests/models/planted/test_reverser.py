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
    with pytest.raises(UserError, match="behind must be at least 0, and the token the separator"):
        AtToken("bos", behind=1)
    with pytest.raises(UserError, match="mirrored must be False but for ordered letters"):
        Match((0, 2), after=False, mirrored=True)
