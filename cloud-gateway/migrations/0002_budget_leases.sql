-- What devices may spend of budgets. A lease counts in whole until its device has said that no more of it
-- will be spent.
CREATE TABLE budget_leases (
    id INTEGER PRIMARY KEY NOT NULL,
    budget TEXT NOT NULL,
    device_id TEXT NOT NULL,
    -- Years since 0 times 12, and months.
    month INTEGER NOT NULL,
    amount_micros INTEGER NOT NULL,
    spent_micros INTEGER NOT NULL,
    is_open INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX budget_leases_by_month ON budget_leases (month);
