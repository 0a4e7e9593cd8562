"""Looking for the smallest circuit that copies, testing it on other strings, taking its lookup heads apart."""

from pathlib import Path
from typing import Any

import torch

from interp.base.bounds import check_bounds
from interp.base.calls import checked_call
from interp.base.provenance import provenance
from interp.base.seeds import own_generator
from interp.loading import Loaded, as_loaded
from interp.measure.circuits.edge_sweep import all_but_each, edge_sweep
from interp.measure.circuits.nodes import Graph
from interp.measure.circuits.repair import self_repair
from interp.measure.circuits.smallest import smallest_circuit
from interp.measure.circuits.sufficiency import circuit_curve, try_circuit
from interp.measure.circuits.tables import head_tables
from interp.models.heads import HeadTable
from interp.models.surface import device
from interp.results.heads import HeadScores
from interp.studies.attention.run import view_attention
from interp.studies.circuit.result import CircuitStudy
from interp.studies.circuit.run.formation import formed
from interp.studies.circuit.settings import CircuitSettings
from interp.studies.circuit.verdict import circuit_verdict
from interp.studies.scoring import find_heads, probed
from interp.studies.study import OnStep, silent
from interp.tasks.base import Batch
from interp.tasks.probes.planted_repeats import planted_repeats
from interp.tasks.probes.probe import Probe


@checked_call
def circuit_study(
    loaded: Loaded | str | Path, seed: int = 0, settings: CircuitSettings | None = None, on_step: OnStep = silent
) -> CircuitStudy:
    """Find the edges that copy, and say whether they are enough and each is needed.

    Args:
        loaded: what `interp.load` returns, or a model specification.
        seed: of all strings, of the untrained models and of random circuits.
        settings: on which strings, and how small.
        on_step: told what is being done.

    Raises: UserError for a model of another package, one that gets no string right, or a task that does not lay out
        letters.
    """
    settings = settings or CircuitSettings()
    check_bounds(settings)
    loaded = as_loaded(loaded, seed)
    model: Any = loaded.model
    graph, vocabulary = Graph.of(model), loaded.task.vocabulary
    on_step("scoring heads")
    scores = find_heads(loaded, seed, settings.scoring, on_step)
    chosen_on, tested_on = (_strings(loaded, name, seed, settings) for name in ("circuit, chosen", "circuit, tested"))
    on_step("what each edge costs alone")
    sets = torch.ones(1, len(graph.edges), dtype=torch.bool).numpy()
    whole = edge_sweep(model, chosen_on, vocabulary, sets)
    alone = edge_sweep(model, chosen_on, vocabulary, all_but_each(graph), on_step=on_step)
    costs = (alone.loss - whole.loss).double().mean(dim=1).abs().cpu().numpy()
    on_step("the smallest circuit")
    edges = graph.on_paths(smallest_circuit(model, chosen_on, vocabulary, settings.share, on_step=on_step))
    on_step("the circuit on other strings")
    circuit = try_circuit(model, tested_on, vocabulary, edges, draws=settings.draws, seed=seed)
    curve = circuit_curve(model, tested_on, vocabulary, costs, draws=min(settings.draws, 5), seed=seed)
    on_step("lookup heads taken apart")
    probe, heads = _probe(loaded, seed, settings), _looking(model, scores)
    lookups = tuple(head_tables(model, probe, head, settings.letters) for head in heads)
    names = [table.head for table in lookups]
    on_step("what is made up for without them")
    repair = self_repair(model, tested_on, vocabulary, names, on_step) if names else None
    on_step("attention")
    length = min(settings.view_length, tested_on.answer_tokens.shape[1])
    view = view_attention(loaded, length=length, scores=scores, seed=seed)
    formation = formed(loaded, tested_on, probe, scores, names, settings.letters, on_step)
    return CircuitStudy(
        verdict=circuit_verdict(circuit, lookups, repair, settings.share),
        provenance=provenance(str(model.cfg.device), seed, model),
        model=loaded.description,
        circuit=circuit,
        curve=curve,
        scores=scores,
        lookups=lookups,
        repair=repair,
        attention=view,
        formation=formation,
    )


def _strings(loaded: Loaded, name: str, seed: int, settings: CircuitSettings) -> Batch:
    """Strings of their own, of the length asked for, else of the longest of training or that heads are probed on."""
    home = loaded.trained_lengths[1] if loaded.trained_lengths else probed(loaded, settings.scoring.longest)[1][1]
    batch = loaded.task.sample(settings.strings, settings.length or home, own_generator(name, seed))
    return batch.to(device(loaded.model))


def _looking(model: Any, scores: HeadScores) -> list[Any]:
    """Every lookup head of an attention layer."""
    return [head for head in HeadTable.of(model).parse(scores.of_role("lookup")) if head.kind == "attention"]


def _probe(loaded: Loaded, seed: int, settings: CircuitSettings) -> Probe:
    """Questions without a rival, on which scores are taken apart."""
    longest, span = probed(loaded, settings.scoring.longest)
    k = torch.zeros(settings.strings, dtype=torch.long)
    generator = own_generator("circuit, probes", seed)
    probe = planted_repeats(loaded.task, k, span, generator, exclusive=True, context=longest, place=0)
    return probe.to(device(loaded.model))
