"""A view of attention as the data tree that HeadVis opens: https://github.com/anthropics/headvis.

The tree, what its config says, and the file of each head: its pattern, sparse, and what it looks at. The numbers by
which heads are compared are in `head_vis_metrics`.

The contract was read from Neuronpedia's port; the tree was not opened in HeadVis's own front end. A tree holds one
sequence, where HeadVis draws hundreds, and no attributions.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from interp.base.errors import UserError
from interp.base.files import finite, write_together
from interp.figures.attention.head_vis_metrics import METRICS, Pattern, metrics
from interp.figures.page import writer
from interp.results.attention import AttentionView, ViewedHead

KEYS, LEAST = 8, 0.005
"""How many of the strongest keys are kept for a query, and the least weight that is kept."""
BINS, TOP = 20, 10
"""Bins of the histogram of weights; tokens that are named."""


def write_head_vis(view: AttentionView, folder: str | Path) -> Path:
    """Write what HeadVis shows of a view: its model as it is, on its one string.

    Of hidden attention the shares are written, since HeadVis knows no negative weights. Of each query the `KEYS`
    strongest keys of `LEAST` or more are kept; the numbers of a head are taken from its whole pattern.

    Returns: the folder. Its files are written together, or none is.

    Raises: UserError for a view without unsigned patterns, or with a head whose name is not of the form L1H3;
        InterpError if the folder cannot be written.
    """
    folder = Path(folder)
    unsigned = [v for index, v in enumerate(view.variants) if v.of == index and not v.signed]
    if not unsigned:
        raise UserError(
            f"view must have weights from 0 to 1 for HeadVis; got only signed variants, {_names(view)}. Use "
            "view_attention, which shows hidden attention as shares, too."
        )
    heads = [_layer_and_head(head) for head in view.heads]
    rows = [metrics(*items) for items in zip(unsigned[0].pattern, [view.tokens] * len(heads), view.heads, strict=True)]
    known = [name for name in METRICS if any(row[name] is not None for row in rows)]
    scatter = [
        {"layer": layer, "head": head, **{name: row[name] for name in known}}
        for (layer, head), row in zip(heads, rows, strict=True)
    ]
    content = {
        "config.json": _config(view, heads, known),
        "scatter_data.json": scatter,
        "server_config.json": {},
        "attributions/manifest.json": {},
    }
    for (layer, head), pattern in zip(heads, unsigned[0].pattern, strict=True):
        content[f"heads/L{layer}H{head}.json"] = _head_file(pattern, view.tokens, view.labels)
    write_together({folder / name: writer(json.dumps(finite(value))) for name, value in content.items()})
    return folder


def _config(view: AttentionView, heads: Sequence[tuple[int, int]], known: Sequence[str]) -> dict[str, Any]:
    n_layers, n_heads = (1 + max(numbers) for numbers in zip(*heads, strict=True))
    return {
        "model_name": view.model.get("spec", "a model"),
        "dataset_name": f"one string of {len(view.labels)} tokens",
        "heads": [list(head) for head in heads],
        "n_layers": max(n_layers, view.model.get("n_layers") or 0),
        "n_heads": max(n_heads, view.model.get("n_heads") or 0),
        "n_intervals": 1,
        "metrics": list(known),
        "metric_descriptions": {name: METRICS[name].says for name in known},
        "head_data_pattern": "L{layer}H{head}.json",
        "has_umap": False,
        "umap_heads": [],
        "custom_plots": [{"key": "qk_distance_histogram", "label": "Attention by distance from key to query"}],
        "custom_tables": [
            {"key": "top_query_tokens", "label": "Tokens that look most sharply"},
            {"key": "top_key_tokens", "label": "Tokens that are looked at most"},
        ],
        "statistics_display": {"n_samples": "Strings", "mean_max_activation": "Largest weight"},
        "pipeline_config": {"model": view.model, "provenance": view.provenance, "notes": list(view.notes)},
    }


def _head_file(pattern: Pattern, tokens: Int[np.ndarray, " pos"], labels: tuple[str, ...]) -> dict[str, Any]:
    n_pos, largest = len(pattern), _rounded(pattern.max())
    query, key = _kept(pattern)
    seen = pattern[np.tril_indices(n_pos)].clip(0, 1)  # rounding puts some a little over 1
    counts, edges = np.histogram(seen, bins=BINS, range=(0, 1))
    sequence = {
        "sequence_id": 0,
        "interval": 0,
        "tokens": list(labels),
        "attention_indices": (query * n_pos + key).tolist(),
        "attention_values": [_rounded(weight) for weight in pattern[query, key]],
        "seq_len": n_pos,
        "max_activation": largest,
    }
    by_distance = [_rounded(np.diagonal(pattern, -distance).sum() / n_pos) for distance in range(n_pos)]
    return {
        "sequences": [sequence],
        "qk_distance_histogram": {"bin_edges": list(range(n_pos + 1)), "bin_values": by_distance},
        "top_query_tokens": _top(tokens, labels, pattern.max(axis=1), "mean"),
        "top_key_tokens": _top(tokens, labels, pattern.sum(axis=0) / n_pos, "sum"),
        "histogram": {"bin_edges": [_rounded(edge) for edge in edges], "bin_values": counts.tolist()},
        "statistics": {"n_samples": 1, "mean_max_activation": largest},
    }


def _kept(pattern: Pattern) -> tuple[np.ndarray, np.ndarray]:
    """Queries and keys of the weights that are written, in reading order."""
    strongest = np.argsort(-pattern, axis=1, kind="stable")[:, :KEYS]
    chosen = np.zeros(pattern.shape, dtype=bool)
    np.put_along_axis(chosen, strongest, True, axis=1)
    query, key = np.nonzero(chosen & (pattern >= LEAST))
    return query, key


def _top(tokens: Int[np.ndarray, " pos"], labels: tuple[str, ...], value: np.ndarray, how: str) -> list[dict[str, Any]]:
    """The tokens with the largest mean, or sum, over the places where they stand; two that read alike are two."""
    places: dict[int, list[int]] = {}
    for at, token in enumerate(tokens.tolist()):
        places.setdefault(token, []).append(at)
    of = {token: float(getattr(np, how)(value[where])) for token, where in places.items()}
    best = sorted(of, key=lambda token: -of[token])[:TOP]
    return [
        {"token": labels[places[token][0]], "value": _rounded(of[token]), "count": len(places[token])} for token in best
    ]


def _layer_and_head(head: ViewedHead) -> tuple[int, int]:
    found = re.fullmatch(r"L(\d+)H(\d+)", head.name, re.ASCII)
    if found is None:
        raise UserError(f"heads must have names such as L1H3 for HeadVis; got {head.name!r}.")
    return int(found[1]), int(found[2])


def _names(view: AttentionView) -> str:
    return ", ".join(repr(variant.name) for variant in view.variants) or "none"


def _rounded(value: Any) -> float:
    return round(float(value), 4)
