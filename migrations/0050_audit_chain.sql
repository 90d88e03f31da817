-- The audit trail becomes append-only and each row carries a hash over itself and the one before, so that a row that was
-- changed or taken out by other means is found (store/chain.rs). What must still change stands elsewhere: sealed secrets,
-- which are sealed anew with each new key. That a change was taken back is said by the row that did it.
ALTER TABLE audit RENAME TO audit_before;
DROP INDEX audit_account;
DROP INDEX audit_undoes;
DROP INDEX audit_undone_by;

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    login   TEXT NOT NULL,
    origin  TEXT NOT NULL,
    account TEXT,                                -- its key; the trail outlives the account
    command TEXT NOT NULL,
    says    TEXT NOT NULL,
    before  TEXT NOT NULL CHECK (json_valid(before)),
    after   TEXT NOT NULL CHECK (json_valid(after)),
    undoes  INTEGER REFERENCES audit (id),
    hash    BLOB CHECK (length(hash) = 32)       -- null only in rows from before the chain
) STRICT;
CREATE INDEX audit_account ON audit (account, id);
CREATE INDEX audit_undoes ON audit (undoes) WHERE undoes IS NOT NULL;

-- The secrets that stood there before a change, for taking it back.
CREATE TABLE audit_secret (
    audit_id INTEGER PRIMARY KEY REFERENCES audit (id),
    sealed   BLOB NOT NULL
) STRICT;

INSERT INTO audit (id, at, login, origin, account, command, says, before, after, undoes)
SELECT id, at, login, origin, account, command, says, before, after, undoes FROM audit_before ORDER BY id;
INSERT INTO audit_secret (audit_id, sealed) SELECT id, sealed FROM audit_before WHERE sealed IS NOT NULL;
DROP TABLE audit_before;

CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit
BEGIN SELECT raise(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_keeps_words BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'the audit trail is append-only'); END;
