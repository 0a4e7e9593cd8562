"""Heads that copy: of a planted copier they are known, of SmolLM2 they were measured apart from this project."""

import numpy as np
import pytest
import scipy.stats
import torch
import torch.nn.functional as F

import interp
from interp.base.errors import UserError
from interp.measure.language.costs import answer_costs
from interp.measure.language.heads import agreement, copy_heads, head_curve
from interp.measure.language.likeness import likeness
from interp.tasks.text import TextCopy, Writer, phone_book


def test_the_planted_lookup_head_leads_by_both_scores_and_its_ablation_costs_everything():
    model, planting = interp.planted_copier(n=4, zero_heads=2)
    (lookup,) = (head.name for head in planting.with_role("lookup"))
    found = copy_heads(model, interp.CopyTask().sample(8, 10, generator=0))
    assert found.ranked()[0] == found.ranked("retrieval")[0] == lookup
    place = found.heads.index(lookup)
    assert found.attention[place] > 0.99 and found.retrieval[place] == 1.0
    assert found.copied == 80
    curve = head_curve(model, interp.CopyTask().sample(8, 10, generator=1), (lookup, "L1H7"), (0, 1), draws=2)
    assert curve.clean.min() == curve.without[0].min() == 1.0
    assert curve.without[1].mean() < 0.3
    assert curve.kept[1].min() == 1.0, "the lookup head alone of the ranking suffices"
    assert curve.kept[0].mean() < 0.3
    assert curve.others.shape == (2, 2, 8)
    assert curve.others[1].mean() > curve.without[1].mean()


def test_attention_and_strongest_keys_are_those_of_the_patterns():
    model, _ = interp.planted_copier(n=1, random_heads=1)
    batch = interp.CopyTask().sample(3, 6, generator=0)
    found = copy_heads(model, batch)
    logits, cache = model.run_with_cache(batch.tokens)
    right = (logits.argmax(dim=-1) == batch.targets) & batch.answer
    assert int(right.sum()) == found.copied < int(batch.answer.sum()), "some are copied wrongly"
    for place, name in enumerate(found.heads):
        layer, head = map(int, name[1:].split("H"))
        pattern = cache[f"blocks.{layer}.attn.hook_pattern"][:, head]
        rows = [(b, q, int(batch.source[b, q])) for b, q in batch.answer.nonzero().tolist()]
        assert found.attention[place] == pytest.approx(np.mean([float(pattern[row]) for row in rows]), abs=1e-6)
        hits = [int(pattern[b, q].argmax()) == s for b, q, s in rows if right[b, q]]
        assert found.retrieval[place] == pytest.approx(np.mean(hits), abs=1e-6)


def test_while_decoding_only_what_the_model_writes_by_itself_counts():
    """Each string is written anew, letter by letter, until the first wrong one: its heads are read at each step."""
    model, _ = interp.planted_copier(n=1)
    batch = interp.CopyTask(alphabet=26).sample(12, 9, generator=3)
    found = copy_heads(model, batch, decoding=True)
    assert found.copied < copy_heads(model, batch).copied, "some strings go wrong, and right again"
    hits, attended, right, asked = np.zeros(len(found.heads)), np.zeros(len(found.heads)), 0, 0
    for tokens, targets, answer, source in zip(batch.tokens, batch.targets, batch.answer, batch.source, strict=True):
        first = int(answer.nonzero()[0])
        read = tokens[: first + 1].tolist()
        for place in answer.nonzero()[:, 0].tolist():
            logits, cache = model.run_with_cache(torch.tensor([read]))
            row = [cache[f"blocks.{layer}.attn.hook_pattern"][0, :, -1] for layer in range(2)]
            row = torch.cat(row).numpy()
            attended += row[:, int(source[place])]
            asked += 1
            read.append(int(logits[0, -1].argmax()))
            if read[-1] != int(targets[place]):
                break
            right += 1
            hits += row.argmax(axis=1) == int(source[place])
    assert right == found.copied
    np.testing.assert_allclose(found.attention, attended / asked, atol=1e-6)
    np.testing.assert_allclose(found.retrieval, hits / right, atol=1e-6)


def test_scores_of_single_strings_are_those_of_each_alone():
    model, _ = interp.planted_copier(n=1, random_heads=1)
    batch = interp.CopyTask().sample(3, (4, 7), generator=0)
    found = copy_heads(model, batch)
    for string in range(3):
        alone = copy_heads(model, batch.rows(slice(string, string + 1)))
        np.testing.assert_allclose(found.attention_by_string[:, string], alone.attention, atol=1e-6)
        np.testing.assert_allclose(found.retrieval_by_string[:, string], alone.retrieval, atol=1e-6)


def test_what_a_head_costs_is_what_the_answer_loses_when_it_writes_its_mean():
    model, _ = interp.planted_copier(n=2)
    batch = interp.CopyTask().sample(3, 8, generator=0)
    costs = answer_costs(model, batch, ["L1H3", "L0H1"])

    def mean(z, hook):  # noqa: ARG001
        z = z.clone()
        z[:, :, 3] = z[:, :, 3].mean(dim=(0, 1))
        return z

    with torch.no_grad():
        runs = [model(batch.tokens), model.run_with_hooks(batch.tokens, fwd_hooks=[("blocks.1.attn.hook_z", mean)])]
    lost = []
    for string in range(3):
        at = batch.answer[string]
        clean, changed = (-F.cross_entropy(logits[string, at], batch.targets[string, at]) for logits in runs)
        lost.append(float(clean - changed))
    np.testing.assert_allclose(costs[0], lost, atol=1e-4)
    assert costs.shape == (2, 3)


def test_likeness_is_spearmans_and_its_interval_holds_the_truth_of_alike_and_unlike_rankings():
    drawn = np.random.default_rng(0)
    truth = np.linspace(0, 1, 40)[:, None]
    names = tuple(f"L0H{i}" for i in range(40))
    one, other = (truth + drawn.normal(0, 0.1, (40, 12)) for _ in range(2))
    found = likeness(names, ("one", one), ("other", other), first=5)
    assert found.correlation == pytest.approx(scipy.stats.spearmanr(one.mean(1), other.mean(1)).statistic)
    assert 0.9 < found.interval.low < found.interval.high <= 1
    assert {*found.shared} <= {*names[-7:]} and len(found.shared) >= 3
    unlike = likeness(names, ("one", one), ("other", drawn.normal(0, 1, (40, 12))), first=5)
    assert unlike.interval.low < 0 < unlike.interval.high
    constant = likeness(names, ("one", one), ("other", np.zeros((40, 3))), first=5)
    assert constant.correlation is None and constant.interval is None
    with pytest.raises(UserError, match="must hold values of the same two heads or more; got 40 and 40 for 3 names"):
        likeness(names[:3], ("one", one), ("other", other), first=5)


def test_zero_ablation_takes_all_that_a_head_writes():
    model, _ = interp.planted_copier(n=2)
    batch = interp.CopyTask().sample(4, 8, generator=0)
    curve = head_curve(model, batch, ("L1H3",), (0, 1), draws=1, kind="zero")
    assert curve.kind == "zero" and curve.clean.min() == 1 and curve.without[1].mean() < 0.3


def test_what_cannot_be_measured_is_refused():
    model, _ = interp.planted_copier(n=1)
    with pytest.raises(UserError, match=r"counts must be 0 to 1, the heads of the ranking; got \[2\]"):
        head_curve(model, interp.CopyTask().sample(2, 4, generator=0), ("L1H2",), (2,))
    assert agreement(["L1H0", "L1H1"], ["L1H1", "L1H0"], 1) == 0.0


@pytest.mark.smollm2
def test_the_heads_of_smollm2_that_were_found_elsewhere_lead(smollm2):
    """Four strings of 64 random tokens, twice: about a minute on one core."""
    tokens = torch.randint(5, 40000, (4, 64), generator=torch.Generator().manual_seed(0))
    begin = torch.full((4, 1), 1)
    whole = torch.cat([begin, tokens, tokens], dim=1)
    source = torch.full((4, 128), -1)
    source[:, 65:] = torch.arange(2, 65)
    answer = source >= 0
    batch = interp.tasks.Batch(whole[:, :-1], whole[:, 1:], answer, answer, source)
    found = copy_heads(smollm2.model, batch)
    assert found.ranked()[:3] == ("L18H6", "L17H3", "L17H4")
    assert "L17H5" in found.ranked()[:5]
    assert agreement(found.ranked(), found.ranked("retrieval"), 10) >= 0.5


@pytest.mark.smollm2
def test_the_ten_best_heads_of_smollm2_carry_the_copy_of_a_text_and_others_do_not(smollm2):
    writer = Writer(smollm2.pretrained.tokenizer, begin=1)
    task = TextCopy(writer, form="plain")
    ranking = copy_heads(smollm2.model, task.sample(4, 64, 0)).ranked()[:10]
    curve = head_curve(smollm2.model, task.sample(4, 64, 1), ranking, (3, 10), draws=2)
    assert curve.clean.mean() > 0.9
    assert curve.without[1].mean() < 0.6 and curve.without[1].mean() < curve.without[0].mean()
    assert curve.others.mean() > 0.85
    assert curve.kept[1].mean() == curve.clean.mean() and curve.kept[0].mean() > curve.without[1].mean()


@pytest.mark.smollm2
def test_most_heads_of_smollm2_that_copy_random_tokens_copy_texts_and_look_numbers_up(smollm2):
    writer = Writer(smollm2.pretrained.tokenizer, begin=1)
    tasks = (smollm2.task.sample(4, 64, 0), TextCopy(writer, form="plain").sample(4, 64, 0))
    firsts = [{*copy_heads(smollm2.model, batch).ranked()[:10]} for batch in tasks]
    firsts.append({*copy_heads(smollm2.model, phone_book(writer).sample(4, 10, 0), decoding=True).ranked()[:10]})
    stay = firsts[0] & firsts[1] & firsts[2]
    assert {"L18H6", "L17H3", "L17H4", "L17H5"} <= stay and len(stay) >= 6
