-- A token may also be for whoever reads the metrics. The check of a column cannot be changed, so the table is made anew; nothing
-- refers to it.
CREATE TABLE token_new (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    hash         BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    name         TEXT NOT NULL,
    scope        TEXT NOT NULL CHECK (scope IN ('emit', 'devices', 'read', 'write', 'metrics')),
    account_id   INTEGER REFERENCES account (id),              -- null: every account
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;
INSERT INTO token_new SELECT id, hash, name, scope, account_id, created_at, last_used_at, revoked_at FROM token;
-- A number is never given twice, also not one whose row is gone.
UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'token')
    WHERE name = 'token_new' AND EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'token');
DROP TABLE token;
ALTER TABLE token_new RENAME TO token;
CREATE INDEX token_account ON token (account_id);
