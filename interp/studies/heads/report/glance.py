"""A study in a few words: the question, the model, and the four answers that stand at the head of its page."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from interp.base import words
from interp.figures import theme
from interp.figures.training import span, string_intervals
from interp.results.heads import HeadScores
from interp.studies.heads.result import HashHeadStudy


def question(study: HashHeadStudy) -> str:
    """Ask what the page answers, with the name of the model."""
    return f"Does {study.model.get('spec', 'this model')} copy by n-gram hashing?"


def model_line(study: HashHeadStudy) -> str:
    """The model in a few words, of what is known about it."""
    about, parts = study.model, [str(study.model.get("spec", "a model"))]
    parts += [str(about["origin"])] if "origin" in about else []
    parts += [shape_line(int(about["n_layers"]), study.scores)] if "n_layers" in about else []
    parts += [f"{about['n_parameters']:,} parameters"] if isinstance(about.get("n_parameters"), int) else []
    return ", ".join(parts)


def shape_line(n_layers: int, scores: HeadScores) -> str:
    """`2 layers of 8 heads`; where layers differ, or attention is hidden, how many heads there are of each kind."""
    layers = words.count(n_layers, "layer")
    of_layer, of_kind = (Counter(getattr(head, name) for head in scores.heads) for name in ("layer", "kind"))
    if scores.plain and len(of_layer) == n_layers and len(set(of_layer.values())) == 1:
        return f"{layers} of {_heads(of_layer[0])}"
    what = {"attention": "of attention", "hidden attention": "of hidden attention"}
    return f"{layers} with {theme.names(f'{_heads(n)} {what[kind]}' for kind, n in of_kind.items())}"


def _heads(n: int) -> str:
    return words.count(n, "head")


@dataclass(frozen=True)
class Card:
    """One of the answers at a glance."""

    asks: str
    answer: str
    detail: str


def glance(study: HashHeadStudy) -> tuple[Card, ...]:
    """What must be understood in ten seconds: does it copy, by which heads, for which n, and what ablation does."""
    return _copies(study), _by_heads(study), _which_n(study), _without(study)


def _copies(study: HashHeadStudy) -> Card:
    result = study.accuracy_by_length
    at = result.at_home
    share = result.string_correct.mean(axis=1)
    ends = string_intervals(result)[at]
    trained = f" (trained on {span(result.trained)})" if result.trained else ""
    longer = [f"{theme.percent(share[i])} at {result.lengths[i]}" for i in range(at + 1, len(result.lengths))][:3]
    spread = f"{theme.percent(ends.low)} to {theme.percent(ends.high)} ({words.methods([ends])})"
    here = f"of strings of {result.lengths[at]} letters{trained}, {spread}"
    return Card(
        "Does it copy?", theme.percent(share[at]), f"{here}. {'Longer: ' + ', '.join(longer) + '.' if longer else ''}"
    )


def _by_heads(study: HashHeadStudy) -> Card:
    lookups, gathers = study.scores.of_role("lookup"), study.scores.of_role("gather")
    if not lookups:
        return Card("By which heads?", "no lookup head", _no_lookup(study))
    found, fed = (_with_kinds(names, study.scores) for names in (lookups, gathers))
    detail = f"Lookup heads: {found}. Gather heads: {fed or 'none found'}."
    return Card(
        "By which heads?",
        f"{len(lookups)} of {len(study.heads)} {'is a lookup head' if len(lookups) == 1 else 'are lookup heads'}",
        detail,
    )


def _no_lookup(study: HashHeadStudy) -> str:
    """What the heads do instead that attend to the match, or to the source by something else."""
    flagged = [head for head in study.heads if head.flagged]
    attending = [head.name for head in study.heads if head.attends]
    if attending:
        return f"{theme.names(attending)} attend{'s' * (len(attending) == 1)} to the match, without copying it."
    none = f"None of {_heads(len(study.heads))} attends by the match{' alone' * bool(flagged)}."
    if not flagged:
        return none
    if all(head.by_position for head in flagged):
        return f"{none} {theme.names(h.name for h in flagged)} attend{'s' * (len(flagged) == 1)} by position."
    some = f"{len(flagged)} attend{'s' * (len(flagged) == 1)} to the source"
    return f"{none} {some}, but not to a rival that matches as far."


def _with_kinds(names: Sequence[str], scores: HeadScores) -> str:
    """Heads by name, with the kind of each where not all are attention."""
    if scores.plain:
        return ", ".join(names)
    kind = {head.name: head.kind for head in scores.heads}
    return ", ".join(f"{name} ({kind[name]})" for name in names)


def _which_n(study: HashHeadStudy) -> Card:
    n = study.effective_n
    of_heads = {head.n for head in study.heads if head.role == "lookup"} or {None}
    measured = {"response of the heads": of_heads, "behaviour": {n.behavioural}, "intervention": {n.causal}}
    detail = ", ".join(f"{name} {_either(values)}" for name, values in measured.items())
    distinct = set.union(*measured.values())
    if distinct == {None}:
        return Card("For which n?", "none", "No measurement shows a step.")
    agree = "Measured three ways, all agree" if len(distinct) == 1 else "Heads or measurements differ"
    return Card("For which n?", f"n = {_either(distinct - {None})}", f"{agree}: {detail}.")


def _either(values: set[int | None]) -> str:
    known = [str(value) for value in sorted(value for value in values if value is not None)]
    return " or ".join(known + ["none"] * (None in values))


def _without(study: HashHeadStudy) -> Card:
    asks = "And without the lookup heads?"
    result = next((r for r in study.ablations if r.group == "all"), None)
    if result is None:
        return _without_others(study)
    fall = f"{theme.percent(result.string_accuracy_before)} → {theme.percent(result.string_accuracy_after)}"
    before, after = theme.percent(result.letter_accuracy_before), theme.percent(result.letter_accuracy_after)
    letters = f"of strings; letters {before} → {after}"
    controls = [
        f"{c.name} {theme.percent(c.string_accuracy)}" for c in result.controls if c.string_accuracy is not None
    ]
    needed = {"part": "A part of the copy. ", "spare": "Not needed for the copy. "}
    letters = needed.get((study.use and study.use.use) or "", "") + letters
    control = (
        f"Controls leave: {', '.join(controls)}." if controls else "No control could be drawn: the pools are too small."
    )
    return Card(asks, fall, f"{letters}. {control}")


def _without_others(study: HashHeadStudy) -> Card:
    """What the heads carry that attend to the source without being lookup heads."""
    use = study.use
    if use is None or use.others is None:
        return Card("And without the lookup heads?", theme.ABSENT, "There was nothing to ablate.")
    fall = f"{theme.percent(use.whole.letters)} → {theme.percent(use.others.letters)}"
    strings = f"strings {theme.percent(use.whole.strings)} → {theme.percent(use.others.strings)}"
    return Card("And without what attends there?", fall, f"of letters; {strings}. {theme.names(use.others.heads)}.")
