"""The page of errors holds every message that the source can say, word for word; each follows the one formula."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
ENTRY = re.compile(r"^(`{1,2})(.+)\1\n: Cause: .+\n  Cure: .+$", re.MULTILINE)
BULLET = re.compile(r"^- (`{1,2})(.+)\1$", re.MULTILINE)
"""A message that says enough to stand without a cause and a cure."""
FORMULA = re.compile(r"must .*; got .+")
OTHERWISE = ("no … is called …; the nearest known: ….", "no … is called …; there is none.", "… A model must be ….…")
"""Names that do not exist, which are refused with the nearest that do."""


def literal(node: ast.expr) -> str:
    """The words of a message, … for what is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return re.sub("…+", "…", "".join(literal(part) for part in node.values))
    return "…"


def messages(source: str) -> set[str]:
    """What `UserError`, `InterpError` and `unknown` are called with."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not node.args:
            continue
        if node.func.id in ("UserError", "InterpError", "OfAnotherRun"):
            found.add(literal(node.args[0]))
        if node.func.id == "unknown":
            found.add(f"no {literal(node.args[0])} is called …")
    return found


def of_files(paths) -> set[str]:
    return set().union(*(messages(path.read_text(encoding="utf-8")) for path in paths))


DOCUMENTED = [match[2] for match in (*ENTRY.finditer(PAGE), *BULLET.finditer(PAGE))]
SAID = {message for message in of_files((ROOT / "interp").rglob("*.py")) if message.strip("… .")}


def test_every_documented_message_can_be_said():
    said = of_files([*(ROOT / "interp").rglob("*.py"), *(ROOT / "analyses").glob("*.py")])
    assert not [message for message in DOCUMENTED if message not in said]


def test_every_entry_has_a_message_a_cause_and_a_cure():
    entries = len(ENTRY.findall(PAGE))
    assert entries == PAGE.count("\n: ") == PAGE.count("\n  Cure: ") > 60
    assert len(set(DOCUMENTED)) == len(DOCUMENTED) > 300


def test_every_message_is_documented():
    assert sorted(SAID - {*DOCUMENTED} - {*OTHERWISE}) == []


def test_every_message_follows_the_formula():
    wrong = [m for m in SAID if not FORMULA.search(m) and not m.startswith("no ") and m not in OTHERWISE]
    assert sorted(wrong) == []


def test_messages_are_read_out_of_the_source():
    source = 'raise UserError(f"{x} is at least {y}" f"{z}.")\nraise unknown("head", name, names)\nlog("no error")'
    assert messages(source) == {"… is at least ….", "no head is called …"}
