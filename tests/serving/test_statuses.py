import grpc
import pytest

from partway import errors
from partway.errors import EngineError, ModelUnavailable, PartwayError, WireError
from partway.serving.statuses import Status, status_of


def test_every_status_has_a_code_of_either_protocol() -> None:
    for status in Status:
        assert isinstance(status.grpc_code, grpc.StatusCode)
        assert 200 <= status.http_code < 600
        assert (status is Status.OK) == (status.http_code < 400)


def test_errors_that_are_nobodys_fault_are_internal() -> None:
    assert status_of(EngineError("failed")) is Status.INTERNAL
    assert status_of(PartwayError("failed")) is Status.INTERNAL
    assert status_of(WireError("damaged")) is Status.INVALID_ARGUMENT
    assert status_of(ModelUnavailable("not yet", state="loading")) is Status.UNAVAILABLE


@pytest.mark.parametrize("kind", errors.RequestDeclined.__subclasses__(), ids=lambda kind: str(kind.__name__))
def test_whatever_declines_a_request_has_a_status_of_its_own(kind: type[PartwayError]) -> None:
    assert status_of(kind.__new__(kind)) is not Status.INTERNAL
