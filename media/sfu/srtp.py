"""libsrtp, called in place: the only module that touches private names of pylibsrtp.

One buffer for what comes and one for what goes serve the whole process: a packet is done with before the next begins.
"""

from typing import Any

from pylibsrtp import _binding

_lib, _ffi = _binding.lib, _binding.ffi
_CAPACITY = 2048  # more than a datagram and the longest SRTP trailer (144 bytes)

IN_C = _ffi.new("char[]", _CAPACITY)
IN = _ffi.buffer(IN_C)
IN_VIEW = memoryview(IN).cast("B")
OUT_C = _ffi.new("char[]", _CAPACITY)
OUT = _ffi.buffer(OUT_C)
OUT_VIEW = memoryview(OUT)
SLOTS_C = tuple(_ffi.new("char[]", _CAPACITY) for _ in range(16))  # for packets that leave together
SLOT_VIEWS = tuple(memoryview(_ffi.buffer(one)).cast("B") for one in SLOTS_C)
LENGTH = _ffi.new("int *")

# Each takes a C session, a C buffer and a pointer to its length, and returns 0 or an error of libsrtp.
unprotect, protect, protect_rtcp = _lib.srtp_unprotect, _lib.srtp_protect, _lib.srtp_protect_rtcp


copy = _ffi.memmove
"""copy(to, from, size): into a C buffer, without making a slice of it."""


def function_address(name: str) -> int:
    """Return where a function of libsrtp is in memory."""
    return int(_ffi.cast("uintptr_t", _ffi.addressof(_lib, name)))


def session_address(session: Any) -> int:
    """Return where a C session (`Transport.tx`) is in memory."""
    return int(_ffi.cast("uintptr_t", session))
