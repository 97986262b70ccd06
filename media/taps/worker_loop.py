"""The inside of a tap worker process: one input address, one output stream, one thing done with what comes."""

import argparse
import asyncio
import json
import logging
import signal
import socket
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from media.taps.framing import framed
from media.taps.input_socket import Address, TapInput
from media.taps.stream_intake import StreamIntake
from media.taps.worker_messages import Alive, Listening

TICK_S: Final = 0.05
ALIVE_S: Final = 1.0
OUTPUT_LIMIT_BYTES: Final = 256 * 1024

Send = Callable[[msgspec.Struct], bool]
"""Hands a message to the owner. False: the owner is behind and the message was not taken."""


class TapWork(Protocol):
    """What a worker does with one stream. Times are Unix seconds of the room's clock."""

    intake: StreamIntake

    def take(self, datagram: bytes, at_s: float) -> None: ...

    def tick(self, at_s: float) -> None: ...


def run_worker(make: Callable[[Send, dict[str, Any]], TapWork]) -> None:
    """Run a worker until its owner is gone. Arguments: --output FD --address JSON --options JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=int, required=True, help="inherited descriptor of a stream socket")
    parser.add_argument("--address", type=json.loads, required=True)
    parser.add_argument("--options", type=json.loads, default={})
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the owner ends us by closing the stream
    address = arguments.address if isinstance(arguments.address, str) else tuple(arguments.address)
    asyncio.run(_run(make, arguments.output, address, arguments.options))


async def _run(
    make: Callable[[Send, dict[str, Any]], TapWork], output: int, address: Address, options: dict[str, Any]
) -> None:
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=output))

    def send(message: msgspec.Struct) -> bool:
        if writer.transport.get_write_buffer_size() > OUTPUT_LIMIT_BYTES:
            return False
        writer.write(framed(message))
        return True

    work = make(send, options)
    tap = TapInput(address)
    offset_s = time.time() - time.monotonic()

    def read() -> None:
        at_s = offset_s + time.monotonic()
        for datagram in tap.drain(at_s):
            work.take(datagram, at_s)

    loop = asyncio.get_running_loop()
    loop.add_reader(tap.socket, read)
    send(Listening(tap.address))
    ticking = asyncio.create_task(_tick(work, send, tap, offset_s))
    try:
        await reader.read()  # nothing is ever sent to us: this ends with the owner
    finally:
        ticking.cancel()
        loop.remove_reader(tap.socket)
        tap.close()
        writer.close()


async def _tick(work: TapWork, send: Send, tap: TapInput, offset_s: float) -> None:
    alive_s = 0.0
    while True:
        await asyncio.sleep(TICK_S)
        at_s = offset_s + time.monotonic()
        work.tick(at_s)
        if at_s - alive_s >= ALIVE_S:
            alive_s = at_s
            send(Alive(work.intake.refused + tap.foreign + tap.oversized))
