-- Commands outlive their arguments where an item of a tag's history names them: who, why and when
-- stay for ever. They come here when they are trimmed (libs/tagstream/store/retention.py).
CREATE TABLE past_commands (
    id       uuid PRIMARY KEY,
    position bigint NOT NULL,
    at       timestamptz NOT NULL,
    kind     text NOT NULL,
    actor    text NOT NULL,
    cause    text NOT NULL
);

-- Those of the last month and those before: each command is in one of the two.
CREATE VIEW known_commands AS
SELECT id, position, at, kind, actor, cause FROM commands
UNION ALL
SELECT id, position, at, kind, actor, cause FROM past_commands;
