"""Memories of all kinds hold and use exactly what their truth says, and are opened like any recurrent model."""

from collections import Counter
from itertools import product
from math import log2
from typing import Any

import numpy as np
import pytest
import torch

from interp.base.errors import UserError
from interp.loading import load
from interp.models.planted.memories import MEMORIES, CodedMemory, Memory, MemoryTruth, describe_memory, planted_memory
from interp.models.planted.memory import MemoryConfig
from interp.models.recurrent.model import RecurrentModel
from interp.tasks.copy import CopyTask

SMALL = {
    "a register": Memory(k=4, alphabet=3),
    "a shift register": Memory(keeps="last", k=3, alphabet=3),
    "a turned shift register": Memory("turned", "last", k=3, alphabet=3),
    "numbers": Memory("numbers", k=4, digits=3, alphabet=3),
    "numbers, least digit first": Memory("numbers", k=4, digits=2, alphabet=3, most_significant_first=False),
    "sums": Memory("sums", k=3, alphabet=3),
    "keys": Memory("keys", k=3, width=3, alphabet=3),
    "codes": Memory("codes", k=6, width=5, alphabet=3),
    "keys that overlap": Memory("keys", k=6, width=2, alphabet=3, matched=True),
    "hashed": Memory("hashed", k=6, hashes=2, alphabet=4),
    "half of it read": Memory(k=4, reads=2, alphabet=3),
}


def truth_of(memory: Memory) -> MemoryTruth:
    return MemoryTruth("small", memory, 4, None, "full")


@torch.no_grad()
@pytest.mark.parametrize("memory", SMALL.values(), ids=SMALL)
@pytest.mark.parametrize("length", [2, 5])
def test_the_bits_that_are_held_are_the_entropy_of_the_states_of_all_strings(memory, length):
    letters = torch.tensor(list(product(range(memory.alphabet), repeat=length)))
    model = CodedMemory(memory).double()
    past = model.new_past()
    bos = torch.full_like(letters[:, :1], memory.alphabet)
    model(torch.cat([bos, letters], dim=1), past=past)
    states = torch.cat([part.flatten(1) for part in past[0].parts.values()], dim=1).numpy().round(4)
    counts = np.array([*Counter(map(bytes, states + 0.0)).values()])
    entropy = log2(len(letters)) - (counts * np.log2(counts)).sum() / len(letters)
    low, high = truth_of(memory).held(length)
    assert low == high == pytest.approx(entropy, abs=1e-6)


@torch.no_grad()
def shown(model: Any, letters: int, length: int, strings: int) -> np.ndarray:
    """Bits of each string that the answer shows, read from the logits of one run; a hundredth of it at most is lost."""
    batch = CopyTask(letters).sample(strings, length, length)
    log_p = model(batch.tokens)[..., :letters].double().log_softmax(dim=-1)
    right = log_p.gather(2, batch.targets.clamp(max=letters - 1)[..., None])[..., 0]
    return (right / np.log(2) + log2(letters)).masked_fill(~batch.answer, 0)[:, length + 1 : -1].sum(dim=1).numpy()


@pytest.mark.by_default(3)
@pytest.mark.parametrize("kind", MEMORIES)
def test_a_drawn_memory_uses_what_its_truth_says(kind):
    model, truth = planted_memory(kind, 1)
    for length in (2, truth.scale, 2 * truth.scale):
        found = shown(model, truth.alphabet, length, 300)
        assert found.mean() == pytest.approx(truth.used(length), abs=4 * found.std() / 300**0.5 + 0.02 * length**0.5)
        low, high = truth.held(length)
        assert truth.used(length) <= high + 1e-9 and low <= high <= length * truth.letter + 1e-9


@pytest.mark.parametrize("kind", MEMORIES)
def test_token_by_token_is_the_whole(kind):
    model, truth = planted_memory(kind, 2)
    tokens = CopyTask(truth.alphabet).sample(3, truth.scale + 3, 0).tokens
    past = model.new_past()
    pieces = torch.cat([model(some, past=past) for some in tokens.split(1, dim=1)], dim=1)
    torch.testing.assert_close(pieces.softmax(dim=-1), model(tokens).softmax(dim=-1), atol=1e-4, rtol=0)
    assert isinstance(model, RecurrentModel)
    assert {f"blocks.0.{name}": tuple(part.shape[1:]) for name, part in past[0].parts.items()} == model.state_shapes()


@pytest.mark.parametrize("memory", SMALL.values(), ids=SMALL)
def test_every_hook_point_fires_once_and_an_edited_state_is_carried_on(memory):
    model, tokens = CodedMemory(memory), CopyTask(memory.alphabet).sample(2, 4, 0).tokens
    fired: list[str] = []
    model.run_with_hooks(
        tokens, fwd_hooks=[(name, lambda _, hook: fired.append(hook.name)) for name in model.hook_dict]
    )
    assert sorted(fired) == sorted(model.hook_dict)
    name = "blocks.0.mixer.h.4"
    emptied = model.run_with_hooks(tokens, fwd_hooks=[(name, lambda h, hook: 0 * h)])  # noqa: ARG005
    assert not torch.allclose(emptied[:, 5:9], model(tokens)[:, 5:9])
    torch.testing.assert_close(emptied[:, :4], model(tokens)[:, :4])


def test_a_saved_memory_comes_back(tmp_path):
    model, truth = planted_memory("codes", 3)
    model.save_pretrained(tmp_path)
    tokens = CopyTask(truth.alphabet).sample(2, 6, 0).tokens
    torch.testing.assert_close(CodedMemory.from_pretrained(tmp_path)(tokens), model(tokens), atol=0, rtol=0)


def test_a_specification_names_a_drawn_memory():
    loaded = load("planted:memory?kind=sums&seed=4")
    assert loaded.planting == planted_memory("sums", 4)[1] and loaded.task.n_letters == loaded.planting.alphabet
    with pytest.raises(UserError, match="no kind of planted memory is called 'summs'; the nearest known: sums"):
        load("planted:memory?kind=summs")


def test_a_drawn_memory_is_the_same_for_the_same_seed_and_says_what_it_is():
    for kind in MEMORIES:
        assert planted_memory(kind, 5)[1] == planted_memory(kind, 5)[1] != planted_memory(kind, 6)[1]
        assert describe_memory(kind).endswith(".")
    assert isinstance(planted_memory("wiped", 0)[1].memory, MemoryConfig)


def test_it_runs_without_values():
    with torch.device("meta"):
        model = CodedMemory(Memory("turned", "last"))
    assert model(torch.zeros(2, 9, dtype=torch.long, device="meta")).shape == (2, 9, 12)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"code": "sumz"}, "no code is called 'sumz'"),
        ({"code": "numbers", "keeps": "last"}, "keeps must be first with code numbers; got last"),
        ({"code": "keys", "k": 9, "width": 4}, "k must be at most width, 4"),
        ({"code": "hashed", "alphabet": 8, "hashes": 3}, "hashes must divide the alphabet, 8; got 3"),
        ({"fade": 0.0}, r"fade must be in \(0, 1\]"),
        ({"alphabet": 1}, "alphabet must be at least 2"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(options, sentence):
    with pytest.raises(UserError, match=sentence):
        Memory(**options)
