//! Pipelines as SQL: the text, what is refused, and, where there is a DuckDB, that it gives what the
//! engine gives.
