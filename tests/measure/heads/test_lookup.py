"""What `look` reports must be what whole patterns and brute-force match lengths say, on any model."""

import pytest
import torch

from interp.base.budget import Budget
from interp.base.seeds import spawn
from interp.measure.attention.rows import blocks, rows_at
from interp.measure.heads.effective_n import answers
from interp.measure.heads.lookup import look
from interp.measure.heads.null import null_statistics
from interp.models.surface import visit_attention
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.tasks.copy import CopyTask
from interp.tasks.probes.planted_repeats import planted_repeats

TASK = CopyTask(8)
SHAPES = [
    TransformerConfig(d_model=16, n_heads=4, d_vocab=12, windows=(1, 3, None, None)),
    TransformerConfig(d_model=16, n_heads=2, d_vocab=12, position="rope", d_mlp=8, normalization="LN"),
    TransformerConfig(d_model=16, n_heads=2, d_vocab=12, position="alibi", parallel=True, d_mlp=8),
    TransformerConfig(d_model=16, n_heads=2, d_vocab=12, position="learned", n_ctx=64, normalization=None),
]


def _probe(strings: int = 24, longest: int = 3):
    k = torch.arange(strings) % (longest + 1)
    return planted_repeats(
        TASK, k, (12, 16), torch.Generator().manual_seed(0), exclusive=True, context=longest, place=0
    )


@pytest.mark.parametrize("config", SHAPES, ids=lambda c: c.position)
def test_rows_at_a_query_are_the_rows_of_the_whole_pattern_and_scores(config):
    model, probe = HookedTransformer(config, seed=1), _probe()
    hooks = [f"blocks.{i}.attn.{name}" for i in range(2) for name in ("hook_pattern", "hook_attn_scores")]
    _, cache = model.run_with_cache(probe.batch.tokens, names_filter=hooks)
    for found in rows_at(model, probe.batch.tokens, probe.query):
        everything = torch.arange(len(probe))
        whole = cache[f"blocks.{found.layer}.attn.hook_pattern"][everything, :, probe.query]
        scores = cache[f"blocks.{found.layer}.attn.hook_attn_scores"][everything, :, probe.query]
        torch.testing.assert_close(found.pattern, whole)
        torch.testing.assert_close(found.scores, scores)


def test_look_averages_over_the_places_that_a_loop_over_letters_finds():
    model, probe = HookedTransformer(SHAPES[0], seed=2), _probe()
    looked = look(model, probe)
    for example in range(len(probe)):
        tokens, query = probe.batch.tokens[example], int(probe.query[example])
        layers = []
        visit_attention(model, tokens[None], lambda _, pattern, __, layers=layers: layers.append(pattern[0]))
        pattern = torch.cat(layers)[:, query]
        separator = tokens.tolist().index(TASK.vocabulary.separator)
        others = [j for j in range(1, separator) if j != int(probe.source[example])]
        torch.testing.assert_close(looked.shuffled[:, example], pattern[:, others].mean(dim=1))
        torch.testing.assert_close(looked.source[:, example], pattern[:, int(probe.source[example])])
        rival = int(probe.rival[example])
        expected = pattern[:, rival] if rival >= 0 else torch.zeros(len(pattern))
        torch.testing.assert_close(looked.rival[:, example], expected)
        assert int(tokens[probe.source[example]]) == int(probe.batch.targets[example, query])


@pytest.mark.parametrize("bound", ["tokens", "logits"])
def test_running_in_blocks_changes_nothing(monkeypatch, bound):
    probe, model = _probe(), HookedTransformer(SHAPES[1], seed=0)
    tokens = probe.batch.tokens
    assert list(blocks(model, tokens)) == [slice(0, 24)]
    whole, answered = look(model, probe), answers(model, tokens, probe.query)
    logits = model(tokens)
    assert torch.equal(answered, logits.argmax(-1).take_along_dim(probe.query[:, None], 1)[:, 0])
    numbers = logits if bound == "logits" else tokens
    monkeypatch.setattr("interp.base.budget.CPU", Budget(**{bound: 2 * numbers[0].numel()}))
    assert [block.stop - block.start for block in blocks(model, tokens)] == [2] * 12
    torch.testing.assert_close(look(model, probe).source, whole.source)
    assert torch.equal(answers(model, tokens, probe.query), answered)


def test_letters_of_the_first_copy_are_those_between_the_special_tokens():
    probe = _probe()
    for tokens, marked in zip(probe.batch.tokens, probe.whole.copied_from, strict=True):
        separator = tokens.tolist().index(TASK.vocabulary.separator)
        assert marked.nonzero()[:, 0].tolist() == list(range(1, separator))


def test_the_null_pools_every_head_of_every_untrained_model():
    model, probe = HookedTransformer(SHAPES[0], seed=3), _probe()
    null = null_statistics(model, probe, draws=5, seed=100)
    again = look(HookedTransformer(SHAPES[0], seed=spawn(100, "untrained", 2)), probe).surely_above_chance()
    assert null.shape == (5, 8)
    torch.testing.assert_close(null[2], again)


@pytest.mark.parametrize("config", SHAPES, ids=lambda c: c.position)
def test_looking_runs_on_meta_tensors_without_mixing_devices(config):
    with torch.device("meta"):
        model = HookedTransformer(config)
    assert look(model, _probe().to("meta")).source.device.type == "meta"
