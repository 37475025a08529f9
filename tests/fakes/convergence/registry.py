"""Registries that answer what was recorded, in place of any network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fakes.convergence.script import Answer, Asked
from tagstream.replay.recording import Json
from tagstream.streams.import_request import (
    FetchedImage,
    ImportRequest,
    ImportResult,
    digests_named_by,
)


@dataclass(slots=True)
class RecordedRegistries:
    """`now` is what they answer to whom, `bodies` the images that they have."""

    now: dict[Asked, Json]
    bodies: Mapping[str, Json]

    def change(self, answer: Answer) -> None:
        self.now[answer.asked] = answer.result

    async def fetch(self, request: ImportRequest, deps: object) -> ImportResult:
        """Stands in for importer/fetch.py:fetch."""
        place = request.namespace, request.stream
        answers = [self.now[(*place, image.from_name)] for image in request.images]
        body = {"images": answers}
        contents = {digest: self._image(digest) for digest in digests_named_by(body)}
        return ImportResult.from_json(body, contents)

    def _image(self, digest: str) -> FetchedImage:
        """Of an image that no tag ever came to name the recording has the digest only."""
        return FetchedImage(
            digest, {"metadata": {"name": digest}, **self.bodies.get(digest, {})}, b""
        )
