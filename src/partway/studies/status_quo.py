"""The status quo of Figures 3 and 4: AlexNet whole on the device, or whole on the server, over three links.

Input: the set-up. Output: what each way takes in seconds and joules, and whether the paper's orders hold. Seconds are
what the machines and links were fitted to; joules are not.
"""

from partway.reporting import Bars, BarSeries, Chart, format_value
from partway.studies import paper
from partway.studies.cut_costs import CostTable
from partway.studies.findings import HOLDS, Claim, Finding, Kind, StudyResult, compare
from partway.studies.hardware import PaperLink
from partway.studies.setup import Setup
from partway.studies.study import Study

_NETWORK = "alexnet"
_UPLOADS = {"Wi-Fi": paper.UPLOAD_WIFI_S, "LTE": paper.UPLOAD_LTE_S, "3G": paper.UPLOAD_3G_S}


def run(setup: Setup) -> StudyResult:
    """AlexNet on each side."""
    cpu, gpu = (setup.table(_NETWORK, setup.device(label)) for label in ("CPU", "GPU"))
    return StudyResult(
        findings=(*_seconds(setup, cpu, gpu), *_joules(setup, cpu, gpu)),
        charts=(_chart(setup, cpu, gpu),),
        assumptions=(
            f"Rates of the links are the image's {format_value(float(gpu.up_bytes[0]), 'B')} over the paper's uploads.",
            f"The device draws {setup.device('CPU').power_w:.3g} W while its CPU computes and "
            f"{setup.device('GPU').power_w:.3g} W while its GPU does, as the paper's authors measured of AlexNet, and "
            "only the radio's watts while it sends.",
        ),
    )


STUDY = Study(figures=(3, 4), title="Status quo: AlexNet whole on one side", short="status quo", run=run)


def _seconds(setup: Setup, cpu: CostTable, gpu: CostTable) -> tuple[Finding, ...]:
    only_s = {link.name: float(gpu.latency_s(link)[0]) for link in setup.links}
    cpu_s, gpu_s, server_s = float(cpu.device_s[-1]), float(gpu.device_s[-1]), float(gpu.server_s[0])
    uploads = (
        compare(_UPLOADS[link.name], float(gpu.up_bytes[0]) / link.uplink_bytes_per_s, kind="fitted")
        for link in setup.links
    )
    return (
        compare(paper.DEVICE_CPU_S, cpu_s, kind="fitted"),
        compare(paper.DEVICE_GPU_S, gpu_s, kind="fitted"),
        compare(paper.SERVER_S, server_s, kind="fitted"),
        *uploads,
        compare(paper.WIFI_COMPUTE_SHARE, server_s / only_s["Wi-Fi"], kind="fitted"),
        _order(paper.GPU_BEATS_LTE, gpu_s, only_s["LTE"], kind="fitted", lever="the device's GPU"),
        _order(paper.GPU_BEATS_3G, gpu_s, only_s["3G"], kind="fitted", lever="the device's GPU"),
        _order(paper.LTE_BEATS_CPU, only_s["LTE"], cpu_s, kind="fitted", lever="LTE and the server"),
        _order(paper.WIFI_BEATS_CPU, only_s["Wi-Fi"], cpu_s, kind="fitted", lever="Wi-Fi and the server"),
    )


def _order(claim: Claim, less_s: float, more_s: float, *, kind: Kind, lever: str) -> Finding:
    told = f"by a factor of {more_s / less_s:.3g}"
    missed = f"{lever} would have to be {less_s / more_s:.3g} times as fast"
    return compare(claim, less_s < more_s, kind=kind, mark=HOLDS, note=told if less_s < more_s else missed)


def _joules(setup: Setup, cpu: CostTable, gpu: CostTable) -> tuple[Finding, ...]:
    """Orders of energy, each with the watts of computing at which it turns."""
    device = setup.device("GPU")
    gpu_s = float(gpu.device_s[-1])
    device_j = min(float(cpu.device_j[-1]), float(gpu.device_j[-1]))

    def note(link: PaperLink, holds_where: str) -> str:
        turn_w = float(gpu.energy_j(link)[0]) / gpu_s
        measured = f"{device.power_w:.3g} W is what the authors measured of AlexNet"
        return f"holds where computing draws {holds_where} than {turn_w:.3g} W; {measured}"

    wifi, lte, slow = (setup.link(name) for name in ("Wi-Fi", "LTE", "3G"))
    on_server = float(gpu.energy_j(wifi)[0]) < device_j
    return (
        compare(paper.ENERGY_WIFI_SERVER, on_server, kind="sensitivity", mark=HOLDS, note=note(wifi, "more")),
        *(
            compare(
                claim,
                float(gpu.device_j[-1]) < float(gpu.energy_j(link)[0]),
                kind="sensitivity",
                mark=HOLDS,
                note=note(link, "less"),
            )
            for claim, link in ((paper.ENERGY_LTE_GPU, lte), (paper.ENERGY_3G_GPU, slow))
        ),
    )


def _chart(setup: Setup, cpu: CostTable, gpu: CostTable) -> Chart:
    links = setup.links
    none = (0.0,) * len(links)
    upload_s = [float(gpu.up_bytes[0]) / link.uplink_bytes_per_s for link in links]
    categories = ("device CPU", "device GPU", *(f"server, {link.name}" for link in links))
    latency = Bars(
        title="Latency of a query",
        categories=categories,
        series=(
            BarSeries(name="device computes", values=(float(cpu.device_s[-1]), float(gpu.device_s[-1]), *none)),
            BarSeries(name="image is sent", values=(0.0, 0.0, *upload_s)),
            BarSeries(name="server computes", values=(0.0, 0.0, *(float(gpu.server_s[0]) for _ in links))),
        ),
        unit="s",
        axis="latency",
        stacked=True,
    )
    energy = Bars(
        title="Energy of the device for a query",
        categories=categories,
        series=(
            BarSeries(name="computing", values=(float(cpu.device_j[-1]), float(gpu.device_j[-1]), *none)),
            BarSeries(name="sending", values=(0.0, 0.0, *(float(gpu.energy_j(link)[0]) for link in links))),
        ),
        unit="J",
        axis="energy",
        stacked=True,
    )
    return Chart(name="figure-03-04", title="Status quo: AlexNet whole on one side", panels=(latency, energy))
