"""How does a sequence model copy? Train copiers, find the heads that hash n-grams, see what fits in a state.

The package, in the order in which data passes through it; each line imports only from lines above it:

    base         what everything stands on: refusals, whole files, names of axes, intervals, seeds, provenance
    results      what was found, kept without a model: of heads, ablations, accuracy, training, states, attention
    tasks        what a model is asked: copying, n-gram lookup; probes (planted repeats); its score
    models       what is asked: hooked transformers, recurrent families, hybrids; planted and pretrained ones
    training     how a model learns        } none of the three knows another
    measure      how a model is opened     }
    figures      what a person sees        }
    loading      from a model specification (a run folder, a preset, planted:..., hf:...) to a model
    studies      everything that is asked of one model: a folder a question, with the same rooms in each
    experiments  what is asked of many models: families of them, each with its own folder
    cli          the command `interp`, also as `python -m interp`; analyses/ has a script for each of its subcommands

`import interp` imports none of it: the names listed in `__init__.pyi` come from their modules at first use.
"""

from typing import Any

import lazy_loader

__version__ = "0.2.0.dev0"

_attribute, _names, __all__ = lazy_loader.attach_stub(__name__, __file__)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
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
