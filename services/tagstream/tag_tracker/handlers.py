"""What the tag-tracker does when something needs an import and when one has ended.

A message only says where to look: what is done follows from the rows as they are now.
"""

from __future__ import annotations

from tagstream.bus.outcomes import Outcome
from tagstream.errors import InvalidInput
from tagstream.events.envelope import CloudEvent
from tagstream.events.facts import ImportFact, ImportRequested, parse_fact
from tagstream.tag_tracker.applying import apply_import
from tagstream.tag_tracker.deps import Deps
from tagstream.tag_tracker.ordering import PENDING, order_imports


async def on_import_requested(event: CloudEvent, deps: Deps) -> Outcome:
    """Order the imports that the stream needs now."""
    fact = parse_fact(event.type, event.data)
    if not isinstance(fact, ImportRequested):
        raise InvalidInput("type", f"{event.type} is not a wish for an import")
    return await order_imports(deps, fact.namespace, fact.stream, PENDING)


async def on_import_finished(event: CloudEvent, deps: Deps) -> Outcome:
    """Apply what the import found."""
    fact = parse_fact(event.type, event.data)
    if not isinstance(fact, ImportFact):
        raise InvalidInput("type", f"{event.type} is not the end of an import")
    return await apply_import(deps, fact.import_id)
