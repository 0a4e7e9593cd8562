"""`Found`: what one run has found, a few kilobytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from interp.base.codec import from_plain, to_plain
from interp.base.errors import UserError
from interp.experiments.plan import RunPlan, from_document

SCHEMA = "interp-found/1"


@dataclass(frozen=True)
class Found:
    """The numbers of one run, or why there are none."""

    digest: str
    """Digest of the plan."""
    plan: RunPlan
    values: Mapping[str, Any] = field(default_factory=dict)
    """Measurement -> its numbers, in plain JSON values: the same for the same plan, wherever it ran."""
    failed: str | None = None
    """Why it failed, if it did."""
    lasting: bool = True
    """Whether it would come out the same again: a loss that is no longer finite would, a full disk would not."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Processor time of its training and of its measurements, from the last resumption on."""
    ran: Mapping[str, Any] = field(default_factory=dict)
    """Versions and the device it ran with."""

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        plain = to_plain(self)
        plain["plan"] = self.plan.document()
        return {"schema": SCHEMA, **plain}


def found_from_document(document: Any, what: str) -> Found:
    """Read what `Found.document` wrote.

    Raises: UserError for another schema, or a file whose digest is not that of its plan.
    """
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise UserError(f"{what} must be of schema {SCHEMA}; got {schema}. Run it anew with this version.")
    plan = from_document(document.get("plan"), f"the plan of {what}")
    fields = {name: value for name, value in document.items() if name not in ("schema", "plan")}
    plain = {**fields, "plan": {name: value for name, value in document["plan"].items() if name != "schema"}}
    found = from_plain(Found, plain, result=True)
    return Found(**{**vars(found), "plan": plan})
