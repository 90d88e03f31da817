-- A trouble has a number, by which those that a transaction ends are removed at once: a list of them cannot be looked up by a
-- key of three columns. What was open is found again when it fails the next time.
DROP TABLE trouble;

CREATE TABLE trouble (
    id         INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account (id),
    event_type TEXT NOT NULL,                    -- the type that told of the failure
    subject    TEXT NOT NULL,                    -- what it is about, see domain/subject.rs
    since      INTEGER NOT NULL,
    UNIQUE (account_id, event_type, subject)
) STRICT;
