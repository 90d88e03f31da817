-- Who may speak over HTTP, and the keys that the program makes for itself.

-- Bearer tokens. Only what they hash to is kept (SHA-256: a token is 32 random bytes, which nobody can guess from it).
CREATE TABLE token (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    hash         BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    name         TEXT NOT NULL,
    scope        TEXT NOT NULL CHECK (scope IN ('emit', 'devices', 'read', 'write')),
    account_id   INTEGER REFERENCES account (id),              -- null: every account
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;
CREATE INDEX token_account ON token (account_id);

-- What a customer's browser or app enrols itself with: once, and soon.
CREATE TABLE enrolment (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    hash           BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    account_id     INTEGER NOT NULL REFERENCES account (id),
    channel        TEXT NOT NULL CHECK (channel IN ('browser', 'ios')),
    created_by     TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    used_at        INTEGER,
    destination_id INTEGER REFERENCES destination (id)         -- what was enrolled with it
) STRICT;
CREATE INDEX enrolment_account ON enrolment (account_id);
CREATE INDEX enrolment_destination ON enrolment (destination_id);

-- What an enrolled browser or app shows to speak for its own destination, and for nothing else.
CREATE TABLE access (
    destination_id INTEGER PRIMARY KEY REFERENCES destination (id),
    hash           BLOB NOT NULL UNIQUE CHECK (length(hash) = 32)
) STRICT;

-- Keys that are made on first use and kept, sealed: the one that push services know bellboard by, and the one that links in
-- mails are signed with.
CREATE TABLE keyring (
    name       TEXT PRIMARY KEY,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
