//! Tables of `PostgreSQL` as copies of exports: what a proved file holds becomes the table, all of it or nothing.
//!
//! In one transaction a staging table of texts takes the file's bytes and is compared with them, a new table takes
//! its rows by their types, and the new one changes places with the old. Who reads sees one of them whole.
//! Nothing is there before [`Pending::commit`]. No table is dropped but the one that was looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use postgres::error::SqlState;
use postgres::{Client, Error};

use super::staging::{compare, differs, fill};
use super::{connect, is_about_the_query, quoted, told};
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
    /// The sum of [`weight`](super::staging::weight) over its rows.
    pub weight: u128,
}

/// Tables that are made, and not yet to be seen. What is dropped is as if it had never been.
pub struct Pending(Vec<Begun>);

/// The tables of one database, in one transaction.
struct Begun {
    variable: String,
    client: Client,
    swaps: Vec<Swap>,
}

/// A new table that is to take the place of another.
struct Swap {
    copied: String,
    schema: String,
    name: String,
    new: String,
    /// The table that was looked at; none if there was none.
    old: Option<u32>,
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
        // Two variables may name one database.
        let mut taken = BTreeSet::new();
        for (variable, mut copies) in by_database {
            // All runs come to tables in one order, so that no two wait for each other.
            copies.sort_by_key(|copy| copy.table);
            let (mut client, which) = begin(variable)?;
            let mut swaps = Vec::new();
            for copy in copies {
                let place = place(&mut client, copy)?;
                if !taken.insert((which.clone(), place.clone())) {
                    return Err(Diagnostic::error(
                        Code::OutputPath,
                        format!("two exports would be the table {} of {variable}", copy.table),
                    )
                    .help("give each a table of its own; nothing was published")
                    .into());
                }
                swaps.push(build(&mut client, copy, place)?);
            }
            pending.push(Begun { variable: variable.to_owned(), client, swaps });
        }
        Ok(Self(pending))
    }

    /// Lets everybody see them; gives the variables of their databases. All tables change places before the
    /// first database commits: what can be refused is refused before anything is seen.
    ///
    /// # Errors
    /// A database that fails. If another one is done by then, the fault says so.
    pub fn commit(mut self) -> Outcome<Vec<String>> {
        for begun in &mut self.0 {
            for swap in &begun.swaps {
                exchange(&mut begun.client, &begun.variable, swap)?;
            }
        }
        let mut done = Vec::new();
        for Begun { variable, mut client, .. } in self.0 {
            if let Err(error) = client.batch_execute("COMMIT") {
                let is_told = error.as_db_error().is_some();
                return Err(not_committed(refused(&variable, &error), is_told, &done).into());
            }
            done.push(variable);
        }
        Ok(done)
    }
}

/// What is to be said of tables that everybody sees already, when something else fails: nothing if there are none.
#[must_use]
pub fn exchanged(variables: &[String]) -> String {
    if variables.is_empty() {
        return String::new();
    }
    format!("; the tables of {} were exchanged before it, and are new", variables.join(" and "))
}

/// The fault of a database that did not commit, with what is done already. `is_told` if the server said so, and
/// did not just break off.
fn not_committed(fault: Diagnostic, is_told: bool, done: &[String]) -> Diagnostic {
    let own = if is_told { "" } else { "; whether its tables were exchanged is not known" };
    let message = format!("{}{own}{}", fault.message, exchanged(done));
    let help = if is_told && done.is_empty() {
        "nothing was published; run again"
    } else {
        "no file was published: run again, which exchanges all of them"
    };
    Diagnostic { message, ..fault }.help(help)
}

/// Begins the transaction of a database. Also says which database that is, whatever its address.
fn begin(variable: &str) -> Outcome<(Client, String)> {
    let unplaced = |fault: Diagnostic| Diagnostic { labels: Vec::new(), ..fault };
    let mut client = connect(variable, Span::default()).map_err(unplaced)?;
    // A look at the catalog after a wait for somebody else must see what he left.
    let begun = client
        .batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '60s'");
    begun.map_err(|error| refused(variable, &error))?;
    let which = client.query_one(
        "SELECT format('%s %s', pg_postmaster_start_time(), oid) FROM pg_database WHERE datname = current_database()",
        &[],
    );
    let which: String = which.map_err(|error| refused(variable, &error))?.get(0);
    Ok((client, which))
}

/// The fault of a statement before anything was committed.
pub(super) fn refused(variable: &str, error: &Error) -> Diagnostic {
    let fault = Diagnostic { labels: Vec::new(), ..told(variable, Span::default(), error) };
    let Some(said) = error.as_db_error() else { return fault };
    match said.code().code() {
        "55P03" | "40P01" => fault.help(
            "another run, or somebody else, works on the table, too; nothing was published: run again when that \
             has ended",
        ),
        _ if is_about_the_query(said) => fault.help(
            "the table must be this user's own, with its schema open to new tables; nothing may depend on it, \
             and its constraints must hold for each row; nothing was published",
        ),
        _ => fault,
    }
}

/// The fault of a table that is not the one that was looked at.
fn changed(table: &str, variable: &str) -> Diagnostic {
    Diagnostic::error(
        Code::DatabaseFailed,
        format!("somebody else made or changed {table} of {variable} while this run worked"),
    )
    .help("it stays as it is, and nothing was published; run again if it may be replaced")
}

/// A plain table of this user's own, of which nothing is lost when another one takes its place.
const PLAIN: &str = "SELECT c.oid, c.relkind = 'r' AND c.relpersistence = 'p' AND NOT c.relispartition AND NOT c.relrowsecurity
    AND pg_get_userbyid(c.relowner) = current_user
    AND NOT EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent))
    AND NOT EXISTS (SELECT FROM pg_publication_rel p WHERE p.prrelid = c.oid)
    AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid)
    AND NOT EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)
  FROM pg_class c WHERE c.oid = to_regclass($1)";

/// The table that stands at a copy's place, if there is one.
fn find(client: &mut Client, copy: &Copy<'_>, target: &str) -> Outcome<Option<u32>> {
    let found = client.query_opt(PLAIN, &[&target]);
    let Some(row) = found.map_err(|error| refused(copy.variable, &error))? else {
        return Ok(None);
    };
    if row.get(1) {
        return Ok(Some(row.get(0)));
    }
    Err(Diagnostic::error(
        Code::DatabaseFailed,
        format!("{} of {} cannot be exchanged", copy.table, copy.variable),
    )
    .help(
        "it is no plain table of this user's own, or has triggers, foreign keys, rules, partitions, heirs, \
         publications or row security, which a new table would not have; name another",
    )
    .into())
}

/// A part of the names of new tables, so that no run waits for another one's.
fn tag() -> String {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// Makes the new table of a copy.
fn build(client: &mut Client, copy: &Copy<'_>, (schema, name): (String, String)) -> Outcome<Swap> {
    let variable = copy.variable;
    let names: Vec<String> = copy.columns.iter().map(|(name, _)| quoted(name)).collect();
    let all = names.join(", ");
    let tag = tag();
    let staging = format!("pg_temp.optin_staging_{tag}");
    let run = |client: &mut Client, query: &str| {
        client.batch_execute(query).map_err(|error| refused(variable, &error))
    };
    let texts: Vec<String> = names.iter().map(|name| format!("{name} text")).collect();
    let texts = texts.join(", ");
    let made = format!("CREATE TEMPORARY TABLE optin_staging_{tag} ({texts}) ON COMMIT DROP");
    run(client, &made)?;
    fill(client, &staging, &all, copy)?;
    compare(client, &staging, &names, copy)?;

    let (target, new) = (format!("{schema}.{name}"), format!("{schema}.optin_new_{tag}"));
    let mut old = find(client, copy, &target)?;
    if old.is_some() {
        // Others go on reading and writing it; nobody else exchanges it or gives it triggers until this ends.
        run(client, &format!("LOCK TABLE {target} IN SHARE UPDATE EXCLUSIVE MODE"))?;
        old = find(client, copy, &target)?;
    }
    let mut types: BTreeMap<String, String> =
        copy.columns.iter().map(|(name, ty)| (name.clone(), stored_as(*ty))).collect();
    let mut rights = Vec::new();
    match old {
        None => {
            let columns: Vec<String> = copy
                .columns
                .iter()
                .map(|(name, ty)| format!("{} {}", quoted(name), stored_as(*ty)))
                .collect();
            run(client, &format!("CREATE TABLE {new} ({})", columns.join(", ")))?;
        }
        Some(oid) => {
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
    let (copied, rows) = (copy.table.to_owned(), copy.rows);
    Ok(Swap { copied, schema, name, new, old, indexes, rows })
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

/// Gives the new table the place of the old, if that is still the one that was looked at.
fn exchange(client: &mut Client, variable: &str, swap: &Swap) -> Outcome<()> {
    let Swap { schema, name, new, .. } = swap;
    let refuse = |error: &Error| refused(variable, error);
    let run = |client: &mut Client, query: &str| {
        client.batch_execute(query).map_err(|error| refused(variable, &error))
    };
    let target = format!("{schema}.{name}");
    if let Some(old) = swap.old {
        run(client, &format!("LOCK TABLE {target} IN ACCESS EXCLUSIVE MODE"))?;
        let now = client.query_opt(PLAIN, &[&target]).map_err(|error| refuse(&error))?;
        if now.is_none_or(|row| row.get::<_, u32>(0) != old || !row.get::<_, bool>(1)) {
            return Err(changed(&swap.copied, variable).into());
        }
        run(client, &format!("DROP TABLE {target}"))?;
    }
    let renamed = client.batch_execute(&format!("ALTER TABLE {new} RENAME TO {name}"));
    renamed.map_err(|error| match error.code().map(SqlState::code) {
        // Something has that name: a table, a type, or what another transaction committed just now.
        Some("42P07" | "42710" | "23505") => changed(&swap.copied, variable),
        _ => refuse(&error),
    })?;
    for (made, called) in &swap.indexes {
        let (made, called) = (quoted(made), quoted(called));
        run(client, &format!("ALTER INDEX {schema}.{made} RENAME TO {called}"))?;
    }
    let count = client.query_one(&format!("SELECT count(*) FROM {target}"), &[]);
    let rows: i64 = count.map_err(|error| refuse(&error))?.get(0);
    if u64::try_from(rows) == Ok(swap.rows) {
        Ok(())
    } else {
        Err(differs(&swap.copied, variable).into())
    }
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
    use super::{exchanged, not_committed};
    use crate::diagnostics::{Code, Diagnostic};

    #[test]
    fn what_is_committed_already_is_told() {
        let fault = || Diagnostic::error(Code::DatabaseFailed, "the database of B broke off");
        let done = ["A".to_owned(), "C".to_owned()];
        assert_eq!(exchanged(&[]), "");
        let told = not_committed(fault(), true, &done);
        assert!(
            told.message.ends_with("the tables of A and C were exchanged before it, and are new")
        );
        assert!(!told.message.contains("not known"), "{}", told.message);
        let help = |fault: &Diagnostic| fault.help.clone().unwrap_or_default();
        assert!(help(&told).starts_with("no file was published"));
        let lost = not_committed(fault(), false, &[]);
        assert!(lost.message.ends_with("is not known") && help(&lost).starts_with("no file"));
        assert!(help(&not_committed(fault(), true, &[])).starts_with("nothing was published"));
    }
}
