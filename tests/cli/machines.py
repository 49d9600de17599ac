"""Machines of stated speed: measurements of any model that nobody took, so that tests know which cut is the best."""

from pathlib import Path

from partway.cli.inspect import known_cuts
from partway.documents import write_document
from partway.engine import OrtRuntime
from partway.graph import Model, Source, canonicalise, node_indices
from partway.profiling import Environment, Measurement
from partway.profiling.measurement import CutTiming, Timing


def graph_of(path: Path) -> Model:
    """The canonical graph of a model with static shapes, as the command line sees it."""
    source = Source.open(path)
    return canonicalise(source, source.bind(), OrtRuntime())


def machine(path: Path, file: Path, *, layer_s: float) -> Path:
    """A measurement of a machine on which every layer takes the same.

    Args:
        path: the model, with static shapes.
        file: where to write it.
        layer_s: seconds of a layer.
    """
    model = graph_of(path)

    def timing(nodes: int) -> Timing | None:
        count = sum(1 for _ in node_indices(nodes))
        return Timing(median_s=layer_s * count, spread=0.0, runs=5) if count else None

    everything = (1 << len(model.nodes)) - 1
    measurement = Measurement(
        model=model.source_digest,
        binding=model.binding.encode(),
        environment=Environment(host="made-up", processor="paper", cores=1, runtime="none 1", threads=0),
        cuts=tuple(
            CutTiming(crossing=cut.crossing, head=timing(cut.nodes), tail=timing(everything & ~cut.nodes))
            for cut in known_cuts(model)
        ),
        busy_share=0.0,
    )
    write_document(file, measurement)
    return file


def pair(path: Path, *, device_s: float = 0.010, server_s: float = 0.001) -> tuple[object, ...]:
    """Words that name a device and a server for a model, beside which their files are written.

    Args:
        path: the model, with static shapes.
        device_s: seconds of a layer on the device.
        server_s: the same on the server.
    """
    device = machine(path, path.with_suffix(".device.json"), layer_s=device_s)
    return ("--device", device, "--server", machine(path, path.with_suffix(".server.json"), layer_s=server_s))
