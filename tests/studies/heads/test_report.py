"""The page of a study: complete, offline, escaped, and readable by a browser and without scripts."""

import base64
import csv
import gzip
import html
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from interp.base.errors import InterpError
from interp.studies.heads.report import write_report
from interp.studies.heads.report.glance import glance, model_line
from interp.studies.heads.result import HashHeadStudy

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MEGABYTE = 2**20
STUDIES = ("hard_alibi", "no_lookup", "hostile")


@pytest.fixture(scope="module")
def pages(studies, tmp_path_factory):
    """The folder of each study, as the analysis leaves it."""
    folders = {}
    for name in STUDIES:
        study = getattr(studies, name)()
        folders[name] = study.save(tmp_path_factory.mktemp(name))
        write_report(study, folders[name])
    return folders


class Page(HTMLParser):
    """What a browser without scripts would show, and what it would fetch or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.shown, self.tags, self.asked, self._open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)
        if tag not in ("a",):
            self.asked += [value for key, value in attrs if key in ("src", "href", "srcset", "data") and value]

    def handle_endtag(self, tag):
        if tag in self._open:
            del self._open[len(self._open) - 1 - self._open[::-1].index(tag) :]

    def handle_data(self, data):
        if not {"script", "style"} & set(self._open):
            self.shown.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.shown))


def page_of(folder, name="report.html") -> Page:
    return Page((folder / name).read_text(encoding="utf-8"))


def test_the_numbers_of_the_study_stand_in_the_page_without_scripts(studies, pages):
    study, text = studies.hard_alibi(), page_of(pages["hard_alibi"]).text
    assert text.index(str(study.verdict)) < text.index("How well does it copy?")
    for expected in (
        "4 of 16 are lookup heads",
        "n = 4",
        "99.5% → 0%",
        "139,520 parameters",
        study.provenance["command"],
    ):
        assert expected in text
    for head in study.heads:
        assert f"{head.name} {head.role}" in text
        assert f"{head.score:.3f}" in text
    for length, correct in zip(study.accuracy_by_length.lengths, study.accuracy_by_length.string_correct, strict=True):
        assert f"at {length} letters" in text
        assert f"{100 * correct.mean():.1f}".removesuffix(".0") in text
    for ablation in study.ablations:
        assert ablation.name in text
    assert "could not be drawn for 18 (pool of 0)" in text


def test_the_answers_at_a_glance_are_those_of_the_study(studies):
    copies, heads, n, without = glance(studies.hard_alibi())
    assert copies.answer == "100%" and "30 letters" in copies.detail  # the longest trained length, not the first
    assert heads.answer == "4 of 16 are lookup heads"
    assert n.answer == "n = 4" and "all agree" in n.detail
    assert without.answer == "99.5% → 0%" and ">99.9% → 3.8%" in without.detail
    assert "any layer 94%, edges 99%" in without.detail


def test_measurements_of_n_that_differ_are_not_made_one(studies):
    study = studies.hard_alibi()
    other = HashHeadStudy(**{**vars(study), "effective_n": type(study.effective_n)(3, None, 4)})
    card = glance(other)[2]
    assert card.answer == "n = 3 or 4" and "intervention none" in card.detail


def test_lookup_heads_of_several_n_do_not_agree(studies):
    study = studies.hard_alibi()
    *others, last = study.heads
    assert last.role == "lookup" and last.n == 4
    scores = replace(study.scores, heads=(*others, replace(last, n=3)))
    card = glance(replace(study, scores=scores))[2]
    assert card.answer == "n = 3 or 4" and "all agree" not in card.detail
    assert "response of the heads 3 or 4, behaviour 4" in card.detail


def test_a_study_without_lookup_heads_says_so(pages):
    text = page_of(pages["no_lookup"]).text
    assert "no lookup head" in text and "There was nothing to ablate" in text
    assert "No head has a role" in text
    assert "OV circuits are not measured" in text
    assert "How did it learn?" not in text
    assert not (pages["no_lookup"] / "figures/training.html").exists()


def test_hidden_attention_is_told_from_attention(studies, tmp_path):
    study = studies.hard_alibi()
    rows = tuple(replace(head, kind="hidden attention" if head.layer == 0 else head.kind) for head in study.heads[7:])
    scores = replace(study.scores, heads=rows, notes=("the attention of L0H7 is hidden",))
    mixed = replace(study, scores=scores)
    text = page_of(write_report(mixed, tmp_path).parent).text
    assert "2 layers with 1 head of hidden attention and 8 heads of attention" in text
    assert "L1H4 attention lookup" in text
    assert "L0H7 hidden attention" in text
    assert "L1H4 (attention)" in text
    assert "The attention of L0H7 is hidden." in text
    assert "hidden" not in page_of(write_report(study, tmp_path).parent).text
    assert "2 layers of 8 heads" in model_line(study)


def policy_of(page: Page) -> str:
    (policy,) = (a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    return policy


@pytest.mark.parametrize("name", STUDIES)
def test_a_page_asks_nothing_of_the_network_and_runs_only_its_own_scripts(pages, name):
    for file in ("report.html", "figures/attention.html"):
        page = page_of(pages[name], file)
        assert page.asked == ["data:,"]  # an empty icon, so that none is looked for
        policy = policy_of(page)
        assert policy.startswith("default-src 'none'")
        assert "http" not in policy and "'self'" not in policy
        assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
        scripts = [a for t, a in page.tags if t == "script" and "type" not in a]
        drawing = file == "report.html"  # one more script draws figures, and lets plotly run, which is packed
        assert len(scripts) == 1 + drawing and policy.count("sha256-") == 1 + 2 * drawing


def test_the_page_of_a_figure_takes_plotly_from_the_file_beside_it_and_nothing_else(pages):
    page = page_of(pages["hard_alibi"], "figures/response.html")
    assert page.asked == ["data:,", "plotly.packed.js"]
    assert policy_of(page).count("'self'") == 1 and policy_of(page).count("sha256-") == 2
    beside = (pages["hard_alibi"] / "figures" / "plotly.packed.js").read_text(encoding="utf-8")
    packed = re.fullmatch(r'globalThis\.plotlyPacked = "([\w+/=]+)";\n', beside)[1]
    assert re.search(rb"plotly\.js v\d", gzip.decompress(base64.b64decode(packed)))


@pytest.mark.parametrize("name", STUDIES)
def test_a_result_folder_is_small(pages, name):
    sizes = {path.relative_to(pages[name]): path.stat().st_size for path in pages[name].rglob("*") if path.is_file()}
    assert sum(sizes.values()) < 5 * MEGABYTE
    assert sizes[Path("report.html")] < 3 * MEGABYTE
    assert not [path for path, size in sizes.items() if size > 3 * MEGABYTE]


def test_hostile_text_is_shown_as_it_is(studies, pages):
    page = page_of(pages["hostile"])
    shown = re.sub(r"\s+", " ", studies.HOSTILE)
    assert page.text.count(shown) > 20  # verdict, title, command, provenance, heads, ablations ...
    assert not any(tag in ("b", "img") for tag, _ in page.tags)


@pytest.mark.parametrize("name", STUDIES)
def test_every_figure_says_what_it_shows_and_every_table_has_a_caption(pages, name):
    page = page_of(pages[name])
    plots = [a for t, a in page.tags if a.get("role") == "img"]
    assert len(plots) == len(list((pages[name] / "figures").glob("*.html"))) >= 8  # a colour bar for the attention view
    assert all(len(a["aria-label"]) > 20 for a in plots)
    count = [tag for tag, _ in page.tags].count
    assert count("table") == count("caption") > 0 and count("figure") == count("figcaption")
    assert count("h1") == 1
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    targets = [a["href"][1:] for t, a in page.tags if t == "a" and a["href"].startswith("#")]
    assert set(targets) <= set(ids)
    files = [a["href"] for t, a in page.tags if t == "a" and not a["href"].startswith("#")]
    assert files and all((pages[name] / file).is_file() for file in files)


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_tables_parse_back_to_the_numbers_of_the_study(studies, pages):
    study, folder = studies.hard_alibi(), pages["hard_alibi"]
    heads = read_csv(folder / "heads.csv")
    assert [row["name"] for row in heads] == [head.name for head in study.heads]
    for row, head in zip(heads, study.heads, strict=True):
        assert (float(row["score"]), float(row["low"]), float(row["high"])) == (head.score, *head.interval)
        assert row["n"] == ("" if head.n is None else str(head.n))
        assert tuple(map(float, row["response"].split())) == head.response
    ablations = read_csv(folder / "ablations.csv")
    for row, ablation in zip(ablations, study.ablations, strict=True):
        assert row["heads"].split() == list(ablation.heads)
        assert (float(row["drop_low"]), float(row["drop_high"])) == tuple(ablation.interval)
        assert row["drop_method"] == ablation.interval.method
        assert row["control_same_layer_draws"] == str(ablation.controls[0].draws)
        assert row["control_same_layer_string_accuracy"] == str(ablation.controls[0].string_accuracy or "")
    accuracy = read_csv(folder / "accuracy.csv")
    assert [float(row["ideal_4"]) for row in accuracy] == list(study.accuracy_by_length.ideal["4"])
    assert [int(row["length"]) for row in accuracy] == list(study.accuracy_by_length.lengths)


def test_hostile_text_survives_in_a_table(studies, pages):
    assert read_csv(pages["hostile"] / "ablations.csv")[0]["name"] == studies.HOSTILE


def test_the_page_of_a_loaded_study_is_the_same(pages, tmp_path):
    path = write_report(HashHeadStudy.load(pages["hard_alibi"]), tmp_path)
    assert path == tmp_path / "report.html"
    assert HashHeadStudy.load(tmp_path).verdict == HashHeadStudy.load(pages["hard_alibi"]).verdict
    assert path.read_text(encoding="utf-8") == (pages["hard_alibi"] / "report.html").read_text(encoding="utf-8")


def test_a_report_that_cannot_be_written_leaves_the_old_one_whole(studies, tmp_path):
    study = studies.no_lookup()
    (tmp_path / "report.html").write_text("old")
    (tmp_path / "figures").write_text("in the way of the folder")
    with pytest.raises(InterpError, match="must be writable"):
        write_report(study, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figures", "report.html"]
    assert (tmp_path / "report.html").read_text() == "old"


def browse(page, profile, *options) -> subprocess.CompletedProcess[str]:
    """What Chromium makes of a page, without a network."""
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic")
    start = (CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", *quiet)
    log = ("--enable-logging=stderr", f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--dump-dom")
    command = [*start, *options, *log, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium to open the page in")
def test_a_browser_draws_a_single_figure_with_the_file_beside_it(pages, tmp_path):
    found = browse(pages["hard_alibi"] / "figures" / "response.html", tmp_path)
    assert 'data-ready="1"' in re.search(r"<html[^>]*>", found.stdout)[0]
    assert "CONSOLE" not in found.stderr, html.unescape(found.stderr)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium to open the page in")
@pytest.mark.parametrize(
    ("name", "scheme", "ink"), [("hostile", 0, "rgb(231, 229, 224)"), ("no_lookup", 1, "rgb(29, 31, 35)")]
)
def test_a_browser_draws_every_figure_in_its_scheme_and_runs_no_text(pages, tmp_path, name, scheme, ink):
    found = browse(pages[name] / "report.html", tmp_path, f"--blink-settings=preferredColorScheme={scheme}")
    root = re.search(r"<html[^>]*>", found.stdout)[0]
    figures = len(list((pages[name] / "figures").glob("*.html"))) - 1
    assert f'data-ready="{figures}"' in root and 'data-views="1"' in root and "data-broken" not in root
    assert found.stdout.count('class="main-svg"') >= figures
    assert ink in found.stdout
    assert "CONSOLE" not in found.stderr, html.unescape(found.stderr)
