"""Examples to look at: the wrong ones are wrong, the planted have a rival, the others go by the score."""

import re

import numpy as np
import pytest
import torch

import interp
from interp.base.errors import UserError
from interp.figures import attention_examples as page_of
from interp.loading import Loaded, load
from interp.results.attention import AttentionExamples
from interp.studies.attention import AttentionSettings
from interp.studies.attention.run import attention_study
from interp.studies.attention.run.examples import attention_examples


@pytest.fixture(scope="module")
def planted() -> Loaded:
    return load("planted:ngram?n=2&alphabet=5")


@pytest.fixture(scope="module")
def found(planted) -> AttentionExamples:
    return attention_examples(planted, 9, strings=48, length=16)  # five letters: pairs recur, and lookups of two err


def test_wrong_ones_are_wrong_where_it_is_said(planted, found):
    wrong = [example for example in found.examples if example.group == "wrong"]
    assert len(wrong) == 3 <= found.wrong < 48
    for example in wrong:
        view = example.view
        said = torch.tensor(view.tokens)[None]
        predicted = planted.model(said)[0].argmax(dim=-1).numpy()
        asked = np.flatnonzero(view.source >= 0)
        right = predicted[asked] == view.tokens[view.source[asked]]
        first = int(re.search(r"from letter (\d+) on", example.says)[1])
        assert right[: first - 1].all() and not right[first - 1]
        assert example.query == asked[first - 1]


def test_planted_ones_have_a_rival_that_matches_as_far_as_is_said(found):
    planted = [example for example in found.examples if example.group == "planted"]
    assert len(planted) == 3
    for example in planted:
        k, query, source, rival = map(int, re.findall(r"\d+", example.says))
        tokens = example.view.tokens
        assert example.query == query and example.view.source[query] == source
        assert tokens[source - k : source].tolist() == tokens[rival - k : rival].tolist()
        assert tokens[source - k - 1] != tokens[rival - k - 1] and tokens[source] != tokens[rival]


def test_the_others_go_from_the_lowest_score_to_the_highest(found):
    rest = [example.view for example in found.examples if example.group == "by score"]
    head = next(i for i, head in enumerate(rest[0].heads) if head.name == found.head)
    scores = [view.on_source()[head] for view in rest]
    assert scores == sorted(scores) and len(rest) == 3 and scores[0] < scores[-1]
    every = np.array([view.on_source() for view in rest]).mean(axis=0)
    assert every.argmax() == head  # unscored, it is the head that attends to the source most


def test_they_come_back_from_the_disk_and_stand_in_the_study(planted, found, tmp_path):
    assert AttentionExamples.load(found.save(tmp_path)).examples[4].says == found.examples[4].says
    study = attention_study(planted, settings=AttentionSettings(plain=True, examples=3, strings=8, length=10))
    assert [example.group for example in study.examples.examples][-2:] != [] and study.examples.strings == 8


def test_ten_strings_of_sixty_four_letters_are_less_than_a_megabyte():
    page = page_of(attention_examples("planted:ngram?n=3", strings=10, length=64))
    assert page.html.count('class="example"') == 10
    assert len(page.html.encode()) < 1_000_000


def test_what_cannot_be_shown_is_refused(planted):
    for examples in (2, 41, 0):
        with pytest.raises(UserError, match=f"examples must be 3 to 40; got {examples}"):
            interp.attention_examples(planted, examples)
    with pytest.raises(UserError, match="strings must be at least as many as examples, 10; got 4"):
        interp.attention_examples(planted, 10, strings=4)
    with pytest.raises(UserError, match="examples must be 3 to 40; got 2"):
        attention_study(planted, settings=AttentionSettings(examples=2))
    with pytest.raises(UserError, match="examples must be an integer from 0 to 40; got 99"):
        attention_study(planted, settings=AttentionSettings(examples=99))
