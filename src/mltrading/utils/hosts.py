"""Names and addresses of machines."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address


def is_loopback(host: str) -> bool:
    """Whether a host, given as name, address or address in brackets, is this machine speaking to
    itself. No name is looked up, so only `localhost` is known."""
    name = host.removeprefix("[").removesuffix("]")
    if name.lower() == "localhost":
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def without_port(place: str) -> str:
    """The host of `host:port`, `[address]:port`, or of either without a port."""
    head, colon, port = place.rpartition(":")
    return head if colon and port.isdigit() and (head[-1:] == "]" or ":" not in head) else place
