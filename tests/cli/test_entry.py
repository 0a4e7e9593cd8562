"""The command `interp`: help at once, a first line before anything heavy, one sentence for a slip."""

import subprocess
import sys
from pathlib import Path

import pytest

import interp
from interp.cli.commands import command, names

ROOT = Path(__file__).parents[2]
SCRIPTS = {
    "ablate_heads": "ablate",
    "ask_language_models": "language",
    "export_attention": "view",
    "find_circuit": "circuit",
    "find_hash_heads": "heads",
    "grow_state": "grow",
    "measure_saturation": "state",
    "reproduce_paper": "reproduce",
    "take_hybrid_apart": "hybrid",
    "train": "train",
}
HEAVY = ("torch", "numpy", "plotly", "rich", "transformers", "jinja2")


def test_every_question_has_a_command() -> None:
    assert set(names()) >= {"heads", "ablate", "circuit", "view", "state", "grow", "train", "presets"}
    assert names()[0] == "heads"
    for name in names():
        assert command(name).question.endswith(("?", "."))
        assert command(name).examples, f"interp {name} --help shows no example"


@pytest.mark.parametrize("name", names())
def test_help_teaches_and_imports_little_and_nothing_heavy(name) -> None:
    program = (
        "import sys\nfrom interp.cli import main\n"
        f"try:\n    main([{name!r}, '--help'])\nfinally:\n"
        f"    print([name for name in {HEAVY} if name in sys.modules])\n    print(len(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *_, heavy, modules = done.stdout.splitlines()
    assert heavy == "[]" and int(modules) < 500, "what takes time is imports: 0.2 s with as many"
    assert f"interp {name}" in done.stdout and "--seed" in done.stdout
    assert done.stdout.startswith(f"usage: interp {name}")


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("help",)])
def test_alone_it_lists_what_there_is(interp, arguments) -> None:
    done = interp(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")] == list(names())


def test_help_of_a_command_is_asked_for_in_either_order(interp) -> None:
    assert interp("help", "presets").stdout == interp("presets", "--help").stdout != ""


@pytest.mark.parametrize("argument", ["--version", "-V"])
def test_it_says_its_version(interp, argument) -> None:
    assert interp(argument).stdout == f"interp {sys.modules['interp'].__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("hads",), "no command is called 'hads'; the nearest known: heads"),
        (("x" * 5000,), "no command is called 'xxx"),
        (("",), "no command is called ''"),
        (("--seed", "1", "heads"), "the first word after interp must be a command; got --seed."),
        (("heads", "--seed", "-1"), "--seed must be an integer from 0 to 4294967295; got -1."),
        (("heads", "--device", "gpu"), "no device is called 'gpu'"),
        (("heads", "--out", ""), "--out must name a folder; got ''."),
        (("state", "--model", "a", "--model", "a"), "--model must name each model once; got a more than once."),
        (("language", "--tiny"), "--model must be given to interp language; got none."),
        (("heads", "--model", "a", "--model", "b"), "--model must be given once to interp heads; got a, b."),
        (("train", "--batch", "1000000000"), "--batch must be at most 1,000,000; got 1000000000."),
        (("grow", "--vary", "d_vocab"), "--vary must be a field that changes the size of a state; got d_vocab."),
        (("train", "--out", "taken"), "--out must be a folder with nothing in its way; got taken"),
    ],
)
def test_a_mistake_is_one_sentence_and_code_2_and_leaves_nothing(interp, tmp_path, arguments, sentence) -> None:
    (tmp_path / "taken").touch()
    done = interp(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(sentence) and done.stderr.count("\n") == 1
    assert len(done.stderr) < 400
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("name", names())
def test_the_first_line_says_what_runs_on_what_before_anything_heavy_is_imported(interp, tmp_path, name) -> None:
    (tmp_path / "torch.py").write_text("raise KeyboardInterrupt('torch is imported.')")
    seeded = () if name == "reproduce" else ("--seed", "3")
    named = ("--model", "hf:x") if name == "language" else ()
    done = interp(name, *named, *seeded)  # the folder that one is in comes first
    assert (done.returncode, done.stderr) == (130, "Interrupted. torch is imported.\n")
    assert done.stdout.startswith(f"interp {name}: ") and " ".join(seeded).removeprefix("--") in done.stdout
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["torch.py"]


@pytest.mark.parametrize(("script", "name"), SCRIPTS.items())
def test_each_script_is_its_command(script, name) -> None:
    path = ROOT / "analyses" / f"{script}.py"
    done = subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True, check=True)
    beside = subprocess.run(
        [sys.executable, "-m", "interp", name, "--help"], capture_output=True, text=True, check=True
    )
    assert f"python analyses/{script}.py" in done.stdout and f"The same as `interp {name}`" in done.stdout
    assert done.stdout.partition("options")[2] == beside.stdout.partition("options")[2]


def test_every_script_is_known() -> None:
    assert {path.stem for path in (ROOT / "analyses").glob("*.py")} == set(SCRIPTS)


def test_nothing_else_lies_at_the_top_of_the_package() -> None:
    loose = {path.name for path in Path(interp.__path__[0]).glob("*.py")}
    assert loose == {"__init__.py", "__main__.py"}
