"""`partway simulate`: a data centre played by a scenario file.

Input: a scenario in TOML. Output: what was asked, with intervals of confidence, as a table or
JSON; on request a figure.
"""

import argparse
from pathlib import Path

from partway.cli.options import add_json, count, count_or_none
from partway.cli.simulate_report import document, print_report
from partway.cli.writing import require_writable
from partway.reporting import draw_simulation, follow, print_json, require_drawable
from partway.simulation import Crew, answer, read_scenario

_EXAMPLES = """examples:
  partway simulate examples/search_load.toml
  partway simulate examples/bad_hour.toml --figure hour.svg
  partway simulate examples/servers_for_devices.toml --cores 4 --json

A scenario asks one thing: how it is (run), how latency grows with the load
(load), what the server can bear within a target (throughput), how many workers
it takes (servers), or what an hour of bad links costs (hour). It is played
again and again until mean and 95th percentile are known as well as
[precision] wants; the same seed gives the same result on any number of cores.
docs/simulation.md lists every key.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "simulate",
        help="a data centre: queues, and fleets of devices that decide by its load",
        description="Play a server and the requests that it gets, from a stream or from a fleet of\n"
        "devices that re-decide their cuts by the load it reports.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("scenario", metavar="SCENARIO", type=Path, help="a TOML file; examples/ has some")
    parser.add_argument("--seed", type=count_or_none, metavar="N", help="of all chance (default: the scenario's, or 0)")
    parser.add_argument("--cores", type=count, metavar="N", help="processes that play (default: one for every core)")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw the answer: a .png, .svg or .pdf file")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Play the scenario and print the answer.

    Raises:
        ScenarioError: the scenario cannot be understood.
        NothingFits: nothing keeps to its target.
        InputError: a file that it names cannot be used, numba is missing, or the figure cannot be drawn.
    """
    if arguments.figure is not None:
        require_drawable(arguments.figure)
        require_writable(arguments.figure)
    scenario = read_scenario(arguments.scenario, seed=arguments.seed)
    with Crew(arguments.cores) as crew, follow("playing", quiet=arguments.json) as progress:
        report = answer(scenario, crew=crew, tell=lambda _, done, total: progress(done, total))
    if arguments.figure is not None:
        draw_simulation(arguments.figure, report)
    if arguments.json:
        print_json(document(report))
    else:
        print_report(report)
    return 0
