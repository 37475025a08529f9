"""What an asker does about the signs of life that it hears, or does not hear."""

from __future__ import annotations

import pytest

from tagstream.bus.signs import (
    SIGN_EVERY_S,
    SIGN_FIRST_S,
    SIGN_HEADER,
    Asking,
    Sign,
    Step,
    is_replica_subject,
    replica_subject,
    sign_of,
)

NOW = 100.0


def waits_s(asking: Asking, now: float) -> float:
    return round(asking.due_at - now, 3)


def looking() -> Asking:
    asking = Asking(NOW)
    assert asking.on_silence(NOW) is Step.LOOK
    return asking


def test_a_request_that_nobody_serves_is_refused() -> None:
    assert Asking(NOW).on_sign(Sign.NOBODY, NOW) is Step.REFUSE


def test_once_somebody_had_it_nobody_means_wait_for_the_next_one() -> None:
    asking = Asking(NOW)
    asking.on_sign(Sign.WORKING, NOW)
    asking.on_silence(NOW + 3)
    assert asking.on_sign(Sign.NOBODY, NOW + 3) is Step.WAIT
    assert waits_s(asking, NOW + 3) == 0.5


def test_signs_keep_the_asker_waiting_two_of_them_may_get_lost() -> None:
    asking, now = Asking(NOW), NOW + SIGN_FIRST_S
    assert asking.due_at - now >= 2 * SIGN_FIRST_S
    for _ in range(60):
        assert asking.due_at > now
        assert asking.on_sign(Sign.WORKING, now) is Step.WAIT
        assert asking.due_at > now + 2 * SIGN_EVERY_S
        now += SIGN_EVERY_S


def test_the_first_that_is_there_gets_the_request_the_others_do_not() -> None:
    asking = looking()
    assert asking.on_sign(Sign.HERE, NOW) is Step.GIVE
    assert asking.on_sign(Sign.HERE, NOW) is Step.WAIT


def test_when_that_one_falls_silent_too_the_next_one_gets_it() -> None:
    asking = looking()
    asking.on_sign(Sign.HERE, NOW)
    assert asking.due_at > NOW
    assert asking.on_silence(NOW + 2) is Step.LOOK
    assert asking.on_sign(Sign.HERE, NOW + 2) is Step.GIVE


def test_who_still_works_after_all_keeps_it() -> None:
    asking = looking()
    assert asking.on_sign(Sign.WORKING, NOW) is Step.WAIT
    assert asking.on_sign(Sign.HERE, NOW) is Step.WAIT
    assert waits_s(asking, NOW) == 3


@pytest.mark.parametrize("sign", [Sign.LEAVING, Sign.NOBODY])
def test_who_says_that_it_goes_or_is_gone_is_replaced_without_waiting(sign: Sign) -> None:
    asking = Asking(NOW)
    asking.on_sign(Sign.WORKING, NOW)
    assert asking.on_sign(sign, NOW + 1) is Step.WAIT
    assert waits_s(asking, NOW + 1) == 0


def test_while_nobody_is_found_the_question_is_asked_twice_a_second() -> None:
    asking = looking()
    asking.on_sign(Sign.NOBODY, NOW)
    asking.on_sign(Sign.LEAVING, NOW)
    assert waits_s(asking, NOW) == 0.5
    assert asking.on_silence(NOW + 0.5) is Step.LOOK


def test_an_answer_is_no_sign_and_an_unknown_sign_is_one_of_life() -> None:
    assert sign_of(None) is None
    assert sign_of({"Tagstream-Error": "NotFound"}) is None
    assert sign_of({"Status": "503"}) is Sign.NOBODY
    assert sign_of({SIGN_HEADER: "leaving"}) is Sign.LEAVING
    assert sign_of({SIGN_HEADER: "resting"}) is Sign.WORKING


@pytest.mark.parametrize(
    "other", ["app.fetch", "app.fetch.replica.", "app.fetch.replica.a.b", "evil.replica.a", "", ">"]
)
def test_a_request_goes_to_replicas_of_its_service_alone(other: str) -> None:
    assert is_replica_subject("app.fetch", replica_subject("app.fetch", "0a1b"))
    assert not is_replica_subject("app.fetch", other)
