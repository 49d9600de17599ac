"""A server that sends back the bytes that it got: what gRPC alone takes on this machine.

    python -m benchmarks.echo_server

No serialisers, no protobuf, no threads but gRPC's own. Prints `listening address=127.0.0.1:PORT`, serves until
SIGTERM. Called by `benchmarks.overhead`.
"""

import asyncio
import signal

import grpc

METHOD = "/echo/Echo"


async def _echo(data: bytes, _: grpc.aio.ServicerContext) -> bytes:
    return data


async def _serve() -> None:
    server = grpc.aio.server(
        options=(("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)),
    )
    handler = grpc.unary_unary_rpc_method_handler(_echo)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo", {"Echo": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    print(f"listening address=127.0.0.1:{port}", flush=True)
    await stopping.wait()
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(_serve())
