-- Where order matters, the earliest of a lane goes first, however late it is due.

-- The lanes in the order of acceptance: the rows of an index with equal values stand by their number.
CREATE INDEX delivery_order ON delivery (destination_id) WHERE state = 'pending';

-- Tests, which stand outside of that order.
CREATE INDEX event_test ON event (id) WHERE is_test = 1;
