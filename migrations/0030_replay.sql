-- Bulk replays: what was counted, worked off in small steps by the process that delivers, so that live traffic keeps its pace and
-- a restart goes on where it was.
CREATE TABLE replay (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    what       TEXT NOT NULL,                     -- a sentence for people
    state      TEXT NOT NULL CHECK (state IN ('running', 'done', 'cancelled')),
    total      INTEGER NOT NULL,                  -- how many were counted
    sent       INTEGER NOT NULL,                  -- how many of them are on their way, or were
    passed     INTEGER NOT NULL,                  -- how many had to be passed over
    under_way  TEXT NOT NULL CHECK (json_valid(under_way)), -- the deliveries of the last steps that were not tried yet
    stepped_at INTEGER NOT NULL,
    started_by TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER
) STRICT;
CREATE INDEX replay_running ON replay (id) WHERE state = 'running';

-- What is still to be done, in order: JSON arrays of a fixed size. A number is a delivery to send again; a pair is an event and
-- a destination to which it was never sent.
CREATE TABLE replay_chunk (
    replay_id INTEGER NOT NULL REFERENCES replay (id),
    number    INTEGER NOT NULL,
    items     TEXT NOT NULL CHECK (json_valid(items)),
    PRIMARY KEY (replay_id, number)
) STRICT;
