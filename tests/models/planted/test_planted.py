"""The planted copier does what it says: on every string, at every head, whatever stands around its mechanism."""

import pytest
import torch

from interp.base.errors import UserError
from interp.models.planted import planted_copier, planted_from_spec
from interp.models.planted.stream import Stream
from interp.models.transformer import HookedTransformer
from interp.tasks.copy import CopyTask
from interp.tasks.probes.planted_repeats import planted_repeats
from interp.tasks.score import score, score_generated

CROWD = {"zero_heads": 1, "random_heads": 2, "decoys": ("previous", "bos", "even", "matched-token"), "idle": "random"}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def copies(alphabet, length, strings=64, seed=0):
    return CopyTask(alphabet).sample(strings, length, seeded(seed))


def unrepeated(alphabet, length, n, strings=64):
    """Copies of strings in which no n letters occur twice."""
    kept = [text for text in texts(copies(alphabet, length, 8 * strings)) if not repeats(text, n)][:strings]
    assert len(kept) > strings / 4
    return CopyTask(alphabet).layout(torch.tensor(kept))


def texts(batch):
    return [row[answer].tolist() for row, answer in zip(batch.targets, batch.answer, strict=True)]


def repeats(text, n):
    grams = [tuple(text[i : i + n]) for i in range(len(text) - n + 1)]
    return len(set(grams)) < len(grams)


def has_two_continuations(text, n):
    after = {}
    return any(after.setdefault(tuple(text[i : i + n]), text[i + n]) != text[i + n] for i in range(len(text) - n))


def end_stands_inside(text, n):
    return any(text[i : i + n] == text[-n:] for i in range(len(text) - n))


def patterns(model, batch, head):
    name = f"blocks.{head.layer}.attn.hook_pattern"
    with torch.no_grad():
        return model.run_with_cache(batch.tokens, names_filter=name)[1][name][:, head.head]


def attention_to(model, batch, head, key):
    """Attention from the queries that are asked for a letter to a position for each of them."""
    return patterns(model, batch, head).gather(2, key.clamp(min=0)[..., None])[..., 0][batch.answer]


def without(head):
    """A hook that takes away what a head writes."""

    def zero(z, hook):  # noqa: ARG001
        z[:, :, head.head] = 0
        return z

    return f"blocks.{head.layer}.attn.hook_z", zero


def assert_known_string_by_string(model, n, alphabet, length, strings):
    batch = copies(alphabet, length, strings)
    with torch.no_grad():
        logits = model(batch.tokens)
    fails = [has_two_continuations(text, n) for text in texts(batch)]
    assert score(logits, batch).string_correct.tolist() == [not f for f in fails]
    ends = logits[:, -1].argmax(dim=-1) == CopyTask(alphabet).vocabulary.eos
    assert ends.tolist() == [not end_stands_inside(text, n) for text in texts(batch)]
    return fails


# ------------------------------------------------------------------ behaviour


@pytest.mark.parametrize("alphabet", [2, 4, 26])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 8])
def test_it_fails_on_a_string_exactly_if_an_n_gram_has_two_continuations_inside(n, alphabet):
    model, _ = planted_copier(n, alphabet)
    for length in (1, 2, 3, 5, 7, 10, 20, 40):
        assert_known_string_by_string(model, n, alphabet, length, 16 if alphabet == 26 else 48)


def test_the_strings_of_that_test_are_of_both_kinds():
    model, _ = planted_copier(3, 8)
    fails = assert_known_string_by_string(model, 3, 8, 30, 128)
    assert 20 < sum(fails) < 108


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alphabet", "length", "strings"), [*[(a, 60, 400) for a in (2, 3, 4, 8, 16, 26)], (26, 300, 48)]
)
@pytest.mark.parametrize("n", range(1, 9))
def test_long_strings_over_any_alphabet_fail_exactly_if_ambiguous(n, alphabet, length, strings):
    model, _ = planted_copier(n, alphabet)
    assert_known_string_by_string(model, n, alphabet, length, strings)


def test_maximal_repeats_break_strings_from_n_letters_on():
    model, _ = planted_copier(5)
    k = torch.arange(1, 9).repeat_interleave(8)
    probe = planted_repeats(CopyTask(26), k, 60, seeded(), exclusive=False, context=8)
    with torch.no_grad():
        right = score(model(probe.whole.tokens), probe.whole).string_correct.float().view(8, 8).mean(dim=1)
    assert right.tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("decoys", [(), ("previous",)])
def test_it_copies_freely_and_ends_by_itself(dtype, decoys):
    model, _ = planted_copier(4, 26, decoys=decoys, dtype=dtype, n_ctx=64)
    batch = unrepeated(26, 25, 4, 16)
    prompt = batch.tokens[:, :27]
    written = model.generate(prompt, 40, stop_at=28)[:, 27:]
    assert model.dtype == dtype
    assert score_generated(written, batch).string_correct.all()
    assert (written[:, 25] == 28).all()
    assert written.shape[1] == 26


def test_a_lower_tau_keeps_the_behaviour_and_spreads_the_attention():
    batch = unrepeated(26, 60, 5, 24)
    minimum = {}
    for tau in (2.0, 30.0):
        model, planting = planted_copier(5, tau=tau)
        assert score(model(batch.tokens), batch).string_correct.all()
        (lookup,) = planting.with_role("lookup")
        minimum[tau] = attention_to(model, batch, lookup, batch.source).min().item()
    assert minimum[30.0] > 0.9999
    assert 0.4 < minimum[2.0] < 0.9


def test_taking_heads_away_one_by_one_breaks_it_as_the_construction_says():
    # Not uniform: window 1 is spare (slot 1 then holds the position's own letter too), the last is hardly missed.
    model, planting = planted_copier(5)
    batch = unrepeated(26, 100, 5, 24)
    string, letter = {}, {}
    for head in (*planting.with_role("gather"), *planting.with_role("lookup")):
        with torch.no_grad():
            scores = score(model.run_with_hooks(batch.tokens, fwd_hooks=[without(head)]), batch)
        key = head.window or "lookup"
        string[key], letter[key] = scores.string_correct.float().mean(), scores.letter_accuracy.mean()
    assert string[1] == letter[1] == 1
    assert 0.5 < string[6] < 1
    assert letter[6] > 0.99
    assert all(string[key] == 0 for key in (2, 3, 4, 5, "lookup"))
    assert letter[2] == pytest.approx(0.53, abs=0.08)
    assert letter[3] == pytest.approx(0.10, abs=0.05)
    assert max(letter[4], letter[5], letter["lookup"]) < 0.1


# ------------------------------------------------------------------ mechanism


@pytest.mark.parametrize(("n", "alphabet"), [(1, 26), (3, 8), (5, 4), (6, 26)])
def test_the_lookup_head_attends_to_what_followed(n, alphabet):
    model, planting = planted_copier(n, alphabet, n_layers=3, gather_layer=1, lookup_layer=2)
    batch = unrepeated(alphabet, 4 if n == 1 else 10, n)
    (lookup,) = planting.with_role("lookup")
    assert lookup.n == n
    assert attention_to(model, batch, lookup, batch.source).min() > 0.999


def test_gather_heads_write_the_letters_of_their_offsets_and_no_other():
    n, tokens = 4, copies(8, 15).tokens
    model, planting = planted_copier(n, 8, shuffle=True, seed=3)
    stream = Stream(n, 8)

    def slots(*hooks):
        with model.hooks(fwd_hooks=list(hooks)), torch.no_grad():
            after = model(tokens, stop_at_layer=1)
        return torch.stack([after[..., stream.slot(t)] for t in range(n + 1)])[:, :, n:]

    whole = slots()
    for t in range(n + 1):
        assert torch.equal(whole[t].argmax(dim=-1), tokens[:, n - t : tokens.shape[1] - t])
    assert torch.allclose(whole.sum(dim=-1), torch.ones(()), atol=1e-5)
    for head in planting.with_role("gather"):
        moved = (slots(without(head)) - whole).abs().flatten(1).amax(dim=1) > 1e-3
        assert tuple(moved.nonzero()[:, 0].tolist()) == head.offsets


def test_lookup_heads_attend_alike_and_any_one_can_go_but_not_all():
    model, planting = planted_copier(3, n_lookup=3)
    batch = unrepeated(26, 20, 3)
    lookups = planting.with_role("lookup")
    assert len(lookups) == 3
    for head in lookups:
        assert attention_to(model, batch, head, batch.source).min() > 0.999
        left = score(model.run_with_hooks(batch.tokens, fwd_hooks=[without(head)]), batch)
        assert left.string_correct.all()
    none = score(model.run_with_hooks(batch.tokens, fwd_hooks=[without(head) for head in lookups]), batch)
    assert none.letter_accuracy.mean() < 0.1


@pytest.mark.parametrize(
    "around",
    [
        {"zero_heads": 2},
        {"random_heads": 2, "idle": "random"},
        {"n_layers": 4, "gather_layer": 1, "lookup_layer": 3, "random_heads": 1, "idle": "random"},
        {"n_lookup": 3},
        {"shuffle": True, "seed": 5},
        {"decoys": ("position:20", *CROWD["decoys"]), "n_ctx": 64},
        {**CROWD, "n_layers": 3, "lookup_layer": 2, "shuffle": True, "seed": 9, "n_ctx": 64},
    ],
)
def test_whatever_stands_around_the_mechanism_leaves_the_logits_as_they_are(around):
    tokens = copies(26, 20).tokens
    alone, _ = planted_copier(3)
    model, planting = planted_copier(3, **around)
    with torch.no_grad():
        torch.testing.assert_close(model(tokens), alone(tokens), atol=2e-3, rtol=0)
    assert len(planting.heads) == model.config.n_layers * model.config.n_heads


def test_nothing_reads_what_idle_heads_and_decoys_write():
    model, planting = planted_copier(3, **CROWD, n_layers=3, shuffle=True, seed=2, n_ctx=64)
    tokens = copies(26, 20).tokens
    unread = [head for head in planting.heads if head.role not in ("lookup", "gather")]

    def shout(layer):
        heads = [head.head for head in unread if head.layer == layer]

        def noise(z, hook):  # noqa: ARG001
            z[:, :, heads] = torch.randn(z[:, :, heads].shape, generator=seeded(layer))
            return z

        return f"blocks.{layer}.attn.hook_z", noise

    names = [f"blocks.{layer}.attn.hook_attn_scores" for layer in range(3)]
    with torch.no_grad():
        logits, cache = model.run_with_cache(tokens, names_filter=names)
        with model.hooks(fwd_hooks=[shout(layer) for layer in range(3)]):
            loud, loud_cache = model.run_with_cache(tokens, names_filter=names)
    torch.testing.assert_close(loud, logits, atol=1e-3, rtol=0)
    for name in names:
        torch.testing.assert_close(loud_cache[name], cache[name], atol=1e-3, rtol=0)


def test_random_heads_attend_by_content_and_zero_heads_evenly():
    model, planting = planted_copier(2, 26, zero_heads=1, random_heads=1)
    first, second = copies(26, 20, seed=1), copies(26, 20, seed=2)
    for head in planting.heads:
        if head.role == "random":
            assert (patterns(model, first, head) - patterns(model, second, head)).abs().max() > 0.3
        if head.role == "zero":
            sees = torch.arange(1, first.tokens.shape[1] + 1).clamp(max=head.window or 100)
            assert torch.allclose(patterns(model, first, head).amax(dim=2), 1 / sees, atol=1e-6)


def test_a_seed_means_the_same_model_and_another_seed_another_order():
    build = lambda seed: planted_copier(3, **CROWD, shuffle=True, seed=seed, n_ctx=64)  # noqa: E731
    one, same, other = build(1), build(1), build(2)
    assert one[1] == same[1] != other[1]
    for name, weight in one[0].state_dict().items():
        assert torch.equal(weight, same[0].state_dict()[name])


def test_the_planting_tells_windows_and_places_of_the_model():
    model, planting = planted_copier(3, **CROWD, n_layers=3, n_lookup=2, shuffle=True, seed=4, n_ctx=64)
    shape = (model.config.n_layers, model.config.n_heads)
    assert [(h.layer, h.head) for h in planting.heads] == [(i, j) for i in range(shape[0]) for j in range(shape[1])]
    assert [h.window for h in planting.heads] == list(model.config.windows) * shape[0]
    assert sorted(h.window for h in planting.with_role("gather")) == [1, 2, 3, 4]
    assert {h.layer for h in planting.with_role("lookup")} == {1}
    assert {h.decoy for h in planting.with_role("decoy")} == set(CROWD["decoys"])
    assert all(h.name == f"L{h.layer}H{h.head}" for h in planting.heads)


def test_a_saved_copier_comes_back(tmp_path):
    model, _ = planted_copier(2, 5, decoys=("previous",), n_ctx=32)
    tokens = copies(5, 10).tokens
    back = HookedTransformer.from_pretrained(model.save_pretrained(tmp_path))
    assert torch.equal(back(tokens), model(tokens))


# ------------------------------------------------------------------ decoys


def decoy_model(name, n=3, alphabet=26):
    model, planting = planted_copier(n, alphabet, decoys=(name,), n_ctx=128)
    return model, planting.with_role("decoy")[0]


def test_a_position_decoy_is_perfect_on_copies_of_its_length_and_wrong_on_all_others():
    model, head = decoy_model("position:20")
    for length in (10, 19, 20, 21, 40):
        batch = copies(26, length)
        to_source = attention_to(model, batch, head, batch.source)
        assert to_source.min() > 0.999 if length == 20 else to_source.max() < 0.001
        back = torch.arange(batch.tokens.shape[1]).expand_as(batch.tokens) - 20
        if length >= 20:
            assert attention_to(model, batch, head, back).min() > 0.999


def test_a_previous_token_decoy_attends_to_the_previous_token_everywhere():
    model, head = decoy_model("previous")
    pattern = patterns(model, copies(26, 40), head)
    assert pattern.diagonal(-1, 1, 2).min() > 0.999


@pytest.mark.parametrize(("n", "alphabet", "length"), [(1, 26, 4), (3, 26, 40), (4, 4, 10)])
def test_a_matched_token_decoy_attends_to_the_match_and_not_to_what_follows(n, alphabet, length):
    model, head = decoy_model("matched-token", n, alphabet)
    batch = unrepeated(alphabet, length, n)
    assert attention_to(model, batch, head, batch.source - 1).min() > 0.999


def test_a_bos_decoy_attends_to_bos_and_an_even_one_evenly():
    batch = copies(26, 40)
    model, head = decoy_model("bos")
    assert patterns(model, batch, head)[..., 0].min() > 0.999
    model, head = decoy_model("even")
    seen = torch.arange(1, batch.tokens.shape[1] + 1)
    assert torch.allclose(patterns(model, batch, head), (1 / seen[:, None]).expand(-1, len(seen)).tril(), atol=1e-6)


def test_no_two_distances_share_a_position_code():
    stream = Stream(2, 4, n_frequencies=9)
    product = stream.position_code(512) @ stream.position_code(512).T
    assert torch.allclose(product.diagonal(), torch.tensor(9.0, dtype=torch.float64))
    assert product.fill_diagonal_(0).max() < 9 - 2 + 1e-9


# ------------------------------------------------------------------ names


def test_a_name_gives_the_model_that_the_call_gives():
    spec = "ngram?n=3&alphabet=5&tau=20&decoys=position:9,bos&shuffle=yes&seed=7&n_ctx=64&dtype=float64"
    model, planting = planted_from_spec(spec)
    called, expected = planted_copier(
        3, 5, tau=20.0, decoys=("position:9", "bos"), shuffle=True, seed=7, n_ctx=64, dtype=torch.float64
    )
    assert planting == expected
    assert model.config == called.config
    for name, weight in called.state_dict().items():
        assert torch.equal(weight, model.state_dict()[name])
    assert planted_from_spec("ngram")[1] == planted_copier()[1]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ngrams", "no kind of planted model is called 'ngrams'.*ngram"),
        ("ngram?m=3", "no option of planted:ngram is called 'm'.*n_layers"),
        ("ngram?n=three", "n of planted:ngram must be a 64-bit integer; got 'three'"),
        ("ngram?shuffle=maybe", "yes or no; got 'maybe'"),
        ("ngram?dtype=int8", "float32 or float64; got 'int8'"),
        ("ngram?n=3&n=4", "n of planted:ngram must be given once"),
        ("ngram?n=0", "n must be at least 1"),
        ("ngram?alphabet=27", "from 2 to 26"),
        ("ngram?lookup_layer=2", "gather_layer must come before lookup_layer"),
        ("ngram?gather_layer=1", "gather_layer must come before lookup_layer"),
        ("ngram?n_lookup=0", "n_lookup and n_ctx must be at least 1"),
        ("ngram?tau=-1", "tau positive"),
        ("ngram?n_ctx=0", "n_ctx must be at least 1"),
        ("ngram?idle=busy", "no idle head is called 'busy'"),
        ("ngram?decoys=next", "no decoy is called 'next'.*previous"),
        ("ngram?decoys=position", "must name its distance, as in position:30"),
        ("ngram?decoys=position:x", "must name its distance"),
        (f"ngram?decoys=position:{'9' * 5000}", "must name its distance"),
        ("ngram?tau=inf", "tau of planted:ngram must be at most 10000; got inf. A match"),
        ("ngram?tau=nan", "must be at most 10000; got nan"),
        ("ngram?n=100000", "must have at most 5.4e.08 weights; got 7.2e.18. Plant a smaller n"),
        ("ngram?zero_heads=1000000", "Plant a smaller n, or fewer heads"),
        ("ngram?n_layers=1000000", "Plant a smaller n, or fewer heads or layers"),
        ("ngram?n_ctx=100000000&decoys=previous", "n_ctx of planted:ngram must be at most 1048576"),
        (f"ngram?n={'9' * 400}", r"must be a 64-bit integer; got '9+\.\.\.9+'\.$"),
        ("decay?seed=-99999999999999999999", "must be a 64-bit integer"),
        ("register?k=99999999999", "k of planted:register must be at most 1000"),
        ("decay?keep=inf", "keep must be a probability"),
    ],
)
def test_a_wrong_name_says_what_there_is(spec, message):
    with pytest.raises(UserError, match=message):
        planted_from_spec(spec)


def test_half_precision_is_refused():
    with pytest.raises(UserError, match=r"torch\.float32 or torch\.float64"):
        planted_copier(2, dtype=torch.bfloat16)
