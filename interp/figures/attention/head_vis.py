"""Views of attention as the data tree that HeadVis opens: https://github.com/anthropics/headvis.

The tree, what its config says, and how strings are chosen for a head. The file of each head is in `head_vis_files`, the
numbers by which heads are compared are in `head_vis_metrics`.

The contract was read from HeadVis's data pipeline and from Neuronpedia's port; the tree was not opened in HeadVis's own
front end. There are no attributions and no projections.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from interp.base.errors import UserError
from interp.base.files import Write, finite, write_together
from interp.figures.attention.head_vis_files import HeadFile
from interp.figures.attention.head_vis_metrics import METRICS, metrics
from interp.results.attention import AttentionView, Variant, ViewedHead

INTERVALS, PER_INTERVAL = 10, 20
"""Deciles of a head's strings, by its largest weight, and how many strings are kept of each."""


def write_head_vis(
    views: AttentionView | Iterable[AttentionView],
    folder: str | Path,
    intervals: int = INTERVALS,
    per_interval: int = PER_INTERVAL,
    seed: int = 0,
) -> Path:
    """Write what HeadVis shows of a model as it is: on one string, or for each head on a sample of many.

    Many strings are taken one after the other, and of each the strongest weights alone are kept; for each head they are
    ordered by its largest weight (the first position left out, as HeadVis does) and cut into deciles, of which some
    strings are drawn. Its numbers are means over all strings. Of hidden attention the shares are written, since HeadVis
    knows no negative weights.

    >>> folder = interp.figures.attention.head_vis.write_head_vis(study.attention, "headvis")  # doctest: +SKIP

    Args:
        views: one view; or several of one model and the same heads, such as `sampled_views` makes.
        folder: where to.
        intervals: into how many parts the strings of a head are cut; never more than there are strings.
        per_interval: strings that are kept of each part, drawn at random.
        seed: of the strings that are drawn.

    Returns: the folder. Its files are written together, or none is.

    Raises: UserError for no view, one without unsigned patterns, a head whose name is not of the form L1H3, or views of
        other heads; InterpError if the folder cannot be written.
    """
    folder = Path(folder)
    files: list[HeadFile] = []
    rows: list[list[Mapping[str, float | None]]] = []
    numbers: list[tuple[int, int]] = []
    first, names = None, ()
    for view in [views] if isinstance(views, AttentionView) else views:
        variant, found = _unsigned(view), tuple(head.name for head in view.heads)
        if first is None:
            first, names, numbers = view, found, [_layer_and_head(head) for head in view.heads]
            files, rows = [HeadFile() for _ in found], [[] for _ in found]
        if found != names:
            one, other = (", ".join(some[:4]) for some in (names, found))
            raise UserError(f"views must be of the same heads; got {one} and {other}. Name the heads once, for all.")
        for file, row, pattern, head in zip(files, rows, variant.pattern, view.heads, strict=True):
            file.add(pattern, view.tokens, view.labels)
            row.append(metrics(pattern, view.tokens, head))
    if first is None:
        raise UserError("views must hold at least one view; got none. Pass those of sampled_views.")
    strings = len(rows[0])
    parts = min(intervals, strings)
    means = [{name: _mean([one[name] for one in row]) for name in METRICS} for row in rows]
    known = [name for name in METRICS if any(row[name] is not None for row in means)]
    scatter = [
        {"layer": layer, "head": head, **{name: row[name] for name in known}}
        for (layer, head), row in zip(numbers, means, strict=True)
    ]
    content: dict[Path, Write] = {
        folder / "config.json": _json(lambda: _config(first, numbers, known, strings, parts)),
        folder / "scatter_data.json": _json(lambda: scatter),
        folder / "server_config.json": _json(dict),
        folder / "attributions/manifest.json": _json(dict),
    }
    for (layer, head), file in zip(numbers, files, strict=True):
        content[folder / f"heads/L{layer}H{head}.json"] = _json(
            lambda of=file: of.content(parts, per_interval, np.random.default_rng(seed))
        )
    write_together(content)
    return folder


def _json(make: Any) -> Write:
    """Writes what is made when its turn comes: the files of many heads are never in memory together."""
    return lambda path: path.write_text(json.dumps(finite(make())), encoding="utf-8")


def _unsigned(view: AttentionView) -> Variant:
    unsigned = [v for index, v in enumerate(view.variants) if v.of == index and not v.signed]
    if not unsigned:
        raise UserError(
            f"view must have weights from 0 to 1 for HeadVis; got only signed variants, {_names(view)}. Use "
            "view_attention, which shows hidden attention as shares, too."
        )
    return unsigned[0]


def _mean(values: Sequence[float | int | None]) -> float | None:
    """The mean over strings that have the number; None where none has."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _config(
    view: AttentionView, heads: Sequence[tuple[int, int]], known: Sequence[str], strings: int, parts: int
) -> dict[str, Any]:
    n_layers, n_heads = (1 + max(numbers) for numbers in zip(*heads, strict=True))
    return {
        "model_name": view.model.get("spec", "a model"),
        "dataset_name": f"one string of {len(view.labels)} tokens" if strings == 1 else f"{strings} strings",
        "heads": [list(head) for head in heads],
        "n_layers": max(n_layers, view.model.get("n_layers") or 0),
        "n_heads": max(n_heads, view.model.get("n_heads") or 0),
        "n_intervals": parts,
        "metrics": list(known),
        "metric_descriptions": {name: METRICS[name].says for name in known},
        "head_data_pattern": "L{layer}H{head}.json",
        "has_umap": False,
        "umap_heads": [],
        "custom_plots": [
            {"key": "qk_distance_histogram", "label": "Attention by distance from key to query"},
            {"key": "histogram", "label": "Largest weight of each string"},
        ],
        "custom_tables": [
            {"key": "top_query_tokens", "label": "Tokens that look most sharply"},
            {"key": "top_key_tokens", "label": "Tokens that are looked at most"},
        ],
        "statistics_display": {
            "n_samples": {"label": "Strings", "format": "default"},
            "mean_max_activation": {"label": "Mean largest weight", "format": "default"},
        },
        "pipeline_config": {"model": view.model, "provenance": view.provenance, "notes": list(view.notes)},
    }


def _layer_and_head(head: ViewedHead) -> tuple[int, int]:
    found = re.fullmatch(r"L(\d+)H(\d+)", head.name, re.ASCII)
    if found is None:
        raise UserError(f"heads must have names such as L1H3 for HeadVis; got {head.name!r}.")
    return int(found[1]), int(found[2])


def _names(view: AttentionView) -> str:
    return ", ".join(repr(variant.name) for variant in view.variants) or "none"
