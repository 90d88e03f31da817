-- The first schema. Times are milliseconds since the Unix epoch, UTC. Numbers of rows are given by the one writer.
-- AUTOINCREMENT where rows can be removed and their numbers are still in somebody's hands (a send that is under way, the audit
-- trail, who watches the attempts): a number is never given twice.

-- Says whose file this is (sqlite.org/pragma.html#pragma_application_id): "bell" in ASCII.
PRAGMA application_id = 1650814060;

CREATE TABLE account (
    id          INTEGER PRIMARY KEY,
    key         TEXT NOT NULL UNIQUE CHECK (length(key) BETWEEN 1 AND 64),
    name        TEXT NOT NULL,
    owner_email TEXT NOT NULL,
    timezone    TEXT NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('active', 'suspended')),
    created_at  INTEGER NOT NULL
) STRICT;

-- An account's own event types. The built-in ones are in the program.
CREATE TABLE event_type (
    account_id INTEGER NOT NULL REFERENCES account (id),
    name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    title      TEXT NOT NULL,
    group_name TEXT NOT NULL,
    severity   TEXT NOT NULL CHECK (severity IN ('success', 'info', 'failure', 'recovery')),
    PRIMARY KEY (account_id, name)
) STRICT, WITHOUT ROWID;

-- The cells of the matrix that differ from the default.
CREATE TABLE preference (
    account_id INTEGER NOT NULL REFERENCES account (id),
    event_type TEXT NOT NULL,
    channel    TEXT NOT NULL CHECK (channel IN ('browser', 'email', 'hipchat', 'ios', 'slack', 'webhook')),
    is_on      INTEGER NOT NULL CHECK (is_on IN (0, 1)),
    changed_by TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, event_type, channel)
) STRICT, WITHOUT ROWID;

-- A removed destination keeps its row, without its secrets, for the deliveries that name it.
CREATE TABLE destination (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id    INTEGER NOT NULL REFERENCES account (id),
    channel       TEXT NOT NULL CHECK (channel IN ('browser', 'email', 'hipchat', 'ios', 'slack', 'webhook')),
    label         TEXT NOT NULL,
    fields        TEXT NOT NULL CHECK (json_valid(fields)),       -- what anybody may see
    sealed        BLOB,                                           -- the secret fields, see store/seal.rs
    only_types    TEXT NOT NULL CHECK (json_valid(only_types)),
    state         TEXT NOT NULL CHECK (state IN ('enabled', 'paused', 'disabled')),
    state_reason  TEXT,
    failing_since INTEGER,
    last_failure  TEXT,
    created_at    INTEGER NOT NULL,
    removed_at    INTEGER
) STRICT;
CREATE INDEX destination_account ON destination (account_id);
CREATE INDEX destination_trouble ON destination (account_id)
    WHERE removed_at IS NULL AND (failing_since IS NOT NULL OR state = 'disabled');

CREATE TABLE event (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id   BLOB NOT NULL UNIQUE CHECK (length(public_id) = 16),
    account_id  INTEGER NOT NULL REFERENCES account (id),
    event_type  TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    is_test     INTEGER NOT NULL CHECK (is_test IN (0, 1)),
    not_sent    TEXT NOT NULL,                                    -- JSON: which channels got nothing, and why
    data        TEXT NOT NULL                                     -- the payload, as it came in
) STRICT;
CREATE INDEX event_account ON event (account_id);

-- What a caller named its event, so that the same event sent twice is stored once.
CREATE TABLE idempotency (
    account_id  INTEGER NOT NULL REFERENCES account (id),
    key         TEXT NOT NULL,
    event_id    INTEGER NOT NULL REFERENCES event (id),
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),   -- SHA-256 of type and payload
    PRIMARY KEY (account_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_event ON idempotency (event_id);

CREATE TABLE delivery (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id       INTEGER NOT NULL REFERENCES event (id),
    destination_id INTEGER NOT NULL REFERENCES destination (id),
    state          TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'delivered', 'failed', 'cancelled')),
    attempts       INTEGER NOT NULL,             -- all tries; also the fencing token of a claim
    attempts_base  INTEGER NOT NULL,             -- how many of them were made before the last replay
    due_at         INTEGER,                      -- pending: the next try; sending: the end of the lease
    status         INTEGER,
    duration_ms    INTEGER,
    reason         TEXT,
    created_at     INTEGER NOT NULL,
    due_since      INTEGER NOT NULL,             -- when it, or its last replay, was first due
    updated_at     INTEGER NOT NULL,
    CHECK ((state IN ('pending', 'sending')) = (due_at IS NOT NULL))
) STRICT;
CREATE INDEX delivery_event ON delivery (event_id);
CREATE INDEX delivery_destination ON delivery (destination_id);
-- The lanes: each destination's next deliveries, in order. The state is a literal, or the index is not used.
CREATE INDEX delivery_pending ON delivery (destination_id, due_at) WHERE state = 'pending';
CREATE INDEX delivery_sending ON delivery (destination_id) WHERE state = 'sending';
CREATE INDEX delivery_failed ON delivery (destination_id) WHERE state = 'failed';

CREATE TABLE attempt (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,             -- in the order in which they ended; `watch` reads on from one
    delivery_id INTEGER NOT NULL REFERENCES delivery (id),
    number      INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    outcome     TEXT NOT NULL CHECK (outcome IN ('delivered', 'failed', 'rejected', 'gone', 'interrupted')),
    status      INTEGER,
    reason      TEXT,
    request     TEXT,
    answer      TEXT,
    UNIQUE (delivery_id, number)
) STRICT;

CREATE TABLE audit (
    id         INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    login      TEXT NOT NULL,
    origin     TEXT NOT NULL,
    account    TEXT,                             -- its key; the trail outlives the account
    command    TEXT NOT NULL,
    says       TEXT NOT NULL,
    before     TEXT NOT NULL CHECK (json_valid(before)),
    after      TEXT NOT NULL CHECK (json_valid(after)),
    sealed     BLOB,                             -- the secrets that stood there before, for taking it back
    undoes     INTEGER REFERENCES audit (id),
    undone_by  INTEGER REFERENCES audit (id)
) STRICT;
CREATE INDEX audit_account ON audit (account, id);
CREATE INDEX audit_undoes ON audit (undoes) WHERE undoes IS NOT NULL;
CREATE INDEX audit_undone_by ON audit (undone_by) WHERE undone_by IS NOT NULL;

-- Which process delivers from this file. Whoever holds the lock file writes its one row.
CREATE TABLE deliverer (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    boot_id    TEXT NOT NULL,
    process    TEXT NOT NULL,
    holds      TEXT NOT NULL CHECK (json_valid(holds)),   -- channels that it cannot serve, and why
    started_at INTEGER NOT NULL
) STRICT;
