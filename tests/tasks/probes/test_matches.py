"""Match lengths against the definition, letter by letter."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.tasks.probes.matches import match_lengths


def slow_match_lengths(tokens, limit):
    batch, pos = tokens.shape
    length = torch.zeros(batch, pos, pos, dtype=torch.long)
    for row in range(batch):
        for q in range(pos):
            for j in range(q):
                while length[row, q, j] < min(limit, j + 1):
                    back = length[row, q, j]
                    if tokens[row, q - back] != tokens[row, j - back]:
                        break
                    length[row, q, j] += 1
    return length


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 12).flatmap(
        lambda w: st.lists(st.lists(st.integers(0, 1), min_size=w, max_size=w), min_size=1, max_size=3)
    ),
    limit=st.integers(0, 14),
    block=st.slices(12),
)
def test_match_lengths_are_longest_common_suffixes_and_blocks_are_rows_of_them(rows, limit, block):
    tokens = torch.tensor(rows)
    block = slice(block.start, block.stop)
    wanted = slow_match_lengths(tokens, limit)
    assert torch.equal(match_lengths(tokens, limit), wanted)
    assert torch.equal(match_lengths(tokens, limit, block), wanted[:, block])


def test_the_match_lengths_of_a_short_string_worked_by_hand():
    #                        a  b  c  a  b  a  b
    tokens = torch.tensor([[0, 1, 2, 0, 1, 0, 1]])
    assert match_lengths(tokens, 5)[0, 4].tolist() == [0, 2, 0, 0, 0, 0, 0]
    assert match_lengths(tokens, 5)[0, 6].tolist() == [0, 2, 0, 0, 2, 0, 0]
    assert match_lengths(tokens, 1)[0, 6].tolist() == [0, 1, 0, 0, 1, 0, 0]


def test_match_lengths_of_a_long_string_fit_in_blocks_of_query_rows():
    tokens = torch.randint(26, (1, 2000), generator=torch.Generator().manual_seed(0))
    tokens = torch.cat([tokens[:, :1000], tokens[:, :1000]], dim=1)
    block = match_lengths(tokens, 8, slice(1500, 1516))
    assert block.shape == (1, 16, 2000)
    assert (block[0, range(16), range(500, 516)] == 8).all()


def test_match_lengths_run_on_meta_tensors():
    tokens = torch.zeros(2, 9, dtype=torch.long, device="meta")
    assert match_lengths(tokens, 3, slice(2, 5)).shape == (2, 3, 9)
