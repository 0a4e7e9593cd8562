"""Modules joined into one script do what they do as modules, keep their names to themselves, or are refused."""

import re
import subprocess
from pathlib import Path

import pytest

from interp.figures.attention.view import SCRIPTS
from interp.figures.page import PACKAGE
from interp.figures.scripts import joined
from interp.studies.state.figures.movie import SCRIPT

ENTRIES = (*SCRIPTS, "figures/page.js", SCRIPT)


@pytest.fixture
def modules(tmp_path: Path):
    def write(**texts: str) -> Path:
        for name, text in texts.items():
            (tmp_path / f"{name}.js").write_text(text)
        (tmp_path / "package.json").write_text('{"type": "module"}')
        return tmp_path / "main.js"

    return write


def run(node: str, script: Path) -> str:
    return subprocess.run([node, script], capture_output=True, text=True, check=True, timeout=60).stdout


def test_joined_modules_do_what_they_do_as_modules(modules, node, tmp_path):
    main = modules(
        main='import { one } from "./one.js";\n'
        'import {\n  also,\n  two,\n} from "./two.js";\n'
        'const name = "main";\nconsole.log(name, one, two(), also, this === undefined);\n',
        one='import { two } from "./two.js";\nconst name = "one";\nexport const one = `${name} after ${two()}`;\n',
        two='console.log("once");\nlet name = "two";\nexport function two() { return name; }\nexport class Also {}\n'
        "export const also = new Also().constructor.name;\n",
    )
    script = tmp_path / "joined.cjs"
    script.write_text(joined(main))
    said = run(node, main)
    assert said == "once\nmain one after two two Also true\n"
    assert run(node, script) == said.replace("Also true", "Also false")  # within a function `this` is the script's


def test_no_name_of_a_joined_module_is_seen_outside(modules, node, tmp_path):
    main = modules(main='import { inner } from "./one.js";\nconst outer = inner;\n', one="export const inner = 1;\n")
    script = tmp_path / "joined.cjs"
    script.write_text(joined(main) + "console.log(typeof inner, typeof outer);\n")
    assert run(node, script) == "undefined undefined\n"


@pytest.mark.parametrize(
    "line",
    [
        'import * as all from "./one.js";',
        'import one from "./one.js";',
        'import { inner as other } from "./one.js";',
        'import "./one.js";',
        'import { inner } from "one";',
        "export default 1;",
        "export { inner };",
        'export * from "./one.js";',
    ],
)
def test_other_forms_of_import_and_export_are_refused(modules, line):
    main = modules(main=f"const inner = 1;\n{line}\n", one="export const inner = 1;\n")
    with pytest.raises(
        ValueError, match=re.escape(f"main.js must import and export by name, a line each; got {line!r}")
    ):
        joined(main)


def test_modules_that_import_each_other_in_a_circle_are_refused(modules):
    main = modules(
        main='import { a } from "./one.js";\nexport const b = a;\n',
        one='import { b } from "./main.js";\nexport const a = b;\n',
    )
    with pytest.raises(ValueError, match=r"in a circle; got main\.js from one\.js"):
        joined(main)


@pytest.mark.parametrize("entry", ENTRIES)
def test_each_script_of_a_page_is_one_sound_script_the_same_each_time(entry, node, tmp_path):
    text = joined(PACKAGE / entry)
    script = tmp_path / "script.cjs"
    script.write_text(text)
    subprocess.run([node, "--check", script], check=True, timeout=60)
    joined.cache_clear()
    assert joined(PACKAGE / entry) == text
    assert "</script" not in text and "<!--" not in text  # it could not stand in a page


def test_every_module_is_on_the_page():
    text = joined(PACKAGE / SCRIPTS[0])
    for module in (PACKAGE / SCRIPTS[0]).parent.glob("*.js"):
        assert module.read_text().splitlines()[1] in text, module.name  # what it is, in its first comment
