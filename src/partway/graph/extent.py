"""How much a cut can send at most.

    image ─> conv1 ─┬─> conv2 ─> add ─> pool ─> fc
                    └────────────^

Between two tensors that all else waits for, only what lies there can cross together: here {image}, {conv1, conv2},
{add}, {pool} and {fc}. A pure function of a `Model`, called by the server to refuse longer requests.
"""

from collections.abc import Iterator

from partway.graph.model import Model


def most_crossing_bytes(model: Model) -> int | None:
    """Bytes that no cut's crossing tensors exceed together.

    The largest sum among all cuts is hard to find in a graph with branches, so it is bounded: where a single tensor is
    all that the rest waits for, no cut sends tensors of both sides of it, and between two such places everything may
    cross. On a chain that is the largest tensor itself.

    Args:
        model: the graph.

    Returns:
        None where a tensor that may cross has no known size, as strings have none.
    """
    sizes = {name: model.tensors[name].size_bytes for name in model.crossable}
    if any(size is None for size in sizes.values()):
        return None
    unread = {name: len(readers) for name, readers in model.consumers.items()}
    outputs = {tensor.name for tensor in model.outputs}  # waited for until the end, though they need not cross
    waiting: set[str] = set()
    most = block = 0
    for reads, makes in (((), tuple(tensor.name for tensor in model.inputs)), *_steps(model)):
        for name in reads:
            unread[name] -= 1
            if not unread[name] and name not in outputs:
                waiting.discard(name)
        added = [name for name in makes if name in unread]
        waiting.update(name for name in makes if name in unread or name in outputs)
        begins = len(waiting) == 1 and bool(waiting.intersection(makes))  # what lies before cannot cross beside it
        block = sum(sizes.get(name) or 0 for name in added) + (0 if begins else block)
        most = max(most, block)
    return most


def _steps(model: Model) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    return ((node.inputs, node.outputs) for node in model.nodes)
