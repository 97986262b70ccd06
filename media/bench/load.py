"""The load: a process of its own with all replay peers of a benchmark. Run with `python -m media.bench.load`."""

import asyncio
import gc
import logging
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import uvloop

from media.bench.child import serve
from media.bench.figures import StreamCount, flow, percentile, starved
from media.bench.offering_uplink import OfferingUplink
from media.bench.processes import cpu_grown_s, cpu_ns_by_thread
from media.engine import ConnectionName
from media.replay.answer import Kind
from media.replay.clip import Clip
from media.replay.incoming import Reception
from media.replay.makers import benchmark_clip, drawn_clip
from media.replay.peer import ReplayPeer

LOOPBACK: Final = ["127.0.0.1"]
_DRAWN: Final = (("#5a7d9a", "one"), ("#9a6b5a", "two"), ("#5a9a6b", "three"))
_KINDS: Final[tuple[Kind, ...]] = ("audio", "video")


def make_clips(name: str, folder: str | None) -> list[Clip]:
    """Return the clips called `name`: "benchmark" (720p25, 1.2 Mbit/s) or "drawn" (180p10, three people)."""
    where = Path(folder) if folder else None
    if name == "benchmark":
        return [benchmark_clip(folder=where)]
    return [drawn_clip(text, colour, seconds=4.0, folder=where) for colour, text in _DRAWN]


class Load:
    """Owns the peers. Its public coroutines are the requests that the load process answers."""

    def __init__(self) -> None:
        self._clips: list[Clip] = []
        self._peers: dict[str, ReplayPeer] = {}
        self._uplinks: dict[str, OfferingUplink] = {}
        self._opened = 0
        self._stamps = True

    async def setup(self, clips: str, folder: str | None, stamps: bool = True) -> dict[str, Any]:
        """Make or read the clips. `stamps`: measure latency by stamps in the pictures, which then cannot be decoded."""
        self._stamps = stamps
        self._clips = await asyncio.to_thread(make_clips, clips, folder)
        return {}

    async def open(self, peer: str, sends: bool) -> dict[str, Any]:
        """Make a peer that is silent until `go`."""
        clip = self._clips[self._opened % len(self._clips)] if sends else None
        self._opened += 1
        self._peers[peer] = made = ReplayPeer(clip, addresses=LOOPBACK, stamps=self._stamps, receive="headers")
        made.pause_audio()
        made.pause_video()
        return {}

    async def offer(self, peer: str, connection: ConnectionName, sdp: str) -> dict[str, Any]:
        """Return the peer's answer to an offer."""
        return {"sdp": await self._peers[peer].take_offer(connection, sdp)}

    async def make_offer(self, peer: str) -> dict[str, Any]:
        """Return an offer of the peer's uplink, for engines that only answer."""
        clip = self._clips[len(self._uplinks) % len(self._clips)]
        self._uplinks[peer] = OfferingUplink(clip, addresses=LOOPBACK, stamps=self._stamps)
        return {"sdp": await self._uplinks[peer].make_offer()}

    async def take_answer(self, peer: str, sdp: str) -> dict[str, Any]:
        self._uplinks[peer].take_answer(sdp)
        return {}

    async def connected(
        self, peer: str, connections: Sequence[ConnectionName], timeout_s: float = 40.0
    ) -> dict[str, Any]:
        """Wait until the peer's `connections` are there."""
        uplink = self._uplinks.get(peer)
        if uplink is not None and "uplink" in connections:
            await uplink.connected(timeout_s=timeout_s)
            connections = [name for name in connections if name != "uplink"]
        if connections:
            await self._peers[peer].connected(*connections, timeout_s=timeout_s)
        return {}

    async def go(self, peers: Sequence[str] | None = None) -> dict[str, Any]:
        """Let `peers` (None: all) send."""
        for name, peer in self._peers.items():
            if peers is None or name in peers:
                peer.pause_audio(False)
                peer.pause_video(False)
        for name, uplink in self._uplinks.items():
            if peers is None or name in peers:
                uplink.pause(False)
        return {}

    async def restart(self, peer: str) -> dict[str, Any]:
        """Drop the peer's connections, so that it can answer new ones."""
        await self._peers[peer].restart()
        return {}

    async def close(self, peer: str) -> dict[str, Any]:
        """Drop the peer. Closing a closed one changes nothing."""
        for owner in (self._peers.pop(peer, None), self._uplinks.pop(peer, None)):
            if owner is not None:
                await owner.aclose()
        return {}

    async def delivered(self) -> dict[str, Any]:
        """Return how many packets every peer has received in its current connections."""
        return {"packets": {name: peer.packets_received() for name, peer in self._peers.items()}}

    async def measure(self, pids: Sequence[int], seconds: float, due: Mapping[str, int]) -> dict[str, Any]:
        """Return what happened within `seconds`, and the processor time that `pids` took meanwhile.

        `due`: how many streams of each kind every peer ought to receive.
        """
        gc.collect()
        gc.freeze()
        gc.disable()  # a collection within the window would be taken for latency
        try:
            before = _Moment(self._receptions(), self._sent(), pids)
            await asyncio.sleep(seconds)
            after = _Moment(self._receptions(), self._sent(), pids)
        finally:
            gc.enable()
        return _window(before, after, due)

    def _receptions(self) -> Iterable[tuple[str, Reception]]:
        return ((name, stream) for name, peer in self._peers.items() for stream in peer.receptions())

    def _sent(self) -> dict[str, dict[Kind, int]]:
        counts = {
            name: {kind: count.packets for kind, count in peer.sent.items()} for name, peer in self._peers.items()
        }
        for name, uplink in self._uplinks.items():
            counts[name] = {kind: count.packets for kind, count in uplink.sent.items()}
        return counts


class _Moment:
    """All counters at one moment."""

    def __init__(
        self, receptions: Iterable[tuple[str, Reception]], sent: dict[str, dict[Kind, int]], pids: Sequence[int]
    ) -> None:
        self.at_s = time.monotonic()
        self.engine_cpu = cpu_ns_by_thread(pids)
        self.load_cpu = cpu_ns_by_thread([os.getpid()])
        self.sent = sent
        self.streams: dict[Kind, dict[tuple[str, int], StreamCount]] = {"audio": {}, "video": {}}
        self.latencies: dict[tuple[str, int], tuple[Reception, int]] = {}
        for name, stream in receptions:
            key = (name, stream.ssrc)
            self.streams[stream.kind][key] = StreamCount(
                packets=stream.packets + stream.recovered, expected=stream.expected, frames=stream.frames
            )
            self.latencies[key] = (stream, len(stream.latencies_s))


def _window(before: _Moment, after: _Moment, due: Mapping[str, int]) -> dict[str, Any]:
    wall_s = after.at_s - before.at_s
    result: dict[str, Any] = {
        "wall_s": wall_s,
        "engine_cpu_s": cpu_grown_s(before.engine_cpu, after.engine_cpu),
        "load_cpu_s": cpu_grown_s(before.load_cpu, after.load_cpu),
        "starved": 0,
    }
    for kind in _KINDS:
        sent = [after.sent[n][kind] - before.sent.get(n, {}).get(kind, 0) for n in after.sent if kind in after.sent[n]]
        mean_sent = sum(sent) / len(sent) if sent else 0.0
        counted = flow(
            before.streams[kind],
            after.streams[kind],
            wanted_streams=sum(due.values()),
            sent_per_stream=mean_sent,
        )
        result[kind] = {
            "streams": counted.streams,
            "packets": counted.packets,
            "expected": counted.expected,
            "frames": counted.frames,
            "sent": sum(sent),
        }
        result["starved"] += _starved(before.streams[kind], after.streams[kind], due, mean_sent)
    result.update(_latencies(before, after))
    return result


def _starved(
    before: Mapping[tuple[str, int], StreamCount],
    after: Mapping[tuple[str, int], StreamCount],
    due: Mapping[str, int],
    mean_sent: float,
) -> int:
    """Return how many of the streams that each peer ought to receive came too thinly, or not at all."""
    delivered: dict[tuple[str, int], int] = {}
    places: Counter[str] = Counter()
    for key, count in after.items():
        packets = count.packets - (before[key].packets if key in before else 0)
        if packets:
            delivered[key[0], places[key[0]]] = packets
            places[key[0]] += 1
    return starved(delivered, {(peer, place): round(mean_sent) for peer, n in due.items() for place in range(n)})


def _latencies(before: _Moment, after: _Moment) -> dict[str, Any]:
    values: list[float] = []
    for key, (stream, end) in after.latencies.items():
        begin = before.latencies[key][1] if key in before.latencies else 0
        values.extend(stream.latencies_s[begin:end])
    shares = {"latency_p50_ms": 0.5, "latency_p95_ms": 0.95, "latency_p99_ms": 0.99}
    found = {name: percentile(values, share) for name, share in shares.items()}
    return {name: None if value is None else value * 1000 for name, value in found.items()} | {"stamps": len(values)}


async def main() -> None:
    load = Load()
    requests = (load.setup, load.open, load.offer, load.make_offer, load.take_answer, load.connected, load.go)
    more = (load.restart, load.close, load.delivered, load.measure)
    await serve({request.__name__: request for request in (*requests, *more)})
    os._exit(0)  # hundreds of connections are not worth closing one by one


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    uvloop.run(main())
