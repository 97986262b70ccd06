"""Chooses how packets are taken: by compiled code where it was built and is wanted, in Python where not."""

from collections.abc import Collection
from contextlib import suppress
from typing import Any, Final

from media.sfu import compiled
from media.sfu.host_socket import HostSocket, Owner, PythonHostSocket
from media.sfu.stream_path import Count, PythonStreamPath, StreamPath

_library: Final[Any] = compiled.load()


def new_path(ssrc: int, payload_types: Collection[int], clock_rate: int, count: Count) -> StreamPath:
    """Return the path of a stream: its SSRC, what it may send, its RTP clock in Hz, and who is told of failures."""
    if _library is None:
        return PythonStreamPath(payload_types, clock_rate, count)
    return compiled.CompiledStreamPath(_library, ssrc, payload_types, clock_rate, count)


def new_host_socket(address: str, port_range: tuple[int, int] | None, owner: Owner) -> HostSocket:
    """Bind a port of `port_range`, both ends included; None: any. Raises OSError when none is free."""
    for port in _ports(port_range):
        with suppress(OSError):
            if _library is None:
                return PythonHostSocket(address, port, owner)
            return compiled.CompiledHostSocket(_library, address, port, owner)
    raise OSError(f"no free UDP port at {address}")


_next_port: dict[tuple[int, int], int] = {}


def _ports(port_range: tuple[int, int] | None) -> list[int]:
    """The ports to try, each time beginning after the one tried last."""
    if port_range is None:
        return [0]
    low, high = port_range
    first = _next_port.get(port_range, low)
    _next_port[port_range] = low + (first + 1 - low) % (high - low + 1)
    return [*range(first, high + 1), *range(low, first)]
