-- The journal: one order, gapless, the same for everybody (docs/adr/0002-journal.md).
-- A writing transaction locks this row last, advances it, and commits.
CREATE TABLE journal_head (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    position  bigint NOT NULL,
    epoch     integer NOT NULL,
    -- Which run of the server wrote last: what it had committed and not flushed when it crashed is
    -- gone, and its positions, which somebody may have read, must not be given out again.
    server_started timestamptz NOT NULL DEFAULT pg_postmaster_start_time()
);
-- Above any version that a person makes up, so that one is told apart from a real old one.
INSERT INTO journal_head (position, epoch) VALUES (1000, 1);

-- One committed transaction's cause: what replay applies again.
CREATE TABLE commands (
    id          uuid PRIMARY KEY,
    position    bigint NOT NULL,
    at          timestamptz NOT NULL,
    kind        text NOT NULL,
    actor       text NOT NULL,
    cause       text NOT NULL,
    arguments   jsonb NOT NULL,
    traceparent text NOT NULL
);
CREATE UNIQUE INDEX commands_by_position ON commands (position);

-- What a watch reads. Exactly one of body and delta is set.
CREATE TABLE changes (
    position   bigint PRIMARY KEY,
    at         timestamptz NOT NULL,
    command    uuid NOT NULL,
    api_group  text NOT NULL,
    resource   text NOT NULL,
    namespace  text NOT NULL,
    name       text NOT NULL,
    uid        uuid NOT NULL,
    type       text NOT NULL CHECK (type IN ('ADDED', 'MODIFIED', 'DELETED')),
    previous   bigint NOT NULL,
    body       jsonb,
    delta      jsonb,
    CHECK ((body IS NULL) <> (delta IS NULL))
);
CREATE INDEX changes_by_object ON changes (uid, position);
CREATE INDEX changes_by_age ON changes (at);

-- What leaves for NATS, through the relay alone. Facts are kept; jobs are orders for a work queue.
CREATE TABLE facts (
    position    bigint NOT NULL,
    number      integer NOT NULL,
    id          text NOT NULL UNIQUE,
    type        text NOT NULL,
    subject     text NOT NULL,
    at          timestamptz NOT NULL,
    traceparent text NOT NULL,
    data        jsonb NOT NULL,
    PRIMARY KEY (position, number)
);
CREATE TABLE jobs (
    position    bigint NOT NULL,
    number      integer NOT NULL,
    id          text NOT NULL UNIQUE,
    type        text NOT NULL,
    subject     text NOT NULL,
    at          timestamptz NOT NULL,
    traceparent text NOT NULL,
    data        jsonb NOT NULL,
    PRIMARY KEY (position, number)
);
CREATE TABLE relay_cursors (
    stream   text PRIMARY KEY,
    position bigint NOT NULL,
    epoch    bigint NOT NULL
);

-- Keys are compared by bytes: lists are sorted as Kubernetes sorts them, whatever the locale.

-- Every generic object. A kind is a declaration in the api, not a table.
CREATE TABLE resources (
    api_group  text COLLATE "C" NOT NULL,
    resource   text COLLATE "C" NOT NULL,
    namespace  text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    uid        uuid NOT NULL UNIQUE,
    version    bigint NOT NULL,
    labels     jsonb NOT NULL,
    body       jsonb NOT NULL,
    sealed     bytea,
    PRIMARY KEY (api_group, resource, namespace, name)
) WITH (fillfactor = 80);
CREATE INDEX resources_by_namespace ON resources (namespace) WHERE namespace <> '';
CREATE INDEX resources_by_owner ON resources
    USING gin ((body -> 'metadata' -> 'ownerReferences') jsonb_path_ops);

CREATE TABLE images (
    digest     text COLLATE "C" PRIMARY KEY,
    uid        uuid NOT NULL UNIQUE,
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    metadata   jsonb NOT NULL,
    body       jsonb NOT NULL
);

-- Verified bytes by digest, kept for a day: what an importer fetched and nobody has tagged yet.
CREATE TABLE manifest_cache (
    digest     text COLLATE "C" PRIMARY KEY,
    body       jsonb NOT NULL,
    manifest   bytea NOT NULL,
    config     bytea NOT NULL,
    fetched_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX manifest_cache_by_age ON manifest_cache (fetched_at);

CREATE TABLE streams (
    uid          uuid PRIMARY KEY,
    namespace    text COLLATE "C" NOT NULL,
    name         text COLLATE "C" NOT NULL,
    version      bigint NOT NULL,
    generation   bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    lookup_local boolean NOT NULL,
    repository   text NOT NULL,
    metadata     jsonb NOT NULL,
    labels       jsonb NOT NULL,
    UNIQUE (namespace, name)
) WITH (fillfactor = 80);

CREATE TABLE spec_tags (
    stream     uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    tag        text COLLATE "C" NOT NULL,
    generation bigint,
    follows    text COLLATE "C",
    scheduled  boolean NOT NULL,
    body       jsonb NOT NULL,
    PRIMARY KEY (stream, tag)
) WITH (fillfactor = 80);
CREATE INDEX spec_tags_by_source ON spec_tags (stream, follows) WHERE follows IS NOT NULL;
CREATE INDEX spec_tags_scheduled ON spec_tags (stream) WHERE scheduled;

-- The history stack of each tag. The row with the highest seq among the live ones is the head.
-- Rows are retired, never deleted: what a tag meant stays here, with who, why and when.
CREATE TABLE tag_items (
    stream      uuid NOT NULL,
    tag         text COLLATE "C" NOT NULL,
    seq         bigint NOT NULL,
    created     timestamptz NOT NULL,
    reference   text NOT NULL,
    image       text COLLATE "C" NOT NULL,
    generation  bigint NOT NULL,
    actor       text NOT NULL,
    cause       text NOT NULL,
    command     uuid NOT NULL,
    retired_by  uuid,
    PRIMARY KEY (stream, tag, seq)
) WITH (fillfactor = 80);
CREATE INDEX tag_items_live ON tag_items (stream, tag, seq DESC) WHERE retired_by IS NULL;
CREATE INDEX tag_items_by_image ON tag_items (stream, image text_pattern_ops)
    WHERE retired_by IS NULL AND image <> '';

CREATE TABLE tag_conditions (
    stream          uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    tag             text COLLATE "C" NOT NULL,
    type            text NOT NULL,
    status          text NOT NULL,
    reason          text NOT NULL,
    message         text NOT NULL,
    generation      bigint NOT NULL,
    transitioned_at timestamptz NOT NULL,
    PRIMARY KEY (stream, tag, type)
);

-- An import is state too: its result is a row, found by resync when its message is lost.
CREATE TABLE imports (
    id           uuid PRIMARY KEY,
    stream       uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    namespace    text COLLATE "C" NOT NULL,
    name         text COLLATE "C" NOT NULL,
    host         text NOT NULL,
    request      jsonb NOT NULL,
    generations  jsonb NOT NULL,
    scheduled    boolean NOT NULL,
    requested_at timestamptz NOT NULL,
    result       jsonb,
    finished_at  timestamptz,
    applied_at   timestamptz
);
CREATE INDEX imports_open ON imports (stream) WHERE applied_at IS NULL;
CREATE INDEX imports_unapplied ON imports (requested_at) WHERE applied_at IS NULL;
CREATE INDEX imports_by_age ON imports (applied_at) WHERE applied_at IS NOT NULL;

CREATE TABLE import_schedule (
    stream   uuid PRIMARY KEY REFERENCES streams ON DELETE CASCADE,
    due_at   timestamptz NOT NULL,
    failures integer NOT NULL DEFAULT 0
);
CREATE INDEX import_schedule_due ON import_schedule (due_at);

CREATE TABLE registry_budget (
    host       text NOT NULL,
    slice      timestamptz NOT NULL,
    spent      integer NOT NULL,
    PRIMARY KEY (host, slice)
);

CREATE TABLE workload_triggers (
    cluster          text NOT NULL,
    api_version      text NOT NULL,
    kind             text NOT NULL,
    namespace        text NOT NULL,
    name             text NOT NULL,
    uid              text NOT NULL,
    field_path       text NOT NULL,
    container        text NOT NULL,
    stream_namespace text NOT NULL,
    stream           text NOT NULL,
    tag              text NOT NULL,
    paused           boolean NOT NULL,
    image            text NOT NULL,
    body             jsonb NOT NULL,
    resource_version text NOT NULL,
    failures         integer NOT NULL DEFAULT 0,
    retry_at         timestamptz,
    observed_at      timestamptz NOT NULL,
    PRIMARY KEY (cluster, api_version, kind, namespace, name, field_path)
) WITH (fillfactor = 80);
CREATE INDEX workload_triggers_by_tag ON workload_triggers (stream_namespace, stream, tag);
CREATE INDEX workload_triggers_retry ON workload_triggers (retry_at) WHERE retry_at IS NOT NULL;

-- What must be single holds one of these. Every effect of a holder checks its epoch.
CREATE TABLE leases (
    name       text PRIMARY KEY,
    holder     text NOT NULL,
    epoch      bigint NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE dead_letters (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer    text NOT NULL,
    subject     text NOT NULL,
    headers     jsonb NOT NULL,
    data        bytea NOT NULL,
    error       text NOT NULL,
    attempts    integer NOT NULL,
    trace_id    text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    requeued_at timestamptz
);
CREATE INDEX dead_letters_open ON dead_letters (created_at) WHERE requeued_at IS NULL;

-- The last statement of every writing transaction: take the journal's lock, advance the head, write
-- the command with its changes, facts and jobs, and stamp each changed row with its position.
-- `entry` is what libs/tagstream/store/journal.py builds. Returns the last position of the entry;
-- the changes hold the consecutive positions that end there.
CREATE FUNCTION append_journal(entry jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    steps    bigint := greatest(jsonb_array_length(entry -> 'changes'), 1);
    last_pos bigint;
    first_pos bigint;
    command  jsonb := entry -> 'command';
    made_at  timestamptz := (entry -> 'command' ->> 'at')::timestamptz;
BEGIN
    -- The lock is held for the length of a commit. Who commits flushes before it answers, together
    -- with all that committed meanwhile (docs/adr/0011-flush-outside-the-lock.md).
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE journal_head SET
        position = position + steps
            + CASE WHEN server_started = pg_postmaster_start_time() THEN 0 ELSE 1000 END,
        server_started = pg_postmaster_start_time()
    RETURNING position INTO last_pos;
    first_pos := last_pos - steps + 1;

    INSERT INTO commands (id, position, at, kind, actor, cause, arguments, traceparent)
    VALUES ((command ->> 'id')::uuid, last_pos, made_at, command ->> 'kind', command ->> 'actor',
            command ->> 'cause', command -> 'arguments', command ->> 'traceparent');

    IF entry -> 'changes' <> '[]' THEN
        INSERT INTO changes (position, at, command, api_group, resource, namespace, name, uid,
                             type, previous, body, delta)
        SELECT first_pos + n - 1, made_at, (command ->> 'id')::uuid, c ->> 'group',
               c ->> 'resource', c ->> 'namespace', c ->> 'name', (c ->> 'uid')::uuid,
               c ->> 'type', (c ->> 'previous')::bigint,
               nullif(c -> 'body', 'null'), nullif(c -> 'delta', 'null')
        FROM jsonb_array_elements(entry -> 'changes') WITH ORDINALITY AS t (c, n);

        UPDATE streams SET version = first_pos + n - 1
        FROM jsonb_array_elements(entry -> 'changes') WITH ORDINALITY AS t (c, n)
        WHERE c ->> 'resource' = 'imagestreams' AND streams.uid = (c ->> 'uid')::uuid;

        IF entry ->> 'stamps' = 'all' THEN
            UPDATE images SET version = first_pos + n - 1
            FROM jsonb_array_elements(entry -> 'changes') WITH ORDINALITY AS t (c, n)
            WHERE c ->> 'resource' = 'images' AND images.uid = (c ->> 'uid')::uuid;
            UPDATE resources SET version = first_pos + n - 1
            FROM jsonb_array_elements(entry -> 'changes') WITH ORDINALITY AS t (c, n)
            WHERE resources.uid = (c ->> 'uid')::uuid;
        END IF;
    END IF;

    IF entry -> 'facts' <> '[]' THEN
        INSERT INTO facts (position, number, id, type, subject, at, traceparent, data)
        SELECT last_pos, n, f ->> 'id', f ->> 'type', f ->> 'subject', made_at,
               command ->> 'traceparent',
               jsonb_set(f -> 'data', '{position}', to_jsonb(last_pos::text))
        FROM jsonb_array_elements(entry -> 'facts') WITH ORDINALITY AS t (f, n);
    END IF;
    IF entry -> 'jobs' <> '[]' THEN
        INSERT INTO jobs (position, number, id, type, subject, at, traceparent, data)
        SELECT last_pos, n, j ->> 'id', j ->> 'type', j ->> 'subject', made_at,
               command ->> 'traceparent', j -> 'data'
        FROM jsonb_array_elements(entry -> 'jobs') WITH ORDINALITY AS t (j, n);
    END IF;

    -- Which tables grew: whoever follows another one is not woken.
    PERFORM pg_notify('tagstream_journal', concat_ws(' ',
        CASE WHEN entry -> 'changes' <> '[]' THEN 'changes' END,
        CASE WHEN entry -> 'facts' <> '[]' THEN 'facts' END,
        CASE WHEN entry -> 'jobs' <> '[]' THEN 'jobs' END));
    RETURN last_pos;
END
$$;

-- A fixed share of one, spread evenly over uids: schedules without a herd, and without a dice.
CREATE FUNCTION spread_share(id uuid) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (hashtextextended(id::text, 0) & 1048575) / 1048576.0;
