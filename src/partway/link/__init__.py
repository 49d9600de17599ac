"""Network links: their state, descriptions, traces, radios, an estimator, and an emulator in user space.

Called by planning, the client, `bench` and the demo.
"""

from partway.link.background import RunningEmulator, run_emulator
from partway.link.emulator import Counters, LinkEmulator
from partway.link.estimator import LinkEstimate, LinkEstimator, Transfer
from partway.link.radio import NAMED_RADIOS, Radio, RadioStage, parse_radio, radio_of
from partway.link.shaper import Passage, Shaper
from partway.link.spec import format_link, parse_link
from partway.link.state import NAMED_LINKS, Link
from partway.link.trace import FLOOR_BYTES_PER_S, LinkTrace, Trace, read_trace

__all__ = [
    "FLOOR_BYTES_PER_S",
    "NAMED_LINKS",
    "NAMED_RADIOS",
    "Counters",
    "Link",
    "LinkEmulator",
    "LinkEstimate",
    "LinkEstimator",
    "LinkTrace",
    "Passage",
    "Radio",
    "RadioStage",
    "RunningEmulator",
    "Shaper",
    "Trace",
    "Transfer",
    "format_link",
    "parse_link",
    "parse_radio",
    "radio_of",
    "read_trace",
    "run_emulator",
]
