"""Roles and n on planted models, where they are known; and nothing on untrained ones."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from interp.measure.heads import written
from interp.measure.heads.gather import path_effects, total_effects
from interp.measure.heads.offsets import decode_offsets
from interp.measure.heads.ov import copies_letter
from interp.measure.heads.score import HeadSettings, score_heads
from interp.measure.heads.written import edge_effects
from interp.models.heads import HeadTable
from interp.models.planted import Circuit, HeadSpec, Write, plant, planted_copier
from interp.models.planted.gathering import by_windows
from interp.models.planted.looks import Match
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.tasks.copy import CopyTask
from interp.tasks.probes.planted_repeats import planted_repeats
from interp.tasks.probes.probe import Probe
from interp.tasks.score import logit_difference, per_string
from interp.tasks.vocabulary import Vocabulary

DECOYS = ("position:31", "matched-token", "previous", "bos", "even")
SETTINGS = HeadSettings(strings=32)


def _score(model, alphabet, seed=0, settings=SETTINGS, length=(24, 32)):
    return score_heads(model, CopyTask(alphabet), length, torch.Generator().manual_seed(seed), settings, seed)


SIZES = [(1, 26), (2, 4), (3, 8), *(pytest.param(*size, marks=pytest.mark.slow) for size in ((4, 4), (5, 6), (6, 4)))]


@pytest.mark.parametrize(("n", "alphabet"), SIZES)
def test_planted_heads_get_their_roles_and_exact_n_whatever_stands_around_them(n, alphabet):
    model, planting = planted_copier(
        n, alphabet, n_layers=3, lookup_layer=2, n_lookup=2, zero_heads=1, random_heads=1, shuffle=True, seed=n
    )
    scores = _score(model, alphabet)
    assert set(scores.of_role("lookup")) == {head.name for head in planting.with_role("lookup")}
    assert {head.n for head in scores.heads if head.role == "lookup"} == {n}
    assert set(scores.of_role("gather")) == {head.name for head in planting.with_role("gather")}
    assert scores.set_offsets == tuple(range(n + 1))
    assert all(head.copying == 1.0 for head in scores.heads if head.role == "lookup")


def test_no_decoy_is_taken_for_a_lookup_head():
    model, planting = planted_copier(3, 8, decoys=DECOYS, n_ctx=128, random_heads=1, shuffle=True, seed=1)
    scores = _score(model, 8)
    assert set(scores.of_role("lookup")) == {head.name for head in planting.with_role("lookup")}
    assert not {head.name for head in planting.with_role("decoy")} & {h.name for h in scores.heads if h.role != "none"}


def test_a_head_at_the_right_distance_is_flagged_on_one_length_but_not_called_a_lookup():
    model, planting = planted_copier(3, 8, decoys=("position:31",), n_ctx=128)
    scores = _score(model, 8, length=31)
    (decoy,) = planting.with_role("decoy")
    row = next(head for head in scores.heads if head.name == decoy.name)
    assert row.score > 0.9
    assert row.flagged
    assert row.role == "none"
    assert any(decoy.name in note for note in scores.notes)


@pytest.mark.parametrize(
    ("what", "factor", "told"), [("next", -1.0, "none"), ("next", 1.0, "none"), ("token", 1.0, "lookup")]
)
def test_of_three_letters_a_head_that_takes_another_one_away_copies_nothing(what, factor, told):
    """The right letter then stands above one of the others, and beside the third: a tie is no copy."""
    looks = HeadSpec(1, 3, Match((0,)), (Write(what, factor=factor),))
    circuit = Circuit((*by_windows(1), looks), 2, 4, 3, windows=(1, 2, None, None))
    row = _score(plant(circuit)[0], 3, settings=HeadSettings(longest=3, strings=24)).heads[7]
    assert row.attends and (row.role, row.suppresses) == (told, False)


def test_of_three_letters_an_edge_carries_what_the_right_one_loses_against_each_other_by_name():
    """The reference cuts the edge by a hook, and reads the logits of the letters themselves."""
    task = CopyTask(3)
    model = HookedTransformer(TransformerConfig(n_layers=2, n_heads=2, d_model=8, d_vocab=7, position="nope"), seed=0)
    probe = planted_repeats(task, torch.full((32,), 2), 12, 0, exclusive=True, context=3)
    first, second = (HeadTable.of(model)[name] for name in ("L0H1", "L1H0"))
    one = torch.arange(len(probe))

    def against(*heads):
        def cut(pattern, hook, index):  # noqa: ARG001
            pattern[one, index, probe.query, probe.source] = 0
            pattern[:, index] /= pattern[:, index].sum(dim=-1, keepdim=True)

        hooks = [(f"blocks.{head.layer}.attn.hook_pattern", partial(cut, index=head.index)) for head in heads]
        logits = model.run_with_hooks(probe.batch.tokens, fwd_hooks=hooks)[one, probe.query]
        letters = logits[:, task.vocabulary.ids(torch.arange(3))]
        right = task.vocabulary.ids(torch.arange(3)) == probe.batch.targets[one, probe.query][:, None]
        return (letters[right][:, None] - letters[~right].unflatten(0, (-1, 2))).detach()

    for beside in ((), (first,)):
        lost = against(*beside) - against(*beside, second)
        expected = lost.abs().amin(dim=1).where(lost[:, 0] * lost[:, 1] > 0, 0.0) * lost[:, 0].sign()
        found = edge_effects(model, task.vocabulary, probe, [(second,)], beside)[0]
        torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)
        assert 0 < int((expected == 0).sum()) < len(probe) and float(expected.abs().max()) > 1e-3


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_letter_that_rises_past_the_third_one_leaves_an_edge_without_effect(order, monkeypatch):
    """Right 0, others -5 and -1, then 0 and -1: the lower loses 4, the upper 1, the third letter nothing."""
    probe, vocabulary = planted_repeats(CopyTask(3), torch.tensor([2]), 12, 0, True, 3), CopyTask(3).vocabulary
    ids = vocabulary.ids(torch.arange(3))
    right = int((ids == probe.batch.targets[0, probe.query[0]]).nonzero())

    def logits(risen, third):
        made = torch.zeros(*probe.batch.tokens.shape, 7)
        made[..., ids.roll(-right)[order[0]]] = risen
        made[..., ids.roll(-right)[order[1]]] = third
        return made

    def scored(model, batch, vocabulary, ablations, over="mean"):  # noqa: ARG001
        both = [logit_difference(logits(*each), batch, vocabulary, over) for each in ((-5.0, -1.0), (0.0, -1.0))]
        return SimpleNamespace(logit_difference=torch.stack([per_string(each, batch) for each in both]))

    monkeypatch.setattr(written, "sweep", scored)
    model = HookedTransformer(TransformerConfig(n_layers=1, n_heads=1, d_model=2, d_vocab=7), seed=0)
    assert edge_effects(model, vocabulary, probe, [(HeadTable.of(model)["L0H0"],)]).tolist() == [[0.0]]


def test_a_letter_that_has_no_other_beside_it_is_not_raised_above_others():
    vocabulary = Vocabulary(1, bos=1, separator=2, eos=3, pad=4)
    model = HookedTransformer(TransformerConfig(n_layers=1, n_heads=2, d_model=8, d_vocab=5), seed=0)
    batch = CopyTask(vocab=vocabulary).sample(2, 3, 0)
    at = {name: torch.full((2,), place) for name, place in {"query": 5, "source": 2, "rival": -1, "place": 0}.items()}
    probe = Probe(batch, batch, torch.ones(2).long(), **at)
    assert not copies_letter(model, vocabulary, probe).any()


def test_the_response_is_zero_below_n_and_even_from_n_on():
    model, planting = planted_copier(3, 8)
    (lookup,) = planting.with_role("lookup")
    row = next(head for head in _score(model, 8).heads if head.name == lookup.name)
    assert row.response == pytest.approx([0, 0, 0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1], abs=1e-3)
    assert row.score_gain == pytest.approx([30, 30, 30, 0, 0, 0, 0, 0], abs=5)


def test_heads_of_untrained_models_are_not_flagged():
    config = TransformerConfig(d_model=32, n_heads=4, windows=(2, 3, None, None))
    for seed in range(3):
        scores = _score(HookedTransformer(config, seed=1000 + seed), 26, seed)
        assert not any(head.flagged for head in scores.heads)
        assert scores.of_role("lookup") == scores.of_role("gather") == ()


def test_the_null_is_fine_enough_for_one_head_alone():
    model, _ = planted_copier(2, 8, zero_heads=4)
    scores = _score(model, 8)
    (lookup,) = [head for head in scores.heads if head.role == "lookup"]
    assert len(scores.null) >= len(scores.heads) / scores.level
    assert lookup.q_value < scores.level


def test_taking_a_head_that_writes_where_nothing_reads_off_the_path_changes_nothing():
    model, planting = planted_copier(3, 8, random_heads=2, decoys=("previous",))
    scores = _score(model, 8)
    effect = {head.name: head.gather_effect for head in scores.heads}
    for head in planting.heads:
        if head.role in ("random", "decoy", "zero"):
            assert effect[head.name] == pytest.approx(0, abs=1e-5)


def test_without_heads_between_the_total_effect_is_that_of_the_direct_path():
    model, planting = planted_copier(3, 6, random_heads=1, shuffle=True)
    lookups = [head.name for head in planting.with_role("lookup")]
    k = torch.zeros(16, dtype=torch.long)
    probe = planted_repeats(CopyTask(6), k, (20, 24), torch.Generator().manual_seed(0), True, 8, place=0)
    direct, total = path_effects(model, probe, lookups), total_effects(model, probe, lookups)
    torch.testing.assert_close(direct, total, rtol=1e-3, atol=1e-4)
    assert direct.max() > 0.5


def test_a_letter_is_decoded_from_the_difference_of_two_heads_and_from_neither_alone():
    model, planting = planted_copier(4, 26)
    window = {head.window: head.name for head in planting.with_role("gather")}
    batch = CopyTask(26).sample(96, (20, 28), torch.Generator().manual_seed(0))
    decoded = decode_offsets(model, CopyTask(26).vocabulary, batch, [window[3], window[4]], 6)
    together, without = decoded.together.mean(dim=-1), decoded.without.mean(dim=-1)
    assert together[3] > 0.99
    assert without[:, 3].max() < 0.5
    assert together[4] < 0.15  # outside both windows


def test_path_effects_and_decoding_run_on_meta_tensors():
    with torch.device("meta"):
        model = HookedTransformer(TransformerConfig(d_model=16, n_heads=2, windows=(2, None)))
    k = torch.arange(24) % 4
    probe = planted_repeats(CopyTask(8), k, (12, 16), torch.Generator().manual_seed(0), True, 3, place=0).to("meta")
    assert path_effects(model, probe, ["L1H1"]).shape == total_effects(model, probe, ["L1H1"]).shape == (4, 24)
    vocabulary = CopyTask(8).vocabulary
    assert decode_offsets(model, vocabulary, probe.whole, ["L0H0", "L0H1"], 3).without.shape == (2, 3, 12)


def test_scores_survive_saving(tmp_path):
    model, _ = planted_copier(2, 5)
    scores = _score(model, 5)
    back = type(scores).load(scores.save(tmp_path))
    assert back.heads == scores.heads
    np.testing.assert_array_equal(back.attention, scores.attention)
