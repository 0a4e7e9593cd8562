"""Long work is announced with how long it will take; short work says nothing."""

from interp.measure import progress
from interp.measure.progress import announced


def test_what_takes_long_says_so_after_its_first_piece_and_now_and_again(monkeypatch):
    clock, said = [0.0], []
    monkeypatch.setattr(progress, "monotonic", lambda: clock[0])
    for _ in announced(range(10), "runs", said.append):
        clock[0] += 6.0
    assert said[0] == "runs: 1 of 10, about 54 s to go"
    assert said[1] == "runs: 3 of 10, about 42 s to go"
    assert len(said) == 5  # after 6, 18, 30, 42 and 54 s


def test_what_is_soon_done_says_nothing(monkeypatch):
    clock, said = [0.0], []
    monkeypatch.setattr(progress, "monotonic", lambda: clock[0])
    for _ in announced(range(10), "runs", said.append):
        clock[0] += 0.5
    assert said == []
