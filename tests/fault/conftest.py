"""One stack for all tests that mistreat a whole one, and a registry that it imports from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakes.registry import FakeRegistry
from fakes.stack import Stack
from fakes.stack_faults import start_faulty_stack


@pytest.fixture(scope="session")
def faulty_stack() -> Iterator[Stack]:
    """Two apis and two tag-trackers; mark its users as xdist group `stack-faults`."""
    with start_faulty_stack() as started:
        yield started


@pytest.fixture(scope="session")
def faulty_registry() -> Iterator[FakeRegistry]:
    """Holds nothing yet."""
    registry = FakeRegistry()
    registry.start_in_thread()
    yield registry
    registry.stop_in_thread()
