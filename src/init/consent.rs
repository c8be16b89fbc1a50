//! Purposes, consent tables and suppression lists.

use std::collections::BTreeMap;

use super::column::{Seen, What};
use super::people::{People, Region, number};
use super::regions;
use super::table::{Long, Role, Table, names_records};
use super::text::scalar;
use super::words;
use crate::engine::consent::vocabulary::{Reading, read, trimmed};
use crate::normalize::{self, Chain, EmailOptions, Step};
use crate::plan::Words;

/// What consent is for.
#[derive(Clone, Debug)]
pub struct Purpose {
    /// Its name.
    pub name: String,
    /// The contact field.
    pub via: String,
    /// Where it was found.
    pub found: Vec<String>,
    /// What is not sure.
    pub unsure: Vec<String>,
}

/// What ties rows to people.
#[derive(Clone, Debug)]
pub struct Tie {
    /// As one writes it under `match`.
    pub text: String,
    /// Why.
    pub because: String,
    /// What is not sure.
    pub unsure: Option<String>,
}

/// Where decisions stand.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Purposes and their columns.
    Wide(Vec<(String, usize)>),
    /// Columns of the purpose and the decision.
    Long(Long),
}

/// A consent table.
#[derive(Clone, Debug)]
pub struct Decisions {
    /// The table.
    pub table: usize,
    /// What ties its rows to people.
    pub ties: Vec<Tie>,
    /// Where the decisions stand.
    pub shape: Shape,
    /// The column of their time.
    pub at: Option<usize>,
    /// Words of its own: those that grant, and those that deny.
    pub words: (Vec<&'static str>, Vec<&'static str>),
    /// True if yes means no.
    pub inverted: bool,
    /// Denials that name nobody.
    pub unmatchable: usize,
    /// How many values grant and deny.
    pub counts: (usize, usize),
    /// What is not sure.
    pub unsure: Vec<String>,
}

/// A suppression list.
#[derive(Clone, Debug)]
pub struct List {
    /// The table.
    pub table: usize,
    /// What ties its rows to people.
    pub ties: Vec<Tie>,
    /// True if it says something about mails only.
    pub mails_only: bool,
    /// Entries that name nobody.
    pub unmatchable: usize,
    /// What is not sure.
    pub unsure: Vec<String>,
}

/// All about consent.
#[derive(Debug, Default)]
pub struct Consent {
    /// Purposes, in the order in which they were found.
    pub purposes: Vec<Purpose>,
    /// Consent tables.
    pub tables: Vec<Decisions>,
    /// Suppression lists.
    pub lists: Vec<List>,
    /// Tables that could not be tied to people, with the reason.
    pub loose: Vec<(usize, &'static str)>,
}

impl Consent {
    /// True if consent depends on this table.
    pub fn needs(&self, table: usize) -> bool {
        self.tables.iter().any(|of| of.table == table)
            || self.lists.iter().any(|of| of.table == table)
    }
}

/// Fewer rows than one in a hundred make no purpose of a log.
const RARE: usize = 100;

/// Reads what the tables say of consent.
pub fn consent(tables: &[Table], people: &People) -> Consent {
    let mut consent = Consent::default();
    let mut names: Vec<(String, String)> = Vec::new();
    for table in tables.iter().filter(|table| table.role != Role::Suppression) {
        if let Some(long) = table.long() {
            let (known, _) = purposes_of(table, long);
            names.extend(known.into_iter().map(|(name, _)| (canonical(&name), name)));
        }
    }
    for (at, table) in tables.iter().enumerate() {
        if !matches!(table.role, Role::Consent | Role::Customers) {
            continue;
        }
        let long = table.long();
        let wide: Vec<usize> = table
            .of(What::Decision)
            .filter(|column| long.is_none_or(|long| long.value != *column))
            .collect();
        if long.is_none() && wide.is_empty() {
            continue;
        }
        let tied = tied(at, tables, people);
        if table.role == Role::Consent && tied.ties.is_empty() {
            consent.loose.push((at, "nothing in it says whose decisions these are"));
            continue;
        }
        let Some(via) = default_via(people) else {
            consent
                .loose
                .push((at, "no customer table has a mail or a phone to contact people by"));
            continue;
        };
        let mut add = |shape: Shape, inverted: bool| {
            let decisions = decisions((at, table), shape, inverted, &tied);
            consent.tables.push(decisions);
        };
        let (no, yes): (Vec<usize>, Vec<usize>) =
            wide.into_iter().partition(|column| words::is_inverted(&table.columns[*column].words));
        for (columns, inverted) in [(yes, false), (no, true)] {
            let mut values = Vec::new();
            for column in columns {
                let seen = &table.columns[column];
                let name = words::purpose(&seen.words);
                let known = names.iter().find(|(of, _)| *of == canonical(&name));
                let name = known.map_or(name, |(_, name)| name.clone());
                // Two columns of one table on one purpose are two purposes.
                let name = if values.iter().any(|(of, _)| *of == name) {
                    words::slug(&seen.name)
                } else {
                    name
                };
                names.push((canonical(&name), name.clone()));
                let found = format!("column `{}` of {}", seen.name, table.name);
                declare(&mut consent.purposes, (&name, &seen.words), found, people, &via);
                values.push((name, column));
            }
            if !values.is_empty() {
                add(Shape::Wide(values), inverted);
            }
        }
        if let Some(long) = long {
            let (known, rare) = purposes_of(table, long);
            for (name, count) in &known {
                let found = format!("{} rows of {}", number(*count), table.name);
                declare(&mut consent.purposes, (name, &words::words(name)), found, people, &via);
            }
            if known.is_empty() {
                consent.loose.push((at, "no purpose stands in it yet, so none can be named"));
                continue;
            }
            let mut log = decisions((at, table), Shape::Long(long), false, &tied);
            if rare > 0 {
                log.unsure.push(format!(
                    "{} further purposes stand in few rows of {} each; name those that you need under `purposes`",
                    number(rare),
                    table.name
                ));
            }
            consent.tables.push(log);
        }
    }
    for (at, table) in tables.iter().enumerate().filter(|(_, of)| of.role == Role::Suppression) {
        match list(at, table, tables, people) {
            Some(list) => consent.lists.push(list),
            None => consent.loose.push((at, "no customer table has the field that it lists")),
        }
    }
    consent
}

/// A name without what differs between spellings of one purpose.
fn canonical(name: &str) -> String {
    words::singular(&words::slug(name))
}

fn default_via(people: &People) -> Option<String> {
    ["email", "phone"].into_iter().find(|field| people.has(field)).map(str::to_owned)
}

fn declare(
    purposes: &mut Vec<Purpose>,
    (name, of): (&str, &[String]),
    found: String,
    people: &People,
    usual: &str,
) {
    let known = purposes.iter_mut().find(|known| known.name.to_lowercase() == name.to_lowercase());
    if let Some(known) = known {
        known.found.push(found);
        return;
    }
    let by_phone = words::by_phone(of);
    let via = if by_phone && people.has("phone") { "phone" } else { usual };
    let mut unsure = Vec::new();
    let says_way = by_phone || words::hold(of, &["mail", "newsletter", "news"]);
    if by_phone && via != "phone" {
        unsure.push(format!("`{name}` seems to go out by phone, but no customer has one"));
    } else if !says_way && people.has("email") && people.has("phone") {
        unsure.push(format!("does `{name}` go out by mail? Its name does not say"));
    }
    purposes.push(Purpose {
        name: name.to_owned(),
        via: via.to_owned(),
        found: vec![found],
        unsure,
    });
}

/// The purposes of a long table with the number of their rows, the commonest first; and how many are rare.
fn purposes_of(table: &Table, long: Long) -> (Vec<(String, usize)>, usize) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for cell in table.looked.head.cells[long.purpose].iter().flatten() {
        let name = trimmed(cell).to_lowercase();
        if !name.is_empty() {
            *counts.entry(name).or_default() += 1;
        }
    }
    let rows: usize = counts.values().sum();
    let is_name = |name: &str| {
        name.len() <= 40
            && name.chars().any(char::is_alphabetic)
            && !name.contains('@')
            && name != "none"
    };
    let all = counts.len();
    let mut known: Vec<(String, usize)> =
        counts.into_iter().filter(|(name, count)| is_name(name) && count * RARE >= rows).collect();
    known.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    known.truncate(12);
    let rare = all - known.len();
    (known, rare)
}

/// What ties the rows of a table to people.
#[derive(Default)]
struct Tied {
    /// As one writes it.
    ties: Vec<Tie>,
    /// Columns of contact points, and how their keys are made.
    keys: Vec<(usize, Chain, Option<normalize::Region>)>,
    /// The column that names records.
    record: Option<usize>,
}

fn tied(at: usize, tables: &[Table], people: &People) -> Tied {
    let table = &tables[at];
    let mut tied = Tied::default();
    let best =
        |what| table.of(what).max_by_key(|at| (table.columns[*at].filled, std::cmp::Reverse(*at)));
    if let Some(column) = best(What::Mail).filter(|_| people.has("email")) {
        let seen = &table.columns[column];
        let text = format!("email: {}", scalar(&seen.name));
        let because = seen.share("mail", seen.mails, "read as addresses");
        tied.ties.push(Tie { text, because, unsure: None });
        tied.keys.push((column, Chain::new(vec![Step::Email(EmailOptions::default())]), None));
    }
    if let Some(column) = best(What::Phone).filter(|_| people.has("phone")) {
        let seen = &table.columns[column];
        let (text, region, unsure) = phone_tie(table, seen, column, people);
        let because = seen.share("phone", seen.phones, "look like numbers");
        tied.ties.push(Tie { text, because, unsure });
        tied.keys.push((column, Chain::new(vec![Step::Phone]), region));
    }
    if table.role != Role::Customers
        && let Some(named) = names_records(table, tables)
    {
        let (values, hits) = named.hits;
        tied.record = Some(named.column);
        let seen = &table.columns[named.column];
        tied.ties.push(Tie {
            text: format!(
                "record: {{ {}: {} }}",
                scalar(&tables[named.table].name),
                scalar(&seen.name)
            ),
            because: format!(
                "{} of {} different values are ids of {}",
                number(hits),
                number(values),
                tables[named.table].name
            ),
            unsure: None,
        });
    }
    if table.role == Role::Customers {
        tied.record = Some(table.id().0);
    }
    tied
}

/// A phone beside decisions: with the region again, where customers have one each.
fn phone_tie(
    table: &Table,
    seen: &Seen,
    column: usize,
    people: &People,
) -> (String, Option<normalize::Region>, Option<String>) {
    let name = scalar(&seen.name);
    match &people.region {
        Region::None => (format!("phone: {name}"), None, None),
        Region::Fixed(region) => (format!("phone: {name}"), normalize::Region::parse(region), None),
        Region::Field => {
            let country = table.of(What::Country).next().filter(|country| {
                table.role == Role::Customers
                    || regions::codes(&table.looked.head.cells[*country]).is_some()
            });
            if let Some(country) = country {
                let of = scalar(&table.columns[country].name);
                return (format!("phone: {{ column: {name}, region_column: {of} }}"), None, None);
            }
            let guess = regions::guess(&people.countries, &table.looked.head.cells[column]);
            let fallback = || people.countries.first().cloned().unwrap_or_else(|| "US".to_owned());
            let (region, why) = match guess {
                Some(guess) => (
                    guess.region,
                    format!(
                        "{} of {} of them are valid there",
                        number(guess.fits.1),
                        number(guess.fits.0)
                    ),
                ),
                None => (fallback(), "most customers live there".to_owned()),
            };
            let unsure = format!(
                "are the numbers without a country code in {} from {region}? {why}",
                table.name
            );
            let text = format!("phone: {{ column: {name}, region: {} }}", scalar(&region));
            (text, normalize::Region::parse(&region), Some(unsure))
        }
    }
}

/// Words that grant and deny in an inverted column: those of the closed vocabulary that say yes and no.
const NO: [&str; 5] = ["false", "f", "no", "n", "0"];
const YES: [&str; 5] = ["true", "t", "yes", "y", "1"];

fn decisions((at, table): (usize, &Table), shape: Shape, inverted: bool, tied: &Tied) -> Decisions {
    let columns: Vec<usize> = match &shape {
        Shape::Wide(values) => values.iter().map(|(_, column)| *column).collect(),
        Shape::Long(long) => vec![long.value],
    };
    let (mut grants, mut denies): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for seen in columns.iter().map(|column| &table.columns[*column]) {
        for (word, grant) in &seen.own_words {
            let words = if *grant == inverted { &mut denies } else { &mut grants };
            if !words.contains(word) {
                words.push(word);
            }
        }
    }
    if inverted {
        grants.splice(0..0, NO);
        denies.splice(0..0, YES);
    }
    let counts = columns.iter().map(|column| table.columns[*column].decisions);
    let counts = counts.fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
    let counts = if inverted { (counts.1, counts.0) } else { counts };
    let own = Words {
        granted: grants.iter().map(|word| (*word).to_owned()).collect(),
        denied: denies.iter().map(|word| (*word).to_owned()).collect(),
    };
    let mut unsure = Vec::new();
    if table.role == Role::Customers {
        for seen in columns.iter().map(|column| &table.columns[*column]) {
            if !inverted
                && !words::hold(
                    &seen.words,
                    &["consent", "optin", "subscri", "newsletter", "permission"],
                )
            {
                unsure.push(format!("does `{}` of {} hold consent?", seen.name, table.name));
            }
        }
    }
    if inverted {
        unsure.push(format!(
            "yes in this column of {} is read as no; may you contact whoever did not say no? If not, \
             take the words under `granted` that stand for it out",
            table.name
        ));
    }
    let time = time_of(table, matches!(shape, Shape::Long(_)), &mut unsure);
    let unmatchable = unmatchable(table, tied, |row| {
        columns.iter().any(|column| {
            let cell = table.looked.head.cells[*column].get(row).and_then(Option::as_ref);
            cell.is_some_and(|text| read(text, &own) == Reading::Denied)
        })
    });
    Decisions {
        table: at,
        ties: tied.ties.clone(),
        shape,
        at: time,
        words: (grants, denies),
        inverted,
        unmatchable,
        counts,
        unsure,
    }
}

/// The column of the time of a decision: that of a log or consent table is read as such; of a customer
/// table only one that speaks of consent.
fn time_of(table: &Table, is_long: bool, unsure: &mut Vec<String>) -> Option<usize> {
    let may = |at: &usize| {
        let seen = &table.columns[*at];
        seen.what != What::BirthDate
            && (table.role != Role::Customers
                || table.is_guess
                || is_long
                || words::of_consent(&seen.words))
    };
    let all: Vec<usize> = (0..table.columns.len()).filter(may).collect();
    let says = |at: &usize| {
        words::any(
            &table.columns[*at].words,
            &[
                "recorded",
                "at",
                "ts",
                "timestamp",
                "date",
                "datum",
                "when",
                "consent",
                "decided",
                "time",
            ],
        )
    };
    let mut sure: Vec<usize> = all
        .iter()
        .copied()
        .filter(|at| table.columns[*at].times.is_some() && !table.columns[*at].ambiguous)
        .collect();
    sure.sort_by_key(|at| (!says(at), *at));
    if let Some(first) = sure.first() {
        return Some(*first);
    }
    let almost = all.iter().find(|at| {
        let seen = &table.columns[**at];
        seen.ambiguous || (seen.dates * 2 >= seen.filled && seen.dates > 0)
    });
    if let Some(at) = almost {
        let seen = &table.columns[*at];
        unsure.push(if seen.ambiguous {
            format!(
                "day and month of `{}` of {} could be either way round; declare its `types` and write `at`",
                seen.name, table.name
            )
        } else {
            format!(
                "`{}` of {} may be the time of the decision, but only {} of {} values read as one",
                seen.name,
                table.name,
                number(seen.dates),
                number(seen.filled)
            )
        });
    }
    None
}

/// How many rows that count name nobody: a key that normalizes to nothing, or no key at all.
fn unmatchable(table: &Table, tied: &Tied, counts: impl Fn(usize) -> bool) -> usize {
    let head = &table.looked.head;
    let cell = |column: usize, row: usize| {
        let cell = head.cells[column].get(row).and_then(Option::as_ref)?;
        (!table.columns[column].nulls.contains(cell.as_str())).then_some(cell)
    };
    let names_nobody = |row: &usize| {
        let record = tied.record.and_then(|column| cell(column, *row));
        let keys = tied.keys.iter().filter_map(|(column, chain, region)| {
            Some(chain.apply(cell(*column, *row)?, *region).is_some())
        });
        let keys: Vec<bool> = keys.collect();
        record.is_none_or(|id| id.trim().is_empty()) && (keys.is_empty() || keys.contains(&false))
    };
    (0..head.rows).filter(|row| counts(*row)).filter(names_nobody).count()
}

fn list(at: usize, table: &Table, tables: &[Table], people: &People) -> Option<List> {
    let tied = tied(at, tables, people);
    if tied.ties.is_empty() {
        return None;
    }
    let file = words::words(&table.name);
    let mails_only = words::hold(&file, &["bounce"])
        && tied.ties.iter().all(|tie| tie.text.starts_with("email:"));
    let mut unsure = Vec::new();
    if words::is_subscription(&file) {
        unsure.push(format!(
            "is {} a list of people who must not be contacted? If they asked for something, it needs a \
             column that says so",
            table.name
        ));
    } else if !words::is_suppression(&file) {
        unsure.push(format!(
            "{} holds hardly more than contact points, so it is read as a list of people who must not be \
             contacted",
            table.name
        ));
    }
    let unmatchable = unmatchable(table, &tied, |_| true);
    Some(List { table: at, ties: tied.ties, mails_only, unmatchable, unsure })
}
