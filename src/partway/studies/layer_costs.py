"""Figure 5: what each layer of AlexNet takes on the device's GPU, and what it would send.

Input: the set-up. Output: layers with seconds and bytes. The bytes are those of the shapes and hang on nothing; how the
fitted total of seconds is spread over layers is predicted.
"""

import numpy as np

from partway.prediction.physical import FloatArray
from partway.reporting import Bars, BarSeries, Chart, Table, format_value
from partway.studies import paper
from partway.studies.findings import Finding, StudyResult, compare
from partway.studies.setup import Setup
from partway.studies.study import Study
from partway.zoo import Layer, PaperNetwork


def run(setup: Setup) -> StudyResult:
    """AlexNet's layers, one by one."""
    network = setup.networks["alexnet"]
    seconds = np.diff(setup.table("alexnet", setup.device("GPU")).device_s)
    return StudyResult(
        findings=_findings(network, seconds),
        tables=(_table(network, seconds),),
        charts=(_chart(network, seconds),),
        assumptions=("Data are float32 as the runtime holds them; the image alone is sent as bytes.",),
    )


STUDY = Study(figures=(5,), title="AlexNet, layer by layer", short="layers", run=run)


def _shrinks(layer: Layer) -> float:
    return layer.input_bytes / layer.output_bytes


def _findings(network: PaperNetwork, seconds: FloatArray) -> tuple[Finding, ...]:
    names = [layer.name for layer in network.layers]
    fc6 = names.index("fc6")
    pools, others = (
        [_shrinks(layer) for layer in network.layers[:fc6] if (layer.kind == "pool") is pooling]
        for pooling in (True, False)
    )
    return (
        compare(
            paper.POOL5_SHRINKS,
            _shrinks(network.layers[names.index("pool5")]),
            kind="predicted",
            note="shapes alone decide it",
        ),
        compare(
            paper.POOLS_SHRINK_MOST,
            min(pools) > max(others),
            kind="predicted",
            note=f"pools by {min(pools):.3g} to {max(pools):.3g}, others by at most {max(others):.3g}",
        ),
        compare(
            paper.FC6_SHARE,
            float(seconds[fc6] / seconds.sum()),
            kind="predicted",
            note="weights that are read once: the device's memory decides it",
        ),
    )


def _table(network: PaperNetwork, seconds: FloatArray) -> Table:
    return Table(
        title="AlexNet on the device's GPU, layer by layer",
        columns=("layer", "kind", "time", "share", "sends", "shrinks by"),
        rows=tuple(
            (
                layer.name,
                layer.kind,
                format_value(float(took_s), "s"),
                format_value(float(took_s / seconds.sum()), "share"),
                format_value(layer.output_bytes, "B"),
                f"{_shrinks(layer):.3g}x",
            )
            for layer, took_s in zip(network.layers, seconds, strict=True)
        ),
    )


def _chart(network: PaperNetwork, seconds: FloatArray) -> Chart:
    names = tuple(layer.name for layer in network.layers)
    return Chart(
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
                series=(BarSeries(name="", values=tuple(float(layer.output_bytes) for layer in network.layers)),),
                unit="B",
                axis="size of the output",
                logarithmic=True,
            ),
        ),
    )
