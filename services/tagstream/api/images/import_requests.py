"""ImageStreamImport as it is asked for: defaults, rules and what they mean (spec §6.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tagstream.api.images.convert import GROUP
from tagstream.api.wire.field_errors import FieldError, invalid_value, required_value
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import invalid
from tagstream.images.reference import (
    ImageReference,
    InvalidReference,
    parse_image_reference,
)
from tagstream.streams.image_stream import ImageStream, ImportMode, SourceKind
from tagstream.streams.import_orders import PREFER_ARCH, PREFER_OS
from tagstream.streams.import_request import (
    ImageImportSpec,
    ImportRequest,
    RepositoryImportSpec,
)
from tagstream.streams.validation import validate_name

_MODES = "invalid import mode, valid modes are '', 'Legacy', 'PreserveOriginal'"


@dataclass(frozen=True, slots=True)
class ImportDefaults:
    """The spec with every default filled in, as it is answered."""

    spec: JsonObject

    @property
    def is_dry_run(self) -> bool:
        return not self.spec.get("import")

    @property
    def images(self) -> list[JsonObject]:
        images: list[JsonObject] = self.spec.get("images") or []
        return images

    @property
    def repository(self) -> JsonObject | None:
        repository: JsonObject | None = self.spec.get("repository")
        return repository

    @property
    def target_tags(self) -> list[str]:
        """The tags that `spec.images` name, each once."""
        return list(dict.fromkeys(i["to"]["name"] for i in self.images if i.get("to")))


def with_defaults(wanted: JsonObject) -> ImportDefaults:
    """Fills in policies, and `to` from the tag that the source is written with."""
    spec: JsonObject = dict(wanted.get("spec") or {})
    spec.setdefault("import", False)
    if spec.get("images"):
        spec["images"] = [_image_defaults(image) for image in spec["images"]]
    if spec.get("repository") is not None:
        spec["repository"] = _policy_defaults(spec["repository"])
    return ImportDefaults(spec)


def _image_defaults(image: JsonObject) -> JsonObject:
    body = _policy_defaults(image)
    if body.get("to") is None:
        reference = _parsed(image)
        if reference is not None and reference.tag:
            body["to"] = {"name": reference.tag}
    return body


def _policy_defaults(part: JsonObject) -> JsonObject:
    body = dict(part)
    policy = dict(body.get("importPolicy") or {})
    policy["importMode"] = policy.get("importMode") or str(ImportMode.LEGACY)
    for flag in ("insecure", "scheduled"):
        if not policy.get(flag):
            policy.pop(flag, None)
    body["importPolicy"] = policy
    reference_policy = (body.get("referencePolicy") or {}).get("type")
    body["referencePolicy"] = {"type": reference_policy or "Source"}
    return body


def _parsed(part: JsonObject) -> ImageReference | None:
    try:
        return parse_image_reference((part.get("from") or {}).get("name") or "")
    except InvalidReference:
        return None


def validate_import(namespace: str, name: str, asked: ImportDefaults) -> None:
    """Raises the 422 of a request that cannot be processed at all."""
    errors = [invalid_value(p.field, p.value, p.detail) for p in validate_name(namespace, name)]
    if not asked.images and asked.repository is None:
        detail = "you must specify at least one image or a repository import"
        errors.append(invalid_value("spec.images", None, detail))
    if asked.repository is not None:
        errors += _repository_errors(asked.repository)
    for index, image in enumerate(asked.images):
        errors += _image_errors(image, f"spec.images[{index}]")
    if errors:
        raise invalid("ImageStreamImport", GROUP, name, errors)


def _repository_errors(repository: JsonObject) -> list[FieldError]:
    field = "spec.repository"
    errors = _source_errors(repository, field)
    reference = _parsed(repository)
    if reference is not None and (reference.tag or reference.digest):
        name = repository["from"]["name"]
        detail = "you must specify an image repository, not a tag or ID"
        errors.append(invalid_value(f"{field}.from.name", name, detail))
    return errors + _mode_errors(repository, field)


def _image_errors(image: JsonObject, field: str) -> list[FieldError]:
    errors = _source_errors(image, field)
    if image.get("to") is not None and not image["to"].get("name"):
        detail = "the name of the target tag must be specified"
        errors.append(required_value(f"{field}.to.name", detail))
    return errors + _mode_errors(image, field)


def _source_errors(part: JsonObject, field: str) -> list[FieldError]:
    source: dict[str, Any] = part.get("from") or {}
    kind, name = source.get("kind") or "", source.get("name") or ""
    if kind != SourceKind.DOCKER_IMAGE:
        detail = "only DockerImage is supported"
        return [invalid_value(f"{field}.from.kind", kind, detail)]
    if not name:
        detail = "container image references require a name"
        return [required_value(f"{field}.from.name", detail)]
    if name == "*":
        return []
    try:
        parse_image_reference(name)
    except InvalidReference as error:
        return [invalid_value(f"{field}.from.name", name, str(error))]
    return []


def _mode_errors(part: JsonObject, field: str) -> list[FieldError]:
    mode = part["importPolicy"]["importMode"]
    if mode in list(ImportMode):
        return []
    return [invalid_value(f"{field}.importPolicy.importMode", mode, _MODES)]


def build_request(
    asked: ImportDefaults,
    before: ImageStream | None,
    namespace: str,
    name: str,
    *,
    max_tags: int,
    deadline_s: float,
) -> ImportRequest:
    """What the importer is asked. `before` is the stream with the target tags loaded: their
    annotations choose the platform (§6.8)."""
    return ImportRequest(
        namespace=namespace,
        stream=name,
        images=tuple(_image_spec(image, before) for image in asked.images),
        repository=_repository_spec(asked.repository) if asked.repository else None,
        max_tags=max_tags,
        deadline_s=deadline_s,
    )


def _image_spec(image: JsonObject, before: ImageStream | None) -> ImageImportSpec:
    to_tag = image["to"]["name"] if image.get("to") else None
    ref = before.spec_tags.get(to_tag) if before is not None and to_tag else None
    annotations = (ref.annotations if ref is not None else None) or {}
    policy = image["importPolicy"]
    return ImageImportSpec(
        from_name=image["from"]["name"],
        to_tag=to_tag,
        insecure=bool(policy.get("insecure")),
        import_mode=ImportMode(policy["importMode"]),
        prefer_os=annotations.get(PREFER_OS, ""),
        prefer_arch=annotations.get(PREFER_ARCH, ""),
        include_manifest=bool(image.get("includeManifest")),
    )


def _repository_spec(repository: JsonObject) -> RepositoryImportSpec:
    policy = repository["importPolicy"]
    return RepositoryImportSpec(
        from_name=repository["from"]["name"],
        insecure=bool(policy.get("insecure")),
        import_mode=ImportMode(policy["importMode"]),
        include_manifest=bool(repository.get("includeManifest")),
    )
