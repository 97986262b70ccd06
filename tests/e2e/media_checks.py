"""What a page really receives: readings of getStats() in two moments, never the mere presence of an element."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from playwright.sync_api import Page

PROBE = Path(__file__).with_name("probe.js")
PATIENCE_S = 90.0  # for a loaded machine of two cores; everything here normally takes a second or two
# Of a full-scale tone, per second: 0.5. Half a second of quiet speech has more than this, minutes of silence have less.
SOUND_ENERGY = 1e-5
Kind = Literal["audio", "video"]
T = TypeVar("T")

# Standard deviation of the brightness of a tile's present picture, 0-128: near 0 is black or one flat colour.
_CONTRAST = """video => {
  const canvas = new OffscreenCanvas(32, 18), context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, 32, 18);
  const { data } = context.getImageData(0, 0, 32, 18);
  const luma = Array.from({ length: data.length / 4 }, (_, i) => (data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) / 3);
  const mean = luma.reduce((sum, one) => sum + one, 0) / luma.length;
  return Math.sqrt(luma.reduce((sum, one) => sum + (one - mean) ** 2, 0) / luma.length);
}"""


class NeverHappenedError(AssertionError):
    """The page did not reach the wanted condition in time."""


@dataclass(frozen=True, slots=True)
class Stream:
    packets: int
    frames: int
    energy: float


@dataclass(frozen=True, slots=True)
class Reading:
    received: dict[Kind, int]  # RTP packets on all peer connections the page ever had
    frames: int  # decoded, of all streams
    sent: dict[Kind, int]  # RTP packets
    streams: dict[tuple[str, Kind], Stream]  # by (seat_id, kind), as the server labelled them
    last_packet_at_ms: float | None  # since 1970


def read(page: Page) -> Reading:
    raw: dict[str, Any] = page.evaluate("hearingProbe.read()")
    streams: dict[tuple[str, Kind], Stream] = {}
    for name, one in raw["streams"].items():
        seat_id, kind = name.split("/")
        streams[seat_id, kind] = Stream(**one)
    return Reading(
        received=raw["received"],
        frames=raw["frames"],
        sent=raw["sent"],
        streams=streams,
        last_packet_at_ms=raw["lastPacketAtMs"],
    )


def rtp_received(page: Page) -> int:
    """RTP packets received since the page was loaded, over all its peer connections."""
    return sum(read(page).received.values())


def until(page: Page, look: Callable[[], T], *, what: str, timeout_s: float = PATIENCE_S) -> T:
    """Return the first true value of `look()`, asked for every 100 ms. Raises NeverHappenedError.

    Playwright's own `wait_for_function` does not await promises, so that a check of getStats() with it always passes.
    """
    end = time.monotonic() + timeout_s
    while not (value := look()):
        if time.monotonic() > end:
            raise NeverHappenedError(f"{what}: not within {timeout_s:g} s; last value {value!r}")
        page.wait_for_timeout(100)
    return value


def hears(page: Page, seat_id: str, *, timeout_s: float = PATIENCE_S) -> None:
    """Wait until sound of `seat_id` arrives at `page`: packets and sound energy both grow."""
    first = _wait_for_stream(page, seat_id, "audio", timeout_s)

    def grown() -> bool:
        now = read(page).streams.get((seat_id, "audio"))
        return now is not None and now.packets >= first.packets + 10 and now.energy > first.energy + SOUND_ENERGY

    until(page, grown, what=f"sound of {seat_id} grows", timeout_s=timeout_s)


def sees(page: Page, seat_id: str, *, timeout_s: float = PATIENCE_S) -> None:
    """Wait until moving pictures of `seat_id` are decoded and shown in its tile, and are not one flat colour."""
    first = _wait_for_stream(page, seat_id, "video", timeout_s)

    def grown() -> bool:
        now = read(page).streams.get((seat_id, "video"))
        return now is not None and now.frames >= first.frames + 3

    until(page, grown, what=f"frames of {seat_id} grow", timeout_s=timeout_s)
    video = page.get_by_test_id(f"tile:{seat_id}").locator("video").first

    def shown() -> bool:
        return video.count() > 0 and bool(video.evaluate("v => v.videoWidth > 0")) and video.evaluate(_CONTRAST) > 8

    until(page, shown, what=f"the tile of {seat_id} shows a picture", timeout_s=timeout_s)


def flowing(page: Page, seat_id: str, *, timeout_s: float = PATIENCE_S) -> None:
    """Wait until `page` sees and hears `seat_id`."""
    sees(page, seat_id, timeout_s=timeout_s)
    hears(page, seat_id, timeout_s=timeout_s)


def packets_from(page: Page, seat_id: str, kind: Kind) -> int:
    """Packets on the section that carries this stream now; 0 when the server labels none."""
    stream = read(page).streams.get((seat_id, kind))
    return stream.packets if stream else 0


def receives_nothing(
    page: Page, *, while_growing: Callable[[], int], by: int = 100, timeout_s: float = PATIENCE_S
) -> None:
    """Assert that `page` gets no RTP packet while the control count `while_growing` grows by `by`.

    The control is somebody who does receive: a relay that stands still proves nothing.
    """
    before, control = rtp_received(page), while_growing()
    until(page, lambda: while_growing() >= control + by, what="the control receives", timeout_s=timeout_s)
    assert rtp_received(page) == before, f"{rtp_received(page) - before} packets arrived where none may"


def _wait_for_stream(page: Page, seat_id: str, kind: Kind, timeout_s: float) -> Stream:
    def labelled() -> Stream | None:
        return read(page).streams.get((seat_id, kind))

    stream = until(page, labelled, what=f"{kind} of {seat_id}", timeout_s=timeout_s)
    assert stream is not None
    return stream
