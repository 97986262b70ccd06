"""Who is connected to whom in a benchmark, and what people do in a soak."""

import random

import pytest

from media.bench.layout import courtrooms, forwarding, plan_of, rooms, streams_of
from media.bench.soak import House
from media.plan import Kind


def test_eight_people_forwarded_to_seven_are_a_courtroom() -> None:
    layout = forwarding(8, 7)
    assert len(layout) == 8
    assert streams_of(layout) == 56
    assert all(seat.sends and seat.peer not in seat.sources and len(seat.sources) == 7 for seat in layout)


def test_other_numbers_have_receivers_of_their_own() -> None:
    layout = forwarding(2, 5)
    assert [seat.sends for seat in layout] == [True] * 2 + [False] * 5
    assert streams_of(layout) == 10
    assert streams_of(forwarding(1, 1)) == 1


@pytest.mark.parametrize(("senders", "receivers"), [(0, 1), (1, 0)])
def test_nobody_is_no_benchmark(senders: int, receivers: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        forwarding(senders, receivers)


def test_courtrooms_do_not_hear_each_other() -> None:
    layout = courtrooms(3, 4)
    assert streams_of(layout) == 3 * 4 * 3
    for room, seats in rooms(layout).items():
        names = {seat.peer for seat in seats}
        assert len(names) == 4
        plan = plan_of(seats)
        assert len(plan.edges) == 4 * 3 * 2
        assert {edge.source for edge in plan.edges} | {edge.receiver for edge in plan.edges} == names, room


def test_the_sound_of_the_muted_goes_nowhere_and_their_picture_stays() -> None:
    seats = forwarding(3, 2)
    plan = plan_of(seats, muted=frozenset({"s1"}))
    of_muted = {edge.kind for edge in plan.edges if edge.source == "s1"}
    assert of_muted == {Kind.VIDEO}
    assert {edge.kind for edge in plan.edges if edge.source == "s0"} == {Kind.AUDIO, Kind.VIDEO}, "control"


def test_a_house_only_does_what_is_possible_and_does_everything() -> None:
    house = House(courtrooms(2, 4), random.Random(3))
    seen = set()
    for _ in range(500):
        action, seat = house.next_action()
        assert (action == "join") == (seat.peer not in house.present)
        house.note(action, seat)
        seen.add(action)
    assert seen == {"join", "leave", "mute", "reconnect", "vanish"}


def test_the_same_seed_gives_the_same_course() -> None:
    def course(seed: int) -> list[tuple[str, str]]:
        house = House(courtrooms(2, 4), random.Random(seed))
        steps = []
        for _ in range(50):
            action, seat = house.next_action()
            house.note(action, seat)
            steps.append((action, seat.peer))
        return steps

    assert course(5) == course(5)
    assert course(5) != course(6), "control"


def test_who_left_is_neither_source_nor_receiver() -> None:
    house = House(courtrooms(1, 3), random.Random(0))
    for seat in house.layout:
        house.note("join", seat)
    house.note("vanish", house.layout[0])
    seats = house.seats_in("room0")
    assert [seat.peer for seat in seats] == ["h0p1", "h0p2"]
    assert all("h0p0" not in seat.sources and len(seat.sources) == 1 for seat in seats)
