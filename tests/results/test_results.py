"""Results go to disk and come back the same, and a damaged result is told from one that was never there."""

import dataclasses
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interp.base.errors import InterpError, UserError
from interp.base.files import read_json, write_json
from interp.base.interval import Interval
from interp.results.ablation import AblationResult, Control
from interp.results.accuracy import LengthAccuracy, StepCurve
from interp.results.attention import AttentionView, HeadCost, Strip, Variant, ViewedHead
from interp.results.heads import HeadScore, HeadScores
from interp.results.record import Result
from interp.results.training import TrainLog
from interp.studies.ablation.result import AblationStudy
from interp.studies.heads.result import EffectiveN, HashHeadStudy
from interp.studies.study import Evidence, Verdict


def ends(low: float, high: float) -> Interval:
    return Interval(low, high, "Korn-Graubard")


def length_accuracy() -> LengthAccuracy:
    return LengthAccuracy(
        lengths=(10, 20),
        trained=(5, 10),
        string_correct=np.array([[True, False, True], [False, False, True]]),
        letter_accuracy=np.array([[1.0, 0.9, 1.0], [0.3, np.nan, 1.0]]),
        first_error=np.array([[-1, 9, -1], [0, 3, -1]]),
        free_letter_accuracy=None,
        ideal={"2": (1.0, 0.25), "3": (1.0, float("nan"))},
    )


def head(name: str = "L1H0", **changes: Any) -> HeadScore:
    fields = {
        "name": name,
        "layer": 1,
        "head": 0,
        "role": "lookup",
        "n": 3,
        "score": 0.9,
        "interval": ends(0.8, 0.95),
        "chance": float("nan"),
        "response": (0.0, 0.1, 0.2, 0.9),
        "score_gain": (1.0, 2.0, 3.0),
        "p_value": 0.001,
        "q_value": 0.004,
        "flagged": True,
        "copying": 1.0,
        "gather_effect": None,
        "gather_interval": None,
        "offsets": (),
    }
    return HeadScore(**{**fields, **changes})


def gather(name: str, effect: float | None) -> HeadScore:
    interval = None if effect is None else ends(effect - 0.1, effect + 0.1)
    return head(name, layer=0, role="gather", n=None, score_gain=None, gather_effect=effect, gather_interval=interval)


def head_scores() -> HeadScores:
    heads = (gather("L0H0", 0.2), gather("L0H1", 0.7), head("L1H0", score=0.5), head("L1H1", score=0.9, copying=None))
    return HeadScores(
        heads=heads,
        match_lengths=(0, 1, 2, 3),
        level=0.01,
        floor=0.1,
        gather_floor=0.05,
        set_offsets=(0, 1, 2),
        offset_accuracy=(1.0, 0.99, 0.98, 0.1),
        notes=("no true scores",),
        attention=np.linspace(0, 1, 12).reshape(4, 3),
        shuffled=np.zeros((4, 3)),
        response=np.full((4, 4), np.nan),
        null=np.array([0.01, 0.02]),
    )


def step_curve(n: int | None = 3) -> StepCurve:
    pairs = ((0.0, 0.1), (0.0, 0.1), (0.8, 1.0), (0.9, 1.0))
    intervals = tuple(ends(low, high) for low, high in pairs)
    return StepCurve(x=(0, 1, 2, 3), value=(0.0, 0.1, 0.9, 1.0), interval=intervals, n=n, examples=np.ones((4, 5)))


def ablation() -> AblationResult:
    controls = (
        Control("same layer", 3, 10, 0.9, ends(0.8, 1.0), string_correct=np.ones((10, 2), dtype=bool)),
        Control("edges", 3, 10, 0.9, ends(0.8, 1.0), attention=(0.9, 0.8)),
        Control("any", 0, 0, None, None),
    )
    return AblationResult(
        name="all lookup heads",
        group="all",
        kind="mean",
        heads=("L1H0", "L1H1"),
        string_accuracy_before=1.0,
        string_accuracy_after=0.0,
        interval=ends(0.9, 1.0),
        letter_accuracy_before=1.0,
        letter_accuracy_after=0.1,
        letter_interval=ends(0.8, 1.0),
        loss_before=0.01,
        loss_after=4.0,
        loss_interval=ends(3.0, 5.0),
        logit_difference_before=9.0,
        logit_difference_after=0.0,
        logit_difference_interval=ends(-10.0, -8.0),
        control_mean=0.9,
        control_interval=ends(0.8, 1.0),
        controls=controls,
        string_correct=np.array([False, True]),
        letter_correct=np.array([0.1, 1.0]),
        loss=np.array([4.0, 0.5], dtype=np.float32),
        clean_loss=np.array([0.1, 0.2]),
    )


def ablation_study() -> AblationStudy:
    return AblationStudy(
        Verdict("no", says="Nothing."), {"seed": 0}, {"n_layers": 2}, (ablation(), ablation()), attention_view()
    )


def attention_view() -> AttentionView:
    pattern = (np.tril(np.ones((1, 4, 4))) / np.arange(1, 5)[:, None]).astype(np.float32)
    right = np.array([0.1, 0.2, 0.9, np.nan])
    strip = Strip("layer 0: norm of the state", np.array([0.0, 1.0, 2.0, 3.0]))
    clean = Variant("clean", 0, (), "", False, pattern, right, ("a", "|", "a", "."), (strip,))
    without = dataclasses.replace(clean, name="without L1H0", ablated=("L1H0",), kind="mean", pattern=pattern**2)
    heads = (ViewedHead("L1H0", "attention", head(), HeadCost("mean", 1.0, 0.5, ends(0.4, 0.6), None)),)
    return AttentionView(
        provenance={"seed": 0},
        model={"n_layers": 2},
        tokens=np.array([26, 0, 27, 0]),
        labels=("$", "a", "|", "a"),
        following=None,
        source=np.array([-1, -1, 1, -1]),
        heads=heads,
        variants=(clean, without),
        notes=(),
    )


def train_log() -> TrainLog:
    return TrainLog(
        examples=np.array([64, 128]),
        loss=np.array([3.0, 2.0]),
        learning_rate=np.array([1e-3, 0.0]),
        evaluated_at=np.array([128]),
        lengths=(10, 20),
        string_accuracy=np.array([[1.0, 0.5]]),
        letter_accuracy=np.array([[1.0, 0.9]]),
    )


def study(training: TrainLog | None = None) -> HashHeadStudy:
    return HashHeadStudy(
        verdict=Verdict(
            "yes", (Evidence("n", 3.0, None, 2.0, 9, ("L1H0",)),), ("on few strings",), "It copies by 3-gram lookup."
        ),
        provenance={"command": "python find.py", "seed": 0, "versions": {"torch": "2"}, "array": None},
        model={"n_layers": 2, "windows": [1, 2, None], "name": "ä"},
        accuracy_by_length=length_accuracy(),
        effective_n=EffectiveN(behavioural=3, causal=None, heads=3),
        behavioural=step_curve(),
        causal=step_curve(None),
        scores=head_scores(),
        ablations=(ablation(), ablation()),
        attention=attention_view(),
        training=training,
    )


ONE_OF_EACH = [
    length_accuracy(),
    train_log(),
    step_curve(),
    head_scores(),
    ablation(),
    ablation_study(),
    attention_view(),
    study(),
    study(train_log()),
]


@pytest.mark.parametrize("result", ONE_OF_EACH, ids=lambda result: type(result).__name__)
def test_a_result_comes_back_as_it_was_saved(result: Result, tmp_path: Path) -> None:
    folder = result.save(tmp_path / "found")
    back = type(result).load(str(folder))
    # assert_equal walks dicts and sequences, takes NaN for equal to NaN, and compares arrays by value
    np.testing.assert_equal(dataclasses.asdict(back), dataclasses.asdict(result))
    assert {path.name for path in folder.iterdir()} == {"results.json", "arrays.npz"}
    for field in dataclasses.fields(result):
        before, after = getattr(result, field.name), getattr(back, field.name)
        assert type(after) is type(before), field.name
        if isinstance(before, np.ndarray):
            assert after.dtype == before.dtype, field.name


def test_arrays_of_a_nested_result_do_not_overwrite_each_other(tmp_path: Path) -> None:
    result = dataclasses.replace(
        study(), ablations=tuple(dataclasses.replace(ablation(), loss=np.full(2, float(i))) for i in range(3))
    )
    back = HashHeadStudy.load(result.save(tmp_path))
    assert [a.loss.tolist() for a in back.ablations] == [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]


def test_the_list_of_heads_stands_at_the_top_of_a_studys_document(tmp_path: Path) -> None:
    document = json.loads((study().save(tmp_path) / "results.json").read_text())
    assert {
        *("schema", "provenance", "model", "accuracy_by_length", "effective_n", "heads", "ablations", "verdict")
    } <= set(document)
    assert document["schema"] == "interp/3"
    assert [row["name"] for row in document["heads"]] == ["L0H0", "L0H1", "L1H0", "L1H1"]
    assert {*("layer", "head", "role", "n", "score", "response", "interval", "p_value", "q_value", "flagged")} <= set(
        document["heads"][0]
    )
    assert {
        *("heads", "kind", "string_accuracy_before", "string_accuracy_after"),
        *("interval", "control_mean", "control_interval"),
    } <= set(document["ablations"][0])
    assert {"behavioural", "causal"} <= set(document["effective_n"])
    assert "heads" not in document["scores"]


def test_a_number_that_is_not_finite_is_null_on_disk_and_nan_again_in_memory(tmp_path: Path) -> None:
    result = dataclasses.replace(length_accuracy(), ideal={"2": (float("nan"), 1.0)})
    folder = result.save(tmp_path)
    assert read_json(folder / "results.json", "it")["ideal"] == {"2": [None, 1.0]}
    assert np.isnan(LengthAccuracy.load(folder).ideal["2"][0])


def test_numpy_scalars_and_small_arrays_in_a_mapping_become_json(tmp_path: Path) -> None:
    model = {
        "d": np.int64(3),
        "ok": np.bool_(True),
        "x": np.float32(0.5),
        "l": np.arange(3),
        "in": {"a": (np.int8(1),)},
    }
    back = HashHeadStudy.load(dataclasses.replace(study(), model=model).save(tmp_path))
    assert back.model == {"d": 3, "ok": True, "x": 0.5, "l": [0, 1, 2], "in": {"a": [1]}}


def test_heads_of_a_role_come_best_first_and_gather_heads_by_their_effect() -> None:
    assert head_scores().of_role("lookup") == ("L1H1", "L1H0")
    assert head_scores().of_role("gather") == ("L0H1", "L0H0")
    assert head_scores().of_role("none") == ()


def test_a_folder_without_a_result_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="got no such file"):
        StepCurve.load(tmp_path)


@pytest.mark.parametrize("document", [{"schema": "interp/2", "result": "StepCurve"}, {"model": {}}, [1, 2], None])
def test_another_schema_or_another_kind_of_document_is_refused(document: Any, tmp_path: Path) -> None:
    step_curve().save(tmp_path)
    write_json(tmp_path / "results.json", document)
    with pytest.raises(UserError, match=r"must hold a StepCurve.*Run the analysis again|must hold a StepCurve; got"):
        StepCurve.load(tmp_path)


def test_another_kind_of_result_is_refused_by_name(tmp_path: Path) -> None:
    step_curve().save(tmp_path)
    with pytest.raises(
        UserError, match=r"must hold a TrainLog of schema interp/3; got StepCurve of schema interp/3\. Name"
    ):
        TrainLog.load(tmp_path)


def test_missing_arrays_and_missing_fields_are_damage(tmp_path: Path) -> None:
    folder = step_curve().save(tmp_path)
    document = read_json(folder / "results.json", "it")
    write_json(folder / "results.json", {key: value for key, value in document.items() if key != "value"})
    with pytest.raises(InterpError, match=r"got a damaged one \(value must be given; got nothing"):
        StepCurve.load(folder)
    write_json(folder / "results.json", document)
    (folder / "arrays.npz").unlink()
    with pytest.raises(InterpError, match=r"arrays\.npz; got no such file"):
        StepCurve.load(folder)


@pytest.mark.parametrize("name", ["results.json", "arrays.npz"])
def test_a_file_cut_short_anywhere_is_damage(name: str, tmp_path: Path, tries: Callable[[int, int], int]) -> None:
    folder = ablation().save(tmp_path)
    whole = (folder / name).read_bytes()
    most = len(whole) - 2  # the last two bytes of the JSON are "}\n"
    for length in {*range(0, most, max(7, most // tries(40, most))), most - 1}:
        (folder / name).write_bytes(whole[:length])
        with pytest.raises(InterpError):
            AblationResult.load(folder)


def test_a_flipped_byte_in_the_arrays_is_damage_or_does_no_harm(
    tmp_path: Path, tries: Callable[[int, int], int]
) -> None:
    result = ablation()
    folder = result.save(tmp_path)
    whole = (folder / "arrays.npz").read_bytes()
    draw, flips = random.Random(0), tries(45, 300)
    refused = 0
    for _ in range(flips):
        changed = bytearray(whole)
        changed[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        (folder / "arrays.npz").write_bytes(changed)
        try:
            back = AblationResult.load(folder)
        except InterpError:
            refused += 1
        else:
            np.testing.assert_equal(dataclasses.asdict(back), dataclasses.asdict(result))
    assert refused > flips // 3


def test_a_result_that_cannot_be_written_leaves_the_old_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = step_curve().save(tmp_path)

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    changed = dataclasses.replace(step_curve(), examples=np.zeros((4, 5)), n=1)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(
            InterpError, match=r"results\.json must be writable; got an error \(No space left on device\)"
        ):
            changed.save(folder)
    back = StepCurve.load(folder)
    np.testing.assert_equal(dataclasses.asdict(back), dataclasses.asdict(step_curve()))
    assert {path.name for path in folder.iterdir()} == {"results.json", "arrays.npz"}


def test_results_are_read_in_a_process_that_knows_no_model(tmp_path: Path) -> None:
    study().save(tmp_path)
    program = (
        "import sys; from interp.studies.heads.result import HashHeadStudy; study = HashHeadStudy.load(sys.argv[1]); "
        "print(study.verdict, len(study.heads), 'transformer_lens' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == "It copies by 3-gram lookup. 4 False False\n"


def test_accuracy_at_home_is_that_of_the_longest_measured_length_that_was_trained():
    known = dataclasses.replace(length_accuracy(), lengths=(10, 20), trained=(20, 30))
    assert known.at_home == 1
    assert dataclasses.replace(known, trained=(5, 10)).at_home == 0
    assert dataclasses.replace(known, trained=(2, 5)).at_home == 0
    assert dataclasses.replace(known, trained=None).at_home == 0


def test_a_result_from_before_a_field_existed_is_read_with_its_default(tmp_path: Path) -> None:
    folder = length_accuracy().save(tmp_path)
    document = read_json(folder / "results.json", "it")
    write_json(folder / "results.json", {key: value for key, value in document.items() if key != "ideal"})
    assert LengthAccuracy.load(folder).ideal == {}


def test_attention_to_the_source_is_the_mean_over_the_places_that_have_one():
    view = attention_view()
    assert view.on_source() == (pytest.approx(1 / 3),)
    assert view.on_source(1) == (pytest.approx(1 / 9),)
    assert np.isnan(dataclasses.replace(view, source=np.full(4, -1)).on_source()).all()


def test_a_result_is_printed_in_a_line_a_field_without_its_numbers():
    lines = repr(length_accuracy()).splitlines()
    assert lines[:4] == [
        "LengthAccuracy",
        "  lengths: (10, 20)",
        "  trained: (5, 10)",
        "  string_correct: bool [2 3]",
    ]
    assert "  free_letter_accuracy: None" in lines and len(lines) == 1 + len(dataclasses.fields(LengthAccuracy))


def test_what_is_within_a_result_is_named_and_long_text_is_cut_but_no_sentence():
    assert "  scores: HeadScores" in repr(study()).splitlines()
    scores = repr(head_scores())
    assert f"heads: {len(head_scores().heads)} HeadScore" in scores and "HeadScore(" not in scores
    record = dataclasses.replace(length_accuracy(), ideal={str(n): (1.0, 0.25) for n in range(99)})
    assert max(map(len, repr(record).splitlines())) < 150
