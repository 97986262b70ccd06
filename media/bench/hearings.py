"""`hearing bench hearings`: many small hearings at once on one computer."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from media.bench.engines import BenchmarkError, EngineMissingError
from media.bench.forwarding import OnProgress
from media.bench.janus_engine import JanusEngine
from media.bench.layout import courtrooms
from media.bench.machine import machine_facts
from media.bench.own_engine import MakeEngine, OwnEngine
from media.bench.window import Row, Window, watch

logger = logging.getLogger(__name__)

_WARM_UP_S: Final = 3.0
_KEYS: Final = (
    "latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "rss_mib", "pss_mib", "binds", "threads", "processes",
    "loss_ratio", "us_per_packet", "packets_per_s", "frames_per_s", "streams", "starved", "load_percent_of_core",
    "sent_ratio", "error", "version", "compiled",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingsBenchmark:
    """`count` courtrooms of `people` who all see and hear each other, at 320x180, 10 pictures a second, with sound."""

    count: int
    people: int
    seconds: float
    against: Sequence[str] = ()
    clip_folder: Path | None = None

    async def run(self, make: MakeEngine, progress: OnProgress) -> dict[str, Any]:
        """Return the document that `--json` prints. Raises BenchmarkError when our own engine cannot be measured."""
        layout = courtrooms(self.count, self.people)
        window = Window(seconds=self.seconds, clips="drawn", clip_folder=self.clip_folder, warm_up_s=_WARM_UP_S)
        progress(f"{self.count} hearings", 0.0)
        own = await watch(lambda: OwnEngine(make), layout, window)
        if "error" in own:
            raise BenchmarkError(f"The engine broke down under the load: {own['error']}")
        janus: dict[str, Any] | None = None
        if "janus" in self.against:
            progress(f"{self.count} hearings: janus", 0.5)
            try:
                janus = _document(await watch(lambda: JanusEngine(event_loops=2), layout, window))
            except EngineMissingError as missing:
                logger.warning("janus is left out: %s", missing)
        return {
            **_document(own),
            "hearings": self.count,
            "people": self.people,
            "seconds": self.seconds,
            "janus": janus,
            "machine": machine_facts(),
        }


def _document(row: Row) -> dict[str, Any]:
    return {"cpu_percent": row.get("percent_of_core"), **{key: row[key] for key in _KEYS if key in row}}
