"""A planted copier dressed as a language model: a tokenizer, other token ids, BOS elsewhere, heads with shared keys."""

from dataclasses import replace

import pytest
import torch

import interp
from interp.base.errors import UserError
from interp.loading import of_pretrained
from interp.measure.heads.gather import path_effects
from interp.measure.heads.score import HeadSettings, score_heads
from interp.measure.heads.strings import Strings
from interp.measure.language.answers import text_accuracy
from interp.measure.language.costs import answer_costs
from interp.measure.language.heads import copy_heads, head_curve
from interp.models.heads import HeadTable
from interp.models.planted import draw, plant
from interp.models.pretrained.bridge import Pretrained
from interp.studies.attention.run.sample import sampled_views
from interp.tasks import CopyTask
from interp.tasks.text import Corpus, TextCopy, Writer, text_strings

SIZE = 60
"""Tokens of the dressed model, of which the planted one knows half."""
SETTINGS = HeadSettings(longest=5, strings=16)


def grouped(seed: int):
    """A circuit of two lookup heads that share keys and values and differ in their queries."""
    return replace(draw("grouped", seed), alphabet=26)


def dressed(circuit, words):
    """The model with its tokens at other ids, and a tokenizer of words for them."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    model, planting = plant(circuit)
    ids = torch.randperm(SIZE, generator=torch.Generator().manual_seed(5))[: circuit.alphabet + 4]
    other = type(model)(replace(model.config, d_vocab=SIZE))
    weights = model.state_dict()
    for name, value in weights.items():
        if name.endswith(("W_E", "W_U", "b_U")):
            wide = torch.zeros_like(other.state_dict()[name])
            wide[(ids,) if name.endswith("W_E") else (..., ids)] = value
            weights[name] = wide
    other.load_state_dict(weights)
    marks = ("<s>", "\n\n", "</s>", "<pad>")
    known = dict(zip((*words, *marks), ids.tolist(), strict=True))
    free = (place for place in range(SIZE) if place not in set(ids.tolist()))
    vocabulary = known | {f"unseen{place}": place for place in free}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    blank, line = pre_tokenizers.Split(Regex(" "), "removed"), pre_tokenizers.Split(Regex("\n\n"), "isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence([line, blank])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    about = Pretrained("dressed", SIZE, ((known["<s>"],), (known["</s>"],), (known["<pad>"],)), tokenizer)
    return of_pretrained(other.eval(), about, "a dressed copier", 0), planting


@pytest.fixture(scope="module")
def three(twenty_six):
    return dressed(grouped(1), twenty_six)


def written(loaded) -> Writer:
    return Writer(loaded.pretrained.tokenizer, loaded.pretrained.special[0][0])


def test_it_copies_words_that_do_not_recur_and_its_lookup_head_does_it(three, twenty_six):
    loaded, planting = three
    (lookup,) = (head.name for head in planting.with_role("lookup"))
    order = torch.randperm(26, generator=torch.Generator().manual_seed(2)).tolist()
    task = TextCopy(written(loaded), Corpus(" ".join(twenty_six[i] for i in order)), form="plain")
    for free in (False, True):
        found = text_accuracy(loaded.model, task, "repeat", (6, 20), strings=4, free=free)
        assert found.right.all() and (found.share == 1).all()
    batch = task.sample(4, 16, 0)
    scores = copy_heads(loaded.model, batch, decoding=True)
    place = scores.heads.index(lookup)
    # One more head attends alike and writes where nothing reads: attention cannot tell the two apart, ablation can.
    assert scores.attention[place] > 0.99 and scores.retrieval[place] == 1
    assert {*scores.ranked()[:2]} == {*scores.ranked("retrieval")[:2]}
    costs = answer_costs(loaded.model, batch).mean(axis=1)
    attending = [name for name in scores.ranked()[:2] if name != lookup]
    assert costs[place] > 3 and abs(costs[scores.heads.index(attending[0])]) < 1e-3
    curve = head_curve(loaded.model, batch, (lookup, *attending), (0, 1, 2), draws=1)
    assert curve.clean.min() == 1 and curve.without[1].max() < 0.2 and curve.kept[1].min() == 1


def test_the_detector_tells_its_n_and_its_gather_heads_on_a_text_of_its_own_words(three, twenty_six):
    loaded, planting = three
    drawn = torch.randint(26, (3000,), generator=torch.Generator().manual_seed(3)).tolist()
    task = text_strings(written(loaded), Corpus(" ".join(twenty_six[i] for i in drawn)))
    found = score_heads(loaded.model, task, (24, 30), 0, SETTINGS)
    (lookup,) = planting.with_role("lookup")
    assert found.of_role("lookup") == (lookup.name,)
    row = next(head for head in found.heads if head.name == lookup.name)
    assert (row.n, row.matched) == (3, (0, 1, 2))
    assert {*found.of_role("gather")} == {head.name for head in planting.feeding}


def test_a_head_that_gathers_for_an_idle_one_alone_is_no_gather_head():
    """Its letters are matched by the head that shares the keys, and not by the one that copies."""
    circuit = draw("grouped", 1)
    model, planting = plant(circuit)
    apart = {head.name for head in planting.with_role("gather")} - {head.name for head in planting.feeding}
    assert apart == {"L0H10"}
    strings = Strings(
        CopyTask(circuit.alphabet), circuit.lengths, torch.Generator().manual_seed(0), SETTINGS, torch.device("cpu")
    )
    (lookup,), probe = planting.with_role("lookup"), strings.ordinary()
    idle = next(head for head in planting.heads if head.role == "decoy" and head.matches == (0, 1, 2, 3))
    place = HeadTable.of(model).names.index("L0H10")
    on_lookup, on_idle = (path_effects(model, probe, [head.name])[place].mean() for head in (lookup, idle))
    assert on_lookup < 1e-3 and on_idle > 0.5


def test_every_gather_head_feeds_where_all_that_is_gathered_is_matched():
    planting = interp.planted_copier(n=3)[1]
    assert planting.feeding == planting.with_role("gather")


def test_pieces_of_a_text_are_shown_word_by_word_behind_the_begin_token(three, twenty_six):
    loaded, _ = three
    text = " ".join(twenty_six)
    views = list(sampled_views(loaded, 6, 9, Corpus(text), seed=1))
    pieces = [" ".join(view.labels[1:]) for view in views]
    assert all(piece in text and len(piece.split()) == 9 for piece in pieces) and len({*pieces}) > 1
    assert {view.labels[0] for view in views} == {"<s>"}
    with pytest.raises(UserError, match="text must have at least 27 tokens; got 26"):
        sampled_views(loaded, 1, 27, Corpus(text))
