"""The truth about a planted model, read from its description and worked out by enumeration of its behaviour."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from interp.models.planted.behaviour import Place, behaviour, drawn_letters
from interp.models.planted.description import Circuit, HeadSpec, offset_of
from interp.models.planted.looks import Anywhere, AtToken, Back, Count, Found, Match
from interp.models.planted.planting import Carries, Copies, PlantedHead, Planting, Role, Use
from interp.models.stack.layer_heads import alibi_slopes

STRINGS = 12
"""Strings of each length on which behaviour is worked out."""
COST = 0.1
"""Least share of the answer's margin that is lost where an edge carries something."""
PREFERS = 0.01
"""Nats for each position from which on a head prefers one of two equal matches."""


@dataclass(frozen=True)
class Outcome:
    """What a description answers, over its lengths."""

    strings: float
    letters: float
    margin: float
    """The right letter in the answer, less the others."""


def outcome(circuit: Circuit, cut: Collection[Place] = ()) -> Outcome:
    """Expected accuracy and margin; `cut` are heads (layer, column) whose edges to the source are cut."""
    rows, circuit = [], replace(circuit, heads=tuple(head for head in circuit.heads if _acts(head)))
    for length in range(circuit.lengths[0], circuit.lengths[1] + 1):
        letters = drawn_letters(circuit, length, STRINGS, seed=length)
        found = behaviour(circuit, letters, cut)
        right = found.right(letters)
        rows.append((float(right.prod(dim=1).mean()), float(right.mean()), found.difference(letters, circuit.alphabet)))
    return Outcome(*(sum(column) / len(rows) for column in zip(*rows, strict=True)))


def truth(
    circuit: Circuit,
    specs: Mapping[Place, HeadSpec],
    windows: tuple[int | None, ...] | None,
    norm_spread: float = 0.0,
) -> Planting:
    """What each head was built to do, and what the whole does.

    Args:
        circuit: the description.
        specs: its heads by layer and number, as they stand in the model.
        windows: of the heads of each number.
        norm_spread: by how much the model's norms change scores.
    """
    seen = windows or (None,) * circuit.n_heads
    heads = {place: _head(circuit, spec, PlantedHead(*place, seen[place[1]], "zero")) for place, spec in specs.items()}
    clean, lookups = outcome(circuit), [place for place, head in heads.items() if head.role == "lookup"]
    carries, without = _carries(circuit, [specs[place] for place in lookups], clean)
    heads |= {place: replace(heads[place], carries=how) for place, how in zip(lookups, carries, strict=True)}
    offsets = tuple(sorted({offset for place in lookups for offset in heads[place].matches}))
    every = ((layer, number) for layer in range(circuit.n_layers) for number in range(circuit.n_heads))
    return Planting(
        n=_n(offsets),
        alphabet=circuit.alphabet,
        heads=tuple(heads.get(place) or PlantedHead(*place, seen[place[1]], "zero") for place in every),
        offsets=offsets,
        ordered=all(heads[place].ordered for place in lookups),
        use=_use(circuit, clean, without, any(head.attends for head in heads.values())),
        lengths=circuit.lengths,
        string_accuracy=clean.strings,
        letter_accuracy=clean.letters,
        letters_without=without,
        norm_spread=norm_spread,
    )


def _head(circuit: Circuit, spec: HeadSpec, empty: PlantedHead) -> PlantedHead:
    """One head, except for what it carries."""
    look, copies = spec.look, _copies(spec)
    if isinstance(look, Found):
        finder = next(h.look for h in circuit.heads if isinstance(h.look, Match) and _writes(h, "found"))
        attends, match, tilt = look.step == 1 - finder.after, finder, finder.tilt
    else:
        match = look if isinstance(look, Match) else None
        attends, tilt = match is not None and match.after, 0.0 if match is None else match.tilt
    if match is not None and circuit.position == "alibi":
        tilt += alibi_slopes(circuit.n_heads)[spec.column]
    role = _role(spec, attends, copies)
    return replace(
        empty,
        role=role,
        n=_n(match.offsets) if match and attends else None,
        offsets=tuple(sorted({offset_of(write.to) for write in spec.writes if offset_of(write.to)})),
        decoy=spec.decoy,
        matches=match.offsets if match else (),
        attends=attends,
        ordered=match is None or match.ordered,
        prefers=None if abs(tilt) < PREFERS else "last" if tilt > 0 else "first",
        tilt=tilt,
        copies=copies,
    )


def _role(spec: HeadSpec, attends: bool, copies: Copies) -> Role:
    if isinstance(spec.look, Anywhere):
        return "random"
    if any(offset_of(write.to) for write in spec.writes):
        return "gather"
    if _writes(spec, "found"):
        return "finder"
    if isinstance(spec.look, AtToken) and (_writes(spec, "start") or _writes(spec, "second")):
        return "marker"
    if attends and copies != "no":
        return "lookup" if copies == "copies" else "suppressor"
    return "copier" if isinstance(spec.look, Back | Count) and copies == "copies" else "decoy"


def _copies(spec: HeadSpec) -> Copies:
    """Whether a head adds the letter that it attends to, or takes it away, where it is read."""
    read = [write for write in spec.writes if write.to in ("answer", "relay") and write.what == "token"]
    factor = sum(write.factor for write in read)
    return "no" if factor == 0 else "copies" if factor > 0 else "suppresses"


def _writes(spec: HeadSpec, slot: str) -> bool:
    return any(write.to == slot for write in spec.writes)


def _acts(spec: HeadSpec) -> bool:
    """Whether what it writes can reach the answer, except for letters further back, which are taken for granted."""
    return any(_writes(spec, slot) for slot in ("answer", "relay", "found"))


def _n(offsets: tuple[int, ...]) -> int | None:
    return len(offsets) if offsets and offsets == tuple(range(len(offsets))) else None


def _carries(circuit: Circuit, lookups: list[HeadSpec], clean: Outcome) -> tuple[list[Carries], float | None]:
    """What each lookup head carries, and the letters that are right with the edges of all of them cut."""
    if not lookups:
        return [], None
    places = [(head.layer, head.column) for head in lookups]
    whole = outcome(circuit, places)
    carries: list[Carries] = []
    for place in places:
        single = len(places) == 1
        alone = clean.margin - (whole if single else outcome(circuit, [place])).margin
        last = (clean if single else outcome(circuit, [p for p in places if p != place])).margin - whole.margin
        least = COST * abs(clean.margin)
        carries.append("alone" if alone > least else "together" if last > least else "no")
    return carries, whole.letters


def _use(circuit: Circuit, clean: Outcome, without: float | None, attends: bool) -> Use | None:
    """Whether looking up is how the model copies."""
    if without is None:
        return "none" if attends else None
    lost = (clean.letters - without) / max(clean.letters - 1 / circuit.alphabet, 1e-9)
    return "all" if lost > 0.9 else "part" if lost > 0.1 else "spare"
