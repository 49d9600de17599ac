"""`partway reproduce`: the paper's numbers beside ours, figure by figure.

Input: which figures. Output: a table or JSON, and on request a folder with a page and every figure. A mark that is
missed is shown, and is no error: the status is 0 when it ran.
"""

import argparse
from pathlib import Path

from partway.cli.options import add_json, as_argument, count_or_none
from partway.cli.reproduce_report import Reproduced, document, page, print_report
from partway.errors import InputError
from partway.reporting import follow, print_json, require_drawable, write_findings
from partway.studies import STUDIES, Setup, Study

_DESCRIPTION = """\
Make the figures of Neurosurgeon (Kang et al., ASPLOS 2017) anew, and put its
numbers beside ours."""
_EXAMPLES = """examples:
  partway reproduce                         every figure, what is missed and why
  partway reproduce --figure 6              one, with its notes and all cuts
  partway reproduce --output paper          a page and pictures, in paper/
  partway reproduce --figure layers         against the authors' layer times
  partway reproduce --json                  the same, tables too, for programs

Everything is calculated: no network runs, nothing is measured on this machine.
A row is `fitted` where the paper's machines were calibrated on its number,
`predicted` where nothing was, `sensitivity` where it hangs on an assumption
that the sources do not settle; then it is shown over a range.
"""

_FIGURES = tuple(map(str, sorted({figure for study in STUDIES for figure in study.figures})))
_KNOWN = (*_FIGURES, *(study.name for study in STUDIES if study.name))


def parse_figure(text: str) -> str:
    """The number of a figure that some study covers, or the name of a study.

    Raises:
        InputError: it is none.
    """
    known = text.lstrip("0") if text.isdigit() else text
    if known not in _KNOWN:
        raise InputError(f"{text!r} is no figure that is reproduced; they are {', '.join(_KNOWN)}")
    return known


def parse_folder(text: str) -> Path:
    """A folder to write into.

    Raises:
        InputError: the text is empty, which would be the current folder.
    """
    if not text:
        raise InputError("an empty name is no folder; give one, or . for the current folder")
    return Path(text)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "reproduce",
        help="the paper's numbers beside ours",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "--figure",
        action="append",
        default=[],
        type=as_argument(parse_figure),
        metavar="N",
        help=f"only this figure of the paper or this study, with notes and tables (repeatable): {', '.join(_KNOWN)}",
    )
    parser.add_argument(
        "--output",
        type=as_argument(parse_folder),
        metavar="FOLDER",
        help="write a page, and each figure as PNG and SVG; made if missing",
    )
    parser.add_argument("--seed", type=count_or_none, default=0, metavar="N", help="of whatever is random (default 0)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Reproduce and print; 0.

    Raises:
        InputError: an option cannot be used.
        DocumentError: a file cannot be written.
    """
    if arguments.output is not None:
        _require_folder(arguments.output)
    setup = Setup.of_paper(seed=arguments.seed)
    chosen = _chosen(arguments.figure)
    reproduced = []
    with follow("reproducing", quiet=arguments.json) as progress:
        for done, study in enumerate(chosen):
            progress(done, len(chosen))
            reproduced.append(Reproduced(study=study, result=study.run(setup)))
    if arguments.output is not None:
        with follow("drawing", quiet=arguments.json) as progress:
            write_findings(arguments.output, page(reproduced), progress)
    if arguments.json:
        print_json(document(reproduced))
    else:
        print_report(reproduced, detailed=bool(arguments.figure), folder=arguments.output)
    return 0


def _chosen(wanted: list[str]) -> tuple[Study, ...]:
    if not wanted:
        return STUDIES
    return tuple(study for study in STUDIES if not {study.name, *map(str, study.figures)}.isdisjoint(wanted))


def _require_folder(folder: Path) -> None:
    require_drawable(folder / "figure.png")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"cannot write into {folder}: it is a file; give a folder")
    above = next((each for each in folder.parents if each.exists()), folder.parent)
    if not above.is_dir():
        raise InputError(f"cannot make {folder}: {above} is a file; give a folder that lies in none")
    if above != folder.parent:
        raise InputError(f"cannot make {folder}: there is no folder {folder.parent}; make it first")
