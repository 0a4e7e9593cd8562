"""What replaces what, worked by hand on tiny arrays."""

import pytest
import torch

from interp.base.errors import UserError
from interp.measure.ablation.interventions import (
    KINDS,
    EdgeControl,
    EdgeCut,
    intervention,
)
from interp.measure.values import Mean, MeanPerPosition, Resample, Zero
from interp.tasks.copy import CopyTask

# Two strings, two positions, one head of width one; the second string's last position is padding.
Z = torch.tensor([[[[1.0]], [[3.0]]], [[[8.0]], [[100.0]]]])
USED = torch.tensor([[True, True], [True, False]])
EVERYWHERE = torch.ones(1, 1, 4, 4, dtype=torch.bool).tril()


def values(replacement):
    return replacement.output(Z, USED)[:, :, 0, 0].tolist()


def test_zero_is_zero():
    assert values(Zero()) == [[0, 0], [0, 0]]


def test_the_mean_leaves_padding_out():
    assert values(Mean()) == [[4, 4], [4, 4]]


def test_padding_that_is_no_number_is_left_out_of_the_means():
    z, used = torch.tensor([[1.0, 3.0], [5.0, torch.nan]])[..., None], torch.tensor([[True, True], [True, False]])
    torch.testing.assert_close(Mean().output(z, used)[0, 0, 0], torch.tensor(3.0))
    torch.testing.assert_close(MeanPerPosition().output(z, used)[0, :, 0], torch.tensor([3.0, 3.0]))


def test_the_mean_per_position_is_over_the_strings_that_reach_it():
    assert values(MeanPerPosition()) == [[4.5, 3], [4.5, 3]]


def test_resampling_takes_each_string_from_another_one(generator):
    assert values(Resample(torch.tensor([1, 0]))) == [[8, 100], [1, 3]]
    for seed in range(20):
        donor = Resample.draw(7, generator(seed)).donor
        assert sorted(donor.tolist()) == list(range(7))
        assert (donor != torch.arange(7)).all()
    assert len({tuple(Resample.draw(7, generator(seed)).donor.tolist()) for seed in range(20)}) > 10
    with pytest.raises(UserError, match="at least 2 strings"):
        Resample.draw(1, generator())


def test_a_cut_edge_is_gone_and_its_row_sums_to_one_again():
    source = torch.tensor([[-1, -1, 0, 1]])
    pattern = torch.tensor([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.6, 0.1, 0.3, 0], [0.25, 0.5, 0.25, 0]])[None, None]
    cut = EdgeCut(source)
    expected = torch.tensor([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 0.25, 0.75, 0], [0.5, 0, 0.5, 0]])
    torch.testing.assert_close(cut.edit(pattern, EVERYWHERE)[0, 0], expected)
    torch.testing.assert_close(cut.amount(pattern), torch.tensor([[0.55]]))


def test_a_row_that_gave_everything_to_the_cut_edge_becomes_even_over_the_other_places_it_sees():
    source = torch.tensor([[-1, -1, -1, 1]])
    pattern = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]])[None, None]
    all_seen = EdgeCut(source).edit(pattern, EVERYWHERE)[0, 0, 3]
    torch.testing.assert_close(all_seen, torch.tensor([1 / 3, 0, 1 / 3, 1 / 3]))
    window = EVERYWHERE & (torch.arange(4) > torch.arange(4)[:, None] - 3)
    torch.testing.assert_close(EdgeCut(source).edit(pattern, window)[0, 0, 3], torch.tensor([0, 0, 0.5, 0.5]))
    nothing_else = torch.zeros_like(EVERYWHERE)
    nothing_else[..., 3, 1] = True
    assert EdgeCut(source).edit(pattern, nothing_else)[0, 0, 3].tolist() == [0, 0, 0, 0]


def test_the_edge_control_takes_as_much_from_letters_that_do_not_match():
    # $ a b a c | a b a c: the third copied letter is asked for at the copied b (position 7); its source is position 3.
    strings = CopyTask(3).layout(torch.tensor([[0, 1, 0, 2]]))
    control = EdgeControl(strings.source, strings.tokens, torch.arange(10)[None])
    places = control.places()[0]
    assert places[7].nonzero()[:, 0].tolist() == [1, 2, 4]
    # Asked at the copied a (position 6) for b: the places after an a are 2 (the source) and 4 (a match of one letter).
    assert places[6].nonzero()[:, 0].tolist() == [1, 3]
    assert not places[:5].any()

    pattern = torch.zeros(1, 1, 10, 10)
    pattern[..., 7, :5] = torch.tensor([0.1, 0.2, 0.15, 0.3, 0.25])
    removed = control.removed(pattern)[0, 0, 7]
    torch.testing.assert_close(removed[:5], torch.tensor([0, 0.2, 0.1, 0, 0]))  # 0.3 in all, in the order of places
    edited = control.edit(pattern, EVERYWHERE.new_ones(1, 1, 10, 10).tril())[0, 0, 7]
    torch.testing.assert_close(edited[:5], torch.tensor([0.1, 0, 0.05, 0.3, 0.25]) / 0.7)

    backwards = EdgeControl(strings.source, strings.tokens, torch.arange(10).flip(0)[None])
    torch.testing.assert_close(backwards.removed(pattern)[0, 0, 7, :5], torch.tensor([0, 0, 0.05, 0, 0.25]))


def test_a_sharp_head_loses_all_that_it_gives_to_places_that_do_not_match():
    strings = CopyTask(3).layout(torch.tensor([[0, 1, 0, 2]]))
    control = EdgeControl(strings.source, strings.tokens, torch.arange(10)[None])
    pattern = torch.zeros(1, 1, 10, 10)
    pattern[..., 7, :5] = torch.tensor([0.0, 0.05, 0.0, 0.9, 0.05])
    assert control.removed(pattern)[0, 0, 7].sum().item() == pytest.approx(0.1)
    assert control.edit(pattern, EVERYWHERE.new_ones(1, 1, 10, 10).tril())[0, 0, 7, 3].item() == pytest.approx(1.0)


def test_every_edited_row_sums_to_one(generator):
    strings = CopyTask(4).sample(20, (3, 9), generator())
    n = strings.tokens.shape[1]
    visible = torch.ones(1, 1, n, n, dtype=torch.bool).tril()
    scores = 3 * torch.randn(20, 2, n, n, generator=generator())
    pattern = scores.masked_fill(~visible, -torch.inf).softmax(dim=-1)
    for kind in ("edges", "edge-control"):
        edit = intervention(kind, strings, generator())
        edited = edit.edit(pattern, visible)
        torch.testing.assert_close(edited.sum(dim=-1), torch.ones(20, 2, n))
        assert (edited >= 0).all()
        untouched = strings.source < 0
        assert torch.equal(edited.transpose(1, 2)[untouched], pattern.transpose(1, 2)[untouched])
        assert not torch.equal(edited, pattern)


def test_an_unknown_kind_of_ablation_names_those_that_exist(generator):
    with pytest.raises(UserError, match="nearest known: mean"):
        intervention("means", CopyTask(4).sample(2, 3, generator()), generator())
    assert set(KINDS) == {"zero", "mean", "mean-per-position", "resample", "edges", "edge-control"}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_a_cut_edge_is_the_softmax_without_that_score_where_a_sink_takes_its_share(generator, dtype):
    n, source = 6, torch.tensor([[-1, -1, -1, 2, -1, 0]])
    visible = torch.ones(1, 1, n, n, dtype=torch.bool).tril()
    scores = 2 * torch.randn(1, 2, n, n, generator=generator(), dtype=torch.float64)
    scores = scores.masked_fill(~visible, -torch.inf)
    sink = torch.tensor([0.5, 3.0], dtype=torch.float64)[None, :, None, None].expand(1, 2, n, 1)
    pattern = torch.cat([scores, sink], dim=-1).softmax(dim=-1)[..., :-1].to(dtype)
    cut = scores.clone()
    cut[..., 3, 2] = cut[..., 5, 0] = -torch.inf
    right = torch.cat([cut, sink], dim=-1).softmax(dim=-1)[..., :-1]
    found = EdgeCut(source).edit(pattern, visible)
    assert found.dtype == dtype
    atol = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(found[:, :, [3, 5]].double(), right[:, :, [3, 5]], rtol=0, atol=atol)
    assert torch.equal(found[:, :, [0, 1, 2, 4]], pattern[:, :, [0, 1, 2, 4]])


def test_a_row_made_in_float32_has_no_sink_in_a_model_of_float64():
    pattern = torch.tensor([1e-7, 3e-7, 1 - 5e-7]).expand(1, 1, 3, 3).double()  # sums to 1 - 1e-7: rounding
    everywhere = torch.ones(1, 1, 3, 3, dtype=torch.bool)
    cut = EdgeCut(torch.tensor([[-1, -1, 2]])).edit(pattern, everywhere)[0, 0, 2]
    torch.testing.assert_close(cut, torch.tensor([0.25, 0.75, 0]).double(), atol=1e-4, rtol=0)


def test_a_sharp_head_that_loses_nearly_everything_keeps_the_proportions_of_the_rest():
    left = torch.tensor([3e-9, 1e-9, 0.0])
    row = torch.cat([left, 1 - left.sum()[None]])[None, None, None].expand(1, 1, 4, 4)
    source = torch.tensor([[-1, -1, -1, 3]])
    everywhere = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    found = EdgeCut(source).edit(row, everywhere)[0, 0, 3]
    torch.testing.assert_close(found, torch.tensor([0.75, 0.25, 0.0, 0.0]))
