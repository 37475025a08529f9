"""The one error that this part raises at a person: what is wrong and how to put it right.

Owns nothing else; errors of the domain are in `tagstream.errors`.
"""

from __future__ import annotations

from tagstream.errors import TagstreamError


class SetupError(TagstreamError):
    """The stack cannot start or run like this.

    The message is one line for a terminal and names the fix.
    """
