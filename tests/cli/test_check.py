from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from tests.cli.conftest import Command
from tests.graph.support import save, value
from tests.models import chain_model, diamond_model, if_model, multi_io_model, typed_models

from partway import verification
from partway.cli import check, check_codecs
from partway.verification import CheckReport, CodedCheck, CutCheck, Difference, Tolerance


def test_a_model_passes_and_the_summary_says_so(partway: Command, tmp_path: Path) -> None:
    finished = partway("check", diamond_model(tmp_path))
    assert finished.status == 0
    assert "passed: every cut is within tolerance" in finished.out
    assert finished.err == ""


def test_json_has_the_documented_keys(partway: Command, tmp_path: Path) -> None:
    document = partway("check", multi_io_model(tmp_path), "--json").document
    assert document.keys() >= {
        "model", "cuts_checked", "worst_absolute_error", "worst_relative_error", "tolerance", "passed", "unproved"
    }  # fmt: skip
    assert document["passed"] is True
    assert document["tolerance"].keys() == {"early", "middle", "last"}
    assert document["tolerance"]["last"].keys() == {"dtype", "absolute", "scale", "spread"}
    assert document["nodes"] >= document["cuttable_nodes"] >= 0


def test_real_inputs_are_used(partway: Command, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, x=np.ones((1, 4), np.float32), flag=np.array(True))
    assert "inputs given" in partway("check", if_model(tmp_path), "--input", path).text


@pytest.mark.parametrize("element", ["BFLOAT16", "INT32", "BOOL"])
def test_other_element_types_pass_too(partway: Command, tmp_path: Path, element: str) -> None:
    document = partway("check", typed_models(tmp_path)[element], "--json", "--sample", 2).document
    assert document["passed"] is True


def test_strings_are_fed_from_a_file(partway: Command, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.array([["1", "2", "3"], ["4", "5", "60"]]))
    document = partway("check", typed_models(tmp_path)["STRING"], "--input", path, "--json").document
    assert document["passed"] is True


def test_a_cut_over_tolerance_is_status_one_and_infinity_is_null(
    partway: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Difference(absolute=np.inf, relative=np.inf)
    report = CheckReport(
        checks=(CutCheck(crossing=("stem",), optimised=False, worst=wrong, passed=False),),
        tolerances={"mean": Tolerance(dtype="int64", absolute=0.0, scale=0.0, spread=0.0)},
        nodes=8,
        cuttable_nodes=3,
    )
    monkeypatch.setattr(check, "check_model", lambda *_args, **_keywords: report)
    finished = partway("check", diamond_model(tmp_path))
    assert finished.status == 1
    assert "FAILED: 1 runs are over tolerance" in finished.out
    assert "not equal" in finished.out
    finished = partway("check", diamond_model(tmp_path), "--json")
    assert (finished.status, finished.document["worst_absolute_error"]) == (1, None)


@pytest.mark.parametrize(
    ("operator", "status", "content"), [("Sqrt", 1, "NaN or infinity"), ("Relu", 0, "zeros, or empty,")]
)
def test_an_output_that_proves_nothing_is_named(
    partway: Command, tmp_path: Path, operator: str, status: int, content: str
) -> None:
    nodes = [helper.make_node("Abs", ["x"], ["a"]), helper.make_node("Neg", ["a"], ["n"])]
    path = save(
        tmp_path / "nothing.onnx",
        [*nodes, helper.make_node(operator, ["n"], ["y"])],
        [value("x", 2, 3)],
        [value("y", 2, 3)],
    )
    finished = partway("check", path)
    assert finished.status == status
    note = f"note: output y is nothing but {content} on this input, which proves nothing: give real inputs with --input"
    assert note in finished.out
    assert ("FAILED: no output has a finite number" in finished.out) is bool(status)
    document = partway("check", path, "--json").document
    assert (document["unproved"], document["passed"]) == (["y"], not status)


def test_codecs_are_tried_at_the_candidate_cuts(partway: Command, tmp_path: Path) -> None:
    finished = partway("check", chain_model(tmp_path), "--codec", "lossless,int8", "--max-error", "5%")
    assert finished.status == 0
    assert "Codecs at the candidate cuts" in finished.out
    assert "passed: every cut is within tolerance" in finished.out
    assert "pairs of cut and codec are within 5 %" in finished.out
    assert "note: these sizes and errors are those of random inputs" in finished.out
    assert "NOT LOSSLESS" not in finished.out


def test_the_codecs_json_has_the_documented_keys(partway: Command, tmp_path: Path) -> None:
    document = partway("check", chain_model(tmp_path), "--codec", "zstd,float16", "--json").document
    assert document["passed"] is True
    assert {row["codec"] for row in document["codecs"]} == {"zstd", "float16"}
    for row in document["codecs"]:
        assert row.keys() == {
            "crossing", "codec", "lossless", "raw_bytes", "coded_bytes", "encode_s", "decode_s", "error", "bit_equal",
            "deterministic", "same_top", "within",
        }  # fmt: skip
        assert row["within"] is None
        assert row["coded_bytes"] <= row["raw_bytes"]
        assert row["bit_equal"] or not row["lossless"]
    assert "codecs" not in partway("check", chain_model(tmp_path), "--json").document


def test_a_codec_over_the_accepted_error_at_every_cut_is_status_one(partway: Command, tmp_path: Path) -> None:
    finished = partway("check", chain_model(tmp_path), "--codec", "zstd,int8,int8+zstd", "--max-error", "1e-9")
    assert finished.status == 1
    assert "passed: every cut is within tolerance" in finished.out
    assert "FAILED: int8, int8+zstd over 1e-07 % at every cut" in finished.out
    document = partway("check", chain_model(tmp_path), "--codec", "zstd,int8", "--max-error", "1e-9", "--json").document
    assert document["passed"] is False
    assert {(row["codec"], row["within"]) for row in document["codecs"]} == {("zstd", True), ("int8", False)}


def test_given_inputs_are_not_called_random(partway: Command, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, x=np.ones((1, 4), np.float32), flag=np.array(True))
    finished = partway("check", if_model(tmp_path), "--input", path, "--codec", "zstd")
    assert finished.status == 0
    assert "say with --max-error which error you accept" in finished.out
    assert "random" not in finished.out


@pytest.mark.parametrize("deterministic", [True, False])
def test_a_lossless_codec_that_changes_an_answer_is_status_one(
    partway: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deterministic: bool
) -> None:
    def off(*arguments: object, **keywords: object) -> tuple[CodedCheck, ...]:
        return tuple(
            replace(found, error=np.inf, bit_equal=False, deterministic=deterministic)
            for found in verification.check_codecs(*arguments, **keywords)  # type: ignore[arg-type]  # passed on
        )

    monkeypatch.setattr(check_codecs, "check_codecs", off)
    finished = partway("check", chain_model(tmp_path), "--codec", "zstd")
    assert finished.status == int(deterministic)
    assert ("FAILED: a lossless codec changed an answer" in finished.out) is deterministic
    assert ("NOT LOSSLESS" in finished.out) is deterministic
    assert ("the runtime does not repeat itself to the bit" in finished.out) is not deterministic
    assert "not equal" in finished.out


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--max-error", "1%"), "--max-error was given without --codec"),
        (("--codec", "int4"), "codec 'int4' is unknown; expected one of raw, zstd"),
        (("--codec", "int8", "--max-error=-1%"), "is not a share"),
        (("--codec", "int8", "--max-error", "1e999"), "is too large for a share"),
    ],
)
def test_wrong_codec_options_are_status_two(
    partway: Command, tmp_path: Path, options: tuple[str, ...], found: str
) -> None:
    finished = partway("check", chain_model(tmp_path), *options)
    assert finished.status == 2
    assert found in " ".join(finished.err.split())
