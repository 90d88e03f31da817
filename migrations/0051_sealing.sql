-- Which key the secrets in this file are sealed with: its fingerprint (store/seal.rs), and nothing of the key. Whoever writes
-- seals with that one, also a process that has been running since before it was exchanged; and a wrong key is noticed at the
-- start.
CREATE TABLE sealing (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    key_id BLOB NOT NULL CHECK (length(key_id) = 8)
) STRICT;
