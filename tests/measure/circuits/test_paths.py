"""Patching a place is what a run with that place replaced by hand gives; TransformerLens's path patching agrees."""

import pytest
import torch
from transformer_lens.patching import get_act_patch_direct_path

from interp.base.errors import UserError
from interp.measure.circuits.interchange import interchange
from interp.measure.circuits.paths import patch, patch_effects
from interp.models.planted import planted_copier
from interp.tasks import CopyTask

GENERATOR = torch.Generator().manual_seed(0)
TOKENS, DONOR = (torch.randint(0, 9, (3, 7), generator=GENERATOR) for _ in range(2))


def rerun(model, hooks):
    return model.run_with_hooks(TOKENS, fwd_hooks=hooks)


def both(model, *names):
    return (model.run_with_cache(tokens, names_filter=list(names))[1] for tokens in (TOKENS, DONOR))


@torch.no_grad()
@pytest.mark.parametrize("shape", ["alibi, LN, MLP", "rope, RMS"])
def test_direct_paths_are_those_of_transformer_lens(made, shape):
    model = made(shape)
    clean, other = (model.run_with_cache(tokens)[1] for tokens in (TOKENS, DONOR))
    for into in "qkv":
        theirs = get_act_patch_direct_path(
            model, TOKENS, other, clean, lambda logits: logits[:, -1, 3].sum(), 0, 1, into, verbose=False
        )
        ours = [patch(model, TOKENS, DONOR, [f"L0H1->{name}.{into}"])[:, -1, 3].sum() for name in ("L1H0", "L2H1")]
        torch.testing.assert_close(torch.stack([theirs[1, 0], theirs[2, 1]]), torch.stack(ours))


@torch.no_grad()
def test_all_paths_are_what_the_reader_would_read_after_the_writer_changed(made):
    model, z, read = made("alibi, LN, MLP"), "blocks.0.attn.hook_z", "blocks.2.attn.hook_k_input"
    _, donor = both(model, z)
    swapped = (z, lambda x, hook: x.index_copy(2, torch.tensor([1]), donor[z][:, :, 1:2]))  # noqa: ARG005
    kept = {}
    rerun(model, [swapped, (read, lambda x, hook: kept.update(x=x.clone()))])  # noqa: ARG005

    def put(x, hook):  # noqa: ARG001
        x[:, :, 0] = kept["x"][:, :, 0]
        return x

    found = patch(model, TOKENS, DONOR, ["L0H1=>L2H0.k"])
    torch.testing.assert_close(found, rerun(model, [(read, put)]))
    assert not torch.allclose(found, patch(model, TOKENS, DONOR, ["L0H1->L2H0.k"]), atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(
    ("place", "hook"),
    [
        ("L0.mixer", "blocks.0.hook_mixer_out"),
        ("blocks.0.mixer.h.4", "blocks.0.mixer.h.4"),
        ("blocks.0.mixer.hook_write", "blocks.0.mixer.hook_write"),
        ("L1.mlp", "blocks.1.hook_mlp_out"),
    ],
)
def test_recurrent_sites_are_patched_as_any_other(made, place, hook):
    model = made("hybrid")
    _, donor = both(model, hook)
    by_hand = rerun(model, [(hook, lambda x, hook: donor[hook.name])])  # noqa: ARG005
    torch.testing.assert_close(patch(model, TOKENS, DONOR, [place]), by_hand)
    assert not torch.allclose(by_hand, model(TOKENS), atol=1e-4)


@torch.no_grad()
def test_a_key_alone_is_swapped_at_the_chosen_positions(made):
    model, name = made("rope, RMS"), "blocks.1.attn.hook_k"
    _, donor = both(model, name)

    def put(k, hook):  # noqa: ARG001
        k[:, 2, 1] = donor[name][:, 2, 1]
        return k

    here = torch.arange(7)[None] == 2
    torch.testing.assert_close(patch(model, TOKENS, DONOR, ["L1H1.k"], here), rerun(model, [(name, put)]))


def test_edges_and_nodes_into_the_logits_carry_the_whole_answer_of_a_planted_copier():
    model, _ = planted_copier(2, 10)
    pair = CopyTask(10).contrast(6, 9, torch.Generator().manual_seed(1))
    places = ["L1H3->unembed", "L1H3", "L1H0->unembed", "embed=>L1H3.v", "embed->L1H3.v"]
    for direction in ("into clean", "into corrupted"):
        found = patch_effects(model, pair, places, direction)
        torch.testing.assert_close(
            found.effect.mean(dim=1), torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0]), atol=1e-3, rtol=1e-3
        )


def test_interchange_follows_the_planted_variable_and_nothing_else():
    """The variable of a lookup is what its head found; what gather heads bring decides where, all of them together."""
    model, planting = planted_copier(2, 10, zero_heads=1)
    task, generator = CopyTask(10), torch.Generator().manual_seed(2)
    strings, donors = (task.sample(200, 9, generator) for _ in range(2))
    query = torch.full((200,), 13)
    places = ["L1H3", "L1H4", ["L1H3.v"], "L1H3.pattern"]
    found = interchange(model, strings, donors, places, query)
    assert planting.with_role("lookup")[0].name == "L1H3"
    # A lookup of two letters names one place, and answers right, unless they stand in the string twice.
    named = torch.stack([(model(x.tokens)[:, 13].argmax(dim=-1) == x.targets[:, 13]) for x in (strings, donors)]).all(0)
    followed, chance = found.followed[:, named].double().mean(dim=1), found.agreed[named].double().mean()
    assert followed[0] == 1.0
    assert followed[1] == chance
    assert 0.03 < chance < 0.2  # of ten letters
    # Both look at the same place, so the values carry the answer and the pattern nothing; unless in one of the two
    # strings the letters stand twice before the same letter.
    assert followed[2] > 0.95
    assert found.stayed[3, named].double().mean() > 0.95
    assert found.places[2] == "L1H3.v"


@pytest.mark.parametrize("n", [1, 3, 4, 5, 6])
def test_interchange_at_the_planted_variable_is_1_for_every_n_and_chance_at_a_head_beside_it(n):
    model, planting = planted_copier(n, 20, zero_heads=1)
    task, generator = CopyTask(20), torch.Generator().manual_seed(n)
    strings, donors = (task.sample(120, 12, generator) for _ in range(2))
    query = torch.full((120,), 14 + n)  # n letters of the copy are there
    lookup = planting.with_role("lookup")[0].name
    beside = f"L1H{n + 2}"
    right = [(model(x.tokens)[:, 14 + n].argmax(dim=-1) == x.targets[:, 14 + n]) for x in (strings, donors)]
    found = interchange(model, strings, donors, [lookup, beside], query)
    named = torch.stack(right).all(0)
    followed = found.followed[:, named].double().mean(dim=1)
    assert named.sum() > 60 and followed[0] == 1.0
    assert followed[1] == found.agreed[named].double().mean() < 0.2


def test_a_corruption_that_changes_nothing_is_refused():
    model, pair = planted_copier(1, 8)[0], CopyTask(8).contrast(4, 6, torch.Generator().manual_seed(0))
    assert patch_effects(model, pair, ["L1H2"]).effect.nanmean() > 0.9
    with torch.no_grad():
        model.unembed.W_U.zero_()  # whatever is read, the logits are the same
    with pytest.raises(UserError, match="pair must change the model's logits at the query; got a corruption"):
        patch_effects(model, pair, ["L1H2"])


def test_an_interchange_needs_a_donor_and_a_query_for_each_string():
    model, task = planted_copier(1, 8)[0], CopyTask(8)
    strings, at = task.sample(4, 6, 0), torch.full((4,), 8)
    for donors in (task.sample(3, 6, 1), task.sample(4, 7, 1)):
        with pytest.raises(UserError, match=r"donor must have the shape of tokens, \[4, 14\]"):
            interchange(model, strings, donors, ["L1H2"], at)
    with pytest.raises(UserError, match="query must be one position for each of the 4 strings; got 3"):
        interchange(model, strings, task.sample(4, 6, 1), ["L1H2"], at[1:])


def test_slips_are_refused_in_a_sentence(made):
    model = made("hybrid")
    with pytest.raises(UserError, match=r"no place is called 'L1H0.w'; the nearest known: L1H0"):
        patch(model, TOKENS, DONOR, ["L1H0.w"])
    with pytest.raises(UserError, match="no edge is called"):
        patch(model, TOKENS, DONOR, ["L1H0->L0H0.k"])
    with pytest.raises(UserError, match="must lead forward"):
        patch(model, TOKENS, DONOR, ["L2H0=>L1H0.k"])
    with pytest.raises(UserError, match=r"no input is called 'L2H0.resid'"):
        patch(model, TOKENS, DONOR, ["L1H0=>L2H0"])
    with pytest.raises(UserError, match="Pair strings of one length"):
        patch(model, TOKENS, DONOR[:, 1:], ["L1H0"])
    with pytest.raises(UserError, match="only reads"):
        patch(model, TOKENS, DONOR, ["unembed"])
