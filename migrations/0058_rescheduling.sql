-- A changed retry schedule is applied to what waits in small steps: while there is a row, there is something left to do.
CREATE TABLE rescheduling (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    last_attempt   INTEGER NOT NULL,             -- tries up to this one were followed by the wait of another schedule
    destination_id INTEGER NOT NULL,             -- how far it has come: up to this delivery of this lane
    delivery_id    INTEGER NOT NULL
) STRICT;
