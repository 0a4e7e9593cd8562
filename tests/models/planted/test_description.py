"""Descriptions are plain data, say no when they do not fit together, and turning hides nothing but the axes."""

import json
from dataclasses import replace

import pytest
import torch

from interp.base.errors import UserError
from interp.models.planted import KINDS, Circuit, HeadSpec, Write, draw, plant, planted_from_spec
from interp.models.planted.gathering import by_sloped_windows, by_windows, one_by_one
from interp.models.planted.kinds import describe
from interp.models.planted.looks import AtToken, Back, Count, Even, Match
from interp.models.planted.rotary import FARTHEST, distance_maps
from interp.models.planted.turning import copy_strings
from interp.models.stack.layer_heads import alibi_slopes
from interp.models.stack.positions import rotate

LOOKUP = HeadSpec(1, 3, Match((0, 1)), (Write(),))
PLAIN = Circuit((*by_windows(2), LOOKUP), 2, 4, alphabet=8, windows=(1, 2, 3, None))


def logits(circuit, dtype=torch.float32):
    tokens = copy_strings(circuit.alphabet, 20, 8, torch.Generator().manual_seed(0))
    with torch.no_grad():
        return plant(circuit, dtype)[0](tokens).double()


@pytest.mark.parametrize("kind", KINDS)
def test_a_description_survives_json(kind):
    circuit = draw(kind, 5)
    assert Circuit.from_json(json.loads(json.dumps(circuit.to_json()))) == circuit


def test_there_are_at_least_25_kinds_and_each_says_what_it_is():
    assert len(KINDS) == len(set(KINDS)) >= 25
    assert all(describe(kind).endswith(".") for kind in KINDS)


def test_a_seed_draws_one_circuit_and_another_seed_another():
    for kind in KINDS:
        assert draw(kind, 1) == draw(kind, 1)
        assert len({json.dumps(draw(kind, seed).to_json()) for seed in range(4)}) == 4


@pytest.mark.parametrize("normalization", [None, "RMS", "LN", "LNPre"])
@pytest.mark.parametrize("turned", [False, True])
def test_turns_and_norms_change_no_answer(normalization, turned):
    plain = logits(replace(PLAIN, turned=False), torch.float64)
    hidden = replace(PLAIN, turned=turned, normalization=normalization, ballast=3000.0, seed=3)
    torch.testing.assert_close(logits(hidden, torch.float64), plain, atol=5e-3, rtol=0)
    torch.testing.assert_close(logits(hidden), plain, atol=0.5, rtol=0)


def test_turning_leaves_no_axis_of_the_stream_with_one_meaning():
    straight, turned = (plant(replace(PLAIN, turned=turned))[0].W_E for turned in (False, True))
    assert (straight != 0).sum(dim=1).tolist() == [1] * 12
    assert (turned.abs() > 1e-4).float().mean() > 0.95


def test_the_stated_spread_of_a_norm_is_that_of_its_scores():
    uneven = draw("uneven-norm", 0)
    model, planting = plant(uneven, torch.float64)
    tokens = copy_strings(uneven.alphabet, uneven.lengths[1], 16, torch.Generator().manual_seed(0))
    first, last = uneven.n_back + 2, uneven.lengths[1]
    spread = []
    for layer in range(uneven.n_layers):
        name = f"blocks.{layer}.ln1.hook_scale"
        scale = model.run_with_cache(tokens, names_filter=name)[1][name][:, first : last + 1, 0]
        spread.append(float((scale / scale.mean() - 1).abs().max()))
    assert planting.norm_spread == pytest.approx(max(spread), rel=0.1)
    assert 0.003 < planting.norm_spread < 0.016


@pytest.mark.parametrize("distance", [0, 1, 3, 7])
@pytest.mark.parametrize("base", [100.0, 10000.0])
def test_a_rotary_head_scores_its_distance_above_all_others_by_its_gain(distance, base):
    q, k = distance_maps(slice(0, 1), 1, distance, 12.0, 24, base)
    at = torch.arange(FARTHEST)[None]
    q, k = (rotate(m[None, :, None].expand(1, FARTHEST, 1, 24).float(), at, 24, base)[0, :, 0] for m in (q, k))
    scores = q @ k.T
    row = scores[-1].flip(0)  # by distance
    assert int(row.argmax()) == distance
    assert float(row.topk(2).values.diff().abs()) >= 12 - 0.1


def test_sloped_windows_solve_for_single_letters():
    slopes, n, tokens = alibi_slopes(6), 3, torch.randint(8, (1, 12), generator=torch.Generator().manual_seed(0))
    circuit = Circuit(
        by_sloped_windows(n, slopes), 1, 6, alphabet=8, windows=(1, 2, 3, 4, None, None), position="alibi", turned=False
    )
    model, _ = plant(circuit, torch.float64)
    with torch.no_grad():
        stream = model(tokens, stop_at_layer=1)[0]
    for t in range(1, n + 1):
        slot = stream[n:, t * 12 : t * 12 + 8]
        torch.testing.assert_close(slot, torch.eye(8, dtype=torch.float64)[tokens[0, n - t : 12 - t]])


def test_heads_that_share_keys_have_the_same_key_and_value_weights():
    circuit = replace(draw("grouped", 1), turned=False, normalization=None, shuffle=False)
    model, _ = plant(circuit)
    one, two = [head for head in circuit.heads if isinstance(head.look, Match)]
    attn = model.blocks[one.layer].attn
    for weight in (attn.W_K, attn.W_V):
        assert torch.equal(weight[one.column], weight[two.column])
    assert not torch.equal(attn.W_Q[one.column], attn.W_Q[two.column])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alphabet": 1}, "alphabet must be 2 to 26 letters; got 1"),
        ({"windows": (1, 2)}, "windows must have one entry for each of the 4 heads of a layer; got 2"),
        ({"n_layers": 1}, "heads must each have a place of their own in 1 layers of 4"),
        ({"mlps": ("zero",)}, "mlps must have one entry for each of 2 layers; got 1"),
        ({"mlps": ("zero", "deep")}, "no planted MLP is called 'deep'"),
        ({"heads": (LOOKUP, LOOKUP)}, "heads must each have a place of their own"),
        ({"heads": (HeadSpec(0, 0, Back(1)),)}, "position must be 'learned' for Back"),
        ({"heads": (HeadSpec(0, 0, Count()),)}, "position must be 'learned' for Count"),
        ({"heads": (HeadSpec(0, 0, Even(), (Write("tok"),)),)}, "no content is called 'tok'"),
        ({"heads": (HeadSpec(0, 0, Even(), (Write(to="ans"),)),)}, "no slot is called 'ans'.*answer"),
        ({"position": "alibi", "shuffle": True}, "shuffle must be False with ALiBi"),
    ],
)
def test_what_does_not_fit_together_is_said_in_a_sentence(change, message):
    with pytest.raises(UserError, match=message):
        replace(PLAIN, **change)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Match((0, 0)), "offsets must be different numbers of at least 0"),
        (lambda: Match(()), "offsets must be different numbers of at least 0"),
        (lambda: Match((0, 1), weights=(1.0,)), "weights must be positive, one for each offset"),
        (lambda: Match((0,), gain=0.0), "gain must be positive"),
        (lambda: Match((0, 2), reach=2), "reach must exceed the largest offset 2; got 2"),
        (lambda: Match((0,), unless=True), "rest must be given with unless"),
        (lambda: Back(-1), "a distance of at least 0"),
        (lambda: AtToken("pad"), "token must be 'bos' or 'separator'; got 'pad'"),
        (lambda: draw("skipgram", 0), "no kind of planted circuit is called 'skipgram'.*skip-gram"),
    ],
)
def test_a_look_that_cannot_be_is_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_a_name_opens_a_drawn_circuit():
    model, planting = planted_from_spec("circuit?kind=skip-gram&seed=3")
    called, expected = plant(draw("skip-gram", 3))
    assert planting == expected
    assert all(torch.equal(weight, called.state_dict()[name]) for name, weight in model.state_dict().items())


def test_a_letter_shared_by_several_heads_is_whole():
    circuit = Circuit(one_by_one([1, 2], copies=3), 1, 6, alphabet=5, position="learned", n_ctx=32, turned=False)
    tokens = torch.randint(5, (1, 20), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        stream = plant(circuit)[0](tokens, stop_at_layer=1)[0]
    torch.testing.assert_close(stream[2:, 2 * 9 : 2 * 9 + 5], torch.eye(5)[tokens[0, :18]])
