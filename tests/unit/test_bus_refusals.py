"""When messages that found their lane full come again."""

from __future__ import annotations

from tagstream.bus.refusals import Refusals

FIRST_S, LONGEST_S = 0.25, 16.0


def refusals(lane_limit: int = 8) -> Refusals:
    return Refusals(lane_limit=lane_limit, first_s=FIRST_S)


def test_the_wait_doubles_until_the_lane_has_finished_something() -> None:
    known = refusals()
    waits = [known.delay_s("slow.example", n, 0.0, 0.5) for n in (1, 2, 3, 20)]
    assert waits == [0.25, 0.5, 1.0, 8.0]


def test_they_come_back_twice_as_fast_as_the_lane_works() -> None:
    known = refusals(lane_limit=8)
    known.delay_s("a", 1, 0.0, 0.5)
    known.finished("a", 0.4)
    waits = [known.delay_s("a", 5, 0.0, 0.5) for _ in range(300)]
    # The last of 300 waits as long as half of them take: 150 x 0.4 s in 8 places.
    assert abs(waits[-1] - 300 * 0.4 / 16) < 0.1
    assert waits == sorted(waits)


def test_a_few_left_over_do_not_wait_longer_than_at_first() -> None:
    known = refusals()
    known.delay_s("a", 1, 0.0, 0.5)
    known.finished("a", 0.3)
    assert known.delay_s("a", 9, 100.0, 0.5) == FIRST_S


def test_nobody_waits_longer_than_the_longest() -> None:
    known = refusals(lane_limit=1)
    known.delay_s("a", 1, 0.0, 0.5)
    known.finished("a", 60.0)
    assert known.delay_s("a", 1, 0.0, 1.0) <= LONGEST_S * 1.5


def test_lanes_do_not_know_of_each_other() -> None:
    known = refusals()
    known.delay_s("a", 1, 0.0, 0.5)
    known.finished("a", 60.0)
    assert known.delay_s("b", 1, 0.0, 0.5) == FIRST_S
