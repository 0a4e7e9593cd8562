"""Whether looking up is how the model copies, as an answer and in words: what is left without which heads."""

from interp.base import words
from interp.results.use import SOME, WHOLE, HeadUse, Left
from interp.studies.study import Answer


def answer_of(use: HeadUse) -> Answer:
    """yes: nothing is copied without the lookup heads. partly: something is, or they are only enough where others are
    gone. no: they are not needed, or none of the heads that attend to the match copies. unsure: no head does."""
    if use.use == "all":
        return "yes"
    if use.use == "part" or stands_in(use):
        return "partly"
    return "unsure" if use.use is None else "no"


def stands_in(use: HeadUse) -> bool:
    """Whether lookup heads that are not needed copy where the other heads are gone."""
    return (
        use.use == "spare"
        and use.both is not None
        and use.others is not None
        and use.lost(use.both) - use.lost(use.others) > SOME
    )


def use_says(use: HeadUse) -> str:
    """Return what is left without the lookup heads, without the other heads, and what that means."""
    if not use.copies:
        return "It copies no more letters than guessing does." if use.use is not None else ""
    sentences = [*_of_lookups(use), *_of_others(use)]
    most = max((use.lost(left) for left in (use.lookups, use.others, use.both) if left is not None), default=0.0)
    if most <= WHOLE and use.use != "all":
        rest = "What copies the rest" if most > SOME else "What it copies by"
        sentences.append(f"{rest} was not found among the heads that attend to the source.")
    if use.lookups is not None or use.others is not None:
        sentences.append(_beside(use))
    return " ".join(sentences)


def cuts_lookups(use: HeadUse | None) -> bool:
    """Whether `use_says` tells what is left when the lookup heads' attention to the source is cut."""
    return use is not None and use.copies and use.lookups is not None and use.edit == "edges"


def _beside(use: HeadUse) -> str:
    """What the letters that are left stand beside. How many strings are right before is said where they are ablated."""
    before, guessing = words.percent(use.whole.letters), words.percent(use.chance)
    if before == "100%":
        return f"(Guessing gets {guessing} of letters right.)"
    return f"(As it is, {before} of letters are right; guessing gets {guessing}.)"


def _of_lookups(use: HeadUse) -> list[str]:
    """What the lookup heads carry, together and alone."""
    if use.lookups is None:
        return []
    says = {"all": "That is how it copies", "part": "That is a part of how it copies"}
    needless = "That is not what it copies by" if not stands_in(use) else "It does not need that to copy"
    whose = "its" if len(use.lookups.heads) == 1 else "their"
    found = [f"{says.get(use.use or '', needless)}: {_cut(use, whose)}, {_right(use.lookups)} are right."]
    if use.redundant:
        single = [left.strings for left in use.alone if left.heads[0] in use.lookups.heads]
        most = words.percent(max(0.0, use.whole.strings - min(single)))
        others = "the other stands" if len(use.lookups.heads) == 2 else "the others stand"
        found.append(f"Without one of them at most {most} of strings are lost: {others} in for it.")
    if use.enough and use.use != "spare":
        found.append(f"{words.names(use.enough, last='or')} alone is enough.")
    return found


def _of_others(use: HeadUse) -> list[str]:
    """What the other heads that attend to the source carry; those that alone cost nothing are not named."""
    others, both = use.others, use.both
    if others is None:
        return []
    lost = use.lost(others)
    more = 0.0 if both is None or use.lookups is None else use.lost(both) - use.lost(use.lookups)
    if use.lookups is not None and use.spares(others) and more <= SOME:
        return []
    carriers = [left.heads[0] for left in use.alone if left.heads[0] in others.heads and not use.spares(left)]
    names = carriers or others.heads
    cut = "with that cut" if use.edit == "edges" else "with their output held at its mean"
    found = f"{words.names(names)} {words.verb(len(names), 'attend')} to the source, too, and not by the match: {cut}"
    if use.use is None:  # they have just been named
        found = cut.capitalize()
    found += f", {_right(others)} are right"
    if both is not None:
        found += f", and with both cut, {_right(both)}"
    if lost > WHOLE:
        return [f"{found}. That is how it copies."]
    if stands_in(use) and use.spares(others):
        return [f"{found}: either is enough alone."]
    return [f"{found}."]


def _cut(use: HeadUse, whose: str) -> str:
    return (
        f"with {whose} attention to the source cut" if use.edit == "edges" else f"with {whose} output held at its mean"
    )


def _right(left: Left) -> str:
    return f"{words.percent(left.letters)} of letters and {words.percent(left.strings)} of strings"
