"""Who asks: what fair turns and limits go by.

Input: what a face knows of the connection that a request came on. Output: a `Caller`, one for each request.
Made by the faces, read by the handlers.
"""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sent a request: limits and shares of the turns go by the name, and its connections share what it gets.

    So nobody gains by opening ever more of them, and many devices that call from one address take turns all the same.

    Attributes:
        name: who they proved to be, by token or certificate; else the address that they called from, of
            IPv6 its first half.
        connection: the connection's other end, such as `ipv4:127.0.0.1:4711`.
        authenticated: whether the name was proved.
    """

    name: str
    connection: str
    authenticated: bool = False


@lru_cache(maxsize=1024)  # every request asks, and connections last
def stranger(connection: str) -> Caller:
    """Somebody who proved nothing, named after the address that they call from.

    Args:
        connection: as gRPC names it: `ipv4:HOST:PORT`, `ipv6:[HOST]:PORT`, percent signs allowed, or `unix:PATH`.
    """
    return Caller(name=_address(unquote(connection)), connection=connection)


def _address(connection: str) -> str:
    _, _, rest = connection.partition(":")
    host = rest.rpartition(":")[0].strip("[]")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return connection
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if mapped or address.version == 4 or address.is_loopback:
        return str(mapped or address)
    # One machine has 2**64 addresses of its own, and would have as many shares.
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
