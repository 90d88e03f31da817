-- By which schedule the process that delivers waits, in milliseconds: what waits by another one is given this one's times.
ALTER TABLE deliverer ADD COLUMN schedule TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(schedule));
