import json
import math

import pytest

from partway.reporting import print_json


def test_one_strict_document_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": (1, 2.5), "b": [{"c": None}], "infinite": math.inf, "nothing": math.nan, "µ": True})
    out = capsys.readouterr().out
    assert json.loads(out, parse_constant=pytest.fail) == {
        "a": [1, 2.5], "b": [{"c": None}], "infinite": None, "nothing": None, "µ": True
    }  # fmt: skip
    assert out.endswith("}\n")
