"""The profile of a machine as a document."""

from pathlib import Path

import msgspec
import pytest
from tests.prediction.known_machine import measured
from tests.prediction.profiles import predictor, profile
from tests.prediction.zoo_kernels import zoo_graphs
from tests.profiling.records import MACHINE

from partway.documents import decode_document, encode_document, read_document, write_document
from partway.errors import DocumentError, InputError
from partway.prediction.calibration import Correction
from partway.prediction.fitting import fit_predictor
from partway.prediction.physical import Physical
from partway.prediction.predictor import VariantFit
from partway.prediction.profile import Calibration, Profile
from partway.prediction.residual import Residual


def calibration(model: str, threads: int = 1) -> Calibration:
    return Calibration(
        model=model, binding="{}", threads=threads, predicted_s=1.0, measured_s=2.0, correction=Correction()
    )


def test_what_was_fitted_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    fitted = fit_predictor(measured(zoo_graphs(60), noise=0.1), threads=1, machine=MACHINE)
    written = msgspec.structs.replace(profile(fitted), calibrations=(calibration("a"),))
    write_document(tmp_path / "here.json", written)
    assert read_document(tmp_path / "here.json", Profile) == written


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b'"partway.profile"', b'"partway.plan"', "'partway.plan' document; a 'partway.profile' document was expected"),
        (b'"version":1', b'"version":9', "has version 9 of 'partway.profile'; this release reads version 1"),
        (b'"runtime"', b'"runtimes"', "damaged 'partway.profile' document"),
    ],
)
def test_another_kind_version_or_form_is_refused(old: bytes, new: bytes, complaint: str) -> None:
    text = encode_document(profile(predictor()))
    assert text.count(old) == 1
    with pytest.raises(DocumentError, match=complaint):
        decode_document(text.replace(old, new), Profile)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("predictors", 0, "run_s"), -1.0),
        (("predictors", 0, "cache_bytes"), 0),
        (("predictors", 0, "roofline", "byte_s"), -1e-9),
        (("predictors", 0, "variants", "Relu", "physical", "costs_s", "call"), -1.0),
        (("predictors", 0, "variants", "Relu", "residual", "length"), 0.0),
        (("predictors", 0, "variants", "Relu", "residual", "scale"), [0.0]),
        (("predictors", 0, "variants", "Relu", "residual", "values"), [0.1]),
        (("predictors", 0, "variants", "Relu", "residual", "points"), [[0.0, 0.0], [1.0]]),
        (("calibrations", 0, "correction", "logs"), []),
    ],
)
def test_numbers_that_no_fit_gives_are_refused(place: tuple[str | int, ...], value: object) -> None:
    residual = Residual(
        sizes=("elements",), centre=(0.0,), scale=(1.0,), length=1.0, amplitude=0.1, noise=0.1,
        points=((0.0,), (1.0,)), values=(0.1, 0.2), extra_noise=(0.0, 0.0),
    )  # fmt: skip
    variant = VariantFit(samples=9, physical=Physical(costs_s={"call": 1.0}), residual=residual, spread=0.1)
    sound = msgspec.structs.replace(
        profile(msgspec.structs.replace(predictor(), variants={"Relu": variant})), calibrations=(calibration("a"),)
    )
    body = msgspec.json.decode(encode_document(sound))
    assert decode_document(msgspec.json.encode(body), Profile) == sound
    holder = body
    for word in place[:-1]:
        holder = holder[word]
    holder[place[-1]] = value
    with pytest.raises(DocumentError, match="damaged 'partway\\.profile' document"):
        decode_document(msgspec.json.encode(body), Profile)


def test_a_predictor_is_chosen_by_threads() -> None:
    both = profile(predictor(threads=0), predictor(threads=4))
    assert both.predictor(None).threads == both.predictor(0).threads == 0
    assert both.predictor(4).threads == 4
    with pytest.raises(InputError, match="no samples with 2 threads, only with the default, 4"):
        both.predictor(2)
    with pytest.raises(InputError, match="no samples with the default number of threads, only with 4"):
        profile(predictor(threads=4)).predictor(None)


@pytest.mark.parametrize(
    ("sampled", "wanted", "settled"),
    [((1,), None, 1), ((1,), 4, 4), ((0,), None, None), ((1, 4), None, None), ((0, 4), None, None), ((), None, None)],
)
def test_threads_are_settled_by_what_is_wanted_else_by_the_only_setting(
    sampled: tuple[int, ...], wanted: int | None, settled: int | None
) -> None:
    assert profile(*(predictor(threads=threads) for threads in sampled)).settle_threads(wanted) == settled


def test_a_calibration_is_found_by_model_binding_and_threads() -> None:
    known = msgspec.structs.replace(
        profile(predictor()), calibrations=(calibration("a"), calibration("b"), calibration("a", threads=0))
    )
    assert known.calibration("a", "{}", 1) == calibration("a")
    assert known.calibration("a", "{}", None) == calibration("a", threads=0)
    assert known.calibration("b", "{}", None) is None
    assert known.calibration("a", "other", 1) is None


def test_without_a_meter_it_knows_no_power() -> None:
    assert profile(predictor()).power(1) is None
