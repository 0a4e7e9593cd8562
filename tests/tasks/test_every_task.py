"""What holds of every task, drawn at random; and ideal solvers, written from the docstrings alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.base.errors import UserError
from interp.tasks import CopyTask, NgramLookup, need, score
from interp.tasks.base import CAPABILITIES
from interp.tasks.reverse import ReverseCopy
from interp.tasks.unique import UniqueCopy

TASKS = [
    CopyTask(5),
    CopyTask(30),
    ReverseCopy(4),
    UniqueCopy(12),
    NgramLookup(n=1, alphabet=7),
    NgramLookup(n=2, answer=2, key="prefix", alphabet=9),
    NgramLookup(n=1, answer=1, alphabet=5, ambiguous=True),
]


@settings(max_examples=60, deadline=None)
@given(
    task=st.sampled_from(TASKS), n=st.integers(1, 6), low=st.integers(5, 8), more=st.integers(0, 4), seed=st.integers(0)
)
def test_what_every_batch_must_be(task, n, low, more, seed):
    seed, length = seed % 2**63, (low, low + more)
    batch = task.sample(n, length, seed).check(task.vocabulary)
    assert torch.equal(batch.answer, batch.source >= 0)
    trained_only = batch.loss_mask & ~batch.answer
    assert (batch.targets[trained_only] == task.vocabulary.eos).all(), "beside the answer only its end is trained"
    again = task.sample(n, length, torch.Generator().manual_seed(seed))
    assert all(torch.equal(a, getattr(again, name)) for name, a in vars(batch).items() if a is not None)
    for row, text in zip(batch.whole(), task.decode(batch.whole()), strict=True):
        assert torch.equal(task.vocabulary.encode(text), row)


def solve(task, prompt: str) -> str:
    """What each task asks for, read from its docstring."""
    parts = prompt.removeprefix("$").split("|")
    if isinstance(task, CopyTask | UniqueCopy):
        return parts[0]
    if isinstance(task, ReverseCopy):
        return parts[0][::-1]
    key, string = parts[:2] if task.key == "prefix" else (parts[1], parts[0])
    rest = string[string.index(key) + task.n :]
    return rest if task.answer is None else rest[: task.answer]


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_an_ideal_solver_that_reads_the_prompt_alone_scores_1(task):
    batch = task.sample(200, (6, 11), 1)
    predicted = torch.zeros_like(batch.targets)
    for row, end in enumerate(batch.prompt_end.tolist()):
        answer = solve(task, task.vocabulary.decode(batch.tokens[row, : end + 1]))
        predicted[row, end : end + len(answer)] = task.vocabulary.encode(answer)
    assert score(predicted, batch).string_correct.all()


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_what_a_task_says_that_it_can_do_it_does(task):
    for capability in CAPABILITIES:
        if not getattr(task, capability):
            with pytest.raises(UserError, match=capability):
                need(task, capability)
    if task.contrasts:
        assert len(task.contrast(5, 8, 0)) == 5
    if task.has_prompt_end:
        batch = task.sample(5, 8, 0)
        assert (batch.tokens.gather(1, batch.prompt_end[:, None]) == task.vocabulary.separator).all()
    if task.lays_out_letters:
        letters = torch.tensor([[0, 1, 2, 1]])
        assert torch.equal(task.layout(letters).answer_tokens, task.vocabulary.ids(letters))


def test_a_string_without_a_repeat_cannot_be_longer_than_the_alphabet():
    letters = UniqueCopy(5).sample(300, 5, 0).answer_tokens
    assert all(len(set(row)) == 5 for row in letters.tolist())
    with pytest.raises(UserError, match="at most 26, the letters of the alphabet, where none may stand twice; got 40"):
        UniqueCopy().sample(2, 40, 0)


def test_the_picture_of_the_reversed_copy():
    batch = ReverseCopy().ask(torch.tensor([[2, 0, 1]]), torch.tensor([3]))
    assert ReverseCopy().decode(batch.whole()) == ["$cab|bac."]
    assert batch.source.tolist() == [[-1, -1, -1, -1, 3, 2, 1, -1]]
