"""An image as an object of the API: what a watch shows and the journal keeps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from tagstream.images.image_metadata import format_time

GROUP = "image.openshift.io"


def image_object(
    body: Mapping[str, object], digest: str, uid: str, created_at: datetime
) -> dict[str, object]:
    """The whole object; `body` is the wire form without what the server sets."""
    return {
        **body,
        "kind": "Image",
        "apiVersion": f"{GROUP}/v1",
        "metadata": {
            "name": digest,
            "uid": uid,
            "creationTimestamp": format_time(created_at),
            **image_metadata(body),
        },
    }


def image_metadata(body: Mapping[str, object]) -> dict[str, object]:
    """The labels and annotations of a wire form."""
    metadata = body.get("metadata")
    if not isinstance(metadata, Mapping):
        return {}
    return {k: metadata[k] for k in ("labels", "annotations") if metadata.get(k)}
