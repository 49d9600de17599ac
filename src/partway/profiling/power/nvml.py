"""Joules of NVIDIA's graphics processors, by NVML: the only module that knows nvidia-ml-py.

Input: the library, and signs of a GPU in the kernel's files. Output: a meter for each GPU: joules counted by the
driver, or, on those older than Volta, watts. Called by `discovery`.

Source: NVIDIA NVML API Reference, nvmlDeviceGetTotalEnergyConsumption (mJ) and nvmlDeviceGetPowerUsage (mW).
"""

import importlib
from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

from partway.engine import Clock
from partway.errors import PartwayError
from partway.profiling.power.meters import Counter, FoundMeters, Integral, Meter, Obstacle
from partway.profiling.sysfs import Files

# Source: Yang, Adamek and Armour, "Part-time Power Measurements", arXiv 2312.02741: sensors refresh every 10 to 100 ms.
_REFRESH_S = 0.1
_STEP_J = 1e-3
_POLL_S = 0.1
_NVIDIA, _DISPLAY = "0x10de", "0x03"


class Nvml(Protocol):
    """The part of the module `pynvml` that is used here."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None:  # noqa: N802 - the library's own names
        """Begin."""

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - the library names it so
        """How many GPUs there are."""

    def nvmlDeviceGetHandleByIndex(self, index: int) -> object:  # noqa: N802 - the library names it so
        """What to ask of one GPU with."""

    def nvmlDeviceGetName(self, handle: object) -> str | bytes:  # noqa: N802 - the library names it so
        """Its product name."""

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: object) -> int:  # noqa: N802 - the library names it so
        """Its mJ since the driver was loaded."""

    def nvmlDeviceGetPowerUsage(self, handle: object) -> int:  # noqa: N802 - the library names it so
        """Its mW."""


def load_nvml() -> Nvml:
    """The library.

    Raises:
        ImportError: it is not installed.
    """
    return cast("Nvml", importlib.import_module("pynvml"))


def find_nvml(files: Files, clock: Clock, load: Callable[[], Nvml] = load_nvml) -> FoundMeters:
    """The meters of NVIDIA's GPUs; NVML stays open, since meters need it.

    Args:
        files: the kernel's files.
        clock: seconds, monotonic.
        load: gives the library.
    """
    if not _has_driver(files):
        if not has_nvidia_gpu(files):
            return FoundMeters()
        return _obstructed("an NVIDIA GPU without NVIDIA's driver", "install the driver")
    try:
        nvml = load()
    except ImportError:
        return _obstructed("an NVIDIA GPU, and no library that reads its meter", "pip install 'partway[nvml]'")
    try:
        nvml.nvmlInit()
        found = [_find_one(nvml, index, clock) for index in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError as error:
        return _obstructed(f"NVIDIA's driver, which does not answer ({error})", "see whether `nvidia-smi` works")
    return FoundMeters(
        meters=tuple(one for one in found if isinstance(one, Meter)),
        obstacles=tuple(one for one in found if isinstance(one, Obstacle)),
    )


def has_nvidia_gpu(files: Files) -> bool:
    """Whether one of NVIDIA's GPUs is in this machine, with or without its driver."""
    if _has_driver(files):
        return True
    folder = "sys/bus/pci/devices"
    return any(
        files.find(f"{folder}/{device}/vendor") == _NVIDIA
        and (files.find(f"{folder}/{device}/class") or "").startswith(_DISPLAY)
        for device in files.names(folder)
    )


def _has_driver(files: Files) -> bool:
    return files.exists("proc/driver/nvidia/version") or files.exists("dev/nvidiactl")  # containers may lack the first


def _find_one(nvml: Nvml, index: int, clock: Clock) -> Meter | Obstacle:
    name = f"nvml:{index}"
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    product = nvml.nvmlDeviceGetName(handle)
    read_j = partial(_read, nvml, nvml.nvmlDeviceGetTotalEnergyConsumption, handle)
    read_w = partial(_read, nvml, nvml.nvmlDeviceGetPowerUsage, handle)
    make = partial(
        Meter,
        name=name,
        scope=f"the board of GPU {index} ({product.decode() if isinstance(product, bytes) else product})",
        resolution_s=_REFRESH_S,
    )
    try:
        read_j()
    except PartwayError:
        pass  # older than Volta
    else:
        return make(start=partial(Counter, read_j), resolution_j=_STEP_J)
    try:
        read_w()
    except PartwayError as error:
        return Obstacle(name=name, found=str(error), remedy="name constants for it, or use another GPU")
    return make(start=partial(Integral, read_w, clock), poll_s=_POLL_S)


def _read(nvml: Nvml, ask: Callable[[object], int], handle: object) -> float:
    try:
        return ask(handle) * 1e-3
    except nvml.NVMLError as error:
        raise PartwayError(f"the GPU's power meter does not answer ({error}); see `nvidia-smi -q -d POWER`") from error


def _obstructed(found: str, remedy: str) -> FoundMeters:
    return FoundMeters(obstacles=(Obstacle(name="nvml", found=found, remedy=remedy),))
