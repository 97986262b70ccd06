"""A hearing's plan in the relay's words."""

import pytest

from hearing_server.domain.ids import SeatId
from hearing_server.domain.media_plan import Edge, MediaPlan, Rendition, Tap, TapPurpose
from hearing_server.domain.rooms import StreamKind
from hearing_server.services.relay_plan import relay_plan, wanted_taps
from media import plan as relay

JUDGE, PARTY = SeatId("judge"), SeatId("party")
PLAN = MediaPlan(
    frozenset({(JUDGE, StreamKind.AUDIO), (PARTY, StreamKind.VIDEO)}),
    frozenset({Edge(JUDGE, StreamKind.AUDIO, Rendition.ORIGINAL, PARTY)}),
    frozenset({Tap(JUDGE, StreamKind.AUDIO, Rendition.ORIGINAL, TapPurpose.RECORDER)}),
)


def test_seats_are_peers_and_nothing_is_added() -> None:
    assert relay_plan(PLAN) == relay.Plan(
        frozenset({("judge", relay.Kind.AUDIO), ("party", relay.Kind.VIDEO)}),
        frozenset({relay.Edge("judge", relay.Kind.AUDIO, "party")}),
    )


def test_only_what_the_plan_taps_is_tapped_and_only_where_somebody_records() -> None:
    ready = {(JUDGE, StreamKind.AUDIO): "/a", (PARTY, StreamKind.VIDEO): "/b"}
    assert wanted_taps(PLAN, ready) == {(JUDGE, StreamKind.AUDIO): "/a"}
    assert wanted_taps(PLAN, {}) == {}


@pytest.mark.parametrize(
    ("actual", "wanted", "expected"), [("abc", "bcd", "bc"), ("ab", "cd", ""), ("", "ab", ""), ("ab", "ab", "ab")]
)
def test_what_ends_ends_before_anything_begins(actual: str, wanted: str, expected: str) -> None:
    def plan(names: str) -> relay.Plan:
        publishers = frozenset((name, relay.Kind.AUDIO) for name in names)
        return relay.Plan(publishers, frozenset(relay.Edge(name, relay.Kind.AUDIO, "x") for name in names))

    assert relay.common(plan(actual), plan(wanted)) == plan(expected)
