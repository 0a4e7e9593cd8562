"""The benchmark of long strings: its plain contestant computes the same function, its numbers are those it names."""

import torch

from interp.models import build
from interp.training.presets.attention import long32


def test_the_plain_copier_is_the_same_function():
    from long import Plain

    config, task, _ = long32()
    model, batch = build(config, seed=1), task.sample(2, 12, 0)
    plain = Plain(model, batch.tokens.shape[1])
    torch.testing.assert_close(plain(batch.tokens, 5), model(batch.tokens)[:, 5:], atol=1e-4, rtol=1e-4)
    assert sum(p.numel() for p in plain.parameters()) == model.n_parameters


def test_the_power_of_a_growth_is_read_off_its_two_longest():
    from long import exponent

    assert exponent((5, 10, 20), [1.0, 2.0, 8.0]) == 2


def test_a_string_is_copied_in_a_process_that_tells_its_memory():
    from long import copy_once

    seconds, mebibytes = copy_once(20, False, 1)
    assert seconds > 0 and mebibytes > 50
