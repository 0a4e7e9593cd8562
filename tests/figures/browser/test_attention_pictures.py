"""What the attention view draws: pictures to save, light pages and dark ones, strips, thumbnails that hide nothing."""

import io
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from interp.results.attention import Strip

SVG = "{http://www.w3.org/2000/svg}"
LIGHT, DARK = (238, 235, 228), (32, 35, 40)
"""Above the diagonal."""
FULL = (84, 30, 0)
"""A weight of 1 on a light page."""


def test_png_and_svg_are_saved_under_the_heads_name_and_are_whole(show, view):
    opened = show(view)
    with opened.page.expect_download() as waiting:
        opened.page.click("[data-do=png]")
    assert waiting.value.suggested_filename == "L1H7-clean.png"
    picture = Image.open(waiting.value.path())
    picture.load()
    assert picture.format == "PNG"
    width, height = opened.page.evaluate("(c => [c.width, c.height])(document.querySelector('.pattern'))")
    assert picture.width >= width and picture.height == height + 66  # a title above, the colour bar below
    assert picture.convert("RGBA").getextrema()[3] == (255, 255)  # no ground that is not painted
    assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 50
    with opened.page.expect_download() as waiting:
        opened.page.click("[data-do=svg]")
    assert waiting.value.suggested_filename == "L1H7-clean.svg"
    root = ET.parse(waiting.value.path()).getroot()
    assert root.tag == f"{SVG}svg" and root.find(f"{SVG}image").get("href").startswith("data:image/png;base64,")
    labels = [text.text for text in root.iter(f"{SVG}text")]
    assert labels == ["L1H7, clean", *view.labels, *view.labels, "key →", "query ↓"]  # keys below, queries on the left


@pytest.mark.parametrize(("scheme", "paper", "above"), [("light", 253, LIGHT), ("dark", 21, DARK)])
def test_the_page_is_light_or_dark_as_the_reader_has_it_and_the_button_turns_it(show, view, scheme, paper, above):
    opened = show(view, color_scheme=scheme)
    body = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert body.startswith(f"rgb({paper}, ")
    assert corner(opened) == above
    opened.page.click("[data-do=theme]")
    opened.settle()
    assert corner(opened) == (DARK if above == LIGHT else LIGHT)


def corner(opened) -> tuple[int, ...]:
    """The colour above the diagonal: near the upper right of the cells."""
    picture = Image.open(io.BytesIO(opened.page.locator("canvas.pattern").screenshot())).convert("RGB")
    return picture.getpixel((picture.width - 30, 30))


def test_the_names_of_the_axes_lie_on_no_token(show, view):
    size = 512
    pattern = np.tril(np.full((8, size, size), 1 / size, dtype=np.float32))
    clean = replace(view.variants[0], pattern=pattern, probability=np.full(size, 0.5), predicted=("x",) * size)
    long = {"tokens": np.arange(size), "labels": ("x",) * size, "source": np.full(size, -1), "variants": (clean,)}
    for shown in (view, replace(view, **long)):
        opened = show(shown)
        with opened.page.expect_download() as waiting:
            opened.page.click("[data-do=svg]")
        texts = list(ET.parse(waiting.value.path()).getroot().iter(f"{SVG}text"))[1:]
        heights = sorted(float(text.get("y")) for text in texts if text.get("text-anchor") == "end")
        assert heights[0] > 5 and heights[1] - heights[0] >= 12, heights[:2]


def test_a_strip_has_a_bar_at_each_position_as_high_as_its_number(show, view):
    norms = np.linspace(100, 3000, 26)
    norms[10] = 0
    strip = Strip("layer 0: norm of the state", norms)
    opened = show(replace(view, variants=tuple(replace(variant, strips=(strip,)) for variant in view.variants)))
    opened.press("Home")
    key = opened.page.evaluate("document.querySelector('.attention-view').state.key")
    assert opened.text(".strip-name") == f"layer 0: norm of the state: {norms[key]:.0f} at the key, up to 3000"
    picture = Image.open(io.BytesIO(opened.page.locator("canvas.strip").screenshot())).convert("RGB")
    step = (opened.page.locator("canvas.pattern").bounding_box()["width"] - 54) / 26
    blank = picture.getpixel((2, 2))
    for position in (0, 5, 10, 25):
        column = [picture.getpixel((int(46 + (position + 0.5) * step), y)) for y in range(31)]
        tall = sum(color != blank for color in column)
        assert tall == pytest.approx(30 * norms[position] / 3000, abs=1.5)


def test_one_stripe_of_single_cells_among_512_tokens_is_seen_in_the_thumbnail(show, view):
    size, back = 512, 137
    faint = np.tril(np.full((8, size, size), 1 / size, dtype=np.float32))
    queries = np.arange(back, size)
    faint[3, queries, queries - back] = 1
    faint[5, 400, 20] = 1  # and one cell alone
    long = replace(
        view,
        tokens=np.arange(size),
        labels=("x",) * size,
        source=np.full(size, -1),
        variants=(replace(view.variants[0], pattern=faint, probability=np.full(size, 0.5), predicted=("x",) * size),),
    )
    opened = show(long)
    pixels = {}
    for index, head in enumerate(view.heads):
        data = opened.page.evaluate(
            """(name) => {
              const thumb = [...document.querySelectorAll('.thumb')].find((each) => each.textContent.includes(name));
              return [...thumb.firstChild.getContext('2d').getImageData(0, 0, 72, 72).data];
            }""",
            head.name,
        )
        pixels[index] = np.array(data).reshape(72, 72, 4)[:, :, :3]
    for query in range(back, size):
        assert tuple(pixels[3][query * 72 // size, (query - back) * 72 // size]) == FULL
    assert [tuple(cell) for cell in np.argwhere((pixels[5] == FULL).all(axis=2))] == [
        (400 * 72 // size, 20 * 72 // size)
    ]
    assert not (pixels[0] == FULL).all(axis=2).any()


PRINTED_WHILE_LOADING = """
globalThis.DecompressionStream = class extends DecompressionStream {
  constructor(format) {
    super(format);
    for (const event of ["resize", "beforeprint", "afterprint"]) dispatchEvent(new Event(event));
    document.documentElement.dataset.interrupted = "1";
  }
};
"""


def test_a_page_that_is_printed_before_its_patterns_are_there_complains_of_nothing(show, view):
    opened = show(view, first=PRINTED_WHILE_LOADING)
    assert opened.page.evaluate("document.documentElement.dataset.interrupted") == "1"
    assert opened.text(".name") == "L1H7, clean"
