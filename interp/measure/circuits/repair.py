"""Self-repair: what is lost when a head goes, beside what it would cost if nothing could answer to it.

The direct effect replaces what a head writes in the logits alone (its edge to the unembedding); the total effect
replaces its output everywhere, so that later nodes react. The difference is what they win back, or lose besides. Which
of them does is found by holding each in turn at what it wrote before.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.measure.circuits.nodes import Graph, Node
from interp.measure.circuits.stream import cached
from interp.measure.edit import Edit, Site, written_at
from interp.measure.progress import OnStep, announced
from interp.measure.values import Donor, Mean
from interp.models.heads import Head, Heads, HeadTable
from interp.models.hooks.model import Hook
from interp.models.stack.model import StackModel
from interp.results.circuits import SelfRepair
from interp.tasks.base import Batch
from interp.tasks.score import logit_difference, per_string
from interp.tasks.vocabulary import Vocabulary


@checked_call
@torch.no_grad()
def self_repair(
    model: StackModel, batch: Batch, vocabulary: Vocabulary, heads: Heads, on_step: OnStep = lambda _: None
) -> SelfRepair:
    """Take heads away, one by one and all together, and see what the rest of the model makes up for.

    Away, a head writes its mean over strings and positions.

    >>> import interp
    >>> model, task = interp.planted_copier(1, 20, n_lookup=2)[0], interp.CopyTask(20)
    >>> found = self_repair(model, task.sample(16, 8, 0), task.vocabulary, ["L1H2", "L1H3"])
    >>> bool(abs(found.repaired).max() < 1e-3), bool(abs(found.redundancy) < 1e-3)  # each writes its half of the answer
    (True, True)

    Args:
        model: one of this package's.
        batch: the strings.
        vocabulary: which tokens are letters.
        heads: attention heads, by name or as `Head`s: the lookup heads, say.
        on_step: told how far it is.

    Raises: UserError for no heads, or heads of hidden attention.
    """
    graph, chosen = Graph.of(model), _attention_heads(model, heads)
    nodes = [graph.node(head.name) for head in chosen]
    others = _after(graph, nodes)
    clean_run = cached(model, batch.tokens, [written_at(node) for node in (*nodes, *others)])

    def score(*hooks: Hook) -> Float[Tensor, " batch"]:
        logits = model.run_with_hooks(batch.tokens, fwd_hooks=list(hooks))
        return per_string(logit_difference(logits, batch, vocabulary), batch).double()

    def gone(head: Head) -> Hook:
        return Edit(Site.of(head), Mean()).hook(model, clean_run)

    clean = score()
    direct, total, won_back = [], [], []
    for head, node in zip(chosen, announced(nodes, "heads taken away", on_step), strict=True):
        straight = f"{head}->unembed"
        edges = graph.parse([straight]) if straight in graph.names else ()
        direct.append(clean - score(*(Edit(edge, Mean()).hook(model, clean_run) for edge in edges)))
        without = score(gone(head))
        total.append(clean - without)
        later = _after(graph, [node])
        by_other = [
            without - score(gone(head), _held(model, other, clean_run)) if other in later else 0 * clean
            for other in others
        ]
        won_back.append(torch.stack(by_other) if by_other else clean.new_zeros(0, len(clean)))
    together = clean - score(*map(gone, chosen))
    return SelfRepair(
        heads=tuple(head.name for head in chosen),
        others=tuple(node.name for node in others),
        clean=clean.cpu().numpy(),
        direct=torch.stack(direct).cpu().numpy(),
        total=torch.stack(total).cpu().numpy(),
        won_back=torch.stack(won_back).cpu().numpy(),
        together=together.cpu().numpy(),
    )


def _attention_heads(model: StackModel, heads: Heads) -> tuple[Head, ...]:
    chosen = HeadTable.of(model).parse(heads)
    if not chosen or any(head.kind != "attention" for head in chosen):
        raise UserError(
            f"heads must be attention heads, at least one; got {[str(head) for head in chosen]}. Name lookup heads."
        )
    return chosen


def _after(graph: Graph, nodes: Sequence[Node]) -> list[Node]:
    """Nodes that what these write can reach, and that write themselves."""
    fed = {node.name for node in nodes}
    for edge in graph.edges:  # in causal order
        if edge.writer.name in fed:
            fed.add(edge.reader.name)
    return [node for node in graph.nodes if node.writes_at and node.name in fed and node not in nodes]


def _held(model: StackModel, node: Node, clean_run: dict[str, Tensor]) -> Hook:
    name = written_at(node)
    return Edit(Site(name, node.head), Donor(clean_run[name])).hook(model)
