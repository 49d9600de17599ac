"""Plans to draw, made up: a chain whose tensors shrink from layer to layer."""

from collections.abc import Sequence

from partway.link import parse_radio
from partway.planning import Conditions, CutCost, DeviceDraw, make_plan
from partway.planning.objective import LATENCY, Goal
from partway.reporting.plan_view import LayerBar, PagePower, PlanView

LTE = Conditions(uplink_bytes_per_s=731_250.0, downlink_bytes_per_s=1_720_000.0, rtt_s=0.05)
POWER = PagePower(device_idle_w=2.7, radio=parse_radio("lte"))


def chain_costs(layers: int, *, joules: bool = True, names: Sequence[str] = ()) -> list[CutCost]:
    """Every cut of a chain, from server-only to device-only: 0.6 s on the device, a twentieth on the server.

    Args:
        layers: how many, >= 1.
        joules: whether those of heads are known.
        names: of the tensors after all layers but the last; `/net/layer1/out` and so on where there are none.
    """
    tensors = names or tuple(f"/net/layer{layer}/out" for layer in range(1, layers))
    costs = []
    for layer in range(layers + 1):
        device_s, offloaded = 0.6 * layer / layers, layer < layers
        costs.append(
            CutCost(
                crossing=() if not offloaded else (tensors[layer - 1],) if layer else ("input",),
                device_s=device_s,
                up_bytes=int(600_000 if not layer else 900_000 / layer**1.5) if offloaded else 0,
                server_s=0.03 * (layers - layer) / layers,
                down_bytes=4_000 if offloaded else 0,
                offloaded=offloaded,
                device_j=6.4 * device_s if joules else None,
                device_j_how="constant" if joules else None,
            )
        )
    return costs


def view_of(
    costs: Sequence[CutCost],
    *,
    power: PagePower | None = POWER,
    goal: Goal = LATENCY,
    layers: int = 0,
    conditions: Conditions = LTE,
    device: str = "Pencil",
) -> PlanView:
    """A view of these costs; `layers` bars above them."""
    plan = make_plan(
        model="sha256:00",
        binding="{}",
        costs=costs,
        device=device,
        server="Desk",
        created_from="made up",
        goal=goal,
        draw=_draw(power),
    )
    return PlanView(
        title="chain over LTE",
        model="chain.onnx",
        plan=plan,
        names=tuple(_name(cost) for cost in costs),
        layers=tuple(
            LayerBar(
                name=f"/net/layer{place}/op",
                op_type="Conv",
                device_s=1e-3 * (1 + place % 7),
                server_s=1e-4,
                output_bytes=4_000_000 // (1 + place),
                weight_bytes=0,
            )
            for place in range(layers)
        ),
        conditions=conditions,
        link="lte",
        power=power,
    )


def _draw(power: PagePower | None) -> DeviceDraw | None:
    if power is None or power.radio is None:
        return None
    return DeviceDraw.of(power.radio, device_idle_w=power.device_idle_w, tail=power.tail)


def _name(cost: CutCost) -> str:
    if not cost.offloaded:
        return "(device alone)"
    return "(server alone)" if cost.crossing == ("input",) else " + ".join(cost.crossing)
