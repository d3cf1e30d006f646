"""What is written into the page, and what is refused."""

import base64
import json
import re

import numpy as np
import pytest

from fastscape import Landscape
from fastscape.views import page, to_html


def bowl(n: int = 5, low: float = -1.0, **options) -> Landscape:
    axis = np.linspace(low, low + 2, n)
    return Landscape(axis, axis, axis[:, None] ** 2 + axis**2, **options)


def held(text: str) -> list[dict]:
    return json.loads(re.search(r'id="landscapes">(.*?)</script>', text)[1])


def numbers(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f8")


def test_the_page_holds_the_values_bit_for_bit():
    rng = np.random.default_rng(0)
    x, y, loss = rng.permutation(4.0 + np.arange(4)), rng.normal(size=3), rng.normal(size=(4, 3))
    loss[1, 2] = np.nan
    (shown,) = held(page(Landscape(x, y, loss, {"score": -loss}), names=["one"]))
    order = np.ix_(np.argsort(x), np.argsort(y))
    np.testing.assert_array_equal(numbers(shown["x"]), np.sort(x))
    np.testing.assert_array_equal(numbers(shown["y"]), np.sort(y))
    np.testing.assert_array_equal(numbers(dict(shown["values"])["loss"]).reshape(4, 3), loss[order])
    np.testing.assert_array_equal(numbers(dict(shown["values"])["score"]).reshape(4, 3), -loss[order])


def test_nothing_in_the_page_is_fetched():
    text = page(bowl())
    start = text.index('id="plotly">')
    own = text[:start] + text[text.index("</script>", start) :]
    assert len(own) < 300_000 < len(text)  # plotly.js alone is left out
    assert not re.search(r"(src|href)\s*=(?!.data:)|@import|url\(|fetch\(|XMLHttpRequest|import\(", own)
    assert "default-src 'none'" in text
    assert "{{" not in own


def test_names_default_to_the_models():
    (shown,) = held(page(bowl(report={"model": "ResNet"})))
    assert shown["name"] == "ResNet"
    assert "<title>Loss landscape: ResNet</title>" in page(bowl(report={"model": "ResNet"}))
    assert "<title>A &lt;b&gt; title</title>" in page(bowl(), title="A <b> title")


def test_measures_without_a_finite_value_are_left_out():
    flat = np.full((5, 5), np.nan)
    (shown,) = held(page(bowl(metrics={"lost": flat})))
    assert [name for name, _ in shown["values"]] == ["loss"]


def test_it_is_written_whole(tmp_path):
    file = bowl().to_html(tmp_path / "new" / "page.html", names=["bowl"])
    assert file.read_text() == page(bowl(), names=["bowl"])
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("landscapes", "options", "message"),
    [
        ([], {}, "a page holds 1 to 12 landscapes, because browsers draw no more scenes at once, got 0"),
        ([bowl()] * 13, {}, "a page holds 1 to 12 landscapes, because browsers draw no more scenes at once, got 13"),
        (
            Landscape(np.arange(3.0), None, np.ones(3)),
            {},
            r"a surface to explore needs at least 2 x 2 points, got a landscape of 3 points \(plot",
        ),
        (
            Landscape(np.arange(3.0), np.zeros(1), np.ones((3, 1))),
            {},
            r"a surface to explore needs at least 2 x 2 points, got a landscape of 3 x 1 points \(plot",
        ),
        (
            Landscape(np.zeros(2), np.arange(2.0), np.ones((2, 2))),
            {},
            "x must have coordinates that all differ, got 0 twice",
        ),
        (bowl(), {"names": ["a", "b"]}, "names must be one per landscape, got 2 for 1 landscapes"),
        ([bowl(), bowl(low=3.0)], {}, "must share a range of x, got none"),
        (Landscape(np.arange(2.0), np.arange(2.0), np.full((2, 2), np.nan)), {}, "finite at no point"),
    ],
)
def test_what_cannot_be_explored_is_refused(landscapes, options, message):
    with pytest.raises(ValueError, match=message):
        page(landscapes, **options)


def test_landscapes_without_a_common_measure_are_refused():
    lost = np.full((5, 5), np.inf)
    one = Landscape(np.arange(5.0), np.arange(5.0), lost, {"a": np.ones((5, 5))})
    with pytest.raises(ValueError, match=r"must share a measure that is finite somewhere, got none \(a; loss\)"):
        page([one, Landscape(one.x, one.y, np.ones((5, 5)))])


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"the name of a page must end in \.html, got 'page\.png'"):
        to_html(bowl(), tmp_path / "page.png")
    assert list(tmp_path.iterdir()) == []
