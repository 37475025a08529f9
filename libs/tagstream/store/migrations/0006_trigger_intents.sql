-- Patches of workloads that are about to be made: written before, marked by who tells them after.
-- One that is left over is of a process that died between the two; whether its patch was made is
-- for the cluster to say (services/tagstream/trigger_dispatcher/intents.py). A patch is made of one
-- generation of a workload, and two processes that are about to make the same one share a row; it
-- stays for a while when it is told, for one that comes late.
CREATE TABLE trigger_intents (
    id          uuid PRIMARY KEY,
    cluster     text NOT NULL,
    api_version text NOT NULL,
    kind        text NOT NULL,
    namespace   text NOT NULL,
    name        text NOT NULL,
    uid         text NOT NULL,
    generation  bigint NOT NULL,
    at          timestamptz NOT NULL,
    is_seen     boolean NOT NULL DEFAULT false,
    told_at     timestamptz,
    body        jsonb NOT NULL
);
CREATE INDEX trigger_intents_by_workload
    ON trigger_intents (cluster, api_version, kind, namespace, name, generation);
