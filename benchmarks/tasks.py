"""How fast strings are drawn: letters per second of each task, against a loop that draws them letter by letter.

The loop is the official code's way, told anew: Python strings of `random` letters, one example at a time, encoded
letter by letter, with its mask. One thread. The last line is JSON, with `copy_speedup` and `ngram_speedup`.

  python benchmarks/tasks.py [--strings 1024] [--length 20]
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import torch

from interp.base.seeds import spawn
from interp.tasks import task_from_spec
from interp.tasks.registry import KINDS

LENGTHS = {"copy-unique": 26, "recall": 13}
"""Letters (of a recall: pairs) where an alphabet of 26 allows no more."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
FURTHER = (50, 100)
"""Lengths whose speedups are told, too."""
MOST = 32_768
"""Letters that are drawn at once, at most: what a processor's nearest memory holds."""
TABLE = {letter: number for number, letter in enumerate(LETTERS + "$|.*")}


def official_string(rng: np.random.Generator, length: int) -> str:
    """Letters, drawn and joined, and as text joined once more."""
    return "".join([str(letter) for letter in "".join(rng.choice(list(LETTERS), size=length))])


def official_copy(rng: np.random.Generator, length: int) -> tuple[str, list[int]]:
    """A copy and its mask."""
    string = official_string(rng, length)
    text = f"${string}|{string}."
    return text, [0] * (length + 2) + [1] * (len(text) - length - 2)


def official_lookup(rng: np.random.Generator, length: int, n: int = 3) -> tuple[str, list[int]]:
    """A suffix lookup and its mask: draws strings until one has an n-gram that stands once, as a list counts them."""
    while True:
        string = official_string(rng, length)
        grams = [string[i : i + n] for i in range(length - n - 1)]
        if [gram for gram in grams if grams.count(gram) == 1]:
            break
    key = grams[int(rng.integers(0, len(grams) - 1))]
    text = f"${string}|{key}{string[string.index(key) + n :]}."
    return text, [0] * (length + n + 2) + [1] * (len(text) - length - n - 2)


def official_batch(one: Callable[..., tuple[str, list[int]]], strings: int, length: int, seed: int) -> torch.Tensor:
    """Draw, encode and pad, string by string."""
    rng, rows = np.random.default_rng(seed), []
    for _ in range(strings):
        text, mask = one(rng, length)
        ids = torch.tensor([TABLE[character] for character in text], dtype=torch.int64)
        rows.append(torch.nn.functional.pad(ids, (0, 2 * length + 8 - len(ids)), value=TABLE["*"]))
        torch.tensor(mask)
    return torch.stack(rows)


def rate(draw: Callable[[int], object], letters: int, rounds: int) -> float:
    """Letters per second of processor time, in the fastest of some rounds: what else the machine does counts little."""
    draw(0)
    seconds = []
    for number in range(rounds):
        start = time.process_time()
        draw(spawn(0, number))
        seconds.append(time.process_time() - start)
    return letters / min(seconds)


def speedups(length: int, strings: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Letters per second of a task and of the loop, for strings of a length, of copying and of ambiguous lookups."""
    few = max(1, strings // 32)  # the loop is slow, and its rate does not depend on how often it turns
    loops = {"copy": official_copy, "ngram?ambiguous=yes": official_lookup}
    found = {}
    for spec, one in loops.items():
        task, rows = task_from_spec(spec), min(strings, MOST // length)
        ours = rate(lambda seed, task=task, rows=rows: task.sample(rows, length, seed), rows * length, rounds)
        found[spec.partition("?")[0]] = (
            ours,
            rate(lambda seed, one=one: official_batch(one, few, length, seed), few * length, rounds // 4),
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strings", type=int, default=1024)
    parser.add_argument(
        "--length", type=int, default=20, help="20: the longest of the official code's default training"
    )
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)

    letters = {}
    for kind in KINDS:
        task, length = task_from_spec(kind), min(options.length, LENGTHS.get(kind, options.length))
        letters[kind] = rate(
            lambda seed, task=task, length=length: task.sample(options.strings, length, seed),
            options.strings * length,
            max(1, options.rounds // 4),
        )
        print(f"{kind:14} {letters[kind]:14,.0f} letters/s")
    by_length = {n: speedups(n, options.strings, options.rounds) for n in sorted({options.length, *FURTHER})}
    for n, each in by_length.items():
        for kind, (ours, loop) in each.items():
            print(f"{kind:6} of {n:4} letters: {ours:14,.0f} letters/s, loop {loop:12,.0f}, {ours / loop:6.1f} times")
    chosen = by_length[options.length]
    summary = {
        "strings": options.strings,
        "length": options.length,
        "letters_per_second": {kind: round(value) for kind, value in letters.items()},
        **{f"{kind}_speedup": round(ours / loop, 1) for kind, (ours, loop) in chosen.items()},
        "by_length": {
            n: {kind: round(ours / loop, 1) for kind, (ours, loop) in each.items()} for n, each in by_length.items()
        },
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
