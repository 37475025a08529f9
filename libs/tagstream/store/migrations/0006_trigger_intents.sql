-- Patches of workloads that are about to be made, one row for each try: written before, removed
-- when it is told or refused. One that is left over is of a process that died between; whether its
-- patch was made is for the cluster to say (services/tagstream/trigger_dispatcher/intents.py).
CREATE TABLE trigger_intents (
    id          uuid PRIMARY KEY,
    cluster     text NOT NULL,
    api_version text NOT NULL,
    kind        text NOT NULL,
    namespace   text NOT NULL,
    name        text NOT NULL,
    uid         text NOT NULL,
    base        text NOT NULL,
    generation  bigint NOT NULL,
    at          timestamptz NOT NULL,
    is_seen     boolean NOT NULL DEFAULT false,
    body        jsonb NOT NULL
);
CREATE INDEX trigger_intents_by_workload
    ON trigger_intents (cluster, api_version, kind, namespace, name);

-- Which state of a workload was patched, as far as it is told: a state is patched once. Kept for a
-- while, for whoever comes late.
CREATE TABLE trigger_told (
    cluster     text NOT NULL,
    api_version text NOT NULL,
    kind        text NOT NULL,
    namespace   text NOT NULL,
    name        text NOT NULL,
    uid         text NOT NULL,
    base        text NOT NULL,
    generation  bigint NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (cluster, api_version, kind, namespace, name, uid, base)
);
CREATE INDEX trigger_told_by_age ON trigger_told (at);
