"""Models whose weights are described and not made yet: a few kilobytes, however large the network.

In come a graph whose stored tensors are hollow and a recipe for each; out comes the model in memory, or as a file with
its weights beside it. Called by the paper's networks.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from partway.zoo.weights import Recipe

_PAGE_BYTES = 4096  # weights begin where they can be mapped


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blueprint:
    """A model without its weights.

    Attributes:
        model: the graph; the stored tensors that have a recipe have no content.
        recipes: by name of the stored tensor.
    """

    model: onnx.ModelProto
    recipes: Mapping[str, Recipe]

    @property
    def digest(self) -> str:
        """Hex digits over all that decides what `build` and `save` make: equal digests, equal files."""
        digest = hashlib.sha256(self.model.SerializeToString(deterministic=True))
        for name, recipe in self.recipes.items():
            digest.update("\n".join((name, *recipe.words)).encode())
            digest.update(recipe.noise.tobytes())
        return digest.hexdigest()

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights."""
        return sum(recipe.size_bytes for recipe in self.recipes.values())

    def build(self) -> onnx.ModelProto:
        """The model with its weights, in memory: protobuf takes 2 GB at most."""
        model = self._copy()
        for tensor in model.graph.initializer:
            if (recipe := self.recipes.get(tensor.name)) is not None:
                tensor.raw_data = recipe.make().tobytes()
        return model

    def save(self, path: Path) -> None:
        """The model as a file, its weights in another one beside it that ends in `.data`.

        Args:
            path: the file; what lies there is replaced.
        """
        model, data = self._copy(), path.with_suffix(".data")
        with data.open("wb") as file:
            for tensor in model.graph.initializer:
                if (recipe := self.recipes.get(tensor.name)) is not None:
                    offset = file.seek(-(-file.tell() // _PAGE_BYTES) * _PAGE_BYTES)
                    recipe.write(file)
                    tensor.data_location = onnx.TensorProto.EXTERNAL
                    for key, value in (("location", data.name), ("offset", offset), ("length", recipe.size_bytes)):
                        tensor.external_data.add(key=key, value=str(value))
        path.write_bytes(model.SerializeToString(deterministic=True))

    def _copy(self) -> onnx.ModelProto:
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        return model
