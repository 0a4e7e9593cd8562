"""Strings are drawn on the CPU, whatever the device of the model, so that a seed means the same strings everywhere."""

import pytest
import torch

from interp.tasks import Batch, ContrastPair, CopyTask, NgramLookup, offset_swaps, pack, planted_repeats

DEVICES = pytest.mark.parametrize("device", ["cpu", "meta", pytest.param("cuda", marks=pytest.mark.gpu)])
DRAWS = {
    "copy": lambda g: CopyTask().sample(4, (2, 9), g, letters_per_string=torch.tensor([3, 26, 1, 2])),
    "ngram": lambda g: NgramLookup(n=2).sample(4, (5, 9), g),
    "packed": lambda g: pack(CopyTask(), 3, 40, (2, 9), g, isolate=True),
    "repeats": lambda g: planted_repeats(CopyTask(4), torch.tensor([0, 1, 2, 3]), (14, 20), g, True, 3),
    "swaps": lambda g: offset_swaps(CopyTask(4), torch.tensor([0, 1, 2]), 3, (14, 20), g),
    "contrast": lambda g: CopyTask(4).contrast(3, 9, g),
}


def tensors(drawn):
    if isinstance(drawn, torch.Tensor):
        return [drawn]
    parts = drawn if isinstance(drawn, tuple) else vars(drawn).values()
    return [tensor for part in parts if part is not None for tensor in tensors(part)]


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_seed_and_its_generator_draw_the_same_strings_again_and_again(draw):
    by_seed, again, by_generator = (list(tensors(draw(g))) for g in (3, 3, torch.Generator().manual_seed(3)))
    assert len(by_seed) >= 5
    for other in (again, by_generator):
        assert all(torch.equal(a, b) for a, b in zip(by_seed, other, strict=True))


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_generator_goes_on_to_other_strings(draw):
    generator = torch.Generator().manual_seed(3)
    first, second = (list(tensors(draw(generator))) for _ in range(2))
    assert not torch.equal(first[0], second[0])


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_the_default_dtype_of_the_process_changes_no_string(draw):
    usual = list(tensors(draw(3)))
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        other = list(tensors(draw(3)))
    finally:
        torch.set_default_dtype(before)
    assert all(torch.equal(a, b) for a, b in zip(usual, other, strict=True))


@DEVICES
@pytest.mark.parametrize("kind", [Batch, ContrastPair])
def test_a_batch_moves_as_a_whole(kind, device):
    drawn = CopyTask().sample(3, 4, 0) if kind is Batch else CopyTask().contrast(3, 4, 0)
    moved = drawn.to(device)
    assert isinstance(moved, kind)
    assert {tensor.device.type for tensor in tensors(moved)} == {device}
