"""What all tests share: one cache for the session, and a header that says what this run can show."""

import gc
import importlib.metadata
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from tests.models import missing_models, real_models

# No test asserts wall time, and a busy machine is no failure.
settings.register_profile("partway", deadline=None)
settings.load_profile("partway")

_WORKERS = 4  # at most: each holds models of its own
_YOUNG_OBJECTS = 20_000  # that are made before garbage is looked for among them; Python's 700 are few for hypothesis
_TOOLS = ("onnxruntime", "onnx", "numpy", "protobuf", "grpcio", "tritonclient", "pillow")


def pytest_report_header() -> list[str]:
    """Which real models and tools are there: what is missing is not tested."""
    versions = (f"{name} {_version(name) or 'MISSING'}" for name in _TOOLS)
    names = (model.name for model in real_models())
    return [
        f"with: {', '.join(versions)}",
        f"real models: {', '.join(names) or 'none'}",
        *missing_models(),
    ]


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A worker for every core; none for a single file, which is sooner done without and prints as it goes."""
    alone = len(config.args) == 1 and Path(config.args[0].split("::")[0]).is_file()
    return 0 if alone else min(_WORKERS, len(os.sched_getaffinity(0)))


def pytest_configure() -> None:
    """Give the programs that tests start what a terminal would.

    Ctrl-C reaches them: whoever is started in the background is told to ignore it. They keep what they compiled: there
    are more than a hundred of them, and each would compile all of Partway anew. As workers do, which begin after this,
    they compute algebra on one core, since there is a worker for every core already.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Keep the garbage collector from looking through all modules and tests again and again: a seventh of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 10, 10)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache that is nobody's own, shared by the tests, so that each model is prepared once.

    Tests that need an empty one set `PARTWAY_CACHE` again.
    """
    folder = tmp_path_factory.mktemp("partway-cache")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PARTWAY_CACHE", str(folder))
        environment.delenv("PARTWAY_CACHE_LIMIT", raising=False)
        yield folder
