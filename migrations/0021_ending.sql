-- What is ended at once may be much, and is then done in small steps beside the deliveries: until then a row here, or in the account
-- itself, says that it is at an end. Nothing of it is sent any more.

-- Pending deliveries of a destination, up to that number, are being cancelled for that reason.
CREATE TABLE ending (
    destination_id INTEGER PRIMARY KEY REFERENCES destination (id),
    last           INTEGER NOT NULL,
    reason         TEXT NOT NULL
) STRICT;

-- An account that was removed keeps its row, without name and address and under a key that is none, until the last of what belongs
-- to it is gone. Whoever comes to an account from its events or destinations asks for one that is not removed.
ALTER TABLE account ADD COLUMN removed_at INTEGER;
CREATE INDEX account_removed ON account (id) WHERE removed_at IS NOT NULL;
