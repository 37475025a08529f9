from __future__ import annotations

from tagstream.bus.lanes import Lanes


def lanes(**changes: int) -> Lanes[str]:
    settings = {"concurrency": 4, "lane_limit": 1, "lane_waiting_max": 2, "waiting_max": 8}
    return Lanes(**{**settings, **changes})


def take_all(chosen: Lanes[str]) -> list[str]:
    taken = []
    while (item := chosen.take()) is not None:
        taken.append(item)
    return taken


def test_one_key_runs_one_after_another_in_order() -> None:
    chosen = lanes()
    for item in ("a1", "a2", "a3"):
        assert chosen.offer("a", item)
    order: list[str] = []
    while (first := chosen.take()) is not None:
        assert chosen.take() is None
        order.append(first)
        chosen.done("a")
    assert order == ["a1", "a2", "a3"]


def test_different_keys_run_beside_one_another_up_to_the_limit() -> None:
    chosen = lanes(concurrency=2)
    for key in "abc":
        chosen.offer(key, key)
    assert take_all(chosen) == ["a", "b"]
    chosen.done("a")
    assert take_all(chosen) == ["c"]


def test_a_full_lane_refuses_and_leaves_room_for_others() -> None:
    chosen = lanes()
    assert [chosen.offer("slow", f"s{n}") for n in range(5)] == [True, True, True, False, False]
    assert take_all(chosen) == ["s0"]
    assert chosen.offer("other", "o")
    assert take_all(chosen) == ["o"]


def test_many_slow_lanes_cannot_use_up_every_place() -> None:
    chosen = lanes(concurrency=3, waiting_max=2)
    for key in ("s1", "s2"):
        assert chosen.offer(key, key)
        assert chosen.take() == key
        assert chosen.offer(key, f"{key} again")
    assert not chosen.offer("s1", "too many")
    assert chosen.free() == 1
    assert chosen.offer("quick", "q")
    assert take_all(chosen) == ["q"]


def test_keys_take_turns() -> None:
    chosen = lanes(concurrency=1, lane_waiting_max=9, waiting_max=9)
    for item in ("a1", "a2", "a3"):
        chosen.offer("a", item)
    chosen.offer("b", "b1")
    order: list[str] = []
    while (turn := chosen.take()) is not None:
        order.append(turn)
        chosen.done(turn[0])
    assert order == ["a1", "b1", "a2", "a3"]


def test_what_has_not_started_can_be_taken_back() -> None:
    chosen = lanes()
    for item in ("a1", "a2"):
        chosen.offer("a", item)
    assert chosen.take() == "a1"
    assert chosen.clear_waiting() == ["a2"]
    chosen.done("a")
    assert chosen.take() is None
    assert chosen.free() == 12
