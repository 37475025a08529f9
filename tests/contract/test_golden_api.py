"""Bare requests that a real OpenShift API server answered, replayed against a running stack."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fakes.golden_session import check_case, replay_cases, require_recordings
from fakes.recordings import load_api_cases
from fakes.stack import Stack

CASES = load_api_cases()
EXPECTED_FAILURES: Mapping[str, str] = {}

pytestmark = pytest.mark.xdist_group("stack")


@pytest.fixture(scope="session")
def replayed_requests(request: pytest.FixtureRequest) -> Mapping[str, list[str]]:
    """The differences of each case, after all of them were replayed in order."""
    require_recordings()
    stack: Stack = request.getfixturevalue("stack")
    return replay_cases(stack, CASES, "goldraw")


def test_the_recorded_requests_are_at_hand() -> None:
    require_recordings()


@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_a_request_is_answered_as_openshift_does(
    replayed_requests: Mapping[str, list[str]], name: str
) -> None:
    check_case(replayed_requests, name, EXPECTED_FAILURES)
