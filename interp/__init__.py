"""How does a sequence model copy? Train copiers, find the heads that hash n-grams, see what fits in a state.

The package, in the order in which data passes through it; each line imports only from lines above it:

    base         what everything stands on: refusals, whole files, names of axes, intervals, seeds, provenance
    results      what was found, kept without a model: of heads, ablations, training, states, attention, circuits
    tasks        what a model is asked: copying, lookup, recall, text; probes (planted repeats); its score
    models       what is asked: hooked transformers, recurrent families, hybrids; planted and pretrained ones
    training     how a model learns        } none of the three knows another
    measure      how a model is opened     }
    figures      what a person sees        }
    loading      from a model specification (a run folder, a preset, planted:..., hf:...) to a model
    studies      everything that is asked of one model: a folder a question, with the same rooms in each
    experiments  what is asked of many models: families of them, each with its own folder
    cli          the command `interp`, also as `python -m interp`; analyses/ has a script for each of its subcommands

`import interp` imports none of it: these packages, and the names listed in `__init__.pyi`, come at first use.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import lazy_loader

__version__ = "0.2.0.dev0"

_attribute, _names, __all__ = lazy_loader.attach_stub(__name__, __file__)  # pyright: ignore[reportUnsupportedDunderAll]

MOVED = {
    "interp.errors": "interp.base.errors",
    "interp.measure.controls": "interp.measure.ablation.controls",
    "interp.measure.interventions": "interp.measure.ablation.interventions",
    "interp.measure.runs": "interp.measure.ablation.runs",
    "interp.measure.sweep": "interp.measure.ablation.sweep",
}
"""Modules that have moved: programs still find them under the names that they had."""


PACKAGES = ("experiments", "figures", "loading", "measure", "models", "results", "studies", "tasks", "training")
"""Packages that are imported when they are named: `interp.figures.training(log)` needs no import of its own."""


def __getattr__(name: str) -> Any:
    if name in PACKAGES or f"{__name__}.{name}" in MOVED:
        return import_module(f"{__name__}.{name}")
    if name in __all__:
        return _attribute(name)
    raise AttributeError(f"module 'interp' has no attribute {name!r}{_nearest(name)}", name=name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_names()})


def _nearest(name: str) -> str:
    """The names that `name` may be a slip of, as the end of a sentence; dunders are asked for by machines."""
    from difflib import get_close_matches

    near = [] if name.startswith("__") else get_close_matches(name, __all__)
    return f"; the nearest known: {', '.join(near)}." if near else ""


class _Moved:
    """Finds modules by their former names: one module with two names, so that its classes are the same."""

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in MOVED else None  # pyright: ignore[reportArgumentType]

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python to make one, which is never seen."""

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = import_module(MOVED[module.__name__])


sys.meta_path.append(_Moved())  # last: it is asked about what is nowhere else  # pyright: ignore[reportArgumentType]
