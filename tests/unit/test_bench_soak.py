"""What a long run is judged by."""

import random
from collections.abc import Mapping

import pytest

from media.bench.layout import courtrooms
from media.bench.soak import ACTIONS, House, verdict

FLAT: Mapping[str, float] = {"descriptors": 0, "threads": 0, "binds": 0, "client_tasks": -1, "rss_ratio": 0.04}


@pytest.mark.parametrize(
    ("changed", "failures", "is_long", "expected"),
    [
        ({}, {}, True, True),
        ({}, {}, False, None),
        ({"rss_ratio": 0.05}, {}, True, False),
        ({"rss_ratio": 0.5}, {}, False, None),
        ({"rss_ratio": -0.2}, {}, True, True),
        ({"descriptors": 1}, {}, True, False),
        ({"descriptors": 1}, {}, False, False),
        ({"threads": 1}, {}, True, False),
        ({"binds": 2}, {}, False, False),
        ({"client_tasks": 3}, {}, True, False),
        ({}, {"join": 1}, True, False),
        ({}, {"silent": 1}, False, False),
    ],
)
def test_what_grew_or_failed_is_not_flat(
    changed: Mapping[str, float], failures: Mapping[str, int], is_long: bool, expected: bool | None
) -> None:
    assert verdict({**FLAT, **changed}, failures, is_long=is_long) is expected


def test_everything_happens_in_a_house_and_the_same_seed_repeats_it() -> None:
    def course(seed: int) -> list[tuple[str, str]]:
        house = House(courtrooms(2, 4), random.Random(seed))
        happened = []
        for _ in range(400):
            action, seat = house.next_action()
            house.note(action, seat)
            happened.append((action, seat.peer))
        return happened

    assert {action for action, _ in course(1)} == set(ACTIONS)
    assert course(1) == course(1)
    assert course(1) != course(2)
