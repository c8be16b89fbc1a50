//! Tables of `PostgreSQL` as copies of exports: what a proved file holds becomes the table, all of it or nothing.
//!
//! In one transaction a staging table of texts takes the file's bytes and is compared with them, a new table takes
//! its rows by their types, and the new one changes places with the old. Who reads sees one of them whole.
//! Nothing is there before [`Pending::commit`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use postgres::{Client, Error};

use super::{connect, quoted, told};
use crate::diagnostics::{Code, Diagnostic, Outcome, Span};
use crate::plan::Type;

/// A file that becomes a table.
#[derive(Debug)]
pub struct Copy<'a> {
    /// The variable of the environment that says where the database is.
    pub variable: &'a str,
    /// The table: `name`, or `schema.name`.
    pub table: &'a str,
    /// Its columns, and what they hold.
    pub columns: Vec<(String, Type)>,
    /// Comma-separated text with a header; an empty cell is null.
    pub file: &'a Path,
    /// Its rows.
    pub rows: u64,
    /// The sum of [`weight`] over its rows.
    pub weight: u128,
}

/// What a row weighs: rows that differ in any cell hardly ever weigh the same. 60 bits of the SHA-256 of its
/// cells, each with its length in bytes before it.
#[must_use]
pub fn weight<'a>(cells: impl Iterator<Item = Option<&'a str>>) -> u128 {
    use sha2::{Digest as _, Sha256};
    let mut row = String::new();
    for cell in cells {
        match cell {
            None => row.push('0'),
            Some(text) => {
                let _ = write!(row, "1{}:{text}", text.len());
            }
        }
    }
    let digest = Sha256::digest(row.as_bytes());
    digest.iter().take(8).fold(0_u128, |all, byte| all << 8 | u128::from(*byte)) >> 4
}

/// Tables that are made, and not yet to be seen. What is dropped is as if it had never been.
pub struct Pending(Vec<(String, Client, Vec<Swap>)>);

/// A new table that is to take the place of another.
struct Swap {
    copied: String,
    schema: String,
    name: String,
    new: String,
    /// Its indexes, and what their like on the old table are called.
    indexes: Vec<(String, String)>,
    rows: u64,
}

impl Pending {
    /// Makes the tables, in one transaction for each database. Who reads the old ones goes on.
    ///
    /// # Errors
    /// A database that cannot be reached or refuses, a table that cannot be exchanged, rows that are not
    /// there as they were meant.
    pub fn make(copies: &[Copy<'_>]) -> Outcome<Self> {
        let mut by_database: BTreeMap<&str, Vec<&Copy<'_>>> = BTreeMap::new();
        for copy in copies {
            by_database.entry(copy.variable).or_default().push(copy);
        }
        let mut pending = Vec::new();
        for (variable, copies) in by_database {
            let mut client = connect(variable, Span::default())?;
            let begun = client.batch_execute("BEGIN; SET LOCAL lock_timeout = '60s'");
            begun.map_err(|error| refused(variable, &error))?;
            let mut swaps: Vec<Swap> = Vec::new();
            for (number, copy) in copies.into_iter().enumerate() {
                let swap = build(&mut client, copy, number)?;
                if swaps
                    .iter()
                    .any(|known| (&known.schema, &known.name) == (&swap.schema, &swap.name))
                {
                    return Err(Diagnostic::error(
                        Code::OutputPath,
                        format!("two exports would be the table {} of {variable}", copy.table),
                    )
                    .help("give each a table of its own")
                    .into());
                }
                swaps.push(swap);
            }
            pending.push((variable.to_owned(), client, swaps));
        }
        Ok(Self(pending))
    }

    /// Lets everybody see them. Of several databases one may fail when another is done.
    ///
    /// # Errors
    /// A database that fails.
    pub fn commit(self) -> Outcome<()> {
        for (variable, mut client, swaps) in self.0 {
            for swap in &swaps {
                exchange(&mut client, &variable, swap)?;
            }
            client.batch_execute("COMMIT").map_err(|error| refused(&variable, &error))?;
        }
        Ok(())
    }
}

fn refused(variable: &str, error: &Error) -> Diagnostic {
    let mut fault = told(variable, Span::default(), error);
    fault.labels.clear();
    fault
}

/// A plain table of this user's own, of which nothing is lost when another one takes its place.
const PLAIN: &str = "SELECT c.oid, c.relkind = 'r' AND c.relpersistence = 'p' AND NOT c.relispartition AND NOT c.relrowsecurity
    AND pg_get_userbyid(c.relowner) = current_user
    AND NOT EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent))
    AND NOT EXISTS (SELECT FROM pg_publication_rel p WHERE p.prrelid = c.oid)
    AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid)
    AND NOT EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)
  FROM pg_class c WHERE c.oid = to_regclass($1)";

/// Makes the new table of a copy.
fn build(client: &mut Client, copy: &Copy<'_>, number: usize) -> Outcome<Swap> {
    let variable = copy.variable;
    let names: Vec<String> = copy.columns.iter().map(|(name, _)| quoted(name)).collect();
    let all = names.join(", ");
    let staging = format!("pg_temp.optin_staging_{number}");
    let run = |client: &mut Client, query: &str| {
        client.batch_execute(query).map_err(|error| refused(variable, &error))
    };
    let texts: Vec<String> = names.iter().map(|name| format!("{name} text")).collect();
    let texts = texts.join(", ");
    let made = format!("CREATE TEMPORARY TABLE optin_staging_{number} ({texts}) ON COMMIT DROP");
    run(client, &made)?;
    fill(client, &staging, &all, copy)?;
    compare(client, &staging, &names, copy)?;

    let (schema, name) = place(client, copy)?;
    let (target, new) = (format!("{schema}.{name}"), format!("{schema}.optin_new_{number}"));
    let found = client.query_opt(PLAIN, &[&target]).map_err(|error| refused(variable, &error))?;
    let mut types: BTreeMap<String, String> =
        copy.columns.iter().map(|(name, ty)| (name.clone(), stored_as(*ty))).collect();
    let mut rights = Vec::new();
    match found {
        None => {
            let columns: Vec<String> = copy
                .columns
                .iter()
                .map(|(name, ty)| format!("{} {}", quoted(name), stored_as(*ty)))
                .collect();
            run(client, &format!("CREATE TABLE {new} ({})", columns.join(", ")))?;
        }
        Some(row) => {
            let oid: u32 = row.get(0);
            if !row.get::<_, bool>(1) {
                return Err(Diagnostic::error(
                    Code::DatabaseFailed,
                    format!("{} of {variable} cannot be exchanged", copy.table),
                )
                .help(
                    "it is no plain table of this user's own, or has triggers, foreign keys, rules, partitions, heirs, \
                     publications or row security, which a new table would not have; name another",
                )
                .into());
            }
            let known = columns_of(client, variable, oid)?;
            expect_room(client, copy, &staging, &known)?;
            types = known.into_iter().map(|(name, (full, _))| (name, full)).collect();
            run(client, &format!("CREATE TABLE {new} (LIKE {target} INCLUDING ALL)"))?;
            rights = rights_of(client, variable, oid, &new)?;
        }
    }
    let casts: Vec<String> = copy
        .columns
        .iter()
        .map(|(name, _)| format!("CAST({} AS {})", quoted(name), types[name]))
        .collect();
    run(client, &format!("INSERT INTO {new} ({all}) SELECT {} FROM {staging}", casts.join(", ")))?;
    for right in rights {
        run(client, &right)?;
    }
    let indexes = indexes_of(client, variable, &target, &new)?;
    Ok(Swap { copied: copy.table.to_owned(), schema, name, new, indexes, rows: copy.rows })
}

/// The columns are those of the export, and hold each of its values as it is: a cast cuts a text off, and
/// rounds a number, without a word.
fn expect_room(
    client: &mut Client,
    copy: &Copy<'_>,
    staging: &str,
    known: &BTreeMap<String, (String, String)>,
) -> Outcome<()> {
    let mismatch = |what: String, help: String| {
        Diagnostic::error(
            Code::SchemaMismatch,
            format!("{} of {} {what}", copy.table, copy.variable),
        )
        .help(help)
    };
    let names: BTreeSet<&str> = copy.columns.iter().map(|(name, _)| name.as_str()).collect();
    if !known.keys().map(String::as_str).eq(names.iter().copied()) {
        let has = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(mismatch(
            "has other columns than the export".to_owned(),
            format!("it has {has}; drop it, or have the export show the same"),
        )
        .into());
    }
    let narrow = |name: &str, ty: Type, full: &str| {
        mismatch(
            format!("does not hold the values of `{name}` as they are"),
            format!("the column is {full}, and the field is {}", ty.name()),
        )
    };
    for (name, ty) in &copy.columns {
        let (full, base) = &known[name];
        let loses = matches!(
            (ty, base.as_str()),
            (Type::Int | Type::Decimal(_), "real" | "double precision")
                | (Type::Float, "real")
                | (Type::Datetime, "date")
        );
        let mut is_narrow = loses;
        if full != base && !loses {
            let name = quoted(name);
            let query = format!(
                "SELECT EXISTS (SELECT FROM {staging} WHERE CAST(CAST({name} AS {full}) AS {base}) IS DISTINCT FROM CAST({name} AS {base}))"
            );
            let found = client.query_one(&query, &[]);
            is_narrow = found.map_err(|error| refused(copy.variable, &error))?.get(0);
        }
        if is_narrow {
            return Err(narrow(name, *ty, full).into());
        }
    }
    Ok(())
}

/// Gives the new table the place of the old.
fn exchange(client: &mut Client, variable: &str, swap: &Swap) -> Outcome<()> {
    let Swap { schema, name, new, .. } = swap;
    let refuse = |error: &Error| refused(variable, error);
    let run = |client: &mut Client, query: &str| {
        client.batch_execute(query).map_err(|error| refused(variable, &error))
    };
    run(
        client,
        &format!("DROP TABLE IF EXISTS {schema}.{name}; ALTER TABLE {new} RENAME TO {name}"),
    )?;
    for (made, called) in &swap.indexes {
        let (made, called) = (quoted(made), quoted(called));
        run(client, &format!("ALTER INDEX {schema}.{made} RENAME TO {called}"))?;
    }
    let count = client.query_one(&format!("SELECT count(*) FROM {schema}.{name}"), &[]);
    let rows: i64 = count.map_err(|error| refuse(&error))?.get(0);
    if u64::try_from(rows) == Ok(swap.rows) {
        Ok(())
    } else {
        Err(differs(&swap.copied, variable).into())
    }
}

/// Gives the staging table the file's bytes.
fn fill(client: &mut Client, staging: &str, all: &str, copy: &Copy<'_>) -> Outcome<()> {
    let refuse = |error: &Error| refused(copy.variable, error);
    let mut file = std::fs::File::open(copy.file)
        .map_err(|error| Diagnostic::unwritable(copy.file, &error))?;
    let query = format!(
        "COPY {staging} ({all}) FROM STDIN (FORMAT csv, HEADER true, FORCE_NULL ({all}), ENCODING 'UTF8')"
    );
    let mut rows = client.copy_in(&query).map_err(|error| refuse(&error))?;
    if let Err(error) = io::copy(&mut file, &mut rows) {
        return Err(match error.downcast::<Error>() {
            Ok(error) => refuse(&error).into(),
            Err(error) => Diagnostic::unwritable(copy.file, &error).into(),
        });
    }
    rows.finish().map_err(|error| refuse(&error))?;
    Ok(())
}

/// What the server holds weighs what the file does.
fn compare(client: &mut Client, staging: &str, names: &[String], copy: &Copy<'_>) -> Outcome<()> {
    let cells: Vec<String> = names
        .iter()
        .map(|name| {
            format!("CASE WHEN {name} IS NULL THEN '0' ELSE '1' || octet_length(convert_to({name}, 'UTF8')) || ':' || {name} END")
        })
        .collect();
    let query = format!(
        "SELECT count(*), coalesce(sum(('x' || substr(encode(sha256(convert_to({}, 'UTF8')), 'hex'), 1, 15))::bit(60)::bigint), 0)::text FROM {staging}",
        cells.join(" || ")
    );
    let found = client.query_one(&query, &[]).map_err(|error| refused(copy.variable, &error))?;
    let (rows, weight): (i64, String) = (found.get(0), found.get(1));
    if u64::try_from(rows) == Ok(copy.rows) && weight == copy.weight.to_string() {
        return Ok(());
    }
    Err(differs(copy.table, copy.variable).into())
}

fn differs(table: &str, variable: &str) -> Diagnostic {
    Diagnostic::error(
        Code::VerifyFailed,
        format!("{table} of {variable} does not hold what the file does"),
    )
    .help("nothing was published; please report it, with the version of the server")
}

/// The schema and the name of a copy's table, in quotes.
fn place(client: &mut Client, copy: &Copy<'_>) -> Outcome<(String, String)> {
    if let Some((schema, name)) = copy.table.split_once('.') {
        return Ok((quoted(schema), quoted(name)));
    }
    let schema = client.query_one("SELECT current_schema()::text", &[]);
    let schema: Option<String> = schema.map_err(|error| refused(copy.variable, &error))?.get(0);
    schema.map(|schema| (quoted(&schema), quoted(copy.table))).ok_or_else(|| {
        Diagnostic::error(
            Code::DatabaseFailed,
            format!("{} has no schema for the table {}", copy.variable, copy.table),
        )
        .help("write `table: SCHEMA.NAME`")
        .into()
    })
}

/// The columns of a table, and their types: with length and digits, and without.
fn columns_of(
    client: &mut Client,
    variable: &str,
    oid: u32,
) -> Outcome<BTreeMap<String, (String, String)>> {
    let rows = client.query(
        "SELECT attname::text, format_type(atttypid, atttypmod), format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped",
        &[&oid],
    );
    let rows = rows.map_err(|error| refused(variable, &error))?;
    Ok(rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect())
}

/// What is to be said so that those may read the new table who may read the old one, and nobody else, whatever
/// new tables are given to by default.
fn rights_of(client: &mut Client, variable: &str, oid: u32, new: &str) -> Outcome<Vec<String>> {
    let who =
        "CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END";
    let option = "CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END";
    let revoke = format!(
        "SELECT DISTINCT format('REVOKE ALL ON TABLE %s FROM %s', $1::text, {who}) FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = to_regclass($1) AND a.grantee <> c.relowner"
    );
    let grant = format!(
        "SELECT format('GRANT %s ON TABLE %s TO %s%s', a.privilege_type, $2::text, {who}, {option}) FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = $1 AND a.grantee <> c.relowner
         UNION ALL SELECT format('GRANT %s (%I) ON TABLE %s TO %s%s', a.privilege_type, t.attname, $2::text, {who}, {option}) FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid, aclexplode(t.attacl) a WHERE t.attrelid = $1 AND NOT t.attisdropped AND a.grantee <> c.relowner"
    );
    let refuse = |error: &Error| refused(variable, error);
    let mut rows = client.query(&revoke, &[&new]).map_err(|error| refuse(&error))?;
    rows.extend(client.query(&grant, &[&oid, &new]).map_err(|error| refuse(&error))?);
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The indexes of the new table, by the names that the server gave them, and what their like on the old one are
/// called.
fn indexes_of(
    client: &mut Client,
    variable: &str,
    target: &str,
    new: &str,
) -> Outcome<Vec<(String, String)>> {
    let rows = client.query(
        "WITH all_indexes AS (
           SELECT i.indrelid, c.relname, regexp_replace(pg_get_indexdef(i.indexrelid), '^.*? USING ', '') AS what, i.indisprimary, i.indisunique,
             row_number() OVER (PARTITION BY i.indrelid, regexp_replace(pg_get_indexdef(i.indexrelid), '^.*? USING ', ''), i.indisprimary, i.indisunique ORDER BY c.oid) AS number
           FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid IN (to_regclass($1), to_regclass($2)))
         SELECT made.relname::text, known.relname::text FROM all_indexes made JOIN all_indexes known USING (what, indisprimary, indisunique, number)
         WHERE made.indrelid = to_regclass($2) AND known.indrelid = to_regclass($1)",
        &[&target, &new],
    );
    let rows = rows.map_err(|error| refused(variable, &error))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The type of a new table's column.
fn stored_as(ty: Type) -> String {
    match ty {
        Type::Text => "text".to_owned(),
        Type::Bool => "boolean".to_owned(),
        Type::Int => "bigint".to_owned(),
        Type::Float => "double precision".to_owned(),
        Type::Decimal(scale) => format!("numeric(38, {scale})"),
        Type::Date => "date".to_owned(),
        Type::Datetime => "timestamp with time zone".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::weight;

    #[test]
    fn a_row_weighs_what_its_cells_say_and_where_they_end() {
        let of = |cells: &[Option<&str>]| weight(cells.iter().copied());
        assert_ne!(of(&[Some("ab"), Some("c")]), of(&[Some("a"), Some("bc")]));
        assert_ne!(of(&[None, Some("0")]), of(&[Some("0"), None]));
        assert_ne!(of(&[Some("")]), of(&[None]));
        assert!(of(&[Some("a")]) < 1 << 60);
    }
}
