import pytest

from partway.errors import ServerBusy, TooManyRequests
from partway.serving.admission import Admission


def test_requests_are_held_while_they_are_not_answered() -> None:
    admission = Admission(100)
    with admission.admit("one", 60), admission.admit("other", 40):
        assert (admission.held_bytes, admission.requests) == (100, 2)
        with (
            pytest.raises(ServerBusy, match="100 bytes of requests are in flight and this one has 1"),
            admission.admit("third", 1),
        ):
            pytest.fail("there was no room")
    assert (admission.held_bytes, admission.requests) == (0, 0)


def test_one_request_alone_may_be_longer_than_all_may_be_together() -> None:
    with Admission(100).admit("one", 1000) as admitted:
        admitted.grow(1000)


def test_a_request_that_grows_is_refused_once_there_is_no_room() -> None:
    admission = Admission(100)
    with admission.admit("one", 60):
        with admission.admit("other") as admitted:
            admitted.grow(40)
            with pytest.raises(ServerBusy, match="60 bytes of requests are in flight and this one has 41"):
                admitted.grow(1)
        assert admission.held_bytes == 60


def test_one_caller_holds_half_and_leaves_the_rest_to_others() -> None:
    admission = Admission(100)
    with admission.admit("one", 30), admission.admit("one", 20):
        with (
            pytest.raises(TooManyRequests, match="with 50 as many as one client may"),
            admission.admit("one", 1),
        ):
            pytest.fail("that is more than half")
        with admission.admit("other", 50):
            assert admission.held_bytes == 100
