"""Which heads write a string backwards, by which letters, and whether palindromes lead them astray.

One line of JSON for each training of the arms `backwards32` and `backwards32-marked` of `interp.experiments.record`:
its heads (`backward_heads`), and how many of 500 letters are right after a palindrome of so many letters, and after the
same letters with one changed (`palindrome_effect`). Where a head below can mark the answer, the same once more with
what it writes from the separator on replaced by its mean over the string. What is trained is kept (below
`$INTERP_HOME`).
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import tyro
from torch import Tensor

from interp.base.codec import to_plain
from interp.base.seeds import own_generator
from interp.experiments.record.run.arms import ARMS
from interp.measure.heads.backwards import backward_heads
from interp.measure.heads.palindromes import palindrome_effect
from interp.measure.heads.settings import HeadSettings
from interp.training.kept_runs import kept_run
from interp.training.run_folder import Run, load_run

LENGTH = 64
STRINGS = 500
PALINDROMES = (5, 6, 7, 8, 9)
ASKED = HeadSettings(longest=9, strings=48)


def measured(arm: str, seed: int) -> dict[str, Any]:
    """Train, or open what was trained, and ask."""
    model, task, recipe = ARMS[arm][1]()
    run = load_run(kept_run(f"record/{arm}", model, task, replace(recipe, seed=seed), progress=False))
    heads = backward_heads(run.model, run.task, LENGTH // 2, ASKED, seed).heads
    found = {
        "arm": arm,
        "seed": seed,
        "heads": to_plain(heads),
        "strings": STRINGS,
        "palindromes": _palindromes(run, seed),
    }
    if len(run.model.blocks) > 1:
        with run.model.hooks(fwd_hooks=[("blocks.0.attn.hook_z", _unmarked)]):
            found["unmarked"] = _palindromes(run, seed)
    return found


def _palindromes(run: Run, seed: int) -> dict[str, tuple[int, int]]:
    """Letters of the palindrome -> right after one, and after the same letters with one changed."""
    found = {}
    for n in PALINDROMES:
        effect = palindrome_effect(run.model, run.task, n, LENGTH, STRINGS, own_generator(f"palindromes {n}", seed))
        found[str(n)] = (effect.right, effect.right_otherwise)
    return found


def _unmarked(z: Tensor, hook: object) -> Tensor:  # noqa: ARG001
    """From the separator on what it writes in the string, on average."""
    string, answer = z[:, : LENGTH + 1], z[:, LENGTH + 1 :]
    return torch.cat([string, string[:, 1:].mean(dim=1, keepdim=True).expand_as(answer)], dim=1)


def table(lines: Iterable[dict[str, Any]]) -> str:
    """A row for each training: its heads as place behind: letters, and letters that are right after palindromes."""
    rows = []
    for line in lines:
        heads = [_head(head) for head in line["heads"] if head["flagged"]]
        rows.append([line["arm"], str(line["seed"]), "; ".join(heads), *_counts(line["palindromes"])])
        if "unmarked" in line:
            rows.append([f"{line['arm']}, the mark taken away", str(line["seed"]), "", *_counts(line["unmarked"])])
    head = ["arm", "seed", "heads", *(f"{n} letters" for n in PALINDROMES), "one changed"]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def _head(head: dict[str, Any]) -> str:
    matches = head["matches"]
    letters = ", ".join(map(str, matches)) or "none alone"
    letters = f"0 to {matches[-1]}" if len(matches) > 2 and matches == list(range(len(matches))) else letters
    return f"{head['name']} {head['offset']} behind, by {letters}"


def _counts(palindromes: dict[str, tuple[int, int]]) -> list[str]:
    return [*(str(right) for right, _ in palindromes.values()), str(min(other for _, other in palindromes.values()))]


def main(
    arms: tuple[str, ...] = ("backwards32", "backwards32-marked"),
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    read: Path | None = None,
) -> None:
    """Print a line for each training.

    Args:
        arms: of `ARMS`.
        seeds: of weights and strings of training.
        read: a file of such lines, of which the site's table is printed; nothing is trained.
    """
    if read is not None:
        print(table(json.loads(line) for line in read.read_text(encoding="utf-8").splitlines()))
        return
    torch.set_num_threads(1)
    for arm in arms:
        for seed in seeds:
            print(json.dumps(measured(arm, seed)), flush=True)


if __name__ == "__main__":
    tyro.cli(main)
