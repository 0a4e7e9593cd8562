"""A delta-rule memory whose every state, pattern and rank is known: what opens it must say so."""

import numpy as np
import pytest
import torch

from interp.base.errors import UserError
from interp.measure.state.matrices import effective_state_size, state_spectrum
from interp.models.hidden_attention.pattern import hidden_attention, hidden_pattern
from interp.models.planted.delta import planted_delta_memory

STATE = "blocks.0.mixer.hook_state"


@pytest.fixture(scope="module")
def memory():
    return planted_delta_memory(keys=5, values=3)


@pytest.fixture(scope="module")
def tokens(memory):
    return memory[1].draw(6, 40, 0)


def test_it_answers_with_what_a_key_was_given_last(memory, tokens):
    model, table = memory
    for row, answers in zip(tokens.tolist(), table.answers(tokens).tolist(), strict=True):
        held = {}
        for token, answer in zip(row, answers, strict=True):  # a dict is the same memory
            key = token // 3 if token < 15 else token - 15
            held |= {key: token} if token < 15 else {}
            assert answer == held.get(key, -1)
    known = table.answers(tokens) >= 0
    assert torch.equal(model(tokens).argmax(dim=-1)[known], table.answers(tokens)[known]) and known.sum() > 150


def test_its_state_is_the_table(memory, tokens):
    model, _ = memory
    _, cache = model.run_with_cache(tokens, names_filter=STATE)
    expected = torch.zeros(6, 40, 5, 3)
    for string in range(6):
        now = torch.zeros(5, 3)
        for at, token in enumerate(tokens[string].tolist()):
            if token < 15:
                now[token // 3] = torch.eye(3)[token % 3]
            expected[string, at] = now
    torch.testing.assert_close(cache[STATE][:, :, 0], expected, atol=1e-5, rtol=1e-5)


def test_its_hidden_attention_looks_at_the_last_write_of_the_key_and_nowhere_else(memory, tokens):
    model, table = memory
    last = table.last_write(tokens)
    expected = (torch.arange(40) == last[..., None]).float()
    torch.testing.assert_close(hidden_pattern(model, tokens, 0)[:, 0], expected, atol=1e-5, rtol=1e-5)
    alpha = hidden_attention(model, tokens, 0) * 5**0.5
    torch.testing.assert_close(alpha, expected[:, None].expand(-1, 3, -1, -1), atol=1e-5, rtol=1e-5)


def test_its_spectrum_counts_the_keys_of_each_value(memory, tokens):
    model, _ = memory
    found = state_spectrum(model, tokens, 0)
    assert found.singular_values.shape == (6, 40, 1, 3)
    for string in range(6):
        held = {}
        for at, token in enumerate(tokens[string].tolist()):
            held |= {token // 3: token % 3} if token < 15 else {}
            counts = sorted((list(held.values()).count(value) for value in range(3)), reverse=True)
            np.testing.assert_allclose(found.singular_values[string, at, 0], np.sqrt(counts), atol=1e-5)
            rank = sum(counts) / counts[0] if held else 0.0
            assert found.stable_rank[string, at, 0] == pytest.approx(rank, abs=1e-4)


def test_its_effective_size_counts_the_keys_that_are_asked_for_before_they_are_overwritten(memory, tokens):
    model, table = memory
    splits = [1, 5, 20, 35, 39]
    found = effective_state_size(model, tokens, 0, splits)
    last = table.last_write(tokens)
    expected = [[len({at for at in row[split:].tolist() if 0 <= at < split}) for split in splits] for row in last]
    np.testing.assert_array_equal(found.rank[:, :, 0], expected)
    assert {0, 5} & set(np.ravel(expected)) and max(np.ravel(expected)) > 2
    assert (found.entropy_rank[:, :, 0] <= found.rank[:, :, 0] + 1e-6).all()


def test_a_value_that_is_wiped_out_is_gone_and_one_that_is_not_erased_is_added(memory):
    model, table = memory
    tokens = torch.tensor([[table.write(2, 0), table.write(2, 1), table.ask(2)]])
    hooks = [("blocks.0.mixer.hook_erase", lambda erase, **_: torch.zeros_like(erase))]
    with model.hooks(fwd_hooks=hooks):
        _, cache = model.run_with_cache(tokens, names_filter=STATE)
    torch.testing.assert_close(cache[STATE][0, 2, 0, 2], torch.tensor([1.0, 1.0, 0.0]))
    wiped = model.run_with_hooks(tokens, fwd_hooks=[("blocks.0.mixer.h.1", lambda h, **_: torch.zeros_like(h))])
    answers = wiped[0, 2, [table.write(2, value) for value in range(3)]]
    assert answers.max() - answers.min() < 1e-3


# ---------------------------------------------------------------------- of any layer


@pytest.mark.parametrize(("kind", "operators"), [("mamba", 32), ("mamba2", 4), ("gla", 4)])
def test_an_effective_size_is_no_larger_than_the_state(kind, operators):
    from interp.models import build

    sizes = {"mamba": {"d_state": 3}, "mamba2": {"d_state": 3, "d_head": 8}, "gla": {"d_key": 3}}
    model = build({"kind": kind, "d_model": 16, "n_layers": 1, **sizes[kind]}).double()
    tokens = torch.randint(0, 30, (2, 14), generator=torch.Generator().manual_seed(0))
    found = effective_state_size(model, tokens, 0, [2, 7], tolerance=1e-12)
    assert found.rank.shape == (2, 2, operators)
    assert (found.rank[:, 0] <= 2).all() and (found.rank[:, 1] == 3).all()
    if kind != "mamba":
        assert state_spectrum(model, tokens, 0).singular_values.shape == (2, 14, 4, 3)


def test_layers_and_positions_that_do_not_serve_are_refused(memory, tokens):
    from interp.models import build

    with pytest.raises(UserError, match="splits must be positions from 1 to 39; got 40"):
        effective_state_size(memory[0], tokens, 0, [40])
    with pytest.raises(UserError, match="no recurrent layer is called '1'"):
        state_spectrum(memory[0], tokens, 1)
    with pytest.raises(UserError, match=r"layer must be one whose state is a matrix .*got 0, a MambaMixer"):
        state_spectrum(build({"kind": "mamba"}), tokens, 0)
    with pytest.raises(UserError, match="keys must be an integer from 1"):
        planted_delta_memory(0, 3)
