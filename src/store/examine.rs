//! What `doctor` finds in the file.

use sqlx::Row;

use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::error::StoreError;

/// Problems of the file that are told one by one.
const PROBLEMS_MAX: usize = 5;

/// The questions of the dispatcher that must be answered by an index, whatever the file holds.
const BY_INDEX: [(&str, &str); 4] = [
    ("the lanes", "SELECT min(destination_id) FROM delivery WHERE state = 'pending' AND destination_id > 1"),
    (
        "a lane's head",
        "SELECT id FROM delivery WHERE state = 'pending' AND destination_id = 1 ORDER BY due_at, id LIMIT 256",
    ),
    ("an event's deliveries", "SELECT id FROM delivery WHERE event_id = 1"),
    ("a delivery's attempts", "SELECT id FROM attempt WHERE delivery_id = 1 ORDER BY number"),
];

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    /// What is wrong with the file's structure; empty when nothing is.
    pub damage: Vec<String>,
    /// Rows that name a row which is not there.
    pub dangling: usize,
    /// Questions for which whole tables would be read.
    pub scans: Vec<String>,
    /// Pages that are free.
    pub free_pages: i64,
    /// Pages in all.
    pub pages: i64,
    /// Deliveries that cannot be sent as they are.
    pub parked: i64,
    /// The newest time in it.
    pub newest: Option<Timestamp>,
    /// Who said last that it delivers.
    pub deliverer: Option<String>,
}

impl Store {
    /// Looks the file over; `full` reads every row and every index.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn examine(&self, full: bool) -> Result<Examined, StoreError> {
        let mut connection = self.readers().acquire().await?;
        let check = if full { "PRAGMA integrity_check" } else { "PRAGMA quick_check" };
        let mut damage: Vec<String> = sqlx::query_scalar(check).fetch_all(&mut *connection).await?;
        damage.retain(|line| line != "ok");
        damage.truncate(PROBLEMS_MAX);
        let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *connection).await?.len();
        let mut scans = Vec::new();
        for (what, statement) in BY_INDEX {
            let plan = explain(&mut connection, statement).await?;
            if plan.iter().any(|step| step.starts_with("SCAN") && !step.contains("INDEX")) {
                scans.push(what.to_owned());
            }
        }
        let newest: Option<i64> = sqlx::query_scalar(
            "SELECT max(at) FROM (SELECT received_at AS at FROM (SELECT received_at FROM event ORDER BY id DESC LIMIT 1)
             UNION ALL SELECT at FROM (SELECT at FROM audit ORDER BY id DESC LIMIT 1))",
        )
        .fetch_one(&mut *connection)
        .await?;
        Ok(Examined {
            damage,
            dangling,
            scans,
            free_pages: sqlx::query_scalar("PRAGMA freelist_count").fetch_one(&mut *connection).await?,
            pages: sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *connection).await?,
            parked: sqlx::query_scalar("SELECT count(*) FROM delivery WHERE state = 'parked'")
                .fetch_one(&mut *connection)
                .await?,
            newest: newest.map(Timestamp::from_millis),
            deliverer: sqlx::query_scalar("SELECT process FROM deliverer WHERE id = 1")
                .fetch_optional(&mut *connection)
                .await?,
        })
    }
}

async fn explain(connection: &mut sqlx::SqliteConnection, statement: &str) -> Result<Vec<String>, StoreError> {
    let rows =
        sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"))).fetch_all(connection).await?;
    Ok(rows.iter().map(|row| row.try_get("detail")).collect::<Result<_, _>>()?)
}
