"""What is drawn lies where its generator lives, and the same seed draws it again there."""

import pytest
import torch

from interp.tasks import Batch, CopyTask, NgramLookup, offset_swaps, pack, planted_repeats

DEVICES = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


def tensors(drawn):
    parts = drawn if isinstance(drawn, tuple) else [drawn]
    for part in parts:
        yield from (
            [part]
            if isinstance(part, torch.Tensor)
            else tensors(tuple(vars(part).values()))
            if part is not None
            else []
        )


@DEVICES
@pytest.mark.parametrize(
    "draw",
    [
        lambda g: CopyTask().sample(4, (2, 9), g, letters_per_string=torch.tensor([3, 26, 1, 2])),
        lambda g: NgramLookup(n=2).sample(4, (5, 9), g),
        lambda g: pack(CopyTask(), 3, 40, (2, 9), g, isolate=True),
        lambda g: planted_repeats(CopyTask(4), torch.tensor([0, 1, 2, 3]), (14, 20), g, True, 3),
        lambda g: offset_swaps(CopyTask(4), torch.tensor([0, 1, 2]), 3, (14, 20), g),
    ],
    ids=["copy", "ngram", "packed", "repeats", "swaps"],
)
def test_samplers_follow_the_device_of_their_generator(draw, device):
    first, again = (list(tensors(draw(torch.Generator(device).manual_seed(3)))) for _ in range(2))
    assert len(first) >= 5
    assert {tensor.device.type for tensor in first} == {device}
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@DEVICES
def test_a_batch_moves_as_a_whole(device):
    batch = CopyTask().sample(3, 4, torch.Generator().manual_seed(0)).to(device)
    assert isinstance(batch, Batch)
    assert {tensor.device.type for tensor in tensors(batch)} == {device}
