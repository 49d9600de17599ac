import socket
import threading
from collections.abc import Iterator

import pytest

from partway.errors import LinkError
from partway.link import NAMED_LINKS, Link, run_emulator

FAST = Link(uplink_bytes_per_s=1e9, downlink_bytes_per_s=1e9, rtt_s=0.0)


@pytest.fixture
def echo_server() -> Iterator[tuple[str, int]]:
    """A server that answers one connection with what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(1 << 16):
                    connection.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()
        thread.join()


def test_a_program_without_an_event_loop_talks_through_it(echo_server: tuple[str, int]) -> None:
    with run_emulator(echo_server, FAST) as emulator:
        host, _ = emulator.address
        assert host == "127.0.0.1"
        with socket.create_connection(emulator.address) as client:
            client.sendall(b"hello")
            assert client.recv(5, socket.MSG_WAITALL) == b"hello"
            emulator.blackhole()
            client.sendall(b"kept")
            emulator.restore()
            assert client.recv(4, socket.MSG_WAITALL) == b"kept"
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
        assert (emulator.counters.up_bytes, emulator.counters.down_bytes) == (9, 9)


def test_the_link_is_changed_and_dropped_from_outside(echo_server: tuple[str, int]) -> None:
    with run_emulator(echo_server, FAST) as emulator, socket.create_connection(emulator.address) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
        emulator.set_link(NAMED_LINKS["wifi"])
        assert emulator.link == NAMED_LINKS["wifi"]
        emulator.drop()


def test_what_keeps_it_from_starting_is_raised_where_it_was_asked_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(LinkError, match="choose another address"),
            run_emulator(("127.0.0.1", 1), FAST, port=port),
        ):
            pass


def test_an_error_inside_the_block_is_raised_and_the_address_is_free_again() -> None:
    with pytest.raises(ZeroDivisionError), run_emulator(("127.0.0.1", 1), FAST) as emulator:
        raise ZeroDivisionError
    with socket.create_server(emulator.address):
        pass
