"""What cannot be printed costs no result; tables can be read at a terminal, in a pipe and in ASCII."""

import os
import pty
import subprocess
import sys

import pytest

from interp.cli.streams import show_table

LONG = "import time\nfor i in range(50):\n    say(f'line {i}')\n    time.sleep(0.01)\nopen('page', 'w').write('whole')"


@pytest.mark.parametrize("merged", [False, True], ids=["stdout", "both"])
def test_a_reader_that_goes_away_costs_nothing(program, tmp_path, merged) -> None:
    work = LONG.replace("say(f'line {i}')", "say(f'line {i}')\n    print('progress', file=sys.stderr)")
    stderr = subprocess.STDOUT if merged else subprocess.PIPE
    command = [sys.executable, program(work)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        told = "" if merged or process.stderr is None else process.stderr.read()
    assert process.returncode == 0
    assert "Traceback" not in told and "Exception ignored" not in told
    assert (tmp_path / "page").read_text() == "whole"


def test_a_full_disk_behind_a_redirection_costs_nothing(ended, tmp_path) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = ended(LONG, capture_output=False, stdout=full, stderr=subprocess.PIPE, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "page").read_text() == "whole"


def test_streams_that_are_closed_from_the_start_do_not_write_into_files(program, tmp_path) -> None:
    """The first file to be opened would have their numbers, and libraries write to these."""
    work = "page = open('page', 'w')\nsay('line')\nos.system('echo from elsewhere')\nprint('x', file=sys.stderr)\n"
    path = program(work + "page.write('whole')\npage.close()")
    closed = f"exec {sys.executable} {path} >&- 2>&-"
    assert subprocess.run(["sh", "-c", closed], cwd=tmp_path, timeout=60, check=False).returncode == 0
    assert (tmp_path / "page").read_text() == "whole"


def test_what_an_encoding_lacks_is_spelt_out_and_columns_stay_in_line(ended) -> None:
    work = "say('café → 😀')\nshow_table('tïtle', ('héad', 'n'), [('café', '1 → 2'), ('x', '3')])"
    done = ended(work, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    said, _, title, header, first, second = done.stdout.splitlines()
    assert said == r"caf\xe9 -> \U0001f600"
    assert title == r"t\xeftle"
    assert header.split() == [r"h\xe9ad", "n"]
    assert first.split() == [r"caf\xe9", "1", "->", "2"]
    assert len(first) == len(second) == len(header)


def test_a_lone_surrogate_is_spelt_out_too(ended) -> None:
    done = ended("say('a\\udcffb')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "a\\udcffb\n", "")


def test_a_table_is_not_folded_where_there_is_no_terminal(capsys) -> None:
    rows = [("L1H3", "0.98 [0.97, 0.99]", "x" * 300), ("[bold]L10H12[/bold]", "1", ":smile:")]
    show_table("heads", ("head", "score", "note"), rows)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "" and lines[1].strip() == "heads"
    header, first, second = lines[2:]
    assert header.split() == ["head", "score", "note"]
    assert first.split() == ["L1H3", "0.98", "[0.97,", "0.99]", "x" * 300]
    assert second.split() == ["[bold]L10H12[/bold]", "1", ":smile:"]  # no markup
    assert header.index("score") + len("score") == first.index("0.99]") + len("0.99]")


def test_a_table_without_rows_or_title_has_its_header(capsys) -> None:
    show_table("", ("member", "bits"), [])
    assert capsys.readouterr().out.split() == ["member", "bits"]


def test_a_paragraph_is_folded_between_words_at_a_terminal_alone(ended) -> None:
    work = "from interp.cli.streams import say_paragraph\nsay_paragraph('It copies 100% of strings of ten letters.')"
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0) as terminal:  # noqa: PTH123
        ended(work, capture_output=False, stdout=theirs, env={**os.environ, "COLUMNS": "20"})
        os.close(theirs)
        said = terminal.read(1000).decode()
    assert said.splitlines() == ["It copies 100% of", "strings of ten", "letters."]
    assert ended(work).stdout == "It copies 100% of strings of ten letters.\n"
