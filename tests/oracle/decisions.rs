//! What the rows of consent tables say (section 5), and their account (section 12).

use std::collections::BTreeMap;

use optin::plan::{ConsentTable, FieldId, Match, PurposeId, Shape, SourceId, TableId};

use super::calendar::{DAY, Point};
use super::loose::Key;
use super::value::read_moment;
use super::{World, count};

/// The names in the account of a consent table; `read` is the sum of the others.
pub const ACCOUNT: [&str; 8] = [
    "read",
    "used",
    "folded",
    "no_decision",
    "unrecognized",
    "other_purpose",
    "unmatchable",
    "after_as_of",
];

const GRANTED: [&str; 11] = [
    "true",
    "t",
    "yes",
    "y",
    "1",
    "granted",
    "allow",
    "allowed",
    "opt-in",
    "opted_in",
    "subscribed",
];
const DENIED: [&str; 14] = [
    "false",
    "f",
    "no",
    "n",
    "0",
    "denied",
    "deny",
    "disallow",
    "opt-out",
    "opted_out",
    "unsubscribed",
    "withdrawn",
    "revoked",
    "do not allow",
];

/// What a decision or a suppression stands on.
#[derive(Clone, Debug, PartialEq)]
pub enum Contact {
    Key(FieldId, Key),
    /// A digest in a suppression list, in lower case.
    Digest(FieldId, String),
    Record(TableId, String),
}

/// When a decision was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Undated,
    Dated(Point),
}

/// One decision.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Index of the consent table.
    pub table: usize,
    pub purpose: PurposeId,
    pub granted: bool,
    /// The contact point it is counted on.
    pub contact: Contact,
    /// The record of the customer row that it stands in, if it is not counted there.
    pub own_record: Option<Contact>,
    pub moment: Moment,
}

impl Decision {
    /// From when on it exists, in microseconds.
    pub fn exists_from(&self) -> Option<i64> {
        match self.moment {
            Moment::Undated => None,
            Moment::Dated(Point::At(micros) | Point::Span(micros, _)) => Some(micros),
            Moment::Dated(Point::Day(days)) => Some(days * DAY),
        }
    }

    /// Where it sorts among the decisions of its set.
    pub fn sorts_at(&self) -> Option<i64> {
        match self.moment {
            Moment::Dated(Point::Span(_, last)) if !self.granted => Some(last),
            Moment::Dated(Point::Day(days)) if !self.granted => Some((days + 1) * DAY - 1),
            _ => self.exists_from(),
        }
    }

    /// Hidden by the run's date.
    pub fn is_hidden(&self, world: &World<'_>) -> bool {
        let later = self.exists_from().is_some_and(|from| from > world.as_of);
        later && (self.granted || world.replay)
    }
}

/// All decisions and the accounts of the tables they stand in.
pub struct Book {
    /// Only those that are not hidden.
    pub decisions: Vec<Decision>,
    pub accounts: Vec<BTreeMap<&'static str, u64>>,
    pub unmatchable_denials: u64,
    pub withdrawn_after_as_of: u64,
}

/// What a cell of a value column says.
enum Said {
    Nothing,
    Unrecognized,
    Decided { granted: bool },
}

/// Who a row speaks of.
struct Named {
    /// One decision each.
    contacts: Vec<Contact>,
    /// The row's own record, where its decisions stand as well.
    own_record: Option<Contact>,
    /// Decisions that match nobody.
    unmatchable: u64,
}

pub fn read(world: &World<'_>) -> Book {
    let mut book = Book {
        decisions: Vec::new(),
        accounts: Vec::new(),
        unmatchable_denials: 0,
        withdrawn_after_as_of: 0,
    };
    for (index, table) in world.plan.consent.tables.iter().enumerate() {
        let mut account = ACCOUNT.map(|name| (name, 0)).into();
        let mut left: Vec<Decision> = Vec::new();
        for row in &world.raw(table.source).rows {
            read_row(world, index, table, row, &mut account, &mut left, &mut book);
        }
        count_used(&left, &mut account);
        let counted: u64 = ACCOUNT[1..].iter().map(|name| account[name]).sum();
        count(&mut account, "read", counted);
        book.accounts.push(account);
        book.decisions.extend(left);
    }
    book
}

fn read_row(
    world: &World<'_>,
    index: usize,
    table: &ConsentTable,
    row: &[Option<String>],
    account: &mut BTreeMap<&'static str, u64>,
    left: &mut Vec<Decision>,
    book: &mut Book,
) {
    let named = named_by(world, table, row);
    let moment = moment(world, table, row);
    for (purpose, value) in spoken_of(world, table, row) {
        let Some(purpose) = purpose else {
            count(account, "other_purpose", 1);
            continue;
        };
        let granted = match said(table, value.as_deref()) {
            Said::Nothing => {
                count(account, "no_decision", 1);
                continue;
            }
            Said::Unrecognized => {
                count(account, "unrecognized", 1);
                continue;
            }
            Said::Decided { granted } => granted,
        };
        count(account, "unmatchable", named.unmatchable);
        if !granted {
            book.unmatchable_denials += named.unmatchable;
        }
        for contact in named.contacts.clone() {
            let own_record = named.own_record.clone();
            let decision = Decision { table: index, purpose, granted, contact, own_record, moment };
            if decision.is_hidden(world) {
                count(account, "after_as_of", 1);
                continue;
            }
            if !granted && decision.exists_from().is_some_and(|from| from > world.as_of) {
                book.withdrawn_after_as_of += 1;
            }
            left.push(decision);
        }
    }
}

/// Each purpose that a row speaks of, with the text of its value. None: a purpose that is not
/// declared, or no purpose at all.
fn spoken_of(
    world: &World<'_>,
    table: &ConsentTable,
    row: &[Option<String>],
) -> Vec<(Option<PurposeId>, Option<String>)> {
    match &table.shape {
        Shape::Wide(columns) => columns
            .iter()
            .map(|(purpose, column)| (Some(*purpose), world.text(table.source, row, column)))
            .collect(),
        Shape::Long { purpose, value } => {
            let name = world.text(table.source, row, purpose).unwrap_or_default();
            let name = name.trim().to_lowercase();
            let purposes = &world.plan.consent.purposes;
            let found = purposes.iter().position(|known| known.name.trim().to_lowercase() == name);
            vec![(found.map(PurposeId), world.text(table.source, row, value))]
        }
    }
}

fn said(table: &ConsentTable, value: Option<&str>) -> Said {
    let word = value.unwrap_or_default().trim().to_lowercase();
    if word.is_empty() {
        return Said::Nothing;
    }
    let among = |words: &[String]| words.iter().any(|own| own.trim().to_lowercase() == word);
    // The table's own words win over the vocabulary.
    if among(&table.words.denied) {
        Said::Decided { granted: false }
    } else if among(&table.words.granted) {
        Said::Decided { granted: true }
    } else if DENIED.contains(&word.as_str()) {
        Said::Decided { granted: false }
    } else if GRANTED.contains(&word.as_str()) {
        Said::Decided { granted: true }
    } else {
        Said::Unrecognized
    }
}

fn moment(world: &World<'_>, table: &ConsentTable, row: &[Option<String>]) -> Moment {
    let Some(column) = &table.at else { return Moment::Undated };
    let timezone = &world.plan.sources[table.source.0].timezone;
    let ty = world.column_type(table.source, column);
    match world.cell(table.source, row, column) {
        None => Moment::Undated,
        Some(cell) => Moment::Dated(read_moment(cell, ty, timezone)),
    }
}

/// The key cells and record cells of a row, of a consent table or of a suppression list.
pub struct Cells {
    /// Contact points of the usable key cells.
    pub keys: Vec<Contact>,
    /// Records named.
    pub records: Vec<Contact>,
    /// Key cells that are not null and normalize to nothing.
    pub unusable: u64,
}

pub fn cells(
    world: &World<'_>,
    source: SourceId,
    matches: &[Match],
    row: &[Option<String>],
) -> Cells {
    let mut cells = Cells { keys: Vec::new(), records: Vec::new(), unusable: 0 };
    for item in matches {
        match item {
            Match::Key { field, column, region } => {
                let Some(text) = world.text(source, row, column) else { continue };
                let region =
                    World::region(region, |beside: &String| world.text(source, row, beside));
                match world.key(*field, &text, region) {
                    Some(key) => cells.keys.push(Contact::Key(*field, key)),
                    None => cells.unusable += 1,
                }
            }
            Match::Digest { field, column } => {
                let Some(text) = world.text(source, row, column) else { continue };
                let digest = text.trim().to_lowercase();
                if digest.chars().count() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit()) {
                    cells.keys.push(Contact::Digest(*field, digest));
                } else {
                    cells.unusable += 1;
                }
            }
            Match::Record { table, column } => {
                if let Some(id) = world.id(source, row, column) {
                    cells.records.push(Contact::Record(*table, id));
                }
            }
        }
    }
    cells
}

fn named_by(world: &World<'_>, table: &ConsentTable, row: &[Option<String>]) -> Named {
    let own_record = table.customers.and_then(|customers| {
        let id = world.id(table.source, row, &world.plan.tables[customers.0].id);
        id.map(|id| Contact::Record(customers, id))
    });
    let cells = cells(world, table.source, &table.matches, row);
    let no_usable_key = cells.keys.is_empty();
    let names_a_record = own_record.is_some() || !cells.records.is_empty();
    let unmatchable = match (names_a_record, no_usable_key && cells.unusable == 0) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => cells.unusable,
    };
    let mut contacts = cells.keys;
    contacts.extend(cells.records);
    match own_record {
        Some(own) if no_usable_key => {
            contacts.push(own);
            Named { contacts, own_record: None, unmatchable }
        }
        own_record => Named { contacts, own_record, unmatchable },
    }
}

/// Of the decisions on one purpose and equal contact point one is used, the others are folded.
fn count_used(left: &[Decision], account: &mut BTreeMap<&'static str, u64>) {
    let mut seen: Vec<(PurposeId, &Contact)> = Vec::new();
    for decision in left {
        let place = (decision.purpose, &decision.contact);
        if seen.contains(&place) {
            count(account, "folded", 1);
        } else {
            seen.push(place);
            count(account, "used", 1);
        }
    }
}
