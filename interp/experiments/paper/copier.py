"""Theorem 2.3 and Lemma 2.4: a transformer of two layers, built by hand, fails no oftener than an n-gram recurs."""

from collections.abc import Sequence
from math import ceil, log2

from interp.base.estimates import proportion_interval
from interp.experiments.claim import Claim, Curve, Judged, Plot
from interp.experiments.kept import Found
from interp.experiments.plan import PLANTED, Measurement, RunPlan

CELLS = {"tiny": ((1, 4), (2, 4)), "laptop": tuple((n, d) for n in (1, 2, 3, 4, 5) for d in (4, 26)), "paper": ()}
"""n and D of each copier."""
LENGTHS = {"tiny": (4, 8), "laptop": (10, 30, 100, 300), "paper": ()}
STRINGS = {"tiny": 64, "laptop": 500, "paper": 0}
COPIERS = ("ngram", "compact")
"""Letters one-hot, and as sign vectors of log2 D numbers."""


def plans(size: str, seeds: Sequence[int]) -> tuple[RunPlan, ...]:
    """Both constructions for each n and D; nothing is trained, and at the paper's size it is the laptop's."""
    del seeds
    size = "laptop" if size == "paper" else size
    made = []
    for kind in COPIERS:
        for n, alphabet in CELLS[size]:
            lengths = tuple(length for length in LENGTHS[size] if 2 * n <= length <= alphabet**n)
            if not lengths:  # the theorem is for 2n <= L <= D^n
                continue
            model = {"kind": PLANTED, "spec": f"{kind}?n={n}&alphabet={alphabet}"}
            measures = (Measurement("against_repeats", lengths=lengths, strings=STRINGS[size]),)
            name = f"copier/{kind}/n{n}/D{alphabet}"
            made.append(RunPlan(name, f"{kind} n={n} D={alphabet}", model, f"copy?alphabet={alphabet}", None, measures))
    return tuple(made)


def bound(length: int, alphabet: int, n: int) -> float:
    """Lemma 2.4: uniform strings of L letters hold an n-gram twice with a probability below L^2 D^-n."""
    return min(1.0, length**2 / alphabet**n)


def judge(found: Sequence[Found], size: str) -> Judged:
    """Count failures against recurring n-grams, string by string; then against the lemma's bound."""
    del size
    cells, unexplained, above_lemma, above_recurring = 0, 0, 0, 0
    for one in found:
        numbers = one.values["against_repeats"]
        for length, wrong, recurring, without in zip(
            *(numbers[name] for name in ("lengths", "wrong", "recurring", "wrong_without")), strict=True
        ):
            cells += 1
            unexplained += without
            above_recurring += wrong > recurring
            limit = bound(length, numbers["alphabet"], numbers["n"])
            above_lemma += proportion_interval(wrong, numbers["strings"]).low > limit
    broken = bool(unexplained or above_recurring or above_lemma)
    return Judged(
        holds="no" if broken else "yes",
        quantity="strings that fail although none of their n-grams is followed by two letters",
        measured=float(unexplained),
        interval=None,
        says=f"Over {len(found)} copiers and {cells} lengths, {unexplained} strings fail without a recurring n-gram; "
        f"in {above_recurring} cells more strings fail than hold one, in {above_lemma} the bound of the lemma is "
        f"exceeded.",
        plots=_plots(found),
        notes=tuple(_width(one) for one in found if one.plan.model["spec"].startswith("compact")),
    )


def _width(found: Found) -> str:
    """The dimension of a compact copier beside n log2 D."""
    numbers = found.values["against_repeats"]
    n, letters = numbers["n"], numbers["alphabet"]
    wide = (n + 2) * (ceil(log2(letters)) + 2)
    return f"compact, n={n}, D={letters}: {wide} wide, {wide / (n * log2(letters)):.1f} times n log2 D"


def _plots(found: Sequence[Found]) -> tuple[Plot, ...]:
    curves = []
    for one in found:
        numbers = one.values["against_repeats"]
        ends = [proportion_interval(wrong, numbers["strings"]) for wrong in numbers["wrong"]]
        values = tuple(wrong / numbers["strings"] for wrong in numbers["wrong"])
        lengths, runs = tuple(map(float, numbers["lengths"])), (1,) * len(values)
        curves.append(
            Curve(one.plan.arm, lengths, values, tuple(e.low for e in ends), tuple(e.high for e in ends), runs)
        )
        if one.plan.model["spec"].startswith("ngram"):
            limits = tuple(bound(length, numbers["alphabet"], numbers["n"]) for length in numbers["lengths"])
            curves.append(Curve(f"bound, {one.plan.arm.removeprefix('ngram ')}", lengths, limits, limits, limits, runs))
    return (
        Plot("errors", "Strings that fail, and the bound", "letters", "share of strings", tuple(curves), log_x=True),
    )


CLAIM = Claim(
    id="copier",
    title="A transformer that copies by n-grams",
    where="Theorem 2.3, Lemma 2.4",
    statement="For every n there is a transformer of two layers and dimension O(n log D) that fails on strings of L "
    "letters, 2n <= L <= D^n, no oftener than an n-gram recurs in them; of uniform strings less often than L^2 D^-n.",
    rule="Copiers built by hand, one-hot and compact: yes if no string fails without an n-gram that recurs with "
    "another letter behind it, and no share of failures lies above the share of recurring n-grams or, with its whole "
    "95 % interval (Clopper-Pearson), above L^2 D^-n; otherwise no.",
    plans=plans,
    judge=judge,
    means={
        "yes": "The construction does what the theorem says.",
        "no": "This contradicts the theorem, or shows a fault of our construction.",
    },
    seeds=1,
)
