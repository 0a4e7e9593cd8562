"""The attention page that the site shows: made anew from a planted model whenever the site is built."""

from pathlib import Path

from sphinx.application import Sphinx

MODEL = "planted:ngram?n=3&decoys=previous"
PROMPT = "kqvbtzahqvbm"
"""`qvb` stands twice: what followed it is looked up at both places."""


def write(app: Sphinx, error: Exception | None) -> None:
    """`_static/attention.html` beside the pages."""
    if error is not None:
        return
    from interp import figures, view_attention
    from interp.loading import load
    from interp.measure.heads.score import HeadSettings
    from interp.studies.scoring import find_heads, head_costs, strings_to_ablate

    loaded = load(MODEL)
    scores = find_heads(loaded, settings=HeadSettings(strings=32))
    costs = head_costs(loaded, scores, strings_to_ablate(loaded, 0, 64))
    view = view_attention(loaded, PROMPT, scores=scores, ablations=costs)
    figures.attention_view(view).save(Path(app.outdir) / "_static" / "attention.html")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
