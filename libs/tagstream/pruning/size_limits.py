"""How large an image may be in a namespace: LimitRanges of type `openshift.io/Image`. Pure.

Owns the reading of quantities, as Kubernetes writes them (`100Mi`, `1.5G`, `2e9`). Source:
spec/triggers-lookup-pruning.md D1 and D4; image-api-and-import.md §10.2.
"""

from __future__ import annotations

import re
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from tagstream.errors import InvalidInput

#: The type of the limits that count.
IMAGE_LIMIT: Final = "openshift.io/Image"

_UNITS: Final = {
    "": Decimal(1),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
    **{unit: Decimal(1000) ** -power for power, unit in enumerate("mun", 1)},
}
_QUANTITY = re.compile(
    r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[eE]([+-]?[0-9]{1,9})|([KMGTPE]i|[numkMGTPE]|))",
    re.ASCII,
)
_LONGEST_TEXT = 200
_INT64_MAX = 2**63 - 1
# A number so long is over or under every other one all the same.
_MOST_DIGITS = 2 * _LONGEST_TEXT


def parse_quantity(field: str, text: str) -> Decimal:
    """A quantity's value, between the ends of a 64-bit number. Raises InvalidInput."""
    found = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST_TEXT else None
    if found is None:
        raise InvalidInput(
            field, f"{text[:_LONGEST_TEXT]!r} is no quantity; write it like 100Mi, 1.5G or 2e9"
        )
    number, exponent, unit = found.groups()
    digits = max(-_MOST_DIGITS, min(int(exponent or 0), _MOST_DIGITS))
    value = Decimal(number).scaleb(digits) * _UNITS[unit or ""]
    return max(min(value, Decimal(_INT64_MAX)), Decimal(-_INT64_MAX))


def parse_size(field: str, text: str) -> int:
    """Whole bytes of a quantity; what is over a byte is cut off, since images have whole ones.

    Raises InvalidInput.
    """
    return int(parse_quantity(field, text).to_integral_value(ROUND_FLOOR))
