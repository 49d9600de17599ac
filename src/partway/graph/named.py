"""Models that are named instead of stored: the paper's networks, built into the cache when they are first asked for.

In comes what somebody wrote where a model goes; out comes a file: theirs, or the network's. A network is kept under all
that decides what it is built to, so a release that builds it otherwise builds it anew, beside the old one. Called by
sources and by sessions.
"""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

from partway.errors import InputError, ModelError
from partway.graph.cache import Cache, Entry

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """Where a model lies.

    Attributes:
        path: its file.
        entry: the folder of the cache that it lies in, which stays as long as this is held; None for a file of
            somebody's own.
    """

    path: Path
    entry: Entry | None = None


def find_model(given: str | Path, *, cache: Cache | None = None) -> FoundModel:
    """The file that somebody means: one of that name, or else a network of that name.

    Args:
        given: a path, or a network's name (`partway.zoo.named_network`).
        cache: where networks are built; by default the one of `PARTWAY_CACHE`.

    Raises:
        ModelError: there is neither.
        InputError: the cache cannot be written.
    """
    path = Path(given)
    if path.is_file():
        return FoundModel(path=path)
    name = str(given)
    if path.name != name or path.suffix:
        raise ModelError(f"there is no model file at {path}")
    from partway.zoo import PAPER_NETWORKS, named_network  # noqa: PLC0415 - a tenth of what a client imports, and hardly ever wanted

    try:
        network = named_network(name)
    except InputError as error:
        if name.partition("@")[0] in PAPER_NETWORKS:  # a network was meant, so that no file is there tells nothing
            raise ModelError(str(error)) from error
        raise ModelError(f"there is no model file at {path}, and {error}") from error
    file = f"{network.spelling}.onnx"

    def build(folder: Path) -> None:
        logger.info("network_built name=%s weight_bytes=%d", network.spelling, network.weight_bytes)
        # Its weights lie in .data, since the cache shares .bin by hard links, which onnx-ir refuses in a source.
        network.save(folder / file)

    key = hashlib.sha256(f"{file}\n{network.key}".encode()).hexdigest()[:32]
    entry = (cache or Cache.default()).entry(key, build)
    return FoundModel(path=entry.directory / file, entry=entry)
