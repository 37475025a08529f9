"""What every message class of the contract shares: its JSON form, its integers and its times.

The JSON form is proto3 JSON: lowerCamelCase names, default values left out, times in RFC 3339 with
0, 3 or 6 digits of a second. A reader ignores fields that it does not know, so that the next
release may add some.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError
from pydantic.alias_generators import to_camel

from tagstream.errors import InvalidInput


def format_timestamp(time: datetime) -> str:
    """An aware time as proto3 JSON writes a Timestamp: UTC, `Z`, as few digits as will do."""
    text = time.astimezone(UTC).replace(tzinfo=None)
    if text.microsecond == 0:
        return text.isoformat() + "Z"
    digits = "milliseconds" if text.microsecond % 1000 == 0 else "microseconds"
    return text.isoformat(timespec=digits) + "Z"


Int32 = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Timestamp = Annotated[AwareDatetime, PlainSerializer(format_timestamp, return_type=str)]


class Part(BaseModel):
    """A value in proto3 JSON: a message of the contract, or a part of one."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
    )


class TagGeneration(Part):
    """One tag and the generation of its specification that is meant."""

    tag: str = ""
    generation: Int32 = 0


class TagResult(Part):
    """What importing one tag came to: a digest, or a reason and a message."""

    tag: str = ""
    generation: Int32 = 0
    digest: str = ""
    reason: str = ""
    message: str = ""


class Message(Part):
    """What facts and jobs have in common; every field is described in `proto/tagstream/v1`.

    `position` stays empty until the journal stamps it, at the very end of the transaction.
    """

    TYPE: ClassVar[str]

    namespace: str = ""
    stream: str = ""
    stream_uid: str = ""
    generation: Int32 = 0
    position: str = ""
    actor: str = ""
    cause: str = ""
    command_id: str = ""
    occurred_at: Timestamp | None = None

    def to_data(self, position: int | None = None) -> dict[str, object]:
        """The message as proto3 JSON, stamped with the position if one is given."""
        data: dict[str, object] = self.model_dump(mode="json", exclude_defaults=True)
        if position is not None:
            data["position"] = str(position)
        return data

    @classmethod
    def parse(cls, data: bytes | Mapping[str, object]) -> Self:
        """Read the message's data. Raises InvalidInput, naming the field that is wrong."""
        try:
            if isinstance(data, bytes):
                return cls.model_validate_json(data)
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            path = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(path, f"{cls.__name__}: {first['msg']}") from error
