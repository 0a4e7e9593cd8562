"""Numbers that no measurement has are refused before any work, under the name that the user gave them."""

import re
from dataclasses import dataclass, field, fields
from typing import ClassVar

import pytest

from interp.base.bounds import Bounds, check_bounds
from interp.base.errors import UserError
from interp.cli.commands import command, names
from interp.cli.parsing import parse
from interp.experiments.state_growth.settings import GrowthSettings
from interp.measure.heads.settings import HeadSettings
from interp.measure.state.probe_settings import ProbeSettings
from interp.studies.ablation.settings import AblationSettings
from interp.studies.attention.settings import AttentionSettings
from interp.studies.heads.settings import HeadStudySettings
from interp.studies.state.settings import SaturationSettings

ALL = (
    *(HeadSettings, HeadStudySettings, AblationSettings, AttentionSettings),
    *(ProbeSettings, SaturationSettings, GrowthSettings),
)
GIANT = 10**8


@dataclass(frozen=True)
class Inner:
    BOUNDS: ClassVar[Bounds] = {"share": (0.0, 1.0)}
    share: float = 0.5


@dataclass(frozen=True)
class Outer:
    BOUNDS: ClassVar[Bounds] = {"lengths": (1, 2000), "most": (1, 9)}
    lengths: tuple[int, ...] = (1, 2)
    most: int | None = None
    inner: Inner = field(default_factory=Inner)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Outer(lengths=(3, 0)), "lengths must be an integer from 1 to 2,000; got 0."),
        (Outer(most=10), "most must be an integer from 1 to 9; got 10."),
        (Outer(inner=Inner(float("nan"))), "inner.share must be a number from 0.0 to 1.0; got nan."),
        (Outer(inner=Inner(-0.1)), "inner.share must be a number from 0.0 to 1.0; got -0.1."),
    ],
)
def test_a_number_out_of_its_bounds_is_named_with_them(settings, said):
    with pytest.raises(UserError) as error:
        check_bounds(settings)
    assert str(error.value) == said
    check_bounds(Outer())


@pytest.mark.parametrize("cls", ALL)
def test_every_number_of_every_settings_class_has_bounds_that_its_defaults_and_a_quick_look_keep(cls):
    numbers = {each.name for each in fields(cls) if re.search(r"\b(int|float)\b", str(each.type))}
    assert numbers == set(cls.BOUNDS)
    check_bounds(cls())
    if hasattr(cls, "tiny"):
        check_bounds(cls.tiny())


@pytest.mark.parametrize("name", [name for name in names() if name not in ("train", "presets")])
def test_every_count_and_length_of_a_command_is_refused_at_once_if_it_is_negative_nothing_or_giant(name):
    options, _ = command(name).options()
    flags = flags_of(options())
    assert len(flags) >= 2
    for flag, (least, most) in flags.items():
        for wrong in {-1, 0, GIANT, 10**12}:
            if least <= wrong <= most:
                continue
            with pytest.raises(UserError, match=rf"^{flag} must be an integer"):
                parse(options, [flag, str(wrong), *["2"] * (flag == "--values")])


def flags_of(settings: object, within: str = "--") -> dict[str, tuple[float, float]]:
    """Option -> the bounds of every integer that a command line can give."""
    found = {}
    for each in fields(settings):
        value, path = getattr(settings, each.name), f"{within}{each.name.replace('_', '-')}"
        if hasattr(value, "__dataclass_fields__"):
            found |= flags_of(value, within if each.name == "settings" else f"{path}.")
        elif each.name in getattr(settings, "BOUNDS", {}) and re.search(r"\bint\b", str(each.type)):
            found[path] = settings.BOUNDS[each.name]
    return found
