"""The rate of whole strings, against what a memory of known capacity must reach: the bound of theorem 2.7, or below."""

from typing import Any

import numpy as np
import pytest

from interp.base.errors import UserError
from interp.measure.state.expected import expected_accuracy
from interp.measure.state.size import accuracy_bound
from interp.models.planted import decay, register, shift
from interp.tasks.copy import CopyTask


@pytest.mark.parametrize("make", [register, shift])
@pytest.mark.parametrize(("k", "alphabet"), [(4, 2), (4, 26), (9, 5), (32, 2), (32, 26)])
def test_the_rate_of_a_register_lies_on_the_line_of_the_theorem(
    make: Any, k: int, alphabet: int, generator: Any
) -> None:
    model, _ = make(k, alphabet)
    lengths = (1, k, k + 1, 2 * k)
    found = expected_accuracy(model.double(), CopyTask(alphabet), lengths, 8, generator(0))
    states = [min(length, k) * np.log2(alphabet) for length in lengths]
    bounds = [accuracy_bound(bits, alphabet, length) for bits, length in zip(states, lengths, strict=True)]
    assert bounds == pytest.approx([1, 1, 1 / alphabet, float(alphabet) ** -k], rel=1e-9)
    assert found == pytest.approx(bounds, rel=1e-6, abs=0)  # rates down to 26^-32


def test_the_rate_of_a_decaying_memory_is_that_of_its_wiped_letters(generator: Any) -> None:
    model, capacity = decay(8, 5, keep=0.8)
    found = expected_accuracy(model.double(), CopyTask(5), [2], 4000, generator(0))
    kept = capacity.kept(2)[0]  # of two letters only the first can have been wiped out, and is then guessed
    assert found[0] == pytest.approx(kept + (1 - kept) / 5, abs=0.02)


def test_a_length_of_nothing_is_refused(generator: Any) -> None:
    with pytest.raises(UserError, match="at least 1 letter"):
        expected_accuracy(register(3, 5)[0], CopyTask(5), [0], 4, generator())
