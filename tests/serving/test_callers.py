import pytest

from partway.serving.callers import Caller, stranger


@pytest.mark.parametrize(
    ("connection", "name"),
    [
        ("ipv4:127.0.0.1:4711", "127.0.0.1"),
        ("ipv6:[::1]:4711", "::1"),
        ("ipv6:%5B::1%5D:4711", "::1"),
        ("ipv6:[::ffff:10.0.0.7]:4711", "10.0.0.7"),
        ("unix:/run/partway.sock", "unix:/run/partway.sock"),
        ("unix:", "unix:"),
        ("", ""),
    ],
)
def test_a_stranger_is_named_after_the_address_that_they_call_from(connection: str, name: str) -> None:
    caller = stranger(connection)
    assert caller == Caller(name=name, connection=connection, authenticated=False)


def test_strangers_have_a_share_for_each_connection_and_the_proved_one_for_all_of_theirs() -> None:
    first, second = stranger("ipv4:10.0.0.7:1"), stranger("ipv4:10.0.0.7:2")
    assert first.share != second.share
    assert first.name == second.name
    proved = [Caller(name="robot", connection=f"ipv4:10.0.0.7:{port}", authenticated=True) for port in (1, 2)]
    assert {caller.share for caller in proved} == {"robot"}
