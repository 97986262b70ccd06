"""`hearing bench media`: what forwarding one packet costs, beside other engines in the same run."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from media.bench.engines import BenchmarkError, Engine, EngineMissingError
from media.bench.figures import median, paired_ratio
from media.bench.janus_engine import JanusEngine
from media.bench.layout import forwarding
from media.bench.machine import machine_facts
from media.bench.own_engine import MakeEngine, OwnEngine
from media.bench.relay_engine import RelayEngine
from media.bench.window import Row, Window, watch

logger = logging.getLogger(__name__)

COMPARATORS: Final[Mapping[str, Mapping[str, Callable[[], Engine]]]] = {
    "janus": {"janus": JanusEngine, "janus_event_loops": lambda: JanusEngine(event_loops=2)},
    "relay": {"relay": RelayEngine},
}
"""What `--against` may name, and the engines each stands for."""

_RELAY_SECONDS: Final = 2.0
"""It cannot bear the larger loads: a short look says so without filling the memory."""

_MEDIANS: Final = (
    "us_per_packet", "percent_of_core", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "loss_ratio",
    "packets_per_s", "frames_per_s", "rss_mib", "load_percent_of_core",
)  # fmt: skip

OnProgress = Callable[[str, float], None]
"""Called with what happens now and the share of the whole that is done, 0.0 to 1.0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardingBenchmark:
    """S senders, each forwarded to R receivers, in interleaved passes over all engines."""

    senders: int
    receivers: int
    seconds: float
    passes: int
    against: tuple[str, ...] = ()
    clip_folder: Path | None = None

    async def run(self, make: MakeEngine, progress: OnProgress) -> dict[str, Any]:
        """Return the document that `--json` prints. Raises BenchmarkError when our own engine cannot be measured."""
        makers: dict[str, Callable[[], Engine]] = {OwnEngine.name: lambda: OwnEngine(make)}
        for name in self.against:
            makers.update(COMPARATORS[name])
        rows = [await self._pass(number, makers, progress) for number in range(self.passes)]
        return self._document(rows)

    async def _pass(self, number: int, makers: dict[str, Callable[[], Engine]], progress: OnProgress) -> dict[str, Row]:
        """Measure each engine once. The order turns by one each pass, so that nobody always comes first."""
        rows: dict[str, Row] = {}
        turn = number % len(makers)
        order = (*tuple(makers)[turn:], *tuple(makers)[:turn])
        for place, name in enumerate(order):
            progress(f"pass {number + 1}: {name}", (number + place / len(order)) / self.passes)
            try:
                rows[name] = await watch(makers[name], forwarding(self.senders, self.receivers), self._window(name))
            except EngineMissingError as missing:
                logger.warning("%s is left out: %s", name, missing)
                rows[name] = {"missing": str(missing)}
                del makers[name]
            if "error" in rows[name]:
                if name == OwnEngine.name:
                    raise BenchmarkError(f"The engine broke down under the load: {rows[name]['error']}")
                logger.warning("%s broke down: %s", name, rows[name]["error"])
        return rows

    def _window(self, name: str) -> Window:
        window = Window(seconds=self.seconds, clips="benchmark", clip_folder=self.clip_folder)
        if name == RelayEngine.name:  # it decodes, which stamps prevent, and a coder would lose them
            return replace(window, seconds=min(self.seconds, _RELAY_SECONDS), stamps=False)
        return window

    def _document(self, passes: Sequence[Mapping[str, Row]]) -> dict[str, Any]:
        engines = {name: summary(passes, name) for name in dict.fromkeys(name for row in passes for name in row)}
        own = engines[OwnEngine.name]
        costs = [{name: row.get("us_per_packet") for name, row in rows.items()} for rows in passes]
        return {
            "us_per_packet": own["us_per_packet"],
            "percent_of_core": own["percent_of_core"],
            "latency_p50_ms": own["latency_p50_ms"],
            "latency_p99_ms": own["latency_p99_ms"],
            "loss_ratio": own["loss_ratio"],
            "ratio_to_janus": paired_ratio(costs, OwnEngine.name, "janus"),
            "ratio_to_janus_event_loops": paired_ratio(costs, OwnEngine.name, "janus_event_loops"),
            "ratio_to_relay": paired_ratio(costs, OwnEngine.name, "relay"),
            "compiled": own.get("compiled", False),
            "senders": self.senders,
            "receivers": self.receivers,
            "seconds": self.seconds,
            "engines": engines,
            "passes": passes,
            "machine": machine_facts(),
        }


def summary(passes: Sequence[Mapping[str, Row]], name: str) -> dict[str, Any]:
    """Return the medians of one engine over the passes, with its facts, and why figures are missing."""
    rows = [row[name] for row in passes if name in row]
    found: dict[str, Any] = {key: median(row.get(key) for row in rows) for key in _MEDIANS}
    found["passes"] = sum(1 for row in rows if row.get("us_per_packet") is not None)
    facts = ("version", "event_loops", "compiled", "missing", "error", "peak_rss_mib")
    found.update({key: row[key] for row in rows for key in facts if key in row})
    return found
