"""What cannot be measured is refused in a sentence, before anything runs."""

import numpy as np
import pytest
import torch

from interp.base.errors import UserError
from interp.measure.ablation.ablate import ablate
from interp.measure.ablation.sets import HeadSet, named_sets
from interp.measure.circuits.attribution import edge_effects
from interp.measure.circuits.edge_sweep import edge_sweep
from interp.measure.circuits.interchange import interchange
from interp.measure.circuits.nodes import Graph
from interp.measure.circuits.ov import decompose_logit, decompose_moved
from interp.measure.circuits.paths import patch
from interp.measure.heads.effective_n import causal_order
from interp.measure.heads.letters import moved_heads
from interp.measure.heads.limits import predict_accuracy
from interp.models.planted import planted_copier
from interp.tasks.copy import CopyTask

TASK = CopyTask(5)
WORDS = TASK.vocabulary


@pytest.fixture(scope="module")
def model():
    return planted_copier(1, 5)[0]


@pytest.mark.parametrize(
    ("heads", "longest", "strings"),
    [([], 3, 4), (["L1H2"], 0, 4), (["L1H2"], 3, 0)],
    ids=["heads", "letters", "strings"],
)
def test_letters_of_heads_take_a_head_a_letter_and_a_string(model, heads, longest, strings):
    with pytest.raises(UserError, match="heads must name at least one, and longest and strings be at least 1"):
        moved_heads(model, TASK, heads, (14, 18), longest, strings, 0)


def test_a_head_that_no_letter_moves_has_no_n(model):
    found = moved_heads(model, TASK, ["L1H0", "L1H2"], (14, 18), 3, 8, 0)
    assert found.n == (None, 1) and found.n_interval == ((4, 4), (1, 1))


@pytest.mark.parametrize("offsets", [(), (0,), (1, 0), (0, 4)])
def test_order_is_asked_of_two_letters_within_the_places(model, offsets):
    with pytest.raises(UserError, match="offsets must be at least two different letters back, from 0 to 3"):
        causal_order(model, TASK, (14, 18), offsets, 3, 4, 0)


def test_ablations_take_heads_strings_and_the_words_of_the_model(model):
    batch = TASK.sample(4, 6, 0)
    with pytest.raises(UserError, match="head_sets must each name at least one head; got none in 'idle'"):
        ablate(model, WORDS, batch, [HeadSet("idle", "single", ())])
    with pytest.raises(UserError, match=r"batch must hold at least 2 strings, .* got 1 strings"):
        ablate(model, WORDS, batch.rows(slice(0, 1)), named_sets(["L1H2"]))
    with pytest.raises(UserError, match="draws be at least 0; got 4 strings and draws=-1"):
        ablate(model, WORDS, batch, named_sets(["L1H2"]), draws=-1)
    with pytest.raises(UserError, match="vocabulary must use the model's tokens, ids below 9; got a letter with id 25"):
        ablate(model, CopyTask(26).vocabulary, batch, named_sets(["L1H2"]))
    with pytest.raises(UserError, match=r"got 'L1H2' on its own\. Put it in a list"):
        named_sets("L1H2")


@pytest.mark.parametrize(("n", "alphabet", "lengths"), [(0, 5, (8,)), (1, 1, (8,)), (1, 5, ()), (1, 5, (8, 0))])
def test_a_limit_is_predicted_for_numbers_that_can_be(n, alphabet, lengths):
    with pytest.raises(UserError, match="n must be at least 1, alphabet at least 2, and lengths at least one"):
        predict_accuracy([], n, alphabet, lengths)


def test_logits_are_taken_apart_at_positions_and_for_tokens_that_there_are(model):
    tokens, zero = TASK.sample(2, 6, 0).tokens, torch.zeros(2, dtype=torch.long)
    for query in (zero - 1, zero + tokens.shape[1]):
        with pytest.raises(UserError, match="query must be a position of each string"):
            decompose_logit(model, tokens, query, zero)
        with pytest.raises(UserError, match="query must be a position of each string"):
            decompose_moved(model, tokens, "L1H2", query, zero)
    for token in (zero - 1, zero + 9):
        with pytest.raises(UserError, match="token must be an id of the model's, 0 to 8"):
            decompose_logit(model, tokens, zero, token)
        with pytest.raises(UserError, match="token must be an id of the model's, 0 to 8"):
            decompose_logit(model, tokens, zero, zero, instead=token)


def test_patches_edges_and_gradients_refuse_what_they_cannot_do(model):
    pair, edges = TASK.contrast(4, 6, 0), len(Graph.of(model).edges)
    with pytest.raises(UserError, match="places must hold at least one"):
        interchange(model, pair.clean, pair.corrupted, [], pair.query)
    with pytest.raises(UserError, match=r"positions must have the shape of tokens, \[4, 14\]"):
        patch(model, pair.clean.tokens, pair.corrupted.tokens, ["L1H2"], torch.ones(1, 3, dtype=torch.bool))
    with pytest.raises(UserError, match=r"and a row at least; got \[0, "):
        edge_sweep(model, pair, WORDS, np.ones((0, edges), dtype=bool))
    with torch.inference_mode(), pytest.raises(UserError, match="gradients must be taken outside torch"):
        edge_effects(model, pair, WORDS, "eap")
