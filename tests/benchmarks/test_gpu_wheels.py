"""What a bare machine lacks is found by walking the requirements, as far as its own packages do not meet them."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

PACKAGES = {
    "torch": ("2.13.0", ["sympy", "nvidia-cudnn; sys_platform == 'linux'"]),
    "sympy": ("1.14", []),
    "lens": ("4.3", ["torch>=2.6", "plots[fast]", "Data_Sets>=2", "old; python_version < '3.12'"]),
    "plots": ("7.1", ["narwhals", "speed; extra == 'fast'", "gpu-speed; extra == 'gpu'"]),
    "narwhals": ("2", ["windows-only; sys_platform == 'win32'"]),
    "speed": ("1", ["lens"]),
    "data-sets": ("5.2", ["sympy>=1.20"]),
}


@pytest.fixture
def wheels(monkeypatch):
    def distribution(name):
        if name not in PACKAGES:
            raise PackageNotFoundError(name)
        version, requires = PACKAGES[name]
        return SimpleNamespace(version=version, requires=requires)

    module = import_module("gpu_wheels")
    monkeypatch.setattr(module, "distribution", distribution)
    return module


def closure(wheels, *roots, have=(), pinned=None, python="3.12"):
    return wheels.closure(map(Requirement, roots), python, dict(have), pinned or {})


def test_everything_that_is_needed_is_found_by_marker_and_extra_even_in_a_circle(wheels):
    found = closure(wheels, "lens", have={"torch": None})
    assert found.versions == {
        "lens": "4.3", "plots": "7.1", "narwhals": "2", "speed": "1", "data-sets": "5.2", "sympy": "1.14",
    }  # fmt: skip
    assert found.wanted_by["data-sets"] == "lens" and found.wanted_by["lens"] == "interp"
    assert found.unknown == [] and found.too_old == []
    assert closure(wheels, "lens", have={"torch": None}, python="3.11").unknown == ["old"]


def test_what_is_there_is_not_looked_into_and_pinned_versions_are_taken(wheels):
    found = closure(wheels, "lens", have={"torch": None, "plots": None, "sympy": None}, pinned={"lens": "4.2"})
    assert found.versions == {"lens": "4.2", "data-sets": "5.2"}


def test_a_version_that_does_not_suit_is_told(wheels):
    found = closure(wheels, "lens", have={"torch": "2.5", "plots": "7.1", "sympy": "1.14"})
    assert found.too_old == [
        "torch 2.5, of which lens wants >=2.6",
        "sympy 1.14, of which data-sets wants >=1.20",
    ]
    assert closure(wheels, "lens", have={"torch": "2.6", "plots": "7", "sympy": "1.20"}).too_old == []


def test_an_extra_that_is_asked_for_later_is_not_forgotten(wheels):
    assert "speed" in closure(wheels, "plots", "plots[fast]", have={"lens": None}).versions
    assert "speed" not in closure(wheels, "plots", have={"lens": None}).versions


def test_pins_are_read_from_what_pip_freeze_writes(wheels, tmp_path):
    frozen = tmp_path / "freeze.txt"
    frozen.write_text("# of a machine\nData_Sets==5.2 # why\ntorch==2.11.0+cu130\n-e git+x#egg=y\nold==1; python<'3'\n")
    assert wheels.pins(frozen) == {"data-sets": "5.2", "torch": "2.11.0+cu130", "old": "1"}
