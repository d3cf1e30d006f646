"""A headless Chromium for the tests of the page."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Software rendering: a machine without a screen has no graphics driver.
FLAGS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]


# A quarter of the pixels, because a processor draws them.
COARSE = """Object.defineProperty(window, "Plotly", {
  set(plotly) { plotly.setPlotConfig({ plotGlPixelRatio: 1 }); this.kept = plotly; },
  get() { return this.kept; },
});"""


@contextmanager
def chromium() -> Iterator:
    """A browser; without one the tests are skipped, or fail where FASTSCAPE_BROWSER says that there must be one."""
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        reason = f"no browser is installed: none of {', '.join(NAMES)} was found"
        (pytest.fail if os.environ.get("FASTSCAPE_BROWSER") == "required" else pytest.skip)(reason)
    with sync_playwright() as driver:
        sandbox = os.geteuid() != 0  # Chromium refuses to sandbox what root runs
        browser = driver.chromium.launch(executable_path=executable, args=FLAGS, chromium_sandbox=sandbox)
        yield browser
        browser.close()


class Shown:
    """A page that is open, with everything that it asked for and complained about."""

    def __init__(self, browser, file: Path, width: int = 560, height: int = 480) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": height})
        self.context.set_offline(True)
        self.context.add_init_script(COARSE)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._console)
        self.page.goto(file.as_uri())
        self.page.evaluate("explorer.ready")

    def _console(self, message) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def settled(self) -> None:
        """Waits until what was asked for with the next picture is done."""
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def set(self, control: str, value: float | str) -> None:
        """Sets a control as a hand would, and waits for what follows."""
        self.page.evaluate(
            "([id, value]) => { const control = document.getElementById(id); control.value = value;"
            " control.dispatchEvent(new Event('input')); }",
            [control, str(value)],
        )
        self.settled()

    def walk(self, number: int = 0) -> dict:
        """The walk on one of the landscapes."""
        return self.page.evaluate(f"explorer.maps[{number}].walk")

    def drawn(self, what: str, number: int = 0):
        """What plotly holds of one of the landscapes."""
        return self.page.evaluate(f"explorer.maps[{number}].div.{what}")

    def close(self) -> None:
        self.context.close()
