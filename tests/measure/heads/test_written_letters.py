"""Each written letter: the attention beside whole patterns, and what is refused."""

import pytest
import torch

from interp.base.errors import UserError
from interp.measure.ablation.sets import HeadSet
from interp.measure.heads.written_letters import WHOLE, written_letters
from interp.models import build
from interp.tasks.reverse import ReverseCopy

TASK, LENGTH, LONGEST = ReverseCopy(6), 7, 3


def test_attention_behind_each_letter_is_that_of_the_whole_pattern():
    model = build({"kind": "transformer", "d_vocab": 10, "n_heads": 2, "d_model": 16}, seed=3)
    batch = TASK.sample(5, LENGTH, 0)
    found = written_letters(model, batch, [HeadSet("one", "single", ("L1H0",))], "mean", LONGEST)
    _, cache = model.run_with_cache(batch.tokens)
    patterns = torch.cat([cache[f"blocks.{layer}.attn.hook_pattern"] for layer in (0, 1)], dim=1).mean(dim=0)
    for letter in range(1, 2 * LONGEST + 1):
        for offset in range(LONGEST + 1):
            query, key = LENGTH + letter, LENGTH + 1 - letter + offset  # $ x1..xL | xL..
            wanted = patterns[:, query, key].double().numpy() if key <= query else 0.0
            assert found.attention[:, offset, letter - 1] == pytest.approx(wanted, abs=1e-6)
    assert found.sets == (WHOLE, "one") and found.right.shape == (2, 5, LENGTH)
    answers = model(batch.tokens).argmax(dim=-1)[:, LENGTH + 1 : 2 * LENGTH + 1]
    assert (found.right[0] == (answers == batch.answer_tokens).numpy()).all()


def test_strings_of_several_lengths_are_refused():
    model = build({"kind": "transformer", "d_vocab": 10, "n_heads": 2, "d_model": 16}, seed=3)
    with pytest.raises(UserError, match="batch must hold strings of one length; got several"):
        written_letters(model, TASK.sample(20, (3, 7), 0), [], "mean", LONGEST)
