"""One engine under one load for one window of time."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from media.bench.child import Child, ChildError
from media.bench.engines import Engine
from media.bench.figures import loss_ratio, ratio
from media.bench.layout import Layout, streams_of
from media.bench.processes import footprint, udp_binds
from media.replay.clip import AUDIO_FRAME_S

logger = logging.getLogger(__name__)

WARM_UP_S: Final = 1.5

Row = dict[str, Any]
"""The figures of one window. `error` instead of figures: the engine broke down under the load.

`sent_ratio` tells whether the load itself kept up: sound that it sent, as a share of what was due.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How long to look, and with what clips: "benchmark" or "drawn"."""

    seconds: float
    clips: str
    clip_folder: Path | None
    warm_up_s: float = WARM_UP_S
    stamps: bool = True


async def watch(make: Callable[[], Engine], layout: Layout, window: Window) -> Row:
    """Start a fresh engine and a fresh load, connect everybody, warm up, measure, and end both.

    An engine that breaks down gets a second chance; then the row says `error`. Raises EngineMissingError.
    """
    row = await _watch_once(make, layout, window)
    if "error" in row:  # on a busy computer a handshake may time out
        logger.info("measured once more after %s", row["error"])
        row = await _watch_once(make, layout, window)
    return row


async def _watch_once(make: Callable[[], Engine], layout: Layout, window: Window) -> Row:
    engine = make()
    try:
        await engine.start()
        async with Child("media.bench.load") as load:
            return await _measure(engine, layout, window, load)
    except (ChildError, TimeoutError, ConnectionError) as error:
        return {"error": f"{type(error).__name__}: {error}", **engine.facts()}
    finally:
        await engine.aclose()


async def _measure(engine: Engine, layout: Layout, window: Window, load: Child) -> Row:
    folder = str(window.clip_folder) if window.clip_folder else None
    await load.call("setup", clips=window.clips, folder=folder, stamps=window.stamps, timeout_s=300)
    for seat in layout:
        await load.call("open", peer=seat.peer, sends=seat.sends)
    await engine.connect(layout, load)
    await load.call("go")
    await asyncio.sleep(window.warm_up_s)
    due = {seat.peer: len(seat.sources) for seat in layout}
    carrying = [pid for pid in engine.pids() if udp_binds([pid])]  # others may be starting just now
    measured = await load.call("measure", pids=carrying, seconds=window.seconds, due=due, timeout_s=window.seconds + 60)
    pids = engine.pids()
    held = footprint(pids)
    row = row_of(measured, streams_of(layout), sum(seat.sends for seat in layout))
    row.update(asdict(held), binds=udp_binds(pids))
    return {**row, **engine.facts()}


def row_of(measured: dict[str, Any], streams: int, senders: int) -> Row:
    """Return the figures of one window from what the load counted.

    `streams`: how many of each kind there ought to be. `senders`: how many people send them.
    """
    wall_s = measured["wall_s"]
    packets = measured["audio"]["packets"] + measured["video"]["packets"]
    expected = measured["audio"]["expected"] + measured["video"]["expected"]
    cpu_s = measured["engine_cpu_s"]
    per_packet = ratio(cpu_s * 1e6, packets)
    return {
        "us_per_packet": per_packet,
        "percent_of_core": 100 * cpu_s / wall_s,
        "latency_p50_ms": measured["latency_p50_ms"],
        "latency_p95_ms": measured["latency_p95_ms"],
        "latency_p99_ms": measured["latency_p99_ms"],
        "loss_ratio": loss_ratio(expected, packets),
        "packets_per_s": packets / wall_s,
        "frames_per_s": measured["video"]["frames"] / wall_s / streams,
        "streams": measured["audio"]["streams"] + measured["video"]["streams"],
        "starved": measured["starved"],
        "sent_ratio": ratio(measured["audio"]["sent"] * AUDIO_FRAME_S, senders * wall_s),
        "load_percent_of_core": 100 * measured["load_cpu_s"] / wall_s,
        "seconds": wall_s,
    }
