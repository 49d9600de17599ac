"""The paper's Figure 14 with our numbers: the link's rate above, the latency of three ways below.

Input: an outcome. Output: a PNG file. Called by the benchmark of changing links.

Source: Kang et al., ASPLOS 2017, Figure 14.
"""

from pathlib import Path

from benchmarks.figure14.outcome import Outcome

from partway.reporting.canvas import open_figure, write_figure

_INCHES = (7.0, 5.0)
# Okabe and Ito, Color universal design (2008), safe for the colour-blind.
_SERVER, _PARTWAY, _DEVICE = "#0072b2", "#d55e00", "#009e73"


def draw(outcome: Outcome, path: Path) -> None:
    """Draw one replay.

    Args:
        outcome: with a point at least.
        path: a `.png` file; its folder is made.
    """
    points = outcome.points
    moments_s = [point.at_s for point in points]
    figure = open_figure(_INCHES)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
    above.plot(
        moments_s,
        [point.uplink_bytes_per_s * 8e-6 for point in points],
        color="black",
        linewidth=1.0,
        drawstyle="steps-post",
    )
    above.set(ylabel="uplink, Mbit/s", ylim=(0, None))
    above.set_title(
        f"{outcome.model} on {outcome.trace} ({outcome.origin})\n"
        f"rates x{outcome.scale.rate:g}, device slowed {outcome.scale.device:.1f} times",
        fontsize="medium",
    )
    lines = (
        ("server-only, reckoned", _SERVER, [point.server_only_s for point in points]),
        ("device-only, reckoned", _DEVICE, [outcome.ways["device_only"].mean_s for _ in points]),
        ("partway, measured", _PARTWAY, [point.measured_s for point in points]),
    )
    for name, colour, seconds in lines:
        below.plot(moments_s, seconds, color=colour, linewidth=1.2, label=name)
    below.set(xlabel="seconds of the trace", ylabel="latency, s", ylim=(0, None))
    below.legend(frameon=False, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_figure(figure, path)
