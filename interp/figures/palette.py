"""The colours: two palettes, one for a light page and one for a dark one.

A figure is made in the colours of the light one, and a page swaps them for those of the reader's scheme (`on_dark`).
Any two colours of a palette, and any two shades of lengths, can be told apart by readers with normal sight and by those
who lack one kind of cones, and all stand out by 3:1 from the page (the tests compute it). Scales go from the page's
colour to one full colour, so that their lightness only rises or only falls.
"""

from collections.abc import Iterable

from plotly.colors import sample_colorscale, unlabel_rgb

ORANGE, BLUE, GREEN, PINK = "#DD751A", "#598EF4", "#0A7A5A", "#7A0557"
OLIVE, VIOLET, NEUTRAL = "#474501", "#4F3EC5", "#8C9196"
DARK = {
    ORANGE: "#E84B0F",
    BLUE: "#92ADFA",
    GREEN: "#92FBC5",
    PINK: "#9F637D",
    OLIVE: "#ECCF30",
    VIOLET: "#6761EA",
    NEUTRAL: "#B5AFB7",
}
"""Colour on a light page -> the same on a dark one."""
PAPER, INK = ("#FDFCFA", "#15171B"), ("#1D1F23", "#E7E5E0")
"""A page and its text, light and dark."""
LENGTHS = (
    ("#361B5B", "#772142", "#785240", "#7C7829", "#34A463"),
    ("#A2F0EC", "#B4CEAB", "#DEA024", "#EA666E", "#936994"),
)
"""Shades of lengths, the shortest first, on a light page and on a dark one."""
MOST_SHADES = 12
"""Things in order whose shades a page swaps for those of its scheme."""


def faded(color: str, alpha: float) -> str:
    """A colour that lets the page shine through."""
    return f"{_channels(color)}, {alpha})"


def scale(color: str) -> list[list[float | str]]:
    """A scale from nothing, which is the page, to all, which is the colour."""
    return [[0.0, faded(color, 0.05)], [1.0, faded(color, 1.0)]]


def diverging(below: str, above: str) -> list[list[float | str]]:
    """A scale with the page in its middle."""
    return [[0.0, faded(below, 1.0)], [0.5, faded(PAPER[0], 1.0)], [1.0, faded(above, 1.0)]]


def shades(n: int, dark: bool = False) -> list[str]:
    """Colours of `n` things in order, such as lengths, the shortest first; more than five are not told apart."""
    steps = LENGTHS[dark]
    if n <= len(steps):
        return [steps[round(i * (len(steps) - 1) / max(1, n - 1))] for i in range(n)]
    between = sample_colorscale([[i / (len(steps) - 1), step] for i, step in enumerate(steps)], n)
    return ["#{:02X}{:02X}{:02X}".format(*map(round, unlabel_rgb(color))) for color in between]


def few(values: Iterable[int], most: int = len(LENGTHS[0])) -> list[int]:
    """Choose as many of some lengths as can be told apart, the shortest and the longest among them."""
    every = sorted(set(values))
    if len(every) <= most:
        return every
    return [every[round(i * (len(every) - 1) / (most - 1))] for i in range(most)]


def on_dark() -> dict[str, str]:
    """Colour -> what stands for it on a dark page, as a figure may write it: `#RRGGBB`, or `rgba(r, g, b`."""
    swaps = dict(DARK) | {PAPER[0]: PAPER[1], INK[0]: INK[1]}
    for n in range(1, MOST_SHADES + 1):
        swaps |= dict(zip(shades(n), shades(n, dark=True), strict=True))
    return swaps | {_channels(light): _channels(dark) for light, dark in swaps.items()}


def _channels(color: str) -> str:
    return "rgba({}, {}, {}".format(*(int(color[i : i + 2], 16) for i in (1, 3, 5)))
