"""A browser for views of attention: the system's own, driven by playwright. What a page asks for, and what it complains
of, is kept; unless a test expects otherwise, it is the page's own file and nothing.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Frame, Page, sync_playwright

from interp.figures.attention.view import AttentionPage, attention_view
from interp.results.attention import AttentionView

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = ("--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update")
VIEW = "document.querySelector('.attention-view')"
PATIENCE = 120
"""Seconds; what is waited for comes in hundredths of them."""
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
HOLDS = f"(wanted) => Object.entries(wanted).every(([name, value]) => JSON.stringify({VIEW}.state[name]) === value)"


@dataclass
class Opened:
    """A page in the browser."""

    page: Page
    file: Path
    asked: list[str] = field(default_factory=list)
    """Addresses that it asked for."""
    complaints: list[str] = field(default_factory=list)
    """What stands in the console, and errors of its scripts."""

    def state(self, *names: str) -> Any:
        """What is shown: head, query, key, variant, ...; one value of one name."""
        state = self.page.evaluate(f"{VIEW}.state")
        found = {name: state[name] for name in names or state}
        return found[names[0]] if len(names) == 1 else found

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def becomes(self, **values: Any) -> None:
        """Wait until the state holds these values and is drawn, or fail."""
        as_json = {name: value_json(value) for name, value in values.items()}
        assert self.holds(HOLDS, as_json) or {name: self.state(name) for name in values} == values
        self.settle()

    def holds(self, script: str, arg: Any = None, frame: Frame | None = None) -> bool:
        """Whether `script` comes to hold, on the page or in a frame of it, before patience ends.

        Asked from here again and again: playwright's `wait_for_function` looks once and then asks by eval from within
        the page, which the page's content policy forbids.
        """
        end = time.monotonic() + PATIENCE
        while not (held := bool((frame or self.page).evaluate(script, arg))) and time.monotonic() < end:
            time.sleep(0.02)
        return held

    def settle(self) -> None:
        """Wait until what was asked for is drawn."""
        self.page.evaluate(DRAWN)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).first.inner_text()

    def cells(self, size: int, head: int | None = None) -> list[list[float]]:
        """What the page reads at every query and key, of the head that is shown or of another."""
        script = """([size, head]) => {
          const view = document.querySelector('.attention-view'), shown = view.state.head;
          view.state.head = head ?? shown;
          const rows = Array.from({length: size}, (_, q) => Array.from({length: size}, (_, k) => view.read(q, k)));
          view.state.head = shown;
          return rows;
        }"""
        return self.page.evaluate(script, [size, head])


def value_json(value: Any) -> str:
    """As the page's JSON writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ",".join(f'"{name}":{value_json(item)}' for name, item in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium to open the page in")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET])
        yield chromium
        chromium.close()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Opens a view, a page, or a file: `show(view, hash="#view=0&query=3", color_scheme="dark")`.

    With `quiet=False` it may complain and ask; `first` is a script that runs before the page's own.
    """
    opened: list[tuple[Opened, bool]] = []

    def open_page(
        what: AttentionView | AttentionPage | Path, hash: str = "", quiet: bool = True, first: str = "", **options: Any
    ):
        if not isinstance(what, Path):
            page = attention_view(what) if isinstance(what, AttentionView) else what
            what = page.save(tmp_path / f"page{len(opened)}.html")
        options = {"viewport": {"width": 1280, "height": 1000}, "accept_downloads": True, **options}
        page = browser.new_context(**options).new_page()
        page.add_init_script(first)
        seen = Opened(page, what)
        opened.append((seen, quiet))
        page.on("console", lambda message: seen.complaints.append(message.text))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("request", lambda request: seen.asked.append(request.url))
        page.goto(what.as_uri() + hash)
        assert seen.holds("document.documentElement.dataset.views > 0"), "the page has drawn no view"
        page.evaluate(DRAWN)
        return seen

    yield open_page
    for seen, quiet in opened:
        seen.page.context.close()
        if quiet:
            own = [url for url in seen.asked if not url.startswith(("blob:", "data:"))]
            assert {url.split("#")[0] for url in own} == {seen.file.as_uri()}
            assert seen.complaints == []


@pytest.fixture
def view(studies) -> AttentionView:
    """Eight heads on the string $kqvbtzahwmnd|kqvbtzahwmnd, clean and without the lookup heads."""
    return studies.hard_alibi().attention
