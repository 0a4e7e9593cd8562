"""Every measure on random models of transformers' own classes: it shows what transformers itself shows, or is refused.

The references are runs of transformers' own model: its attentions, its logits with a module's input edited or a mask of
its own, its states, and what it writes of one prompt alone.
"""

import re
from functools import cache

import numpy as np
import pytest
import torch
import transformers

import interp
from interp.base.errors import UserError
from interp.loading import Loaded
from interp.measure.ablation.interventions import EdgeCut
from interp.measure.circuits.paths import patch
from interp.measure.circuits.repair import self_repair
from interp.measure.edit import Edit, Site
from interp.measure.heads.effective_n import causal_n
from interp.measure.heads.lookup import look
from interp.measure.heads.offsets import decode_offsets
from interp.measure.heads.score import score_heads
from interp.measure.heads.settings import HeadSettings
from interp.measure.language.answers import text_accuracy
from interp.measure.language.costs import answer_costs
from interp.measure.language.heads import copy_heads
from interp.measure.language.text_bits import text_bits, text_transplants, texts
from interp.measure.language.text_state import text_remembrance
from interp.measure.language.writing import continued
from interp.measure.state.carried import Carried
from interp.measure.values import Zero
from interp.models.heads import HeadTable
from interp.studies.circuit.run import circuit_study
from interp.tasks.score import letter_correct
from interp.tasks.text import Corpus, TextCopy, Writer

MARKS = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1, "vocab_size": 700}
NAMED = MARKS | {"hidden_size": 32, "num_hidden_layers": 2}
HEADS = NAMED | {"num_attention_heads": 4, "intermediate_size": 48}
GROUPED = HEADS | {"num_key_value_heads": 2}
SLIDING = GROUPED | {"sliding_window": 12}
OLD = MARKS | {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
CAPPED = {"head_dim": 8, "query_pre_attn_scalar": 8, "attn_logit_softcapping": 5.0}
TRANSFORMERS = {
    "GPT2LMHeadModel": OLD,
    "GPTNeoXForCausalLM": HEADS,
    "LlamaForCausalLM": GROUPED,
    "Gemma2ForCausalLM": SLIDING | CAPPED,
    "Qwen3ForCausalLM": GROUPED | {"head_dim": 8},
    "MistralForCausalLM": SLIDING,
}
MORE = {
    "MixtralForCausalLM": GROUPED | {"num_local_experts": 2},
    "Qwen2ForCausalLM": GROUPED,
    "GemmaForCausalLM": GROUPED | {"head_dim": 8},
    "Gemma3ForCausalLM": SLIDING | {"head_dim": 8, "query_pre_attn_scalar": 8},
    "PhiForCausalLM": HEADS,
    "Phi3ForCausalLM": GROUPED,
    "StableLmForCausalLM": GROUPED,
    "OlmoForCausalLM": GROUPED,
    "Olmo2ForCausalLM": GROUPED,
    "GraniteForCausalLM": GROUPED,
    "Starcoder2ForCausalLM": GROUPED,
    "SmolLM3ForCausalLM": GROUPED | {"no_rope_layers": [1, 0]},
    "CohereForCausalLM": GROUPED,
}
NOT_EDITED = {"GPTJForCausalLM": OLD | {"rotary_dim": 4}}
"""A pattern that can be read, and not edited."""
STATES = {
    "MambaForCausalLM": NAMED | {"state_size": 8},
    "FalconMambaForCausalLM": NAMED | {"state_size": 8},
    "Mamba2ForCausalLM": NAMED | {"state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 2},
}
DELTA = {"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 4, "linear_value_head_dim": 6}
HYBRIDS = {
    "BambaForCausalLM": GROUPED | {"attn_layer_indices": [1], "mamba_n_heads": 4, "mamba_d_state": 4},
    "Qwen3_5ForCausalLM": GROUPED | DELTA | {"head_dim": 8, "layer_types": ["linear_attention", "full_attention"]},
}
EVERY = TRANSFORMERS | MORE | NOT_EDITED | STATES | HYBRIDS
WITH_ATTENTION = [*TRANSFORMERS, *NOT_EDITED, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]
WITH_EDITS = [*TRANSFORMERS, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]
ALL = [*WITH_ATTENTION, *STATES, *HYBRIDS]
WRITES = re.compile(r"(attn|attention|self_attn|self_attention)\.(o_proj|c_proj|dense|out_proj)$")
"""Maps of what heads write into the stream; each head is a slice of the input."""
CLOSE = {"atol": 2e-4, "rtol": 1e-3}
FEW = HeadSettings(longest=2, strings=4, untrained=1)


@cache
def own(name: str):
    """The model in transformers, whose attention is far from even."""
    cls = getattr(transformers, name)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = cls._from_config(cls.config_class(**EVERY[name]), attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(3)
    return model


@pytest.fixture(scope="module")
def opened(byte_pairs):
    """What `interp.open` makes of a class's model, once."""
    return cache(lambda name: interp.open(own(name), byte_pairs))


@pytest.fixture
def writer(byte_pairs) -> Writer:
    return Writer(byte_pairs, begin=0)


def bits(model, before: torch.Tensor, text: torch.Tensor) -> np.ndarray:
    """What a text costs transformers' own model after what stands before it."""
    logits = model(torch.cat([before, text], dim=1)).logits[:, before.shape[1] - 1 : -1]
    told = logits.double().log_softmax(dim=-1).gather(2, text[..., None])[..., 0]
    return (-told / np.log(2)).sum(dim=1).numpy()


def writing(model, layer: int, edit):
    """Hook that edits what the heads of a layer write, [batch pos head d_head]."""
    module = [module for path, module in model.named_modules() if WRITES.search(path)][layer]

    def change(_, inputs):
        z = inputs[0]
        heads = edit(z.unflatten(-1, (4, -1)).clone())
        return (heads.flatten(-2), *inputs[1:])

    return module.register_forward_pre_hook(change)


@pytest.mark.parametrize("name", WITH_ATTENTION)
@torch.no_grad()
def test_scores_of_heads_by_match_length_and_while_decoding_are_of_transformers_attentions(name, opened):
    loaded = opened(name)
    model, task = loaded.model, loaded.task
    probe = interp.tasks.planted_repeats(task, torch.tensor([0, 1, 2, 2]), 9, 0, exclusive=True, context=3)
    seen = own(name)(probe.batch.tokens, output_attentions=True, use_cache=False).attentions
    row = torch.arange(len(probe))
    want = torch.cat([layer[row, :, probe.query, probe.source] for layer in seen], dim=1).T
    torch.testing.assert_close(look(model, probe).source, want, **CLOSE)

    batch = task.sample(3, 9, 0)
    output = own(name)(batch.tokens, output_attentions=True, use_cache=False)
    right = letter_correct(output.logits.argmax(dim=-1), batch) & batch.answer
    hit = torch.cat([layer.argmax(dim=-1) == batch.source[:, None] for layer in output.attentions], dim=1)
    found = copy_heads(model, batch)
    assert found.copied == int(right.sum())
    want = (hit & right[:, None]).sum(dim=(0, 2)) / max(1, int(right.sum()))
    np.testing.assert_allclose(found.retrieval, want.numpy(), atol=1e-6)


@pytest.mark.parametrize("name", WITH_ATTENTION)
@torch.no_grad()
def test_heads_that_are_ablated_are_transformers_heads_with_their_writing_taken_away(name, opened):
    loaded, theirs = opened(name), own(name)
    batch = loaded.task.sample(3, 9, 0)
    for layer, index in ((0, 1), (1, 2)):  # of grouped queries the head shares its keys, and is away alone

        def zero(z, index=index):
            z[..., index, :] = 0
            return z

        def mean(z, index=index):
            z[..., index, :] = z[..., index, :].mean(dim=(0, 1))
            return z

        head = HeadTable.of(loaded.model)[f"L{layer}H{index}"]
        hook = writing(theirs, layer, zero)
        want = theirs(batch.tokens).logits
        hook.remove()
        hooks = [Edit(Site.of(head), Zero()).hook(loaded.model)]
        got = loaded.model.run_with_hooks(batch.tokens, return_type="logits", fwd_hooks=hooks)
        torch.testing.assert_close(got, want, **CLOSE)

        def told():
            logs = theirs(batch.tokens).logits.log_softmax(dim=-1).gather(2, batch.targets[..., None])[..., 0]
            return (logs * batch.answer).sum(dim=1) / batch.answer.sum(dim=1)

        clean = told()
        hook = writing(theirs, layer, mean)
        cost = clean - told()
        hook.remove()
        np.testing.assert_allclose(answer_costs(loaded.model, batch, [head])[0], cost.numpy(), atol=1e-3)


@pytest.mark.parametrize("name", WITH_EDITS)
@torch.no_grad()
def test_edges_that_are_cut_are_those_that_transformers_masks(name, opened):
    loaded = opened(name)
    batch = loaded.task.sample(3, 4, 0)  # shorter than any window
    size, cut = batch.tokens.shape[1], 1
    seen = torch.ones(size, size).tril().bool().expand(3, 4, -1, -1).clone()
    at_source = batch.source[:, :, None] == torch.arange(size)
    seen[:, cut] &= ~at_source
    mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
    want = own(name)(batch.tokens, attention_mask=mask).logits
    edit = EdgeCut(batch.source)

    def without(pattern, hook):  # noqa: ARG001
        whole = edit.edit(pattern, seen[:, :1] | at_source[:, None])
        return torch.where(torch.arange(4)[:, None, None] == cut, whole, pattern)

    hooks = [(f"blocks.{layer}.attn.hook_pattern", without) for layer in range(2)]
    got = loaded.model.run_with_hooks(batch.tokens, return_type="logits", fwd_hooks=hooks)
    torch.testing.assert_close(got, want, **CLOSE)
    assert (got - own(name)(batch.tokens).logits).abs().max() > 1e-3


@pytest.mark.parametrize("name", WITH_ATTENTION)
@torch.no_grad()
def test_the_attention_view_shows_transformers_attentions(name, opened):
    view = interp.view_attention(opened(name), "the clock of the town hall")
    seen = own(name)(torch.tensor(view.tokens)[None], output_attentions=True, use_cache=False).attentions
    np.testing.assert_allclose(view.variants[0].pattern, torch.cat(list(seen), dim=1)[0].numpy(), atol=1e-3)


@pytest.mark.parametrize("name", ALL)
@torch.no_grad()
def test_bits_and_answers_are_those_of_transformers_and_left_padding_changes_nothing(name, opened, writer):
    loaded, theirs, corpus = opened(name), own(name), Corpus.read()
    text, other = texts(writer, corpus, 5, 3, 0)
    begin, mark = torch.zeros(3, 1, dtype=torch.long), torch.tensor(writer.encode("\n\n")[0]).expand(3, -1)
    found = text_bits(loaded.model, writer, corpus, (5,), 3)
    alone = bits(theirs, begin, text)
    np.testing.assert_allclose(found.prior[0], alone, rtol=1e-4)
    for got, read in ((found.used, text), (found.other, other)):
        np.testing.assert_allclose(got[0], alone - bits(theirs, torch.cat([begin, read, mark], 1), text), atol=0.01)

    prompts = [prompt.tokens for length in (4, 9, 6) for prompt in TextCopy(writer, corpus).prompts(1, length, 0)]
    assert len({*map(len, prompts)}) == 3
    for prompt, written in zip(prompts, continued(loaded.model, prompts, 4), strict=True):
        tokens = list(prompt)
        for token in written:
            logits = theirs(torch.tensor([tokens])).logits[0, -1]
            assert logits[token] >= logits.max() - 1e-3
            tokens.append(token)
    forced = text_accuracy(loaded.model, TextCopy(writer, corpus), "copy", (8,), 2)
    free = text_accuracy(loaded.model, TextCopy(writer, corpus), "copy", (8,), 2, free=True)
    assert forced.right.tolist() == free.right.tolist()


@pytest.mark.parametrize("name", [*STATES, *HYBRIDS])
@torch.no_grad()
def test_states_behind_texts_and_their_transplants_are_transformers_own(name, opened, writer):
    loaded, theirs, corpus = opened(name), own(name), Corpus.read()
    donor, host = texts(writer, corpus, 5, 3, 0)
    begin, mark = torch.zeros(3, 1, dtype=torch.long), torch.tensor(writer.encode("\n\n")[0]).expand(3, -1)
    past = loaded.model.new_past()
    loaded.model(torch.cat([begin, donor], 1), return_type=None, past=past)
    output = theirs(torch.cat([begin, donor], 1), use_cache=True)
    carried = getattr(output, "cache_params", None) or output.past_key_values
    recurrent = [layer for layer in range(2) if hasattr(carried.layers[layer], "recurrent_states")]
    assert recurrent == ([0] if name in HYBRIDS else [0, 1])
    for layer in recurrent:
        want = carried.layers[layer].recurrent_states[0]
        torch.testing.assert_close(Carried(past).parts[f"blocks.{layer}.h"], want, **CLOSE)
    found = text_transplants(loaded.model, writer, corpus, 5, 3)
    after_host, after_donor = (torch.cat([begin, read, mark], 1) for read in (host, donor))
    want = bits(theirs, after_host, donor) - bits(theirs, after_donor, donor)
    np.testing.assert_allclose(found.donor[found.parts.index("whole state")], want, atol=0.01)


@pytest.mark.parametrize("name", ALL)
def test_what_else_is_measured_runs_to_its_end(name, opened, writer):
    loaded = opened(name)
    model, task = loaded.model, loaded.task
    scores = score_heads(model, task, (10, 14), 0, FEW)
    assert len(scores.heads) == len(HeadTable.of(model)) and all(np.isfinite(head.score) for head in scores.heads)
    curve = causal_n(model, task, (10, 14), 2, 4, 0)
    assert np.isfinite(curve.value).all()
    assert text_remembrance(model, writer, Corpus.read(), (4,), 4).effect.max() > 0
    assert decode_offsets(model, task.vocabulary, task.sample(8, 10, 0), ["L0H0"], 2) is not None


ASKED_OF_OURS = {
    "patch": lambda model, task: patch(model, task.sample(4, 8, 0).tokens, task.sample(4, 8, 1).tokens, ["L1H0"]),
    "self_repair": lambda model, task: self_repair(model, task.sample(4, 8, 0), task.vocabulary, ["L1H0"]),
    "letter_circuits": lambda model, task: interp.letter_circuits(model, task, "L1H0"),
    "circuit": lambda model, task: circuit_study(Loaded(model, task, {})),
    "state": lambda model, task: interp.saturation_study(Loaded(model, task, {})),
}


@pytest.mark.parametrize("measure", ASKED_OF_OURS)
def test_what_a_bridge_cannot_be_asked_is_refused_by_name(measure, opened):
    loaded = opened("LlamaForCausalLM")
    with pytest.raises(UserError, match=r"must (be|mark|carry) .*; got .+\. [A-Z].+\.$"):
        ASKED_OF_OURS[measure](loaded.model, loaded.task)
