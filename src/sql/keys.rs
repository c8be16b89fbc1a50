//! Keys: normalizers as SQL, or tables of keys that this program made.
//!
//! The keys of a field stand in one table, of the distinct values of all its columns. A chain of
//! normalizers is said in SQL where it can be for texts of ASCII; a value that it cannot be said for
//! ends the job, unless made keys are given, in which it is looked up. What SQL cannot say for any
//! text is looked up always.

use super::dialect::Dialect;
use super::job::{Job, text_of};
use super::script::{self, Read, ReadFormat};
use super::text::{guard, list, literal, name};
use crate::normalize::{Chain, EmailOptions, Kind, Step};
use crate::plan::{FieldId, Match, RegionFrom, SourceId, Type};

/// The columns of a field's keys that a query joins.
pub struct KeySql {
    /// The key; null if there is none.
    pub key: String,
    /// The key where records are compared: null too if it stands in `never`.
    pub link: String,
    /// The forms of a denial that stands on the value, a list.
    pub denies: String,
    /// The forms by which denials find the value, a list.
    pub found: String,
    /// The join that it needs, if it needs one.
    pub join: String,
}

/// The file of a field's made keys.
#[must_use]
pub fn file_name(field: FieldId) -> String {
    format!("keys-{}.ndjson", field.0)
}

/// True where made keys are of use for the field.
#[must_use]
pub fn wants_table(chain: &Chain) -> bool {
    said(chain).is_none_or(|said| said.is_odd)
}

/// True where a value may have to be looked up in the field's made keys.
#[must_use]
pub fn is_looked_up(chain: &Chain, value: &str) -> bool {
    said(chain).is_none() || !value.is_ascii() || value.contains(['"', '\0']) || {
        chain.kind() == Kind::Mail && value.to_ascii_lowercase().contains("xn--")
    }
}

/// True where the key of a value is no more than its trimmed text, and is said beside it.
fn is_beside(job: &Job<'_>, field: FieldId) -> bool {
    job.plan.fields[field.0].key.chain.is_trim() && !job.is_contact_key(field)
}

/// Writes the keys of all fields whose keys are asked for.
pub fn write_tables(job: &mut Job<'_>) {
    job.script.heading("Keys: how values are compared");
    for number in 0..job.plan.fields.len() {
        let field = FieldId(number);
        if job.is_compared(field) && !is_beside(job, field) {
            let place = job.places.line(job.field_span(field));
            job.script.comment(&format!("{} ({place})", job.plan.fields[number].name));
            write_table(job, field);
        }
    }
}

fn write_table(job: &mut Job<'_>, field: FieldId) {
    let plan = job.plan;
    let key = &plan.fields[field.0].key;
    let chain = &key.chain;
    let said = said(chain);
    if said.is_none() && job.keys.is_none() {
        job.refuse(
            job.field_span(field),
            format!("the normalizers of `{}`", plan.fields[field.0].name),
            "give `--keys DIR`: this program then makes the keys of the values that the sources hold now",
        );
        return;
    }
    let given = given(job, field);
    let mut stages = vec![format!(
        "given AS (SELECT DISTINCT value, region FROM (\n    {}) WHERE value IS NOT NULL)",
        given.join("\n    UNION ALL ")
    )];
    let (key_expr, odd, last) = match &said {
        Some(said) => stages_of(said, &mut stages),
        None => ("CAST(NULL AS VARCHAR)".to_owned(), "true".to_owned(), "given".to_owned()),
    };
    let fault = guard(&format!(
        "field {}: a value whose key SQL cannot make; compile with key tables, made of these sources",
        plan.fields[field.0].name
    ));
    let never: Vec<String> = key
        .never
        .values()
        .filter_map(|never| chain.apply(never, key.fixed_region()))
        .map(std::borrow::Cow::into_owned)
        .collect();
    let never = list(never.iter().map(String::as_str));
    let made = job
        .keys
        .filter(|_| odd != "false")
        .and_then(|folder| Some(folder.join(file_name(field)).to_str()?.to_owned()))
        .map(|path| made_keys(job, field, path));
    let from = match &made {
        None => {
            let odd_one = format!("CASE WHEN {odd} THEN error({fault}) ELSE {key_expr} END");
            stages.push(format!("keyed AS (SELECT value, region, {odd_one} AS key FROM {last})"));
            "SELECT *, true AS links, CAST(NULL AS VARCHAR[]) AS made_denies, CAST(NULL AS VARCHAR[]) AS made_found, false AS is_made FROM keyed".to_owned()
        }
        Some(read) => {
            stages.push(format!("made AS (SELECT * FROM {read})"));
            stages.push(format!(
                "keyed AS (SELECT value, region, {odd} AS is_made, CASE WHEN {odd} THEN NULL ELSE {key_expr} END AS key FROM {last})"
            ));
            format!(
                "SELECT k.value, k.region, CASE WHEN NOT k.is_made THEN k.key WHEN m.value IS NULL THEN error({fault}) ELSE m.key END AS key, coalesce(m.links, true) AS links, m.denies AS made_denies, m.found AS made_found, k.is_made\n  FROM keyed k LEFT JOIN made m ON k.is_made AND m.value = k.value AND m.region IS NOT DISTINCT FROM k.region"
            )
        }
    };
    let form = match chain.kind() {
        Kind::Mail => "optin_gmail(optin_untagged(key))",
        Kind::Phone | Kind::Text => "key",
    };
    stages.push(format!("looser AS (SELECT *, {form} AS loose FROM ({from}))"));
    let query = format!(
        "WITH {}\nSELECT value, region, key,\n  CASE WHEN links AND key NOT IN {never} THEN key END AS link,\n  CASE WHEN key IS NULL THEN NULL WHEN is_made THEN made_denies ELSE [loose] END AS denies,\n  CASE WHEN key IS NULL THEN NULL WHEN is_made THEN made_found ELSE [loose] END AS found\nFROM looser",
        stages.join(",\n")
    );
    // Nothing is `NOT IN` a list with a null.
    let query = query.replace(" AND key NOT IN (NULL)", "");
    let table = job.field_table("keys of", field);
    job.script.table(&table, &query);
}

/// The made keys of a field, as a table of a query.
fn made_keys(job: &mut Job<'_>, field: FieldId, path: String) -> String {
    match job.dialect {
        Dialect::Duckdb => format!(
            "read_json({}, format = 'newline_delimited', columns = {{value: 'VARCHAR', region: 'VARCHAR', key: 'VARCHAR', links: 'BOOLEAN', denies: 'VARCHAR[]', found: 'VARCHAR[]'}})",
            literal(&path)
        ),
        Dialect::Spark => {
            let table = job.field_table("made keys of", field);
            let format = ReadFormat::KeyTable;
            job.script.step(script::Step::Read(Read {
                table: table.clone(),
                files: vec![path],
                format,
            }));
            name(&table)
        }
    }
}

/// The queries that give the values of a field's columns, with the texts of their regions.
fn given(job: &Job<'_>, field: FieldId) -> Vec<String> {
    let plan = job.plan;
    let column = |of: FieldId| {
        let value = format!("v.{}", job.column("field", of));
        text_of(&value, plan.fields[of.0].ty).unwrap_or_else(|| "NULL".to_owned())
    };
    let mut given = vec![format!(
        "SELECT {} AS value, {} AS region FROM \"values\" v",
        column(field),
        region(&plan.fields[field.0].key.region, |of| column(*of))
    )];
    let tables = plan.consent.tables.iter().map(|table| (table.source, &table.matches));
    let lists = plan.consent.suppress.iter().map(|list| (list.source, &list.matches));
    for (source, matches) in tables.chain(lists) {
        for item in matches {
            if let Match::Key { field: of, column, region: from } = item
                && *of == field
            {
                given.push(format!(
                    "SELECT {}, {} FROM {} s",
                    cell(job, source, column),
                    region(from, |beside| cell(job, source, beside)),
                    name(&job.tables[source.0].table)
                ));
            }
        }
    }
    given
}

/// The text of a source's cell, of a table called `s`.
pub fn cell(job: &Job<'_>, source: SourceId, column: &str) -> String {
    let columns = &job.plan.sources[source.0].columns;
    let ty = columns.iter().find(|known| known.name == column).and_then(|known| known.ty.usable());
    let cell = format!("s.{}", job.tables[source.0].column(column));
    text_of(&cell, ty.unwrap_or(Type::Text)).unwrap_or_else(|| "CAST(NULL AS VARCHAR)".to_owned())
}

/// The keys of a column of texts. `alias` is a name that no other join of the query has.
pub fn key(job: &Job<'_>, field: FieldId, text: &str, region: &str, alias: &str) -> KeySql {
    if is_beside(job, field) {
        let key = format!("nullif(optin_trim({text}), '')");
        let never: Vec<String> = job.plan.fields[field.0]
            .key
            .never
            .values()
            .filter_map(|never| job.plan.fields[field.0].key.chain.apply(never, None))
            .map(std::borrow::Cow::into_owned)
            .collect();
        let link = match never.as_slice() {
            [] => key.clone(),
            some => format!(
                "CASE WHEN {key} NOT IN {} THEN {key} END",
                list(some.iter().map(String::as_str))
            ),
        };
        let none = || "CAST(NULL AS VARCHAR[])".to_owned();
        return KeySql { link, key, denies: none(), found: none(), join: String::new() };
    }
    let table = job.column("keys of", field);
    KeySql {
        key: format!("{alias}.key"),
        link: format!("{alias}.link"),
        denies: format!("{alias}.denies"),
        found: format!("{alias}.found"),
        join: format!(
            "\nLEFT JOIN {table} {alias} ON {alias}.value = {text} AND {alias}.region IS NOT DISTINCT FROM {region}"
        ),
    }
}

/// The text of the region that goes with a number; `beside` gives that of a field or column.
pub fn region<C>(from: &RegionFrom<C>, beside: impl Fn(&C) -> String) -> String {
    match from {
        RegionFrom::None => "CAST(NULL AS VARCHAR)".to_owned(),
        RegionFrom::Fixed(region) => literal(region.as_str()),
        RegionFrom::Of(column) => beside(column),
    }
}

/// A chain that SQL can say.
struct Said {
    /// What is done with the text, one after the other; `{}` stands for it.
    steps: Vec<&'static str>,
    /// The address that is made at the end.
    mail: Option<EmailOptions>,
    /// True where it is said for some values alone.
    is_odd: bool,
}

/// A chain in SQL, if it can be said for texts of ASCII at least.
fn said(chain: &Chain) -> Option<Said> {
    let mut said = Said { steps: Vec::new(), mail: None, is_odd: false };
    let steps = chain.steps();
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Trim => said.steps.push("optin_trim({})"),
            Step::StripWhitespace => said.steps.push("optin_squeeze({})"),
            // Of ASCII unaccent changes the case alone, and numerals nothing.
            Step::Lower | Step::Unaccent => {
                said.steps.push("lower({})");
                said.is_odd = true;
            }
            Step::Numerals => said.is_odd = true,
            Step::StripSymbols => {
                said.steps.push("optin_no_symbols({})");
                said.is_odd = true;
            }
            Step::Email(options) if at + 1 == steps.len() => {
                said.mail = Some(*options);
                said.is_odd = true;
            }
            // What follows an address can make looser forms of several kinds.
            Step::Email(_)
            | Step::Phone
            | Step::Name
            | Step::Address
            | Step::Organization
            | Step::Alias(_) => return None,
        }
    }
    Some(said)
}

/// Adds the stages of a chain; gives its key, what tells that a value is odd, and the last stage.
fn stages_of(said: &Said, stages: &mut Vec<String>) -> (String, String, String) {
    let mut text = "value".to_owned();
    for step in &said.steps {
        text = step.replace("{}", &text);
    }
    let Some(options) = said.mail else {
        stages.push(format!("stripped AS (SELECT *, nullif({text}, '') AS t FROM given)"));
        let odd = if said.is_odd { "NOT optin_ascii(value)" } else { "false" };
        return ("t".to_owned(), odd.to_owned(), "stripped".to_owned());
    };
    stages.push(format!("stripped AS (SELECT *, optin_trim({text}) AS t FROM given)"));
    stages.push(
        "unnamed AS (SELECT value, region, optin_mail_inside(t) AS t FROM stripped)".to_owned(),
    );
    stages
        .push("bare AS (SELECT value, region, optin_mail_scheme(t) AS t FROM unnamed)".to_owned());
    stages.push("seen AS (SELECT value, region, optin_mail_odd(value, t) AS odd, lower(regexp_replace(t, '\\.$', '')) AS t FROM bare)".to_owned());
    stages.push("checked AS (SELECT value, region, odd, optin_mail(t) AS t FROM seen)".to_owned());
    let mut key = "t".to_owned();
    if options.drop_plus_tag {
        key = format!("optin_untagged({key})");
    }
    if options.drop_gmail_dots {
        key = format!("optin_gmail({key})");
    }
    (key, "odd".to_owned(), "checked".to_owned())
}
