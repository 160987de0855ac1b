-- Laptops as they last told of themselves.
CREATE TABLE devices (
    id TEXT PRIMARY KEY NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL,
    agent_version TEXT NOT NULL,
    -- tideline.fleet.v1.DeviceState, encoded.
    state BLOB NOT NULL,
    outcomes_dropped INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What became of decided requests. A batch that is delivered twice counts once.
CREATE TABLE outcomes (
    device_id TEXT NOT NULL,
    spool_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    stored_at_ms INTEGER NOT NULL,
    decision_id TEXT NOT NULL,
    -- tideline.telemetry.v1.Outcome, encoded.
    outcome BLOB NOT NULL,
    PRIMARY KEY (device_id, spool_id, sequence)
) STRICT, WITHOUT ROWID;

CREATE INDEX outcomes_by_decision ON outcomes (decision_id);
CREATE INDEX outcomes_by_time ON outcomes (stored_at_ms, device_id, spool_id, sequence);
