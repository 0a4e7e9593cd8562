"""Seeds: one number, the same strings everywhere, and children that share nothing."""

import numpy as np
import pytest
import torch

from interp.base.errors import UserError
from interp.base.seeds import as_generator, numbered_generator, own_generator, spawn


def draws(generator):
    return torch.randint(1000, (8,), generator=generator).tolist()


def test_a_seed_serves_wherever_a_generator_does():
    assert draws(as_generator(3)) == draws(torch.Generator().manual_seed(3)) == draws(as_generator(np.int64(3)))


def test_a_generator_goes_on_from_where_it_is():
    generator = torch.Generator().manual_seed(3)
    first = draws(generator)
    assert as_generator(generator) is generator
    assert draws(as_generator(generator)) != first


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "1", None, True])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(UserError, match="seed must be an integer from 0"):
        as_generator(seed)


def test_a_negative_seed_is_refused_everywhere():
    for use in (lambda s: own_generator("heads", s), lambda s: spawn(s, 0), lambda s: spawn(0, s), numbered_generator):
        with pytest.raises(UserError, match="seed must be an integer from 0"):
            use(-1)


@pytest.mark.gpu
def test_a_generator_on_a_gpu_is_refused_because_it_would_draw_other_strings():
    with pytest.raises(UserError, match="generator must be on the CPU"):
        as_generator(torch.Generator("cuda"))


def test_each_measurement_has_numbers_of_its_own_that_never_change():
    kept = np.random.SeedSequence([7, *b"heads"]).generate_state(1, np.uint64)[0] >> 1
    assert own_generator("heads", 7).initial_seed() == int(kept)
    assert draws(own_generator("heads", 7)) != draws(own_generator("used", 7))
    assert draws(numbered_generator(0, 1, 2)) != draws(numbered_generator(0, 2, 1))


def test_no_two_studies_share_a_child_seed():
    children = [spawn(seed, "untrained", i) for seed in range(30) for i in range(30)]
    children += [spawn(seed, i) for seed in range(30) for i in range(30)]
    assert len(set(children)) == len(children)
    assert max(children) < 2**53
