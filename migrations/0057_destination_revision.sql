-- How many times a destination's settings were changed, so that an edit of what somebody else has changed meanwhile is refused.
ALTER TABLE destination ADD COLUMN revision INTEGER NOT NULL DEFAULT 0 CHECK (revision >= 0);
