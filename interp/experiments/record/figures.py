"""How far each copier copies, beside what its margins had predicted, its causes apart."""

import plotly.graph_objects as go

from interp.experiments.record.result import RecordResult, Training
from interp.figures.palette import NEUTRAL
from interp.figures.theme import dress, error_bars, group_look, literal

CAUSES = {
    "collisions": "dot",
    "crosstalk": "dash",
    "dispersion": "dashdot",
    "beginning": "longdash",
    "palindromes": "longdashdot",
}


def accuracy_curves(found: RecordResult) -> go.Figure:
    """String accuracy by length, a line a training, each with its intervals."""
    figure = go.Figure()
    colors = {arm: group_look(place).color for place, arm in enumerate(found.arms)}
    for training in found.trainings:
        shares = [right / n for right, n in zip(training.right, training.strings, strict=True)]
        figure.add_trace(
            go.Scatter(
                x=training.lengths,
                y=shares,
                mode="lines+markers",
                line={"color": colors[training.arm]},
                error_y=error_bars(shares, training.interval),
                name=literal(f"{training.arm}, seed {training.seed}"),
            )
        )
    _length_axis(figure, found)
    return dress(
        figure,
        "Strings copied whole, by length",
        "Each line is one training; bars are 95 % intervals (Clopper-Pearson).",
    )


def predicted_curves(found: RecordResult) -> go.Figure:
    """Predicted and measured string accuracy of the first training that was predicted, with each cause alone."""
    figure = go.Figure()
    training = next((each for each in found.trainings if each.predicted is not None), None)
    if training is not None:
        _add_prediction(figure, training)
    _length_axis(figure, found)
    which = "no training" if training is None else f"{training.arm}, seed {training.seed}"
    return dress(
        figure,
        "What margins on short strings predicted",
        f"{which}: predicted (95%, percentile bootstrap), what each cause alone leaves, and what was measured.",
    )


def _length_axis(figure: go.Figure, found: RecordResult) -> None:
    """Shares over the log of the length, marked at the lengths that were copied."""
    lengths = found.trainings[0].lengths
    named = [f"{length:,}" for length in lengths]
    figure.update_xaxes(type="log", title_text="letters of a string", tickvals=lengths, ticktext=named)
    figure.update_yaxes(title_text="strings copied whole", range=[-0.03, 1.03])


def _add_prediction(figure: go.Figure, training: Training) -> None:
    limit = training.predicted
    assert limit is not None
    for cause, dash in CAUSES.items():
        if (left := getattr(limit, cause)) is not None:
            line = {"color": NEUTRAL, "dash": dash}
            figure.add_trace(go.Scatter(x=limit.lengths, y=left, mode="lines", line=line, name=cause))
    figure.add_trace(
        go.Scatter(
            x=limit.lengths,
            y=limit.together,
            mode="lines+markers",
            error_y=error_bars(list(limit.together), list(limit.interval)),
            name="predicted",
        )
    )
    shares = [right / n for right, n in zip(training.right, training.strings, strict=True)]
    measured = error_bars(shares, list(training.interval))
    figure.add_trace(go.Scatter(x=training.lengths, y=shares, mode="markers", error_y=measured, name="measured"))
