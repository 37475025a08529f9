-- The newest item of an image in a stream is one step in the index, however often tags came back
-- to that image.
DROP INDEX tag_items_by_image;
CREATE INDEX tag_items_by_image
    ON tag_items (stream, image text_pattern_ops, created DESC)
    WHERE retired_by IS NULL AND image <> '';
