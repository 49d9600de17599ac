"""Which hosts are this machine itself. Called by both ends: there, nothing leaves it that would need protection."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False  # a name may mean any address
