"""Fixtures of the tests of the interactive page."""

import pytest

from browser import Shown, chromium
from fastscape import to_html


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def window(browser):
    shown = Shown(browser)
    yield shown
    shown.close()


@pytest.fixture
def show(window, tmp_path):
    """Writes a page and opens it; afterwards nothing may have been complained about, nor asked for."""

    def show(landscapes, *, size=(560, 480), drawn=False, **options) -> Shown:
        window.open(to_html(landscapes, tmp_path / "page.html", **options), size, drawn=drawn)
        return window

    yield show
    assert window.complaints == []
    assert [url for url in window.requests if not url.startswith(("data:", "blob:"))] == window.requests[:1]
    assert window.requests[0].startswith("file:")
