//! The pipeline file as text: each choice with its reason.

use std::fmt::Write as _;

use super::column::{Seen, What};
use super::consent::{Consent, Shape, Tie};
use super::people::{People, number, type_of};
use super::table::{Role, Table};
use super::words;
use super::{Proposal, ROWS, Unsure};
use crate::diagnostics::Diagnostic;
use crate::plan::Type;

/// Columns of a comment.
const WIDTH: usize = 100;

/// A value of more records than this links nobody.
const MAX_SHARED: usize = 20;

/// A YAML scalar: plain where that is safe, else in double quotes.
#[must_use]
pub fn scalar(text: &str) -> String {
    let begins = text.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '/'))
        || (text.starts_with('.') && text.contains('/'));
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' ');
    let words = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    let is_word = words.contains(&text.to_lowercase().as_str());
    if begins && text.chars().all(plain) && !text.ends_with(' ') && !is_word {
        return text.to_owned();
    }
    serde_json::to_string(text).unwrap_or_default()
}

/// The text as it grows, with what was not sure.
#[derive(Default)]
struct Page {
    text: String,
    lines: usize,
    unsure: Vec<Unsure>,
}

impl Page {
    fn line(&mut self, indent: usize, text: &str) {
        let _ = writeln!(self.text, "{}{}", " ".repeat(indent), text);
        self.lines += 1;
    }

    fn blank(&mut self) {
        self.text.push('\n');
        self.lines += 1;
    }

    /// A comment, wrapped.
    fn note(&mut self, indent: usize, text: &str) {
        let room = WIDTH - indent - 2;
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
                self.line(indent, &format!("# {line}"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            self.line(indent, &format!("# {line}"));
        }
    }

    /// A comment on what was not sure; it is printed as well.
    fn unsure(&mut self, indent: usize, text: &str) {
        self.unsure.push(Unsure { what: text.to_owned(), line: Some(self.lines + 1) });
        let end = if text.ends_with(['?', '.']) { "" } else { "." };
        self.note(indent, &format!("Unsure: {text}{end}"));
    }
}

/// Writes the file.
pub fn write(
    name: &str,
    tables: &[Table],
    people: &People,
    consent: &Consent,
    left_out: &[(String, Diagnostic)],
) -> Proposal {
    let mut page = Page::default();
    page.line(0, "# yaml-language-server: $schema=optin.schema.json");
    page.note(0, &format!(
        "A first pipeline, made by `optin init` of the first {} rows of each file. It is a draft: read it, \
         above all the lines that say \"Unsure\". The line above is for editors: `optin schema > \
         optin.schema.json` writes the file that it names.",
        number(ROWS)
    ));
    page.blank();
    page.line(0, "version: 1");
    page.line(0, &format!("name: {}", scalar(name)));
    page.note(
        0,
        "Consent is judged as of the start of the run; `as_of: 2026-01-31` would fix the date.",
    );
    page.line(0, &format!("out: {}", scalar(&format!("out/{name}"))));
    sources(&mut page, tables, people, consent, left_out);
    keys(&mut page, people);
    customers(&mut page, tables, people);
    identity(&mut page, people);
    profile(&mut page, tables, people);
    decisions(&mut page, tables, consent);
    segments(&mut page, consent);
    outputs(&mut page, name);
    exports(&mut page, name, people, consent);
    Proposal { text: page.text, unsure: page.unsure }
}

fn sources(
    page: &mut Page,
    tables: &[Table],
    people: &People,
    consent: &Consent,
    left_out: &[(String, Diagnostic)],
) {
    page.blank();
    page.note(0, "Of text files every column is text unless `types` says otherwise.");
    page.line(0, "sources:");
    for (at, table) in tables.iter().enumerate() {
        let used = table.role == Role::Customers || consent.needs(at);
        let loose = consent.loose.iter().find(|(of, _)| *of == at).map(|(_, reason)| *reason);
        let head = &table.looked.head;
        let rows = number(head.rows);
        let looked =
            if head.whole { format!("{rows} rows") } else { format!("the first {rows} rows") };
        if !used {
            let reason = match (&table.role, loose) {
                (Role::Unused(reason), _) => reason,
                (_, Some(reason)) => reason,
                _ => "nothing of what a pipeline needs stands in it",
            };
            page.unsure(2, &format!("{} is not used: {reason}", table.path));
            continue;
        }
        let kind = match table.role {
            Role::Customers if consent.needs(at) => "customers and decisions",
            Role::Customers => "customers",
            Role::Consent => "decisions",
            _ => "people who must not be contacted",
        };
        let columns = match head.columns.len() {
            1 => "1 column".to_owned(),
            many => format!("{many} columns"),
        };
        page.note(2, &format!("{kind}: {looked}, {columns}"));
        source(page, at, table, people, consent);
    }
    for (path, fault) in left_out {
        let help = fault.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        page.unsure(2, &format!("{path} is left out: {}{help}", fault.message));
    }
}

fn source(page: &mut Page, at: usize, table: &Table, people: &People, consent: &Consent) {
    page.line(2, &format!("- name: {}", scalar(&table.name)));
    page.line(4, &format!("path: {}", scalar(&table.path)));
    if let Some(delimiter) = table.looked.delimiter {
        let delimiter =
            if delimiter == b'\t' { "\\t".to_owned() } else { char::from(delimiter).to_string() };
        page.line(4, &format!("delimiter: \"{delimiter}\""));
    }
    if !table.looked.quoted {
        page.line(4, "quote: none # quotes stand inside of values");
    }
    let mut nulls: Vec<&str> =
        table.columns.iter().flat_map(|of| of.nulls.iter().copied()).collect();
    nulls.sort_unstable();
    nulls.dedup();
    if !nulls.is_empty() {
        let nulls: Vec<String> = std::iter::once("")
            .chain(nulls)
            .map(|null| serde_json::to_string(null).unwrap_or_default())
            .collect();
        page.line(4, &format!("nulls: [{}] # texts that stand for nothing here", nulls.join(", ")));
    }
    if table.is_empty() && consent.needs(at) {
        page.unsure(4, &format!("{} has no rows yet; a run would stop at that", table.name));
        page.line(4, "allow_empty: true");
    }
    let declared = declared(at, table, people, consent);
    if declared
        .iter()
        .any(|(column, _)| table.columns[*column].times.is_some_and(|of| of.without_zone))
    {
        page.unsure(4, &format!("times of {} name no zone and are read as UTC", table.name));
        page.line(4, "timezone: UTC # such as Europe/Berlin");
    }
    if declared.is_empty() {
        return;
    }
    page.line(4, "types:");
    for (column, ty) in declared {
        let seen = &table.columns[column];
        let all = if table.looked.head.whole { "all" } else { "all of the first" };
        page.line(
            6,
            &format!("{}: {ty} # {all} {} values read so", scalar(&seen.name), number(seen.filled)),
        );
    }
}

/// The columns of a text file whose type is declared.
fn declared(at: usize, table: &Table, people: &People, consent: &Consent) -> Vec<(usize, String)> {
    let mut declared: Vec<(usize, String)> = Vec::new();
    if !table.looked.is_text {
        return declared;
    }
    let format = |seen: &Seen, word: &str| match seen.times.and_then(|times| times.format) {
        Some(format) => format!("{{ {word}: \"{format}\" }}"),
        None => word.to_owned(),
    };
    for mapped in people.tables.iter().filter(|mapped| mapped.table == at) {
        for field in &mapped.fields {
            let seen = &table.columns[field.column];
            let ty = match type_of(table, field.column) {
                Type::Date => format(seen, "date"),
                Type::Datetime => format(seen, "datetime"),
                Type::Int => "int".to_owned(),
                Type::Decimal(_) => "decimal".to_owned(),
                _ => continue,
            };
            declared.push((field.column, ty));
        }
    }
    for time in consent.tables.iter().filter(|of| of.table == at).filter_map(|of| of.at) {
        let seen = &table.columns[time];
        let is_datetime = seen.times.is_some_and(|times| times.is_datetime);
        if !declared.iter().any(|(column, _)| *column == time) {
            declared.push((time, format(seen, if is_datetime { "datetime" } else { "date" })));
        }
    }
    declared.sort_unstable();
    declared
}

fn keys(page: &mut Page, people: &People) {
    if people.keys.is_empty() {
        return;
    }
    page.blank();
    page.note(0, "How fields are compared; what is stored and exported stays as it is. Others are compared trimmed.");
    page.line(0, "keys:");
    for key in &people.keys {
        page.note(2, &key.because);
        if let Some(unsure) = &key.unsure {
            page.unsure(2, unsure);
        }
        page.line(
            2,
            &format!("- {{ field: {}, normalize: {} }}", scalar(&key.field), key.normalize),
        );
    }
}

fn customers(page: &mut Page, tables: &[Table], people: &People) {
    page.blank();
    page.note(0, "The most important table first: it gives the customer's id. They stand as they were named.");
    page.line(0, "customers:");
    for mapped in &people.tables {
        let table = &tables[mapped.table];
        let rows = table.looked.head.rows;
        let id = &table.columns[mapped.id];
        if table.is_guess {
            page.unsure(
                2,
                &format!("is {} a table of customers? Nothing else could be one", table.name),
            );
        }
        page.line(2, &format!("- source: {}", scalar(&table.name)));
        let counts = format!(
            "{} of {} rows have one, {} different",
            number(id.filled),
            number(rows),
            number(id.distinct)
        );
        if mapped.id_is_sure {
            page.line(4, &format!("id: {} # {counts}", scalar(&id.name)));
        } else {
            page.unsure(4, &format!("`{}` may be the id of {}: {counts}", id.name, table.name));
            page.line(4, &format!("id: {}", scalar(&id.name)));
        }
        if mapped.fields.is_empty() {
            page.line(4, "fields: {}");
            continue;
        }
        page.line(4, "fields:");
        for field in &mapped.fields {
            let seen = &table.columns[field.column];
            let note = field_note(seen, table);
            if let Some(unsure) = field_unsure(seen, table) {
                page.unsure(6, &unsure);
            }
            page.line(6, &format!("{}: {}{note}", scalar(&field.name), scalar(&seen.name)));
        }
    }
}

fn field_note(seen: &Seen, table: &Table) -> String {
    if seen.filled == 0 {
        return if table.is_empty() { String::new() } else { " # empty so far".to_owned() };
    }
    let filled = number(seen.filled);
    match seen.what {
        What::Mail => format!(" # {}", seen.share("mail", seen.mails, "read as addresses")),
        What::Phone => format!(" # {}", seen.share("phone", seen.phones, "look like numbers")),
        What::FirstName | What::LastName | What::FullName => {
            format!(" # name: {filled} values, {} different", number(seen.distinct))
        }
        What::BirthDate if seen.times.is_none() => {
            format!(" # {} of {filled} values read as dates, so it stays text", number(seen.dates))
        }
        _ => String::new(),
    }
}

fn field_unsure(seen: &Seen, table: &Table) -> Option<String> {
    let of = &table.name;
    if seen.ambiguous && seen.stored.is_none() {
        return Some(format!(
            "day and month of `{}` of {of} could be either way round, so it stays text",
            seen.name
        ));
    }
    let says_mail = words::says(&seen.words) == words::Says::Mail;
    if says_mail && seen.what == What::Other && seen.filled > 0 {
        return Some(format!(
            "`{}` of {of} is named like a mail, but {} % of its values read as addresses",
            seen.name,
            seen.percent(seen.mails)
        ));
    }
    if seen.what == What::Other
        && seen.reads_as_decision()
        && seen.distinct <= 3
        && seen.number.is_none()
    {
        return Some(format!("`{}` of {of} reads like yes and no; is it consent?", seen.name));
    }
    None
}

fn identity(page: &mut Page, people: &People) {
    page.blank();
    if people.rules.is_empty() {
        page.note(
            0,
            "No two records are one customer: no field was found that says so. Rules stand under",
        );
        page.note(0, "`identity: { link_on: [[email], [phone, last_name]] }`.");
        return;
    }
    page.note(0, "Two records are one customer if they agree on all fields of any of these rules.");
    page.line(0, "identity:");
    page.line(2, "link_on:");
    for rule in &people.rules {
        page.note(4, &rule.because);
        if let Some(unsure) = &rule.unsure {
            page.unsure(4, unsure);
        }
        let fields: Vec<String> = rule.fields.iter().map(|field| scalar(field)).collect();
        page.line(4, &format!("- [{}]", fields.join(", ")));
    }
    page.note(2, &format!("What more than {MAX_SHARED} records share is nobody's own: a mail that staff type when there is none."));
    page.line(2, &format!("max_shared: {MAX_SHARED}"));
    if people.has("birth_date") {
        page.note(
            2,
            "Father and son of one name: `unless_different: [birth_date]` keeps them apart.",
        );
    }
}

fn profile(page: &mut Page, tables: &[Table], people: &People) {
    page.blank();
    let updated: Vec<(usize, &Seen)> = people.columns("updated_at", tables).collect();
    let is_time = |(table, seen): &(usize, &Seen)| {
        let column = tables[*table].columns.iter().position(|known| known.name == seen.name);
        column.is_some_and(|at| matches!(type_of(&tables[*table], at), Type::Date | Type::Datetime))
    };
    if !updated.is_empty() && updated.iter().all(is_time) {
        let names: Vec<String> = updated
            .iter()
            .map(|(table, seen)| format!("`{}` of {}", seen.name, tables[*table].name))
            .collect();
        page.note(
            0,
            &format!(
                "Of several values the one from the record that was changed last: {}.",
                names.join(", ")
            ),
        );
        page.line(0, "profile:");
        page.line(2, "keep: { most_recent: updated_at }");
    } else {
        page.note(0, "Of several values the one from the record that fills most fields: no time of a change was found.");
        page.line(0, "profile:");
        page.line(2, "keep: most_filled");
    }
    let address: Vec<&str> =
        ["street", "postal_code", "city"].into_iter().filter(|field| people.has(field)).collect();
    if address.len() > 1 {
        page.line(2, &format!("groups: [[{}]] # an address of one piece", address.join(", ")));
    }
}

fn ties(page: &mut Page, indent: usize, ties: &[Tie]) {
    for tie in ties {
        if let Some(unsure) = &tie.unsure {
            page.unsure(indent, unsure);
        }
    }
    match ties {
        [] => {}
        [tie] => page.line(indent, &format!("match: {{ {} }} # {}", tie.text, tie.because)),
        several => {
            page.line(indent, "match:");
            for tie in several {
                page.line(indent + 2, &format!("{} # {}", tie.text, tie.because));
            }
        }
    }
}

fn decisions(page: &mut Page, tables: &[Table], consent: &Consent) {
    page.blank();
    if consent.purposes.is_empty() && consent.lists.is_empty() {
        page.unsure(0, "no column and no file was found that holds consent, so there is no segment and no export");
        page.note(0, "Nobody may be contacted without one. Add a `consent:` section with purposes and the tables in which decisions stand.");
        return;
    }
    page.line(0, "consent:");
    if consent.purposes.is_empty() {
        page.unsure(2, "no purpose was found, so there is no segment and no export");
        page.line(2, "purposes: []");
    } else {
        page.note(2, "opt_in: only who granted is contacted. `expires_after: 24 months` would end old grants, also those without a date.");
        page.line(2, "purposes:");
    }
    for purpose in &consent.purposes {
        page.note(4, &purpose.found.join(", "));
        for unsure in &purpose.unsure {
            page.unsure(4, unsure);
        }
        page.line(
            4,
            &format!(
                "- {{ name: {}, via: {}, model: opt_in }}",
                scalar(&purpose.name),
                purpose.via
            ),
        );
    }
    if !consent.tables.is_empty() {
        page.line(2, "tables:");
    }
    for of in &consent.tables {
        let table = &tables[of.table];
        let (granted, denied) = of.counts;
        page.note(
            4,
            &format!("{}: {} values grant, {} deny", table.name, number(granted), number(denied)),
        );
        for unsure in &of.unsure {
            page.unsure(4, unsure);
        }
        page.line(4, &format!("- source: {}", scalar(&table.name)));
        ties(page, 6, &of.ties);
        match &of.shape {
            Shape::Wide(values) => {
                page.line(6, "values:");
                for (purpose, column) in values {
                    page.line(
                        8,
                        &format!("{}: {}", scalar(purpose), scalar(&table.columns[*column].name)),
                    );
                }
            }
            Shape::Long(long) => {
                page.line(6, &format!("purpose: {}", scalar(&table.columns[long.purpose].name)));
                page.line(6, &format!("value: {}", scalar(&table.columns[long.value].name)));
            }
        }
        match of.at {
            Some(at) => page.line(6, &format!("at: {} # the newest decision counts", scalar(&table.columns[at].name))),
            None => page.note(6, "No `at`: no time of the decision was found, so one denial denies whenever it was made."),
        }
        let (grants, denies) = &of.words;
        if !grants.is_empty() || !denies.is_empty() {
            let list = |words: &[&str]| {
                words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
            };
            let inverted = if of.inverted { " # yes means no here" } else { "" };
            let mut parts = Vec::new();
            if !grants.is_empty() {
                parts.push(format!("granted: [{}]", list(grants)));
            }
            if !denies.is_empty() {
                parts.push(format!("denied: [{}]", list(denies)));
            }
            page.line(6, &format!("words: {{ {} }}{inverted}", parts.join(", ")));
        }
        unmatchable(page, 6, of.unmatchable, "denials", &table.name);
    }
    if !consent.lists.is_empty() {
        page.note(2, "Never contacted, whatever the purpose.");
        page.line(2, "suppress:");
    }
    for list in &consent.lists {
        let table = &tables[list.table];
        for unsure in &list.unsure {
            page.unsure(4, unsure);
        }
        page.line(4, &format!("- source: {}", scalar(&table.name)));
        ties(page, 6, &list.ties);
        if list.mails_only {
            page.line(6, "channels: [email] # a dead mailbox says nothing about the phone");
        }
        unmatchable(page, 6, list.unmatchable, "entries", &table.name);
    }
}

/// Rows that name nobody would stop the run.
fn unmatchable(page: &mut Page, indent: usize, count: usize, what: &str, table: &str) {
    if count > 0 {
        page.unsure(
            indent,
            &format!(
                "{} {what} of {table} name nobody; they would stop the run and are counted instead",
                number(count)
            ),
        );
        page.line(indent, "unmatchable: report");
    }
}

fn segments(page: &mut Page, consent: &Consent) {
    if consent.purposes.is_empty() {
        return;
    }
    page.blank();
    page.note(0, "`consent` is the gate: nobody gets past it. A `where: country = 'DE'` would narrow further.");
    page.line(0, "segments:");
    for purpose in &consent.purposes {
        page.line(2, &format!("- {{ name: {0}, consent: [{0}] }}", scalar(&purpose.name)));
    }
}

fn outputs(page: &mut Page, name: &str) {
    page.blank();
    page.note(0, "Tables for yourself; all customers are in them, whatever they consented to.");
    page.line(0, "outputs:");
    for (table, file) in [
        ("profiles", "profiles.parquet"),
        ("identity", "identity.parquet"),
        ("quarantine", "quarantine.csv"),
    ] {
        page.line(2, &format!("{table}: {}", scalar(&format!("out/{name}/{file}"))));
    }
}

fn exports(page: &mut Page, name: &str, people: &People, consent: &Consent) {
    if consent.purposes.is_empty() {
        return;
    }
    page.blank();
    page.note(
        0,
        "Files that leave. A mail or phone may leave only through a purpose that goes out by it.",
    );
    page.line(0, "exports:");
    let mut files: Vec<String> = Vec::new();
    for purpose in &consent.purposes {
        let names =
            ["first_name", "last_name", "name"].into_iter().filter(|field| people.has(field));
        let columns: Vec<&str> =
            ["customer_id", purpose.via.as_str()].into_iter().chain(names).collect();
        let stem = match words::slug(&purpose.name) {
            slug if slug.is_empty() => "segment".to_owned(),
            slug => slug,
        };
        let mut file = format!("out/{name}/segment_{stem}.csv");
        let mut number = 2;
        while files.contains(&file) {
            file = format!("out/{name}/segment_{stem}_{number}.csv");
            number += 1;
        }
        page.line(2, &format!("- segment: {}", scalar(&purpose.name)));
        page.line(4, &format!("path: {}", scalar(&file)));
        page.line(4, &format!("columns: [{}]", columns.join(", ")));
        files.push(file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_quoted_where_they_must_be() {
        assert_eq!(scalar("Newsletter consent"), "Newsletter consent");
        assert_eq!(scalar("../data/x.csv"), "../data/x.csv");
        for (text, quoted) in [
            ("no", "\"no\""),
            ("1st", "\"1st\""),
            ("a: b", "\"a: b\""),
            ("a, b", "\"a, b\""),
            ("#", "\"#\""),
            ("", "\"\""),
            ("say \"x\"", "\"say \\\"x\\\"\""),
            ("*", "\"*\""),
            ("NO", "\"NO\""),
        ] {
            assert_eq!(scalar(text), quoted);
        }
    }

    #[test]
    fn unsure_lines_are_those_of_the_text() {
        let mut page = Page::default();
        page.line(0, "a:");
        page.note(2, &"word ".repeat(60));
        page.unsure(2, "what is this?");
        let line = page.unsure[0].line.expect("a line");
        assert_eq!(page.text.lines().nth(line - 1), Some("  # Unsure: what is this?"));
        assert!(page.text.lines().all(|line| line.chars().count() <= WIDTH), "{}", page.text);
    }
}
