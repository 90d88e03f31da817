-- Changes that were made as one: each row names the change that stands for all of them and was written before it. Taking that
-- one back takes all of them back. Both are ids of the audit trail, which deletes nothing.
CREATE TABLE audit_together (
    audit_id INTEGER PRIMARY KEY,
    leader   INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_together_leader ON audit_together (leader);
