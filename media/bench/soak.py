"""`hearing bench soak`: people come and go for a long time; what the engine holds must stay flat."""

import asyncio
import logging
import os
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from media.bench.child import Child, ChildError
from media.bench.figures import growth
from media.bench.forwarding import OnProgress
from media.bench.layout import Layout, Seat, courtrooms, plan_of, rooms
from media.bench.machine import machine_facts
from media.bench.own_engine import MakeEngine, OwnEngine
from media.bench.processes import footprint, udp_binds

logger = logging.getLogger(__name__)

ACTIONS: Final = ("join", "leave", "mute", "reconnect", "vanish")
"""`vanish`: the client is gone without a word. `reconnect`: it comes anew while the engine still holds the old one."""

_EVERY_S: Final = 10.0
_MEAN_PAUSE_S: Final = 1.0
_SETTLE_S: Final = 5.0
_MOST_WARM_UP_S: Final = 180.0
_FLAT: Final = 0.05
SHORTEST_JUDGED_MIN: Final = 5.0
"""Before that, memory still grows by what every process takes once: code that runs for the first time, and buffers."""

_STEADY: Final = ("descriptors", "threads", "binds", "client_tasks")


def verdict(grown: Mapping[str, float], failures: Mapping[str, int], *, is_long: bool) -> bool | None:
    """Return whether everything stayed flat. None: nothing else grew, but the run was too short to judge memory.

    Args:
        grown: By how much each of descriptors, threads, binds and client_tasks has grown, and `rss_ratio`, by which
            share memory has.
    """
    if failures or any(grown[name] > 0 for name in _STEADY):
        return False
    return grown["rss_ratio"] < _FLAT if is_long else None


@dataclass(slots=True)
class House:
    """Who is where. Pure: it decides what happens next, and takes note of it."""

    layout: Layout
    dice: random.Random
    present: set[str] = field(default_factory=set)
    muted: set[str] = field(default_factory=set)

    def next_action(self) -> tuple[str, Seat]:
        """Return what somebody does next. Nobody is left alone in a room for good: who is away tends to come back."""
        seat = self.dice.choice(self.layout)
        if seat.peer not in self.present:
            return "join", seat
        return self.dice.choice([action for action in ACTIONS if action != "join"]), seat

    def note(self, action: str, seat: Seat) -> None:
        """Take note that `action` happens."""
        if action in ("join", "reconnect"):
            self.present.add(seat.peer)
        elif action in ("leave", "vanish"):
            self.present.discard(seat.peer)
        else:
            self.muted ^= {seat.peer}

    def seats_in(self, room: str) -> Layout:
        """Return the seats of those present, each with the sources that are present."""
        here = [seat for seat in self.layout if seat.room == room and seat.peer in self.present]
        names = {seat.peer for seat in here}
        return tuple(
            Seat(peer=s.peer, room=room, sends=s.sends, sources=tuple(n for n in s.sources if n in names)) for s in here
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakBenchmark:
    """`hearings` rooms with `people` seats, `minutes` long; the same `seed` gives the same course of events.

    Memory is judged in runs of at least `judged_from_min`, everything else always.
    """

    minutes: float
    hearings: int = 2
    people: int = 4
    seed: int = 1
    clip_folder: Path | None = None
    judged_from_min: float = SHORTEST_JUDGED_MIN

    async def run(self, make: MakeEngine, progress: OnProgress) -> dict[str, Any]:
        """Return the document that `--json` prints."""
        engine = OwnEngine(make)
        try:
            await engine.start()
            async with Child("media.bench.load") as load:
                folder = str(self.clip_folder) if self.clip_folder else None
                await load.call("setup", clips="drawn", folder=folder, timeout_s=300)
                engine.carry_to(load)
                house = House(courtrooms(self.hearings, self.people), random.Random(self.seed))  # noqa: S311 (repeatable)
                return await _Course(self, engine, load, house, progress).run()
        finally:
            await engine.aclose()


class _Course:
    """One soak in progress."""

    def __init__(self, soak: SoakBenchmark, engine: OwnEngine, load: Child, house: House, progress: OnProgress) -> None:
        self._soak, self._engine, self._load, self._house, self._progress = soak, engine, load, house, progress
        self._began_s = 0.0
        self._samples: list[dict[str, float]] = []
        self._done: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()

    @property
    def _at_s(self) -> float:
        return time.monotonic() - self._began_s

    async def run(self) -> dict[str, Any]:
        total_s = self._soak.minutes * 60
        warm_up_s = min(_MOST_WARM_UP_S, total_s * 0.1)
        self._began_s = time.monotonic()
        for room in rooms(self._house.layout):
            await self._engine.engine.open_room(room)
        await self._fill()
        await self._until(warm_up_s)
        before = await self._full_house()
        await self._until(total_s)
        after = await self._full_house()
        return self._document(warm_up_s, before, after)

    async def _until(self, end_s: float) -> None:
        """Let people do things, and take samples, until `end_s` after the beginning."""
        next_sample_s = self._at_s
        while self._at_s < end_s:
            if self._at_s >= next_sample_s:
                next_sample_s += _EVERY_S
                self._samples.append(self._sample())
                share = self._at_s / (self._soak.minutes * 60)
                self._progress(f"soak: {sum(self._done.values())} actions", min(share, 1.0))
            await asyncio.sleep(min(self._house.dice.expovariate(1 / _MEAN_PAUSE_S), 5 * _MEAN_PAUSE_S))
            await self._do(*self._house.next_action())

    async def _do(self, action: str, seat: Seat) -> None:
        try:
            async with asyncio.timeout(90):
                await self._act(action, seat)
            self._done[action] += 1
        except (TimeoutError, ChildError) as error:
            logger.warning("%s of %s failed: %s", action, seat.peer, error)
            self._failed[action] += 1

    async def _act(self, action: str, seat: Seat) -> None:
        engine, load = self._engine.engine, self._load
        self._house.note(action, seat)
        if action == "join":
            await load.call("open", peer=seat.peer, sends=seat.sends)
        elif action == "reconnect":
            await load.call("restart", peer=seat.peer)
        elif action in ("leave", "vanish"):
            await load.call("close", peer=seat.peer)
            if action == "leave":
                await engine.close_peer(seat.room, seat.peer)
        await engine.apply(seat.room, plan_of(self._house.seats_in(seat.room), muted=frozenset(self._house.muted)))
        if action in ("join", "reconnect"):
            await self._engine.open(seat)
            await load.call("go", peers=[seat.peer])

    async def _fill(self) -> None:
        for seat in self._house.layout:
            if seat.peer not in self._house.present:
                await self._do("join", seat)

    async def _full_house(self) -> dict[str, float]:
        """Bring everybody in and return what is held then: the same state each time, so that it compares."""
        await self._fill()
        await asyncio.sleep(_SETTLE_S)
        before = (await self._load.call("delivered"))["packets"]
        await asyncio.sleep(2.0)
        after = (await self._load.call("delivered"))["packets"]
        silent = sorted(peer for peer in self._house.present if after.get(peer, 0) <= before.get(peer, 0))
        if silent:
            logger.warning("no packets reach %s", ", ".join(silent))
            self._failed["silent"] += len(silent)
        sample = self._sample()
        self._samples.append(sample)
        return sample

    def _sample(self) -> dict[str, float]:
        pids = self._engine.pids()
        held = footprint(pids)
        return {
            "at_s": round(self._at_s, 1),
            "people": len(self._house.present),
            "binds": udp_binds(pids),
            **asdict(held),
            "client_rss_mib": footprint([os.getpid()]).rss_mib,
            "client_tasks": len(asyncio.all_tasks()),
        }

    def _document(self, warm_up_s: float, before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, Any]:
        grown = {name: after[name] - before[name] for name in _STEADY}
        grown["rss_ratio"] = after["rss_mib"] / before["rss_mib"] - 1 if before["rss_mib"] else 0.0
        is_long = self._soak.minutes >= self._soak.judged_from_min
        return {
            "minutes": self._soak.minutes,
            "seed": self._soak.seed,
            "hearings": self._soak.hearings,
            "people": self._soak.people,
            "warm_up_s": warm_up_s,
            "actions": dict(self._done),
            "failures": dict(self._failed),
            "growth": grown,
            "rss_trend": growth([(row["at_s"], row["rss_mib"]) for row in self._samples], warm_up_s=warm_up_s),
            "is_flat": verdict(grown, self._failed, is_long=is_long),
            "samples": self._samples,
            "machine": machine_facts(),
        }
