"""The attention view runs no text, reaches nothing, and works within the page of a notebook as by itself."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest

from interp.figures import attention_view
from interp.results.attention import Strip

STRANGE = (
    "<img src=x onerror=document.documentElement.dataset.broken=1>",
    "</script><script>document.documentElement.dataset.broken=1</script>",
    "<!--<script>",
    "\u202egnp.exe",
    "\u200fabc",
    "x" * 10_000,
    "two\nlines\r\n",
    "\u2028\x00\x07",
    "{{ 7*7 }}",
    "&lt;b&gt;",
    "' onmouseover='document.documentElement.dataset.broken=1",
    "\U0001f600",
    "",
    " ",
)


@pytest.fixture
def listener() -> Iterator[SimpleNamespace]:
    """A server on this machine that keeps what is asked of it."""
    heard: list[str] = []

    class Listens(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listens)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield SimpleNamespace(heard=heard, url=f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


WAYS = {
    "fetch": "fetch(url).catch(() => 0)",
    "beacon": "navigator.sendBeacon(url, 'data')",
    "socket": "new WebSocket(url.replace('http', 'ws'))",
    "image": "document.body.append(Object.assign(new Image(), {src: url}))",
    "script": "document.head.append(Object.assign(document.createElement('script'), {src: url}))",
    "style": "document.head.append(Object.assign(document.createElement('style'), {textContent: `@import '${url}'`}))",
    "sheet": "document.head.append(Object.assign(document.createElement('link'), {rel: 'stylesheet', href: url}))",
    "frame": "document.body.append(Object.assign(document.createElement('iframe'), {src: url}))",
    "form": "const f = document.createElement('form'); f.action = url; document.body.append(f); f.submit()",
    "worker": "try { new Worker(URL.createObjectURL(new Blob([`fetch('${url}')`]))) } catch {}",
}


def test_the_policy_refuses_every_way_out(show, view, listener):
    opened = show(view, quiet=False)
    for name, way in WAYS.items():
        opened.page.evaluate(f"(url) => {{ {way} }}", f"{listener.url}/{name}")
    opened.page.wait_for_timeout(400)
    assert listener.heard == []
    said = " ".join(opened.complaints)
    for directive in ("default-src 'none'", "form-action 'none'", "script-src"):
        assert directive in said


def test_the_listener_would_hear_a_page_without_a_policy(browser, listener):
    page = browser.new_context().new_page()
    page.evaluate(f"(url) => {{ {WAYS['fetch']} }}", f"{listener.url}/fetch")
    page.evaluate(f"(url) => {{ {WAYS['image']} }}", f"{listener.url}/image")
    for _ in range(50):
        if len(listener.heard) < 2:
            page.wait_for_timeout(200)
    page.context.close()
    assert sorted(listener.heard) == ["/fetch", "/image"]


def test_a_script_that_is_put_into_the_page_does_not_run(show, view):
    opened = show(view, quiet=False)
    opened.page.evaluate(
        """() => {
          const script = document.createElement('script');
          script.textContent = 'document.documentElement.dataset.broken = 1';
          const box = document.createElement('div');
          box.innerHTML = "<img src=data:, onerror='document.documentElement.dataset.broken = 1'>";
          document.body.append(script, box);
        }"""
    )
    opened.page.wait_for_timeout(200)
    assert opened.page.evaluate("document.documentElement.dataset.broken") is None


@pytest.fixture
def hostile(view, studies):
    """A view whose every text is hostile."""
    labels = (*STRANGE, *view.labels[len(STRANGE) :])
    bad = studies.HOSTILE
    return replace(
        view,
        labels=labels,
        following=bad,
        model={"spec": bad},
        provenance={bad: bad},
        notes=(bad,),
        heads=(replace(view.heads[0], name=bad), *view.heads[1:]),
        variants=tuple(
            replace(v, name=f"{v.name} {bad}", predicted=labels, kind=bad, strips=(Strip(bad, np.ones(len(labels))),))
            for v in view.variants
        ),
    )


def test_hostile_texts_are_shown_as_text(show, hostile, studies):
    opened = show(hostile)
    opened.page.on("dialog", lambda dialog: opened.complaints.append(dialog.message))
    opened.page.locator(".thumb", has_text="onerror").click()
    opened.becomes(head=0)
    for position in range(len(STRANGE)):
        opened.page.locator(".string li").nth(position).click()
        opened.becomes(query=position)
        opened.page.locator("canvas.pattern").hover(position={"x": 60, "y": 20})
    opened.press("v", "d", "n", "]", "[")
    opened.becomes(variant=1, difference=True, n=1)
    with opened.page.expect_download() as waiting:
        opened.page.click("[data-do=svg]")
    assert "<script" not in waiting.value.path().read_text()
    assert "/" not in waiting.value.suggested_filename
    assert opened.page.evaluate("document.documentElement.dataset.broken") is None
    assert opened.page.locator("img").count() == 0 and opened.page.locator("script:not([class])").count() == 1
    assert opened.page.title() == f"Attention of {studies.HOSTILE}"
    assert opened.page.locator("option").nth(0).text_content() == f"clean {studies.HOSTILE}"
    assert "{{ 7 * 7 }}" in opened.text("h1") and opened.text(".string li:nth-child(9)") == "{{␣7*7␣}}"


def test_a_token_is_never_wider_than_its_place_and_what_cannot_be_seen_is_spelt_out(show, hostile):
    opened = show(hostile)
    shown = opened.page.locator(".string li").all_text_contents()
    assert shown[3].startswith("\\u202eg") and "\u202e" not in "".join(shown)
    assert "\u200f" not in "".join(shown) and shown[4] == "\\u200fabc"
    assert shown[5] == "x" * 11 + "…"
    assert shown[6].startswith("two↵lines") and "\n" not in "".join(shown)
    assert shown[7].startswith("\\u2028\\u0")
    assert shown[11] == "\U0001f600" and shown[13] == "␣"
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 1280
    tall = opened.page.evaluate("[...document.querySelectorAll('.string li')].map((li) => li.offsetHeight)")
    assert max(tall) <= 40


# ---------------------------------------------------------------------- in a notebook


@pytest.fixture
def notebook(show, view, tmp_path):
    """Another page that holds the view as a notebook would, and the frame within it."""
    page = tmp_path / "notebook.html"
    within = attention_view(view)._repr_html_()
    page.write_text(
        f"<!doctype html><title>notebook</title><html data-views=1><body><p>cells</p>{within}</body></html>"
    )
    opened = show(page)
    frame = opened.page.frames[1]
    assert opened.holds("document.documentElement.dataset.views === '1'", frame=frame)
    return SimpleNamespace(opened=opened, frame=frame)


def test_in_the_page_of_a_notebook_it_shows_and_obeys_keys_and_saves(notebook):
    frame, page = notebook.frame, notebook.opened.page
    assert frame.locator(".name").inner_text() == "L1H7, clean"
    frame.locator("canvas.pattern").click(position={"x": 100, "y": 300})
    before = frame.evaluate("document.querySelector('.attention-view').state.query")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("v")
    state = "document.querySelector('.attention-view').state"
    stepped = f"(query) => {state}.query === query && {state}.variant === 1"
    assert notebook.opened.holds(stepped, before + 1, frame=frame)
    with page.expect_download() as waiting:
        frame.locator("[data-do=png]").click()
    assert waiting.value.path().read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert page.url == notebook.opened.file.as_uri()


def test_in_the_page_of_a_notebook_it_reaches_neither_the_page_nor_what_is_stored(notebook):
    for reach in ("parent.document.title", "top.location.href", "localStorage.length", "document.cookie"):
        said = notebook.frame.evaluate(
            f"() => {{ try {{ return String({reach}) }} catch (error) {{ return error.name }} }}"
        )
        assert said == "SecurityError", reach
    assert notebook.opened.page.title() == "notebook"
