-- Two more ends of a delivery: folded into a summary, and parked since it cannot be sent as it is. Only the table's CHECK changes,
-- which needs no copy of its rows (sqlite.org/lang_altertable.html, the simpler procedure).
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''failed'', ''cancelled'')', '''failed'', ''cancelled'', ''folded'', ''parked'')')
WHERE type = 'table' AND name = 'delivery';
PRAGMA writable_schema = RESET;

-- The summary that tells of it.
ALTER TABLE delivery ADD COLUMN folded_into INTEGER;
CREATE INDEX delivery_folded ON delivery (folded_into) WHERE folded_into IS NOT NULL;
CREATE INDEX delivery_parked ON delivery (id) WHERE state = 'parked';

-- The summaries that still take more: one for each destination and family of event types.
CREATE TABLE storm (
    destination_id INTEGER NOT NULL REFERENCES destination (id),
    family         TEXT NOT NULL,
    summary_id     INTEGER NOT NULL REFERENCES delivery (id),
    PRIMARY KEY (destination_id, family)
) STRICT, WITHOUT ROWID;
CREATE INDEX storm_summary ON storm (summary_id);
