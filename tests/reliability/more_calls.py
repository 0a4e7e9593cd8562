"""Right calls of the parts that take a model apart, of every task, of planted models and of runs: see `calls`."""

import inspect
import multiprocessing
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Made = tuple[Callable[..., Any], dict[str, Any]]


def made() -> dict[str, Made]:
    """Those calls, by name. Each takes a second at most."""
    return _of_circuits() | _of_attribution() | _of_states() | _of_planted() | _of_every_task() | _of_runs()


def _of_circuits() -> dict[str, Made]:
    import torch

    import interp
    from interp.measure.circuits.decomposition import decompose_score, hash_table
    from interp.measure.circuits.interchange import interchange
    from interp.measure.circuits.ov import decompose_logit, decompose_moved
    from interp.measure.circuits.paths import patch, patch_effects
    from interp.measure.circuits.repair import self_repair
    from interp.measure.circuits.tables import head_tables
    from interp.measure.heads.backwards import backward_heads
    from interp.measure.heads.settings import HeadSettings
    from interp.measure.heads.written_letters import written_letters
    from interp.measure.language.heads import agreement, copy_heads
    from interp.models.heads import HeadTable
    from interp.models.planted import planted_reverser
    from interp.tasks import ReverseCopy
    from interp.tasks.probes.planted_repeats import planted_repeats

    (model, _), task = interp.planted_copier(2, 6), interp.CopyTask(6)
    heads = HeadTable.of(model)
    pair = task.contrast(4, 8, 0)
    tokens, query = pair.clean.tokens, pair.query
    key = pair.clean.source.gather(1, query[:, None])[:, 0]
    token = pair.clean.targets.gather(1, query[:, None])[:, 0]
    asked = {"model": model, "tokens": tokens, "query": query}
    head = heads.parse(["L1H3"])[0]
    probe = planted_repeats(task, torch.tensor([2, 2, 3, 3]), 12, 0, True, 3)
    places = {"places": ["L1H3"], "positions": None}
    letters = {"batch": pair.clean, "vocabulary": task.vocabulary}
    return {
        "decompose_score": (decompose_score, {**asked, "head": head, "key": key}),
        "hash_table": (hash_table, {**asked, "head": head, "key": key, "offsets": 3}),
        "decompose_logit": (decompose_logit, {**asked, "token": token, "instead": None}),
        "decompose_moved": (decompose_moved, {**asked, "token": token, "head": head, "instead": None}),
        "patch": (patch, {"model": model, "tokens": tokens, "donor": pair.corrupted.tokens, **places}),
        "patch_effects": (patch_effects, {"model": model, "pair": pair, "direction": "into clean", **places}),
        "interchange": (
            interchange,
            {"model": model, "strings": pair.clean, "donors": pair.corrupted, "query": query, **places},
        ),
        "self_repair": (self_repair, {"model": model, "heads": heads.parse(["L1H3"]), **letters}),
        "head_tables": (head_tables, {"model": model, "probe": probe, "head": "L1H3", "letters": 2}),
        "letter_circuits": (interp.letter_circuits, {"model": model, "task": task, "head": "L1H3"}),
        "backward_heads": (
            backward_heads,
            {"model": planted_reverser(2, 6)[0], "task": ReverseCopy(6), "length": 8, "seed": 0}
            | {"settings": HeadSettings(longest=2, strings=8)},
        ),
        "written_letters": (
            written_letters,
            {"model": planted_reverser(2, 6)[0], "batch": ReverseCopy(6).sample(4, 8, 0), "head_sets": []}
            | {"kind": "mean", "longest": 2, "seed": 0},
        ),
        "attention_examples": (
            interp.attention_examples,
            {"loaded": "planted:ngram?n=2&alphabet=6", "examples": 3, "strings": 6, "length": 8, "heads": ("L1H3",)}
            | {"head": "L1H3", "scores": None, "seed": 0},
        ),
        "copy_heads": (copy_heads, {"model": model, "batch": pair.clean}),
        "agreement": (agreement, {"one": ("L0H0", "L1H0"), "other": ("L1H0", "L0H1"), "n": 1}),
    }


def _of_attribution() -> dict[str, Made]:
    import numpy as np

    import interp
    from interp.measure.circuits.attribution import edge_effects
    from interp.measure.circuits.copybench import auroc, planted_puzzle
    from interp.measure.circuits.detect import detected_edges
    from interp.measure.circuits.nodes import Graph
    from interp.measure.circuits.smallest import smallest_circuit
    from interp.measure.circuits.sufficiency import circuit_curve, try_circuit
    from interp.measure.heads.settings import HeadSettings

    (model, _), task = interp.planted_copier(1, 26), interp.CopyTask(26)
    batch, n = task.sample(4, 8, 0), len(Graph.of(model).edges)
    asked = {"model": model, "strings": batch, "vocabulary": task.vocabulary, "value": None}
    settings = HeadSettings(longest=2, strings=6)
    return {
        "edge_effects": (edge_effects, {**asked, "method": "eap", "measure": "logit_difference", "steps": 2}),
        "detected_edges": (
            detected_edges,
            {"model": model, "task": task, "batch": batch, "settings": settings, "seed": 0},
        ),
        "smallest_circuit": (smallest_circuit, {**asked, "share": 0.95}),
        "circuit_curve": (
            circuit_curve,
            {**asked, "scores": np.linspace(0, 1, n), "shares": (0.1, 0.5), "draws": 2, "seed": 0},
        ),
        "try_circuit": (try_circuit, {**asked, "edges": ["embed->unembed"], "draws": 2, "seed": 0}),
        "planted_puzzle": (planted_puzzle, {"number": 0}),
        "auroc": (auroc, {"scores": np.linspace(0, 1, 6), "true": np.arange(6) > 3}),
    }


def _of_states() -> dict[str, Made]:
    import torch

    import interp
    from interp.measure.circuits.recurrent_shares import recurrent_shares
    from interp.measure.state.decay import log_decays
    from interp.measure.state.matrices import effective_state_size, state_spectrum
    from interp.measure.state.memories import memory_ablations
    from interp.measure.state.probe_settings import ProbeSettings
    from interp.measure.state.probes import held_bits
    from interp.models import build
    from interp.models.heads import HeadTable

    task, tokens = interp.CopyTask(6), torch.arange(10).reshape(2, 5)
    matrix = build({"kind": "gla", "d_model": 16, "d_vocab": 10, "n_layers": 1})
    hybrid = build(
        {"kind": "hybrid", "d_model": 16, "d_vocab": 10, "layers": ["mamba", "attention"], "attention": {"n_heads": 2}}
    )
    settings = ProbeSettings(train=32, temper=16, test=16)
    held = {"model": matrix, "task": task, "lengths": (2, 3), "generator": 0, "untrained": None, "seed": 0}
    ablated = {"model": hybrid, "task": task, "length": 3, "strings": 4, "generator": 0, "kind": "resample"}
    layer = {"model": matrix, "tokens": tokens, "layer": 0}
    return {
        "recurrent_shares": (
            recurrent_shares,
            {"model": matrix, "tokens": tokens, "head": HeadTable.of(matrix).names[0], "query": torch.tensor([3, 4])},
        ),
        "log_decays": (log_decays, {"model": matrix, "batch": task.sample(2, 3, 0)}),
        "state_spectrum": (state_spectrum, layer),
        "effective_state_size": (effective_state_size, {**layer, "splits": (2, 3), "tolerance": 1e-4}),
        "memory_ablations": (memory_ablations, ablated),
        "held_bits": (held_bits, {**held, "settings": settings}),
    }


def _of_planted() -> dict[str, Made]:
    from interp.models.planted import planted_reverser
    from interp.models.planted.compact import compact_copier
    from interp.models.planted.mamba import planted_mamba
    from interp.models.planted.memory import decay, register, shift
    from interp.models.planted.specs import drawn_circuit, planted_from_spec
    from interp.tasks import task_from_spec

    return {
        "planted_reverser": (planted_reverser, {"n": 2, "alphabet": 6}),
        "compact_copier": (compact_copier, {"n": 2, "alphabet": 6}),
        "planted_mamba": (planted_mamba, {"k": 2, "alphabet": 4, "scale": 64.0, "leak": 0.0}),
        "register": (register, {"k": 2, "alphabet": 4}),
        "shift": (shift, {"k": 2, "alphabet": 4}),
        "decay": (decay, {"k": 2, "alphabet": 4, "keep": 0.9, "seed": 0}),
        "drawn_circuit": (drawn_circuit, {"kind": "windows", "seed": 0}),
        "planted_from_spec": (planted_from_spec, {"spec": "ngram?n=2&alphabet=6"}),
        "task_from_spec": (task_from_spec, {"spec": "copy?alphabet=6", "vocabulary": None}),
    }


def _of_every_task() -> dict[str, Made]:
    import interp
    from interp import tasks

    found: dict[str, Made] = {}
    kinds = ("PrefixCopy", "DuplicateCopy", "Passkey", "PhoneBook", "PlantedCopy", "Recall", "SelectiveCopy")
    for name in kinds:
        kind = getattr(tasks, name)
        defaults = {
            key: given.default
            for key, given in inspect.signature(kind).parameters.items()
            if isinstance(given.default, int | float | str | tuple | None)
        }
        found[name] = kind, defaults
        found[f"{name}.sample"] = kind().sample, {"n": 3, "length": 10, "generator": 0}
        if kind().contrasts:
            found[f"{name}.contrast"] = kind().contrast, {"n": 3, "length": 8, "generator": 0, "place": 0}
    task = interp.CopyTask(6)
    batch = task.sample(3, 5, 0)
    packed = {"task": task, "n": 2, "context": 20, "length": (2, 4), "generator": 0, "isolate": True}
    ideal = {"task": task, "n": 2, "lengths": (4, 6), "generator": 0, "samples": 8}
    return found | {
        "pack": (tasks.pack, packed),
        "ideal_ngram_accuracy": (tasks.ideal_ngram_accuracy, ideal),
        "write_strings": (tasks.write_strings, {"task": task, "batch": batch, "path": "strings.parquet"}),
        "match_lengths": (tasks.match_lengths, {"tokens": batch.tokens, "limit": 3}),
        "score": (tasks.score, {"predicted": batch.targets, "batch": batch}),
        "letter_correct": (tasks.letter_correct, {"predicted": batch.targets, "batch": batch}),
    }


def _of_runs() -> dict[str, Made]:
    import interp
    from interp.training.run_folder import kept_steps, load_run
    from interp.training.run_specs import at_step

    run = str(Path(tempfile.mkdtemp()) / "run")
    training = multiprocessing.get_context("fork").Process(target=_train, args=(run,))
    training.start()  # not here: children are forked from this process, and PyTorch's gradients leave threads behind
    training.join()
    return {
        "load_run": (load_run, {"folder": run, "device": "cpu", "step": None}),
        "kept_steps": (kept_steps, {"folder": run}),
        "at_step": (at_step, {"spec": f"{run}@1"}),
        "learning_curves": (interp.learning_curves, {"folders": [run], "length": None}),
    }


def _train(folder: str) -> None:
    import interp
    from interp.models import build

    model = build({"kind": "transformer", "n_heads": 2, "d_model": 16, "d_vocab": 10, "n_layers": 1})
    config = interp.TrainConfig(steps=2, batch=4, length=4, keep=(1,), evaluate_lengths=(4,), evaluate_strings=4)
    interp.train(model, interp.CopyTask(6), config, folder, progress=False)
