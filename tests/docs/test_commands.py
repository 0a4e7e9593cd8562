"""Every command of the site and of the README is one that can be called; the first of each on a page runs.

Those of the README, which stand in its table, are not run: those of the site are the same commands.
"""

import re
import shlex
from pathlib import Path

import pytest

from interp.cli import main
from interp.cli.commands import command, names
from interp.cli.parsing import parse

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CELL = re.compile(r"\| `((?:interp|python) [^`]+)` (?=\|)")
LAUNCHED = r"(?:\.venv/bin/)?(?:interp (?P<name>\w+)|(?:python|accelerate launch [-\w ]*) analyses/(?P<script>\w+)\.py)"
COMMAND = re.compile(rf"^\s*{LAUNCHED}(?P<arguments>.*)$", re.MULTILINE)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SCRIPTS = {
    path.stem: re.search(r'run_command\("(\w+)"', path.read_text(encoding="utf-8"))[1]
    for path in sorted((ROOT / "analyses").glob("*.py"))
}
"""Script -> its command."""


def commands(page: str) -> list[tuple[str, list[str]]]:
    """Commands and their arguments: of blocks and of table cells."""
    blocks = [*(block[1] for block in BLOCK.finditer(page)), *CELL.findall(page)]
    found = [match for block in blocks for match in COMMAND.finditer(block)]
    return [(m["name"] or SCRIPTS[m["script"]], shlex.split(m["arguments"], comments=True)) for m in found]


WITH_COMMANDS = {page: commands(page.read_text(encoding="utf-8")) for page in PAGES}
WITH_COMMANDS = {page: found for page, found in WITH_COMMANDS.items() if found}


LONG = ("hybrid.md", "saturation.md", "reproduce-the-paper.md", "record.md", "docs/backwards.md")
"""Pages whose first commands take long, and that tests of the commands themselves run, too."""
RUN = [pytest.param(page, marks=[pytest.mark.slow] * any(map(page.match, LONG))) for page in list(WITH_COMMANDS)[1:]]


def understood(name: str, arguments: list[str]) -> bool:
    options, tiny = command(name).options()
    return isinstance(parse(options, arguments, tiny=tiny), options)


@pytest.mark.usefixtures("pretrained")
@pytest.mark.parametrize("page", RUN, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_a_page_run(page, capsys):
    first: dict[str, list[str]] = {}
    for name, arguments in WITH_COMMANDS[page]:
        first.setdefault(name, arguments)
    for name, arguments in first.items():
        tiny = ["--tiny"] if hasattr(command(name).options()[0], "tiny") and "--help" not in arguments else []
        with pytest.raises(SystemExit) as ended:
            main([name, *arguments, *tiny])
        said = capsys.readouterr()
        assert ended.value.code in (0, None), f"interp {name} {shlex.join(arguments)}: {said.err}"
        assert said.out


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_a_page_are_understood(page):
    for name, arguments in WITH_COMMANDS[page]:
        assert "--help" in arguments or understood(name, arguments)


def test_the_examples_that_help_shows_are_understood():
    for name in names():
        for arguments, _ in command(name).examples:
            assert understood(name, shlex.split(arguments))


def test_an_option_that_does_not_exist_is_noticed(capsys):
    ((name, arguments),) = commands("```sh\npython analyses/find_hash_heads.py --modle x  # a slip\n```\n")
    assert (name, arguments) == ("heads", ["--modle", "x"])
    with pytest.raises(SystemExit) as ended:
        understood(name, arguments)
    assert ended.value.code == 2
    assert "--modle" in capsys.readouterr().err


def test_every_command_and_every_script_is_in_the_readme_and_on_the_site():
    readme, *site = WITH_COMMANDS.values()
    assert {name for name, _ in readme} == set(names())
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"`python analyses/{script}.py`" in text for script in SCRIPTS)
    assert {name for found in site for name, _ in found} == set(names())
