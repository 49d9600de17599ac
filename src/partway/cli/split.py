"""`partway split`: head and tail as ONNX files of their own, checked against the model before they are kept.

Input: a model, a cut and a folder. Output: `head.onnx`, `tail.onnx` and `manifest.json` in that folder, and the tail
as a model of a Triton repository if one is named; or nothing at all, where the files do not answer as the model does.
"""

import argparse
import shutil
from pathlib import Path

import msgspec

from partway.cli.opening import open_graph, open_subject
from partway.cli.options import add_json, add_model, as_argument
from partway.cli.split_folder import abandon, replacing, require_replaceable
from partway.cli.split_report import print_split
from partway.cli.triton import CONFIG_FILE, MODEL_FILE, parse_name, tail_name, write_config
from partway.documents import encode_document
from partway.engine import OrtRuntime
from partway.errors import CutError, InputError
from partway.graph import Cut, Model, Source, cut_at, server_only
from partway.graph.exporting import ExportedPiece, export_piece
from partway.reporting import waiting
from partway.verification.export import check_export
from partway.verification.manifest import MANIFEST_FILE, SplitManifest, describe_files, describe_split

_EXAMPLES = """examples:
  partway split resnet50.onnx --cut pool1 -o split/
  partway split detector.onnx --cut left,right -o split/ --input page.npz
  partway split vad.onnx --cut inputs -o split/ --bind sr=16000 --triton models/

The files are plain ONNX for the shapes given: any runtime loads them.
manifest.json says where each input of the tail comes from, and how far head
then tail were from MODEL on sample inputs. When that is over tolerance, nothing
is written and the exit status is 1. An earlier split in DIR is replaced.
`partway inspect` lists what may cross.
"""
_INPUTS = "inputs"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "split",
        help="head and tail as ONNX files for other runtimes",
        description="Write head and tail of a cut as plain ONNX files, once they are shown\n"
        "to answer as the model does.",
        epilog=_EXAMPLES,
    )
    add_model(parser)
    parser.add_argument(
        "--cut",
        required=True,
        metavar="NAME[,NAME...]",
        help="the tensors that cross; `inputs` for a tail that is the whole model",
    )
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder to make")
    parser.add_argument(
        "--triton", metavar="DIR", help="also add the tail to this model repository of Triton or KServe"
    )
    parser.add_argument(
        "--name", type=as_argument(parse_name), help="the tail's name in that repository (default: MODEL's, and _tail)"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the files and print what they are; 1 when they do not answer as the model does, else 0.

    Raises:
        InputError: the model, the cut or a folder cannot be used.
        EngineError: the runtime fails on what was written.
    """
    subject = open_subject(arguments)
    folder, placed = _folders(arguments, subject.source.path)
    feeds = subject.feeds(arguments.seed)
    runtime = OrtRuntime(threads=arguments.threads)
    model = open_graph(subject, runtime, quiet=arguments.json)
    cut = find_cut(model, arguments.cut)
    if cut.tail is None:
        raise CutError(f"--cut {arguments.cut!r} leaves nothing to a tail; name tensors that the server needs")
    config = ""
    if placed is not None:  # refused before the work is done, not after
        fed, made = ([model.tensors[name] for name in names] for names in (cut.tail.inputs, cut.tail.outputs))
        config = write_config(placed.name, fed, made)
    with waiting("writing and checking", quiet=arguments.json), replacing(folder) as filled:
        pieces = _write(filled, subject.source, model, cut)
        values = {value.name: value.array() for value in model.binding.values}
        report = check_export(subject.source, runtime, feeds, values, tuple(piece.files[0] for piece in pieces))
        seed = arguments.seed if subject.given is None else None
        manifest = describe_split(filled, subject.source, model, cut, pieces, report, seed=seed, runtime=runtime)
        if not report.passed:
            abandon(filled)
        else:
            _store(filled, manifest)
            if placed is not None:
                _place(placed, config, manifest, pieces[-1])
    print_split(arguments, manifest, report, folder=folder, placed=placed)
    return 0 if report.passed else 1


def find_cut(model: Model, text: str) -> Cut:
    """The cut that `--cut` names.

    Args:
        model: the canonical graph.
        text: a tensor, several with commas between, or `inputs`.

    Raises:
        CutError: they are no cut.
    """
    if text in model.tensors:
        return cut_at(model, (text,))
    if text == _INPUTS:
        return server_only(model)
    return cut_at(model, filter(None, map(str.strip, text.split(","))))


def _folders(arguments: argparse.Namespace, source: Path) -> tuple[Path, Path | None]:
    folder = Path(arguments.output).resolve()
    require_replaceable(folder, source)
    if arguments.triton is None:
        if arguments.name is not None:
            raise InputError("--name names the tail in a repository; give that with --triton, or leave --name out")
        return folder, None
    repository = Path(arguments.triton).resolve()
    placed = repository / (arguments.name or tail_name(source.stem))
    require_replaceable(placed if repository.is_dir() else repository, source)
    if folder.is_relative_to(repository) or repository.is_relative_to(folder):
        raise InputError(f"--output {folder} and --triton {repository} lie in each other; name folders apart")
    return folder, placed


def _write(filled: Path, source: Source, model: Model, cut: Cut) -> tuple[ExportedPiece, ...]:
    metadata = {
        "partway.digest": model.source_digest,
        "partway.binding": model.binding.encode(),
        "partway.crossing": msgspec.json.encode(cut.crossing).decode(),
    }
    where = ", ".join(cut.crossing)
    return tuple(
        export_piece(
            model,
            piece,
            filled / f"{name}.onnx",
            about=f"The {name} of {source.path.name}, cut at {where}; made by Partway.",
            metadata=metadata,
        )
        for name, piece in (("head", cut.head), ("tail", cut.tail))
        if piece is not None
    )


def _place(placed: Path, config: str, manifest: SplitManifest, tail: ExportedPiece) -> None:
    # Copies of the very bytes that were checked; the weights keep the name that the model knows them by.
    with replacing(placed) as filled:
        model_file, config_file = filled / MODEL_FILE, filled / CONFIG_FILE
        model_file.parent.mkdir()
        copies = (model_file, *(model_file.with_name(file.name) for file in tail.files[1:]))
        for file, copy in zip(tail.files, copies, strict=True):
            shutil.copyfile(file, copy)
        config_file.write_text(config)
        files = describe_files(filled, (*copies, config_file))
        moved = msgspec.structs.replace(
            manifest.tail, file=files[0].name, data=files[1].name if len(copies) > 1 else None
        )
        _store(filled, msgspec.structs.replace(manifest, tail=moved, files=files))


def _store(filled: Path, manifest: SplitManifest) -> None:
    # The folder is put in place whole; an atomic write would only hide the file from other users.
    (filled / MANIFEST_FILE).write_bytes(encode_document(manifest))
