"""Calls from Python made at random: one that is right, with one or two of its arguments replaced by what breaks it.

A call ends in a value or in a refusal of the package. Of a number, a text or a choice that has another type than its
annotation says, only a refusal will do.
"""

import functools
import inspect
import math
import random
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

Made = tuple[Callable[..., Any], dict[str, Any]]
"""A function, and arguments by name that it takes."""


class Odd:
    """An object of no use."""

    def __repr__(self) -> str:
        return "Odd()"


def hostile() -> dict[str, Any]:
    """Values that break programs, by name."""
    import numpy as np
    import torch

    plain: list[Any] = [
        *(None, True, False, 0, 1, 2, -1, 10**9, 2**31, 2**63 - 1, 2**63, -(2**70), 10**400),
        *(0.0, 0.5, -0.5, 1e308, 5e-324, math.nan, math.inf, -math.inf, 1 + 2j),
        *("", "x", "3", "nan", "cuda", "cuda:9", "nonsense", "L9H9", "x" * 5000, "\udcff", "\0", b"3", "zero", "edges"),
        *([], [1], ["x"], [0], [-1], [None], [math.nan], [[1, 2]], (), (3, 4), (4, 3), (0, 0), (3, 4, 5), (2.5, 3)),
        *({}, {"a": 1}, {1}, Odd(), int, print, range(3), Path("nowhere"), Path("x" * 300), slice(None)),
    ]
    arrays = {
        "np.int64(3)": np.int64(3),
        "np.int64(-1)": np.int64(-1),
        "np.float32(2)": np.float32(2),
        "np.bool_(True)": np.bool_(True),
        "np.array([1, 2])": np.array([1, 2]),
        "np.array(['x'])": np.array(["x"]),
        "np.zeros((0, 3))": np.zeros((0, 3)),
        "np.object": np.array([None, Odd()], dtype=object),
        "torch.tensor(3)": torch.tensor(3),
        "torch.tensor(nan)": torch.tensor(math.nan),
        "float [2 3]": torch.zeros(2, 3),
        "nan [2 3]": torch.full((2, 3), math.nan),
        "bool [2 3]": torch.zeros(2, 3, dtype=torch.bool),
        "complex [2 3]": torch.zeros(2, 3, dtype=torch.complex64),
        "none [0 3]": torch.zeros(0, 3, dtype=torch.long),
        "none [3 0]": torch.zeros(3, 0, dtype=torch.long),
        "one axis [3]": torch.zeros(3, dtype=torch.long),
        "no axis []": torch.zeros((), dtype=torch.long),
        "three axes [1 2 3]": torch.zeros(1, 2, 3, dtype=torch.long),
        "negative [2 3]": torch.full((2, 3), -1),
        "past the vocabulary [2 3]": torch.full((2, 3), 10**6),
        "int8 [2 3]": torch.zeros(2, 3, dtype=torch.int8),
        "sparse [2 3]": torch.zeros(2, 3, dtype=torch.long).to_sparse(),
        "meta [2 3]": torch.zeros(2, 3, dtype=torch.long, device="meta"),
        "torch.device(meta)": torch.device("meta"),
        "torch.Generator": torch.Generator(),
        "np.random.Generator": np.random.default_rng(0),
        "nn.Linear": torch.nn.Linear(3, 3),
    }
    return {repr(value)[:60]: value for value in plain} | arrays


def models() -> dict[str, Any]:
    """A small model of every kind."""
    from interp.models import build

    configs: list[dict[str, Any]] = [
        {"kind": "transformer", "n_heads": 2},
        {"kind": "transformer", "n_heads": 2, "position": "learned", "n_ctx": 16, "d_mlp": 8},
        {"kind": "mamba"},
        {"kind": "mamba2", "d_head": 8},
        {"kind": "lstm"},
        {"kind": "hybrid", "layers": ["mamba", "attention"], "attention": {"n_heads": 2}},
    ]
    return {f"{index} {config['kind']}": build({"d_model": 16, **config}) for index, config in enumerate(configs)}


@functools.cache
def right_calls() -> dict[str, Made]:
    """Calls that are right, by name. Each takes a second at most."""
    from tests.reliability import more_calls

    found: dict[str, Made] = more_calls.made()
    for part in (_of_models, _of_configs, _of_tasks, _of_trainings, _of_measures, _of_studies, _of_foundations):
        found |= part()
    return found


def _of_models() -> dict[str, Made]:
    import torch

    def halved(activation: Any, hook: Any) -> Any:  # noqa: ARG001
        return activation / 2

    tokens, found = torch.arange(10).reshape(2, 5), {}
    for name, model in models().items():
        found[f"{name}: forward"] = model.forward, {"tokens": tokens}
        found[f"{name}: call"] = _called(model), {"tokens": tokens}
        found[f"{name}: run_with_cache"] = (
            _called(model.run_with_cache),
            {"tokens": tokens, "names_filter": "hook_embed"},
        )
        hooks = {"tokens": tokens, "fwd_hooks": [("blocks.0.hook_resid_pre", halved)]}
        found[f"{name}: run_with_hooks"] = _called(model.run_with_hooks), hooks
        drawn = {"tokens": tokens, "max_new_tokens": 2, "stop_at": 3, "temperature": 0.5, "generator": 0}
        found[f"{name}: generate"] = model.generate, drawn
        found[f"{name}: save_pretrained"] = model.save_pretrained, {"folder": "model"}
    return found


def _called(function: Any) -> Callable[..., Any]:
    """The function with its tokens first and without a name."""

    def call(tokens: Any, **named: Any) -> Any:
        return function(tokens, **named)

    return call


def _of_configs() -> dict[str, Made]:
    import interp
    from interp.loading import load
    from interp.measure.heads.settings import HeadSettings
    from interp.measure.state.probe_settings import ProbeSettings
    from interp.models import build, classes
    from interp.models.recurrent.family import kinds
    from interp.studies.ablation.settings import AblationSettings
    from interp.studies.attention.settings import AttentionSettings
    from interp.studies.heads.settings import HeadStudySettings
    from interp.studies.state.settings import SaturationSettings

    found: dict[str, Made] = {
        "TrainConfig": (interp.TrainConfig, _defaults(interp.TrainConfig)),
        "load planted": (load, {"spec": "planted:ngram?n=2&alphabet=6", "task": "copy", "device": "cpu", "seed": 0}),
        "build": (lambda config, seed: build(config, seed), {"config": {"kind": "lstm", "d_model": 8}, "seed": 0}),
        "planted_copier": (interp.planted_copier, _defaults(interp.planted_copier) | {"n": 2, "alphabet": 6}),
        "presets": (interp.presets, {"seed": 0}),
    }
    for kind in ("transformer", "hybrid", *kinds()):
        _, config = classes(kind)
        layers = {"layers": ("mamba", "attention")} if kind == "hybrid" else {"n_layers": 1}
        found[f"config {kind}"] = partial(_built, kind), _defaults(config) | {"d_model": 16, **layers}
    for settings in (HeadSettings, ProbeSettings, AblationSettings, AttentionSettings, HeadStudySettings):
        found[settings.__name__] = settings, _defaults(settings)
    found["SaturationSettings"] = SaturationSettings, _defaults(SaturationSettings)
    return found


def _built(kind: str, **fields: Any) -> Any:
    from interp.models import build

    return build({"kind": kind, **fields})


def _defaults(function: Any) -> dict[str, Any]:
    """The arguments of a function that have defaults, at those."""
    given = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if (
            parameter.default is not parameter.empty
            and parameter.default.__class__.__name__ != "_HAS_DEFAULT_FACTORY_CLASS"
        ):
            given[name] = parameter.default
    return given


def _of_tasks() -> dict[str, Made]:
    import torch

    import interp
    from interp.tasks.reverse import ReverseCopy
    from interp.tasks.unique import UniqueCopy
    from interp.tasks.vocabulary import Vocabulary

    found: dict[str, Made] = {
        "Vocabulary": (Vocabulary, {"n_letters": 6, "bos": 6, "separator": 7, "eos": 8, "pad": 9}),
        "Vocabulary.of_letters": (Vocabulary.of_letters, {"n_letters": 6}),
        "Vocabulary.encode": (Vocabulary().encode, {"text": "$ab|ab."}),
        "Vocabulary.decode": (Vocabulary().decode, {"tokens": torch.arange(5)}),
        "Vocabulary.ids": (Vocabulary().ids, {"letters": torch.arange(5)}),
        "CopyTask": (interp.CopyTask, {"alphabet": 6}),
        "NgramLookup": (interp.NgramLookup, {"n": 2, "answer": 1, "key": "suffix", "alphabet": 6, "ambiguous": False}),
        "CopyTask.layout": (interp.CopyTask().layout, {"letters": torch.arange(6).reshape(2, 3), "lengths": None}),
    }
    for task in (interp.CopyTask(), interp.NgramLookup(n=2), UniqueCopy(), ReverseCopy()):
        name = type(task).__name__
        found[f"{name}.sample"] = task.sample, {"n": 3, "length": (5, 6), "generator": 0}
        found[f"{name}.decode"] = task.decode, {"tokens": torch.arange(6).reshape(2, 3)}
        if task.contrasts:
            found[f"{name}.contrast"] = task.contrast, {"n": 3, "length": 8, "generator": 0, "place": 0}
    return found


def _of_trainings() -> dict[str, Made]:
    import interp
    from interp.models import build

    model, task = build({"kind": "transformer", "n_heads": 2, "d_model": 16, "d_vocab": 10}), interp.CopyTask(6)
    config = interp.TrainConfig(steps=2, batch=4, length=4, evaluate_lengths=(4,), evaluate_strings=4)
    trained = {"model": model, "task": task, "config": config, "folder": "run", "resume": False, "progress": False}
    asked = {"model": model, "task": task, "lengths": (3, 4), "strings": 4, "generator": 0, "free_running": True}
    more = {"trained": (3, 4), "ideal": (1, 2), "free_up_to": 3}
    return {
        "train": (interp.train, {**trained, "trackers": ()}),
        "accuracy_by_length": (interp.accuracy_by_length, asked | more),
    }


def _of_measures() -> dict[str, Made]:
    import interp
    from interp.measure.ablation.ablate import ablate
    from interp.measure.ablation.sets import HeadSet
    from interp.measure.heads.effective_n import behavioural_n, causal_n
    from interp.measure.heads.settings import HeadSettings
    from interp.measure.state.bits import used_bits
    from interp.measure.state.geometry import geometry
    from interp.measure.state.size import effective_size, state_size
    from interp.measure.state.transplant import transplants
    from interp.models import build
    from interp.models.heads import HeadTable

    copier, _ = interp.planted_copier(2, 6)
    memory, task = build({"kind": "lstm", "d_model": 16, "d_vocab": 10}), interp.CopyTask(6)
    heads = HeadTable.of(copier)
    scored = {"model": copier, "task": task, "length": (12, 14), "generator": 0, "seed": 0}
    curve = {"model": copier, "task": task, "length": 20, "longest": 3, "strings": 4, "generator": 0}
    held = {"model": memory, "task": task, "lengths": (2, 4), "strings": 8, "generator": 0}
    sets = (HeadSet("one", "single", heads.parse(["L1H0"])),)
    taken = {"batch": task.sample(6, 14, 0), "vocabulary": task.vocabulary, "model": copier, "head_sets": sets}
    return {
        "score_heads": (interp.score_heads, {**scored, "settings": HeadSettings(longest=3, strings=8), "null": None}),
        "behavioural_n": (behavioural_n, curve),
        "causal_n": (causal_n, curve),
        "used_bits": (used_bits, {**held, "seed": 0}),
        "geometry": (geometry, held),
        "state_size": (state_size, {"model": memory, "lengths": (2, 4)}),
        "effective_size": (effective_size, {**held, "bits": (1, 2), "directions": (1, 2), "calibration": 16}),
        "transplants": (
            transplants,
            {"model": memory, "task": task, "length": 4, "strings": 8, "generator": 0}
            | {"directions": (2,), "calibration": 16},
        ),
        "ablate": (ablate, {**taken, "kind": "mean", "with_role": (), "seed": 0, "draws": 3}),
        "HeadTable.parse": (heads.parse, {"heads": ["L1H0"]}),
        "HeadTable.of": (HeadTable.of, {"model": copier}),
    }


def _of_studies() -> dict[str, Made]:
    import interp
    from interp.loading import load
    from interp.measure.heads.settings import HeadSettings
    from interp.studies.heads.settings import HeadStudySettings
    from interp.studies.state.settings import SaturationSettings

    loaded = load("planted:ngram?n=2&alphabet=6")
    settings = HeadStudySettings(
        lengths=(10, 12), accuracy_strings=4, heads=HeadSettings(longest=3, strings=8), n_strings=4, ablation_strings=6
    )
    return {
        "hash_head_study": (interp.hash_head_study, {"loaded": loaded, "seed": 0, "settings": settings}),
        "saturation_study": (
            interp.saturation_study,
            {"loaded": "planted:register?k=2&alphabet=4", "seed": 0, "settings": SaturationSettings.tiny()},
        ),
        "ablation_study": (interp.ablation_study, {"model": loaded, "kind": "mean", "seed": 0}),
        "view_attention": (
            interp.view_attention,
            {"loaded": loaded, "prompt": "abcabc", "length": None, "heads": ("L1H0",), "ablate": ("L1H0",)}
            | {"kind": "mean", "seed": 0},
        ),
    }


def _of_foundations() -> dict[str, Made]:
    import numpy as np

    from interp.base import estimates, seeds, stats

    values = np.linspace(0, 1, 12)
    return {
        "as_generator": (seeds.as_generator, {"seed": 0}),
        "spawn": (lambda seed, key: seeds.spawn(seed, key), {"seed": 0, "key": "a"}),
        "mean_intervals": (estimates.mean_intervals, {"values": values}),
        "proportion_interval": (estimates.proportion_interval, {"successes": 3, "trials": 9}),
        "benjamini_hochberg": (stats.benjamini_hochberg, {"p": values}),
        "empirical_p": (stats.empirical_p, {"statistic": 0.5, "null": values}),
    }


# ---------------------------------------------------------------------- one call


def call(number: int, seed: int = 0) -> tuple[str, bool, str]:
    """Make the call of a number, in a child.

    Returns: what was called, with which odd arguments; whether it had to be refused; and what it returned.
    """
    draw = random.Random(f"call {seed} {number}")
    calls, odd = right_calls(), hostile()
    name = sorted(calls)[number % len(calls)] if draw.random() < 0.5 else draw.choice(sorted(calls))
    function, arguments = calls[name]
    arguments = dict(arguments)
    chosen = draw.sample(sorted(arguments), min(len(arguments), draw.choice((1, 1, 1, 2))))
    hints = _hints(function)
    given = {key: _choice(hints.get(key, Any), odd, draw) for key in chosen}
    said, told = f"{name} {given}", False
    ours = (
        ": " not in name and getattr(function, "__name__", "") != "<lambda>"
    )  # torch calls models, and Python refuses
    if draw.random() < 0.03 and ours:
        arguments["lenght"] = 3
        said, told = f"{said} lenght", True
    wrong = [key for key, value in given.items() if not fits(odd[value], hints.get(key, Any))]
    print(f"{said}{' MUST BE REFUSED' if told or wrong else ''}", flush=True)
    returned = function(**arguments | {key: odd[value] for key, value in given.items()})
    return said, bool(told or wrong), repr(returned)[:200]


def _choice(hint: Any, odd: dict[str, Any], draw: random.Random) -> str:
    """The name of an odd value, more often than not one of a type that the annotation allows."""
    close = [name for name in sorted(odd) if fits(odd[name], hint) and not callable(odd[name])]
    return draw.choice(close if close and draw.random() < 0.7 else sorted(odd))


def right(name: str) -> str:
    """Make a call as it is right."""
    function, arguments = right_calls()[name]
    return repr(function(**arguments))[:99]


def _hints(function: Any) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(function.__init__ if isinstance(function, type) else function)
    except (TypeError, NameError):
        return {}


def fits(value: Any, hint: Any) -> bool:
    """Whether a value has a type that an annotation of plain types allows; True where there is no telling."""
    import numpy as np

    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(fits(value, arm) for arm in typing.get_args(hint))
    if typing.get_origin(hint) is typing.Literal:
        return any(type(value) is type(word) and value == word for word in typing.get_args(hint))
    if hint is type(None):
        return value is None
    if hint is bool:
        return isinstance(value, bool | np.bool_)
    if hint is int:
        return isinstance(value, int | np.integer) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if hint in (str, Path):
        return isinstance(value, hint)
    if typing.get_origin(hint) in (tuple, Sequence):
        return not isinstance(value, int | float | complex | type(None) | bool) and not callable(value)
    return True
