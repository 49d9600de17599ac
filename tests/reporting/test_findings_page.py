from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from tests.browser import open_browser
from tests.reporting.chart_views import CHART, row, section

from partway.errors import InputError
from partway.reporting import FindingsPage, Section, write_findings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("matplotlib")

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(1)>"
MISSED = row(quantity="fc6 of the whole", verdict="missed", note="memory would have to be slower")

Opener = Callable[..., "Page"]


def page_of(*sections: Section) -> FindingsPage:
    return FindingsPage(
        title="Theirs beside ours",
        introduction=("Nothing was measured.",),
        words=(("fitted", "put in"),),
        sections=sections,
        footer="Made by hand.",
    )


PAGE = page_of(section(row(), MISSED), section(row(), title="Figure 5: layers", charts=()))


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with open_browser() as found:
        yield found


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """The files of `PAGE`, drawn once."""
    return write_findings(tmp_path_factory.mktemp("written") / "paper", PAGE)


@pytest.fixture
def open_page(browser: "Browser", tmp_path: Path) -> Iterator[Opener]:
    """Opens a page of findings; in the end nothing may have been complained of or asked for."""
    seen: list[str] = []
    contexts = []

    def opened(page: FindingsPage | Path, *, width: int = 1200, scheme: Literal["dark", "light"] = "light") -> "Page":
        path = page if isinstance(page, Path) else write_findings(tmp_path / "paper", page)[0]
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        shown = context.new_page()
        shown.on("console", lambda message: seen.append(f"console: {message.text}"))
        shown.on("pageerror", lambda error: seen.append(f"error: {error}"))
        shown.on("request", lambda request: seen.append(request.url))
        shown.goto(path.as_uri())
        assert [url for url in seen if not url.startswith("data:image/svg+xml")] == [path.as_uri()]
        seen.clear()
        return shown

    yield opened
    for context in contexts:
        context.close()
    assert [url for url in seen if not url.startswith("data:image/svg+xml")] == []


def test_rows_stand_beside_each_other_with_marks_in_words(open_page: Opener, written: tuple[Path, ...]) -> None:
    shown = open_page(written[0])
    assert shown.locator("h1").inner_text() == "Theirs beside ours"
    assert shown.locator(".findings tbody tr:not(.noted)").count() == 3
    assert shown.locator(".missed").inner_text() == "✗ missed"
    assert "memory would have to be slower" in shown.locator(".findings").first.inner_text()
    assert "Nothing is measured." in shown.locator(".assumptions").first.inner_text()


def test_figures_are_in_the_page_and_say_what_they_show(open_page: Opener, written: tuple[Path, ...]) -> None:
    picture = open_page(written[0]).locator("img")
    assert picture.count() == 1
    assert picture.get_attribute("alt") == f"{CHART.title}. {CHART.caption}"
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")


def test_a_narrow_window_gets_the_narrow_figure(open_page: Opener, written: tuple[Path, ...]) -> None:
    widths = [
        open_page(written[0], width=width).locator("img").evaluate("image => image.naturalWidth")
        for width in (1200, 360)
    ]
    assert widths[0] > 1.5 * widths[1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_down_only(open_page: Opener, scheme: Literal["dark", "light"]) -> None:
    long = row(quantity="a very long quantity " * 8, ours="3.14x (1.59x to 265x)", mark="asked " * 8)
    shown = open_page(page_of(section(long, MISSED, charts=())), width=360, scheme=scheme)
    shown.locator("summary").click()
    assert shown.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    dark = shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 20, 24)"
    assert dark == (scheme == "dark")


def test_what_is_missed_stands_first_and_leads_to_its_section(open_page: Opener, written: tuple[Path, ...]) -> None:
    first = open_page(written[0]).locator("main section").first
    assert "What is missed" in first.inner_text()
    assert first.locator("a").get_attribute("href") == "#figure-3-status-quo"
    assert "fc6 of the whole: 81 ms in the paper, 82 ms here; within 20 % was asked" in first.inner_text()


def test_a_table_that_scrolls_is_reached_by_keys_and_has_a_name(open_page: Opener, written: tuple[Path, ...]) -> None:
    scroll = open_page(written[0]).locator(".scroll").first
    assert (scroll.get_attribute("tabindex"), scroll.get_attribute("aria-label")) == ("0", "All cuts")


def test_the_contents_are_short_where_there_is_a_short_name(open_page: Opener) -> None:
    shown = open_page(page_of(replace(section(row(), charts=()), short="3: status quo")))
    assert shown.locator("nav a").inner_text() == "3: status quo"


def test_the_contents_lead_to_the_sections(open_page: Opener, written: tuple[Path, ...]) -> None:
    shown = open_page(written[0])
    shown.locator("nav a").nth(1).click()
    assert shown.evaluate("location.hash") == "#figure-5-layers"
    assert shown.locator("#figure-5-layers h2").inner_text() == "Figure 5: layers"


def test_a_hostile_text_is_text(open_page: Opener) -> None:
    shown = open_page(
        replace(page_of(section(row(quantity=HOSTILE, note=HOSTILE), title=HOSTILE, charts=())), title=HOSTILE)
    )
    assert shown.locator("script").count() == 0
    assert HOSTILE in shown.locator("h1").inner_text()
    assert HOSTILE in shown.locator(".findings tbody td").first.inner_text()


def test_each_figure_is_a_file_too(written: tuple[Path, ...]) -> None:
    assert sorted(path.name for path in written) == ["figure-99.png", "figure-99.svg", "index.html"]
    assert all(path.exists() for path in written)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot make the folder"):
        write_findings(tmp_path / "none" / "paper", PAGE)
