"""A plan as one page that needs no network: sliders for link, load and device, on which the best cut moves.

Input: a `PlanView`. Output: an HTML file. What it looks like and how it calculates is in `plan_page.html`; here the
numbers are put into it. Called by `partway plan --html`.

What a model's author wrote, such as names of tensors, reaches the page as text only: as JSON in which no character of
markup is left, which the page's script never turns into markup. A content security policy allows that one script, by
its digest, and no connection at all.
"""

import html
import math
from pathlib import Path

import msgspec

from partway.documents import write_atomically
from partway.errors import InputError
from partway.planning import Conditions, CostTable, Region
from partway.planning.constraints import Constraints, keep_to, limits
from partway.planning.objective import own_seconds_per_joule
from partway.reporting.pages import fill_template
from partway.reporting.plan_view import PagePower, PlanView
from partway.units import format_duration, format_energy, format_size

_TEMPLATE = "plan_page.html"
# In a JSON string these may be escaped; outside of strings JSON has none of them.
_MARKUP = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


def write_page(view: PlanView, path: Path) -> None:
    """Write the page.

    Args:
        view: the plan, and the conditions that the sliders begin with.
        path: the HTML file; replaced in one step.

    Raises:
        InputError: a rate is infinite, for which a slider has no place.
        LinkError: the radio's watts have no meaning at these rates.
        DocumentError: the file cannot be written.
    """
    write_atomically(path, page(view).encode())


def page(view: PlanView) -> str:
    """The page as text; the arguments and errors of `write_page`."""
    given = view.conditions
    if not math.isfinite(given.uplink_bytes_per_s) or not math.isfinite(given.downlink_bytes_per_s):
        raise InputError("the page's sliders need finite rates of the link; give them, for instance up=1Gbit/s")
    best = view.ranked()[0]
    texts = {
        "title": html.escape(view.title),
        "without_script": html.escape(
            f"Sliders and charts need JavaScript. Under the conditions that the plan was asked for "
            f"({view.link_in_words()}) the best cut is {view.label(best.index)}, in {format_duration(best.latency_s)}."
        ),
        "data": msgspec.json.encode(_data(view)).decode().translate(_MARKUP),
    }
    return fill_template(_TEMPLATE, texts)


def _data(view: PlanView) -> dict[str, object]:
    plan = view.plan
    labels = tuple(view.label(row) for row in range(len(plan.costs)))
    table = CostTable.of(plan.costs)
    within = keep_to(limits(plan.constraints, table))
    allowed = [True] * len(table) if within is None else within.tolist()
    return {
        "title": view.title,
        "model": view.model,
        "device": plan.device,
        "server": plan.server,
        "link": view.link,
        "emulated": view.emulated,
        "limits": _limits(plan.constraints),
        "notes": view.notes,
        "created_from": plan.created_from,
        "frontier": plan.frontier,
        "start": _start(view.conditions),
        "region": _region(),
        "power": _power(view.power),
        "objective": plan.objective,
        "deadline_s": plan.constraints.deadline_s,
        "energy_budget_j": plan.constraints.energy_budget_j,
        "charge": view.charge,
        "seconds_per_joule": plan.seconds_per_joule or own_seconds_per_joule(table) or 1.0,
        "cuts": [
            {
                "label": label,
                "short": short,
                "group": group,
                "allowed": fits,
                "on_server": name == "(server alone)",
                "offloaded": cost.offloaded,
                "device_s": cost.device_s,
                "up_bytes": cost.up_bytes,
                "server_s": cost.server_s,
                "down_bytes": cost.down_bytes,
                "device_j": cost.device_j,
                "error": cost.error,
            }
            for label, short, group, name, fits, cost in zip(
                labels, view.brief_labels(), view.cut_groups(), view.names, allowed, plan.costs, strict=True
            )
        ],
    }


def _limits(constraints: Constraints) -> list[str]:
    """What must hold, in words."""
    told = {
        "answered within": (constraints.deadline_s, format_duration),
        "at most": (constraints.energy_budget_j, format_energy),
        "at most, in the device's memory,": (constraints.device_memory_bytes, format_size),
        "sends at most": (constraints.max_up_bytes, format_size),
        "answers off by at most": (constraints.max_error, lambda share: f"{100 * share:.3g} % of their scale"),
    }
    said = [f"{what} {show(value)}" for what, (value, show) in told.items() if value is not None]
    if constraints.keep_on_device:
        said.append(f"{', '.join(constraints.keep_on_device)} stays on the device")
    if constraints.on_server:
        said.append(f"{', '.join(constraints.on_server)} runs on the server")
    return said


def _start(conditions: Conditions) -> dict[str, float]:
    return {
        "uplink_bytes_per_s": conditions.uplink_bytes_per_s,
        "downlink_per_uplink": conditions.downlink_bytes_per_s / conditions.uplink_bytes_per_s,
        "rtt_s": conditions.rtt_s,
        "queue_delay_s": conditions.queue_delay_s,
        "slowdown": conditions.slowdown,
        "device_factor": conditions.device_factor,
    }


def _region() -> dict[str, tuple[float, float]]:
    """What the sliders span: where the plan's frontier holds."""
    region = Region()
    return {
        "uplink_bytes_per_s": region.uplink_bytes_per_s,
        "downlink_per_uplink": region.downlink_per_uplink,
        "rtt_s": region.wait_s,
        "queue_delay_s": region.wait_s,
        "slowdown": region.slowdown,
        "device_factor": region.device_factor,
    }


def _power(power: PagePower | None) -> dict[str, float] | None:
    if power is None or power.radio is None:
        return None
    radio = power.radio
    return {
        "device_idle_w": power.device_idle_w,
        "tx_j_per_byte": radio.tx_j_per_byte,
        "tx_base_w": radio.tx_base_w,
        "rx_j_per_byte": radio.rx_j_per_byte,
        "rx_base_w": radio.rx_base_w,
        "idle_w": radio.idle_w,
        "tail_j": radio.tail_j if power.tail else 0.0,
    }
