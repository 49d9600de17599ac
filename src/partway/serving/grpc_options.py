"""What gRPC is told about connections: how many, how long, how much of them is read. Called by the server."""

Option = tuple[str, int]

_HEADER_BYTES = 16 * 1024  # a token and a deadline take a few hundred
_STREAMS = 100  # calls that one connection may have open; clients queue the others on their side
# Source: RFC 9113, section 6.5.2, recommends no fewer.
_WINDOW_BYTES = 512 * 1024  # of a call that waits to be read; fills 80 Mbit/s over 50 ms before anybody asks for more
_HANDSHAKE_MS = 10_000  # whoever has not said by then what they want is nobody's client
_IDLE_MS = 30 * 60 * 1000  # clients connect again by themselves
_PING_MS = 60_000  # whether the other end is still there is asked this often while requests are open
_PONG_MS = 20_000
_LEAST_PING_GAP_MS = 10_000  # clients that ask more often than this are disconnected, after two warnings
_PING_STRIKES = 2


def grpc_options(*, message_bytes: int, connections: int) -> tuple[Option, ...]:
    """The options of the server's port.

    Args:
        message_bytes: longest message that is read.
        connections: most that may be open at the same time, those in their handshake among them.

    Source: gRPC core, `channel_arg_names.h`.
    """
    return (
        ("grpc.max_receive_message_length", message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),  # two servers on one port would share its requests
        ("grpc.max_allowed_incoming_connections", connections),
        ("grpc.max_concurrent_streams", _STREAMS),
        ("grpc.http2.bdp_probe", 0),  # else windows grow to megabytes, even of calls that nobody reads
        ("grpc.http2.lookahead_bytes", _WINDOW_BYTES),
        ("grpc.max_metadata_size", _HEADER_BYTES),
        ("grpc.absolute_max_metadata_size", _HEADER_BYTES),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        ("grpc.max_connection_idle_ms", _IDLE_MS),
        ("grpc.keepalive_time_ms", _PING_MS),
        ("grpc.keepalive_timeout_ms", _PONG_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _LEAST_PING_GAP_MS),
        ("grpc.http2.max_ping_strikes", _PING_STRIKES),
    )
