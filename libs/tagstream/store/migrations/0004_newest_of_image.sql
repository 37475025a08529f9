-- The newest item of an image in a stream is one step in the index, however often tags came back
-- to that image.
-- Built beside the old one, which others read meanwhile.
CREATE INDEX tag_items_by_image_age
    ON tag_items (stream, image text_pattern_ops, created DESC)
    WHERE retired_by IS NULL AND image <> '';
DROP INDEX tag_items_by_image;
ALTER INDEX tag_items_by_image_age RENAME TO tag_items_by_image;
