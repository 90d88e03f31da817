-- What messages tell besides the payload.

-- What has failed and has not been told to be well again, and since when: so that a recovery knows for how long it was down.
CREATE TABLE trouble (
    account_id INTEGER NOT NULL REFERENCES account (id),
    event_type TEXT NOT NULL,                    -- the type that told of the failure
    subject    TEXT NOT NULL,                    -- what it is about, see domain/subject.rs
    since      INTEGER NOT NULL,
    PRIMARY KEY (account_id, event_type, subject)
) STRICT, WITHOUT ROWID;

-- Of a recovery: when the failure that it ends began. Null when that is not known.
ALTER TABLE event ADD COLUMN down_since INTEGER;

-- Who sent a test.
ALTER TABLE event ADD COLUMN tester TEXT;

-- The type whose trouble an account's own type ends.
ALTER TABLE event_type ADD COLUMN recovers TEXT;
