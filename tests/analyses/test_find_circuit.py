"""`analyses/find_circuit.py` as a person runs it."""

from interp.studies.circuit.result import CircuitStudy


def test_it_finds_the_planted_edges_and_takes_the_lookup_head_apart(script, tmp_path):
    done = script(
        "find_circuit", "--model", "planted:ngram?n=2&zero_heads=1", "--tiny", "--strings", "24", "--out", str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    study = CircuitStudy.load(tmp_path)
    assert study.verdict.answer == "yes"
    assert {"L1H3->unembed", "embed->L1H3.v", "embed->L1H3.q"} <= set(study.circuit.edges)
    assert not any("L1H4" in edge or "L0H4" in edge for edge in study.circuit.edges)
    assert [head.head for head in study.lookups] == ["L1H3"]
    assert study.lookups[0].error < 1e-6
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Why do the lookup heads look where they look?" in page
    assert "https://" not in page.replace("https://plotly.com", "").split("<main")[1].split("</main>")[0]
    assert "edges" in done.stdout


def test_strings_of_no_letters_end_in_one_sentence_and_code_2(script, tmp_path):
    done = script("find_circuit", "--model", "planted:ngram?n=2", "--length", "0", "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stderr.startswith("--length must be an integer from 1 to")
