-- The console shows what fails, the newest first, and how many failed when: without this, each look reads every attempt.
-- An attempt that went well is not in it and costs nothing.
CREATE INDEX attempt_failed ON attempt (started_at) WHERE outcome <> 'delivered';
