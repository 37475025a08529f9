"""Which images a stream has known, children of manifest lists included."""

from __future__ import annotations

from tagstream.store.database import Connection
from tagstream.store.streams import MATCHING_IMAGES, like_prefix

_OWN = f"""
    {MATCHING_IMAGES.format(stream="$1", starts="$2, $3")}
    SELECT DISTINCT image FROM matching WHERE image IS NOT NULL ORDER BY image LIMIT 20
"""
_CHILDREN = """
    SELECT DISTINCT child ->> 'digest' AS image FROM tag_items t
    JOIN images m ON m.digest = t.image
    CROSS JOIN LATERAL jsonb_array_elements(m.body -> 'dockerImageManifests') child
    WHERE t.stream = $1 AND t.retired_by IS NULL AND m.body ? 'dockerImageManifests'
      AND (child ->> 'digest' LIKE $2 OR child ->> 'digest' LIKE $3)
    ORDER BY image LIMIT 20
"""


async def find_stream_images(connection: Connection, stream_uid: str, image_id: str) -> list[str]:
    """The digests that start with `image_id`, which may leave out `sha256:`; at most twenty, in
    order. Children are looked at only when no image itself matches."""
    starts = (image_id, f"sha256:{image_id}")
    rows = await connection.fetch(_OWN, stream_uid, *starts)
    if not rows:
        patterns = [like_prefix(start) for start in starts]
        rows = await connection.fetch(_CHILDREN, stream_uid, *patterns)
    return [row["image"] for row in rows]
