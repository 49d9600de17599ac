import pytest

from partway.errors import ServerBusy
from partway.serving.admission import Admission


def test_requests_are_held_while_they_are_not_answered() -> None:
    admission = Admission(100)
    with admission.admit(60), admission.admit(40):
        assert (admission.held_bytes, admission.requests) == (100, 2)
        with (
            pytest.raises(ServerBusy, match="100 bytes of requests are in flight and this one has 1"),
            admission.admit(1),
        ):
            pytest.fail("there was no room")
    assert (admission.held_bytes, admission.requests) == (0, 0)


def test_one_request_alone_may_be_longer_than_all_may_be_together() -> None:
    with Admission(100).admit(1000) as admitted:
        admitted.grow(1000)


def test_a_request_that_grows_is_refused_once_there_is_no_room() -> None:
    admission = Admission(100)
    with admission.admit(60):
        with admission.admit() as admitted:
            admitted.grow(40)
            with pytest.raises(ServerBusy, match="60 bytes of requests are in flight and this one has 41"):
                admitted.grow(1)
        assert admission.held_bytes == 60
