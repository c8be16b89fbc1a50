//! Keys: normalizers as SQL, or tables of keys that this program made.
//!
//! A chain of normalizers is said in SQL where it can be for texts of ASCII; a value that it cannot
//! be said for ends the job, unless key tables are given, in which it is looked up. What SQL cannot
//! say for any text is looked up always.

use super::job::Job;
use super::text::{list, literal, name, of};
use crate::normalize::{Chain, EmailOptions, Kind, Step};
use crate::plan::{FieldId, RegionFrom};

/// The keys of a column in SQL.
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

/// A chain that SQL can say.
struct Said {
    key: String,
    /// True in SQL for a value that it is not said for.
    odd: Option<String>,
}

/// The file of a field's key table.
#[must_use]
pub fn file_name(field: FieldId) -> String {
    format!("keys-{}.ndjson", field.0)
}

/// True where all values of a field can be keyed by SQL alone.
fn is_whole(chain: &Chain) -> bool {
    said(chain, "v").is_some_and(|said| said.odd.is_none())
}

/// True where a key table is of use for the field.
#[must_use]
pub fn wants_table(chain: &Chain) -> bool {
    !is_whole(chain)
}

/// True where a value may have to be looked up in the field's key table.
#[must_use]
pub fn is_looked_up(chain: &Chain, value: &str) -> bool {
    said(chain, "v").is_none() || !value.is_ascii() || value.contains(['"', '\0']) || {
        chain.kind() == Kind::Mail && value.to_ascii_lowercase().contains("xn--")
    }
}

/// Writes the key tables that the job reads.
pub fn write_tables(job: &mut Job<'_>) {
    let Some(folder) = job.keys else { return };
    job.script.heading("Keys that this program made, for values that SQL cannot normalize");
    for (number, field) in job.plan.fields.iter().enumerate() {
        if !wants_table(&field.key.chain) || !job.is_compared(FieldId(number)) {
            continue;
        }
        let Some(path) = folder.join(file_name(FieldId(number))).to_str().map(literal) else {
            job.refuse(job.field_span(FieldId(number)), "the folder of keys has no name", "");
            continue;
        };
        let table = table_of(job, FieldId(number));
        job.script.table(
            &table,
            &format!(
                "SELECT * FROM read_json({path}, format = 'newline_delimited', columns = {{value: 'VARCHAR', region: 'VARCHAR', key: 'VARCHAR', links: 'BOOLEAN', denies: 'VARCHAR[]', found: 'VARCHAR[]'}})"
            ),
        );
    }
}

fn table_of(job: &Job<'_>, field: FieldId) -> String {
    format!("keys of {}", job.plan.fields[field.0].name)
}

/// The keys of a column of texts. `alias` is a name that no other join of the query has.
pub fn key(job: &mut Job<'_>, field: FieldId, text: &str, region: &str, alias: &str) -> KeySql {
    let plan_key = &job.plan.fields[field.0].key;
    let chain = &plan_key.chain;
    let said = said(chain, text);
    let fault = literal(&format!(
        "field {}: a value whose key SQL cannot make; compile with key tables, made of these sources",
        job.plan.fields[field.0].name
    ));
    let region_of_never = plan_key.fixed_region();
    let never: Vec<String> = plan_key
        .never
        .values()
        .filter_map(|never| chain.apply(never, region_of_never))
        .map(std::borrow::Cow::into_owned)
        .collect();
    let link_of = |key: &str| {
        if never.is_empty() {
            key.to_owned()
        } else {
            let never = list(never.iter().map(String::as_str));
            format!("CASE WHEN {key} IN {never} THEN NULL ELSE {key} END")
        }
    };
    let forms_of = |key: &str| {
        let form = match chain.kind() {
            Kind::Mail => format!("optin_gmail(optin_untagged({key}))"),
            Kind::Phone | Kind::Text => key.to_owned(),
        };
        format!("CASE WHEN {key} IS NOT NULL THEN [{form}] END")
    };
    match (said, job.keys) {
        (Some(Said { key, odd: None }), _) => KeySql {
            link: link_of(&key),
            denies: forms_of(&key),
            found: forms_of(&key),
            join: String::new(),
            key,
        },
        (Some(Said { key, odd: Some(odd) }), None) => {
            let key = format!("CASE WHEN {odd} THEN error({fault}) ELSE {key} END");
            KeySql {
                link: link_of(&key),
                denies: forms_of(&key),
                found: forms_of(&key),
                join: String::new(),
                key,
            }
        }
        (None, None) => {
            job.refuse(
                job.field_span(field),
                format!("the normalizers of `{}`", job.plan.fields[field.0].name),
                "give `--keys DIR`: this program then makes the keys of the values that the sources hold now",
            );
            KeySql {
                key: "NULL".to_owned(),
                link: "NULL".to_owned(),
                denies: "NULL".to_owned(),
                found: "NULL".to_owned(),
                join: String::new(),
            }
        }
        (said, Some(_)) => {
            let table = name(&table_of(job, field));
            let join = format!(
                "\nLEFT JOIN {table} {alias} ON {alias}.value = {text} AND {alias}.region IS NOT DISTINCT FROM {region}"
            );
            let looked_up = |column: &str| {
                format!(
                    "CASE WHEN {text} IS NOT NULL AND {alias}.value IS NULL THEN error({fault}) ELSE {} END",
                    of(alias, column)
                )
            };
            let keyed = looked_up("key");
            let Some(Said { key, odd: Some(odd) }) = said else {
                return KeySql {
                    link: format!("CASE WHEN {alias}.links THEN {keyed} END"),
                    denies: looked_up("denies"),
                    found: looked_up("found"),
                    key: keyed,
                    join,
                };
            };
            let either = |odd_one: &str, plain: &str| {
                format!("CASE WHEN {odd} THEN {odd_one} ELSE {plain} END")
            };
            KeySql {
                link: either(&format!("CASE WHEN {alias}.links THEN {keyed} END"), &link_of(&key)),
                denies: either(&looked_up("denies"), &forms_of(&key)),
                found: either(&looked_up("found"), &forms_of(&key)),
                key: either(&keyed, &key),
                join,
            }
        }
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

/// A chain in SQL, if it can be said for texts of ASCII at least.
fn said(chain: &Chain, text: &str) -> Option<Said> {
    let mut key = text.to_owned();
    let mut odd: Option<String> = None;
    let ascii = format!("NOT optin_ascii({text})");
    let steps = chain.steps();
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Trim => key = format!("optin_trim({key})"),
            Step::StripWhitespace => key = format!("optin_squeeze({key})"),
            // Of ASCII unaccent changes the case alone, and numerals nothing.
            Step::Lower | Step::Unaccent => {
                key = format!("lower({key})");
                odd.get_or_insert_with(|| ascii.clone());
            }
            Step::Numerals => {
                odd.get_or_insert_with(|| ascii.clone());
            }
            Step::StripSymbols => {
                key = format!("optin_no_symbols({key})");
                odd.get_or_insert_with(|| ascii.clone());
            }
            Step::Email(options) if at + 1 == steps.len() => {
                odd = Some(match odd {
                    Some(odd) => format!("{odd} OR optin_mail_odd({key})"),
                    None => format!("optin_mail_odd({key})"),
                });
                key = mail(&key, *options);
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
    Some(Said { key: format!("nullif({key}, '')"), odd })
}

fn mail(text: &str, options: EmailOptions) -> String {
    let mut key = format!("optin_mail({text})");
    if options.drop_plus_tag {
        key = format!("optin_untagged({key})");
    }
    if options.drop_gmail_dots {
        key = format!("optin_gmail({key})");
    }
    key
}
