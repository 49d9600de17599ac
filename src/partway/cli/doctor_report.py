"""What the things found on a machine mean, in the words of `partway doctor`.

Input: a `Report`. Output: lines of advice, grouped by topic. Called by `doctor`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from partway.engine import CPU
from partway.profiling.machine import Cache, CoreGroup, Machine
from partway.profiling.power import NAMED_POWERS, Obstacle, PowerMeter
from partway.profiling.quiet import Noise
from partway.reporting import share
from partway.units import format_duration, format_size

_UNKNOWN = "unknown"
_FINE_ENOUGH = 0.05  # a span's joules are worth having once they are known within this share


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReading:
    """A meter that was tried.

    Attributes:
        meter: it.
        energy_j: what it counted.
        span_s: in how many seconds.
    """

    meter: PowerMeter
    energy_j: float
    span_s: float

    @property
    def power_w(self) -> float | None:
        """Its mean watts; None where they are less than its smallest step."""
        return None if self.energy_j < self.meter.resolution_j else self.energy_j / self.span_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was found.

    Attributes:
        machine: the machine, as its kernel describes it.
        runtime: name and version of ONNX Runtime.
        providers: its execution providers, the preferred one first.
        nvidia_gpu: whether one of NVIDIA's GPUs is here.
        meters: those that work.
        obstacles: what keeps others from working.
        noise: how quiet the machine was.
    """

    machine: Machine
    runtime: str
    providers: tuple[str, ...]
    nvidia_gpu: bool
    meters: tuple[MeterReading, ...]
    obstacles: tuple[Obstacle, ...]
    noise: Noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One line.

    Attributes:
        topic: the group it belongs to.
        what: what was looked for.
        found: what was found.
        meaning: what it means or what to do; empty where it speaks for itself.
    """

    topic: str
    what: str
    found: str
    meaning: str = ""


def advise(report: Report) -> tuple[Advice, ...]:
    """What to know about a machine, grouped by topic."""
    topics = {
        "processor": (*_processor(report.machine), *_cores(report.machine), *_clocks(report.machine)),
        "memory": _memory(report.machine),
        "runtime": _runtime(report),
        "energy": _energy(report),
        "quiet": _quiet(report.noise),
    }
    return tuple(
        Advice(topic=topic, what=what, found=found, meaning=meaning)
        for topic, lines in topics.items()
        for what, found, meaning in lines
    )


Line = tuple[str, str, str]


def _processor(machine: Machine) -> Iterator[Line]:
    name = f"{machine.processor or _UNKNOWN} ({machine.architecture})"
    virtual = "a virtual machine: others share its processor" if machine.virtual else ""
    if machine.board:
        yield "board", machine.board, ""
    yield "model", name, virtual
    yield "instructions", " ".join(machine.instructions) or _UNKNOWN, _instructions(frozenset(machine.instructions))


def _instructions(known: frozenset[str]) -> str:
    if known & {"amx_int8", "amx_bf16", "sme"}:
        return "matrix units: int8 and bfloat16 models run far faster than float32"
    if known & {"avx512_vnni", "avx_vnni", "i8mm", "asimddp"}:
        return "dot products of int8: quantised models run faster"
    if known & {"avx2", "avx512f", "asimd", "neon"}:
        return "no dot products of int8: quantised models gain little"
    return "none known here: products may be slow"


def _cores(machine: Machine) -> Iterator[Line]:
    logical, physical = machine.logical_cores, machine.physical_cores
    if physical is not None and physical < logical:
        meaning = "threads share cores: ONNX Runtime starts one a core; more seldom help"
        yield "cores", f"{physical} cores, {logical} threads", meaning
    elif physical is None:
        yield "cores", f"{logical} logical", "whether threads share cores is not told"
    else:
        meaning = "as the virtual machine tells it" if machine.virtual else "threads do not share cores"
        yield "cores", f"{logical} cores, a thread each", meaning
    if machine.usable_cores < logical:
        yield "allowed", f"{machine.usable_cores} of {logical}", "this process was started with fewer (taskset, cpuset)"
    if machine.quota_cores is not None:
        threads = max(1, int(machine.quota_cores))
        meaning = f"a container's limit: past it everything stops for a while; say --threads {threads}"
        yield "quota", f"{machine.quota_cores:.3g} cores' time", meaning


def _clocks(machine: Machine) -> Iterator[Line]:
    if not machine.core_groups:
        why = "a virtual machine hides it" if machine.virtual else "the kernel has no driver for it"
        yield "clock", f"{_UNKNOWN}: {why}", "whether clocks change while measuring cannot be seen"
        return
    many = len(machine.core_groups) > 1
    differ = "cores differ: keep a measurement on one kind, with taskset" if many else ""
    for place, group in enumerate(machine.core_groups):
        yield "clock", _clock(group, machine.logical_cores), differ if place == 0 else ""
    governors = sorted({group.governor for group in machine.core_groups if group.governor})
    if governors == ["performance"]:
        yield "governor", "performance", "clocks stay up: good for measuring"
    elif governors:
        remedy = "clocks follow the load; steadier: sudo cpupower frequency-set -g performance"
        yield "governor", ", ".join(governors), remedy


def _clock(group: CoreGroup, cores: int) -> str:
    of_them = "" if group.cores == cores else f"{group.cores} of {cores} "
    now = "" if group.now_hz is None else f", {group.now_hz / 1e9:.2f} now"
    return f"{of_them}up to {group.fastest_hz / 1e9:.2f} GHz{now}"


def _memory(machine: Machine) -> Iterator[Line]:
    size = _UNKNOWN if machine.memory_bytes is None else format_size(machine.memory_bytes)
    yield "size", size, ""
    limit_bytes = machine.memory_limit_bytes
    if limit_bytes is not None and limit_bytes < (machine.memory_bytes or limit_bytes + 1):
        yield "limit", format_size(limit_bytes), "a container's limit: past it the process is killed"
    caches = [cache for cache in machine.caches if cache.content != "instruction"]
    if caches:
        largest = format_size(caches[-1].size_bytes)
        meaning = f"weights beyond {largest} come from memory at every run"
        yield "caches", ", ".join(_cache(cache) for cache in caches), meaning


def _cache(cache: Cache) -> str:
    sharing = f" for {cache.shared_by} threads" if cache.shared_by > 1 else ""
    return f"L{cache.level} {format_size(cache.size_bytes)}{sharing}"


def _runtime(report: Report) -> Iterator[Line]:
    yield "version", report.runtime, ""
    names = " ".join(name.removesuffix("ExecutionProvider") for name in report.providers)
    if report.nvidia_gpu and "CUDAExecutionProvider" not in report.providers:
        meaning = "a GPU is here that this build cannot use: install onnxruntime-gpu instead of onnxruntime"
    elif any(name.startswith(("CUDA", "Tensorrt", "ROCM", "MIGraphX")) for name in report.providers):
        meaning = "built for a GPU too; Partway runs on the processor unless told otherwise"
    else:
        meaning = f"pieces run on the processor ({CPU})"
    yield "providers", names, meaning


def _energy(report: Report) -> Iterator[Line]:
    for reading in report.meters:
        meter = reading.meter
        power_w = reading.power_w
        power = "too coarse to show watts so soon" if power_w is None else f"about {float(f'{power_w:.2g}'):g} W now"
        least = format_duration(meter.resolution_s / _FINE_ENOUGH)
        within = f"; part of {meter.part_of}" if meter.part_of else ""
        meaning = f"{meter.scope}; within {share(_FINE_ENOUGH, 1)} over {least} or more{within}"
        yield meter.name, power, meaning
    for obstacle in report.obstacles:
        yield obstacle.name, obstacle.found, obstacle.remedy
    if not report.meters:
        example = next(iter(NAMED_POWERS))
        meaning = f"joules in plans come from constants: --device-power {example}, or idle=2.7W,active=6.4W"
        yield "meters", "none that can be used", meaning


def _quiet(noise: Noise) -> Iterator[Line]:
    known = [f"waiting {share(noise.waiting_share, 1)}", f"spread {share(noise.spread, 1)}"]
    if noise.others_share is not None:
        known.append(f"others {share(noise.others_share, 1)}")
    meaning = "quiet enough to measure" if noise.quiet else f"{'; '.join(noise.disturbances)}: stop what else runs"
    yield f"{format_duration(noise.span_s)} of work", ", ".join(known), meaning
