"""How fast strings are drawn: letters per second of each task, against a loop that draws them letter by letter.

The loop is the official code's way, told anew: Python strings of `random` letters, one example at a time, encoded
letter by letter, with its mask. One thread. The last line is JSON, with `copy_speedup` and `ngram_speedup`.

  python benchmarks/tasks.py [--strings 256] [--length 100]
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
    """Letters per second, in the fastest of some rounds."""
    draw(0)
    seconds = []
    for number in range(rounds):
        start = time.perf_counter()
        draw(spawn(0, number))
        seconds.append(time.perf_counter() - start)
    return letters / min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strings", type=int, default=256)
    parser.add_argument("--length", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)

    found: dict[str, float] = {}
    for kind in KINDS:
        task, length = task_from_spec(kind), LENGTHS.get(kind, options.length)
        found[kind] = rate(
            lambda seed, task=task, length=length: task.sample(options.strings, length, seed),
            options.strings * length,
            options.rounds,
        )
    task = task_from_spec("ngram?ambiguous=yes")
    few = max(1, options.strings // 8)  # the loop is slow, and its rate does not depend on how often it turns
    ours = rate(lambda seed: task.sample(options.strings, options.length, seed), options.strings * options.length, 7)
    loops = {
        "copy": rate(lambda s: official_batch(official_copy, few, options.length, s), few * options.length, 3),
        "ngram": rate(lambda s: official_batch(official_lookup, few, options.length, s), few * options.length, 3),
    }
    for kind, letters in found.items():
        print(f"{kind:14} {letters:14,.0f} letters/s")
    print(f"{'ambiguous':14} {ours:14,.0f} letters/s")
    for kind, letters in loops.items():
        print(f"{kind + ', loop':14} {letters:14,.0f} letters/s")
    summary = {
        "strings": options.strings,
        "length": options.length,
        "letters_per_second": {kind: round(value) for kind, value in found.items()},
        "copy_speedup": round(found["copy"] / loops["copy"], 1),
        "ngram_speedup": round(ours / loops["ngram"], 1),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
