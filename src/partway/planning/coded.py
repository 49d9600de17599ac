"""Every cut once more for each codec that its tensors could travel under, so that both are chosen together.

    cut, raw          device_s              up_bytes         server_s
    cut, a codec      device_s + encode_s   bytes after it   server_s + decode_s

Input: costs of cuts with raw tensors, and what codecs made of real ones. Output: the same costs, each followed by those
with a codec. Pure. Called by `partway plan` and by benchmarks.
"""

from collections.abc import Mapping, Sequence
from statistics import median

import msgspec

from partway.planning.costs import CutCost
from partway.verification import CodecTrial


def coded_costs(
    costs: Sequence[CutCost], trials: Sequence[CodecTrial], *, device_scale: float = 1.0, server_scale: float = 1.0
) -> tuple[CutCost, ...]:
    """The costs of cuts, raw and under every codec that makes them smaller.

    The device encodes at the watts of its heads. A lossy trial that nobody ran to the end counts as exact here: whoever
    asks has to check those that can be best, and leave out the rest.

    Args:
        costs: of cuts with raw tensors.
        trials: what codecs made of the tensors of some of these cuts, in seconds of the machine that tried.
        device_scale: seconds on the device over seconds on that machine, > 0.
        server_scale: the same of the server.
    """
    by_cut: dict[tuple[str, ...], list[CodecTrial]] = {}
    for trial in trials:
        if trial.coded_bytes < trial.raw_bytes:
            by_cut.setdefault(trial.crossing, []).append(trial)
    encoding_w = _watts(costs)
    scales = (device_scale, server_scale)
    return tuple(
        row
        for cost in costs
        for row in (cost, *(_coded(cost, trial, scales, encoding_w) for trial in _tried(cost, by_cut)))
    )


def _tried(cost: CutCost, by_cut: Mapping[tuple[str, ...], Sequence[CodecTrial]]) -> Sequence[CodecTrial]:
    return by_cut.get(cost.crossing, ()) if cost.offloaded else ()


def _coded(cost: CutCost, trial: CodecTrial, scales: tuple[float, float], encoding_w: float | None) -> CutCost:
    encode_s, decode_s = trial.encode_s * scales[0], trial.decode_s * scales[1]
    known_j = cost.device_j is not None and encoding_w is not None
    return msgspec.structs.replace(
        cost,
        codec=trial.codec,
        error=trial.error or 0.0,
        device_s=cost.device_s + encode_s,
        up_bytes=trial.coded_bytes,
        server_s=cost.server_s + decode_s,
        device_j=(cost.device_j or 0.0) + (encoding_w or 0.0) * encode_s if known_j else None,
        device_j_how=cost.device_j_how if known_j else None,
    )


def _watts(costs: Sequence[CutCost]) -> float | None:
    known = [cost.device_j / cost.device_s for cost in costs if cost.device_j is not None and cost.device_s]
    return median(known) if known else None
