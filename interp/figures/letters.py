"""Circuits of a head as letter-by-letter matrices: what it writes of each letter, and which letters it looks for."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from interp.base.calls import checked_call
from interp.figures.palette import diverging
from interp.figures.theme import BLUE, ORANGE, dress, literal, names, percent
from interp.results.circuits import LetterCircuits

SHOWN = 3
"""Pairs of writers whose QK matrices are drawn."""


@checked_call
def letter_circuits(found: LetterCircuits) -> go.Figure:
    """Draw a head's OV circuit, and its QK circuit for the pairs of writers that tell equal letters from others best.

    >>> figure = interp.figures.letter_circuits(found)  # doctest: +SKIP
    """
    pairs = found.strongest(SHOWN)
    place = {name: i for i, name in enumerate(found.writers)}
    panels = [("OV: letter seen, letter raised", found.ov, "raised", "seen")]
    for query, key in pairs:
        matrix = found.qk[place[query], place[key]]
        panels.append((f"QK: query by {query}, key by {key}", matrix, "key's letter", "query's letter"))
    columns = 2 if len(panels) > 1 else 1
    rows = -(-len(panels) // columns)
    figure = make_subplots(
        rows, columns, subplot_titles=[literal(title) for title, *_ in panels], vertical_spacing=0.28 / rows
    )
    letters = [literal(letter) for letter in found.letters]
    for index, (_, matrix, across, down) in enumerate(panels):
        row, column = index // columns + 1, index % columns + 1
        most = float(np.abs(matrix).max()) or 1.0
        figure.add_trace(
            go.Heatmap(
                z=matrix,
                x=letters,
                y=letters,
                zmin=-most,
                zmax=most,
                colorscale=diverging(BLUE, ORANGE),
                showscale=False,
                hovertemplate=f"{down} %{{y}}, {across} %{{x}}: %{{z:.3f}}<extra></extra>",
            ),
            row,
            column,
        )
        figure.update_xaxes(title_text=across, type="category", row=row, col=column)
        figure.update_yaxes(title_text=down, type="category", autorange="reversed", row=row, col=column)
    for note in figure.layout.annotations:
        note.font.size = 13
    copies = float((found.ov.argmax(axis=1) == np.arange(len(letters))).mean())
    best = names(f"query by {query} with key by {key}" for query, key in pairs[:1])
    says = (
        f"{found.head} raises the letter that it sees most for {percent(copies)} of letters; equal letters score most "
        f"above others for {best}. Each panel has its own scale: blue below 0, orange above."
    )
    return dress(figure, f"Circuits of {found.head} by letter", says, 120 + 300 * rows, legend=False)
