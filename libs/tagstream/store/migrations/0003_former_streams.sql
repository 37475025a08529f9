-- Names of deleted streams: their tag items stay, and would have no name otherwise.
-- `version` is that of the last change before the deletion; it orders streams of one name.
CREATE TABLE former_streams (
    uid        uuid PRIMARY KEY,
    namespace  text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    version    bigint NOT NULL
);
CREATE INDEX former_streams_by_name ON former_streams (namespace, name, version);

-- A trigger, so that no way of deleting a stream can forget its name. A stream without tag items
-- leaves nothing that needs one.
CREATE FUNCTION keep_stream_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM tag_items WHERE stream = OLD.uid) THEN
        INSERT INTO former_streams (uid, namespace, name, version)
        VALUES (OLD.uid, OLD.namespace, OLD.name, OLD.version)
        ON CONFLICT (uid) DO NOTHING;
    END IF;
    RETURN OLD;
END
$$;
CREATE TRIGGER streams_keep_name BEFORE DELETE ON streams
    FOR EACH ROW EXECUTE FUNCTION keep_stream_name();

-- Those that were deleted before, as far as the journal still knows them.
INSERT INTO former_streams (uid, namespace, name, version)
SELECT DISTINCT ON (uid) uid, namespace, name, previous FROM changes
WHERE resource = 'imagestreams' AND type = 'DELETED'
  AND EXISTS (SELECT FROM tag_items WHERE tag_items.stream = changes.uid)
ORDER BY uid, position DESC;
