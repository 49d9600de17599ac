"""Whether a profile is of this machine, and of this runtime.

Input: a profile, this machine, a runtime. Output: the difference in words. Called by the verbs that measure here and
hold it against a profile.
"""

from partway.engine import OrtRuntime
from partway.prediction.profile import Profile
from partway.profiling.machine import Machine


def foreign(profile: Profile, machine: Machine, runtime: OrtRuntime) -> str | None:
    """How a profile's machine or runtime differs from this one; None where it does not.

    Args:
        profile: what is known.
        machine: this one.
        runtime: what runs here.
    """
    there, here = _words(profile.machine, profile.runtime), _words(machine, runtime.version)
    if there == here and profile.machine.instructions == machine.instructions:
        return None
    return f"it predicts {there}, and this is {here}"


def _words(machine: Machine, version: str) -> str:
    known = (machine.board, machine.processor, f"{machine.logical_cores} {machine.architecture} cores", version)
    return ", ".join(word for word in known if word)
