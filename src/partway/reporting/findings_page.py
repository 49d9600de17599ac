"""Findings as a folder: one page that needs no network, and each figure as PNG and SVG.

    index.html     all rows, tables and figures; figures are in it twice, for wide windows and for narrow ones
    NAME.png, .svg each figure for itself

Input: sections. Output: files. What the page looks like is in `findings_page.html`. All text is escaped, and a content
security policy allows no script and no connection at all. Called by `partway reproduce`.
"""

import base64
import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from partway.documents import write_atomically
from partway.errors import InputError
from partway.reporting.chart_figures import encode_chart
from partway.reporting.charts import Chart
from partway.reporting.pages import fill_template
from partway.reporting.sections import FindingRow, Section, Table

_TEMPLATE = "findings_page.html"
_COLUMNS = (
    ("quantity", ""),
    ("paper", ""),
    ("ours", ""),
    ("ratio", ""),
    ("kind", "text"),
    ("the paper's is", "text"),
    ("mark", "text"),
)
_SIGNS = {"met": "✓ met", "missed": "✗ missed", "": ""}
_NARROW = "(max-width: 720px)"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingsPage:
    """A page.

    Attributes:
        title: its heading.
        introduction: paragraphs below that.
        words: what the words of the columns mean, word and meaning.
        sections: the findings, in order.
        footer: a last sentence.
    """

    title: str
    introduction: tuple[str, ...]
    words: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    footer: str = ""


def write_findings(
    folder: Path, page: FindingsPage, progress: Callable[[int, int], None] = lambda _done, _of: None
) -> tuple[Path, ...]:
    """Write the page and its figures.

    Args:
        folder: made where it does not exist; files of the same names are replaced, each in one step.
        page: what to show.
        progress: called with how many figures of how many are drawn.

    Returns:
        The files, the page first.

    Raises:
        InputError: the folder cannot be made.
        DocumentError: a file cannot be written.
    """
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}; choose another") from error
    charts = [chart for section in page.sections for chart in section.charts]
    pictures: dict[str, str] = {}
    written = [folder / "index.html"]
    for done, chart in enumerate(charts):
        progress(done, len(charts))
        png, wide = encode_chart(chart, "png", "svg")
        (narrow,) = encode_chart(chart, "svg", narrow=True)
        for suffix, content in ((".png", png), (".svg", wide)):
            written.append(folder / f"{chart.name}{suffix}")
            write_atomically(written[-1], content)
        pictures[chart.name] = _picture(chart, wide, narrow)
    write_atomically(written[0], _page(page, pictures).encode())
    return tuple(written)


def _page(page: FindingsPage, pictures: dict[str, str]) -> str:
    words = "".join(f"<dt>{_text(word)}</dt><dd>{_text(meaning)}</dd>" for word, meaning in page.words)
    return fill_template(
        _TEMPLATE,
        {
            "title": _text(page.title),
            "introduction": "".join(f"<p>{_text(line)}</p>" for line in page.introduction) + f"<dl>{words}</dl>",
            "contents": "".join(f"<li>{_link(each, each.short or each.title)}</li>" for each in page.sections),
            "missed": _missed(page.sections),
            "sections": "\n".join(_section(section, pictures) for section in page.sections),
            "footer": _text(page.footer),
        },
    )


def _missed(sections: Sequence[Section]) -> str:
    """What does not meet its mark, before all else; empty where nothing does."""
    items = [
        f"<li>{_link(section, row.quantity)}: {_text(row.theirs or 'no number')} in the paper, {_text(row.ours)} here; "
        f"{_text(row.mark)} was asked</li>"
        for section in sections
        for row in section.rows
        if row.verdict == "missed"
    ]
    return f'<section class="card"><h2>What is missed</h2><ul>{"".join(items)}</ul></section>' if items else ""


def _link(section: Section, text: str) -> str:
    return f'<a href="#{_anchor(section.title)}">{_text(text)}</a>'


def _section(section: Section, pictures: dict[str, str]) -> str:
    parts = [f"<h2>{_text(section.title)}</h2>", _findings(section.rows)]
    parts.extend(pictures[chart.name] for chart in section.charts)
    if section.assumptions:
        items = "".join(f"<li>{_text(sentence)}</li>" for sentence in section.assumptions)
        parts.append(f'<ul class="assumptions">{items}</ul>')
    parts.extend(map(_table, section.tables))
    return f'<section class="card" id="{_anchor(section.title)}">{"".join(filter(None, parts))}</section>'


def _findings(rows: Sequence[FindingRow]) -> str:
    if not rows:
        return ""
    heads = "".join(f'<th scope="col" class="{style}">{_text(name)}</th>' for name, style in _COLUMNS)
    return (
        f'<table class="findings"><thead><tr>{heads}</tr></thead><tbody>{"".join(map(_finding, rows))}</tbody></table>'
    )


def _finding(row: FindingRow) -> str:
    cells = [f"<td>{_text(row.quantity)}</td>"]
    for (label, style), value in zip(
        _COLUMNS[1:-1], (row.theirs, row.ours, row.ratio, row.kind, row.certainty), strict=True
    ):
        cells.append(f'<td class="{style}" data-label="{_text(label)}">{_text(value)}</td>')
    verdict = f' <span class="{row.verdict}">{_SIGNS[row.verdict]}</span>' if row.verdict else ""
    mark = f"<span>{_text(row.mark)}{verdict}</span>" if row.mark else ""
    cells.append(f'<td class="text" data-label="mark">{mark}</td>')
    finding = f"<tr>{''.join(cells)}</tr>"
    if not row.note:
        return finding
    return f'{finding}<tr class="noted"><td colspan="{len(_COLUMNS)}">{_text(row.note)}</td></tr>'


def _table(table: Table) -> str:
    heads = "".join(f'<th scope="col">{_text(name)}</th>' for name in table.columns)
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    return (
        f"<details><summary>{_text(table.title)}</summary>"
        f'<div class="scroll" role="region" tabindex="0" aria-label="{_text(table.title)}">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def _picture(chart: Chart, wide: bytes, narrow: bytes) -> str:
    said = ". ".join(filter(None, (chart.title, chart.caption)))
    return (
        f'<figure><picture><source media="{_NARROW}" srcset="{_data_uri(narrow)}">'
        f'<img src="{_data_uri(wide)}" alt="{_text(said)}"></picture></figure>'
    )


def _data_uri(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _text(text: str) -> str:
    return html.escape(text)
