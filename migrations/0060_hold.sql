-- Who asked to be left alone, and until when, so that the next process that delivers does not knock before that: a destination, or
-- what several destinations use up together. No foreign key: it is read by number, and goes when it is long over.
CREATE TABLE hold (
    id             INTEGER PRIMARY KEY,
    destination_id INTEGER UNIQUE,               -- the destination, with the number of the settings that it was said for; or
    revision       INTEGER NOT NULL,
    gate           TEXT UNIQUE,                  -- a digest of the host or token that several share
    since          INTEGER NOT NULL,             -- it has taken nothing since
    told_at        INTEGER NOT NULL,
    until          INTEGER NOT NULL,
    CHECK ((destination_id IS NULL) <> (gate IS NULL))
) STRICT;
