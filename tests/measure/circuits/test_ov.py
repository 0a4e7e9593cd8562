"""A logit taken apart sums to the model's; a head's part to what it writes; planted copiers move the letter itself."""

import pytest
import torch

from interp.base.errors import UserError
from interp.measure.circuits.ov import decompose_logit, decompose_moved
from interp.models import build
from interp.models.planted import planted_copier
from interp.tasks import CopyTask
from interp.tasks.probes.planted_repeats import planted_repeats

TOKENS = torch.randint(0, 9, (3, 7), generator=torch.Generator().manual_seed(0))
QUERY = torch.tensor([6, 4, 5])
TOKEN, OTHER = torch.tensor([1, 7, 0]), torch.tensor([2, 3, 4])


def check_logit(model, instead):
    found, rows = decompose_logit(model, TOKENS, QUERY, TOKEN, instead), torch.arange(3)
    logits = model(TOKENS)[rows, QUERY].double()
    expected = logits[rows, TOKEN] - (0 if instead is None else logits[rows, instead])
    for got in (found.total, found.logit):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    return found


@pytest.mark.parametrize("instead", [None, OTHER])
def test_parts_sum_to_the_logit_and_a_heads_moves_to_its_part(model, instead):
    found = check_logit(model, instead)
    for name in ("L1H0", "L2H1"):
        moved = decompose_moved(model, TOKENS, name, QUERY, TOKEN, instead)
        part = found.parts[:, found.writers.index(name)]
        torch.testing.assert_close(moved.total, part, rtol=1e-5, atol=1e-5)


def test_layers_that_replace_the_stream_are_the_whole_of_it():
    found = check_logit(build({"kind": "lstm", "n_layers": 2, "d_model": 12, "d_vocab": 9}), None)
    assert found.writers == ("L1.mixer", "biases")


def test_on_a_planted_copier_the_lookup_head_moves_the_letter_from_its_source():
    model, _ = planted_copier(2, 12)
    probe = planted_repeats(CopyTask(12), torch.full((5,), 1), 14, 0, exclusive=True, context=3, place=0)
    answer = probe.batch.targets.gather(1, probe.query[:, None])[:, 0]
    logit = decompose_logit(model, probe.batch.tokens, probe.query, answer)
    moved = decompose_moved(model, probe.batch.tokens, "L1H3", probe.query, answer)
    assert {logit.writers[i] for i in logit.parts.argmax(dim=1).tolist()} == {"L1H3"}
    here = moved.table[torch.arange(5), probe.source, moved.writers.index("embed")]
    torch.testing.assert_close(here, logit.total, rtol=1e-6, atol=1e-6)


def test_it_runs_on_meta_tensors(made):
    model = made("rope, RMS").to("meta")
    with torch.device("meta"):
        at = torch.zeros(2, dtype=torch.long)
        tokens = torch.zeros(2, 7, dtype=torch.long)
    assert decompose_logit(model, tokens, at, at).parts.device.type == "meta"
    assert decompose_moved(model, tokens, "L1H0", at, at).table.device.type == "meta"


def test_a_head_of_hidden_attention_moves_nothing_by_attention(made):
    with pytest.raises(UserError, match="of hidden attention"):
        decompose_moved(made("hybrid"), TOKENS, "L0H0", QUERY, TOKEN)
