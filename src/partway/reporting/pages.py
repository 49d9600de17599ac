"""Pages that need no network: a template in this room, filled in, with a policy that allows nothing but itself.

Input: the name of a template and texts for its marks. Output: HTML. Called by the modules that know what is on a page.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from importlib import resources

_MARK = re.compile(r"\{\{(\w+)\}\}")


def fill_template(name: str, texts: Mapping[str, str]) -> str:
    """The template with every `{{mark}}` replaced, in one pass, so that no text can bring marks of its own.

    `{{style_digest}}` and `{{script_digest}}` stand for what a content security policy calls the template's own style
    and script.

    Args:
        name: of the file in this room.
        texts: markup by mark; what is not ours to trust is escaped already.
    """
    template = resources.files("partway.reporting").joinpath(name).read_text(encoding="utf-8")
    digests = {f"{element}_digest": _digest(template, element) for element in ("style", "script")}
    filled = {**digests, **texts}
    return _MARK.sub(lambda mark: filled[mark[1]], template)


def _digest(template: str, element: str) -> str:
    # The elements have no attributes in templates.
    text = template.partition(f"<{element}>")[2].partition(f"</{element}>")[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
