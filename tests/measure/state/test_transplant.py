"""One string's state in the run on another: whole, exact on all architectures; in parts, what memories foretell."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from interp.base.budget import Budget
from interp.base.errors import UserError
from interp.measure.state import parts
from interp.measure.state.carried import carry, free_answer
from interp.measure.state.decay import log_decays
from interp.measure.state.parts import Choice
from interp.measure.state.transplant import transplants
from interp.models import build
from interp.models.planted import decay, register, shift
from interp.tasks.copy import CopyTask

KINDS = ("register", "shift", "mamba", "mamba2", "lstm", "hybrid", "transformer")


def opened(kind: str) -> Any:
    if kind in ("register", "shift"):
        return {"register": register, "shift": shift}[kind](3, 26)[0]
    return build({"kind": kind, **({"position": "nope"} if kind == "transformer" else {})}, seed=1)


@pytest.mark.by_default(3)
@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_state_gives_the_logits_of_the_string_that_it_is_from(kind: str, generator: Any) -> None:
    found = transplants(opened(kind), CopyTask(), 7, 5, generator(0), directions=())
    assert found[0].name == found[0].kind == "whole"
    assert found[0].largest_difference is not None and found[0].largest_difference < 5e-6
    assert all(other.largest_difference is None for other in found[1:])


@pytest.mark.parametrize("kind", KINDS)
def test_with_the_whole_state_the_host_writes_what_the_donor_would(kind: str, generator: Any) -> None:
    model = opened(kind)
    both = CopyTask().sample(20, 6, generator(0))
    x, y = both.rows(slice(0, 10)), both.rows(slice(10, None))
    donor, host = carry(model, x), carry(model, y)
    mixed = parts.whole(donor).mixed(donor, host)
    assert (free_answer(model, y, mixed) == free_answer(model, x, donor)).all()
    assert kind == "transformer" or (free_answer(model, y, host) != free_answer(model, x, donor)).any()


@pytest.mark.parametrize(("make", "inside"), [(register, slice(0, 3)), (shift, slice(5, 8))])
def test_what_a_register_keeps_follows_the_donor_and_the_rest_is_chance(
    make: Any, inside: slice, generator: Any
) -> None:
    model, _ = make(3, 5)
    found = {each.name: each for each in transplants(model, CopyTask(5), 8, 500, generator(0), directions=(12,))}
    at_random = "as many as directions 1-12, at random"
    assert list(found) == ["whole", "layer 0", "directions 1-12", "all but directions 1-12", at_random]
    for name in ("whole", "layer 0", "directions 1-12"):
        follows = found[name].by_position
        np.testing.assert_array_equal(follows[inside], 1)
        outside = np.delete(follows, np.arange(8)[inside])
        np.testing.assert_allclose(outside, 1 / 5, atol=4 * 0.4 / np.sqrt(400))
        low, high = found[name].donor_interval
        assert low < (3 + 5 / 5) / 8 < high and low < found[name].follows_donor < high
        low, high = found[name].host_interval
        assert low < (5 / 5) / 8 < high
    # The states vary along these 12 alone, so that as many at random are the same ones, turned.
    np.testing.assert_allclose(found[at_random].by_position, found["directions 1-12"].by_position)
    rest = found["all but directions 1-12"]  # nothing of the letters
    np.testing.assert_array_equal(rest.by_position[inside], 0)
    assert rest.follows_host > 0.45 and rest.size == found["whole"].size - 12 == 3 * 5 + 3 - 12


@pytest.mark.parametrize("slots", [(0,), (1, 2), (0, 3)])
def test_exactly_the_letters_of_the_slots_that_are_put_over_follow(slots: tuple[int, ...], generator: Any) -> None:
    model, _ = shift(4, 26)
    both = CopyTask().sample(80, 6, generator(0))
    x, y = both.rows(slice(0, 40)), both.rows(slice(40, None))
    mask = torch.zeros(4, 26, dtype=torch.bool)
    mask[list(slots)] = True
    choice = Choice("slots", "layer", {"blocks.0.h": mask})
    written = free_answer(model, y, choice.mixed(carry(model, x), carry(model, y)))
    theirs, own = (batch.targets[batch.answer].view(40, 6) for batch in (x, y))
    follow = [5 - slot for slot in slots]  # slot 0 has the last letter
    stay = [at for at in range(2, 6) if at not in follow]
    assert choice.size == 26 * len(slots)
    assert (written[:, follow] == theirs[:, follow]).all() and (written[:, stay] == own[:, stay]).all()


def test_a_convolution_window_and_the_rest_are_the_whole(generator: Any) -> None:
    model = opened("hybrid")
    both = CopyTask().sample(8, 6, generator(0))
    donor, host = (carry(model, both.rows(rows)) for rows in (slice(0, 4), slice(4, None)))
    window, rest = parts.windows(donor)
    mixed = rest.mixed(donor, window.mixed(donor, host)).flat()
    torch.testing.assert_close(mixed, donor.flat(), rtol=0, atol=0)
    assert not (window.mixed(donor, host).flat() == donor.flat()).all()
    assert window.size + rest.size == donor.flat().shape[1]
    torch.testing.assert_close(host.flat(), carry(model, both.rows(slice(4, None))).flat())  # nothing changed in place


@pytest.mark.parametrize("kind", ["mamba", "mamba2", "lstm", "hybrid"])
@pytest.mark.parametrize("n", [2, 3, 5])
def test_bands_divide_the_states_from_fast_to_slow(kind: str, n: int, generator: Any) -> None:
    decays = log_decays(opened(kind), CopyTask().sample(4, 6, generator(0)))
    found = parts.bands(decays, n)
    assert len(found) == n
    for name, each in decays.items():
        assert torch.stack([band.masks[name] for band in found]).sum(dim=0).unique().tolist() == [1]
        assert found[0].masks[name].shape == each.shape
    every = sum(each.numel() for each in decays.values())
    assert max(band.size for band in found) - min(band.size for band in found) <= 1
    assert sum(band.size for band in found) == every
    values = [torch.cat([decays[name][mask] for name, mask in band.masks.items()]) for band in found]
    assert all(fast.max() <= slow.min() for fast, slow in pairwise(values))


def test_as_many_numbers_at_random_as_a_band_has_and_from_where_bands_are(generator: Any) -> None:
    model, batch = opened("mamba"), CopyTask().sample(4, 6, generator(0))
    band, state = parts.bands(log_decays(model, batch))[0], carry(model, batch)
    first, second = (parts.at_random(band, state, generator(seed)) for seed in (0, 1))
    assert first.size == second.size == band.size and first.kind == "control"
    assert set(first.masks) == {"blocks.0.h", "blocks.1.h"}
    assert any((first.masks[name] != second.masks[name]).any() for name in first.masks)
    layer = parts.layers(state)[0]
    assert set(parts.at_random(layer, state, generator()).masks) == set(state.parts)
    assert parts.at_random(parts.whole(state), state, generator()).size == state.flat().shape[1]


def test_memories_without_decays_have_no_bands(generator: Any) -> None:
    model, _ = decay(3, 5)
    assert log_decays(model, CopyTask(5).sample(2, 4, generator())) == {}
    assert parts.bands({}) == []
    assert {each.kind for each in transplants(model, CopyTask(5), 4, 4, generator(), ())} == {"whole", "layer"}


def test_all_parts_of_a_mamba_are_put_over(generator: Any) -> None:
    found = transplants(opened("mamba"), CopyTask(), 4, 4, generator(0), directions=(2,))
    assert [each.name for each in found] == [
        "whole",
        "layer 0",
        "layer 1",
        "as many as layer 0, at random",
        "windows",
        "all but windows",
        "as many as windows, at random",
        "as many as all but windows, at random",
        "fast band",
        "middle band",
        "slow band",
        "as many as fast band, at random",
        "directions 1-2",
        "all but directions 1-2",
        "as many as directions 1-2, at random",
    ]
    sizes = {each.name: each.size for each in found}
    assert sizes["layer 0"] + sizes["layer 1"] == sizes["windows"] + sizes["all but windows"] == sizes["whole"]
    controls = [each for each in found if each.kind == "control"]
    assert all(each.donor_interval.low <= each.follows_donor <= each.donor_interval.high for each in controls)
    assert len({each.host_interval for each in controls}) > 1  # sets differ


def test_transplants_do_not_depend_on_blocks(generator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = shift(3, 5)
    whole = transplants(model, CopyTask(5), 6, 30, generator(1), directions=(5,))
    monkeypatch.setattr("interp.base.budget.CPU", Budget(tokens=200))
    for one, other in zip(whole, transplants(model, CopyTask(5), 6, 30, generator(1), directions=(5,)), strict=True):
        np.testing.assert_array_equal(one.by_position, other.by_position)
        assert one.donor_interval == other.donor_interval


def test_one_pair_or_no_letter_is_refused(generator: Any) -> None:
    model, _ = register(3, 5)
    with pytest.raises(UserError, match="at least 2 pairs"):
        transplants(model, CopyTask(5), 4, 1, generator())
    with pytest.raises(UserError, match=r"at least 65 strings to find .*; got 64"):
        transplants(model, CopyTask(5), 4, 4, generator(), calibration=64)
    with pytest.raises(UserError, match="got 4 and 0"):
        transplants(model, CopyTask(5), 0, 4, generator())


def test_pairs_of_one_string_are_refused(generator: Any) -> None:
    model, _ = register(3, 2)
    with pytest.raises(UserError, match="two pairs that differ; got 1 among 3"):
        seed = next(s for s in range(100) if _differing(generator(s)) == 1)
        transplants(model, CopyTask(2), 1, 3, generator(seed), directions=())


def _differing(generator: torch.Generator) -> int:
    x, y = (CopyTask(2).sample(3, 1, generator).tokens for _ in range(2))
    return int((x != y).any(dim=1).sum())
