//! What the engines say in different words, where a macro of `prelude` is not enough.

/// An engine that jobs are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// DuckDB, one process.
    Duckdb,
    /// Apache Spark, and what speaks its language.
    Spark,
}

impl Dialect {
    /// Its name.
    pub(super) fn engine(self) -> &'static str {
        match self {
            Self::Duckdb => "DuckDB",
            Self::Spark => "Spark",
        }
    }

    /// True if it would take the name of a file as a pattern, and read others.
    #[must_use]
    pub fn is_pattern(self, path: &str) -> bool {
        match self {
            Self::Duckdb => path.contains(['*', '?', '[']),
            Self::Spark => path.contains(['*', '?', '[', ']', '{', '}', '\\']),
        }
    }

    /// A number for each row, none twice. What order they have is of no account.
    pub(super) fn row_number(self) -> &'static str {
        match self {
            Self::Duckdb => "row_number() OVER ()",
            // Over all rows `row_number` would bring them to one machine.
            Self::Spark => "monotonically_increasing_id()",
        }
    }

    /// A value, null or not, of the row of a group that is first by `rank` of those that `filter`
    /// takes.
    pub(super) fn first(self, value: &str, rank: &str, filter: &str) -> String {
        match self {
            // Null is no argument of `arg_min`, so it is put into a list and taken out again.
            Self::Duckdb => {
                format!("list_extract(arg_min([{value}], {rank}) FILTER (WHERE {filter}), 1)")
            }
            Self::Spark => format!("min_by({value}, {rank}) FILTER (WHERE {filter})"),
        }
    }

    /// What tells a contact point of `subject`, `key` and `found` from all others.
    pub(super) fn point(self) -> &'static str {
        match self {
            Self::Duckdb => "dense_rank() OVER (ORDER BY subject, key, found)",
            // Each part with its length before it.
            Self::Spark => {
                "optin_part(subject) || optin_part(key) || coalesce(array_join(transform(found, f -> optin_part(f)), ''), '-')"
            }
        }
    }

    /// What profiles are ordered by: the table of the first record, and the customer's id.
    pub(super) fn position(self) -> &'static str {
        match self {
            Self::Duckdb => "row_number() OVER (ORDER BY anchor_table, customer_id)",
            Self::Spark => "lpad(CAST(anchor_table AS VARCHAR), 10, '0') || customer_id",
        }
    }
}
