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
UNDRAWN = """if (location.search !== "?drawn") for (const kind of [WebGLRenderingContext, WebGL2RenderingContext])
  kind.prototype.drawArrays = kind.prototype.drawElements = () => {};"""

# What all controls hold; and the way back to it, as hands would go it: the metric first because the scale follows it,
# and switches last, because a slider may turn one on.
CONTROLS = "Array.from(document.querySelectorAll('input, select'), ({ id, value, checked }) => [id, value, checked])"
RANK = "(id) => (id === 'metric' ? 0 : document.getElementById(id).type === 'checkbox' ? 2 : 1)"
IN_ORDER = f"wanted.sort(([a], [b]) => ({RANK})(a) - ({RANK})(b))"
AGAIN = f"""async (wanted) => {{
  for (const [id, value, checked] of {IN_ORDER}) {{
    const control = document.getElementById(id);
    if (control.value === value && control.checked === checked) continue;
    Object.assign(control, {{ value, checked }});
    control.dispatchEvent(new Event("input"));
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  }}
}}"""


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
    """A window that shows one page after the other, with everything that the last one asked for and complained about.

    Args:
        browser: In which.
    """

    def __init__(self, browser) -> None:
        self.browser, self.shown = browser, None
        self._start()

    def _start(self) -> None:
        self.context = self.browser.new_context()
        self.context.set_default_timeout(PATIENCE)
        self.context.set_offline(True)
        self.context.add_init_script(COARSE)
        self.context.add_init_script(UNDRAWN)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._console)

    def open(self, file: Path, size: tuple[int, int] = (560, 480), *, drawn: bool = False) -> None:
        """Shows a page; one that is shown already is not loaded again, but put back to how it was at first.

        Args:
            file: The page.
            size: Width and height of the window, in pixels.
            drawn: Whether scenes are drawn: where a test points at something in them.
        """
        wanted = file.read_bytes(), size, drawn
        self.complaints.clear()
        if self.shown == wanted:
            self.page.evaluate(AGAIN, self.controls)
            assert self.page.evaluate(CONTROLS) == self.controls
            return
        self.shown = wanted
        try:
            self._load(file, size, drawn)
        except TimeoutError:  # seen on a busy machine; a page that is at fault fails the second time, too
            self.context.close()
            self._start()
            self._load(file, size, drawn)

    def _load(self, file: Path, size: tuple[int, int], drawn: bool) -> None:
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.requests.clear()
        self.page.goto(file.as_uri() + "?drawn" * drawn)
        self.page.evaluate("explorer.ready")
        self.controls = self.page.evaluate(CONTROLS)

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
