"""POST, PUT and PATCH: from a body to the object that a storage is asked to keep.

Owns decoding, the identity checks between path and body, field validation and generateName. What a
kind makes of the object is its storage's matter.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tagstream.api.engine.call import ONE_SHAPES, Answer, Call
from tagstream.api.engine.options import parse_write_options
from tagstream.api.engine.representing import answer_with, include_object, shape_one
from tagstream.api.engine.schemas import Schemas
from tagstream.api.engine.storage import Changer, WriteOptions
from tagstream.api.wire.decode import Expected, decode_body, decode_patch
from tagstream.api.wire.field_validation import (
    FieldValidation,
    apply_field_policy,
    find_duplicate_fields,
    parse_field_validation,
)
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.k8s_protobuf import supports
from tagstream.api.wire.metadata_types import check_metadata_types
from tagstream.api.wire.names import generate_name
from tagstream.api.wire.negotiation import Encoding, PatchType, parse_body_type, parse_patch_type
from tagstream.api.wire.patches import (
    apply_json_patch,
    apply_merge_patch,
    apply_strategic_merge_patch,
)
from tagstream.api.wire.status import (
    ApiError,
    bad_request,
    generate_name_conflict,
    not_found,
    unsupported_media_type,
)

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
_NAME_ATTEMPTS = 8

# From the object now (None: there is none) and the applied one to the object wanted.
Applier = Callable[[Call, JsonObject | None, JsonObject], JsonObject]


@dataclass(frozen=True, slots=True)
class Writer:
    """The writing verbs. Without `apply` a server-side apply is refused with 415."""

    schemas: Schemas
    apply: Applier | None = None

    async def on_create(self, call: Call) -> Answer:
        """POST to a collection, or to a subresource that is created."""
        options = parse_write_options(call, "CreateOptions")
        wanted, warnings = self._read_body(call, "CreateOptions")
        _own_namespace(call, wanted)
        return await _answer_created(call, wanted, options, warnings)

    async def on_update(self, call: Call) -> Answer:
        """PUT; 201 where the storage had to create the object."""
        options = parse_write_options(call, "UpdateOptions")
        wanted, warnings = self._read_body(call, "UpdateOptions")
        _own_namespace(call, wanted)
        _check_name(call, wanted)
        return await _update(call, lambda current: wanted, options, lambda: warnings)

    async def on_patch(self, call: Call) -> Answer:
        """PATCH of an existing object; an apply may create it."""
        patch_type = parse_patch_type(call.content_type)
        if patch_type is PatchType.APPLY and self.apply is None:
            raise unsupported_media_type()
        options = parse_write_options(call, "PatchOptions")
        policy = parse_field_validation(call.query.get("fieldValidation"), "PatchOptions")
        patch = decode_patch(call.body, patch_type)
        warnings: list[str] = []

        def change(current: JsonObject | None) -> JsonObject:
            patched = self._patch(call, current, patch_type, patch)
            warnings[:] = self._check_patched(call, patched, policy)
            return patched

        try:
            return await _update(call, change, options, lambda: tuple(warnings))
        except ApiError as error:
            if patch_type is not PatchType.APPLY or not _is_missing(call, error):
                raise
        applied = change(None)
        return await _answer_created(call, applied, options, tuple(warnings))

    def _patch(
        self, call: Call, current: JsonObject | None, patch_type: PatchType, patch: Any
    ) -> JsonObject:
        target, kind = call.target, call.entry.kind
        if patch_type is PatchType.APPLY and self.apply is not None:
            return self.apply(call, current, patch)
        if current is None:
            raise not_found(target.resource, target.group, target.name)
        if patch_type is PatchType.JSON:
            return apply_json_patch(current, patch)
        if patch_type is PatchType.MERGE:
            return apply_merge_patch(current, patch)
        return apply_strategic_merge_patch(current, patch, group=kind.group, kind=kind.kind)

    def _check_patched(self, call: Call, patched: JsonObject, policy: FieldValidation) -> list[str]:
        expected = _expected(call)
        found = (patched.get("apiVersion"), patched.get("kind"))
        if found != (expected.api_version, expected.kind):
            raise bad_request(
                f"the patch must not change apiVersion and kind: {found[0]} {found[1]} is not "
                f"{expected.api_version} {expected.kind}"
            )
        check_metadata_types(patched, expected.kind)
        _own_namespace(call, patched)
        _check_name(call, patched)
        return self._check_fields(call, patched, [], policy)

    def _read_body(self, call: Call, options_kind: str) -> tuple[JsonObject, tuple[str, ...]]:
        policy = parse_field_validation(call.query.get("fieldValidation"), options_kind)
        expected = _expected(call)
        body = decode_body(call.body, call.content_type, expected).body
        if not self._is_json(call, expected):
            return body, tuple(self._check_fields(call, body, [], policy))
        problems = [] if policy is FieldValidation.IGNORE else find_duplicate_fields(call.body)
        return body, tuple(self._check_fields(call, body, problems, policy))

    @staticmethod
    def _is_json(call: Call, expected: Expected) -> bool:
        protobuf = supports(expected.api_version, expected.kind)
        return parse_body_type(call.content_type, protobuf=protobuf) is Encoding.JSON

    def _check_fields(
        self, call: Call, body: JsonObject, problems: list[str], policy: FieldValidation
    ) -> list[str]:
        """Drops unknown fields; the warnings to send. Raises 400."""
        kind = call.entry.kind
        if call.target.subresource and _expected(call).kind != kind.kind:
            return []
        wrong = self.schemas.type_errors(kind, body)
        if wrong:
            raise bad_request(
                f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
                f"{wrong[0]}"
            )
        problems += self.schemas.unknown_fields(kind, body)
        return apply_field_policy(policy, problems, kind.kind, kind.version)


def _expected(call: Call) -> Expected:
    """What the endpoint takes: the kind, or the subresource's own kind."""
    return Expected(*call.entry.type_of(call.target.subresource))


def _own_namespace(call: Call, body: JsonObject) -> None:
    """The path's namespace holds; a body that names another one is refused."""
    metadata = body["metadata"]
    if metadata.get("namespace", "") not in ("", call.target.namespace):
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if call.target.namespace:
        metadata["namespace"] = call.target.namespace
    else:
        metadata.pop("namespace", None)


def _check_name(call: Call, body: JsonObject) -> None:
    name, asked = body["metadata"].get("name", ""), call.target.name
    if not name:
        raise bad_request(
            f"the name of the object ({asked} based on URL) was undeterminable: "
            "name must be provided"
        )
    if name != asked:
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({asked})"
        )


def _is_missing(call: Call, error: ApiError) -> bool:
    """Whether the object itself is what was not found, and not its namespace."""
    details = error.details or {}
    own = (call.target.name, call.target.resource)
    return error.code == 404 and (details.get("name"), details.get("kind")) == own


async def _answer_created(
    call: Call, wanted: JsonObject, options: WriteOptions, warnings: tuple[str, ...]
) -> Answer:
    shape = call.representation(ONE_SHAPES)
    include_object(call)
    create = _create_below if call.target.subresource else _create
    body = shape_one(call, await create(call, wanted, options), shape)
    return answer_with(call, body, shape, status=201, warnings=warnings)


async def _create(call: Call, wanted: JsonObject, options: WriteOptions) -> JsonObject:
    metadata = wanted["metadata"]
    # What is never stored may name a version: an import names that of its stream.
    is_stored = "get" in call.entry.kind.verbs
    if is_stored and metadata.get("resourceVersion", "") not in ("", "0"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    base = metadata.get("generateName", "")
    create, namespace = call.entry.storage.create, call.target.namespace
    if metadata.get("name") or not base:
        return await create(call.ctx, namespace, wanted, options)
    for attempt in range(_NAME_ATTEMPTS):
        name = generate_name(base, name_suffix(call.ctx.id, attempt))
        attempted = {**wanted, "metadata": {**metadata, "name": name}}
        try:
            return await create(call.ctx, namespace, attempted, options)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
    raise generate_name_conflict(call.target.resource, call.target.group, name)


def name_suffix(request_id: str, attempt: int) -> str:
    """Five letters for a generated name, from the request's own random id: so a replay of the
    command makes the same name."""
    number = uuid.uuid5(uuid.UUID(request_id), f"name/{attempt}").int
    letters = []
    for _ in range(_SUFFIX_LENGTH):
        number, letter = divmod(number, len(_SUFFIX_LETTERS))
        letters.append(_SUFFIX_LETTERS[letter])
    return "".join(letters)


async def _create_below(call: Call, wanted: JsonObject, options: WriteOptions) -> JsonObject:
    target = call.target
    return await call.entry.storage.create_subresource(
        call.ctx, target.namespace, target.name, target.subresource, wanted, options
    )


async def _update(
    call: Call,
    change: Changer,
    options: WriteOptions,
    warnings: Callable[[], tuple[str, ...]],
) -> Answer:
    shape = call.representation(ONE_SHAPES)
    include_object(call)
    target = call.target
    stored, created = await call.entry.storage.update(
        call.ctx,
        target.namespace,
        target.name,
        change,
        options,
        subresource=target.subresource,
    )
    body = shape_one(call, stored, shape)
    status = 201 if created else 200
    return answer_with(call, body, shape, status=status, warnings=warnings())
