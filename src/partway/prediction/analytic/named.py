"""The analytic machines that ship with the package: the paper's.

Input: a name. Output: its document, from the folder `machines` beside this file. Called by whoever reads what a user
names for a device or a server.

Source: every number says its own, in its document; docs/decisions/0015-machines-from-datasheets.md puts them side by
side.
"""

import difflib
from functools import cache
from importlib import resources

from partway.documents import decode_document
from partway.prediction.analytic.machine import AnalyticMachine

NAMED_MACHINES = ("jetson-tk1-cpu", "jetson-tk1-gpu", "tesla-k40")
"""Names of the machines of Kang et al., Neurosurgeon, ASPLOS 2017."""


def named_machine(name: str) -> AnalyticMachine | None:
    """The machine of a name of `NAMED_MACHINES`, in any case; None for another."""
    known = name.strip().lower()
    return _read(known) if known in NAMED_MACHINES else None


def machine_hint(name: str) -> str:
    """What to say after a name that no machine has: `did you mean 'tesla-k40'? `, or nothing where none is near.

    Args:
        name: that none has.
    """
    near = difflib.get_close_matches(name.strip().lower(), NAMED_MACHINES, n=1)
    return f"did you mean {near[0]!r}? " if near else ""


@cache
def _read(name: str) -> AnalyticMachine:
    file = resources.files("partway.prediction.analytic").joinpath("machines", f"{name}.json")
    return decode_document(file.read_bytes(), AnalyticMachine, where=f"the machine {name}")
