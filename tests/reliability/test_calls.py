"""Random calls from Python end in a value or in a refusal of the package, never in another error, a hang or a giant."""

import functools

from tests.reliability import calls

FEW, MANY = 80, 1500


def test_the_calls_that_others_are_made_from_are_right(attempt, tries) -> None:
    wrong, names = {}, sorted(calls.right_calls())
    for name in names[:: tries(4, 1)]:
        if "study" not in name:  # these take seconds, and have tests of their own
            ended = attempt(calls.right, name)
            if ended.code != 0 or ended.faults():
                wrong[name] = (ended.error[:1], ended.said, ended.faults())
    assert not wrong


def test_random_calls_return_or_are_refused(attempt, tries) -> None:
    leaks, accepted, refused, returned = {}, {}, 0, 0
    for number in range(tries(FEW, MANY)):
        ended = attempt(calls.call, number)
        said = ended.stdout.splitlines()[0] if ended.stdout else str(number)
        if found := ended.leaks():
            leaks[said] = found
        elif ended.refused:
            refused += 1
        elif said.endswith("MUST BE REFUSED"):
            accepted[said] = ended.value
        else:
            returned += 1
    print(f"calls: {refused} refused, {returned} returned a value")
    assert not leaks
    assert not accepted
    assert refused > returned > 0


def test_what_fits_an_annotation_is_told() -> None:
    fits = functools.partial(calls.fits)
    assert fits(3, int) and fits(3, int | None) and fits(None, int | None) and fits(3, float)
    assert not fits(True, int) and not fits("3", int) and not fits(None, float) and not fits(2.5, int)
