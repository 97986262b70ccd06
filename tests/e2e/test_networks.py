"""People with bad networks: one whose datagrams get lost, and one who has nothing but TCP to a TURN server."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.courtroom import Courtroom, press
from tests.e2e.demo_server import DemoServer
from tests.e2e.lossy_line import LossyLine
from tests.e2e.media_checks import flowing, packets_from, read, receives_nothing, sees, until
from tests.turn_server import SECRET, turn_server

PICTURES = Path(__file__).parents[2] / "test-results" / "pages"
_BY_RELAY_ONLY = """
window.RTCPeerConnection = new Proxy(window.RTCPeerConnection, {
  construct: (native, [settings]) => new native({ ...settings, iceTransportPolicy: "relay" }),
});
"""
_WITHOUT_CREDENTIALS = """
window.RTCPeerConnection = new Proxy(window.RTCPeerConnection, {
  construct: (native, [settings]) => new native({ ...settings, iceServers: [], iceTransportPolicy: "relay" }),
});
"""
# [type of the own candidate, how it reaches the TURN server] of each pair in use.
_ROUTES = """async () => {
  const routes = [];
  for (const connection of hearingProbe.connections) {
    const stats = await connection.getStats();
    for (const one of stats.values()) {
      if (one.type !== "transport" || !one.selectedCandidatePairId) continue;
      const local = stats.get(stats.get(one.selectedCandidatePairId).localCandidateId);
      routes.push([local.candidateType, local.relayProtocol]);
    }
  }
  return routes;
}"""


@pytest.fixture
def turn_courtroom(tmp_path: Path, new_page: Callable[..., Page]) -> Iterator[Courtroom]:
    with turn_server(tmp_path) as turn:
        urls = f'["turn:127.0.0.1:{turn.port}?transport=tcp"]'
        server = DemoServer(tmp_path, HEARING_TURN_URLS=urls, HEARING_TURN_SECRET=SECRET)
        try:
            yield Courtroom(server, new_page)
        finally:
            server.stop()


def test_a_page_that_has_only_tcp_takes_part_through_turn(turn_courtroom: Courtroom) -> None:
    server = turn_courtroom.server
    judge_seat, first, second = server.person("presiding_judge"), server.person("party", 0), server.person("party", 1)
    judge = turn_courtroom.join(judge_seat)
    relayed = turn_courtroom.join(first, init_script=_BY_RELAY_ONLY)
    press(judge, "start")
    flowing(judge, first.seat_id)
    flowing(relayed, judge_seat.seat_id)
    assert relayed.evaluate(_ROUTES) == [["relay", "tcp"]] * 2, "uplink and downlink"
    assert judge.evaluate(_ROUTES) != [["relay", "tcp"]] * 2, "the control: others connect directly"

    cut_off = turn_courtroom.join(second, init_script=_WITHOUT_CREDENTIALS)
    receives_nothing(cut_off, while_growing=lambda: packets_from(relayed, judge_seat.seat_id, "audio"), by=300)
    assert cut_off.evaluate(_ROUTES) == []
    assert packets_from(judge, second.seat_id, "audio") == 0


@pytest.mark.full
def test_a_weak_network_is_shown_and_pictures_return(
    courtroom: Courtroom, record_property: Callable[[str, object], None]
) -> None:
    server = courtroom.server
    judge_seat, weak = server.person("presiding_judge"), server.person("party", 0)
    other_seat = server.person("party", 1)
    PICTURES.mkdir(parents=True, exist_ok=True)
    with LossyLine(seed=5) as line:
        judge = courtroom.join(judge_seat)
        page = courtroom.join(weak, prepare=line.detour)
        other = courtroom.join(other_seat, locale="en-GB")
        press(judge, "start")
        flowing(page, judge_seat.seat_id)
        flowing(judge, weak.seat_id)
        flowing(other, judge_seat.seat_id)
        assert line.carried > 100, "the control: the page has no other way"
        tile = judge.get_by_test_id(f"tile:{weak.seat_id}")

        def frames() -> int:
            return read(page).streams[judge_seat.seat_id, "video"].frames

        for cycle in range(3):
            line.ratio, began = 0.30, time.monotonic()
            until(judge, lambda: "看不到画面" in tile.inner_text(), what="the judge is told", timeout_s=60)
            record_property(
                f"Chromium: loss -> the judge is told, cycle {cycle}, s", round(time.monotonic() - began, 1)
            )
            until(
                page, lambda: "只送声音" in page.get_by_test_id("banner:weak").inner_text(), what="the person is told"
            )
            page.wait_for_timeout(4000)
            look(cycle, judge=judge, person=page)
            still = frames()
            heard = packets_from(page, judge_seat.seat_id, "audio")
            until(page, lambda: packets_from(page, judge_seat.seat_id, "audio") > heard + 50, what="sound goes on")  # noqa: B023 - called at once
            assert frames() == still, "no pictures"
            line.ratio, ended = 0.0, time.monotonic()
            until(page, lambda: frames() > still, what="pictures are back")  # noqa: B023 - called at once
            record_property(
                f"Chromium: loss ends -> first picture, cycle {cycle}, s", round(time.monotonic() - ended, 1)
            )
            until(judge, lambda: "看不到画面" not in tile.inner_text(), what="the judge is told of it")
            page.wait_for_timeout(2000)
        sees(page, judge_seat.seat_id)
        sees(other, judge_seat.seat_id)
        assert line.lost > 100


def look(cycle: int, **pages: Page) -> None:
    """Keep pictures of the pages in both languages, once."""
    if cycle > 0:
        return
    for name, page in pages.items():
        for _ in range(2):
            language: Any = page.evaluate("document.documentElement.lang")
            page.screenshot(path=PICTURES / f"weak-network-{name}.{language}.png")
            page.get_by_test_id("language").click()
            until(page, lambda: page.evaluate("document.documentElement.lang") != language, what="the language changes")  # noqa: B023 - called at once
