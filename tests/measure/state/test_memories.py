"""The two memories of a hybrid: of one whose letters are known to stand in the recurrent state, and what is refused."""

import numpy as np
import pytest
import torch

from interp.base.errors import UserError
from interp.measure.state.memories import memory_ablations
from interp.models import build
from interp.models.planted import planted_mamba
from interp.tasks.copy import CopyTask

SHARED = ("d_model", "d_vocab", "normalization", "norm_eps", "tied", "embedding_std")
KEPT = 4


@pytest.fixture(scope="module")
def hybrid():
    """A Mamba built by hand that keeps the first four letters, and on top of it attention that writes nothing."""
    planted, _ = planted_mamba(k=KEPT)
    config = planted.config_dict()
    own = {name: value for name, value in config.items() if name not in (*SHARED, "kind", "n_layers")}
    shared = {name: config[name] for name in SHARED}
    model = build({"kind": "hybrid", "layers": ("mamba", "mamba", "attention"), "mamba": own,
                   "attention": {"n_heads": 1}, **shared}).to(planted.dtype)  # fmt: skip
    missing, surplus = model.load_state_dict(planted.state_dict(), strict=False)
    assert not surplus and all(name.startswith("blocks.2.") for name in missing)
    with torch.no_grad():
        model.blocks[2].attn.W_O.zero_()
        model.blocks[2].attn.b_O.zero_()
    return model.eval()


@pytest.mark.parametrize("kind", ["resample", "mean", "zero"])
def test_letters_that_the_recurrence_holds_are_lost_without_it_and_without_attention_none(hybrid, kind):
    found = {each.name: each for each in memory_ablations(hybrid, CopyTask(), KEPT, 60, 0, kind)}
    assert list(found) == ["attention", "recurrence", "both", "layer 0", "layer 1", "layer 2"]
    for name in ("attention", "layer 2"):
        assert found[name].letter_accuracy_before == found[name].letter_accuracy_after == 1
        assert (found[name].by_position == 1).all()
    for name in ("recurrence", "both"):
        assert found[name].letter_accuracy_after < 0.2, name
    assert found["both"].control_mean is None
    assert found["both"].size == found["attention"].size + found["recurrence"].size
    assert sum(found[f"layer {layer}"].size for layer in range(3)) == found["both"].size
    np.testing.assert_array_equal(found["both"].letter_correct, found["recurrence"].letter_correct)


def test_a_recurrence_that_writes_nothing_costs_nothing(generator):
    model = build(
        {"kind": "hybrid", "layers": ("gla", "attention"), "d_model": 32, "attention": {"n_heads": 2}}, seed=3
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.4 * torch.randn(parameter.shape, generator=generator(0)))
        model.mixers[0].W_out.zero_()
    attention, recurrence, both, *_ = memory_ablations(model, CopyTask(), 6, 40, 0)
    assert recurrence.letter_accuracy_after == recurrence.letter_accuracy_before
    assert attention.letter_accuracy_after == both.letter_accuracy_after
    np.testing.assert_allclose(both.by_position.mean(), both.letter_accuracy_after)


@pytest.mark.parametrize(
    ("kind", "told"), [("gla", "0 of attention and 2 that are recurrent"), ("transformer", "2 of attention and 0 that")]
)
def test_a_model_of_one_kind_of_layer_is_refused(kind, told):
    options = {"n_ctx": 40, "n_heads": 2} if kind == "transformer" else {}
    with pytest.raises(UserError, match=f"model must be a hybrid of attention and recurrent layers.*with {told}"):
        memory_ablations(build({"kind": kind, "n_layers": 2, "d_model": 16, **options}), CopyTask(), 4, 4, 0)


def test_an_unknown_kind_is_refused(hybrid):
    with pytest.raises(UserError, match="no kind of state ablation is called 'noise'"):
        memory_ablations(hybrid, CopyTask(), 4, 4, 0, kind="noise")
