"""`partway demo`: all of it on this machine, in under two minutes.

    models, pages ─> server process <── link proxy <── three ways of asking, in turn
                          x SIGKILL in the middle of a request

Input: trained models that an installed package carries, and seeded text. Output: what happens, as it happens, then one
table; or JSON. The slow device and the link are emulated and said to be; every number is measured.
"""

import argparse
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from partway.cli.bench_contest import Attempt, Way, summarise
from partway.cli.bench_report import Emulation, contest_document, describe_cuts, print_contest
from partway.cli.demo_models import INSTALL, OcrModels, find_models, read_characters
from partway.cli.demo_script import Phase, write_script
from partway.cli.demo_show import Show
from partway.cli.demo_stage import TIMEOUT_S, Stage, offloads, set_stage
from partway.cli.options import add_json, as_argument, count_or_none, factor
from partway.engine import OrtRuntime
from partway.errors import InputError
from partway.link import format_link
from partway.reporting import print_json, print_lines, waiting
from partway.units import format_duration, format_size, parse_duration

if TYPE_CHECKING:
    from partway.cli.demo_page import Page, Reader  # Pillow comes with the demo extra

_EXAMPLES = """what happens:
  PP-OCR is to read scanned lines, some of which lie upside down. Which ones, a trained
  model says for all lines at once: that is the request. Its answer can be checked by
  reading: lines that are turned wrongly read as nonsense.
  A server process is started, a proxy makes the link good, poor, dead and good again,
  and device-only, server-only and partway are asked in turn. At the end the server is
  killed in the middle of a request. Nothing leaves this machine.

examples:
  partway demo
  partway demo --device-slowdown 32      a weaker device: cuts pay on slower links
  partway demo --seconds 20 --json
"""
_PAGES = 3
_LINES_SHOWN = 6


@dataclass(slots=True, kw_only=True)
class _Story:
    """What has happened so far."""

    phases: list[tuple[Phase, list[Attempt]]] = field(default_factory=list)
    killed: Attempt | None = None
    sent_bytes: int = 0
    after: list[Attempt] = field(default_factory=list)
    lines_read: int = 0
    lines: int = 0

    @property
    def contest(self) -> list[Attempt]:
        """Every attempt of the script, in order."""
        return [attempt for _, attempts in self.phases for attempt in attempts]

    @property
    def compared(self) -> list[Attempt]:
        """Every attempt that was answered, and so compared with the whole model."""
        everything = [*self.contest, *([self.killed] if self.killed else []), *self.after]
        return [attempt for attempt in everything if attempt.worst is not None]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="all of it on this machine in under two minutes",
        description="A trained model, a slow device, a link that changes, a server that dies: watch the cut move.",
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "--seconds",
        type=as_argument(parse_duration),
        default=60.0,
        metavar="TIME",
        help="how long the link's script lasts (default 60s)",
    )
    parser.add_argument(
        "--device-slowdown",
        type=factor,
        default=8.0,
        metavar="N",
        help="emulate a device so many times slower than one core of this machine (default 8)",
    )
    parser.add_argument("--seed", type=count_or_none, default=0, metavar="N", help="of the text (default 0)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; 0, or 1 if an answer was wrong or partway lost one.

    Raises:
        InputError: the models or Pillow are not installed.
        PartwayError: the server does not start or does not answer.
    """
    models = find_models()
    try:
        from partway.cli.demo_page import Reader, render_page  # noqa: PLC0415 - Pillow comes with the demo extra
    except ImportError as error:
        raise InputError(f"the demo renders text with Pillow: {error}; {INSTALL}") from error
    generator = np.random.default_rng(arguments.seed)
    pages = tuple(render_page(generator) for _ in range(_PAGES))
    reader = Reader(OrtRuntime().open(models.reader), read_characters(models.reader))
    story = _Story()
    start_s = time.monotonic()
    with (
        waiting("starting the server and learning what each cut costs", quiet=arguments.json),
        contextlib.ExitStack() as setting,
    ):
        stage = setting.enter_context(
            set_stage(models, tuple(page.batch for page in pages), device_slowdown=arguments.device_slowdown)
        )
        ending = setting.pop_all()
    with ending:
        show = Show(quiet=arguments.json, model=stage.model)
        _introduce(show, models, stage, arguments.device_slowdown)
        _play(show, stage, story, arguments.seconds)
        _kill(show, stage, story)
    _read(show, reader, pages[0], story)
    return _conclude(arguments, models, stage, story, took_s=time.monotonic() - start_s)


def _introduce(show: Show, models: OcrModels, stage: Stage, device_slowdown: float) -> None:
    lines = next(iter(stage.feeds[0].values())).shape[0]
    show.say("Which of these lines lie upside down? Asked of a slow device, over a link that changes.", "bold")
    show.say(f"model    {models.turner.name} of {models.package}, {lines} lines of text at once")
    show.say(f"server   a process of its own (pid {stage.server.pid}) on this machine")
    show.say(f"device   EMULATED: one core of this machine, slowed {device_slowdown:g} times")
    show.say("link     EMULATED: a proxy between the two, in user space")
    show.say()
    show.costs(stage.costs)
    show.say("The good cell below is as fast as these costs want it to be for a cut inside the model to gain.")
    show.say()


def _play(show: Show, stage: Stage, story: _Story, script_s: float) -> None:
    start_s = time.monotonic()
    due_s = 0.0
    for phase in write_script(stage.costs):
        due_s += phase.share * script_s
        stage.enter(phase)
        show.phase(phase, stage.costs)
        attempts: list[Attempt] = []
        story.phases.append((phase, attempts))
        while not attempts or time.monotonic() - start_s < due_s:
            at_s = time.monotonic() - start_s
            made = stage.contest.round(stage.feeds[len(attempts) // len(Way) % len(stage.feeds)])
            attempts.extend(made.values())
            show.round(at_s, made)


def _kill(show: Show, stage: Stage, story: _Story) -> None:
    story.killed, story.sent_bytes = stage.kill_server_in_a_request(stage.feeds[0])
    show.say(f"kill -9 {stage.server.pid}: the server dies", "bold red")
    when = f"killed after {format_size(story.sent_bytes)} of this request had gone up" if story.sent_bytes else ""
    show.request("then", story.killed, when or "the device was alone when the server died")
    for _ in range(2):
        story.after.append(stage.contest.request(Way.PARTWAY, stage.feeds[0]))
        show.request("later", story.after[-1], "without a server")
    show.say()


def _read(show: Show, reader: "Reader", page: "Page", story: _Story) -> None:
    # From the answer of the request whose server was killed: if that one reads well, all do.
    reply = story.killed.reply if story.killed is not None else None
    if reply is None:
        return
    (scores,) = reply.outputs.values()
    turned = scores.argmax(axis=1) == 1
    read = [reader.read(line, turn=bool(turn)) for line, turn in zip(page.pixels, turned, strict=True)]
    story.lines, story.lines_read = len(read), sum(a == b for a, b in zip(read, page.text, strict=True))
    rows = [
        (
            page.text[index],
            "upside down" if page.turned[index] else "upright",
            reader.read(page.pixels[index], turn=False),
            "upside down" if turned[index] else "upright",
            read[index],
        )
        for index in range(_LINES_SHOWN)
    ]
    right = f"{story.lines_read} of {story.lines} lines as rendered"
    show.lines(rows, f"Read from the answer to the request whose server was killed: {right}, for instance")


def _conclude(arguments: argparse.Namespace, models: OcrModels, stage: Stage, story: _Story, *, took_s: float) -> int:
    attempts = story.contest
    summaries = {way: summarise([attempt for attempt in attempts if attempt.way is way]) for way in Way}
    partway = [attempt for attempt in attempts if attempt.way is Way.PARTWAY]
    worst = max((attempt.worst.relative for attempt in story.compared if attempt.worst is not None), default=0.0)
    emulation = Emulation(device_slowdown=arguments.device_slowdown, link="the script above")
    if arguments.json:
        document = contest_document(summaries, partway, emulation)
        print_json({**_document(models, stage, story, took_s), **document, "worst_relative_error": worst})
    else:
        title = f"{summaries[Way.PARTWAY].requests} requests each, in turn, through the same links (all times EMULATED)"
        print_contest(title, summaries)
        wrong = sum(attempt.wrong for attempt in story.compared)
        print_lines(
            [
                ("device", f"EMULATED: one core of this machine, slowed {arguments.device_slowdown:g} times"),
                ("link", "EMULATED: a proxy in user space"),
                ("lost", f"not answered within {TIMEOUT_S:g} s; such a request has no time and is in no mean"),
                ("partway cut at", describe_cuts(partway)),
                (
                    "answers",
                    f"{len(story.compared)} compared with the whole model's, {wrong} wrong; the largest difference is "
                    f"{worst:.1e} of its scale",
                ),
                ("took", format_duration(took_s)),
            ]
        )
    faithful = not any(attempt.wrong for attempt in story.compared)
    kept = not summaries[Way.PARTWAY].lost and story.killed is not None and not story.killed.lost
    return 0 if faithful and kept and story.lines_read == story.lines else 1


def _document(models: OcrModels, stage: Stage, story: _Story, took_s: float) -> dict[str, object]:
    killed = story.killed
    return {
        "model": models.turner.name,
        "package": models.package,
        "link": [
            {"phase": phase.name, "link": None if phase.link is None else format_link(phase.link)}
            for phase, _ in story.phases
        ],
        "requests": len(story.contest) // len(Way),
        "took_s": took_s,
        "costs": [
            {
                "crossing": cost.crossing,
                "device_s": cost.device_s,
                "up_bytes": cost.up_bytes,
                "server_s": cost.server_s,
                "down_bytes": cost.down_bytes,
            }
            for cost in stage.costs.costs
        ],
        "phases": [_phase_document(phase, attempts) for phase, attempts in story.phases],
        "killed": killed
        and {
            "sent_bytes": story.sent_bytes,
            "answered": not killed.lost,
            "fell_back": killed.reply is not None and killed.reply.fell_back,
            "total_s": killed.total_s,
        },
        "compared": len(story.compared),
        "lines": story.lines,
        "lines_read": story.lines_read,
    }


def _phase_document(phase: Phase, attempts: Sequence[Attempt]) -> dict[str, object]:
    means = {way: summarise([attempt for attempt in attempts if attempt.way is way]) for way in Way}
    partway = [attempt for attempt in attempts if attempt.way is Way.PARTWAY]
    return {
        "phase": phase.name,
        "offloaded": sum(offloads(attempt) for attempt in partway),
        **{
            str(way): {"median_s": mean.median_s, "mean_s": mean.mean_s, "lost": mean.lost}
            for way, mean in means.items()
        },
    }
