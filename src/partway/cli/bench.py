"""`partway bench`: device-only, server-only and partway, asked in turn over one link.

Input: a model, its inputs, a link and maybe a server; without one a server process is started on loopback.
Output: seconds, ratios, lost and wrong answers of each way, as tables or JSON. Slowed devices and links that a proxy
makes are emulation, and said to be.
"""

import argparse
import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from partway.cli.bench_contest import (
    Attempt,
    Contest,
    Feeds,
    Judge,
    Way,
    answer_remotely,
    answer_with,
    summarise,
)
from partway.cli.bench_report import Emulation, contest_document, describe_cuts, print_contest
from partway.cli.bench_server import serve_locally
from partway.cli.credentials import add_credentials, read_credentials
from partway.cli.opening import Subject, open_graph, open_subject, read_plan
from partway.cli.options import add_guidance, add_json, add_model, as_argument, count
from partway.client import Door, InferenceSession, Route, read_route
from partway.engine import OrtRuntime
from partway.errors import InputError, ServerUnavailable
from partway.link import Link, LinkTrace, parse_link, run_emulator
from partway.reporting import follow, print_json, print_lines, waiting
from partway.units import parse_duration

_EXAMPLES = """examples:
  partway bench resnet50.onnx --link lte --device-slowdown 8
  partway bench resnet50.onnx --link up=20Mbit/s,down=50Mbit/s,rtt=30ms
  partway bench resnet50.onnx --link drive.csv --duration 60s
  partway bench resnet50.onnx --server grpc://192.168.1.20:8001

Without --server a server is started here, as a process of its own, and ended
afterwards. --link puts a proxy in between that behaves as that link; a trace is
replayed in a loop. Without --link it is the network as it is. All three ways go
through the same link, one request each in turn, after a warm-up.
"""
_REQUESTS = 30
_READY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arena:
    """Where the contest takes place: the server as clients reach it, and what is emulated."""

    route: Route
    model_name: str
    emulation: Emulation


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "bench",
        allow_abbrev=False,  # or --token would be read as --token-file, and a secret be taken for a file
        help="device-only, server-only and partway over one link",
        description="Ask device-only, server-only and partway in turn, compare every answer with\n"
        "the whole model's, and print medians, means, 95th percentiles and ratios.",
        epilog=_EXAMPLES,
    )
    add_model(parser)
    parser.add_argument(
        "--link",
        metavar="LINK",
        help="the link to emulate: lte, wifi, 3g, 'up=RATE,down=RATE,rtt=TIME', or a .csv trace "
        "(needed without --server; the real network with it)",
    )
    parser.add_argument(
        "--server", metavar="URL", help="grpc://host:port of a `partway serve`, grpcs:// for TLS (default: our own)"
    )
    parser.add_argument("--model-name", metavar="NAME", help="the model's name on the server (default: the file's)")
    add_guidance(parser)
    add_credentials(parser)
    parser.add_argument(
        "--requests",
        type=count,
        metavar="N",
        help=f"how many of each way (default {_REQUESTS}, or as many as --duration allows)",
    )
    parser.add_argument(
        "--duration", type=as_argument(parse_duration), metavar="TIME", help="begin no round after this long"
    )
    parser.add_argument(
        "--timeout",
        type=as_argument(parse_duration),
        default=10.0,
        metavar="TIME",
        help="the longest to wait for the server (default 10s): partway then finishes alone, server-only has lost",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 0, or 1 if an answer was wrong or partway lost one.

    Raises:
        InputError: an option, the model or its inputs cannot be used.
        ServerUnavailable: our own server does not start.
    """
    if arguments.link is None and arguments.server is None:
        raise InputError("neither --link nor --server was given; say which link to emulate, for instance --link lte")
    link = parse_link(arguments.link) if arguments.link is not None else None
    subject = open_subject(arguments)
    feeds = subject.feeds(arguments.seed)
    with _arena(arguments, subject.source.path, link) as arena, _contest(arguments, subject, feeds, arena) as contest:
        attempts, took_s = _rounds(contest, feeds, arguments)
    summaries = {way: summarise([attempt for attempt in attempts if attempt.way is way]) for way in Way}
    partway = [attempt for attempt in attempts if attempt.way is Way.PARTWAY]
    if arguments.json:
        document = contest_document(summaries, partway, arena.emulation)
        requests = summaries[Way.PARTWAY].requests
        print_json(
            {"model": arguments.model, "link": arguments.link, "requests": requests, "took_s": took_s, **document}
        )
    else:
        title = f"{summaries[Way.PARTWAY].requests} requests each, one after the other in turn"
        print_contest(title, summaries)
        print_lines(_facts(arguments, subject, arena, attempts, partway))
    unfaithful = any(summary.wrong for summary in summaries.values()) or summaries[Way.PARTWAY].lost
    return 1 if unfaithful else 0


@contextlib.contextmanager
def _arena(arguments: argparse.Namespace, model: Path, link: Link | LinkTrace | None) -> Iterator[_Arena]:
    with contextlib.ExitStack() as stack:
        credentials = read_credentials(arguments)
        if arguments.server is None:
            with waiting("starting the server", quiet=arguments.json):
                host, port = stack.enter_context(serve_locally((model,))).address
            route = Route(scheme="grpc", host=host, port=port)
        else:
            route = read_route(arguments.server, credentials)
            Door(route)  # judged by where the server is, and not by where the emulated link begins
        if link is not None:
            route = route.through(*stack.enter_context(run_emulator((route.host, route.port), link)).address)
        yield _Arena(
            route=route,
            model_name=arguments.model_name if arguments.server and arguments.model_name else model.stem,
            emulation=Emulation(device_slowdown=arguments.device_slowdown, link=arguments.link),
        )


@contextlib.contextmanager
def _contest(arguments: argparse.Namespace, subject: Subject, feeds: Feeds, arena: _Arena) -> Iterator[Contest]:
    plan = read_plan(arguments.plan, subject)
    if plan is not None and plan.constraints.keep_on_device and arguments.server is not None:
        raise InputError(
            f"the plan keeps {', '.join(plan.constraints.keep_on_device)} on the device, and server-only would send it "
            "to that server; leave --server out, so that one on this machine is measured"
        )
    model = open_graph(subject, OrtRuntime(threads=arguments.threads), quiet=arguments.json)

    def session(route: Route | None) -> InferenceSession:
        return InferenceSession(
            subject.source.path,
            server=None if route is None else route.url,
            credentials=None if route is None else route.credentials,
            model_name=arena.model_name,
            bind=subject.values,
            threads=arguments.threads,
            timeout_s=arguments.timeout,
            device_slowdown=arguments.device_slowdown,
            profile=arguments.profile,
            plan=plan if route is not None else None,
            trace=arguments.trace if route is not None else None,
        )

    judge = Judge(
        subject.source.path,
        values=subject.values,
        threads=arguments.threads,
        max_error=0.0 if plan is None else plan.constraints.max_error or 0.0,
    )
    with (
        session(arena.route) as partway,
        session(None) as device,
        answer_remotely(arena.route, model, model_name=arena.model_name, timeout_s=arguments.timeout) as server,
    ):
        answers = {Way.PARTWAY: answer_with(partway), Way.DEVICE_ONLY: answer_with(device), Way.SERVER_ONLY: server}
        contest = Contest(answers, judge, settle=partway.settle)
        with waiting("learning the costs of all cuts", quiet=arguments.json):
            partway.wait_until_ready(feeds, _READY_S)
            warm_up = contest.round(feeds)
        if warm_up[Way.SERVER_ONLY].lost and arguments.server is not None:
            _require_server(partway, feeds, warm_up[Way.SERVER_ONLY].lost)
        yield contest


def _require_server(session: InferenceSession, feeds: Feeds, reason: str) -> None:
    # A link too slow for server-only is a result; a server that never told a cost is none.
    costs = session.costs(feeds)
    if costs is None or len(costs) <= 1:
        raise ServerUnavailable(f"the server cannot be measured, since it gave no answer: {reason}")


def _rounds(contest: Contest, feeds: Feeds, arguments: argparse.Namespace) -> tuple[list[Attempt], float]:
    limit_s = arguments.duration
    most = arguments.requests or (_REQUESTS if limit_s is None else None)
    start_s = time.monotonic()
    attempts: list[Attempt] = []
    done = 0
    with follow("asking in turn", quiet=arguments.json) as progress:
        while True:
            attempts.extend(contest.round(feeds).values())
            done += 1
            elapsed_s = time.monotonic() - start_s
            if done == most or (limit_s is not None and elapsed_s >= limit_s):
                return attempts, elapsed_s
            progress(done, most or max(done + 1, round(done * limit_s / elapsed_s)))


def _facts(
    arguments: argparse.Namespace,
    subject: Subject,
    arena: _Arena,
    attempts: Sequence[Attempt],
    partway: Sequence[Attempt],
) -> list[tuple[str, str]]:
    worst = max((a.worst.relative for a in attempts if a.worst is not None), default=0.0)
    checked = sum(1 for attempt in attempts if attempt.worst is not None)
    lost = next((attempt.lost for attempt in attempts if attempt.lost), "")
    return [
        ("model", arguments.model),
        ("inputs", "random" if subject.given is None else "given"),
        *arena.emulation.lines(),
        ("partway cut at", describe_cuts(partway)),
        ("answers", f"{checked} held against the whole model's; the largest difference is {worst:.1e} of its scale"),
        *([("lost", f"such a request has no time and is in no mean; the first one: {lost}")] if lost else []),
    ]
