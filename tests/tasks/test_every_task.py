"""What holds of every task in the registry, drawn at random; and ideal solvers, written from the docstrings alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.base.errors import UserError
from interp.tasks import ReverseCopy, UniqueCopy, Vocabulary, need, pack, score, task_from_spec
from interp.tasks.base import CAPABILITIES
from interp.tasks.registry import KINDS

ASKED = {
    "copy?alphabet=5": (5, 12),
    "copy?alphabet=30": (5, 12),
    "reverse?alphabet=4": (5, 12),
    "copy-prefix?answer=3&alphabet=5": (2, 12),
    "copy-unique?alphabet=12": (5, 12),
    "ngram?n=1&alphabet=7": (5, 12),
    "ngram?n=2&answer=2&key=prefix&alphabet=9": (5, 12),
    "ngram?n=1&answer=1&alphabet=5&ambiguous=yes": (5, 12),
    "ngram?n=2&key=prefix&alphabet=5&ambiguous=yes": (6, 12),
    "planted?k=2&alphabet=5": (8, 14),
    "planted?k=0": (4, 9),
    "duplicate?n=2&alphabet=5": (5, 12),
    "selective?alphabet=4": (1, 8),
    "selective?alphabet=9&blanks=3": (5, 12),
    "recall?alphabet=16": (1, 8),
    "recall?alphabet=20&updates=2&spread=3": (2, 9),
    "recall?alphabet=20&passes=2&queries=3&power=1&updates=1": (3, 9),
    "phone-book?alphabet=6&name=2": (1, 9),
    "phone-book?alphabet=4&name=1&number=1&unique=no": (1, 9),
    "passkey?digits=2&alphabet=5": (2, 12),
    "passkey?digits=3&depth=0.5": (3, 12),
}
"""Every kind of task in several forms, and the shortest and the longest strings that are drawn of each."""


def test_every_task_of_the_package_is_asked_here():
    own = {kind for kind, cls in KINDS.items() if cls.__module__.startswith("interp.")}
    assert {spec.partition("?")[0] for spec in ASKED} == own


@settings(max_examples=150, deadline=None)
@given(
    spec=st.sampled_from(list(ASKED)),
    n=st.integers(1, 6),
    ends=st.tuples(*[st.integers(0, 99)] * 2),
    seed=st.integers(0, 2**63 - 1),
)
def test_what_every_batch_must_be(spec, n, ends, seed):
    task, (least, most) = task_from_spec(spec), ASKED[spec]
    low, high = sorted(least + end % (most - least + 1) for end in ends)
    batch = task.sample(n, (low, high), seed).check(task.vocabulary)

    whole = batch.whole()
    for row, text in zip(whole, task.decode(whole), strict=True):
        assert torch.equal(task.vocabulary.encode(text), row)
    assert torch.equal(batch.answer, batch.source >= 0), "all that is asked for has a source"
    places = [batch.source] if batch.also is None else [batch.source, *batch.also.unbind(dim=2)]
    for source in places:
        found = batch.tokens.gather(1, source.clamp(min=0))
        assert torch.equal(found[source >= 0], batch.targets[source >= 0])
        assert (source <= batch.prompt_end[:, None]).all(), "it stands in the prompt"
    assert not (batch.loss_mask & ~batch.answer & (batch.targets != task.vocabulary.eos)).any(), "only its end besides"
    assert torch.equal(batch.tokens[:, 1:], batch.targets[:, :-1]) or (batch.targets == task.vocabulary.pad).any()

    again = task.sample(n, (low, high), torch.Generator().manual_seed(seed))
    assert all(torch.equal(a, getattr(again, name)) for name, a in vars(batch).items() if a is not None)
    assert batch.tokens.device.type == "cpu", "whatever device a model stands on"


def recalled(text: str, query: int) -> str:
    """The value of the key that stands at a position, from what stands before the separator."""
    pairs = text[1 : text.index("|")]
    return dict(zip(pairs[::2], pairs[1::2], strict=True))[text[query]]


def solve(task, kind: str, prompt: str) -> str:
    """What each task asks for in one run of letters, read from its docstring."""
    parts = prompt.removeprefix("$").split("|")
    letters = task.vocabulary.letters
    if kind in ("copy", "copy-unique", "planted", "duplicate"):
        return parts[0]
    if kind == "copy-prefix":
        return parts[0][: task.answer]
    if kind == "reverse":
        return parts[0][::-1]
    if kind == "selective":
        return parts[0].replace(letters[-1], "")
    if kind == "passkey":
        return "".join(c for c in parts[0] if letters.index(c) >= -(-len(letters) // 2))
    if kind == "phone-book":
        size = task.name + task.number
        entries = [parts[0][i : i + size] for i in range(0, len(parts[0]), size)]
        return next(entry[task.name :] for entry in entries if entry.startswith(parts[1]))
    key, string = parts[:2] if task.key == "prefix" else (parts[1], parts[0])
    rest = string[string.index(key) + task.n :]
    return rest if task.answer is None else rest[: task.answer]


@pytest.mark.parametrize("spec", ASKED)
def test_an_ideal_solver_that_reads_the_prompt_alone_scores_1(spec):
    task, kind = task_from_spec(spec), spec.partition("?")[0]
    batch = task.sample(200, ASKED[spec], 1)
    predicted = torch.zeros_like(batch.targets)
    for row, end in enumerate(batch.prompt_end.tolist()):
        if kind == "recall":
            text = task.vocabulary.decode(batch.tokens[row])
            for query in batch.answer[row].nonzero()[:, 0].tolist():
                predicted[row, query] = task.vocabulary.encode(recalled(text, query))
            continue
        answer = solve(task, kind, task.vocabulary.decode(batch.tokens[row, : end + 1]))
        predicted[row, end : end + len(answer)] = task.vocabulary.encode(answer)
    assert score(predicted, batch).string_correct.all()


@pytest.mark.parametrize("spec", ASKED)
def test_what_a_task_says_that_it_can_do_it_does(spec):
    task, longest = task_from_spec(spec), ASKED[spec][1]
    for capability in CAPABILITIES:
        if not getattr(task, capability):
            with pytest.raises(UserError, match=capability):
                need(task, capability)
    if task.contrasts:
        pair = task.contrast(50, longest, 0)
        for batch in (pair.clean, pair.corrupted):
            batch.check(task.vocabulary)
        assert torch.equal(pair.clean.source, pair.corrupted.source)
        within = torch.arange(pair.clean.tokens.shape[1]) <= pair.clean.prompt_end[:, None]
        assert ((pair.differs & within).sum(dim=1) == 1).all(), "one letter of the prompt"
    if task.has_prompt_end:
        batch = task.sample(5, longest, 0)
        assert (batch.tokens.gather(1, batch.prompt_end[:, None]) == task.vocabulary.separator).all()
    if task.lays_out_letters:
        letters = torch.tensor([[0, 1, 2, 1]])
        assert torch.equal(task.layout(letters).answer_tokens, task.vocabulary.ids(letters))


@pytest.mark.parametrize("spec", ASKED)
def test_what_is_packed_is_copied_from_its_own_string(spec):
    task = task_from_spec(spec)
    batch = pack(task, 4, 160, ASKED[spec], 0, isolate=False).check(task.vocabulary)
    assert torch.equal(batch.answer, batch.source >= 0)
    assert batch.answer.any()


@pytest.mark.parametrize("spec", [spec for spec in ASKED if not spec.startswith("copy?")])
def test_a_task_speaks_the_token_ids_of_another_model(spec):
    task, ids = task_from_spec(spec), tuple(range(100, 100 + task_from_spec(spec).n_letters))
    other = Vocabulary(len(ids), bos=7, separator=8, eos=9, pad=3, letter_ids=ids)
    batch, own = (t.sample(3, ASKED[spec], 0) for t in (task.over(other), task))
    letters = torch.tensor([*ids, 7, 8, 9, 3])
    assert torch.equal(letters[own.whole()], batch.whole())


@pytest.mark.parametrize(
    ("spec", "length", "words"),
    [
        ("copy-unique", 40, "at most 26, the letters of the alphabet, as none may stand twice; got 40"),
        ("recall?alphabet=8", 5, "at most 4 pairs, as many as an alphabet of 8 letters has values"),
        ("recall?queries=3", 2, "at least 3 letters; got 2"),
        ("phone-book?name=1&alphabet=6", 4, "at most 3 entries, as many as there are names of 1 of 3 letters"),
        ("passkey?digits=5", 4, "at least 5 letters; got 4"),
        ("planted?k=4", 11, "at least 12 letters; got 11"),
        ("duplicate?n=4", 6, "at least 7 letters; got 6"),
        ("duplicate?n=1&alphabet=2", 300, "must have an n-gram that stands once"),
        ("ngram?n=1&alphabet=2&ambiguous=yes", 300, "must have an n-gram that stands once"),
    ],
)
def test_strings_that_cannot_exist_are_refused_with_the_reason(spec, length, words):
    with pytest.raises(UserError) as error:
        task_from_spec(spec).sample(2, length, 0)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("recall?power=0", "power must be above 0 and at most 1; got 0"),
        ("recall?updates=-1", "updates must be an integer of at least 0; got -1"),
        ("recall?alphabet=3", "alphabet must be at least 4 letters for Recall; got 3"),
        ("selective?alphabet=2", "alphabet must be at least 3 letters"),
        ("phone-book?name=40", "name must be short enough"),
        ("passkey?depth=2", "depth must be a fraction from 0 to 1, or None; got 2.0"),
        ("planted?k=-1", "k must be an integer of at least 0; got -1"),
        ("copy-prefix?answer=0", "answer must be an integer of at least 1; got 0"),
        ("duplicate?n=0", "n must be an integer of at least 1; got 0"),
    ],
)
def test_a_task_that_cannot_be_is_refused(spec, words):
    with pytest.raises(UserError) as error:
        task_from_spec(spec)
    assert words in str(error.value)


def test_the_picture_of_the_reversed_copy():
    batch = ReverseCopy().ask(torch.tensor([[2, 0, 1]]), torch.tensor([3]))
    assert ReverseCopy().decode(batch.whole()) == ["$cab|bac."]
    assert batch.source.tolist() == [[-1, -1, -1, -1, 3, 2, 1, -1]]


def test_no_letter_of_a_unique_copy_stands_twice():
    letters = UniqueCopy(5).sample(300, 5, 0).answer_tokens
    assert all(len(set(row)) == 5 for row in letters.tolist())


@pytest.mark.parametrize("spec", ASKED)
def test_an_argument_of_another_type_is_refused_by_name(spec):
    task = task_from_spec(spec)
    for wrong in ({"alphabet": "many"}, {"vocab": "zero"}):
        with pytest.raises(UserError, match=f"{next(iter(wrong))} must be"):
            type(task)(**wrong)
    for wrong in ({"n": "3"}, {"n": 10**60}, {"generator": "0"}, {"lenght": 4}):
        with pytest.raises(UserError):
            task.sample(**{"n": 2, "length": 12, "generator": 0} | wrong)
