"""Hostile and damaged files: one that is right, changed at random, and opened as a user would open it."""

import contextlib
import json
import os
import pickle
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.reliability import kills

CANARY = "CANARY"
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 10**9, 2**31, 2**63, -(2**70), 0.5, -1.5, 1e308, "", "x", "x" * 5000, "nan"),
    *([], [1], ["x"], [[[]]], {}, {"a": 1}, {"kind": "lstm"}, "transformer", "mamba", "../../x", "\udcff", "/dev/zero"),
)
CODE = f"import pathlib\npathlib.Path({CANARY!r}).touch()\nclass Model: pass\n"


class Payload:
    """What runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {CANARY}",)


# ---------------------------------------------------------------------- what is right, made once


def make(place: Path) -> None:
    """A run folder, a model's folder, a result and two folders of the Hugging Face format below `place`."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, MambaConfig, MambaForCausalLM

    from interp.models import build

    kills.train_in(place / "run")
    build({"kind": "mamba", "d_model": 8, "n_layers": 1, "d_state": 2}).save_pretrained(place / "model")
    kills.curve(1).save(place / "result")
    torch.manual_seed(0)
    gpt2 = GPT2Config(n_layer=1, n_head=2, n_embd=8, n_positions=64, vocab_size=60, bos_token_id=0, eos_token_id=0)
    GPT2LMHeadModel(gpt2).save_pretrained(place / "gpt2")
    mamba = MambaConfig(num_hidden_layers=1, hidden_size=8, state_size=2, vocab_size=60, bos_token_id=0)
    MambaForCausalLM(mamba).save_pretrained(place / "mamba")
    (place / "gpt2" / "tokenizer_config.json").write_text("{}")


def _open_run(folder: Path) -> Any:
    from interp.loading import load

    return load(folder).model


def _open_model(folder: Path) -> Any:
    from interp.models.hooks.model import HookedModel

    return HookedModel.from_pretrained(folder)


def _open_result(folder: Path) -> Any:
    from interp.results.accuracy import StepCurve

    return StepCurve.load(folder)


def _open_hf(folder: Path) -> Any:
    from interp.loading import load

    return load(f"hf:{folder}").model


OPEN: dict[str, Callable[[Path], Any]] = {
    "run": _open_run,
    "model": _open_model,
    "result": _open_result,
    "gpt2": _open_hf,
    "mamba": _open_hf,
}
SHARE = {"run": 4, "model": 3, "result": 3, "gpt2": 2, "mamba": 3}


# ---------------------------------------------------------------------- changes


def _cut(path: Path, draw: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(len(content))])


def _flip(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice((1, 1, 3, 50))):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def _longer(path: Path, draw: random.Random) -> None:
    path.write_bytes(path.read_bytes() + draw.randbytes(draw.choice((1, 8, 5000))))


def _noise(path: Path, draw: random.Random) -> None:
    path.write_bytes(draw.choice((b"", b"\0" * 100, b"null", b"[" * 200_000, b"{}", b"\xff\xfe", draw.randbytes(3000))))


def _pickled(path: Path, draw: random.Random) -> None:
    path.write_bytes(pickle.dumps(Payload(), protocol=draw.choice((0, 2, 4))))


def _no_file(path: Path, draw: random.Random) -> None:
    path.unlink()
    draw.choice(
        (
            lambda: os.mkfifo(path),
            path.mkdir,
            lambda: path.symlink_to("/dev/zero"),
            lambda: path.symlink_to("/dev/stdin"),
            lambda: path.symlink_to("nowhere"),
            lambda: path.symlink_to(path.name),
            lambda: None,
        )
    )()


def _giant(path: Path, draw: random.Random) -> None:  # noqa: ARG001
    os.truncate(path, 2**36)  # a hole: it takes no room on the disk


def _other(path: Path, draw: random.Random) -> None:
    """Another file of the folder in its place."""
    shutil.copy(draw.choice(sorted(path.parent.iterdir())), path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def _field(path: Path, draw: random.Random) -> None:
    """A JSON file, one or two of whose values are others, missing or more; of a log, in one line."""
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    at = draw.randrange(len(lines))
    document = json.loads(lines[at])
    for _ in range(draw.choice((1, 1, 2))):
        _change(document, draw)
    lines[at] = json.dumps(document)
    if draw.random() < 0.1:
        lines[at] = lines[at].replace("1", "1e999", 1)
    path.write_bytes("\n".join([*lines, ""]).encode("utf-8", "surrogatepass"))


def _change(document: Any, draw: random.Random) -> None:
    while isinstance(document, dict | list) and document:
        key = draw.choice(sorted(document) if isinstance(document, dict) else range(len(document)))
        if not isinstance(document[key], dict | list) or not document[key] or draw.random() < 0.3:
            kind = draw.random()
            if kind < 0.8:
                document[key] = draw.choice(VALUES)
            elif kind < 0.9 or isinstance(document, list):
                del document[key]
            else:
                document[f"{key}x"] = document.pop(key)
            return
        document = document[key]


def _header(path: Path, draw: random.Random) -> None:
    """A safetensors file whose header lies: of shapes, types, places, names."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    name = draw.choice(sorted(header))
    changes: list[Callable[[], Any]] = [
        lambda: header[name].update(shape=draw.choice(([10**12], [-1], [], [2**63, 2], ["x"], None, [0]))),
        lambda: header[name].update(dtype=draw.choice(("F64", "I64", "BOOL", "X", 3, "F16"))),
        lambda: header[name].update(data_offsets=draw.choice(([0, 2**62], [8, 0], [-8, 8], [], None, [0, 8, 9]))),
        lambda: header.pop(name),
        lambda: header.update({f"{name}.x": header.pop(name)}),
        lambda: header.update(__metadata__=draw.choice(({}, None, {"digest": "x"}, {"stamp": "{"}, {"stamp": "3"}))),
    ]
    draw.choice(changes)()
    text = json.dumps(header).encode()
    said = draw.choice((len(text), len(text), len(text), 2**62, 0, len(text) + 9))
    path.write_bytes(struct.pack("<Q", said) + text + content[8 + length :])


def _not_finite(path: Path, draw: random.Random) -> None:
    """Weights that are not numbers, in a file that is whole."""
    import torch
    from safetensors.torch import load, save

    tensors = load(path.read_bytes())
    name = draw.choice(sorted(tensors))
    if tensors[name].is_floating_point():
        tensors[name] = torch.full_like(tensors[name], draw.choice((float("nan"), float("inf"))))
    path.write_bytes(save(tensors, {"format": "pt"}))


def _code(path: Path, draw: random.Random) -> None:
    """A config that names code of its own, which lies beside it."""
    config = path.parent / "config.json"
    document = json.loads(config.read_text())
    names = ("AutoConfig", "AutoModel", "AutoModelForCausalLM", "AutoTokenizer")
    document["auto_map"] = {name: "evil.Model" for name in draw.sample(names, 3)}
    document["model_type"] = draw.choice((document.get("model_type"), "evil", "gpt2"))
    config.write_text(json.dumps(document))
    (path.parent / "evil.py").write_text(CODE)
    tokenizer = {"auto_map": {"AutoTokenizer": ["evil.Model", None]}, "tokenizer_class": draw.choice(("Model", "x", 3))}
    (path.parent / "tokenizer_config.json").write_text(json.dumps(tokenizer))


def _bin(path: Path, draw: random.Random) -> None:
    """Weights as a pickle, in the place of safetensors."""
    for weights in path.parent.glob("*.safetensors"):
        weights.unlink()
    name = draw.choice(("pytorch_model.bin", "pytorch_model-00001-of-00001.bin", "model.safetensors"))
    (path.parent / name).write_bytes(pickle.dumps({"weights": Payload()}, protocol=2))


def _tokenizer(path: Path, draw: random.Random) -> None:
    """Tokenizer files that are none."""
    names = (
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "vocab.json",
        "generation_config.json",
    )
    for name in draw.sample(names, 2):
        (path.parent / name).write_bytes(
            draw.choice((b"null", b"[" * 100_000, b"{}", b"[]", b'{"version": 9}', b"\xff"))
        )


ANY = (_cut, _flip, _longer, _noise, _pickled, _no_file, _giant, _other)


def attempt(number: int, place: str, seed: int = 0) -> tuple[str, str, bool]:
    """Change a file, and open its folder, in a child.

    Returns: what was changed; "as before", "other" or "not finite", by what the model says or the result holds; and
        whether it was said that weights are not finite.
    """
    import warnings

    draw = random.Random(f"file {seed} {number}")
    kind = draw.choices(list(SHARE), list(SHARE.values()))[0]
    folder = Path(kind)
    shutil.copytree(Path(place) / kind, folder)
    path = draw.choice(sorted(folder.iterdir()))
    changes: list[Callable[[Path, random.Random], None]] = list(ANY)
    if path.suffix in (".json", ".jsonl"):
        changes += [_field] * 16
    if path.suffix == ".safetensors":
        changes += [_header] * 10 + [_not_finite] * 2
    if kind in ("gpt2", "mamba"):
        changes += [_code] * 3 + [_bin] * 2 + [_tokenizer] * 3
    change = draw.choice(changes)
    print(f"{kind}/{path.name} {change.__name__}", flush=True)
    with contextlib.suppress(ValueError, UnicodeEncodeError, AttributeError):  # the change itself cannot be
        change(path, draw)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            found = OPEN[kind](folder)
    finally:
        if Path(CANARY).exists() or (folder / CANARY).exists():
            print("CODE WAS RUN", flush=True)
    said = any("not all finite numbers" in str(warning.message) for warning in warned)
    return f"{kind}/{path.name} {change.__name__}", _same(found, OPEN[kind](Path(place) / kind)), said


def _same(one: Any, other: Any) -> str:
    """What became of what was opened, beside what is right."""
    import numpy as np
    import torch

    if not hasattr(one, "run_with_hooks"):
        return "as before" if np.array_equal(one.examples, other.examples) and one.value == other.value else "other"
    tokens = torch.tensor([[1, 2, 3, 1]])
    said, right = (model.run_with_hooks(tokens) for model in (one, other))
    if not said.isfinite().all():
        return "not finite"
    return "as before" if said.shape == right.shape and torch.equal(said, right) else "other"
