-- Cells that get nothing until a time. An empty name is for all: a row, a column, or the whole account.
CREATE TABLE mute (
    account_id INTEGER NOT NULL REFERENCES account (id),
    event_type TEXT NOT NULL,
    channel    TEXT NOT NULL CHECK (channel IN ('', 'browser', 'email', 'hipchat', 'ios', 'slack', 'webhook')),
    until      INTEGER NOT NULL,
    muted_by   TEXT NOT NULL,
    reason     TEXT NOT NULL,
    PRIMARY KEY (account_id, event_type, channel)
) STRICT, WITHOUT ROWID;
