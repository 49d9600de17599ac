import pytest

from partway.serving.callers import Caller, stranger


@pytest.mark.parametrize(
    ("connection", "name"),
    [
        ("ipv4:127.0.0.1:4711", "127.0.0.1"),
        ("ipv6:[::1]:4711", "::1"),
        ("ipv6:%5B::1%5D:4711", "::1"),
        ("ipv6:[::ffff:10.0.0.7]:4711", "10.0.0.7"),
        ("ipv6:[2001:db8::1]:4711", "2001:db8::/64"),
        ("ipv6:[2001:db8::ffff:1]:4711", "2001:db8::/64"),
        ("ipv6:[2001:db8:0:1::1]:4711", "2001:db8:0:1::/64"),
        ("ipv6:[fe80::1%25eth0]:4711", "fe80::/64"),
        ("unix:/run/partway.sock", "unix:/run/partway.sock"),
        ("unix:", "unix:"),
        ("", ""),
    ],
)
def test_a_stranger_is_named_after_the_address_that_they_call_from(connection: str, name: str) -> None:
    caller = stranger(connection)
    assert caller == Caller(name=name, connection=connection, authenticated=False)
