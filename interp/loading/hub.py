"""Run folders on the Hugging Face hub: `push_to_hub` puts one there with a model card, `load("hub:...")` opens it.

What is sent and what is fetched is weights (safetensors), JSON and the card: nothing that is there is ever executed.
Who may write is the hub's own business (`hf auth login`), and so is its address (HF_ENDPOINT).
"""

import json
import re
from pathlib import Path
from typing import Any

from interp.base import words
from interp.base.calls import checked_call
from interp.base.errors import InterpError, UserError, shown
from interp.models.checkpoint import CONFIG, WEIGHTS
from interp.models.pretrained.hub import first_line, not_found
from interp.training.run_folder import CHECKPOINTS, LOG, Run, load_run
from interp.training.run_specs import run_folder

FILES = (CONFIG, WEIGHTS, LOG, f"{CHECKPOINTS}/*.safetensors")
"""What of a run folder is shared: not what a training resumes from."""
NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
PAPER = """@inproceedings{jelassi2024repeat,
  title = {Repeat After Me: Transformers are Better than State Space Models at Copying},
  author = {Jelassi, Samy and Brandfonbrener, David and Kakade, Sham M. and Malach, Eran},
  booktitle = {International Conference on Machine Learning},
  year = {2024}
}"""


@checked_call
def push_to_hub(folder: str | Path, name: str, *, private: bool = False, says: str = "") -> str:
    """Put a run folder on the Hugging Face hub, with a model card made from its recipe and what was found.

    >>> interp.push_to_hub("runs/x", "someone/copier", says=str(study.verdict))  # doctest: +SKIP

    Args:
        folder: a run folder, which a training left behind.
        name: USER/NAME of the repository; it is made if there is none.
        private: of a repository that is made: who may read it.
        says: what was found about the model, for its card: the verdict of a study.

    Returns: the address of what was written.

    Raises: UserError for a folder that is not a run, or another form of name; InterpError if the hub refuses, or cannot
        be reached.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    check_name(name)
    path = run_folder(str(folder))
    run = load_run(path)  # whole, and of one recipe, before anything is sent
    files = sorted(file for pattern in FILES for file in path.glob(pattern))
    sent: list[Any] = [CommitOperationAdd(file.relative_to(path).as_posix(), file) for file in files]
    sent.append(CommitOperationAdd("README.md", card(run, name, says).encode()))
    api = HfApi()
    try:
        api.create_repo(name, private=private, exist_ok=True)
        return str(api.create_commit(name, sent, commit_message="A run of interp").commit_url)
    except Exception as error:  # each kind of failure has a class of its own, in whichever client is installed
        raise InterpError(
            f"the run must reach the Hugging Face hub; got an error ({first_line(error)}). Log in with hf auth login, "
            "and check the name and the network."
        ) from None


def fetch_run(name: str) -> Path:
    """The folder, on this machine, of a run on the hub: fetched, or from the hub's own cache.

    Args:
        name: USER/NAME, and if need be a revision behind it: USER/NAME?revision=...

    Raises: UserError for another form of name, or if there is no such run; InterpError if the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download

    repository, _, option = name.partition("?")
    check_name(repository)
    key, _, revision = option.partition("=")
    if option and (key != "revision" or not revision):
        raise UserError(
            f"a model after hub: must be USER/NAME or USER/NAME?revision=TAG; got {shown(name)}. Check the name."
        )
    try:
        return Path(snapshot_download(repository, revision=revision or None, allow_patterns=list(FILES)))
    except Exception as error:
        raise not_found(repository, error) from None


def check_name(name: str) -> None:
    """Raises: UserError for another form than USER/NAME."""
    if not NAME.fullmatch(name) or ".." in name or len(name) > 96:
        raise UserError(
            f"a model after hub: must be USER/NAME or USER/NAME?revision=TAG; got {shown(name)}. Check the name."
        )


def card(run: Run, name: str, says: str = "") -> str:
    """Write the model card: what the model is, how it was trained, what it can do, and how it is opened."""
    model, task, recipe = run.model.config_dict(), type(run.task).__name__, run.config.to_dict()
    head: dict[str, Any] = {
        "library_name": "interp",
        "tags": ["mechanistic-interpretability", "copying", str(model["kind"])],
    }
    log = run.log
    size = sum(parameter.numel() for parameter in run.model.parameters())
    trained = f"trained on {task} by `interp` (seed {recipe['seed']})"
    rows = ["| letters | strings right | letters right |", "|---|---|---|"]
    if len(log.evaluated_at):
        last = zip(log.lengths, log.string_accuracy[-1], log.letter_accuracy[-1], strict=True)
        rows += [f"| {n} | {words.percent(strings)} | {words.percent(letters)} |" for n, strings, letters in last]
    lists = {"Model": model, "Training": recipe}
    parts = [
        "---\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in head.items()) + "---",
        f"# {name.partition('/')[2]}",
        f"A {model['kind']} of {words.count(size, 'parameter')}, {trained}.",
        *([says] if says else []),
        f'```python\nimport interp\n\nloaded = interp.load("hub:{name}")\n```',
        "## At the end of training",
        "\n".join(rows),
        *(
            f"## {title}\n\n" + "\n".join(f"- `{key}`: {value}" for key, value in values.items())
            for title, values in lists.items()
        ),
        f"## The paper whose question it asks\n\n```bibtex\n{PAPER}\n```",
    ]
    return "\n\n".join(parts) + "\n"
