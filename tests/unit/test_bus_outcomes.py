from __future__ import annotations

import pytest

from tagstream.bus.outcomes import (
    Ack,
    DeadLetter,
    Deferred,
    Nak,
    Outcome,
    decide_disposition,
)
from tagstream.errors import Conflict, InvalidInput, NotFound, Unavailable, Upstream


def decide(
    result: Outcome | Deferred | BaseException, attempts: int = 1, rand: float = 0.0
) -> Ack | Nak | DeadLetter:
    return decide_disposition(result, attempts, max_deliveries=5, rand=rand)


def delay(result: Deferred | BaseException, attempts: int = 1, rand: float = 0.0) -> float:
    disposition = decide(result, attempts, rand)
    assert isinstance(disposition, Nak)
    return disposition.delay_s


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_finishes_the_message(outcome: Outcome) -> None:
    assert decide(outcome) == Ack()


def test_an_object_that_is_gone_finishes_the_message() -> None:
    assert decide(NotFound("no such stream")) == Ack()


def test_a_deferral_waits_as_long_as_asked_however_often_it_came() -> None:
    assert decide(Deferred(7.5), attempts=1000) == Nak(7.5)


def test_invalid_input_is_put_aside_at_once_and_names_the_field() -> None:
    disposition = decide(InvalidInput("spec.tags[0].from", "is empty; name an image"))
    assert isinstance(disposition, DeadLetter)
    assert "spec.tags[0].from" in disposition.reason


def test_a_conflict_is_retried_soon_three_times_and_then_slower() -> None:
    delays = [delay(Conflict(), attempt) for attempt in range(1, 7)]
    assert all(pause < 0.35 for pause in delays[:3])
    assert delays[3:] == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    "error", [Unavailable(), Upstream("502", code=502, transient=True), Conflict()]
)
def test_waiting_for_somebody_else_never_costs_the_message(error: Exception) -> None:
    assert 10.0 <= delay(error, attempts=10_000) <= 300.0


def test_a_registry_that_names_a_delay_is_not_asked_earlier() -> None:
    error = Upstream("slow down", code=429, transient=True, retry_after_s=90.0)
    assert 90.0 <= delay(error, attempts=1) <= delay(error, attempts=9, rand=0.99) <= 100.0


def test_an_unforeseen_error_is_retried_ever_later_and_then_put_aside() -> None:
    error = KeyError("tag")
    assert [delay(error, attempt) for attempt in range(1, 5)] == [1.0, 2.0, 4.0, 8.0]
    disposition = decide(error, attempts=5)
    assert isinstance(disposition, DeadLetter)
    assert "KeyError" in disposition.reason


def test_a_lasting_refusal_that_no_handler_caught_counts_as_unforeseen() -> None:
    assert isinstance(decide(Upstream("forbidden", code=403), attempts=5), DeadLetter)


@pytest.mark.parametrize("error", [Unavailable(), KeyError("x"), Conflict()])
def test_no_retry_comes_at_once(error: Exception) -> None:
    assert all(delay(error, n, rand) > 0.04 for n in range(1, 5) for rand in (0.0, 0.999))
