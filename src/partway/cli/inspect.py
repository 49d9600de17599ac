"""`partway inspect`: what a model is made of and where it can be cut.

Input: a model and a binding. Output: its layers, its single-tensor cuts and the candidates of planning, as tables
or JSON. Nothing is run. With `--list`: the networks that need no file.
"""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from partway.cli.networks import print_networks
from partway.cli.opening import open_graph, open_subject
from partway.cli.options import add_json, add_model
from partway.engine import OrtRuntime
from partway.errors import InputError
from partway.graph import Cut, Model, Source, TensorInfo, candidate_cuts, dtype_name, single_tensor_cuts
from partway.reporting import Column, name_set, print_json, print_lines, print_table, share, shorten
from partway.units import format_count, format_size
from partway.zoo import PAPER_NETWORKS, named_network

_EXAMPLES = """examples:
  partway inspect resnet50.onnx
  partway inspect detector.onnx --shape x=1,3,640,480
  partway inspect vad.onnx --shape input=1,576 --bind sr=16000 --json
  partway inspect --list                  the paper's networks
  partway inspect alexnet                 one of them
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "inspect",
        help="layers, sizes and cuts of a model",
        description="Show the layers of a model as it will be run, and where it can be cut.",
        epilog=_EXAMPLES,
    )
    add_model(parser, required=False)
    parser.add_argument("--list", action="store_true", help="show the networks that go by a name, and no model")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print layers and cuts; 0.

    Raises:
        InputError: the model cannot be opened or bound, or none is named.
    """
    if arguments.list:
        if arguments.model is not None:
            raise InputError(f"--list shows the networks that go by a name; leave {arguments.model} out, or --list")
        print_networks(as_json=arguments.json)
        return 0
    if arguments.model is None:
        raise InputError("no MODEL was given; name an ONNX file, or one of the networks that --list shows")
    subject = open_subject(arguments)
    model = open_graph(subject, OrtRuntime(threads=arguments.threads), quiet=arguments.json)
    cuts = known_cuts(model)
    candidates = frozenset(cut.crossing for cut in candidate_cuts(model))
    uncrossable = _uncrossable(subject.source, model)
    if arguments.json:
        print_json(_document(arguments.model, subject.source, model, cuts, candidates, uncrossable))
        return 0
    print_lines(_summary(arguments.model, subject.source, model, cuts, uncrossable))
    print_table("Layers", _LAYER_COLUMNS, (_layer_row(model, index) for index in range(len(model.nodes))))
    title = "Cuts (* = worth measuring: sends less than every shallower one)"
    print_table(title, _CUT_COLUMNS, (_cut_row(model, cut, candidates) for cut in cuts if cut.offloaded))
    return 0


def known_cuts(model: Model) -> tuple[Cut, ...]:
    """Every single-tensor cut and every candidate, each once, from the shallowest to the deepest."""
    found = {cut.crossing: cut for cut in (*single_tensor_cuts(model), *candidate_cuts(model))}
    return tuple(sorted(found.values(), key=lambda cut: (cut.depth, cut.crossing)))


_REASONS = {
    "together_only": "cross only together with others",
    "unnamed": "made while simplifying: the file has no name for them",
    "no_tensor": "are no plain tensors",
    "size_unknown": "their size is known only when they run",
}
_LAYER_COLUMNS = (
    Column(title="#"),
    Column(title="layer", right=False, shrinks=True),
    Column(title="op", right=False),
    Column(title="output", right=False, shrinks=True),
    Column(title="bytes"),
    Column(title="MACs"),
    Column(title="weights"),
)
_CUT_COLUMNS = (
    Column(title="", right=False),
    Column(title="after layers"),
    Column(title="sends", right=False, shrinks=True),
    Column(title="as", right=False, shrinks=True),
    Column(title="bytes sent"),
    Column(title="device MACs"),
)


def _layer_row(model: Model, index: int) -> tuple[str, ...]:
    node = model.nodes[index]
    tensors = [model.tensors[name] for name in node.outputs if name in model.tensors]
    sizes = [tensor.size_bytes for tensor in tensors if tensor.size_bytes is not None]
    described = tensors[0].describe() if tensors else ""
    return (
        str(index + 1),
        shorten(node.name),
        f"{node.domain}.{node.op_type}" if node.domain else node.op_type,
        described + (f" + {len(tensors) - 1} more" if len(tensors) > 1 else ""),
        format_size(sum(sizes)) if sizes else "?",
        format_count(node.macs) if node.macs else "",
        format_size(node.weight_bytes) if node.weight_bytes else "",
    )


def _cut_row(model: Model, cut: Cut, candidates: frozenset[tuple[str, ...]]) -> tuple[str, ...]:
    described = [model.tensors[name].describe() for name in cut.crossing[:2]]
    return (
        "*" if cut.crossing in candidates else "",
        str(cut.depth) if cut.depth else "none",
        name_set(cut.crossing, none="nothing"),
        " + ".join(described),
        format_size(cut.up_bytes),
        share(cut.macs, model.macs),
    )


def _summary(
    path: str, source: Source, model: Model, cuts: Sequence[Cut], uncrossable: Mapping[str, int]
) -> tuple[tuple[str, str], ...]:
    single = sum(1 for cut in cuts if cut.depth and len(cut.crossing) == 1)
    held = [f"{value.name} = {value.array().tolist()}" for value in model.binding.values]
    optional = [t.name for t in source.optional_inputs if t.name not in dict(model.binding.shapes)]
    reasons = ", ".join(f"{count} ({_REASONS[reason]})" for reason, count in uncrossable.items())
    lines = [
        ("model", path),
        ("identity", source.digest),
        ("inputs", _listed(model.inputs)),
        ("bound", ", ".join(held)),
        ("defaults", ", ".join(optional)),
        ("outputs", _listed(model.outputs)),
        (
            "size",
            f"{len(model.nodes)} layers, {format_count(model.macs)} MACs, {format_size(model.weight_bytes)} of weights",
        ),
        ("layers", _counted_layers(path, len(model.nodes))),
        (
            "cuts",
            f"one tensor is enough after {single} of {len(model.nodes)} layers ({share(single, len(model.nodes))})",
        ),
        ("no cut at", reasons and f"{reasons} of the tensors between layers"),
    ]
    return tuple((label, text) for label, text in lines if text)


def _counted_layers(path: str, nodes: int) -> str:
    # The paper's networks are counted in two ways, of which `--list` shows the other.
    if path.partition("@")[0] not in PAPER_NETWORKS or Path(path).is_file():
        return ""
    layers = len(named_network(path).layers)
    return f"{layers} as Caffe counts and --list says; here each node of the graph is one" if layers != nodes else ""


def _listed(tensors: Sequence[TensorInfo]) -> str:
    return ", ".join(f"{tensor.name} {tensor.describe()}" for tensor in tensors)


def _uncrossable(source: Source, model: Model) -> dict[str, int]:
    # Only tensors that somebody reads: what nobody reads ends the graph.
    single = {cut.crossing for cut in single_tensor_cuts(model)}
    reasons: Counter[str] = Counter()
    for tensor in model.tensors.values():
        if tensor.name not in model.consumers or (tensor.name,) in single:
            continue
        if tensor.name not in source.names:
            reasons["unnamed"] += 1
        elif tensor.dtype is None:
            reasons["no_tensor"] += 1
        elif tensor.name not in model.crossable:
            reasons["size_unknown"] += 1
        else:
            reasons["together_only"] += 1
    return dict(reasons)


def _document(
    path: str,
    source: Source,
    model: Model,
    cuts: Sequence[Cut],
    candidates: frozenset[tuple[str, ...]],
    uncrossable: Mapping[str, int],
) -> dict[str, object]:
    return {
        "model": path,
        "digest": source.digest,
        "binding": model.binding.encode(),
        "inputs": [_tensor(tensor) for tensor in model.inputs],
        "outputs": [_tensor(tensor) for tensor in model.outputs],
        "macs": model.macs,
        "weight_bytes": model.weight_bytes,
        "cuttable_nodes": sum(1 for cut in cuts if cut.depth and len(cut.crossing) == 1),
        "uncrossable": uncrossable,
        "nodes": [
            {
                "name": node.name,
                "op": node.op_type,
                "domain": node.domain,
                "outputs": [_tensor(model.tensors[name]) for name in node.outputs if name in model.tensors],
                "output_bytes": sum(
                    model.tensors[name].size_bytes or 0 for name in node.outputs if name in model.tensors
                ),
                "macs": node.macs,
                "weight_bytes": node.weight_bytes,
            }
            for node in model.nodes
        ],
        "cuts": [
            {
                "crossing": cut.crossing,
                "up_bytes": cut.up_bytes,
                "down_bytes": cut.down_bytes,
                "depth": cut.depth,
                "head_macs": cut.macs,
                "candidate": cut.crossing in candidates,
            }
            for cut in cuts
        ],
    }


def _tensor(tensor: TensorInfo) -> dict[str, object]:
    dtype = None if tensor.dtype is None else dtype_name(tensor.dtype)
    return {"name": tensor.name, "dtype": dtype, "shape": tensor.shape, "size_bytes": tensor.size_bytes}
