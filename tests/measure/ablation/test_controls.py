"""Which sets of heads are a fair comparison, counted by hand."""

import numpy as np
import pytest
import torch

from interp.measure.ablation.controls import (
    ControlPool,
    attention_removed,
    can_see_source,
    control_interval,
    control_pool,
    distinct_sets,
    places_per_query,
)
from interp.measure.ablation.interventions import EdgeControl, EdgeCut
from interp.models import build
from interp.models.heads import Head, HeadTable
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.tasks.base import Batch
from interp.tasks.copy import CopyTask

TASK = CopyTask(5)
TABLE = HeadTable.of(build({"kind": "transformer", "position": "nope", "n_layers": 3, "n_heads": 12, "d_model": 12}))


def heads(*names: str) -> tuple[Head, ...]:
    return TABLE.parse(names)


POOL = ControlPool(heads("L0H1", "L0H2", "L1H0", "L1H3", "L1H4"))


def windowed(*windows: int | None) -> HookedTransformer:
    config = TransformerConfig(n_heads=len(windows), d_model=16, d_head=4, d_vocab=9, windows=windows)
    return HookedTransformer(config, seed=3)


def test_the_same_layer_gives_as_many_heads_as_are_ablated_in_it():
    first, second = heads("L0H1", "L0H2"), heads("L1H0", "L1H3", "L1H4")
    assert POOL.same_layer(heads("L1H5", "L1H6")) == ((second, 2),)
    assert POOL.same_layer(heads("L1H5", "L0H7")) == ((first, 1), (second, 1))
    assert POOL.any_layer(heads("L1H5", "L0H7")) == ((POOL.heads, 2),)


def test_an_ablated_head_is_no_control_for_itself():
    assert POOL.any_layer(heads("L0H1")) == ((POOL.heads[1:], 1),)


def test_a_small_pool_gives_all_the_sets_that_there_are(generator):
    assert distinct_sets(POOL.same_layer(heads("L1H5", "L1H6")), 10, generator()) == [
        heads("L1H0", "L1H3"),
        heads("L1H0", "L1H4"),
        heads("L1H3", "L1H4"),
    ]
    assert len(distinct_sets(POOL.same_layer(heads("L1H5", "L0H7")), 10, generator())) == 2 * 3
    assert distinct_sets(POOL.any_layer(TABLE.by_layer[2][:6]), 10, generator()) == []


def test_a_large_pool_gives_so_many_different_sets_of_the_right_size(generator):
    pool, ablated = ControlPool(TABLE.by_layer[1]), heads("L0H0", "L0H1", "L0H2")
    sets = distinct_sets(pool.any_layer(ablated), 25, generator())
    assert len({frozenset(chosen) for chosen in sets}) == 25
    assert {len(set(chosen)) for chosen in sets} == {3}
    assert sets == distinct_sets(pool.any_layer(ablated), 25, generator())
    assert sets != distinct_sets(pool.any_layer(ablated), 25, generator(1))


def test_a_head_whose_window_hides_the_source_is_no_control(generator):
    # In a copy of L letters the source of every letter stands L positions back.
    model, strings = windowed(2, 6, 7, None), TASK.sample(3, 6, generator())
    assert can_see_source(model, strings).tolist() == [False, False, True, True] * 2
    assert [head.name for head in control_pool(model, strings, ["L0H2", "L1H3"]).heads] == ["L0H3", "L1H2"]


def test_with_ragged_strings_a_head_must_see_the_source_in_all_of_them(generator):
    strings = TASK.sample(40, (4, 6), generator())
    assert can_see_source(windowed(5, 6, 7, None), strings).tolist() == [False, False, True, True] * 2


def test_a_model_without_windows_sees_everything(generator):
    model = HookedTransformer(TransformerConfig(n_heads=3, d_model=12, d_vocab=9, position="nope"))
    assert len(control_pool(model, TASK.sample(3, 6, generator()), ()).heads) == 6


def test_few_sets_make_no_interval_and_many_contain_the_mean():
    rng = np.random.default_rng(0)
    correct = rng.random((10, 200)) < 0.7
    low, high = control_interval(correct)
    assert low < correct.mean() < high
    assert high - low < 0.2
    assert control_interval(correct[:3]) is None


def test_sets_that_differ_make_the_interval_wide_however_many_strings_there_are():
    half_the_sets_destroy = np.repeat([[True], [False]], 4, axis=0).repeat(1000, axis=1)
    low, high = control_interval(half_the_sets_destroy)
    assert low <= 0.25
    assert high >= 0.75


def test_an_interval_has_width_even_where_every_string_is_right():
    low, high = control_interval(np.ones((5, 50), dtype=bool))
    assert 0.9 < low < 0.95
    assert high == 1.0


def test_attention_removed_is_the_mean_over_queries_of_what_each_head_gives(generator):
    model, strings = windowed(3, None), TASK.sample(5, (4, 6), generator())
    cut, control = EdgeCut(strings.source), EdgeControl.draw(strings, generator())
    removed = attention_removed(model, strings, [cut, control])
    _, cache = model.run_with_cache(strings.tokens)
    asked, source = strings.answer.nonzero(), strings.source[strings.answer]
    for layer in range(2):
        pattern = cache[f"blocks.{layer}.attn.hook_pattern"]
        given = [
            torch.stack([pattern[b, 1, q, s] for (b, q), s in zip(asked, source, strict=True) if b == string]).mean()
            for string in range(5)
        ]
        assert removed[0, 2 * layer + 1].item() == pytest.approx(torch.stack(given).mean().item(), rel=1e-5)
        assert removed[0, 2 * layer] == 0  # its window hides the source
        assert removed[1, 2 * layer + 1] > 0


def test_attention_removed_from_packed_strings_is_that_of_the_strings_alone(generator):
    model, strings = windowed(3, None), TASK.sample(4, 5, generator())
    alone = attention_removed(model, strings, [EdgeCut(strings.source)])
    width = strings.tokens.shape[1]
    apart = torch.cat([torch.full_like(strings.source, -1), strings.source], dim=1)
    source = torch.where(apart >= 0, apart + width, -1)  # the second of two strings in a row
    twice = {name: value.repeat(1, 2) for name, value in vars(strings).items() if value is not None}
    segment = torch.arange(2).repeat_interleave(width).expand_as(source)
    packed = Batch(**{**twice, "source": source}, segment=segment)
    torch.testing.assert_close(attention_removed(model, packed, [EdgeCut(source)]), alone)


def test_places_that_do_not_match_are_counted_per_query():
    strings = CopyTask(3).layout(torch.tensor([[0, 1, 0, 2]]))
    control = EdgeControl(strings.source, strings.tokens, torch.arange(10)[None])
    # Asked at the separator 3 places, after a 2 (the sources after the other a left out), after b 3, after a 2.
    assert places_per_query(control) == round((3 + 2 + 3 + 2) / 4)
