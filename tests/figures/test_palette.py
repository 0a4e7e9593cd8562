"""Colours are told apart by every reader, on a light page and on a dark one: computed, not looked at."""

import itertools
import re

import numpy as np
import pytest

from interp.experiments.paper.figures import COLOURS
from interp.figures import palette, theme
from interp.figures.page import PACKAGE

SIGHT = {
    "normal": np.eye(3),
    "no long cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no middle cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no short cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
"""What is left of linear red, green and blue (Machado, Oliveira and Fernandes 2009, severity 1)."""
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
APART, NEIGHBOURS = 15.0, 10.0
"""CIEDE2000; about 1 is the least that can be seen side by side, and a line is thin."""
SCHEMES = ("light", "dark")


def linear(color: str) -> np.ndarray:
    channels = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear red, green and blue."""
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / (TO_XYZ @ np.ones(3))
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """CIEDE2000 (Sharma, Wu and Dalal 2005)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    c = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(c**7 / (c**7 + 25.0**7))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    d_hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    light, c = (l1 + l2) / 2, (c1 + c2) / 2
    hue = (h1 + turn / 2) % 360
    t = 1 - 0.17 * np.cos(np.radians(hue - 30)) + 0.24 * np.cos(np.radians(2 * hue))
    t += 0.32 * np.cos(np.radians(3 * hue + 6)) - 0.2 * np.cos(np.radians(4 * hue - 63))
    s_l = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c, 1 + 0.015 * c * t
    r = -2 * np.sqrt(c**7 / (c**7 + 25.0**7)) * np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    x, y, z = (l2 - l1) / s_l, (c2 - c1) / s_c, d_hue / s_h
    return float(np.sqrt(x * x + y * y + z * z + r * y * z))


def seen(color: str, sight: str) -> np.ndarray:
    return lab(np.array(SIGHT[sight]) @ linear(color))


def on(scheme: str, colors) -> list[str]:
    swaps = palette.on_dark() if scheme == "dark" else {}
    return [swaps.get(color, color) for color in colors]


def test_the_measure_of_difference_is_the_published_one():
    # The first and the 17th pair of the test data of Sharma, Wu and Dalal (2005).
    assert difference(np.array([50, 2.6772, -79.7751]), np.array([50, 0, -82.7485])) == pytest.approx(2.0425, abs=1e-4)
    assert difference(np.array([50, 2.5, 0]), np.array([73, 25, -18])) == pytest.approx(27.1492, abs=1e-4)


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_any_two_colours_are_told_apart(scheme, sight):
    for one, other in itertools.combinations(on(scheme, palette.DARK), 2):
        assert difference(seen(one, sight), seen(other, sight)) > APART, (one, other)


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_any_two_shades_of_lengths_are_told_apart(n, dark, sight):
    for one, other in itertools.combinations(palette.shades(n, dark), 2):
        assert difference(seen(one, sight), seen(other, sight)) > NEIGHBOURS, (one, other)


@pytest.mark.parametrize("dark", [False, True])
def test_shades_of_lengths_only_rise_or_fall_in_lightness(dark):
    for n in range(2, palette.MOST_SHADES + 1):
        steps = np.diff([lab(linear(color))[0] for color in palette.shades(n, dark)])
        assert (steps < 0).all() if dark else (steps > 0).all()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("look", [theme.USED, theme.HELD, theme.ROLES["lookup"], theme.ROLES["gather"]])
def test_scales_only_rise_or_fall_in_lightness_away_from_the_page(scheme, look):
    paper = linear(palette.PAPER[scheme == "dark"])
    (_, low), (_, high) = palette.scale(look.color)
    (color,) = on(scheme, [look.color])
    alphas = np.linspace(*(float(end.rpartition(" ")[2].rstrip(")")) for end in (low, high)), 21)
    light = [lab(alpha * linear(color) + (1 - alpha) * paper)[0] for alpha in alphas]
    steps = np.diff(light)
    assert (steps > 0).all() if scheme == "dark" else (steps < 0).all()
    assert abs(light[-1] - light[0]) > 25


def test_both_arms_of_a_diverging_scale_lead_away_from_the_page():
    scale = palette.diverging(palette.BLUE, palette.ORANGE)
    for scheme in SCHEMES:
        below, page, above = (
            lab(linear(color))[0] for color in on(scheme, [palette.BLUE, palette.PAPER[0], palette.ORANGE])
        )
        assert (page - below) * (page - above) > 0
    assert [at for at, _ in scale] == [0, 0.5, 1]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_colour_stands_out_from_its_page(scheme):
    paper = linear(palette.PAPER[scheme == "dark"])
    of_lengths = palette.shades(5, scheme == "dark")
    for color in [*on(scheme, palette.DARK), *of_lengths]:
        one, other = sorted(float(TO_XYZ[1] @ rgb) for rgb in (paper, linear(color)))
        assert (other + 0.05) / (one + 0.05) >= 3, color


def test_a_quantity_has_one_colour_and_no_other_quantity_has_it():
    looks = [theme.STRINGS, theme.LETTERS, theme.USED, theme.HELD, *theme.ROLES.values()]
    assert len({look.color for look in looks}) == len(looks) == len(palette.DARK)
    assert {look.color for look in theme.GROUPS} == set(palette.DARK)
    assert set(COLOURS.values()) <= set(palette.DARK)


def test_colours_are_written_in_one_place():
    """Whoever writes one elsewhere writes one of the palette, or of the page's text."""
    known = {color.lower() for color in [*palette.DARK, *palette.DARK.values()]}
    for file in (PACKAGE / "studies").rglob("*.py"):
        assert not re.search(r"#[0-9A-Fa-f]{6}\b", file.read_text()), file
    movie = (PACKAGE / "studies/state/figures/movie.js").read_text()
    marks = re.findall(r'(?:above|below|held): "(#[0-9a-f]{6})"', movie)
    page = re.findall(r"--mark-\w+: (#[0-9a-f]{6})", (PACKAGE / "figures/page.css").read_text())
    assert len(marks) == 6 and len(page) == 9 and {*marks, *page} <= known


def test_a_page_swaps_what_a_figure_writes():
    swaps = palette.on_dark()
    assert swaps[palette.ORANGE] == palette.DARK[palette.ORANGE]
    assert swaps["rgba(221, 117, 26"] == "rgba(232, 75, 15"
    assert palette.faded(palette.ORANGE, 0.5).startswith("rgba(221, 117, 26")
