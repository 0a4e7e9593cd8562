"""The compact copier does what the one-hot copier does, in a stream of O(n log D) numbers."""

from math import ceil, log2

import pytest
import torch

from interp.base.errors import UserError
from interp.loading import load
from interp.models.planted import planted_copier
from interp.models.planted.compact import compact_copier
from interp.tasks import CopyTask, ambiguous, score


@pytest.mark.parametrize(("n", "alphabet"), [(1, 2), (1, 26), (2, 3), (3, 5), (4, 26), (5, 26), (7, 16)])
def test_it_fails_on_the_strings_in_which_an_ngram_recurs_with_another_letter_behind_it_and_on_no_others(n, alphabet):
    model, task = compact_copier(n, alphabet)[0], CopyTask(alphabet)
    for length in (1, 2, n, n + 1, 12, 60):
        batch = task.sample(200, length, 0)
        right = score(model(batch.tokens), batch).string_correct
        assert right[~ambiguous(batch, n)].all(), length


@pytest.mark.parametrize("n", [2, 3])
def test_it_copies_as_many_strings_as_the_copier_with_one_hot_letters(n):
    compact, hot, task = compact_copier(n, 4)[0], planted_copier(n, 4)[0], CopyTask(4)
    batch = task.sample(500, 12, 0)
    one, other = (score(model(batch.tokens), batch).string_correct.double().mean() for model in (compact, hot))
    assert 0.05 < float(one) < 0.95
    assert float(one) == pytest.approx(float(other), abs=0.1)


@pytest.mark.parametrize(("n", "alphabet"), [(1, 2), (3, 4), (5, 26)])
def test_its_width_is_of_the_order_of_n_log_d(n, alphabet):
    config = compact_copier(n, alphabet)[0].config
    assert config.d_model == (n + 2) * (ceil(log2(alphabet)) + 2)
    assert config.n_layers == 2


def test_it_ends_where_the_string_ends():
    model, task = compact_copier(3, 26)[0], CopyTask()
    batch = task.sample(20, 9, 0)
    written = model.generate(batch.tokens[:, :11], 10)[:, 11:]
    assert torch.equal(written, batch.targets[:, 10:20])


def test_it_has_a_name_and_its_truth():
    loaded = load("planted:compact?n=2&alphabet=4")
    roles = [head.role for head in loaded.planting.heads]
    assert roles == ["gather"] * 3 + ["zero"] * 4 + ["lookup"]
    with pytest.raises(UserError, match="n from 1 on and an alphabet of 2 to 26 letters; got 0 and 26"):
        compact_copier(0)
