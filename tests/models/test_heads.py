"""A model's heads are one table: made once, asked by name, and nothing else is taken for a head."""

import copy

import pytest
import torch

from interp.base.errors import UserError
from interp.models import build
from interp.models.heads import HeadTable

SHAPE = {"kind": "transformer", "n_layers": 2, "n_heads": 3, "d_model": 12, "d_vocab": 9, "position": "nope"}
HYBRID = {
    "kind": "hybrid",
    "layers": ("mamba", "attention", "mamba2", "lstm"),
    "d_model": 16,
    "attention": {"n_heads": 2},
    "mamba2": {"d_head": 16, "d_state": 4},
}


@pytest.fixture(scope="module")
def table():
    return HeadTable.of(build(HYBRID))


def test_every_kind_of_head_stands_in_the_table_with_what_it_is(table):
    assert table.names == ("L0H0", "L1H0", "L1H1", "L2H0", "L2H1")
    assert [head.kind for head in table.of_kind("hidden attention")] == ["hidden attention"] * 3
    assert [head.name for head in table.editable] == ["L1H0", "L1H1"]
    hooks = "blocks.0.mixer.hook_y", "blocks.1.attn.hook_z", "blocks.2.mixer.hook_y"
    assert tuple(dict.fromkeys(head.output_hook for head in table)) == hooks
    assert list(table.by_layer) == [0, 1, 2]
    assert [table.index(name) for name in table.names] == list(range(len(table)))


def test_heads_are_taken_by_name_or_as_themselves_each_once(table):
    assert [head.name for head in table.parse(["L2H1", table["L0H0"], "L2H1"])] == ["L2H1", "L0H0"]
    assert table.parse(()) == ()


@pytest.mark.parametrize(
    "heads",
    [
        [(1, 0)], [(1, -1)], [1], [-1], [None], [b"L1H0"], "L1H0", 1, None, ["L1H2"], ["L9H0"], ["l1h0"], ["L1H-1"],
        [("L1H0",)], [torch.tensor(1)], {"L3H0": 1},
    ],
    ids=repr,
)  # fmt: skip
def test_whatever_is_no_head_of_the_model_is_refused(table, heads):
    with pytest.raises(UserError, match=r"heads must be|no head is called"):
        table.parse(heads)


def test_a_head_of_a_model_of_another_kind_is_refused(table):
    other = HeadTable.of(build({"kind": "mamba2", "n_layers": 3, "d_model": 16, "d_head": 16}))
    assert "L1H0" in other.names
    with pytest.raises(UserError, match="from another model"):
        table.parse([other["L1H0"]])


def test_a_table_is_made_once_per_model_and_anew_when_its_blocks_change():
    model = build(SHAPE)
    assert HeadTable.of(model) is HeadTable.of(model)
    assert HeadTable.of(copy.deepcopy(model)) == HeadTable.of(model)
    model.blocks = model.blocks[:1]
    assert HeadTable.of(model).names == ("L0H0", "L0H1", "L0H2")


class Foreign:
    """Any object with TransformerLens's surface; counts its runs, and has no hash."""

    __hash__ = None

    def __init__(self, model):
        self.inner, self.cfg, self.runs = model, model.cfg, 0

    def run_with_hooks(self, *args, **kwargs):
        return self.inner.run_with_hooks(*args, **kwargs)

    def run_with_cache(self, *args, **kwargs):
        self.runs += 1
        return self.inner.run_with_cache(*args, **kwargs)

    def to_tokens(self, tokens):
        return tokens


def test_finding_out_costs_another_make_of_model_one_run():
    class Hashed(Foreign):
        __hash__ = object.__hash__

    hashed, bare = Hashed(build(SHAPE)), Foreign(build(SHAPE))
    for model in (hashed, bare):
        assert HeadTable.of(model) == HeadTable.of(model) == HeadTable.of(model.inner)
    assert hashed.runs == 1
    assert bare.runs == 2


def test_a_model_without_heads_has_an_empty_table_and_says_so_where_heads_are_needed():
    empty = HeadTable.of(build({"kind": "lstm", "d_model": 8}))
    assert len(empty) == 0
    for ask in (empty.require, lambda: empty.parse(["L0H0"])):
        with pytest.raises(UserError, match="no heads"):
            ask()
