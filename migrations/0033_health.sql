-- How a destination that fails is doing: in which fifths of the time that it may only fail it did (bits), what its owner was told
-- so far, and since when it is in its state.
ALTER TABLE destination ADD COLUMN failing_fifths INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destination ADD COLUMN failing_told INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destination ADD COLUMN state_at INTEGER;
