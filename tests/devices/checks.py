"""What must be the same on every device, as functions of a device that compare it with the CPU.

Strings and first weights are drawn on the CPU, so that numbers compare one by one. Tolerances: sums in single precision
differ with their order in the sixth digit, and this grows over the layers of a model and the steps of a training, but
seldom to the fourth. Where a result is a choice between numbers, models are taken whose numbers lie apart.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

import interp
from interp.experiments.measures import measure
from interp.experiments.plan import Measurement
from interp.measure.heads.settings import HeadSettings
from interp.measure.language.text_state import text_state
from interp.models import build
from interp.models.scan.conv import causal_conv
from interp.models.scan.lstm import lstm_scan
from interp.models.scan.methods import METHODS, using, why_not
from interp.models.scan.selective import selective_scan
from interp.models.scan.ssd import ssd_scan
from interp.studies.study import STUDIES
from interp.tasks.text import Corpus, Writer
from interp.training.presets import PRESETS, preset
from tests.made_words import WORDS, word_tokenizer  # noqa: TID251

Check = Callable[[torch.device], None]
CLOSE = {"atol": 1e-4, "rtol": 1e-4}
TRAINED = {"atol": 1e-3, "rtol": 1e-3}
OWN = ("torch", "chunked", "shifted", "reference")
"""Methods of the project's own that run on any device (the LSTM's fused one is torch's)."""
KERNELS = {"mamba-ssm": 2e-2, "causal-conv1d": 1e-3}
"""Tolerances of others' kernels; Triton multiplies in TF32, with ten bits."""


# ---------------------------------------------------------------------- models and training


def model_is_the_same(kind: str, device: torch.device) -> None:
    """Logits, gradients, every hook, a cached past, and what is generated."""
    config, task, _ = preset(kind)
    found = []
    for where in (torch.device("cpu"), device):
        model = build(config, seed=0).to(where)
        tokens = task.sample(4, 9, torch.Generator().manual_seed(0)).tokens.to(where)
        loss = model(tokens, "loss")
        loss.backward()
        gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        logits, cache = model.run_with_cache(tokens, names_filter=list(model.hook_dict))
        past = model.new_past()
        pieces = torch.cat([model(tokens[:, :5], past=past), model(tokens[:, 5:], past=past)], dim=1)
        generated = model.generate(tokens, 4)
        hooks = {name: value for name, value in cache.items() if not name.endswith("attn_scores")}
        for value in (loss, logits, pieces, generated, *gradients.values(), *cache.values()):
            assert value.device.type == where.type
        found.append((loss, logits, pieces, gradients, hooks, generated))
    same(*found, **CLOSE)


def training_is_the_same(kind: str, device: torch.device, precision: str = "fp32") -> None:
    """Losses, norms of gradients and accuracies of a few steps of a preset's recipe."""
    config, task, recipe = preset(kind)
    few: dict[str, Any] = {"steps": 3, "batch": 8, "evaluate_every": 3, "evaluate_strings": 4, "evaluate_lengths": (5,)}
    recipe = replace(recipe, **few, precision=precision)
    logs = []
    for where in (torch.device("cpu"), device):
        model = build(config, seed=0).to(where)
        log = interp.train(model, task, recipe, progress=False)
        assert next(model.parameters()).device.type == where.type
        logs.append((log.loss, log.letter_accuracy.astype(float)))
    same(*logs, **(TRAINED if precision == "fp32" else {"atol": 5e-2, "rtol": 5e-2}))


# ---------------------------------------------------------------------- studies


def study_is_the_same(name: str, kind: str, device: torch.device, **settings: Any) -> None:
    """Every number of a study's result, of a preset's model that is not trained: its numbers lie apart."""
    study = STUDIES[name]
    with TemporaryDirectory() as folder:
        run, results = untrained(kind, Path(folder) / "run"), []
        for where in ("cpu", str(device)):
            found = study.run(interp.load(run, device=where), replace(study.Settings.tiny(), **settings), seed=0)
            results.append(found.save(Path(folder) / where.replace(":", "-")))
        ours, theirs = map(numbers, results)
    assert ours.keys() == theirs.keys()
    for key in ours:
        np.testing.assert_allclose(theirs[key], ours[key], **TRAINED, err_msg=f"{name} of {kind}: {key}")


def roles_are_the_same(device: torch.device) -> None:
    """What is found of a planted model; its numbers are not compared, for without a head it has ties, which rounding
    breaks."""
    found, few = (
        [],
        replace(STUDIES["heads"].Settings.tiny(), lengths=(8, 12), heads=FEW),
    )
    for where in ("cpu", device):
        study = STUDIES["heads"].run(interp.load("planted:ngram?n=2&alphabet=8", device=where), few)
        roles = [(head.name, head.role, head.n, head.flagged) for head in study.scores.heads]
        found.append((roles, study.verdict.answer, study.effective_n))
    assert found[0] == found[1]
    assert {role for _, role, _, _ in found[0][0]} >= {"lookup", "gather"}


def writing_backwards_is_the_same(device: torch.device) -> None:
    """What is found of a planted model that writes backwards, and every letter that it writes as it is."""
    study, found = STUDIES["backwards"], []
    for where in ("cpu", device):
        of = study.run(interp.load("planted:reverse?n=2&alphabet=8", device=where), study.Settings.tiny())
        heads = [(head.name, head.offset, head.matches) for head in of.flagged]
        found.append((heads, of.verdict.answer, of.written.right[0].tolist()))
    assert found[0] == found[1] and len(found[0][0]) == 1


def claims_are_counted_the_same(device: torch.device) -> None:
    """What is counted of planted models, on which two of the paper's claims rest."""
    asked = {"register?k=2&alphabet=3": Measurement("every_string", lengths=(2, 3))}
    asked["compact?n=2&alphabet=4"] = Measurement("against_repeats", lengths=(8,), strings=40)
    for spec, what in asked.items():
        ours, theirs = (measure(interp.load(f"planted:{spec}", device=where), what) for where in ("cpu", device))
        assert ours == theirs and max(ours.get("right", ours.get("wrong", ()))) > 0


def untrained(kind: str, folder: Path) -> Path:
    """A run folder of a preset's model after a step that changes nothing to speak of."""
    config, task, recipe = preset(kind)
    few: dict[str, Any] = {"steps": 1, "batch": 2, "learning_rate": 1e-12, "evaluate_every": 1, "evaluate_strings": 1}
    if not folder.exists():
        interp.train(build(config, seed=0), task, replace(recipe, **few, length=(2, 8)), folder, progress=False)
    return folder


def numbers(folder: Path) -> dict[str, np.ndarray]:
    """Every number that a result keeps, by its place; words and what tells of the machine are left out."""
    found = {}

    def collect(value: Any, place: str) -> None:
        if isinstance(value, dict):
            for key in value.keys() - {"provenance", "verdict", "model", "training"}:
                collect(value[key], f"{place}.{key}")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                collect(item, f"{place}.{index}")
        elif isinstance(value, int | float):
            found[place] = np.array(value, dtype=float)

    collect(json.loads((folder / "results.json").read_text()), "")
    with np.load(folder / "arrays.npz") as arrays:
        found |= {name: array.astype(float) for name, array in arrays.items() if array.dtype.kind in "biuf"}
    return {name: value for name, value in found.items() if "training" not in name}


def texts_are_the_same(device: torch.device) -> None:
    """What the state of a planted memory keeps of texts: bits, how far back, shape, and whose text it brings."""
    drawn = torch.randint(26, (400,), generator=torch.Generator().manual_seed(0)).tolist()
    writer, corpus, found = Writer(word_tokenizer(), begin=26), Corpus(" ".join(WORDS[i] for i in drawn)), []
    for where in ("cpu", device):
        model = interp.load("planted:shift?k=4", device=where).model
        state = text_state(model, writer, corpus, (3, 5), 4)
        bits, far, shape, swaps = state.bits, state.remembrance, state.geometry, state.transplants
        values = [bits.prior, bits.used, bits.other, far.effect, far.elsewhere, shape.norm, swaps.donor, swaps.host]
        found.append([torch.from_numpy(np.nan_to_num(x)) for x in values])
    same(*found, **TRAINED)


# ---------------------------------------------------------------------- scans


def scans_are_the_same(scan: str, method: str, device: torch.device) -> None:
    """Outputs, final states and gradients of a method, beside the reference in double precision on the CPU."""
    if reason := why_not(scan, method, device):
        raise Impossible(reason)
    for length in (1, 7, 100):
        inputs = {name: x.double().requires_grad_() for name, x in SCANS[scan][1](length).items()}
        with using("reference"):
            wanted = outputs_and_gradients(scan, inputs)
        inputs = {name: x.detach().float().to(device).requires_grad_() for name, x in inputs.items()}
        with using(method):
            got = outputs_and_gradients(scan, inputs)
        assert {x.device.type for x in got} == {device.type}
        tolerance = KERNELS.get(method, 2e-4)
        same([x.float() for x in wanted], got, atol=tolerance, rtol=tolerance)


def outputs_and_gradients(scan: str, inputs: dict[str, Tensor]) -> list[Tensor]:
    y, final = SCANS[scan][0](**inputs)
    parts = final if isinstance(final, tuple) else (final,)
    loss = sum((part.square().mean() for part in parts), y.square().mean())
    return [y, *parts, *torch.autograd.grad(loss, list(inputs.values()))]


def normal(*shape: int) -> Tensor:
    """Numbers that depend on the shape alone."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def selective_inputs(length: int) -> dict[str, Tensor]:
    delta, A = normal(2, length, 8).exp() / 10, -normal(8, 5).exp()
    B, C = normal(2, length, 5), normal(2, length, 5).flip(0)
    return {"u": normal(2, length, 8), "delta": delta, "A": A, "B": B, "C": C, "D": normal(8)}


def ssd_inputs(length: int) -> dict[str, Tensor]:
    delta, A = normal(2, length, 4).exp() / 100, -normal(4).exp()
    B, C = normal(2, length, 2, 16), normal(2, length, 2, 16).flip(0)
    return {"x": normal(2, length, 4, 16), "delta": delta, "A": A, "B": B, "C": C, "D": normal(4)}


def conv_inputs(length: int) -> dict[str, Tensor]:
    return {"x": normal(2, length, 8), "weight": normal(8, 4), "bias": normal(8)}


def lstm_inputs(length: int) -> dict[str, Tensor]:
    return {"x": normal(2, length, 6), "W_x": normal(6, 32) / 3, "W_h": normal(8, 32) / 3, "b": normal(32)}


SCANS: dict[str, tuple[Callable[..., Any], Callable[[int], dict[str, Tensor]]]] = {
    "selective_scan": (selective_scan, selective_inputs),
    "ssd_scan": (ssd_scan, ssd_inputs),
    "causal_conv": (causal_conv, conv_inputs),
    "lstm_scan": (lstm_scan, lstm_inputs),
}


# ---------------------------------------------------------------------- all of them


class Impossible(Exception):
    """What is to be checked is not to be had on this device; says why."""


def same(ours: Any, theirs: Any, **tolerance: float) -> None:
    """Numbers of one device beside those of another."""
    torch.testing.assert_close(theirs, ours, check_device=False, **tolerance)


FEW = HeadSettings(longest=4, strings=8)
STUDIED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("heads", "hybrid", {"lengths": (4, 8), "heads": FEW, "n_strings": 8, "ablation_strings": 8}),
    ("hybrid", "hybrid", {"length": 4}),
    ("ablate", "hard-alibi", {"heads": ("L0H1", "L1H3")}),
    ("view", "hard-alibi", {"ablate": ("L0H1", "L1H3")}),
    ("view", "mamba", {}),
    ("state", "mamba2", {}),
    ("state", "lstm", {"lengths": (1, 2, 3)}),
)
CHECKS: dict[str, Check] = {
    **{f"model {kind}": partial(model_is_the_same, kind) for kind in PRESETS},
    **{f"training {kind}": partial(training_is_the_same, kind) for kind in PRESETS},
    "training hard-alibi in bf16": partial(training_is_the_same, "hard-alibi", precision="bf16"),
    **{f"study {name} of {kind}": partial(study_is_the_same, name, kind, **how) for name, kind, how in STUDIED},
    "study heads of a planted model": roles_are_the_same,
    "study backwards of a planted model": writing_backwards_is_the_same,
    "texts": texts_are_the_same,
    "claims": claims_are_counted_the_same,
    **{f"scan {scan} by {way}": partial(scans_are_the_same, scan, way) for scan in SCANS for way in METHODS[scan]},
}


def check(name: str, device: torch.device) -> None:
    """Run one of `CHECKS`. Raises: Impossible, or whatever it finds."""
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = False  # off by default for products, on for convolutions and recurrences
    with using(*(() if name.startswith("scan") else OWN)):
        CHECKS[name](device)
