"""The study of language models on tiny ones: what it asks, what it refuses, what it answers, and the page of two."""

import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers

import interp
from interp.base.errors import UserError
from interp.base.seeds import own_generator
from interp.measure.language.comparing import Amount, steps
from interp.measure.language.heads import copy_heads
from interp.models import build
from interp.results.language import TextAccuracy
from interp.studies.language.figures import by_length
from interp.studies.language.report import accuracy_rows, family_of, tables, write_language_report
from interp.studies.language.result import LanguageStudy
from interp.studies.language.run import joined, language_study, one_command
from interp.studies.language.settings import LanguageSettings
from interp.studies.language.verdict import language_verdict

SHAPE = {"hidden_size": 16, "num_hidden_layers": 2, "vocab_size": 700, "bos_token_id": 0, "eos_token_id": 1}
FEW = LanguageSettings(tasks=("copy", "phone-book", "questions"), lengths=(150,), entries=(3, 4), strings=3)


@pytest.fixture(scope="module")
def studies(byte_pairs):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        llama = transformers.LlamaConfig(num_attention_heads=4, num_key_value_heads=2, intermediate_size=24, **SHAPE)
        models = (
            transformers.LlamaForCausalLM(llama),
            transformers.MambaForCausalLM(transformers.MambaConfig(state_size=4, **SHAPE)),
        )
    names = ("hf:folder/one", "hf:folder/two")
    return [
        language_study(interp.open(model, byte_pairs, name=name), 0, FEW)
        for model, name in zip(models, names, strict=True)
    ]


def test_each_task_is_asked_at_its_own_lengths(studies):
    for study in studies:
        assert [(task.task, task.unit, task.lengths) for task in study.tasks] == [
            ("copy", "tokens", (150,)),
            ("phone-book", "entries", (3, 4)),
            ("questions", "tokens", (150,)),
        ]
        assert [task.right.shape for task in study.tasks] == [(1, 3), (2, 3), (1, 3)]
        assert study.tasks[0].tokens[0] > 3 * 150


def test_one_page_holds_both_models_with_their_sizes(studies, tmp_path):
    page = write_language_report(studies, tmp_path).read_text(encoding="utf-8")
    for study in studies:
        assert f"{study.model['n_parameters']:,}" in page
    assert "hf:one" in page and "hf:two" in page
    again = LanguageStudy.load(tmp_path / "1-hf-one")
    np.testing.assert_array_equal(again.tasks[1].right, studies[0].tasks[1].right)
    assert json.loads((tmp_path / "2-hf-two" / "results.json").read_text())["result"] == "LanguageStudy"
    assert len((tmp_path / "accuracy.csv").read_text().splitlines()) == 1 + 2 * 4
    assert tables(studies[0])[0].rows[0][:2] == ("copy", "150 tokens")
    assert accuracy_rows(studies[0])[0]["written"] == "teacher-forced"


def test_families_are_named_beside_their_sizes_and_drawn_apart(studies):
    assert [family_of(study) for study in studies] == ["transformer", "state-space model"]
    figure = by_length("copy", [("one", studies[0].tasks[0]), ("two", studies[1].tasks[0])], ["transformer", "hybrid"])
    assert [trace.line.dash for trace in figure.data] == ["solid", "dashdot"]


def test_the_state_of_a_planted_memory_is_told_on_the_page_beside_an_untrained_one(words, twenty_six, tmp_path):
    drawn = torch.randint(26, (600,), generator=torch.Generator().manual_seed(0)).tolist()
    text = tmp_path / "words.txt"
    text.write_text(" ".join(twenty_six[i] for i in drawn), encoding="utf-8")
    asked = LanguageSettings(tasks=(), text=str(text), state=True, state_lengths=(3, 6, 12), state_strings=8)
    planted = interp.open(interp.load("planted:shift?k=6").model, words, name="shift")
    mamba = build({"kind": "mamba", "d_vocab": 30, "d_model": 16, "d_state": 4}, seed=0)
    studies = [language_study(loaded, 0, asked) for loaded in (planted, interp.open(mamba, words, name="untrained"))]
    assert studies[0].verdict.evidence("text_bits").value == pytest.approx(3 * np.log2(26), abs=0.1)
    assert "Having read a text of" in str(studies[0].verdict) and "another text saves" in str(studies[0].verdict)
    assert "Having read a text saves no more than having read another" in str(studies[1].verdict)
    page = write_language_report(studies, tmp_path / "page").read_text(encoding="utf-8")
    assert "What does the state keep of a text?" in page and "How much is right, by length?" not in page
    assert (tmp_path / "page" / "figures" / "state_shares.html").is_file()
    assert len((tmp_path / "page" / "state.csv").read_text().splitlines()) == 1 + 2 * 3
    again = LanguageStudy.load(tmp_path / "page" / "1-shift")
    np.testing.assert_array_equal(again.state.bits.used, studies[0].state.bits.used)
    assert [table.title for table in tables(again)] == [
        "What reading a text saves when it comes again",
        f"Bits saved with the state behind another text of {again.state.transplants.length} tokens",
    ]
    assert joined([replace(studies[0], state=None), studies[0]]).state is studies[0].state
    with pytest.raises(UserError, match=r"studies must have state in one of them at most; got 2"):
        joined([studies[0], studies[0]])


def test_studies_that_ran_in_parts_are_joined_at_all_lengths_and_others_are_refused(studies):
    one = studies[0]
    later = replace(accuracy("copy", 1, 0.5), measure=one.tasks[0].measure, free=one.tasks[0].free)
    early = replace(later, right=later.right[:, :3], share=later.share[:, :3])
    both = joined([one, replace(one, tasks=(early,))])
    assert [task.task for task in both.tasks] == ["copy", "phone-book", "questions"]
    assert both.tasks[0].lengths == (10, 20, 150)
    np.testing.assert_array_equal(both.tasks[0].right[2], one.tasks[0].right[0])
    np.testing.assert_array_equal(both.tasks[0].right[:2], early.right)
    assert both.verdict == language_verdict(both.tasks)
    with pytest.raises(UserError, match=r"studies must be of one model and seed; got 2"):
        joined(studies)
    with pytest.raises(UserError, match=r"studies must ask copy alike, at other lengths; got \[150\] and \[150\]"):
        joined([one, one])


def test_what_cannot_be_asked_is_refused_before_any_work(byte_pairs):
    with pytest.raises(UserError, match=r"model must be a language model .* got planted:ngram"):
        language_study(interp.load("planted:ngram?n=1&alphabet=4"))
    model = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(num_attention_heads=4, intermediate_size=24, max_position_embeddings=64, **SHAPE)
    )
    with pytest.raises(UserError, match=r"model must have a tokenizer to be asked in words; got none"):
        language_study(interp.open(model))
    asked: list[str] = []
    with pytest.raises(UserError, match=r"at most 64 tokens, the context of this model"):
        language_study(interp.open(model, byte_pairs), 0, LanguageSettings(tasks=("copy",)), asked.append)
    assert asked == []


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"tasks": ()}, "tasks must name at least one; got none"),
        ({"tasks": ("copy",), "lengths": ()}, "lengths must hold at least one length"),
        ({"tasks": ("key-value",), "entries": ()}, "entries must hold at least one length"),
        ({"tasks": (), "state": True, "state_lengths": ()}, "state_lengths must hold at least one length"),
    ],
)
def test_what_asks_nothing_is_refused(asked, why, words):
    model = interp.open(interp.load("planted:shift?k=2").model, words)
    with pytest.raises(UserError, match=why):
        language_study(model, 0, LanguageSettings(**asked))


def accuracy(task: str, *right: float) -> TextAccuracy:
    hits = np.array([[place < share * 20 for place in range(20)] for share in right])
    lengths = tuple(10 * (i + 1) for i in range(len(right)))
    return TextAccuracy(task, "tokens", lengths, (1.0,) * len(right), hits, hits.astype(float), "F1", True)


def test_the_answer_is_that_of_the_greatest_lengths_with_their_intervals():
    good, bad, even = accuracy("copy", 1, 1), accuracy("passkey", 1, 0), accuracy("questions", 1, 0.5)
    assert language_verdict([good]).answer == "yes"
    assert language_verdict([bad]).answer == "no"
    assert language_verdict([good, bad]).answer == "partly"
    assert language_verdict([good, even]).answer == "unsure"
    verdict = language_verdict([bad])
    assert "passkey 100% at 10 and 0% at 20 tokens" in str(verdict)
    assert [(e.value, e.n, e.about) for e in verdict.because] == [
        (1.0, 20, ("passkey", "10 tokens")),
        (0.0, 20, ("passkey", "20 tokens")),
    ]


def test_heads_are_compared_on_random_tokens_text_and_look_ups(byte_pairs, tmp_path):
    llama = transformers.LlamaConfig(num_attention_heads=4, num_key_value_heads=2, intermediate_size=24, **SHAPE)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        loaded = interp.open(transformers.LlamaForCausalLM(llama), byte_pairs, name="mine")
    settings = LanguageSettings(
        tasks=("copy",), lengths=(20,), entries=(4,), strings=2, heads=True, head_length=20, head_strings=3, untrained=1
    )
    said = []
    study = language_study(loaded, 0, settings, said.append)
    found = study.heads
    assert found.tasks == ("random tokens", "text", "phone book", "key-value") and len(found.heads) == 8
    again = loaded.task.sample(3, 20, own_generator("heads on random tokens", 0))
    want = copy_heads(loaded.model, again)  # what follows an error counts: a copy that nothing asks for begins with one
    np.testing.assert_array_equal(found.on("random tokens").attention, want.attention)
    assert found.cost.shape == (8, 3) and len(found.likeness) == 7
    assert found.curve.counts == (0, 1, 2, 3, 5, 8) and len(found.detector.heads) == 8
    total = steps(8, Amount(untrained=1))
    assert [line for line in said if line.endswith(f"({total} of {total})")] == [said[-1]]
    page = write_language_report([study], tmp_path).read_text(encoding="utf-8")
    assert "Which heads copy" in page and page.count("while decoding") > 1
    assert len((tmp_path / "heads.csv").read_text().splitlines()) == 9
    again = LanguageStudy.load(tmp_path).heads
    assert again.likeness == found.likeness
    np.testing.assert_array_equal(again.cost, found.cost)
    assert [table.title for table in tables(study)][1:] == [
        "Heads: attention to the source",
        "Tokens of texts right",
        "How alike rankings are",
    ]


def test_commands_of_parts_are_said_as_one_that_a_shell_runs_alike():
    shared = "echo 'a text' --strings 4"
    commands = [
        f"{shared} --tasks copy --lengths 8 16",
        f"{shared} --tasks copy --lengths 32",
        f"{shared} --tasks passkey",
    ]
    one = one_command(commands)
    assert one.count("--strings") == 1
    said = [
        subprocess.run(["bash", "-c", c], capture_output=True, text=True, check=True).stdout for c in [one, *commands]
    ]
    assert said[0] == "".join(said[1:])
    assert one_command(commands[:1] * 2) == commands[0]
    for apart in (["a --x 'b c'", "a --x d"], ["a --x", "b --x"]):
        assert one_command(apart) == "; ".join(apart)
