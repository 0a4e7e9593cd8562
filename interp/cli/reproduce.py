"""`interp reproduce`: the claims of "Repeat After Me", each with its runs, its number, its interval and its rule.

What a run has found is kept, a few kilobytes each, so that nothing is done twice; what was cut short goes on. Claims
are decided from what is kept, and a page is left.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import tyro

from interp.base.bounds import Bounds
from interp.base.errors import InterpError, UserError
from interp.base.paths import expanded, is_folder
from interp.base.words import count
from interp.cli.devices import resolve_device
from interp.cli.places import result_folder
from interp.cli.streams import say, show_table, show_tables

if TYPE_CHECKING:
    from interp.experiments.executor import Executor
    from interp.experiments.kept import Record
    from interp.experiments.plan import RunPlan


@dataclass(frozen=True)
class Options:
    """Options of this command."""

    BOUNDS: ClassVar[Bounds] = {"seeds": (1, 100), "workers": (1, 1024), "cpus": (0.0, 1024.0), "gpus": (0.0, 64.0)}

    claims: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[CLAIM ...]")] = ()
    """Claims to decide: samples, length, suffix, prefix, repeats, copier, registers, objections, stretched, capacity;
    by default all."""
    size: str = "laptop"
    """tiny (a look at the machinery), laptop (two CPU cores, some hours) or paper (the paper's models, on a GPU)."""
    seeds: int | None = None
    """Trainings of each kind of model; by default as many as each claim says, 3 to 6."""
    families: tuple[str, ...] = ()
    """Recurrent families to compare beside the paper's in samples, length, suffix and prefix: gla, rwkv7, ...; each
    at three learning rates, the best of which is kept."""
    workers: int = 1
    """Runs at the same time, in processes of this machine (with Ray: tasks)."""
    ray_address: str | None = None
    """A cluster of Ray to run on, as in ray://HOST:10001; auto for the one that this machine belongs to; local starts
    one here."""
    cpus: float = 1.0
    """CPUs of a run, on Ray."""
    gpus: float = 0.0
    """GPUs of a run, on Ray; 0.5 puts two on one."""
    found: str | None = None
    """Folder of what runs have found; by default below INTERP_HOME. Those of several machines may lie in one."""
    collect: bool = False
    """Run nothing: decide from what is kept."""
    list: bool = False
    """Print what would run, what is kept, and how long the rest will take; run nothing."""
    explain: str | None = None
    """Print the plan of the run of this name as a document, to be saved, edited and given back with --plan."""
    plan: str | None = None
    """Carry out the one run of this document, and print what it found."""
    out: str | None = None
    """Folder for the page and results.json; by default a new one under results/."""
    site: str | None = None
    """Folder of the site's pages (docs): also write paper.md there, and in paper/ results.json and what the runs found.
    """
    device: str = "auto"
    """auto (CUDA if there is any, else the CPU), cpu, cuda or cuda:N."""
    quiet: bool = False
    """Print nothing but where the results are."""
    tiny: bool = False
    """Short for --size tiny --seeds 2: a look at the machinery; the numbers mean nothing."""


TINY = Options(size="tiny", seeds=2)
LOCAL = "local"


def work(options: Options) -> None:
    """Run what is left to run, decide the claims, write the page, then print."""
    if not (options.quiet or options.plan or options.explain):  # what these two print is a document
        claimed = ", ".join(options.claims) or "every claim"
        say(f"interp reproduce: {claimed}, size {options.size}, on device {options.device}")
    from interp.experiments.paper import claims
    from interp.experiments.paper.reproduce import find_run, plans_of
    from interp.experiments.paper.site import check_site
    from interp.experiments.plan import plan_text

    chosen = claims(options.claims)
    plans = plans_of(chosen, options.size, options.seeds, options.families)
    every = [plan for each in plans.values() for plan in each]
    record = _record(options)
    if options.plan is not None:
        _one(options, record)
        return
    if options.explain is not None:
        say(plan_text(find_run(every, options.explain)).rstrip())
        return
    if options.list:
        _list(plans, record)
        return
    device = resolve_device(options.device)
    if options.size == "paper" and not options.collect:
        _need_gpu(every, str(device), options)
    if options.site is not None:
        check_site(expanded(options.site, "--site"))
    executor = _executor(options)
    with result_folder("reproduce", options.out, options.size) as folder:
        _run(options, chosen, plans, record, executor, folder, str(device))


def _run(
    options: Options, chosen: Any, plans: Any, record: "Record", executor: "Executor", folder: Path, device: str
) -> None:
    from interp.cli.live import Watch
    from interp.experiments.engine import agenda, carry_out_all
    from interp.experiments.paper.report import tables, write_paper_report
    from interp.experiments.paper.reproduce import decide_all
    from interp.experiments.paper.site import write_site
    from interp.experiments.work import Work

    every = [plan for each in plans.values() for plan in each]
    todo = agenda(every, record)
    found = {one.digest: one for one in todo.kept}
    if not options.collect:
        do = Work(None if options.ray_address not in (None, LOCAL) else str(record.folder), device)
        with Watch(todo, executor.workers, options.quiet) as watch:
            found = carry_out_all(every, executor, do, record, watch.on_event)
    result = decide_all(chosen, plans, found, options.size, options.seeds, device, options.families)
    page = write_paper_report(result, folder)
    if options.site is not None:
        write_site(result, found.values(), expanded(options.site, "--site"))
    if not options.quiet:
        show_tables(tables(result))
        for claim in result.claims:
            say(f"\n{claim.title}: {claim.says}")
            for run in claim.failed:
                say(f"  failed: {run}")
        say()
    say(str(page))


def _record(options: Options) -> "Record":
    """Where what runs have found is kept, tried before anything runs.

    Raises: UserError for what is not a folder, or one that nothing can be read from, or written to.
    """
    from interp.experiments.kept import Record
    from interp.experiments.work import default_record

    if options.found is None:
        return Record(default_record())
    folder = expanded(options.found, "--found")
    reads = options.collect or options.list or options.explain is not None
    if folder.exists() and not is_folder(folder):
        raise UserError(f"--found must be a folder; got {folder}, which is a file. Name the folder that it lies in.")
    if options.collect and not is_folder(folder):
        raise UserError(
            f"--found must be a folder of what runs have found; got {folder}, which is not there. Run without "
            "--collect, or name another."
        )
    try:
        if not reads:
            folder.mkdir(parents=True, exist_ok=True)
        list(folder.iterdir() if is_folder(folder) else ())
    except OSError as error:
        why = os.strerror(error.errno or 0).lower()
        raise UserError(
            f"--found must be a folder that can be read and written; got {folder} ({why}). Choose another."
        ) from error
    return Record(folder)


def _one(options: Options, record: "Record") -> None:
    """Carry out one plan from a file."""
    from interp.base.files import json_text
    from interp.experiments.plan import read_plan
    from interp.experiments.work import Work

    plan = read_plan(expanded(options.plan or "", "--plan"))
    found = Work(str(record.folder), str(resolve_device(options.device)), progress=not options.quiet)(plan)
    if found.failed is not None:
        raise InterpError(f"the run of --plan must end well; got an error in {plan.name}: {found.failed}")
    if not options.quiet:
        say(json_text(dict(found.values)).rstrip())
    say(str(record.path(found.digest)))


def _list(plans: Mapping[str, Sequence["RunPlan"]], record: "Record") -> None:
    """What would run, claim by claim; a run that several need is counted with the first."""
    from interp.experiments.engine import agenda
    from interp.experiments.times import seconds_of

    every = [plan for each in plans.values() for plan in each]
    todo = agenda(every, record)
    seconds = seconds_of(todo.left, record)
    shown, rows, names = set[str](), [], []
    for claim, each in plans.items():
        mine = [plan for plan in {p.digest: p for p in each}.values() if plan.digest not in shown]
        shown |= {plan.digest for plan in mine}
        left = [plan for plan in mine if plan.digest in seconds]
        rows.append((claim, str(len(mine)), str(len(mine) - len(left)), str(len(left)), _minutes(left, seconds)))
        names += [(plan.name, plan.digest[:8], _minutes([plan], seconds)) for plan in left]
    rows.append(("all", str(len(todo.plans)), str(len(todo.kept)), str(len(todo.left)), _minutes(todo.left, seconds)))
    show_table("What is left to run", ("run", "digest", "CPU minutes, about"), names)
    show_table("By claim", ("claim", "runs", "kept", "left", "CPU minutes, about"), rows)


def _minutes(plans: Sequence["RunPlan"], seconds: dict[str, float]) -> str:
    return f"{sum(seconds[plan.digest] for plan in plans) / 60:.1f}"


def _executor(options: Options) -> "Executor":
    from interp.experiments.executor import Processes, Serial

    if options.ray_address is not None:
        from interp.experiments.executor.on_ray import OnRay

        address = None if options.ray_address == LOCAL else options.ray_address
        return OnRay(address, options.workers, options.cpus, options.gpus)
    return Serial() if options.workers == 1 else Processes(options.workers)


def _need_gpu(plans: Sequence["RunPlan"], device: str, options: Options) -> None:
    """Say what the paper's size takes. Raises: UserError without a GPU."""
    from interp.experiments.paper.reproduce import largest

    most = largest(plans)
    what = f"{count(len({plan.digest for plan in plans}), 'run')} of models of up to {most:,} parameters"
    if not device.startswith("cuda") and not (options.ray_address and options.gpus):
        raise UserError(
            f"--size must be tiny or laptop without a GPU; got paper, {what}. Run it where there is one, or on a "
            "cluster with --ray-address and --gpus."
        )
    if not options.quiet:
        say(f"interp reproduce: {what} on {device}; each needs a GPU to itself, or a share that holds it.")
