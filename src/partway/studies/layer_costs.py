"""Figure 5: what each layer of AlexNet takes on the device's GPU, and what it would send.

Input: the set-up. Output: layers with seconds and bytes. The bytes are those of the shapes and hang on nothing; how the
fitted total of seconds is spread over layers is predicted.
"""

import numpy as np

from partway.reporting import Bars, BarSeries, Chart, Table, format_value
from partway.studies import paper
from partway.studies.findings import StudyResult, compare
from partway.studies.setup import Setup
from partway.studies.study import Study


def run(setup: Setup) -> StudyResult:
    """AlexNet's layers, one by one."""
    network = setup.networks["alexnet"]
    table = setup.table("alexnet", setup.device("GPU"))
    seconds = np.diff(table.device_s)
    whole_s = float(table.device_s[-1])
    place = {layer.name: index for index, layer in enumerate(network.layers)}
    shrinks = [layer.input_bytes / layer.output_bytes for layer in network.layers]
    early = network.layers[: place["fc6"]]
    pools = [shrink for layer, shrink in zip(early, shrinks, strict=False) if layer.kind == "pool"]
    others = [shrink for layer, shrink in zip(early, shrinks, strict=False) if layer.kind != "pool"]
    share = float(seconds[place["fc6"]]) / whole_s
    rows = tuple(
        (
            layer.name,
            layer.kind,
            format_value(float(took_s), "s"),
            format_value(float(took_s) / whole_s, "share"),
            format_value(layer.output_bytes, "B"),
            f"{shrink:.3g}x",
        )
        for layer, took_s, shrink in zip(network.layers, seconds, shrinks, strict=True)
    )
    names = tuple(layer.name for layer in network.layers)
    return StudyResult(
        findings=(
            compare(paper.POOL5_SHRINKS, shrinks[place["pool5"]], kind="predicted", note="shapes alone decide it"),
            compare(
                paper.POOLS_SHRINK_MOST,
                min(pools) > max(others),
                kind="predicted",
                note=f"pools by {min(pools):.3g} to {max(pools):.3g}, others by at most {max(others):.3g}",
            ),
            compare(
                paper.FC6_SHARE,
                share,
                kind="predicted",
                note="weights that are read once: the device's memory decides it",
            ),
        ),
        tables=(
            Table(
                title="AlexNet on the device's GPU, layer by layer",
                columns=("layer", "kind", "time", "share", "sends", "shrinks by"),
                rows=rows,
            ),
        ),
        charts=(
            Chart(
                name="figure-05",
                title="AlexNet on the device's GPU, layer by layer",
                panels=(
                    Bars(
                        title="Seconds",
                        categories=names,
                        series=(BarSeries(name="", values=tuple(map(float, seconds))),),
                        unit="s",
                        axis="compute",
                    ),
                    Bars(
                        title="What would be sent after each layer",
                        categories=names,
                        series=(BarSeries(name="", values=tuple(float(item.output_bytes) for item in network.layers)),),
                        unit="B",
                        axis="size of the output",
                        logarithmic=True,
                    ),
                ),
            ),
        ),
        assumptions=("Data are float32 as the runtime holds them; the image alone is sent as bytes.",),
    )


STUDY = Study(figures=(5,), title="AlexNet, layer by layer", short="layers", run=run)
