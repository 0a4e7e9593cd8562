"""A score taken apart sums to the score that the model has, and shows on planted copiers the hash that was planted."""

import pytest
import torch

from interp.base.errors import UserError
from interp.measure.circuits.decomposition import decompose_score, hash_table
from interp.measure.circuits.stream import cached, own_model, stream_hooks, stream_parts
from interp.models import build
from interp.models.heads import HeadTable
from interp.models.planted import draw, plant, planted_copier
from interp.tasks import CopyTask
from interp.tasks.probes.planted_repeats import planted_repeats

BASE = {"kind": "transformer", "n_layers": 3, "n_heads": 2, "d_model": 12, "d_vocab": 9}
TOKENS = torch.randint(0, 9, (3, 7), generator=torch.Generator().manual_seed(0))
QUERY, KEY = torch.tensor([6, 4, 5]), torch.tensor([5, 0, 5])


def score_of(model, head):
    """The score as hook_attn_scores has it: another path through the model."""
    name = f"blocks.{head.layer}.attn.hook_attn_scores"
    scores = model.run_with_cache(TOKENS, names_filter=name)[1][name][:, head.index]
    return scores[torch.arange(3), QUERY, KEY].double()


def test_entries_sum_to_the_score_on_every_kind_of_model(model):
    head = HeadTable.of(model)["L2H1"]
    table = decompose_score(model, TOKENS, "L2H1", QUERY, KEY)
    by_letter = hash_table(model, TOKENS, "L2H1", QUERY, KEY, offsets=3)
    size = table.table.abs().sum(dim=(1, 2))
    for found in (table, by_letter):
        seen = score_of(model, head)
        assert ((found.total - seen).abs() / size).max() < 1e-6
        torch.testing.assert_close(found.total, seen, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found.score, seen, rtol=1e-5, atol=1e-6)


def test_what_was_written_sums_to_the_stream_that_enters_each_layer(model):
    for layer in range(1, 3):
        name = f"blocks.{layer}.hook_resid_pre"
        cache = cached(model, TOKENS, [name, *stream_hooks(model, layer)])
        written = sum(part for _, part in stream_parts(model, layer, cache))
        torch.testing.assert_close(written, cache[name].double(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["offsets", "deep", "rotary", "alibi", "busy", "mixed"])
def test_on_planted_circuits_whose_weights_are_large_the_table_is_the_score_and_its_hash(kind):
    circuit = draw(kind, 0)
    model, planting = plant(circuit)
    name, n = planting.with_role("lookup")[0].name, planting.with_role("lookup")[0].n
    probe = planted_repeats(
        CopyTask(circuit.alphabet), torch.full((4,), n - 1), (20, 24), 0, exclusive=False, context=n
    )
    table = decompose_score(model, probe.batch.tokens, name, probe.query, probe.source)
    letters = hash_table(model, probe.batch.tokens, name, probe.query, probe.source, offsets=n + 2)
    for found in (table, letters):
        assert ((found.total - found.score).abs() / found.score.abs()).max() < 1e-5
    diagonal = letters.diagonal[:, :n]
    torch.testing.assert_close(diagonal, diagonal[:, :1].expand_as(diagonal), rtol=1e-2, atol=1e-2)
    assert letters.diagonal[:, n:].abs().max() < 1e-3 * diagonal.min()


def test_writers_are_apart_that_a_model_without_one_lacks(made):
    found = decompose_score(made("learned, no norm, parallel"), TOKENS, "L1H0", QUERY, KEY)
    assert found.query_writers == ("embed", "positions", "L0H0", "L0H1", "L0.mlp", "biases")
    assert decompose_score(made("hybrid"), TOKENS, "L1H0", QUERY, KEY).key_writers == ("embed", "L0.mixer", "biases")


def test_one_writer_taken_away_takes_its_row_and_column_when_there_is_no_norm(made):
    model = made("learned, no norm, parallel")
    before = decompose_score(model, TOKENS, "L1H0", QUERY, KEY)
    without = [("blocks.0.attn.hook_result", lambda x, hook: x.index_fill(2, torch.tensor([1]), 0.0))]  # noqa: ARG005
    with model.hooks(fwd_hooks=without):
        after = score_of(model, HeadTable.of(model)["L1H0"])
    row = before.query_writers.index("L0H1")
    left = before.table.clone()
    left[:, row], left[:, :, row] = 0.0, 0.0
    torch.testing.assert_close(left.sum(dim=(1, 2)), after, rtol=1e-5, atol=1e-5)


def test_what_turning_adds_is_the_entry_less_the_unturned_one(made):
    model = made("rope, RMS")
    table = decompose_score(model, TOKENS, "L1H0", QUERY, KEY)
    name_q, name_k = "blocks.1.attn.hook_q", "blocks.1.attn.hook_k"
    cache = model.run_with_cache(TOKENS, names_filter=[name_q, name_k])[1]
    rows = torch.arange(3)
    plain = (cache[name_q][rows, QUERY, 0] * cache[name_k][rows, KEY, 0]).sum(1).double() / 6**0.5
    torch.testing.assert_close((table.table - table.turned).sum(dim=(1, 2)), plain, rtol=1e-5, atol=1e-5)


def test_weights_take_the_difference_of_two_keys(made):
    model = made("alibi, LN, MLP")
    one, other = torch.tensor([5, 0, 5]), torch.tensor([2, 3, 1])
    weight = torch.zeros(3, 7).scatter(1, one[:, None], 1.0).scatter_add(1, other[:, None], -torch.ones(3, 1))
    for measure in (decompose_score, hash_table):
        a, b, both = (measure(model, TOKENS, "L2H0", QUERY, key) for key in (one, other, weight))
        torch.testing.assert_close(both.table, a.table - b.table)
        torch.testing.assert_close(both.position, a.position - b.position)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
def test_a_planted_copiers_table_is_its_hash(n):
    model, planting = planted_copier(n, 12, shuffle=True, seed=n, decoys=("matched-token",))
    probe = planted_repeats(CopyTask(12), torch.full((6,), 1), (18, 22), 0, exclusive=True, context=n, place=0)
    name = planting.with_role("lookup")[0].name
    found = hash_table(model, probe.batch.tokens, name, probe.query, probe.source, offsets=n + 2)
    expected = torch.zeros(n + 2, n + 3, dtype=torch.float64)
    expected[:n, 1 : n + 1] = 30 * torch.eye(n)
    inside = found.table[:, : n + 2, : n + 3]
    torch.testing.assert_close(inside, expected.expand(len(inside), -1, -1), rtol=1e-3, atol=1e-3)
    assert found.diagonal_share.min() > 0.999
    missed = hash_table(model, probe.batch.tokens, name, probe.query, probe.rival, offsets=n + 2)
    counts = missed.diagonal[:, :n] > 15  # the rival agrees in its last letter and not in the one before
    assert counts[:, 0].all()
    assert n == 1 or not counts[:, 1].any()


def test_it_runs_on_meta_tensors(made):
    model = made("rope, RMS").to("meta")
    with torch.device("meta"):
        tokens, query, key = torch.zeros(2, 7, dtype=torch.long), torch.zeros(2, dtype=torch.long), torch.ones(2, 7)
    for measure in (decompose_score, hash_table):
        assert measure(model, tokens, "L1H0", query, key).table.device.type == "meta"


def test_what_has_no_such_score_is_refused(made):
    model = made("hard-alibi")
    with pytest.raises(UserError, match="key must be a position that L1H0 sees from the query"):
        decompose_score(build(BASE | {"windows": [2, None]}), TOKENS, "L1H0", QUERY, torch.tensor([1, 0, 0]))
    with pytest.raises(UserError, match="a key no later than its query"):
        decompose_score(model, TOKENS, "L1H1", QUERY, torch.tensor([6, 5, 5]))
    with pytest.raises(UserError, match="of hidden attention"):
        decompose_score(made("hybrid"), TOKENS, "L0H0", QUERY, KEY)
    with pytest.raises(UserError, match="no head is called"):
        decompose_score(model, TOKENS, "L9H0", QUERY, KEY)
    with pytest.raises(UserError, match="offsets must be at least 1"):
        hash_table(model, TOKENS, "L1H1", QUERY, KEY, offsets=0)
    with pytest.raises(UserError, match="one of this package's to be taken apart"):
        own_model(torch.nn.Linear(2, 2))
