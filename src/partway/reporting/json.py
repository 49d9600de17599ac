"""The one JSON document that a command with `--json` prints.

Input: a mapping of plain values. Output: indented JSON on stdout, strict: what is not finite becomes null.
Called by every verb that has a table.
"""

from collections.abc import Mapping

import msgspec


def print_json(document: Mapping[str, object]) -> None:
    """Print a document on stdout.

    Args:
        document: str, numbers, bool, None, and tuples, lists and mappings of these; infinities and NaN become null.
    """
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
