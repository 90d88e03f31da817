//! One statement over many rows, with each value bound as what it is.
//!
//! A statement through the driver costs some 43 microseconds of processor whatever it does, so rows share one. They are its
//! `VALUES`, not JSON that SQLite would have to parse once for the list and once for each value of each row. The number of rows
//! is rounded up to a power of two, so that a handful of prepared statements serves any number: values that are not bound are
//! null, and each statement leaves out rows that begin with null.

use std::sync::{Arc, OnceLock};

use sqlx::encode::Encode;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Sqlite, SqliteConnection, Type};

use crate::store::error::StoreError;

/// Rows in one statement: more make its program larger than its work.
const ROWS_MAX: usize = 256;

/// How many powers of two there are up to [`ROWS_MAX`].
const SIZES: usize = ROWS_MAX.ilog2() as usize + 1;

/// A statement with a place for rows.
pub(crate) struct Bulk {
    /// Up to the rows, which it must name `(VALUES`.
    pub(crate) before: &'static str,
    /// What follows them.
    pub(crate) after: &'static str,
    /// Values in a row; the first of them is never null.
    pub(crate) columns: usize,
    /// The statement for each power of two, made when it is first wanted.
    pub(crate) texts: Texts,
}

/// Texts of a statement, by size.
pub(crate) type Texts = [OnceLock<Arc<str>>; SIZES];

/// None made yet.
pub(crate) const fn no_texts() -> Texts {
    [const { OnceLock::new() }; SIZES]
}

/// The values of rows, in order.
#[derive(Default)]
pub(crate) struct Values {
    arguments: SqliteArguments,
    problem: Option<String>,
}

impl Values {
    /// The next value of the row.
    pub(crate) fn put<'v, T: Encode<'v, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> &mut Self {
        if let Err(error) = self.arguments.add(value) {
            self.problem.get_or_insert(error.to_string());
        }
        self
    }
}

impl Bulk {
    /// The statement for that many rows.
    pub(crate) fn sql(&self, rows: usize) -> Arc<str> {
        let size = rows.next_power_of_two();
        let make = || {
            let row = format!("({}?),", "?,".repeat(self.columns - 1));
            let rows = row.repeat(size);
            format!("{}{}{}", self.before, rows.trim_end_matches(','), self.after).into()
        };
        self.texts[size.ilog2() as usize].get_or_init(make).clone()
    }

    /// Runs it over all rows, and gives what it returns for them.
    pub(crate) async fn run<T>(
        &self,
        connection: &mut SqliteConnection,
        rows: &[T],
        put: impl Fn(&T, &mut Values),
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let mut returned = Vec::new();
        for chunk in rows.chunks(ROWS_MAX) {
            let mut values = Values::default();
            values.arguments.reserve(chunk.len() * self.columns, 0);
            for row in chunk {
                put(row, &mut values);
            }
            if let Some(problem) = values.problem {
                return Err(StoreError::Io(problem));
            }
            let statement = sqlx::query_with(AssertSqlSafe(self.sql(chunk.len())), values.arguments);
            returned.extend(statement.fetch_all(&mut *connection).await?);
        }
        Ok(returned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{Connection, Row};

    static BULK: Bulk = Bulk {
        before: "INSERT INTO t SELECT column1, column2 FROM (VALUES ",
        after: ") WHERE column1 NOT NULL RETURNING a",
        columns: 2,
        texts: no_texts(),
    };

    #[tokio::test]
    async fn each_row_is_written_once_however_many_there_are() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::query("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT) STRICT").execute(&mut connection).await.unwrap();
        let mut next = 0_i64;
        for count in [0, 1, 2, 3, 255, 256, 257, 600] {
            let rows: Vec<i64> = (next..next + count).collect();
            next += count;
            let text = |id: i64| if id % 2 == 0 { Some("x") } else { None };
            let written = BULK.run(&mut connection, &rows, |row, values| {
                values.put(*row).put(text(*row));
            });
            let written: Vec<i64> = written.await.unwrap().iter().map(|row| row.get(0)).collect();
            assert_eq!(written, rows);
        }
        let row = sqlx::query("SELECT count(*), count(b) FROM t").fetch_one(&mut connection).await.unwrap();
        assert_eq!((row.get::<i64, _>(0), row.get::<i64, _>(1)), (next, next / 2));
    }
}
