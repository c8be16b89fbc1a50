//! A hearing: what consent and suppression sources say of a few contact points and records, row by
//! row, and what it comes to.
//!
//! It reads the sources as the proof does and folds as the proof does, so what `optin why` explains is
//! worked out a second time, apart from the engine.

use std::collections::HashMap;

use super::decisions::{self, Counts, Decision, Heard, Stand, add_record, fold};
use super::points::{NONE, Point};
use super::{About, Subjects};
use crate::diagnostics::Outcome;
use crate::engine::{Setting, SourceRecord};
use crate::normalize::Region;
use crate::plan::{Conflict, FieldId, Plan, PurposeId, TableId};

/// Something that decisions may speak of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contact {
    /// A value in a field, and the region in which a number is read.
    Value(FieldId, String, Option<Region>),
    /// A record of a table, by its id.
    Record(TableId, String),
}

/// What a row of a consent table says.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    /// The consent table.
    pub table: usize,
    /// The row in its source, from 0.
    pub row: usize,
    /// The purpose.
    pub purpose: PurposeId,
    /// The decision; a denial where the word is not known.
    pub decision: Decision,
    /// The day, since 1970-01-01, where the row gives a day alone.
    pub day: Option<i64>,
    /// Whether it counts.
    pub counts: Counts,
}

/// A row of a suppression list.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// The list.
    pub list: usize,
    /// The row in its source, from 0.
    pub row: usize,
}

/// What was heard.
#[derive(Debug)]
pub struct Hearing<'a> {
    plan: &'a Plan,
    setting: &'a Setting,
    /// For each contact what decisions say of it, in the order of tables and rows.
    pub said: Vec<Vec<Said>>,
    /// For each contact where it is listed.
    pub listed: Vec<Vec<Listed>>,
}

impl Hearing<'_> {
    /// The decisions on a contact that count for a purpose.
    #[must_use]
    pub fn counting(&self, contact: usize, purpose: PurposeId) -> Vec<Said> {
        let said = self.said[contact].iter();
        let counts = |said: &&Said| said.purpose == purpose && said.counts == Counts::Yes;
        said.filter(counts).copied().collect()
    }

    /// True if some other decisions on the same contact leave this one without effect: of what is
    /// folded together the newest dated one counts, at equal times the denial, and a denial without a
    /// date always.
    #[must_use]
    pub fn is_superseded(&self, one: &Said, all: &[Said]) -> bool {
        let alone = self.plan.consent.conflict == Conflict::Strictest;
        let of_set = || all.iter().filter(|other| !alone || other.table == one.table);
        let newest = of_set().filter_map(|other| other.decision.at).max();
        let Decision { granted, at, .. } = one.decision;
        if at.is_none() && !granted {
            return false;
        }
        let denies =
            |other: &Said| !other.decision.granted && [None, newest].contains(&other.decision.at);
        at != newest || (granted && of_set().any(denies))
    }

    /// What decisions on one contact come to for a purpose.
    #[must_use]
    pub fn fold(&self, decisions: &[Said], purpose: PurposeId) -> Stand {
        let decisions: Vec<Decision> = decisions.iter().map(|said| said.decision).collect();
        let declared = &self.plan.consent.purposes[purpose.0];
        let (conflict, at) = (self.plan.consent.conflict, self.setting.as_of.at);
        fold(&decisions, conflict, declared.expires_after, at)
    }

    /// What the decisions on a contact come to for a purpose.
    #[must_use]
    pub fn stand(&self, contact: usize, purpose: PurposeId) -> Stand {
        self.fold(&self.counting(contact, purpose), purpose)
    }
}

/// Contacts as points, in their order.
pub fn subjects(plan: &Plan, contacts: &[Contact]) -> (Subjects, Vec<(About, Point)>) {
    let mut subjects = Subjects { of: HashMap::new(), rows: contacts.len() };
    let points: Vec<(About, Point)> = contacts
        .iter()
        .map(|contact| match contact {
            Contact::Value(field, text, region) => {
                let about = About::Field(*field);
                let chain = &plan.fields[field.0].key.chain;
                (about, subjects.add_to(about).add_value(chain, text, *region))
            }
            Contact::Record(table, id) => {
                (About::Record, add_record(subjects.add_to(About::Record), *table, id))
            }
        })
        .collect();
    (subjects, points)
}

/// Hears what all sources say of some contacts.
///
/// # Errors
/// Faults of the sources; one that changed since it was read first.
pub fn hear<'a>(
    plan: &'a Plan,
    setting: &'a Setting,
    sources: &[SourceRecord],
    contacts: &[Contact],
) -> Outcome<Hearing<'a>> {
    let (subjects, points) = subjects(plan, contacts);
    let reaches =
        |at: usize, about: About, point: Point| points[at] == (about, point) && point != NONE;
    let mut said = vec![Vec::new(); contacts.len()];
    for Heard { row, about, point, purpose, decision, day, counts } in
        decisions::heard(plan, setting, &subjects, sources)?
    {
        for at in (0..contacts.len()).filter(|at| reaches(*at, about, point)) {
            said[at].push(Said { table: decision.table, row, purpose, decision, day, counts });
        }
    }
    let mut listed = vec![Vec::new(); contacts.len()];
    for (number, list) in plan.consent.suppress.iter().enumerate() {
        for (row, about, point) in decisions::suppressed(plan, list, &subjects, sources)? {
            for at in (0..contacts.len()).filter(|at| reaches(*at, about, point)) {
                listed[at].push(Listed { list: number, row });
            }
        }
    }
    Ok(Hearing { plan, setting, said, listed })
}
