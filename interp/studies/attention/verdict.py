"""What one string shows of a model's heads, as an answer and in words."""

from interp.base import words
from interp.results.attention import AttentionView
from interp.studies.study import Answer, Evidence, Verdict

SPOKEN = 3
"""Heads that the sentence names."""


def attention_verdict(view: AttentionView) -> Verdict:
    """Whether any head goes to the place that the answer is copied from: yes if one was scored as a lookup head.

    A single string is not a test, so heads which were not scored leave the answer open.
    """
    on_source = dict(zip((head.name for head in view.heads), view.on_source(), strict=True))
    if not (view.source >= 0).any():
        return Verdict("unsure", caveats=("no place of this text is known to be copied from",), says=_nowhere(view))
    scored = [head for head in view.heads if head.found is not None]
    lookups = tuple(head.name for head in scored if head.found is not None and head.found.role == "lookup")
    best = sorted(on_source, key=lambda name: -on_source[name])[:SPOKEN]
    n = int((view.source >= 0).sum())
    because = tuple(Evidence("attention_to_source", on_source[name], n=n, about=(name,)) for name in best)
    answer: Answer = "unsure" if not scored else "yes" if lookups else "no"
    caveats = () if scored else ("one string is not a test: the heads were not scored on others",)
    shown = [name for name in best if name == best[0] or words.number(on_source[name]) != words.number(0)]
    most = words.names(f"{name} {words.number(on_source[name])}" for name in shown)
    found = f"On this string most attention to the place that is copied from is in {most}."
    if scored:
        found += f" Scored on other strings, {_called(lookups)}."
    return Verdict(answer, because, caveats, found)


def _called(lookups: tuple[str, ...]) -> str:
    if not lookups:
        return "none of them is a lookup head"
    return f"{words.names(lookups)} {'is a lookup head' if len(lookups) == 1 else 'are lookup heads'}"


def _nowhere(view: AttentionView) -> str:
    return f"{words.count(len(view.heads), 'head')} on a text in which no place is known to be copied from."
