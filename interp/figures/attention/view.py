"""A view of attention as a page: every head small, one of them large, the string beside it; it works without a server.

The page is built from `attention_view.html` and the modules in `scripts/`: `main.js` starts them, `state.js` holds what
is chosen and what each key makes of it, and one module draws each part of the page. `encoding` says how the numbers lie
in it.
"""

import html
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from interp.base import words
from interp.base.calls import checked_call
from interp.base.files import write_text
from interp.figures.attention.encoding import ERROR, SIGNED_ERROR, encode
from interp.figures.attention.fitting import MOST, fitted
from interp.figures.page import facts, render
from interp.figures.theme import names, number, visible
from interp.results.attention import AttentionExamples, AttentionView

SCRIPTS = ("figures/attention/scripts/main.js",)
LISTED = 60
"""Characters of a string in the list of examples."""
SPOKEN = 6
"""Heads that the sentence below a view names."""
FRAME = 1000
"""Height of the frame in a notebook, in pixels."""


@dataclass(frozen=True)
class Shown:
    """A view as the template takes it."""

    json: Markup
    patterns: tuple[Markup, ...]
    variants: tuple[str, ...]
    strips: tuple[str, ...]
    scored: bool
    says: str
    notes: tuple[str, ...]
    error: str


@dataclass(frozen=True)
class AttentionPage:
    """One self-contained page. A notebook shows it by itself; `save` writes it."""

    html: str
    says: str
    """What it shows, in a sentence."""

    def __repr__(self) -> str:
        """A line: the page itself has tens of thousands of characters."""
        return f"AttentionPage of {len(self.html) // 1000} kB: {self.says}"

    def save(self, path: str | Path) -> Path:
        """Write the page. Raises: InterpError if it cannot be written."""
        return write_text(Path(path), self.html)

    def _repr_html_(self) -> str:
        """The page in a frame of its own, which can run its scripts and offer files, and reach nothing else."""
        page = html.escape(self.html, quote=True)
        box = f'style="width: 100%; height: {FRAME}px; border: 0" sandbox="allow-scripts allow-downloads"'
        return f'<iframe title="Attention" {box} srcdoc="{page}"></iframe>'


@checked_call
def attention_view(view: AttentionView) -> AttentionPage:
    """Make the page of a view: thumbnails of all heads, one pattern large, the string, the strongest keys, what is
    known of the head; clean, ablated, and their difference. `load_view` reads it back.

    >>> page = interp.figures.attention_view(study.attention)
    >>> path = page.save("attention.html")
    """
    drawn = shown(view)
    page = render(
        "figures/attention/attention_page.html",
        SCRIPTS,
        plots="none",
        title=f"Attention of {view.model.get('spec', 'a model')}",
        model=view.model.get("spec", ""),
        shown=drawn,
        provenance=facts(view.provenance),
    )
    return AttentionPage(page, drawn.says)


@checked_call
def attention_examples(found: AttentionExamples) -> AttentionPage:
    """Make one page of several strings, of which one is shown: chosen in a list, with the head that was chosen before.

    >>> page = interp.figures.attention_examples(found)  # doctest: +SKIP
    """
    views = [shown(example.view, MOST // len(found.examples)) for example in found.examples]
    groups: dict[str, list[tuple[int, str, str]]] = {}
    for place, example in enumerate(found.examples):
        string = visible(example.view.text)
        text = string if len(string) <= LISTED else f"{string[: LISTED - 3]}..."
        groups.setdefault(example.group, []).append((place, text, visible(example.says)))
    spec = found.model.get("spec", "a model")
    says = (
        f"{words.count(len(views), 'string')} of {spec}, which gets {found.wrong} of {found.strings} wrong; "
        f"others have a planted repeat, or stand at even steps of what {found.head} gives to the source."
    )
    page = render(
        "figures/attention/attention_examples.html",
        SCRIPTS,
        plots="none",
        title=f"Attention of {spec} on {words.count(len(views), 'string')}",
        model=spec,
        says=says,
        groups=list(groups.items()),
        views=[(view, example.query) for view, example in zip(views, found.examples, strict=True)],
        provenance=facts(found.provenance),
    )
    return AttentionPage(page, says)


def shown(view: AttentionView, most: int = MOST) -> Shown:
    """A view for the template of a page that holds others things, too; the page runs `SCRIPTS`.

    Args:
        view: what is shown.
        most: bytes that its patterns may take: what exceeds them is shown less exactly, and the page says so.
    """
    view = fitted(view, most)
    encoded = encode(view)
    variants = tuple(variant.name for variant in view.variants)
    scored = any(head.found for head in view.heads)
    strips = tuple(strip.name for strip in view.variants[0].strips)
    return Shown(encoded.json, encoded.patterns, variants, strips, scored, says(view), _notes(view), error_text(view))


def says(view: AttentionView) -> str:
    """What a view shows, for readers who do not see it."""
    string = visible(view.text)
    string = string if len(string) <= 120 else f"{string[:117]}..."
    hidden = " (hidden attention as signed sums)" if view.variants[0].signed else ""
    found = f"Attention{hidden} of {words.count(len(view.heads), 'head')} on the string {string}."
    on_source = np.array(view.on_source())
    if np.isnan(on_source).any():
        return found
    best = sorted(range(len(on_source)), key=lambda head: -on_source[head])[:SPOKEN]
    best = [head for head in best if head == best[0] or number(on_source[head]) != number(0)]
    parts = [f"{view.heads[head].name}{_role(view, head)} {number(on_source[head])}" for head in best]
    rest = "; others less" if len(best) < len(on_source) else ""
    return f"{found} Mean attention to the place copied from: {names(parts)}{rest}."


def error_text(view: AttentionView) -> str:
    """How much a weight that is read from the page is off."""
    signed = any(variant.signed for variant in view.variants)
    relative = f", signed ones by {SIGNED_ERROR:.4f} of their head's largest" * signed
    return f"{ERROR:.4f}{relative}, and differences by twice that"


def _notes(view: AttentionView) -> tuple[str, ...]:
    if view.least:
        left_out = f"weights below {words.number(view.least, 3)} are left out, so that the page stays small"
        return (*view.notes, left_out)
    if not view.variants[0].signed:
        return view.notes
    sums = "signed sums over channels can cancel, shares of length cannot; neither is a pattern that could be edited"
    return (*view.notes, f"a recurrent layer has no attention of its own; of its hidden attention, {sums}")


def _role(view: AttentionView, head: int) -> str:
    found = view.heads[head].found
    return f" ({found.role})" if found and found.role != "none" else ""
