"""The networks that need no file: a table of them, or one JSON document.

Input: nothing. Output: each by its name, with what a query holds and what it costs. No weights are made. Called by
`partway inspect --list`.
"""

from partway.reporting import Column, print_json, print_table
from partway.units import format_count, format_size
from partway.zoo import PAPER_NETWORKS, PaperNetwork, paper_network

_COLUMNS = (
    Column(title="name", right=False),
    Column(title="network", right=False, shrinks=True),
    Column(title="application", right=False),
    Column(title="layers"),
    Column(title="input", right=False),
    Column(title="query", right=False),
    Column(title="sends"),
    Column(title="weights"),
    Column(title="MACs"),
)


def print_networks(*, as_json: bool) -> None:
    """Print every network.

    Args:
        as_json: one document instead of a table.
    """
    networks = tuple(map(paper_network, PAPER_NETWORKS))
    if as_json:
        print_json({"networks": tuple(map(_document, networks))})
        return
    print_table("Networks of the paper: a name goes wherever a model does", _COLUMNS, map(_row, networks))
    print("NAME@N is the same network with N items a query, for instance mnist@10.")


def _row(network: PaperNetwork) -> tuple[str, ...]:
    return (
        network.name,
        network.title,
        network.application,
        str(len(network.layers)),
        f"{network.input_dtype}[{','.join(map(str, network.input_shape))}]",
        f"{network.queries} {network.item}{'' if network.queries == 1 else 's'}",
        format_size(network.input_bytes),
        format_size(network.weight_bytes),
        format_count(network.macs),
    )


def _document(network: PaperNetwork) -> dict[str, object]:
    return {
        "name": network.name,
        "title": network.title,
        "application": network.application,
        "item": network.item,
        "queries": network.queries,
        "input": {
            "name": network.input_name,
            "dtype": str(network.input_dtype),
            "shape": network.input_shape,
            "size_bytes": network.input_bytes,
        },
        "weight_bytes": network.weight_bytes,
        "macs": network.macs,
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "output": layer.output,
                "output_shape": layer.output_shape,
                "output_bytes": layer.output_bytes,
                "macs": layer.macs,
                "weight_bytes": layer.weight_bytes,
            }
            for layer in network.layers
        ],
    }
