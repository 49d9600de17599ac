"""`partway run`: one inference, or a few, each wherever it is expected to be answered first.

Input: a model, its inputs and a server, if there is one. Output: the outputs, where the model was cut, and where the
seconds went, as tables or JSON.
"""

import argparse
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from partway.cli.credentials import add_credentials, read_credentials
from partway.cli.opening import open_subject, read_plan
from partway.cli.options import add_guidance, add_json, add_model, as_argument, count
from partway.cli.writing import require_writable
from partway.client import Counters, InferenceSession, Result
from partway.documents import write_atomically
from partway.errors import InputError
from partway.graph import dtype_name
from partway.reporting import Column, follow, name_set, print_json, print_lines, print_table, shorten, waiting
from partway.units import format_duration, format_size, parse_duration

_EXAMPLES = """examples:
  partway run resnet50.onnx
  partway run resnet50.onnx --server grpc://192.168.1.20:8001 --wait --repeat 20
  partway run resnet50.onnx --server grpc://192.168.1.20:8001 --plan plan.json
  partway run resnet50.onnx --server grpcs://gpu.example:8001 \\
      --ca ca.pem --token-file token
  partway run resnet50.onnx --input photo.npz --output scores.npz
  partway run resnet50.onnx --server grpc://127.0.0.1:8001 --wait --explain

Without --wait the first requests may run on the device alone: costs are learnt
while requests are answered already.
"""
_VALUES_SHOWN = 5
_READY_S = 60.0


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "run",
        allow_abbrev=False,  # or --token would be read as --token-file, and a secret be taken for a file
        help="one inference, cut where it is fastest",
        description="Run a model on given or random inputs, partway here and the rest on a server.",
        epilog=_EXAMPLES,
    )
    add_model(parser)
    parser.add_argument(
        "--server", metavar="URL", help="grpc://host:port of a `partway serve`, grpcs:// for TLS (default: none)"
    )
    parser.add_argument("--model-name", metavar="NAME", help="the model's name on the server (default: the file's)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the outputs as .npz")
    parser.add_argument("--repeat", type=count, default=1, metavar="N", help="how many requests (default 1)")
    parser.add_argument(
        "--wait", action="store_true", help="first wait until the costs of all cuts are known, at most a minute"
    )
    parser.add_argument(
        "--timeout",
        type=as_argument(parse_duration),
        default=10.0,
        metavar="TIME",
        help="finish alone when the server takes longer (default 10s)",
    )
    add_guidance(parser)
    parser.add_argument(
        "--explain", action="store_true", help="then say what every cut would take now, and what that is based on"
    )
    add_credentials(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the requests and print what came of them; 0.

    Raises:
        InputError: an option, the model or its inputs cannot be used.
        EngineError: the model fails on this input.
    """
    if arguments.output is not None:
        require_writable(arguments.output)
    if arguments.wait and arguments.server is None:
        raise InputError("--wait waits for the server's costs; give --server too, or leave --wait out")
    credentials = read_credentials(arguments)
    subject = open_subject(arguments)
    feeds = subject.feeds(arguments.seed)
    plan = read_plan(arguments.plan, subject)
    with InferenceSession(
        subject.source.path,
        server=arguments.server,
        credentials=credentials,
        model_name=arguments.model_name,
        bind=subject.values,
        threads=arguments.threads,
        timeout_s=arguments.timeout,
        device_slowdown=arguments.device_slowdown,
        profile=arguments.profile,
        plan=plan,
        trace=arguments.trace,
    ) as session:
        ready = True
        if arguments.wait:
            with waiting("learning the costs of all cuts", quiet=arguments.json):
                ready = session.wait_until_ready(feeds, _READY_S)
        results = _repeat(session, feeds, arguments.repeat, quiet=arguments.json)
        explanation = str(session.explain(feeds)) if arguments.explain else None
        counters = session.counters
    if arguments.output is not None:
        _write(arguments.output, results[-1])
    if arguments.json:
        print_json({**_document(arguments.model, results), "counters": asdict(counters), "explanation": explanation})
    else:
        note = ""
        if not ready:
            note = "the costs of the cuts did not become known; does the server answer, and does it serve this model?"
        elif (
            arguments.server is not None and not arguments.wait and all(result.expected_s is None for result in results)
        ):
            note = "no request waited for the costs of the cuts; --wait does, or --repeat gives them time"
        _print(arguments.model, results, random=subject.given is None, note=note, written=arguments.output)
        if arguments.repeat > 1 and arguments.server is not None:
            print_lines([("counted", _counted(counters))])
        if explanation is not None:
            print(explanation)
    return 0


def _repeat(session: InferenceSession, feeds: Mapping[str, np.ndarray], times: int, *, quiet: bool) -> list[Result]:
    results: list[Result] = []
    with follow("running", quiet=quiet or times == 1) as progress:
        while len(results) < times:
            results.append(session.run_detailed(None, feeds))
            progress(len(results), times)
    return results


def _print(path: str, results: Sequence[Result], *, random: bool, note: str, written: Path | None) -> None:
    columns = (
        Column(title="#"),
        Column(title="sent", right=False, shrinks=True),
        Column(title="device"),
        Column(title="up"),
        Column(title="server"),
        Column(title="down"),
        Column(title="total"),
        Column(title="bytes up"),
    )
    rows = ((str(number), *_request_row(result)) for number, result in enumerate(results, start=1))
    print_table("Requests", columns, rows)
    last = results[-1]
    print_table(
        "Outputs" if len(results) == 1 else "Outputs of the last request",
        (
            Column(title="name", right=False),
            Column(title="type", right=False),
            Column(title="first values", right=False, shrinks=True),
        ),
        (
            (shorten(name), _described(array), _first_values(array))
            for name, array in zip(last.output_names, last.outputs, strict=True)
        ),
    )
    emulated = f"EMULATED {last.emulated_slowdown:g}x slower" if last.emulated_slowdown != 1.0 else ""
    lines = [
        ("model", path),
        ("inputs", "random" if random else "given"),
        ("device", emulated),
        ("why", last.reason),
        ("note", note),
        ("written", str(written or "")),
    ]
    print_lines([(label, text) for label, text in lines if text])


def _request_row(result: Result) -> tuple[str, ...]:
    if result.fell_back:
        where = "(no answer: finished alone)"
    else:
        where = name_set(result.crossing, none="(device alone)") if result.offloaded else "(device alone)"
        where += f" as {result.codec}" if result.offloaded and result.codec != "raw" else ""
    durations = (result.device_s, result.uplink_s, result.server_s, result.downlink_s)
    return (
        where,
        *(format_duration(seconds) if seconds else "" for seconds in durations),
        format_duration(result.total_s),
        format_size(result.up_bytes) if result.up_bytes else "",
    )


def _document(path: str, results: Sequence[Result]) -> dict[str, object]:
    last = results[-1]
    return {
        "model": path,
        "outputs": [
            {"name": name, "shape": np.shape(array), "dtype": dtype_name(np.asarray(array).dtype)}
            for name, array in zip(last.output_names, last.outputs, strict=True)
        ],
        **_request_document(last),
        "requests": [_request_document(result) for result in results],
    }


def _request_document(result: Result) -> dict[str, object]:
    return {
        "cut": {"crossing": result.crossing},
        "codec": result.codec,
        "offloaded": result.offloaded,
        "fell_back": result.fell_back,
        "reason": result.reason,
        "device_s": result.device_s,
        "uplink_s": result.uplink_s,
        "server_s": result.server_s,
        "downlink_s": result.downlink_s,
        "total_s": result.total_s,
        "expected_s": result.expected_s,
        "up_bytes": result.up_bytes,
        "down_bytes": result.down_bytes,
        "emulated_slowdown": result.emulated_slowdown,
    }


def _counted(counters: Counters) -> str:
    text = (
        f"{counters.offloaded} of {counters.requests} answered by the server, {counters.hedged} hedged (the server was "
        f"first {counters.hedges_won_by_server} times)"
    )
    return text + "".join(f", {times} asked in vain: {fault}" for fault, times in sorted(counters.fell_back.items()))


def _described(array: np.ndarray) -> str:
    return f"{dtype_name(np.asarray(array).dtype)}[{','.join(map(str, np.shape(array)))}]"


def _first_values(array: np.ndarray) -> str:
    flat = np.ravel(np.asarray(array))
    shown = [str(v) if flat.dtype.kind in "OUSbiu" else f"{float(v):.5g}" for v in flat[:_VALUES_SHOWN]]
    return ", ".join((*shown, "...") if flat.size > _VALUES_SHOWN else shown)


def _write(path: Path, result: Result) -> None:
    arrays = {}
    for name, output in zip(result.output_names, result.outputs, strict=True):
        array = np.asarray(output)
        # NumPy would pickle objects; strings of a fixed width need none.
        arrays[name] = array.astype(str) if array.dtype == np.dtype(object) else array
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    write_atomically(path, content.getvalue())
