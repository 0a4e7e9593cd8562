"""Every command of the site and of the README is one that its script takes; the first of each script on a page runs.

Those of the README, which stand in its table, are not run: those of the site are the same scripts.
"""

import importlib.util
import re
import shlex
import sys
from pathlib import Path

import pytest

from interp.cli import run

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CELL = re.compile(r"\| `(python [^`]+)` \|")
COMMAND = re.compile(r"^\s*(?:\.venv/bin/)?(?:python|accelerate launch [-\w ]*) analyses/(\w+)\.py(.*)$", re.MULTILINE)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(page: str) -> list[tuple[str, list[str]]]:
    """Scripts and their arguments: of blocks and of table cells."""
    blocks = [*(block[1] for block in BLOCK.finditer(page)), *CELL.findall(page)]
    found = [match for block in blocks for match in COMMAND.finditer(block)]
    return [(match[1], shlex.split(match[2], comments=True)) for match in found]


WITH_COMMANDS = {page: commands(page.read_text(encoding="utf-8")) for page in PAGES}
WITH_COMMANDS = {page: found for page, found in WITH_COMMANDS.items() if found}


@pytest.fixture
def script(monkeypatch):
    """A script of `analyses/` as a module."""

    def loaded(name):
        spec = importlib.util.spec_from_file_location(f"analyses_{name}", ROOT / "analyses" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return loaded


def call(module, arguments):
    """Run the script; its exit code."""
    with pytest.raises(SystemExit) as ended:
        run(module.main, module.Options, arguments)
    return ended.value.code


@pytest.mark.usefixtures("pretrained")
@pytest.mark.parametrize("page", list(WITH_COMMANDS)[1:], ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_a_page_run(page, script, capsys):
    first: dict[str, list[str]] = {}
    for name, arguments in WITH_COMMANDS[page]:
        first.setdefault(name, arguments)
    for name, arguments in first.items():
        module = script(name)
        tiny = ["--tiny"] if hasattr(module.Options, "tiny") and "--help" not in arguments else []
        code = call(module, [*arguments, *tiny])
        said = capsys.readouterr()
        assert code in (0, None), f"{name} {shlex.join(arguments)}: {said.err}"
        assert said.out


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_a_page_are_understood(page, script, monkeypatch):
    for name, arguments in WITH_COMMANDS[page]:
        module, came = script(name), []

        def note(options, module=module, came=came):
            came.append(isinstance(options, module.Options))

        monkeypatch.setattr(module, "main", note)
        assert call(module, arguments) in (0, None)
        assert came == [True] or "--help" in arguments


def test_an_option_that_does_not_exist_is_noticed(script, capsys):
    ((name, arguments),) = commands("```sh\npython analyses/find_hash_heads.py --modle x  # a slip\n```\n")
    module = script(name)
    assert (call(module, arguments), arguments) == (2, ["--modle", "x"])
    capsys.readouterr()


def test_every_script_is_in_the_readme_and_on_the_site():
    readme, *site = WITH_COMMANDS.values()
    scripts = {path.stem for path in (ROOT / "analyses").glob("*.py")}
    assert {name for name, _ in readme} == {name for found in site for name, _ in found} == scripts
