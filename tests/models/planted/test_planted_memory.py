"""Planted memories hold exactly what they were built to hold, and are opened like any recurrent model."""

from typing import Any

import pytest
import torch

from interp.base.errors import UserError
from interp.models.hooks.model import HookedModel
from interp.models.planted import (
    MemoryConfig,
    PlantedCapacity,
    PlantedMemory,
    decay,
    planted_from_spec,
    register,
    shift,
)
from interp.tasks.base import Batch
from interp.tasks.copy import CopyTask

MAKERS = {"register": register, "shift": shift, "decay": decay}


@pytest.fixture
def strings(generator: Any) -> Batch:
    """Four strings of seven letters out of five."""
    return CopyTask(5).sample(4, 7, generator(3))


def probabilities(model: HookedModel, batch: Batch) -> torch.Tensor:
    """The probability of the right letter, at each letter of the answer."""
    p = model(batch.tokens).softmax(dim=-1).gather(2, batch.targets[..., None])[..., 0]
    return p[batch.answer].view(len(batch), -1)


def test_the_register_is_certain_of_the_first_letters_and_knows_nothing_of_the_rest(strings: Batch) -> None:
    model, _ = register(3, 5)
    expected = torch.tensor([1.0] * 3 + [0.2] * 4).expand(4, -1)
    torch.testing.assert_close(probabilities(model, strings), expected)


def test_the_shift_register_is_certain_of_the_last_letters(strings: Batch) -> None:
    model, _ = shift(3, 5)
    torch.testing.assert_close(probabilities(model, strings), torch.tensor([0.2] * 4 + [1.0] * 3).expand(4, -1))


def test_letters_decay_as_often_as_the_capacity_says(generator: Any) -> None:
    model, capacity = decay(6, 5, keep=0.8)
    batch = CopyTask(5).sample(4000, 8, generator(0))
    known = (probabilities(model, batch) > 0.9).double().mean(dim=0)
    expected = torch.tensor(capacity.kept(8), dtype=torch.float64)
    assert capacity.survives == pytest.approx(0.8)
    assert (expected[:2] == 0).all() and expected[-1] == 1
    torch.testing.assert_close(known, expected, atol=0.04, rtol=0)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_string_that_fits_is_copied_and_ended(kind: str, strings: Batch) -> None:
    model, _ = MAKERS[kind](8, 5) if kind != "decay" else decay(8, 5, keep=1.0)
    written = model.generate(strings.tokens[:, :9], 8)
    torch.testing.assert_close(written, torch.cat([strings.tokens, strings.targets[:, -1:]], dim=1))


@pytest.mark.parametrize("kind", MAKERS)
def test_token_by_token_is_the_whole(kind: str, strings: Batch) -> None:
    model, _ = MAKERS[kind](4, 5)
    past = model.new_past()
    pieces = [model(tokens, past=past) for tokens in strings.tokens.split(1, dim=1)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), model(strings.tokens), atol=0, rtol=0)
    assert past[0].length == strings.tokens.shape[1]
    assert {name: tuple(part.shape[1:]) for name, part in past[0].parts.items()} == model.blocks[0].mixer.state_shapes()


@pytest.mark.parametrize("kind", MAKERS)
def test_the_cached_recurrence_is_the_one_written_out(kind: str, strings: Batch) -> None:
    model, _ = MAKERS[kind](4, 5)
    names = [f"blocks.0.mixer.hook_{name}" for name in ("A_bar", "write", "state", "C", "y")]
    _, cache = model.run_with_cache(strings.tokens, names_filter=names)
    A_bar, write, states, C, y = (cache[name] for name in names)
    h = torch.zeros_like(states[:, 0])
    for at in range(states.shape[1]):
        moving = kind != "register" and 1 <= at <= 7  # the letters of the string
        h = torch.cat([torch.zeros_like(h[:, :1]), h[:, :-1]], dim=1) if moving else h
        h = A_bar[:, at, :, None] * h + write[:, at]
        torch.testing.assert_close(states[:, at], h)
    torch.testing.assert_close(y, torch.einsum("bpk,bpkd->bpd", C, states))


def test_every_hook_point_fires_once_and_states_can_be_edited_on_the_way(strings: Batch) -> None:
    model, _ = register(3, 5)
    fired: list[str] = []
    model.run_with_hooks(
        strings.tokens, fwd_hooks=[(name, lambda _, hook: fired.append(hook.name)) for name in model.hook_dict]
    )
    assert sorted(fired) == sorted(model.hook_dict)

    def forget_the_first(h: torch.Tensor, hook: Any) -> torch.Tensor:  # noqa: ARG001
        return torch.cat([torch.zeros_like(h[:, :1]), h[:, 1:]], dim=1)

    logits = model.run_with_hooks(strings.tokens, fwd_hooks=[("blocks.0.mixer.h.5", forget_the_first)])
    p = logits.softmax(dim=-1).gather(2, strings.targets[..., None])[..., 0][strings.answer].view(4, -1)
    torch.testing.assert_close(p, torch.tensor([0.2, 1.0, 1.0] + [0.2] * 4).expand(4, -1))


def test_a_saved_memory_comes_back(tmp_path: Any, strings: Batch) -> None:
    model, _ = decay(4, 5, keep=0.6, seed=2)
    model.save_pretrained(tmp_path)
    back = PlantedMemory.from_pretrained(tmp_path)
    torch.testing.assert_close(back(strings.tokens), model(strings.tokens), atol=0, rtol=0)


def test_specifications_name_memories() -> None:
    model, capacity = planted_from_spec("decay?k=5&alphabet=4&keep=0.5")
    assert capacity == PlantedCapacity("decay", 5, 4, 0.5)
    assert model.config == MemoryConfig("decay", 5, 4, 0.5)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"memory": "registre"}, "no planted memory is called 'registre'"),
        ({"k": 0}, "k must be at least 1"),
        ({"alphabet": 40}, "from 2 to 26"),
        ({"keep": 0.0}, "keep must be a probability"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        MemoryConfig(**options)


def test_it_runs_without_values(strings: Batch) -> None:
    with torch.device("meta"):
        model = PlantedMemory(MemoryConfig("decay", 4, 5))
    assert model(strings.tokens.to("meta")).shape == (4, 16, 9)
