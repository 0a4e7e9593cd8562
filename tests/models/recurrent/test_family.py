"""A family is found by its kind, wherever it lives, and everything works on it that works on the package's own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from interp.base.errors import UserError
from interp.measure.attention.views import state_strips
from interp.measure.state.carried import carry
from interp.measure.state.decay import log_decays
from interp.measure.state.size import state_size
from interp.models import build
from interp.models.heads import HeadTable
from interp.models.hidden_attention.pattern import decompose, hidden_pattern
from interp.models.hooks.model import HookedModel
from interp.models.recurrent import family as module
from interp.models.recurrent.family import Family, family, kinds, register
from interp.models.recurrent.mamba.mixer import MambaMixer
from interp.models.recurrent.mamba.model import MambaConfig
from interp.models.recurrent.model import HookedRecurrent
from interp.models.surface import patterns
from interp.tasks.copy import CopyTask

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "how-to" / "add-a-recurrent-family.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(python|toml)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
CODE = [text for language, text in BLOCKS if language == "python"]
REGISTERED = next(i for i, text in enumerate(CODE) if "register(Family(" in text) + 1
PACKAGE, USE = "\n".join(CODE[:REGISTERED]), "\n".join(CODE[REGISTERED:])
"""What the page puts into the package, and what it then does with it."""


@pytest.fixture
def leaky():
    """The page's family, registered in this process until the test ends."""
    space: dict = {"__name__": "leaky"}
    exec(compile(PACKAGE, "leaky", "exec"), space)
    yield space
    del module._registered["leaky"]


@pytest.fixture
def installed(tmp_path):
    """The page's package as it would be installed: its files, and the entry point."""
    (tmp_path / "leaky").mkdir()
    (tmp_path / "leaky" / "__init__.py").write_text(PACKAGE, encoding="utf-8")
    info = tmp_path / "leaky-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: leaky\nVersion: 0.1\n", encoding="utf-8")
    point = re.search(r'entry-points."interp.recurrent"\]\n(\w+) = "(\w+)"', PAGE)
    assert point is not None
    (info / "entry_points.txt").write_text(f"[interp.recurrent]\n{point[1]} = {point[2]}\n", encoding="utf-8")
    return tmp_path


def run(folder: Path, code: str) -> str:
    path = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---------------------------------------------------------------------- the page, followed literally


def test_the_page_is_a_package_and_its_use():
    assert "class LeakyMixer(Mixer)" in PACKAGE and "interp.train(" not in PACKAGE
    assert all(word in USE for word in ("interp.train(", "run_with_hooks", "stream", "carry", "log_decays", "hidden_"))


def test_a_package_of_its_own_is_trained_hooked_streamed_and_measured_and_opened_by_another_process(installed):
    known = "from interp.models.recurrent.family import kinds\nassert 'leaky' in kinds()\n"
    asleep = "import sys\nassert 'leaky' not in sys.modules\n"
    run(installed, f"{known}{asleep}import torch\n{USE}")
    opened = "import interp\nmodel = interp.load('runs/leaky').model\nprint(model.kind, type(model).__name__)"
    assert run(installed, opened).split() == ["leaky", "HookedRecurrent"]


# ---------------------------------------------------------------------- right numbers, without a word about the family


def by_hand(mixer, x):
    """The layer as its formula says, position by position."""
    a, u = mixer.a_logit.sigmoid(), x @ mixer.W_in
    h, states = torch.zeros_like(u[:, 0]), []
    for t in range(x.shape[1]):
        h = a * h + (1 - a) * u[:, t]
        states.append(h)
    return torch.stack(states, 1)


def test_a_new_family_is_hooked_and_carried_on_as_its_formula_says(leaky):  # noqa: ARG001
    model = build({"kind": "leaky", "d_model": 16, "channels": 6}, seed=1).double()
    assert isinstance(model, HookedRecurrent) and model.kind == "leaky"
    tokens = torch.randint(0, 30, (3, 12), generator=torch.Generator().manual_seed(0))
    names = ["blocks.1.hook_mixer_in", "blocks.1.mixer.hook_state"]
    logits, cache = model.run_with_cache(tokens, names_filter=names)
    torch.testing.assert_close(cache[names[1]], by_hand(model.blocks[1].mixer, cache[names[0]]))
    past = model.new_past()
    pieces = [model(part, past=past) for part in tokens.split([5, 1, 6], dim=1)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), logits)
    assert model.state_shapes() == {"blocks.0.h": (6,), "blocks.1.h": (6,)}


def test_a_new_family_is_measured_as_its_formula_says(leaky):  # noqa: ARG001
    model, task = build({"kind": "leaky", "d_model": 16, "channels": 6}, seed=1).double(), CopyTask()
    batch = task.sample(4, 9, torch.Generator().manual_seed(0))
    for layer, mixer in model.mixers.items():
        expected = mixer.a_logit.detach().sigmoid().log()
        torch.testing.assert_close(log_decays(model, batch)[f"blocks.{layer}.h"], expected)
        torch.testing.assert_close(hidden_pattern(model, batch.tokens, layer).sum(-1), torch.ones(4, 1, 20).double())
        whole = decompose(model, batch.tokens, layer)
        age = torch.arange(20)[:, None] - torch.arange(20)
        a = mixer.a_logit.detach().sigmoid()[:, None, None]
        closed = ((1 - a) * a ** age.clamp(min=0)).masked_fill(age < 0, 0.0)
        torch.testing.assert_close(whole.alpha, closed.expand(4, -1, -1, -1))
        torch.testing.assert_close(torch.einsum("bcqk,bkc->bqc", whole.alpha, whole.inputs), whole.outputs)
    assert {name: part.shape for name, part in carry(model, batch).parts.items()} == {
        "blocks.0.h": (4, 6),
        "blocks.1.h": (4, 6),
    }
    assert [strip.value.shape for strip in state_strips(model, batch)] == [(20,), (20,)]
    assert HeadTable.of(model).names == ("L0H0", "L1H0") and patterns(model, batch.tokens, 1).shape == (4, 1, 20, 20)
    assert state_size(model, [4, 8]) is not None


def test_a_new_family_is_part_of_hybrids_and_of_saved_models(leaky, tmp_path):  # noqa: ARG001
    config = {"kind": "hybrid", "d_model": 16, "layers": ["leaky", "attention", "mamba"], "leaky": {"channels": 6}}
    model = build({**config, "attention": {"n_heads": 2}})
    tokens = torch.randint(0, 30, (2, 7), generator=torch.Generator().manual_seed(0))
    again = HookedModel.from_pretrained(model.save_pretrained(tmp_path))
    assert torch.equal(again(tokens), model(tokens)) and again.config == model.config
    assert again.config.leaky == {"channels": 6} and again.state_shapes()["blocks.0.h"] == (6,)
    with pytest.raises(UserError, match="no option of leaky layers is called 'chanels'; the nearest known: channels"):
        build({**config, "leaky": {"chanels": 3}})


# ---------------------------------------------------------------------- the registry


def test_the_folders_are_known_by_their_names_and_imported_when_asked_for():
    assert {"mamba", "mamba2", "lstm"} <= set(kinds())
    code = "from interp.models.recurrent.family import kinds; import sys; kinds()"
    loaded = "print([name for name in sys.modules if name.startswith('interp.models.recurrent.m')])"
    assert "mamba" not in run(ROOT, f"{code}\n{loaded}")
    for kind in kinds():
        assert family(kind).kind == kind and build({"kind": kind}).kind == kind


def test_an_unknown_family_is_refused_by_the_nearest():
    with pytest.raises(UserError, match="no recurrent family is called 'mamba4'; the nearest known: mamba"):
        family("mamba4")


@pytest.mark.parametrize("kind", ["", "two words", "attention", "transformer", "d_model"])
def test_a_kind_that_is_no_word_or_means_something_else_is_refused(kind):
    with pytest.raises(UserError, match=r"kind must be a valid Python identifier .*; got"):
        register(Family(kind, MambaConfig, MambaMixer))


def test_a_family_that_cannot_be_imported_or_does_not_register_itself_is_told(installed):
    ask = "from interp.models import build\nfrom interp.base.errors import InterpError\n"
    ask += "try: build({'kind': 'leaky'})\nexcept InterpError as error: print(error)"
    (installed / "leaky" / "__init__.py").write_text("import nothing_of_this_name", encoding="utf-8")
    assert "the recurrent family leaky (leaky) must be importable; got an error (No module named" in run(installed, ask)
    (installed / "leaky" / "__init__.py").write_text("", encoding="utf-8")
    assert "importing leaky must register the recurrent family leaky; got none of that name" in run(installed, ask)
