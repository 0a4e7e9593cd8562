"""Every public call shows an example, and every example does what it shows."""

import doctest
import importlib
import inspect
import sys

import numpy as np
import pytest
import torch

import interp
from interp.tasks import registry

PACKAGES = ("interp", "interp.tasks", "interp.figures", "interp.models", "interp.models.planted", "interp.models.scan")
"""Packages whose `__all__` is what a user calls."""


def public():
    """Each public function and class once, by the name under which it is imported."""
    found = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in getattr(module, "__all__", ()):
            call = getattr(module, name)
            if inspect.isclass(call) or inspect.isroutine(call):
                found.setdefault(id(call), (f"{package}.{name}", call))
    return list(found.values())


CALLS = public()


def examples(call, **names):
    """The examples of a docstring, run among the names of its module, `interp`, `torch` and `np`."""
    around = {**vars(sys.modules[call.__module__]), "interp": interp, "torch": torch, "np": np, **names}
    return doctest.DocTestParser().get_doctest(inspect.getdoc(call) or "", around, call.__qualname__, None, 0)


def test_there_are_public_calls():
    assert len(CALLS) > 60


@pytest.mark.parametrize(("name", "call"), CALLS, ids=[name for name, _ in CALLS])
def test_every_public_call_has_an_example_that_does_what_it_shows(name, call, studies, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "KINDS", {**registry.KINDS})  # an example registers a task
    run = examples(call, study=studies.hard_alibi())
    assert run.examples, f"{name} must have an example in its docstring; got none."
    said = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(run, out=said.append)
    assert not said, "".join(said)


def test_a_wrong_example_would_be_noticed():
    def wrong():
        """>>> 1 + 1
        3
        """

    said = []
    doctest.DocTestRunner().run(examples(wrong), out=said.append)
    assert "Got:" in "".join(said)
