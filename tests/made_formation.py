"""A formation made up by hand: each change is a step, at examples that the test chooses."""

import numpy as np
import pytest

from interp.results.formation import Formation

EXAMPLES = np.arange(0, 1100, 100)


def rising(at):
    """0 before, 1 after, half in the middle of the step that ends there."""
    return (at <= EXAMPLES).astype(float)


def make(lookup=500, letters=(500, 700), gather=300, loss=600):
    n, probes = len(EXAMPLES), 4
    diagonal = np.stack([rising(at) for at in letters], axis=1)[:, None, :, None].repeat(probes, axis=3)
    by_letter = np.zeros((n, 1, 3, 4))
    by_letter[:, 0, 0, 1], by_letter[:, 0, 1, 2] = diagonal[:, 0, 0, 0], diagonal[:, 0, 1, 0]
    right = rising(loss)[:, None].repeat(3, axis=1)
    return Formation(
        steps=tuple(range(n)),
        examples=EXAMPLES,
        lookups=("L1H2",),
        gathers=("L0H1",),
        string_correct=right > 0.5,
        letter_correct=right,
        loss=3 * (1 - right),
        attention=rising(lookup)[:, None, None].repeat(probes, axis=2),
        score=diagonal.sum(axis=2),
        by_letter=by_letter,
        diagonal=diagonal,
        written=rising(gather)[:, None, None, None].repeat(probes, axis=3),
        profile=np.stack([1 - rising(gather), rising(gather)], axis=1)[:, None],
    )


@pytest.fixture
def formed():
    """Makes it: `formed(loss=600)`."""
    return make
