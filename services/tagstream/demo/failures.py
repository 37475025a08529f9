"""The one error of the demo."""

from __future__ import annotations

from tagstream.errors import TagstreamError


class DemoFailed(TagstreamError):
    """A step of the story did not happen; the message says which answer was wrong."""
