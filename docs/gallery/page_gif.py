"""Records page.gif: the interactive page of a small CNN in a Chromium; an optimizer walks, and the scene turns.

python docs/gallery/page_gif.py                some minutes; the landscape is kept in `kept`
python docs/gallery/page_gif.py landscape.npz  the page of another landscape
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from networks import TEN, kept, trained
from PIL import Image
from playwright.sync_api import Page, sync_playwright

import fastscape

OUT = Path(__file__).parent / "page.gif"
SIZE = {"width": 900, "height": 620}  # of the window, in pixels: the controls stand beside the scene
WALK = range(0, 45, 3)  # steps of the optimizer, one frame each
TURN = range(300, 660, 20)  # degrees of the camera, one frame each; from the first the whole walk is seen
MILLISECONDS, COLOURS = 140, 80
FLAGS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--disable-gpu-watchdog"]
SET = """async ([id, value]) => {
  const control = document.getElementById(id);
  control.value = value;
  control.dispatchEvent(new Event("input"));
  for (let frame = 0; frame < 4; frame += 1) await new Promise((done) => requestAnimationFrame(done));
}"""

NEARER = """async () => {
  const { div } = explorer.maps[0];
  const { eye } = div.layout.scene.camera;
  const near = Object.fromEntries(Object.entries(eye).map(([axis, value]) => [axis, 0.95 * value]));
  await Plotly.relayout(div, { "scene.camera.eye": near }); // as scrolling does
}"""


def small() -> fastscape.Landscape:
    """The plane around the small CNN of the gallery, on 41 x 41 points and 256 samples."""

    def compute() -> fastscape.Landscape:
        network, digits = trained("mnist-cnn", TEN)
        axis = (-1, 1, 41)
        return fastscape.surface(network, digits[:256], x=axis, y=axis, metrics={"accuracy": fastscape.accuracy})

    return kept("page.npz", compute)


def frames(page: Page) -> Iterator[Image.Image]:
    """Pictures of the whole window."""
    page.evaluate(SET, ["rotation", TURN[0]])
    page.evaluate(NEARER)
    for control, values in (("steps", WALK), ("rotation", TURN)):
        for value in values:
            page.evaluate(SET, [control, value % 360 if control == "rotation" else value])
            page.wait_for_timeout(300)
            yield Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def save(pictures: list[Image.Image], file: Path) -> None:
    """A GIF in one palette, which stands still for a moment when the walk ends."""
    palette = pictures[len(WALK) - 1].quantize(COLOURS, dither=Image.Dither.NONE)
    drawn = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    durations = [MILLISECONDS] * len(drawn)
    durations[len(WALK) - 1] *= 6
    drawn[0].save(file, save_all=True, append_images=drawn[1:], duration=durations, loop=0, optimize=True)


def main() -> None:
    """Records the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "landscape", nargs="?", help="a file of a landscape; by default the landscape of the small CNN of the gallery"
    )
    parser.add_argument("--name", default="a CNN on scikit-learn's digits", help="what the page calls it")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    landscape = fastscape.Landscape.load(options.landscape) if options.landscape else small()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        html = landscape.to_html(Path(folder) / "page.html", names=[options.name])
        executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
        browser = driver.chromium.launch(executable_path=executable, args=FLAGS, chromium_sandbox=False)
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(120_000)
        page.goto(html.as_uri())
        page.evaluate("explorer.ready")
        save(list(frames(page)), options.out)
        browser.close()
    print(options.out, options.out.stat().st_size)


if __name__ == "__main__":
    main()
