"""Chooses how packets are taken: by compiled code where it was built and is wanted, in Python where not."""

from collections.abc import Collection
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


def new_host_socket(address: str, port: int, owner: Owner) -> HostSocket:
    """Raises OSError when the address cannot be bound."""
    if _library is None:
        return PythonHostSocket(address, port, owner)
    return compiled.CompiledHostSocket(_library, address, port, owner)
