"""The moments of a formation are where its curves cross the middle for good; their order over seeds has intervals."""

import numpy as np
import pytest

from interp.base.errors import UserError
from interp.results.formation import Formation, moment, order_of


def test_a_moment_is_where_the_middle_is_crossed_for_good():
    assert moment(np.array([0, 10, 20, 30]), np.array([0.0, 0.8, 0.1, 1.0])) == pytest.approx(20 + 10 * 0.4 / 0.9)
    assert moment(np.array([0, 10]), np.array([3.0, 1.0])) == 5.0  # falling, too
    assert np.isnan(moment(np.array([0, 10, 20]), np.array([1.0, 2.0, 1.0])))


def test_each_change_has_its_own_moment(formed):
    assert formed().moments() == pytest.approx(
        {
            "loss": 550,
            "letters right": 550,
            "strings right": 550,
            "lookup heads: attention to the source": 450,
            "hash: letter 0 back": 450,
            "hash: letter 1 back": 650,
            "gather heads: attention": 250,
            "gather heads: what lookup heads read of them": 250,
        }
    )
    assert formed().matched == (0, 1)


def test_the_order_over_seeds_and_the_lag_of_one_change_behind_another(formed):
    order = order_of({f"seed {i}": formed(loss=600 + 100 * i, lookup=500 + 100 * i) for i in range(4)})
    assert order.changes[0] in ("gather heads: attention", "gather heads: what lookup heads read of them")
    mean, ends = order.lag("lookup heads: attention to the source", "loss")
    assert mean == ends.low == ends.high == 100
    mean, ends = order.lag("hash: letter 0 back", "loss")
    assert mean == pytest.approx(250) and ends.low < 100 < 400 < ends.high
    assert order.interval("gather heads: attention").method == "Student t"


def test_nothing_that_did_not_change_has_a_moment_and_one_training_has_no_order(tmp_path, formed):
    still = formed(loss=-1, lookup=-1, letters=(-1, -1), gather=-1)
    assert not any(np.isfinite(at) for at in still.moments().values())
    with pytest.raises(UserError, match="at least two trainings"):
        order_of([formed()])
    assert Formation.load(formed().save(tmp_path)).moments() == formed().moments()
