"""From the names that a user keeps on the device, or puts on the server, to nodes and tensors.

    keep_on_device   an input       it may not cross, nor may its elements as they are, moved or cast
                     inputs         the same for all inputs
                     a layer        it runs on the device, and neither what it reads nor anything before it may cross;
                                    what it makes may
                     a tensor       the same for the layer that makes it
    on_server        a layer        it runs on the server
                     a tensor       the same for the layer that makes it

Input: names and a model. Output: `Restrictions`, which a search keeps to, and which of a list's cuts do. What lies on
another branch than a kept layer is not before it. Called by `constraints`.
"""

import difflib
from collections.abc import Iterable, Sequence

from partway.errors import InputError
from partway.graph import Cut, Model
from partway.planning.search import Restrictions

_ALL_INPUTS = "inputs"
# Operators that make nothing but elements of what they read: whoever has their output has that part of the input.
_MOVERS = frozenset(
    {
        "Cast", "CastLike", "Concat", "DepthToSpace", "Dropout", "Expand", "Flatten", "Gather", "GatherElements",
        "GatherND", "Identity", "Pad", "Reshape", "ReverseSequence", "Slice", "SpaceToDepth", "Split", "Squeeze",
        "Tile", "Transpose", "Unsqueeze",
    }
)  # fmt: skip


def restrictions_of(model: Model, *, keep_on_device: Sequence[str], on_server: Sequence[str]) -> Restrictions:
    """What the names mean for a model's cuts.

    Args:
        model: that they are of.
        keep_on_device: inputs, layers and tensors.
        on_server: layers and tensors.

    Raises:
        InputError: a name is unknown or means two things, or two of them contradict each other.
    """
    stays: set[str] = set()
    here: dict[int, str] = {}  # what the device must run, and the name that makes it so
    for name in keep_on_device:
        kept, nodes = _kept(model, name)
        stays |= kept
        for index in nodes:
            here.setdefault(index, name)
    there = {_layer(model, name, "put on the server"): name for name in on_server}
    for index, name in there.items():
        if index in here:
            raise InputError(_contradiction(model, index, name, here[index]))
    return Restrictions(on_device=frozenset(here), on_server=frozenset(there), stays=frozenset(stays))


def allows(cut: Cut, restrictions: Restrictions) -> bool:
    """Whether a cut keeps to the restrictions."""
    return (
        restrictions.stays.isdisjoint(cut.crossing)
        and all(cut.nodes >> index & 1 for index in restrictions.on_device)
        and not any(cut.nodes >> index & 1 for index in restrictions.on_server)
    )


def _kept(model: Model, name: str) -> tuple[set[str], set[int]]:
    # The tensors that may not cross because of a name, and the nodes that the device therefore runs.
    inputs = {tensor.name for tensor in model.inputs}
    if name in {value.name for value in model.binding.values}:
        raise InputError(
            f"{name!r} is held by --bind, and what is held is part of the binding, which the server is told; feed it "
            "instead"
        )
    if name in inputs:
        stays = _moved(model, {name})
    elif name == _ALL_INPUTS and not _is_known(model, name):
        stays = _moved(model, inputs)
    else:
        layer = _layer(model, name, "keep on the device")
        before = _with_ancestors(model, (layer,)) - {layer}
        stays = {read for index in (layer, *before) for read in model.nodes[index].inputs}
        stays |= {made for index in before for made in model.nodes[index].outputs}
        return stays, _with_ancestors(model, (layer, *_readers(model, stays)))
    return stays, _with_ancestors(model, _readers(model, stays))


def _moved(model: Model, tensors: set[str]) -> set[str]:
    found = set(tensors)
    for node in model.nodes:
        if node.op_type in _MOVERS and not node.domain and not found.isdisjoint(node.inputs):
            found.update(node.outputs)
    return found


def _readers(model: Model, tensors: Iterable[str]) -> set[int]:
    return {reader for name in tensors for reader in model.consumers.get(name, ())}


def _with_ancestors(model: Model, nodes: Iterable[int]) -> set[int]:
    found = set(nodes)
    waiting = list(found)
    while waiting:
        for name in model.nodes[waiting.pop()].inputs:
            maker = model.producers.get(name)
            if maker is not None and maker not in found:
                found.add(maker)
                waiting.append(maker)
    return found


def _is_known(model: Model, name: str) -> bool:
    return name in model.tensors or any(node.name == name for node in model.nodes)


def _layer(model: Model, name: str, wish: str) -> int:
    named = next((index for index, node in enumerate(model.nodes) if node.name == name), None)
    maker = model.producers.get(name)
    if named is not None and maker is not None and named != maker:
        raise InputError(
            f"{name!r}, to {wish}, is a layer and also a tensor that {model.nodes[maker].name!r} makes; name "
            f"{model.nodes[maker].name!r}, or a tensor that the layer makes: {', '.join(model.nodes[named].outputs)}"
        )
    found = maker if named is None else named
    if found is not None:
        return found
    if name in model.tensors:
        raise InputError(f"{name!r}, to {wish}, is an input, which no layer makes; name a layer that reads it")
    known = dict.fromkeys((*(node.name for node in model.nodes), *model.tensors))
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "`partway inspect` lists layers and tensors"
    raise InputError(f"{name!r}, to {wish}, is no layer, tensor or input of the model; {hint}")


def _contradiction(model: Model, index: int, server: str, device: str) -> str:
    node = model.nodes[index].name
    if server == device:
        return f"{server!r} is kept on the device and put on the server; give up one of the two"
    own = _own(model, device)
    if own is not None and own != index and index in _with_ancestors(model, (own,)):
        why = f"runs before {device!r}, which is kept on the device, and the device never waits for the server"
    elif own == index:
        why = f"is the layer that {device!r} keeps on the device"
    else:
        why = f"needs, or runs before what needs, a tensor that may not cross since {device!r} is kept on the device"
    return f"{server!r} is put on the server, but {node!r} {why}; give up one of the two"


def _own(model: Model, name: str) -> int | None:
    named = next((index for index, node in enumerate(model.nodes) if node.name == name), None)
    return model.producers.get(name) if named is None else named
