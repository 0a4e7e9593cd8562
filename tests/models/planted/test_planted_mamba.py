"""The planted Mamba keeps exactly the first K letters, with nothing but what an ordinary Mamba has."""

import itertools

import numpy as np
import pytest
import torch

from interp.base.errors import UserError
from interp.loading import load
from interp.measure.state.bits import used_bits
from interp.models.planted import planted_mamba, register
from interp.models.recurrent.mamba.model import HookedMamba
from interp.tasks import score
from interp.tasks.copy import CopyTask


def every_string(length, alphabet):
    return CopyTask(alphabet).layout(torch.tensor(list(itertools.product(range(alphabet), repeat=length))))


@pytest.mark.parametrize(("k", "alphabet"), [(1, 2), (2, 4), (3, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_of_all_strings_it_copies_as_many_as_the_theorem_allows(k, alphabet, dtype):
    model, capacity = planted_mamba(k, alphabet)
    assert type(model) is HookedMamba and (capacity.k, capacity.alphabet) == (k, alphabet)
    for length in range(1, k + 3):
        batch = every_string(length, alphabet)
        right = score(model.to(dtype)(batch.tokens), batch).string_correct
        assert int(right.sum()) == alphabet ** min(k, length)


def test_it_says_what_the_register_says_of_letters_and_ends_its_copies(generator):
    model, _ = planted_mamba(5)
    batch = CopyTask(26).sample(64, 9, generator(0))
    p = model(batch.tokens).softmax(dim=-1).gather(2, batch.targets[..., None])[..., 0][batch.answer].view(64, -1)
    torch.testing.assert_close(p, torch.tensor([1.0] * 5 + [1 / 26] * 4).expand(64, -1), atol=1e-5, rtol=0)
    short = CopyTask(26).sample(8, 5, generator(1))
    written = model.generate(short.tokens[:, :7], 6)
    torch.testing.assert_close(written, torch.cat([short.tokens, short.targets[:, -1:]], dim=1))
    ends = short.loss_mask & ~short.answer
    assert torch.equal(model(short.tokens).argmax(dim=-1)[ends], short.targets[ends])


def test_long_strings_do_not_disturb_what_is_kept(generator):
    """The count is exact past a thousand, whichever way the scan runs."""
    model, _ = planted_mamba(6, 8)
    batch = CopyTask(8).sample(4, 1500, generator(2))
    logits = model(batch.tokens)
    right = (logits.argmax(dim=-1) == batch.targets)[batch.answer].view(4, -1)
    assert right[:, :6].all() and right[:, 6:].double().mean() < 0.2
    watched = model.run_with_hooks(batch.tokens, fwd_hooks=[("blocks.1.mixer.hook_state", lambda x, hook: None)])  # noqa: ARG005
    torch.testing.assert_close(watched, logits, atol=1e-3, rtol=1e-4)


def test_the_state_of_its_second_layer_holds_the_letters_one_hot_in_their_slots(generator):
    model, _ = planted_mamba(4, 5)
    batch = CopyTask(5).sample(3, 6, generator(3))
    _, cache = model.run_with_cache(batch.tokens, names_filter=["blocks.1.mixer.hook_state"])
    held = cache["blocks.1.mixer.hook_state"][:, 7, :5] / 64  # at the separator: [string letter slot]
    expected = torch.nn.functional.one_hot(batch.answer_tokens[:, :4], 5).mT.float()
    torch.testing.assert_close(held, expected)


def test_an_edit_of_a_slot_changes_the_letter_that_is_copied(generator):
    model, _ = planted_mamba(4, 5)
    batch = CopyTask(5).sample(1, 4, generator(4))

    def swap(state, hook):  # noqa: ARG001
        return state[:, :, [1, 0, 2, 3]]

    written = model.run_with_hooks(batch.tokens, fwd_hooks=[("blocks.1.mixer.h.5", swap)]).argmax(dim=-1)
    letters = batch.answer_tokens[0, [1, 0, 2, 3]]
    assert torch.equal(written[batch.answer], letters)


def test_the_bits_that_it_uses_are_those_of_the_register():
    task, lengths = CopyTask(6), [2, 4, 8]
    one, other = (used_bits(model, task, lengths, 64, 0) for model, _ in (planted_mamba(4, 6), register(4, 6)))
    np.testing.assert_allclose(one.by_position, other.by_position, atol=1e-3)
    assert one.total[-1] == pytest.approx(4 * np.log2(6), rel=1e-3)


def test_it_has_a_name_and_what_cannot_be_is_refused():
    loaded = load("planted:mamba?k=3&alphabet=4")
    assert isinstance(loaded.model, HookedMamba) and loaded.planting.k == 3
    with pytest.raises(UserError, match="k must be at least 1 and alphabet from 2 to 26; got k=0"):
        planted_mamba(0)
    with pytest.raises(UserError, match="k of planted:mamba must be at most 1000"):
        load("planted:mamba?k=2000")


def test_it_can_be_built_from_weights_that_training_can_go_on_from(generator):
    """A count that leaks, and ramps that are not as sharp: the same letters, no weight beyond 800."""
    model, _ = planted_mamba(6, scale=8.0, leak=0.01)
    assert max(weight.detach().abs().max() for weight in model.parameters()) == pytest.approx(800)
    for length, share in ((1, 1.0), (6, 1.0), (9, 6 / 9)):
        batch = CopyTask(26).sample(200, length, generator(length))
        right = (model(batch.tokens).argmax(dim=-1) == batch.targets)[batch.answer].view(200, -1).double()
        assert right[:, :6].all() and right.mean().item() == pytest.approx(share, abs=0.03)
    model(batch.tokens, "loss").backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())
    with pytest.raises(
        UserError, match=r"scale must be a number from 1 to 1024, and leak a share below 1; got 0\.5 and 0"
    ):
        planted_mamba(scale=0.5)
