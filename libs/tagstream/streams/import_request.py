"""What an import is asked to fetch, and what it found, as values that survive a message.

Owns `ImportRequest`, `ImportResult` and their JSON. Image bytes do not travel in it: JSON names
images by digest and repository reference, and reading it attaches them from what the caller loaded.
What a result does to a stream is decided elsewhere (spec/image-api-and-import.md §6.3 steps 9-12).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, cast

from tagstream.errors import InvalidInput
from tagstream.images.image_metadata import JsonValue
from tagstream.streams.image_stream import ImportMode

JsonObject: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class ImageImportSpec:
    """One image to fetch.

    `from_name` is the pull spec as written; `to_tag` None means: report only. `prefer_os` and
    `prefer_arch` are the target tag's annotations, empty for the server's own platform.
    """

    from_name: str
    to_tag: str | None = None
    insecure: bool = False
    import_mode: ImportMode = ImportMode.LEGACY
    prefer_os: str = ""
    prefer_arch: str = ""
    include_manifest: bool = False


@dataclass(frozen=True, slots=True)
class RepositoryImportSpec:
    """A whole repository to fetch, by a pull spec without tag and digest."""

    from_name: str
    insecure: bool = False
    import_mode: ImportMode = ImportMode.LEGACY
    include_manifest: bool = False


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """Everything one import needs to know, secrets excepted: those are read by namespace.

    `max_tags` bounds a repository import, -1 for all; `deadline_s` is the time it may take.
    """

    namespace: str
    stream: str
    images: tuple[ImageImportSpec, ...] = ()
    repository: RepositoryImportSpec | None = None
    max_tags: int = 50
    deadline_s: float = 30.0

    def to_json(self) -> JsonObject:
        """The request as JSON; `from_json` is its inverse."""
        return {
            "namespace": self.namespace,
            "stream": self.stream,
            "images": [_image_spec_to_json(spec) for spec in self.images],
            "repository": _repository_spec_to_json(self.repository),
            "maxTags": self.max_tags,
            "deadlineSeconds": self.deadline_s,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> ImportRequest:
        """Read what `to_json` wrote; unknown keys are ignored, missing ones defaulted.

        Raises InvalidInput when it is not of that shape.
        """
        repository = data.get("repository")
        try:
            return cls(
                namespace=str(data["namespace"]),
                stream=str(data["stream"]),
                images=tuple(_image_spec_from_json(item) for item in _objects(data, "images")),
                repository=_repository_spec_from_json(repository) if repository else None,
                max_tags=int(cast(int, data.get("maxTags", 50))),
                deadline_s=float(cast(float, data.get("deadlineSeconds", 30.0))),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _not_readable("import request", error) from error


@dataclass(frozen=True, slots=True)
class ImportStatus:
    """A v1 Status in values (§6.2). `code` 0 and empty texts are left out on the wire."""

    ok: bool
    reason: str = ""
    code: int = 0
    message: str = ""
    details: dict[str, JsonValue] | None = None

    def to_v1(self) -> JsonObject:
        """The Status object of the API."""
        status: JsonObject = {"metadata": {}, "status": "Success" if self.ok else "Failure"}
        if self.message:
            status["message"] = self.message
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        if self.code:
            status["code"] = self.code
        return status


@dataclass(frozen=True, slots=True)
class FetchedImage:
    """An image as fetched: the API's Image object, and the bytes it was derived from.

    `raw_config` is empty for lists and schema 1 images, which have none.
    """

    digest: str
    body: dict[str, JsonValue] = field(repr=False)
    raw_manifest: bytes = field(repr=False)
    raw_config: bytes = field(default=b"", repr=False)

    @property
    def reference(self) -> str:
        """`dockerImageReference`: the source repository with this digest."""
        return str(self.body.get("dockerImageReference", ""))


@dataclass(frozen=True, slots=True)
class ImageImportResult:
    """What became of one image; `tag` is the source tag, empty for a digest source.

    `manifests` holds the children of a preserved list, in list order.
    """

    tag: str
    status: ImportStatus
    image: FetchedImage | None = None
    manifests: tuple[FetchedImage, ...] = ()


@dataclass(frozen=True, slots=True)
class RepositoryImportResult:
    """What became of a repository; `additional_tags` exist but were not imported."""

    status: ImportStatus
    images: tuple[ImageImportResult, ...] = ()
    additional_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The answer to an ImportRequest; `images` has its length and order."""

    images: tuple[ImageImportResult, ...] = ()
    repository: RepositoryImportResult | None = None

    def fetched_images(self) -> dict[str, FetchedImage]:
        """Every image of the result, children included, once each, by digest."""
        results = (*self.images, *(self.repository.images if self.repository else ()))
        found: dict[str, FetchedImage] = {}
        for image in _images_of(results):
            found.setdefault(image.digest, image)
        return found

    def to_json(self) -> JsonObject:
        """The result as JSON without image contents; store `fetched_images()` beside it."""
        repository = self.repository
        return {
            "images": [_result_to_json(image) for image in self.images],
            "repository": None if repository is None else _repository_to_json(repository),
        }

    @classmethod
    def from_json(
        cls, data: Mapping[str, object], contents: Mapping[str, FetchedImage]
    ) -> ImportResult:
        """Read what `to_json` wrote and attach the contents, by digest (see `digests_named_by`).

        An image found in two repositories is held once in `contents`; its `dockerImageReference`
        is set to that of the place it was found at. Raises InvalidInput when a digest of the
        result is not in `contents` or the shape is wrong.
        """
        repository = data.get("repository")
        try:
            return cls(
                images=tuple(_result_from_json(i, contents) for i in _objects(data, "images")),
                repository=_repository_from_json(_object(repository), contents)
                if repository
                else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _not_readable("import result", error) from error


def _images_of(results: Iterable[ImageImportResult]) -> Iterator[FetchedImage]:
    for result in results:
        if result.image is not None:
            yield result.image
        yield from result.manifests


def digests_named_by(data: Mapping[str, object]) -> frozenset[str]:
    """The digests whose contents `ImportResult.from_json` will want, from the same JSON."""
    repository = data.get("repository")
    results = _objects(data, "images")
    if repository:
        results += _objects(_object(repository), "images")
    named = [result["image"] for result in results if result.get("image")]
    for result in results:
        named += _objects(result, "manifests")
    return frozenset(str(_object(image)["digest"]) for image in named)


def _not_readable(what: str, error: Exception) -> InvalidInput:
    return InvalidInput("", f"the {what} is not one: {type(error).__name__}: {error}")


def _image_spec_to_json(spec: ImageImportSpec) -> JsonObject:
    return {
        "from": spec.from_name,
        "to": spec.to_tag,
        "insecure": spec.insecure,
        "importMode": spec.import_mode.value,
        "preferOs": spec.prefer_os,
        "preferArch": spec.prefer_arch,
        "includeManifest": spec.include_manifest,
    }


def _image_spec_from_json(data: Mapping[str, object]) -> ImageImportSpec:
    to_tag = data.get("to")
    return ImageImportSpec(
        from_name=str(data["from"]),
        to_tag=None if to_tag is None else str(to_tag),
        insecure=bool(data.get("insecure", False)),
        import_mode=ImportMode(str(data.get("importMode", ImportMode.LEGACY))),
        prefer_os=str(data.get("preferOs", "")),
        prefer_arch=str(data.get("preferArch", "")),
        include_manifest=bool(data.get("includeManifest", False)),
    )


def _repository_spec_to_json(spec: RepositoryImportSpec | None) -> object:
    if spec is None:
        return None
    return {
        "from": spec.from_name,
        "insecure": spec.insecure,
        "importMode": spec.import_mode.value,
        "includeManifest": spec.include_manifest,
    }


def _repository_spec_from_json(value: object) -> RepositoryImportSpec:
    data = _object(value)
    return RepositoryImportSpec(
        from_name=str(data["from"]),
        insecure=bool(data.get("insecure", False)),
        import_mode=ImportMode(str(data.get("importMode", ImportMode.LEGACY))),
        include_manifest=bool(data.get("includeManifest", False)),
    )


def _status_to_json(status: ImportStatus) -> JsonObject:
    return {
        "ok": status.ok,
        "reason": status.reason,
        "code": status.code,
        "message": status.message,
        "details": status.details,
    }


def _status_from_json(value: object) -> ImportStatus:
    data = _object(value)
    details = data.get("details")
    return ImportStatus(
        ok=bool(data["ok"]),
        reason=str(data.get("reason", "")),
        code=int(cast(int, data.get("code", 0))),
        message=str(data.get("message", "")),
        details=None if details is None else cast(dict[str, JsonValue], _object(details)),
    )


def _result_to_json(result: ImageImportResult) -> JsonObject:
    return {
        "tag": result.tag,
        "status": _status_to_json(result.status),
        "image": None if result.image is None else _name_of(result.image),
        "manifests": [_name_of(image) for image in result.manifests],
    }


def _name_of(image: FetchedImage) -> JsonObject:
    return {"digest": image.digest, "reference": image.reference}


def _result_from_json(
    data: Mapping[str, object], contents: Mapping[str, FetchedImage]
) -> ImageImportResult:
    image = data.get("image")
    return ImageImportResult(
        tag=str(data["tag"]),
        status=_status_from_json(data["status"]),
        image=_attach(_object(image), contents) if image else None,
        manifests=tuple(_attach(child, contents) for child in _objects(data, "manifests")),
    )


def _attach(name: Mapping[str, object], contents: Mapping[str, FetchedImage]) -> FetchedImage:
    image = contents[str(name["digest"])]
    reference = str(name["reference"])
    if image.reference == reference:
        return image
    return replace(image, body={**image.body, "dockerImageReference": reference})


def _repository_to_json(result: RepositoryImportResult) -> JsonObject:
    return {
        "status": _status_to_json(result.status),
        "images": [_result_to_json(image) for image in result.images],
        "additionalTags": list(result.additional_tags),
    }


def _repository_from_json(
    data: Mapping[str, object], contents: Mapping[str, FetchedImage]
) -> RepositoryImportResult:
    tags = data.get("additionalTags")
    return RepositoryImportResult(
        status=_status_from_json(data["status"]),
        images=tuple(_result_from_json(i, contents) for i in _objects(data, "images")),
        additional_tags=tuple(str(tag) for tag in tags) if isinstance(tags, list) else (),
    )


def _object(value: object) -> JsonObject:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, found {type(value).__name__}")
    return value


def _objects(data: Mapping[str, object], key: str) -> list[JsonObject]:
    value = data.get(key) or []
    if not isinstance(value, list):
        raise TypeError(f"{key}: expected a list, found {type(value).__name__}")
    return [_object(item) for item in value]
