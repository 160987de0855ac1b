//! What must outlive the process: devices and outcomes, in SQLite.
//!
//! Its invariant: what a call has answered is on the disk. The log is written ahead and synced at
//! each commit.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use router_policy::{Held, Lease, LeaseId, Micros, Month};
use sqlx::Row as _;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the database could not be brought to this version: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Connections: one writes at a time, the others read beside it.
const CONNECTIONS: u32 = 4;
/// How long a write waits for another.
const BUSY: Duration = Duration::from_secs(5);

/// The database. A clone is another handle to the same.
#[derive(Clone, Debug)]
pub(crate) struct Store(SqlitePool);

/// A device as it last told of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceRow {
    pub(crate) id: String,
    pub(crate) first_seen: SystemTime,
    pub(crate) last_seen: SystemTime,
    pub(crate) agent_version: String,
    /// Encoded.
    pub(crate) state: Vec<u8>,
    pub(crate) outcomes: u64,
    pub(crate) outcomes_dropped: u64,
}

/// An outcome that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutcomeRow {
    pub(crate) device_id: String,
    pub(crate) stored_at: SystemTime,
    /// Where the page after this row begins.
    pub(crate) cursor: String,
    /// Encoded.
    pub(crate) outcome: Vec<u8>,
}

/// An outcome to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewOutcome {
    pub(crate) sequence: u64,
    pub(crate) decision_id: String,
    /// Encoded.
    pub(crate) outcome: Vec<u8>,
}

/// Outcomes of one spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewOutcomes {
    pub(crate) device_id: String,
    pub(crate) spool_id: String,
    pub(crate) dropped_total: u64,
    pub(crate) outcomes: Vec<NewOutcome>,
}

impl Store {
    /// Opens the database, makes it if it is not there, and brings it to this version.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .foreign_keys(true);
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_with(options)
            .await?;
        MIGRATIONS.run(&pool).await?;
        Ok(Self(pool))
    }

    /// Keeps what a device told of itself.
    pub(crate) async fn keep_device(
        &self,
        id: &str,
        agent_version: &str,
        state: &[u8],
        now: SystemTime,
    ) -> Result<(), StoreError> {
        let query = "INSERT INTO devices (id, first_seen_ms, last_seen_ms, agent_version, state) VALUES (?1, ?2, ?2, ?3, ?4)
            ON CONFLICT (id) DO UPDATE SET last_seen_ms = ?2, agent_version = ?3, state = ?4";
        sqlx::query(query)
            .bind(id)
            .bind(millis(now))
            .bind(agent_version)
            .bind(state)
            .execute(&self.0)
            .await?;
        Ok(())
    }

    /// The leases of this month.
    pub(crate) async fn leases(&self, month: Month) -> Result<Vec<Held>, StoreError> {
        let query = "SELECT id, budget, device_id, month, amount_micros, spent_micros, is_open, expires_at_ms
            FROM budget_leases WHERE month >= ?1";
        let rows = sqlx::query(query).bind(month.0).fetch_all(&self.0).await?;
        let held = |row: SqliteRow| {
            let number = |name: &str| row.try_get::<i64, _>(name).map(i64::unsigned_abs);
            let text = |name: &str| row.try_get::<String, _>(name);
            Ok(Held {
                lease: Lease {
                    id: LeaseId(number("id")?),
                    budget: text("budget")?.into(),
                    amount: Micros::new(number("amount_micros")?),
                    expires_at_ms: number("expires_at_ms")?,
                },
                device: text("device_id")?.into(),
                month: Month(row.try_get("month")?),
                spent: Micros::new(number("spent_micros")?),
                is_open: row.try_get("is_open")?,
            })
        };
        rows.into_iter().map(held).collect()
    }

    /// Keeps leases as they are now, all or none.
    pub(crate) async fn keep_leases(&self, leases: &[Held]) -> Result<(), StoreError> {
        if leases.is_empty() {
            return Ok(());
        }
        let query = "INSERT INTO budget_leases (id, budget, device_id, month, amount_micros, spent_micros, is_open, expires_at_ms)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO UPDATE SET spent_micros = ?6, is_open = ?7";
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut transaction = self.0.begin().await?;
        for held in leases {
            sqlx::query(query)
                .bind(number(held.lease.id.0))
                .bind(&*held.lease.budget)
                .bind(&*held.device)
                .bind(held.month.0)
                .bind(number(held.lease.amount.get()))
                .bind(number(held.spent.get()))
                .bind(held.is_open)
                .bind(number(held.lease.expires_at_ms))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Notes that a device was there.
    pub(crate) async fn seen(&self, id: &str, now: SystemTime) -> Result<(), StoreError> {
        let query = "UPDATE devices SET last_seen_ms = ?2 WHERE id = ?1";
        sqlx::query(query)
            .bind(id)
            .bind(millis(now))
            .execute(&self.0)
            .await?;
        Ok(())
    }

    /// Stores outcomes, each once however often it is delivered; gives how many were new.
    pub(crate) async fn keep_outcomes(
        &self,
        new: &NewOutcomes,
        now: SystemTime,
    ) -> Result<u64, StoreError> {
        let mut transaction = self.0.begin().await?;
        let mut stored = 0;
        for outcome in &new.outcomes {
            let query = "INSERT INTO outcomes (device_id, spool_id, sequence, stored_at_ms, decision_id, outcome)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
            let done = sqlx::query(query)
                .bind(&new.device_id)
                .bind(&new.spool_id)
                .bind(signed(outcome.sequence))
                .bind(millis(now))
                .bind(&outcome.decision_id)
                .bind(&outcome.outcome)
                .execute(&mut *transaction)
                .await?;
            stored += done.rows_affected();
        }
        let query = "UPDATE devices SET outcomes_dropped = MAX(outcomes_dropped, ?2) WHERE id = ?1";
        sqlx::query(query)
            .bind(&new.device_id)
            .bind(signed(new.dropped_total))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(stored)
    }

    /// Devices whose id comes after `after`, in the order of their ids.
    pub(crate) async fn devices(
        &self,
        after: &str,
        limit: u32,
    ) -> Result<Vec<DeviceRow>, StoreError> {
        let query =
            "SELECT d.*, (SELECT COUNT(*) FROM outcomes o WHERE o.device_id = d.id) AS outcomes
            FROM devices d WHERE d.id > ?1 ORDER BY d.id LIMIT ?2";
        let rows = sqlx::query(query)
            .bind(after)
            .bind(limit)
            .fetch_all(&self.0)
            .await?;
        Ok(rows.iter().map(device).collect::<Result<_, _>>()?)
    }

    /// The device of that id.
    pub(crate) async fn device(&self, id: &str) -> Result<Option<DeviceRow>, StoreError> {
        let query =
            "SELECT d.*, (SELECT COUNT(*) FROM outcomes o WHERE o.device_id = d.id) AS outcomes
            FROM devices d WHERE d.id = ?1";
        let row = sqlx::query(query).bind(id).fetch_optional(&self.0).await?;
        Ok(row.as_ref().map(device).transpose()?)
    }

    /// Outcomes before `cursor`, newest first; of one device, or of all.
    pub(crate) async fn outcomes(
        &self,
        device_id: Option<&str>,
        cursor: &Cursor,
        limit: u32,
    ) -> Result<Vec<OutcomeRow>, StoreError> {
        let query = "SELECT * FROM outcomes
            WHERE (?1 IS NULL OR device_id = ?1)
              AND (stored_at_ms, device_id, spool_id, sequence) < (?2, ?3, ?4, ?5)
            ORDER BY stored_at_ms DESC, device_id DESC, spool_id DESC, sequence DESC LIMIT ?6";
        let rows = sqlx::query(query)
            .bind(device_id)
            .bind(cursor.stored_at_ms)
            .bind(&cursor.device_id)
            .bind(&cursor.spool_id)
            .bind(cursor.sequence)
            .bind(limit)
            .fetch_all(&self.0)
            .await?;
        Ok(rows.iter().map(outcome).collect::<Result<_, _>>()?)
    }

    /// The outcome of that decision.
    pub(crate) async fn decision(
        &self,
        decision_id: &str,
    ) -> Result<Option<OutcomeRow>, StoreError> {
        let query = "SELECT * FROM outcomes WHERE decision_id = ?1 LIMIT 1";
        let row = sqlx::query(query)
            .bind(decision_id)
            .fetch_optional(&self.0)
            .await?;
        Ok(row.as_ref().map(outcome).transpose()?)
    }

    /// Lets go of the database once all calls have ended.
    pub(crate) async fn close(&self) {
        self.0.close().await;
    }
}

/// Where a page of outcomes begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    stored_at_ms: i64,
    device_id: String,
    spool_id: String,
    sequence: i64,
}

impl Cursor {
    /// Before the newest.
    pub(crate) fn newest() -> Self {
        Self {
            stored_at_ms: i64::MAX,
            device_id: String::new(),
            spool_id: String::new(),
            sequence: 0,
        }
    }

    /// Reads what an earlier page gave.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, ' ');
        let mut next = || parts.next();
        Some(Self {
            stored_at_ms: next()?.parse().ok()?,
            sequence: next()?.parse().ok()?,
            device_id: next()?.to_owned(),
            spool_id: next()?.to_owned(),
        })
    }
}

fn device(row: &SqliteRow) -> Result<DeviceRow, sqlx::Error> {
    Ok(DeviceRow {
        id: row.try_get("id")?,
        first_seen: time(row.try_get("first_seen_ms")?),
        last_seen: time(row.try_get("last_seen_ms")?),
        agent_version: row.try_get("agent_version")?,
        state: row.try_get("state")?,
        outcomes: unsigned(row.try_get("outcomes")?),
        outcomes_dropped: unsigned(row.try_get("outcomes_dropped")?),
    })
}

fn outcome(row: &SqliteRow) -> Result<OutcomeRow, sqlx::Error> {
    let device_id: String = row.try_get("device_id")?;
    let stored_at_ms: i64 = row.try_get("stored_at_ms")?;
    let (spool, sequence): (String, i64) = (row.try_get("spool_id")?, row.try_get("sequence")?);
    Ok(OutcomeRow {
        cursor: format!("{stored_at_ms} {sequence} {device_id} {spool}"),
        stored_at: time(stored_at_ms),
        device_id,
        outcome: row.try_get("outcome")?,
    })
}

fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn time(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(unsigned(millis))
}

/// SQLite has signed numbers alone; what is beyond them is as large as they get.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests;
