"""What the page of attention costs a browser, beside CircuitsVis and plotly, which show the same patterns.

Two layers of eight heads on one string and its copy; `noise` stands for patterns that nothing compresses. Each page is
opened in a Chromium of its own, without a GPU: processor seconds of all its processes from the opening until they rest,
the most memory that the page's process took, what it asked of the network. A page that does not rest within the limit,
or rests without its pictures, was not rendered. The last line is JSON; what was not measured is null there.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import plotly.graph_objects as go
import psutil
import tyro
from playwright.sync_api import Error, Page, sync_playwright
from plotly.subplots import make_subplots
from rounds import at_hand

import interp
from interp.figures import attention_view
from interp.results.attention import AttentionView

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = ("--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update")
MEGABYTE = 2**20
LOOK, REST, BUSY = 0.1, 8, 0.02
"""Seconds between two looks; looks in a row that make a rest; seconds of the processor in one of them that break it."""
ONCE = 20
"""Seconds of the processor from which a page is opened once, and not several times."""


@dataclass(frozen=True)
class Contestant:
    """A page, and a condition in JavaScript for its pictures to be there."""

    name: str
    tokens: int
    make: Callable[[], str]
    pictures: str


@dataclass(frozen=True)
class Cost:
    bytes: int
    build: float
    """Seconds of the clock that making the page takes."""
    processor: float | None = None
    memory: float | None = None
    """MB."""
    requests: int | None = None
    rendered: bool = False


# ---------------------------------------------------------------------- pages


def ours(view: AttentionView) -> str:
    return attention_view(view).html


def circuitsvis(view: AttentionView) -> str:
    from circuitsvis.attention import attention_heads  # pyright: ignore[reportMissingImports]

    names = [head.name for head in view.heads]
    return attention_heads(view.variants[0].pattern, list(view.labels), names).local_src


def plotly(view: AttentionView, as_bytes: bool) -> str:
    """Two rows of eight heat maps; as bytes their weights are 256 even steps."""
    names = [head.name for head in view.heads]
    figure = make_subplots(2, len(names) // 2, subplot_titles=names)
    for index, pattern in enumerate(view.variants[0].pattern):
        z = np.rint(255 * pattern).astype(np.uint8) if as_bytes else pattern
        figure.add_trace(
            go.Heatmap(z=z, coloraxis="coloraxis"), 1 + 2 * index // len(names), 1 + index % (len(names) // 2)
        )
    figure.update_yaxes(autorange="reversed")
    return figure.to_html(include_plotlyjs=True)


def as_noise(view: AttentionView) -> AttentionView:
    """The same view with the softmax of independent normal numbers as its patterns."""
    clean = view.variants[0]
    weight = np.tril(np.exp(np.random.default_rng(0).normal(0, 1, clean.pattern.shape)))
    noise = (weight / weight.sum(axis=2, keepdims=True)).astype(np.float32)
    return replace(view, variants=(replace(clean, pattern=noise),))


def contestants(views: dict[int, AttentionView], small: AttentionView) -> list[Contestant]:
    heads = len(small.heads)
    here = "document.documentElement.dataset.views === '1'"
    maps = f"document.querySelectorAll('.heatmaplayer image').length === {heads}"
    charts = f"document.querySelectorAll('canvas').length > {heads}"
    made = [Contestant("ours", tokens, lambda view=view: ours(view), here) for tokens, view in views.items()]
    at = min(views)
    view = views[at]
    made += [
        Contestant("an empty page", 0, lambda: "<!doctype html><title>empty</title>", "true"),
        Contestant("ours, noise", at, lambda: ours(as_noise(view)), here),
        Contestant("plotly, bytes", at, lambda: plotly(view, True), maps),
        Contestant("plotly, single precision", at, lambda: plotly(view, False), maps),
    ]
    if not at_hand("CircuitsVis", "circuitsvis"):
        return made
    few = len(small.labels)
    return [
        *made,
        Contestant("CircuitsVis", few, lambda: circuitsvis(small), charts),
        Contestant("CircuitsVis", at, lambda: circuitsvis(view), charts),
    ]


# ---------------------------------------------------------------------- a browser


@contextmanager
def browser_page() -> Iterator[Page]:
    """An empty page in a browser that was just started."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET])
        try:
            yield browser.new_page(viewport={"width": 1280, "height": 1000})
        finally:
            browser.close()


def processes() -> list[psutil.Process]:
    """Those of the browser: all below this one, but for playwright's own."""
    below = psutil.Process().children(recursive=True)
    return [process for process in below if "chrom" in _quietly(process.name, "")]


def spent(found: list[psutil.Process]) -> float:
    """Seconds of the processor."""
    clocks = [_quietly(process.cpu_times, None) for process in found]
    return sum(clock.user + clock.system for clock in clocks if clock)


def memory(found: list[psutil.Process]) -> float:
    """MB of the largest process that renders pages."""
    renderers = [p for p in found if any("--type=renderer" in part for part in _quietly(p.cmdline, []))]
    sizes = [_quietly(process.memory_info, None) for process in renderers]
    return max((size.rss / MEGABYTE for size in sizes if size), default=0.0)


def _quietly(ask, otherwise):
    """What a process says of itself, if it is still there."""
    try:
        return ask()
    except psutil.Error:
        return otherwise


def opened(file: Path, pictures: str, limit: float) -> tuple[float, float, int, bool]:
    """Processor seconds, MB, requests, and whether the pictures are there, of a page that is opened until it rests."""
    with browser_page() as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        before, begin = spent(processes()), time.perf_counter()
        page.goto(file.as_uri(), wait_until="commit", timeout=limit * 1000)
        most, quiet, last, at_rest = 0.0, 0, before, before
        while quiet < REST and time.perf_counter() - begin < limit:
            page.wait_for_timeout(LOOK * 1000)
            found = processes()
            now, most = spent(found), max(most, memory(found))
            if now - last > BUSY:
                quiet, at_rest = 0, now
            else:
                quiet += 1
            last = now
        rests = quiet >= REST
        there = rests and _holds(page, pictures)
        outside = sum(url.startswith(("http", "ws")) for url in asked)
        return (at_rest if rests else last) - before, most, outside, there


def _holds(page: Page, condition: str, seconds: float = 5) -> bool:
    """Looks from here time after time: a page's content policy may forbid playwright's own wait."""
    end = time.perf_counter() + seconds
    try:
        while not (held := bool(page.evaluate(condition))) and time.perf_counter() < end:
            page.wait_for_timeout(LOOK * 1000)
    except Error:
        return False
    return held


def measured(contestant: Contestant, folder: Path, repeats: int, limit: float) -> Cost:
    begin = time.perf_counter()
    text = contestant.make()
    build = time.perf_counter() - begin
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    size = file.stat().st_size
    if CHROMIUM is None:
        return Cost(size, build)
    runs = []
    while len(runs) < repeats and not (runs and (runs[-1][0] > ONCE or not runs[-1][3])):
        runs.append(opened(file, contestant.pictures, limit))
    processor, most, requests, _ = (median(values) for values in zip(*runs, strict=True))
    return Cost(size, build, processor, most, int(requests), all(run[3] for run in runs))


# ---------------------------------------------------------------------- what is reported


def row(contestant: Contestant, cost: Cost, limit: float) -> str:
    said = f"{contestant.tokens:8}  {contestant.name:26}{cost.bytes / MEGABYTE:10.2f}{cost.build:12.1f}"
    if cost.processor is None:
        return said
    ends = "" if cost.rendered else f"  not rendered within {limit:.0f} s"
    return f"{said}{cost.processor:14.1f}{cost.memory:12.0f}{cost.requests:10}{ends}"


def as_json(contestant: Contestant, cost: Cost) -> dict[str, float | None]:
    """Keys end in the number of tokens; those of other pages than ours begin with their name."""
    names = {
        "ours": "",
        "an empty page": "empty_",
        "ours, noise": "noise_",
        "plotly, bytes": "plotly_",
        "plotly, single precision": "plotly_f32_",
    }
    before, after = names.get(contestant.name, "circuitsvis_"), f"_{contestant.tokens}" if contestant.tokens else ""
    there = cost.rendered
    return {
        f"{before}bytes{after}": cost.bytes,
        f"{before}cpu_seconds{after}": round(cost.processor, 2) if there and cost.processor is not None else None,
        f"{before}rss{after}": round(cost.memory) if there and cost.memory is not None else None,
    }


def main(
    model: str = "hard-alibi",
    tokens: tuple[int, ...] = (512, 1024, 2048),
    small: int = 128,
    repeats: int = 3,
    limit: float = 120,
    quick: bool = False,
) -> None:
    """Measure, print a table, and the numbers as one line of JSON.

    Args:
        model: whose attention is shown; it has an even number of heads.
        tokens: of the strings; the others are measured at the least of them, and ours from 2,048 on with 8 heads.
        small: tokens at which CircuitsVis is measured, too.
        repeats: of which the median counts; a slow page is opened once.
        limit: seconds that a page has.
        quick: one short string of a planted model, each page once.
    """
    if quick:
        model, tokens, small, repeats, limit = "planted:ngram?n=3", (128,), 64, 1, 30
    loaded = interp.load(model)

    def view_of(size: int) -> AttentionView:
        heads = [f"L1H{head}" for head in range(8)] if size >= 2048 else []
        return interp.view_attention(loaded, length=size // 2 - 1, heads=heads)

    if CHROMIUM is None:
        print("There is no chromium (nor google-chrome) to open the pages in; only their sizes are measured.\n")
    print(
        f"{'tokens':>8}  {'page':26}{'MB':>10}{'made in, s':>12}{'processor, s':>14}{'memory, MB':>12}{'requests':>10}"
    )
    found: dict[str, float | None] = {"requests": None}
    with tempfile.TemporaryDirectory() as folder:
        for contestant in contestants({size: view_of(size) for size in tokens}, view_of(small)):
            cost = measured(contestant, Path(folder), repeats, limit)
            print(row(contestant, cost, limit), flush=True)
            found |= as_json(contestant, cost)
            if contestant.name == "ours" and cost.requests is not None:
                found["requests"] = (found["requests"] or 0) + cost.requests
    print(json.dumps(found))


if __name__ == "__main__":
    tyro.cli(main)
