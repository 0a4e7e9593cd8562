"""Prompts in words: lengths counted again by the tokenizer, sources that hold the answer, formats of the paper."""

import json
import re

import pytest
import torch

from interp.base.errors import UserError
from interp.tasks.text import (
    Corpus,
    Lookup,
    Questions,
    TextAgain,
    TextCopy,
    TextPasskey,
    Writer,
    key_values,
    phone_book,
)
from interp.tasks.text.base import exact_match, f1, normalised
from interp.tasks.text.corpus import read_names
from interp.tasks.text.questions import read_questions


@pytest.fixture
def writer(byte_pairs) -> Writer:
    return Writer(byte_pairs, begin=0)


def every_task(writer: Writer):
    return {
        "paper": (TextCopy(writer), 20),
        "plain": (TextCopy(writer, form="plain"), 20),
        "words": (TextCopy(writer, order="words"), 20),
        "tokens": (TextCopy(writer, order="tokens"), 20),
        "phone book": (phone_book(writer), 6),
        "of tokens": (phone_book(writer, per="tokens"), 300),
        "key-value": (key_values(writer), 6),
        "passkey": (TextPasskey(writer), 80),
        "questions": (Questions(writer), 260),
    }


@pytest.mark.parametrize("name", ["paper", "plain", "words", "tokens", "phone book", "of tokens", "key-value"])
def test_every_token_of_a_copy_has_a_source_that_holds_it(writer, name):
    task, length = every_task(writer)[name]
    for prompt in task.prompts(4, length, 0):
        assert [prompt.tokens[place] for place in prompt.source] == list(prompt.answer_tokens)
        assert list(prompt.source) == list(range(prompt.source[0], prompt.source[0] + len(prompt.source)))


@pytest.mark.parametrize("name", ["paper", "plain", "words", "tokens", "passkey", "questions"])
def test_a_length_is_that_of_the_text_in_tokens_exactly(writer, name):
    task, length = every_task(writer)[name]
    for prompt in task.prompts(4, length, 0):
        if name == "tokens":
            assert len(prompt.answer_tokens) + 1 == length
            continue
        after = {"passkey": "Remember it.\n\n"}.get(name, "")
        text = prompt.text[prompt.text.index(after) + len(after) :].split("\n\n")[0]
        assert len(writer.tokenizer(text)["input_ids"]) == prompt.length == length


@pytest.mark.parametrize("name", ["paper", "of tokens", "passkey", "questions"])
def test_a_batch_asks_where_its_prompts_end_and_checks(writer, name):
    task, length = every_task(writer)[name]
    batch, prompts = task.sample(3, length, 1).check(task.vocabulary), task.prompts(3, length, 1)
    for row, prompt in enumerate(prompts):
        assert batch.targets[row][batch.answer[row]].tolist() == list(prompt.answer_tokens)
        assert int(batch.prompt_end[row]) == len(prompt.tokens) - 1
        assert batch.tokens[row, : len(prompt.tokens)].tolist() == list(prompt.tokens)


def test_the_prompt_of_a_copy_is_that_of_the_papers_code(writer):
    (prompt,) = TextCopy(writer).prompts(1, 16, 0)
    first, second, word = prompt.text.split("\n\n")
    assert first == second == word + prompt.answer
    assert " " not in word and "\n" not in prompt.answer
    assert first in " ".join(Corpus.read().text.split())


def test_shuffled_words_are_the_words_of_the_text(writer):
    (shuffled,) = TextCopy(writer, order="words").prompts(1, 24, 0)
    words, text = shuffled.text.split("\n\n")[0].split(), Corpus.read().words
    at = [i for i in range(len(text)) if sorted(text[i : i + len(words)]) == sorted(words)]
    assert at and list(text[at[0] : at[0] + len(words)]) != words


def test_a_phone_book_is_the_papers_but_that_names_are_unique(writer):
    (prompt,) = phone_book(writer).prompts(1, 30, 0)
    book, solved, asked = prompt.text.split("\n\n")
    lines = book.split("\n")
    assert len(lines) == 30 and all(re.fullmatch(r"\w+ \w+: [6-9]\d{9}", line) for line in lines)
    assert len({line.split(":")[0] for line in lines}) == 30
    assert len(solved.split("\n")) == 2 and set(solved.split("\n")) < set(lines)
    assert f"{asked}{prompt.answer}" in lines and f"{asked}{prompt.answer}" not in solved


def test_a_book_of_tokens_has_exactly_as_many(writer):
    task = phone_book(writer, per="tokens")
    for length in (200, 201, 202, 250):
        (prompt,) = task.prompts(1, length, 3)
        assert writer.count(prompt.text.split("\n\n")[0] + "\n") == length


@pytest.mark.parametrize("depth", [0.0, 0.5, 1.0])
def test_a_passkey_stands_at_its_depth(writer, depth):
    (prompt,) = TextPasskey(writer, depth=depth).prompts(1, 120, 0)
    text = prompt.text.split("\n\n")[1]
    before, _, after = text.partition(f"The pass key is{prompt.answer}.")
    share = len(before.split()) / len((before + after).split())
    assert share == pytest.approx(depth, abs=0.02)
    assert [prompt.tokens[place] for place in prompt.source] == list(prompt.answer_tokens)


def test_a_question_shows_another_answered_and_is_answered_in_its_paragraph(writer):
    for prompt in Questions(writer).prompts(5, (60, 200), 0):
        context, example, asked = prompt.text.split("\n\n")
        assert re.fullmatch(r"Question: .+\?\nAnswer: .+", example)
        assert re.fullmatch(r"Question: .+\?\nAnswer:", asked)
        assert prompt.answer.strip() in context
        assert [prompt.tokens[place] for place in prompt.source] == list(prompt.answer_tokens)
        assert 60 <= prompt.length <= 200


def test_scores_are_squads():
    assert normalised("An apple, the  Apple; a THEORY.") == "apple apple theory"
    assert exact_match("The lighthouse!", ("lighthouse",)) == 1.0
    assert f1("in the old town", ("town", "the old town hall")) == pytest.approx(2 * 2 / (3 + 3))
    assert (f1("", ("x",)), f1("the", ("a",))) == (0.0, 1.0)


def test_what_is_written_is_cut_off_where_the_task_says(writer):
    task = phone_book(writer)
    (prompt,) = task.prompts(1, 5, 0)
    number = prompt.answer.strip()
    assert task.exact(prompt, f" {number}\nAnd more") == 1.0
    assert task.exact(prompt, f" {number}0\n") == task.exact(prompt, "") == 0.0
    (copy,) = TextCopy(writer).prompts(1, 12, 0)
    assert TextCopy(writer).exact(copy, f"{copy.answer}\n\nnext") == 1.0
    assert TextCopy(writer).exact(copy, f"{copy.answer}. next") == 0.0


def test_the_same_seed_writes_the_same_prompts(writer):
    for task, length in every_task(writer).values():
        assert task.prompts(2, length, 5) == task.prompts(2, length, 5)


def test_a_file_of_text_of_names_and_of_questions_serves(writer, tmp_path):
    (tmp_path / "text.txt").write_text("One fine day the small boat left\nthe harbour and did not return. " * 20)
    (prompt,) = TextCopy(writer, Corpus.read(tmp_path / "text.txt")).prompts(1, 12, 0)
    assert "boat" in prompt.text or "harbour" in prompt.text
    (tmp_path / "names.txt").write_text("Ann Lee\n\nBob Ray\nAnn Lee\n Cy Fox \n")
    assert read_names(tmp_path / "names.txt") == ("Ann Lee", "Bob Ray", "Cy Fox")
    paragraph = {
        "context": "A red cat sat.",
        "qas": [{"question": q, "answers": [{"text": "red", "answer_start": 2}]} for q in "ab"],
    }
    (tmp_path / "squad.json").write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    (asked,) = Questions(writer, read_questions(tmp_path / "squad.json")).prompts(1, (1, 100), 0)
    assert asked.text.startswith("A red cat sat.\n\nQuestion: ") and asked.accepted == ("red",)


def test_what_cannot_be_asked_is_refused_in_a_sentence(writer, tmp_path, byte_pairs):
    with pytest.raises(UserError, match=r"model must have a tokenizer to be asked in words; got none"):
        Writer(None, 0)
    with pytest.raises(UserError, match=r"at most 30 tokens, the context of this model; got 6\d"):
        TextCopy(Writer(byte_pairs, 0, context=30)).prompts(1, 20, 0)
    with pytest.raises(UserError, match=r"text must have words; got .*empty.txt, which is empty"):
        (tmp_path / "empty.txt").write_text(" \n")
        Corpus.read(tmp_path / "empty.txt")
    with pytest.raises(UserError, match=r"whole words of exactly 50 tokens; got a text, of 3 words"):
        TextCopy(writer, Corpus("one two three")).prompts(1, 50, 0)
    with pytest.raises(UserError, match=r"the tokenizer merges with the end of its prompt, 'the ligh'"):
        writer.prompt("the ligh", "thouse", [], 3)
    with pytest.raises(UserError, match=r"text must be in UTF-8"):
        (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
        Corpus.read(tmp_path / "latin.txt")
    with pytest.raises(UserError, match=r"at most 2 entries, as many as there are different names; got 3"):
        Lookup(writer, ("a", "b"), solved=0).prompts(1, 3, 0)
    with pytest.raises(UserError, match=r"more than 2 entries, those that are shown solved; got 2"):
        phone_book(writer).prompts(1, 2, 0)
    with pytest.raises(UserError, match=r"must be in SQuAD's format"):
        (tmp_path / "other.json").write_text('{"rows": []}')
        read_questions(tmp_path / "other.json")
    with pytest.raises(UserError, match=r"paragraphs have, \d+ to \d+ tokens; got 9000 to 9001"):
        Questions(writer).prompts(1, (9000, 9001), 0)


def test_padding_is_an_ordinary_mark_and_letters_are_all_text(writer, byte_pairs):
    vocabulary = writer.vocabulary
    assert (vocabulary.bos, vocabulary.pad, vocabulary.n_letters) == (0, 1, len(byte_pairs) - 2)
    assert torch.equal(vocabulary.ids(torch.arange(3)), torch.tensor([2, 3, 4]))


@pytest.mark.parametrize("read", [Corpus.read, read_names, read_questions])
@pytest.mark.parametrize("path", ["x" * 5000, "x\0y", "~nobody-here/x", "\udcff"])
def test_a_path_that_no_file_can_have_is_refused_in_a_sentence(read, path):
    with pytest.raises(UserError, match=r"must be a (file|path)") as refused:
        read(path)
    assert len(str(refused.value)) < 400


PLACED = {"question": "where", "answers": [{"text": "mat", "answer_start": 19}]}
"""A question on the cat below, whose answer stands where it says."""


def squad(*asked, context="The cat sat on the mat."):
    return {"data": [{"paragraphs": [{"context": context, "qas": list(asked)}]}]}


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"a": 1}, "must be in SQuAD's format"),
        ([1, 2], "must be in SQuAD's format"),
        (squad(PLACED, context=5), "must be in SQuAD's format"),
        (squad({"question": "q", "answers": [{"text": "cat", "answer_start": "x"}]}), "must be in SQuAD's format"),
        (squad({"question": "q", "answers": [{"text": 3, "answer_start": 4}]}), "must be in SQuAD's format"),
        ({"data": []}, "must be at least two of a paragraph, with answers"),
        (squad(PLACED), "must be at least two of a paragraph, with answers"),
        (squad(PLACED, {"question": "who", "answers": [{"text": "dog", "answer_start": 4}]}), "where 'dog' does not"),
    ],
)
def test_questions_in_another_form_are_refused_in_a_sentence(document, why, tmp_path):
    file = tmp_path / "questions.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(UserError, match=why):
        read_questions(file)


def test_one_paragraph_alone_is_asked_at_its_own_length(writer, tmp_path):
    file = tmp_path / "questions.json"
    file.write_text(json.dumps(squad(PLACED, {**PLACED, "question": "on what"})), encoding="utf-8")
    task = Questions(writer, read_questions(file))
    size = writer.count("The cat sat on the mat.")
    assert task.prompts(1, size, 0)[0].accepted == ("mat",)
    with pytest.raises(UserError, match=rf"length must be that of the only paragraph, {size} tokens; got 80"):
        task.prompts(1, 80, 0)


def test_a_text_that_is_written_again_is_asked_from_its_first_token_on(writer):
    batch = TextAgain(writer).sample(3, 9, 0)
    marks = writer.count("\n\n")
    assert batch.prompt_end.tolist() == [9 + marks] * 3 and batch.string_start.tolist() == [1] * 3
    assert torch.equal(batch.answer_tokens, batch.tokens[:, 1:10])
    batch.check(writer.vocabulary)
    with pytest.raises(UserError, match="between must be at least one token"):
        TextAgain(writer, between="").prompts(1, 9, 0)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (("Ann", "Bob", "Ann"), "names must be different from each other; got 'Ann' twice"),
        (("Ann", "Dr: Who"), "neither a line end nor a colon before a blank.*; got 'Dr: Who'"),
        (("Ann", ""), "names must have letters.*; got ''"),
        (("Ann", "Bob\nCy"), "names must have letters"),
    ],
)
def test_names_that_make_no_phone_book_are_refused(names, why, writer):
    with pytest.raises(UserError, match=why):
        phone_book(writer, names)
