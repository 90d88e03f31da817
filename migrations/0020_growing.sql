-- What screens ask of a file that has grown.

-- The list of accounts is in the order of their names, and is looked through for letters of names and keys.
CREATE INDEX account_name ON account (name COLLATE NOCASE, key);

-- The newest event of a type, and the ones before and after it.
CREATE INDEX event_account_type ON event (account_id, event_type);

-- Destinations in trouble are counted in the index alone, and those that have failed longest are read first.
DROP INDEX destination_trouble;
CREATE INDEX destination_trouble ON destination (account_id, state)
    WHERE removed_at IS NULL AND (failing_since IS NOT NULL OR state = 'disabled');
