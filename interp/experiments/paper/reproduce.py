"""The experiment: which runs the claims need, and what follows from what they found."""

from collections.abc import Mapping, Sequence

from interp.base.errors import UserError
from interp.base.provenance import provenance
from interp.experiments.claim import Claim, Claims
from interp.experiments.kept import Found
from interp.experiments.paper.registry import PAPER, check_seeds, check_size
from interp.experiments.plan import RunPlan


def plans_of(
    claims: Sequence[Claim], size: str, seeds: int | None = None, families: Sequence[str] = ()
) -> dict[str, tuple[RunPlan, ...]]:
    """The runs that each claim needs, by its id. Claims share runs: the same run has the same digest.

    Args:
        claims: as `interp.experiments.paper.claims` gives them.
        size: one of `SIZES`.
        seeds: trainings of each kind; None: as many as each claim says.
        families: kinds of recurrent models that join the claims which compare families.

    Raises: UserError for an unknown size or family, families that no claim compares, or less than one seed.
    """
    check_size(size)
    if families and not any(claim.further for claim in claims):
        asked = ", ".join(claim.id for claim in claims)
        raise UserError(f"--families must go with a claim that compares families; got {asked}. Add samples or length.")
    plans = {}
    for claim in claims:
        each = check_seeds(claim.seeds if seeds is None else seeds)
        joined = claim.further(size, each, families) if families and claim.further else ()
        plans[claim.id] = claim.plans(size, each) + joined
    return plans


def decide_all(
    claims: Sequence[Claim],
    plans: Mapping[str, Sequence[RunPlan]],
    found: Mapping[str, Found],
    size: str,
    seeds: int | None = None,
    device: str = "cpu",
    families: Sequence[str] = (),
) -> Claims:
    """Decide every claim from what its runs found; a run that is not among them counts as not done."""
    results = tuple(
        claim.decide(plans[claim.id], found, size, claim.seeds if seeds is None else seeds) for claim in claims
    )
    return Claims(PAPER, size, results, provenance(device, 0), tuple(families))


def largest(plans: Sequence[RunPlan]) -> int:
    """Parameters of the largest model that is trained."""
    import torch

    from interp.models import build

    different = {str(sorted(plan.model.items(), key=str)): plan for plan in plans if not plan.planted}
    if not different:
        return 0
    with torch.device("meta"):
        models = [build(dict(plan.model)) for plan in different.values()]
    return max(sum(weight.numel() for weight in model.parameters()) for model in models)


def find_run(plans: Sequence[RunPlan], name: str) -> RunPlan:
    """The run of a name, or of the beginning of a digest.

    Raises: UserError for none of them.
    """
    for plan in plans:
        if plan.name == name or (len(name) >= 6 and plan.digest.startswith(name)):
            return plan
    near = [plan.name for plan in plans if name in plan.name][:6] or [plan.name for plan in plans][:6]
    raise UserError(f"--explain must name a run; got {name!r}. Choose one of {', '.join(near)}, ... (see --list).")
