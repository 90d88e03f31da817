//! Where in a table a time begins, found by halving: rows are numbered as they come, so their times rise with their numbers.
//!
//! It narrows what is read, and never decides: the clock may have been set back in between, so it leaves an hour on either side,
//! and each statement that uses it asks for the time of a row as well.

/// Times of neighbouring rows may be out of order by so much, in milliseconds.
const SLACK_MS: i64 = 3_600_000;

/// A table whose rows are numbered as they come, and its column with the time.
#[derive(Clone, Copy)]
pub(crate) struct Timed {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
}

/// By when they were accepted.
pub(crate) const EVENTS: Timed = Timed { table: "event", column: "received_at" };

/// By when they were made.
pub(crate) const DELIVERIES: Timed = Timed { table: "delivery", column: "created_at" };

impl Timed {
    /// A condition on the numbers called `id`, by the parameters that hold the times; empty where no time is asked for.
    pub(crate) fn between(self, id: &str, since: Option<&str>, until: Option<&str>) -> String {
        let since = since.map(|since| format!(" AND {id} >= {}", self.first_from(&format!("{since} - {SLACK_MS}"))));
        let until = until.map(|until| format!(" AND {id} < {}", self.first_from(&format!("{until} + {SLACK_MS}"))));
        since.into_iter().chain(until).collect()
    }

    /// The first number whose row has that time or a later one; one beyond the last where there is none.
    fn first_from(self, millis: &str) -> String {
        let Self { table, column } = self;
        let is_early =
            format!("(SELECT {column} FROM {table} WHERE id >= (low + high) / 2 ORDER BY id LIMIT 1) < {millis}");
        format!(
            "(WITH RECURSIVE half (low, high) AS (
                SELECT coalesce((SELECT min(id) FROM {table}), 1), coalesce((SELECT max(id) FROM {table}), 0) + 1
                UNION ALL
                SELECT iif({is_early}, (low + high) / 2 + 1, low), iif({is_early}, high, (low + high) / 2)
                FROM half WHERE low < high)
              SELECT low FROM half WHERE low >= high)"
        )
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

    use super::*;

    const TIMED: Timed = Timed { table: "t", column: "at" };

    async fn found(connection: &mut SqliteConnection, since: i64, until: i64) -> Vec<i64> {
        let between = TIMED.between("id", Some("?1"), Some("?2"));
        let statement = format!("SELECT id FROM t WHERE true {between} ORDER BY id");
        sqlx::query_scalar(AssertSqlSafe(statement)).bind(since).bind(until).fetch_all(connection).await.unwrap()
    }

    #[tokio::test]
    async fn rows_are_found_by_their_time_however_the_numbers_lie() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::query("CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER)").execute(&mut connection).await.unwrap();
        assert!(found(&mut connection, 0, 1).await.is_empty());
        for id in [3_i64, 4, 9, 10, 11, 500] {
            let insert = sqlx::query("INSERT INTO t VALUES (?, ?)").bind(id).bind(id * 10 * SLACK_MS);
            insert.execute(&mut connection).await.unwrap();
        }
        let at = |id: i64| id * 10 * SLACK_MS;
        for (since, until, expected) in [
            (0, at(1000), vec![3, 4, 9, 10, 11, 500]),
            (at(4), at(11), vec![4, 9, 10]),
            (at(5), at(12), vec![9, 10, 11]),
            (at(12), at(13), vec![]),
            (at(501), at(502), vec![]),
            (at(500), at(501), vec![500]),
        ] {
            // The slack is a tenth of what lies between two rows: an end counts when it is not less than that above a row.
            let until = until - 2 * SLACK_MS;
            assert_eq!(found(&mut connection, since, until).await, expected, "from {since} to {until}");
        }
    }
}
