"""What the README says that its command prints is printed."""

import re
import shlex
from pathlib import Path

import pytest

from interp.cli.entry import main

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_readme_shows_what_its_command_prints(tmp_path, capsys):
    command = re.search(r"^interp (heads --model .*?) *#", README, re.MULTILINE)[1]
    shown = re.search(r"^```text\n(.*?)^```", README, re.DOTALL | re.MULTILINE)[1]
    with pytest.raises(SystemExit) as ended:
        main([*shlex.split(command), "--out", str(tmp_path / "out")])
    assert not ended.value.code
    printed = " ".join(capsys.readouterr().out.split())
    for part in shown.strip().split("\n\n"):
        assert " ".join(part.split()) in printed
