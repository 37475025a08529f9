-- Runs of the pruner: what was asked, what was done. A scheduled run that a dead process left open
-- is continued by the next holder of the lease; the figures are written with each deletion.
CREATE TABLE prune_runs (
    id            uuid PRIMARY KEY,
    origin        text NOT NULL CHECK (origin IN ('schedule', 'command')),
    scheduled_for timestamptz UNIQUE,
    rules         jsonb NOT NULL,
    started_at    timestamptz NOT NULL,
    finished_at   timestamptz,
    streams       integer NOT NULL DEFAULT 0,
    items         integer NOT NULL DEFAULT 0,
    images        integer NOT NULL DEFAULT 0,
    error         text NOT NULL DEFAULT ''
);
CREATE INDEX prune_runs_by_start ON prune_runs (started_at);

-- Who uses an image: asked once more, with the image locked, before it goes.
CREATE INDEX tag_items_using ON tag_items (image) WHERE retired_by IS NULL AND image <> '';

-- Manifest lists alone: which there are, and by child.
CREATE INDEX images_lists ON images (digest) WHERE body ? 'dockerImageManifests';
CREATE INDEX images_by_child ON images
    USING gin ((jsonb_path_query_array(body, '$.dockerImageManifests[*].digest')))
    WHERE body ? 'dockerImageManifests';

-- Tags whose specification names an image by digest.
CREATE INDEX spec_tags_pinned ON spec_tags ((split_part(body #>> '{from,name}', '@', 2)))
    WHERE split_part(body #>> '{from,name}', '@', 2) <> '';
