"""Fabricated studies that look like real ones: the figures and the page need no model to be tested."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import plotly.graph_objects as go
import pytest

from interp.base.interval import Interval
from interp.results.ablation import AblationResult, Control
from interp.results.accuracy import LengthAccuracy, StepCurve
from interp.results.attention import AttentionView, HeadCost, Variant, ViewedHead
from interp.results.heads import HeadScore, HeadScores
from interp.results.training import TrainLog
from interp.studies.heads.result import EffectiveN, HashHeadStudy
from interp.studies.study import Evidence, Verdict

N = 4
LOOKUPS = ("L1H4", "L1H5", "L1H6", "L1H7")
GATHERS = ("L0H0", "L0H1", "L0H2", "L0H3")
LOOKED_UP = "L1H4, L1H5, L1H6 and L1H7 look up the last 4 letters."
HOSTILE = (
    "<script>document.documentElement.dataset.broken=1</script></script><b>bold</b>"
    "<img src=x onerror='document.documentElement.dataset.broken=1'> <a href='//elsewhere'>link</a> "
    '"quoted" & \' {{ 7 * 7 }} \u2028 $x$ %{hostile}'
)
MARKUP = ("<script", "<b>bold", "<img", "<a href", "$x$", "%{hostile}")
"""What of it plotly would take for more than text."""


def ends(low: float, high: float) -> Interval:
    return Interval(low, high, "Korn-Graubard")


@pytest.fixture(scope="session")
def studies() -> SimpleNamespace:
    """The studies, each made anew by a call, and what they were made of."""
    made = {"hard_alibi": hard_alibi, "no_lookup": no_lookup, "hostile": hostile}
    return SimpleNamespace(**made, HOSTILE=HOSTILE, LOOKUPS=LOOKUPS, N=N, markup_in=markup_in)


def markup_in(figure: go.Figure) -> set[str]:
    """The pieces of the hostile text that a figure gives to plotly as markup."""
    drawing = json.loads(figure.to_json())
    del drawing["layout"]["meta"]  # title and sentence, as the page writes them itself
    for trace in drawing["data"]:
        trace.pop("legendgroup", None)  # is compared, not drawn
    text = json.dumps(drawing, ensure_ascii=False)
    return {piece for piece in MARKUP if piece in text}


def hard_alibi(seed: int = 0) -> HashHeadStudy:
    """Sixteen heads, four that look up the last four letters, four that gather them."""
    rng = np.random.default_rng(seed)
    copied = Evidence("string_accuracy", 1.0, ends(0.97, 1.0), n=128, about=("15 letters",))
    return HashHeadStudy(
        verdict=Verdict("yes", (copied,), says=f"It copies 100% of strings of 15 letters. {LOOKED_UP}"),
        provenance={
            "command": "python analyses/find_hash_heads.py --seed 0",
            "time": "2026-01-02T03:04:05+00:00",
            "seed": 0,
            "device": "cpu",
            "packages": {"torch": "2.13.0", "numpy": "2.4.6"},
            "git": None,
        },
        model={
            "spec": "hard-alibi",
            "origin": "trained here",
            "task": "CopyTask",
            "letters": 26,
            "n_parameters": 139_520,
            "n_layers": 2,
            "n_heads": 8,
            "config": {"windows": [2, 3, 4, 5, None, None, None, None], "d_mlp": 0},
        },
        accuracy_by_length=accuracy(rng),
        effective_n=EffectiveN(N, N, N),
        behavioural=step([0.99, 0.98, 0.99, 0.9, 0.53, 0.54, 0.5, 0.48, 0.52], rng),
        causal=step([0.97, 0.98, 0.96, 0.81, 0.05, 0.02, 0.0, 0.01], rng),
        scores=scores(rng),
        ablations=ablations(rng),
        attention=view(rng),
        training=log(rng),
    )


def no_lookup(seed: int = 0) -> HashHeadStudy:
    """A model that has not learnt to copy: no role, no n, nothing taken away, no history of its training."""
    study, rng = hard_alibi(seed), np.random.default_rng(seed)
    rows = [
        replace(
            head,
            role="none",
            n=None,
            score=0.04,
            interval=ends(0.03, 0.05),
            chance=0.033,
            q_value=0.9,
            flagged=False,
        )
        for head in study.heads
    ]
    rows = [
        replace(
            h,
            response=(0.033,) * 10,
            score_gain=None,
            gather_effect=None,
            gather_interval=None,
            copying=None,
            offsets=(),
        )
        for h in rows
    ]
    flat = step([0.04] * 9, rng, n=None)
    plain = replace(study.accuracy_by_length, trained=None, ideal={}, free_letter_accuracy=None)
    return replace(
        study,
        verdict=Verdict("no", says="No lookup head. It copies 0% of strings of 15 letters."),
        accuracy_by_length=replace(plain, string_correct=np.zeros_like(plain.string_correct)),
        effective_n=EffectiveN(None, None, None),
        behavioural=flat,
        causal=flat,
        scores=replace(
            study.scores, heads=tuple(rows), set_offsets=(), offset_accuracy=(), notes=("OV circuits are not measured",)
        ),
        ablations=(),
        attention=replace(study.attention, heads=tuple(ViewedHead(h.name, h.kind) for h in study.attention.heads)),
        training=None,
    )


def hostile(seed: int = 0) -> HashHeadStudy:
    """A study whose every text tries to be markup."""
    study = hard_alibi(seed)
    labels = list(study.attention.labels)
    labels[1:5] = ["<b>x", "</script>", "\"'", "$a$"]
    return replace(
        study,
        verdict=Verdict("unsure", caveats=(HOSTILE,), says=HOSTILE),
        provenance={"command": HOSTILE, HOSTILE: {HOSTILE: [HOSTILE]}},
        model={"spec": HOSTILE, "origin": HOSTILE},
        ablations=tuple(replace(a, name=HOSTILE, kind=HOSTILE) for a in study.ablations),
        attention=replace(
            study.attention,
            labels=tuple(labels),
            following=HOSTILE,
            heads=(replace(study.attention.heads[0], name=HOSTILE), *study.attention.heads[1:]),
            variants=tuple(
                replace(v, name=HOSTILE, predicted=(HOSTILE,) * len(labels)) for v in study.attention.variants
            ),
        ),
        scores=replace(study.scores, heads=(replace(study.heads[0], name=HOSTILE), *study.heads[1:]), notes=(HOSTILE,)),
    )


def accuracy(rng: np.random.Generator) -> LengthAccuracy:
    lengths, strings = (15, 30, 50, 100, 200, 300, 600), 128
    letter = np.array([1, 0.9999, 0.9998, 0.999, 0.995, 0.99, 0.97])
    wrong = rng.binomial(lengths, 1 - letter, (strings, len(lengths))).T
    first = np.where(wrong > 0, rng.integers(0, np.array(lengths)[:, None], wrong.shape), -1)
    share = 1 - wrong / np.array(lengths)[:, None]
    return LengthAccuracy(
        lengths=lengths,
        trained=(30, 30),
        string_correct=wrong == 0,
        letter_accuracy=share,
        first_error=first,
        free_letter_accuracy=np.clip(share - 0.05 * (wrong > 0), 0, 1),
        ideal={
            "3": (0.998, 0.993, 0.953, 0.83, 0.448, 0.134, 0.001),
            "4": (1.0, 1.0, 0.995, 0.988, 0.978, 0.916, 0.7),
            "5": (1.0, 1.0, 1.0, 1.0, 0.998, 0.99, 0.98),
        },
    )


def step(values: list[float], rng: np.random.Generator, n: int | None = N) -> StepCurve:
    examples = (rng.random((len(values), 96)) < np.array(values)[:, None]).astype(float)
    return StepCurve(
        x=tuple(range(len(values))),
        value=tuple(values),
        interval=tuple(ends(max(0.0, v - 0.06), min(1.0, v + 0.05)) for v in values),
        n=n,
        examples=examples,
    )


def scores(rng: np.random.Generator) -> HeadScores:
    heads = tuple(head(f"L{i // 8}H{i % 8}", i, rng) for i in range(16))
    return HeadScores(
        heads=heads,
        match_lengths=tuple(range(10)),
        level=0.05,
        floor=0.1,
        gather_floor=0.1,
        set_offsets=(0, 1, 2, 3),
        offset_accuracy=(1.0, 0.999, 0.99, 0.97, 0.2, 0.05, 0.04, 0.04, 0.04),
        notes=(),
        attention=rng.random((16, 96)),
        shuffled=rng.random((16, 96)) / 15,
        response=np.array([h.response for h in heads]),
        null=rng.normal(0, 0.01, 320),
    )


def head(name: str, index: int, rng: np.random.Generator) -> HeadScore:
    looks, gathers = name in LOOKUPS, name in GATHERS
    score = 0.95 + 0.01 * (index % 4) if looks else 0.01 + 0.003 * index
    curve = [0.03, 0.01, 0.05, 0.2, 0.47, 0.48, 0.48, 0.49, 0.48, score] if looks else [0.03] * 9 + [score]
    gain = [2.1, 2.3, 2.0, 1.8, 0.1, 0.0, -0.1, 0.0] if looks else list(rng.normal(0, 0.05, 8))
    return HeadScore(
        name=name,
        layer=index // 8,
        head=index % 8,
        role="lookup" if looks else "gather" if gathers else "none",
        n=N if looks else None,
        score=score,
        interval=ends(score - 0.012, min(1.0, score + 0.011)),
        chance=0.034,
        response=tuple(curve),
        score_gain=tuple(map(float, gain)),
        p_value=1 / 321 if looks else 0.4,
        q_value=0.0125 if looks else 0.533,
        flagged=looks,
        copying=1.0 if looks else 0.3,
        gather_effect=0.62 - 0.1 * index if gathers else 0.02,
        gather_interval=Interval(
            *((0.55 - 0.1 * index, 0.69 - 0.1 * index) if gathers else (0.0, 0.04)), "Student t and Hall"
        ),
        offsets=(index + 1,) if gathers and index < 3 else (),
    )


def ablations(rng: np.random.Generator) -> tuple[AblationResult, ...]:
    after = {1: (0.953, 0.999), 2: (0.507, 0.975), 3: (0.0, 0.7), 4: (0.0, 0.038)}
    rows = [ablation(name, "single", (name,), *after[1], rng) for name in LOOKUPS]
    rows += [ablation(f"best {k}", "cumulative", LOOKUPS[:k], *after[k], rng) for k in after]
    for order in range(3):
        sets = {k: tuple(rng.permutation(LOOKUPS)[:k].tolist()) for k in after}
        rows += [ablation(f"order {order + 1}: {k}", "random order", sets[k], *after[k], rng) for k in after]
    rows += [
        ablation(f"all but {name}", "all but one", tuple(h for h in LOOKUPS if h != name), *after[3], rng)
        for name in LOOKUPS
    ]
    rows.append(ablation("all", "all", LOOKUPS, *after[4], rng))
    rows.append(ablation("edges to the match", "edges", LOOKUPS, 0.0, 0.051, rng))
    return tuple(rows)


def ablation(
    name: str, group: str, heads: tuple[str, ...], strings: float, letters: float, rng: np.random.Generator
) -> AblationResult:
    """All controls of one head; with more, the pool of the same layer is empty and that of any layer soon too small."""
    few = len(heads) > 1
    controls = (
        Control("same layer", 0, 0, None, None) if few else Control("same layer", 1, 1, 1.0, None),
        Control("any layer", 4, 1, 0.94, None) if few else Control("any layer", 4, 4, 0.98, ends(0.96, 0.99)),
        Control("edges", 27, 4, 0.99, ends(0.98, 1.0), attention=(0.93, 0.06)),
    )
    return AblationResult(
        name=name,
        group=group,
        kind="edges" if group == "edges" else "mean",
        heads=heads,
        string_accuracy_before=0.995,
        string_accuracy_after=strings,
        interval=ends(max(0.0, 0.995 - strings - 0.03), min(0.995, 0.995 - strings + 0.03)),
        letter_accuracy_before=0.9998,
        letter_accuracy_after=letters,
        letter_interval=ends(max(0.0, 0.9998 - letters - 0.01), 0.9998 - letters + 0.01),
        loss_before=0.01,
        loss_after=3.2,
        loss_interval=ends(3.1, 3.3),
        logit_difference_before=14.2,
        logit_difference_after=0.1,
        logit_difference_interval=ends(13.9, 14.3),
        control_mean=0.94 if few else 0.98,
        control_interval=None if few else ends(0.96, 0.99),
        controls=controls,
        string_correct=rng.random(192) < strings,
        letter_correct=np.full(192, letters),
        loss=np.full(192, 3.2),
    )


def view(rng: np.random.Generator) -> AttentionView:
    """Eight heads on one string, and without the lookup heads."""
    letters = "kqvbtzahwmnd"
    text = f"${letters}|{letters}"
    size, length = len(text), len(letters)
    source = np.full(size, -1)
    source[length + 1 : -1] = np.arange(1, length + 1)
    heads = (*LOOKUPS, *GATHERS)
    clean, ablated = (patterns(rng, source, heads, strength) for strength in (6, 0))
    cost = HeadCost("mean", 0.995, 0.953, ends(0.02, 0.07), 0.98)
    known = tuple(
        ViewedHead(
            name, "attention", head(name, int(name[1]) * 8 + int(name[3]), rng), cost if name in LOOKUPS else None
        )
        for name in heads
    )
    right = np.where(source >= 0, 0.99, 0.04)
    right[-1] = np.nan
    variants = (
        Variant("clean", 0, (), "", False, clean, right, (*text[1:], ".")),
        Variant("without the lookup heads", 0, LOOKUPS, "mean", False, ablated, right / 9, ("q",) * size),
    )
    tokens = np.array([ord(letter) for letter in text])
    model = {"spec": "hard-alibi"}
    return AttentionView({"seed": 0}, model, tokens, tuple(text), None, source, known, variants, ())


def patterns(rng: np.random.Generator, source: np.ndarray, heads: tuple[str, ...], strength: float) -> np.ndarray:
    """Lookup heads that look at the source, so strongly; gather heads that see a window."""
    pattern, size = [], len(source)
    for name in heads:
        scores = rng.normal(0, 1, (size, size))
        query, key = np.indices(scores.shape)
        if name in LOOKUPS:
            asked = source >= 0
            scores[np.flatnonzero(asked), source[asked]] += strength
        else:
            scores = np.where(query - key <= int(name[-1]) + 1, 0.0, -np.inf)
        scores[key > query] = -np.inf
        weight = np.exp(scores - scores.max(axis=1, keepdims=True))
        pattern.append(weight / weight.sum(axis=1, keepdims=True))
    return np.array(pattern, dtype=np.float32)


def log(rng: np.random.Generator) -> TrainLog:
    steps = np.arange(1, 351)
    loss = 3.26 / (1 + np.exp((steps - 110) / 12)) + 0.02 + rng.normal(0, 0.004, 350)
    at = np.arange(50, 351, 50)
    rise = 1 / (1 + np.exp(-(at[:, None] - np.array([150, 220])) / 18))
    return TrainLog(
        examples=steps * 64,
        loss=loss,
        learning_rate=np.linspace(4e-3, 8e-5, 350),
        evaluated_at=at * 64,
        lengths=(30, 100),
        string_accuracy=rise * np.array([1.0, 0.9]),
        letter_accuracy=np.clip(rise + 0.04, 0, 1),
    )
