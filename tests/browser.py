"""A headless Chromium for the tests of the page."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import TimeoutError, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Software rendering: a machine without a screen has no graphics driver. Where others are at work it may take long, and
# the browser is not to take that for a driver that hangs.
FLAGS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--disable-gpu-watchdog"]
PATIENCE = 60_000  # milliseconds


# A quarter of the pixels, because a processor draws them.
COARSE = """Object.defineProperty(window, "Plotly", {
  set(plotly) { plotly.setPlotConfig({ plotGlPixelRatio: 1 }); this.kept = plotly; },
  get() { return this.kept; },
});"""

# Most tests look at what the page holds and says, which takes no pixels, and a processor draws them slowly.
UNDRAWN = """for (const kind of [WebGLRenderingContext, WebGL2RenderingContext])
  kind.prototype.drawArrays = kind.prototype.drawElements = () => {};"""


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
    """A page that is open, with everything that it asked for and complained about.

    Args:
        browser: In which.
        file: The page.
        size: Width and height of the window, in pixels.
        drawn: Whether scenes are drawn: where a test points at something in them.
    """

    def __init__(self, browser, file: Path, size: tuple[int, int] = (560, 480), *, drawn: bool = False) -> None:
        self.browser, self.size, self.drawn_too = browser, size, drawn
        try:
            self._open(file)
        except TimeoutError:  # seen on a busy machine; a page that is at fault fails the second time, too
            self.context.close()
            self._open(file)

    def _open(self, file: Path) -> None:
        self.context = self.browser.new_context(viewport={"width": self.size[0], "height": self.size[1]})
        self.context.set_default_timeout(PATIENCE)
        self.context.set_offline(True)
        self.context.add_init_script(COARSE)
        if not self.drawn_too:
            self.context.add_init_script(UNDRAWN)
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
