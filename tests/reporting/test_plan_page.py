from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import pytest
from tests.browser import open_browser
from tests.reporting.plan_views import LTE, POWER, chain_costs, view_of

from partway.errors import DocumentError, InputError
from partway.planning import Conditions, Constraints, CostTable, Goal, Region, decide
from partway.reporting.plan_page import page, write_page
from partway.reporting.plan_view import PlanView

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

STEPS = 500  # of a slider
HOSTILE = "</script><img src=x onerror=alert(1)>"

Opener = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with open_browser() as found:
        yield found


@pytest.fixture
def open_page(browser: "Browser", tmp_path: Path) -> Iterator[Opener]:
    """Opens the page of a view; in the end nothing may have been complained of or asked for."""
    seen: list[str] = []
    contexts = []

    def opened(
        view: PlanView, *, width: int = 1200, height: int = 900, scheme: Literal["dark", "light"] = "light"
    ) -> "Page":
        path = tmp_path / "plan.html"
        write_page(view, path)
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        shown = context.new_page()
        shown.on("console", lambda message: seen.append(f"console: {message.text}"))
        shown.on("pageerror", lambda error: seen.append(f"error: {error}"))
        # A dialog would be dismissed unseen.
        shown.add_init_script("window.alert = (text) => console.error(`alert: ${text}`)")
        shown.on("request", lambda request: seen.append(request.url))
        shown.goto(path.as_uri())
        assert seen == [path.as_uri()]
        seen.clear()
        return shown

    yield opened
    for context in contexts:
        context.close()
    assert seen == []


def chosen(shown: "Page") -> int:
    return int(shown.locator("#answer").get_attribute("data-row") or -1)


def planned(view: PlanView, conditions: Conditions, goal: Goal | None = None, charge: float = 0.5) -> int:
    draw = view.power.draw(conditions) if view.power else None
    table = CostTable.of(view.plan.costs)
    return decide(table, conditions, goal=goal or view.plan.goal, draw=draw, charge=charge).index


def slide(shown: "Page", key: str, step: int) -> None:
    shown.locator(f"#{key}").fill(str(step))


def at(ends: tuple[float, float], step: int) -> float:
    return float(ends[0] * (ends[1] / ends[0]) ** (step / STEPS))


def test_it_begins_with_the_cut_that_planning_chooses(open_page: Opener) -> None:
    view = view_of(chain_costs(8))
    shown = open_page(view)
    assert chosen(shown) == planned(view, LTE)
    assert "Cut at /net/layer4/out" in shown.locator("#answer").inner_text()
    assert shown.locator("#uplink_bytes_per_s").get_attribute("aria-valuetext") == "5.85\u00a0Mbit/s"
    assert shown.locator("#top tr").count() == 5
    assert shown.locator("#latency text.bold").first.locator("title").text_content() == "/net/layer4/out"


@pytest.mark.parametrize("step", [0, 60, 150, 250, 350, 500])
def test_the_uplink_moves_the_best_cut_as_planning_says(open_page: Opener, step: int) -> None:
    view = view_of(chain_costs(8))
    shown = open_page(view)
    slide(shown, "uplink_bytes_per_s", step)
    uplink = at(Region().uplink_bytes_per_s, step)
    ratio = LTE.downlink_bytes_per_s / LTE.uplink_bytes_per_s
    conditions = replace(LTE, uplink_bytes_per_s=uplink, downlink_bytes_per_s=ratio * uplink)
    assert chosen(shown) == planned(view, conditions)
    # The strip says the same of where it stands.
    assert view.label(chosen(shown)) in shown.locator("#winners .now").inner_text()


def test_a_slow_and_a_fast_link_have_different_winners(open_page: Opener) -> None:
    shown = open_page(view_of(chain_costs(8)))
    rows = []
    for step in (0, 183, 500):
        slide(shown, "uplink_bytes_per_s", step)
        rows.append(chosen(shown))
    assert rows[0] == 8  # the device alone
    assert len(set(rows)) == 3


@pytest.mark.parametrize(
    ("key", "step", "field", "ends"),
    [
        ("slowdown", 500, "slowdown", Region().slowdown),
        ("rtt_s", 490, "rtt_s", Region().wait_s),
        ("queue_delay_s", 490, "queue_delay_s", Region().wait_s),
    ],
)
def test_load_and_waits_move_the_best_cut_as_planning_says(
    open_page: Opener, key: str, step: int, field: str, ends: tuple[float, float]
) -> None:
    view = view_of(chain_costs(8))
    shown = open_page(view)
    slide(shown, key, step)
    assert chosen(shown) == planned(view, replace(LTE, **{field: at(ends, step)})) != planned(view, LTE)


def test_a_faster_device_keeps_more_and_the_downlink_counts(open_page: Opener) -> None:
    view = view_of(chain_costs(8))
    shown = open_page(view)
    slide(shown, "downlink_per_uplink", 0)
    slide(shown, "device_factor", 0)  # the slowest
    slowest = replace(LTE, device_factor=8.0, downlink_bytes_per_s=0.5 * LTE.uplink_bytes_per_s)
    assert chosen(shown) == planned(view, slowest) < planned(view, LTE)


def test_the_arrow_keys_move_a_slider_and_reset_takes_it_back(open_page: Opener) -> None:
    shown = open_page(view_of(chain_costs(8)))
    began = chosen(shown)
    shown.locator("label[for=uplink_bytes_per_s]").click()
    shown.keyboard.press("End")
    assert chosen(shown) == 0
    shown.get_by_role("button").click()
    shown.wait_for_function(f"document.getElementById('answer').dataset.row === '{began}'")


@pytest.mark.parametrize("objective", ["latency", "energy", "balanced", "throughput"])
def test_every_objective_chooses_as_planning_does(open_page: Opener, objective: str) -> None:
    view = view_of(chain_costs(8))
    shown = open_page(view)
    goal = msgspec.convert({"objective": objective}, type=Goal)
    shown.locator("#objective").select_option(objective)
    assert chosen(shown) == planned(view, LTE, goal)
    assert shown.locator("#battery").is_visible() == (objective == "balanced")


def test_a_draining_battery_moves_the_best_cut_as_planning_says(open_page: Opener) -> None:
    view = view_of(chain_costs(8), power=replace(POWER, tail=True))
    shown = open_page(view)
    shown.locator("#objective").select_option("balanced")
    rows = []
    for per_cent in (100, 99, 95, 50, 5, 1):
        slide(shown, "charge", per_cent)
        rows.append(chosen(shown))
        assert rows[-1] == planned(view, LTE, Goal(objective="balanced"), charge=per_cent / 100)
    assert rows[0] != rows[-1] == 8


def test_joules_are_not_spoken_of_where_they_are_not_known(open_page: Opener) -> None:
    shown = open_page(view_of(chain_costs(8, joules=False), power=None))
    assert not shown.locator("#energy-figure").is_visible()
    assert shown.locator("#objective option").count() == 2
    assert "J" not in shown.locator("#answer").inner_text()


def test_the_best_keeps_to_the_limits_of_the_plan(open_page: Opener) -> None:
    costs = chain_costs(8)
    costs.insert(1, msgspec.structs.replace(costs[0], codec="int8", up_bytes=1000, error=0.5))
    within = view_of(costs)
    assert chosen(open_page(within)) == planned(within, LTE) != 1
    allowed = view_of(costs, goal=Goal(constraints=Constraints(max_error=0.6)))
    assert chosen(open_page(allowed)) == planned(allowed, LTE) == 1
    frugal = view_of(chain_costs(8), goal=Goal(constraints=Constraints(deadline_s=0.58, energy_budget_j=3.9)))
    assert chosen(open_page(frugal)) == planned(frugal, LTE)


def test_where_nothing_keeps_to_the_limits_it_says_so(open_page: Opener) -> None:
    shown = open_page(view_of(chain_costs(8), goal=Goal(constraints=Constraints(deadline_s=0.001))))
    assert "No cut keeps to the plan's limits" in shown.locator("#answer").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_down_only_whatever_tensors_are_called(
    open_page: Opener, scheme: Literal["dark", "light"]
) -> None:
    names = tuple(f"/a/very/long/name/that/exporters/make/{layer}" + "x" * layer for layer in range(1, 8))
    shown = open_page(view_of(chain_costs(8, names=names)), width=360, height=740, scheme=scheme)
    assert shown.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    dark = shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 20, 24)"
    assert dark == (scheme == "dark")


def test_a_hostile_name_is_text(open_page: Opener) -> None:
    names = (HOSTILE, "{{style_digest}}", "<!--<script>", "ok", "e", "f", "g")
    view = replace(view_of(chain_costs(8, names=names)), title=HOSTILE, notes=(HOSTILE,), model=HOSTILE)
    shown = open_page(view)
    assert shown.locator("img").count() == 0
    assert HOSTILE in shown.locator("h1").inner_text()
    assert HOSTILE in shown.locator("#notes").inner_text()
    assert shown.evaluate("plan.cuts.map((cut) => cut.label)")[1:4] == list(names[:3])


def test_many_cuts_are_thinned_and_the_caption_says_so(open_page: Opener) -> None:
    view = view_of(chain_costs(119))
    shown = open_page(view)
    # As many as the frontier has: those are never left out.
    drawn = len(view.plan.frontier)
    assert 30 < drawn < 120
    assert shown.locator("#latency-caption").inner_text().startswith(f"{drawn} of 120 cuts")


def test_without_scripts_it_gives_the_answer_of_the_plan() -> None:
    text = page(view_of(chain_costs(8)))
    assert "the best cut is /net/layer4/out" in text.partition("<noscript>")[2].partition("</noscript>")[0]
    assert "{{" not in text


def test_a_folder_is_never_replaced_and_infinite_rates_have_no_slider(tmp_path: Path) -> None:
    (tmp_path / "plan.html").mkdir()
    view = view_of(chain_costs(3), power=None)
    with pytest.raises(DocumentError, match="cannot write"):
        write_page(view, tmp_path / "plan.html")
    endless = replace(view, conditions=replace(LTE, uplink_bytes_per_s=float("inf")))
    with pytest.raises(InputError, match="finite rates"):
        page(endless)


def test_a_tail_is_charged_as_planning_charges_it(open_page: Opener) -> None:
    view = view_of(chain_costs(8), power=replace(POWER, tail=True))
    shown = open_page(view)
    shown.locator("#objective").select_option("energy")
    assert chosen(shown) == planned(view, LTE, Goal(objective="energy")) == 8


def test_it_says_what_must_hold_and_how_far_answers_are_off(open_page: Opener) -> None:
    limits = Constraints(deadline_s=9.0, max_error=0.05, keep_on_device=("inputs",))
    costs = [
        msgspec.structs.replace(cost, codec="int8", error=0.0123) if cost.offloaded else cost for cost in chain_costs(6)
    ]
    shown = open_page(view_of(costs, goal=Goal(constraints=limits)))
    told = shown.locator("#limits").inner_text()
    assert "answered within 9 s" in told
    assert "answers off by at most 5 % of their scale" in told
    assert "inputs stays on the device" in told
    slide(shown, "uplink_bytes_per_s", STEPS)
    assert "answers off by up to 1.23\u00a0% of their scale" in shown.locator("#answer").inner_text()
    assert not open_page(view_of(chain_costs(6))).locator("#limits").inner_text()
