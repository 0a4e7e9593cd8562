"""How heads formed: the score of each, by examples seen."""

import plotly.graph_objects as go

from interp.base import words
from interp.figures.theme import NEUTRAL, ROLES, accuracy_axis, band, dress, literal
from interp.results.heads import HeadScore
from interp.studies.learning.result import LearningStudy


def formation(study: LearningStudy) -> go.Figure:
    """Draw attention to the source of every head, and the effect of gather heads, at each kept step.

    Colours are those of the roles at the last of them.
    """
    figure, x = go.Figure(), [kept.examples for kept in study.kept]
    last = study.kept[-1].scores.heads
    for i, head in sorted(enumerate(last), key=lambda item: item[1].role != "none"):
        rows = [kept.scores.heads[i] for kept in study.kept]
        look = ROLES[head.role]
        gather = head.role == "gather"
        values = [(row.gather_effect or 0.0) if gather else row.score for row in rows]
        if head.role == "lookup":
            figure.add_trace(
                band(x, [row.interval.low for row in rows], [row.interval.high for row in rows], look.color, head.name)
            )
        figure.add_trace(
            go.Scatter(
                x=x,
                y=values,
                mode="lines+markers+text" if head.role != "none" else "lines",
                text=["", *[""] * (len(x) - 2), literal(head.name)][-len(x) :] if head.role == "lookup" else None,
                textposition="middle right",
                line={
                    "color": look.color,
                    "width": 1 if head.role == "none" else 2,
                    "dash": "dot" if gather else "solid",
                },
                marker={"symbol": look.symbol, "size": 7},
                opacity=0.6 if head.role == "none" else 1.0,
                name=_name(head),
                legendgroup=head.role,
                showlegend=head.name == next(other.name for other in last if other.role == head.role),
                customdata=[[study.kept[at].step, _now(row)] for at, row in enumerate(rows)],
                hovertemplate=f"{literal(head.name)} after step %{{customdata[0]:,}}: %{{y:.2f}}<br>"
                "%{customdata[1]}<extra></extra>",
                cliponaxis=False,
            )
        )
    for mark in study.training.marks:
        label = {"text": f"step {mark.step:,}", "textangle": -90, "textposition": "middle", "font": {"size": 11}}
        figure.add_vline(
            mark.examples, line={"color": NEUTRAL, "width": 1.2, "dash": "dash"}, layer="below", label=label
        )
    figure.update_xaxes(title_text="examples seen", rangemode="tozero")
    figure.update_yaxes({**accuracy_axis("attention to the source, or gather effect"), "tickformat": ".1f"})
    return dress(figure, "How heads formed", _says(study), 420)


def _name(head: HeadScore) -> str:
    """The role for the legend; one entry stands for all of its heads."""
    what = {"lookup": "lookup heads: attention", "gather": "gather heads: effect", "none": "other heads: attention"}
    return what[head.role]


def _now(row: HeadScore) -> str:
    return row.role if row.n is None else f"{row.role}, n = {row.n}"


def _says(study: LearningStudy) -> str:
    told = []
    for kept in study.kept:
        found = [f"{head.name} (n = {head.n}, {head.score:.2f})" for head in kept.scores.heads if head.role == "lookup"]
        fed = len(kept.scores.of_role("gather"))
        feeding = f", fed by {words.count(fed, 'gather head')}" if fed else ""
        verb = words.verb(max(1, len(found)), "look")
        told.append(f"after step {kept.step:,} {words.names(found, none='no head')} {verb} up{feeding}")
    sentence = "; ".join(told)
    return (
        f"{sentence[0].upper()}{sentence[1:]}. Bands: {words.methods(h.interval for h in study.kept[-1].scores.heads)}."
    )
