//! A customer's chain, as far as it is known: what decisions may speak of, and where it stands.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use super::plainly::plainly;
use super::why::{ContactName, Place, SourceFile};
use crate::engine::SourceRecord;
use crate::engine::trace::{Link, Trace, contact_fields};
use crate::plan::{Denial, FieldId, Instant, Plan, PurposeId, SourceId};
use crate::proof::{Contact, Hearing};

/// Where rows are.
pub struct Places<'a> {
    plan: &'a Plan,
    sources: &'a [SourceRecord],
    /// The files that were spoken of.
    files: RefCell<BTreeSet<SourceFile>>,
}

impl<'a> Places<'a> {
    /// Of a plan, and of what was read.
    pub fn new(plan: &'a Plan, sources: &'a [SourceRecord]) -> Self {
        Self { plan, sources, files: RefCell::default() }
    }

    /// What was read.
    pub fn sources(&self) -> &'a [SourceRecord] {
        self.sources
    }

    /// A row of a source, from 0, as file and row.
    pub fn place(&self, source: SourceId, row: usize) -> Place {
        let name = &self.plan.sources[source.0].name;
        let files = self.sources.iter().find(|of| of.name == *name).map_or(&[][..], |of| &of.files);
        let (mut left, mut path) = (row as u64, PathBuf::new());
        for file in files {
            if left < file.rows {
                path.clone_from(&file.path);
                break;
            }
            left -= file.rows;
        }
        self.files.borrow_mut().insert(SourceFile { source: name.clone(), file: path.clone() });
        Place { source: name.clone(), file: path, row: left + 1, one_of_many: files.len() > 1 }
    }

    /// The files that were spoken of.
    pub fn files(&self) -> Vec<SourceFile> {
        self.files.borrow().iter().cloned().collect()
    }
}

/// A contact point or record that decisions may speak of.
pub struct Spoken {
    /// What it is.
    pub contact: Contact,
    /// True of what the profile shows, and of records that are part of it.
    pub own: bool,
}

/// What of the decisions on a contact counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// All.
    All,
    /// Denials.
    Denials,
    /// Nothing.
    No,
}

/// A customer's chain.
pub struct Chain<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The date judged by.
    pub as_of: Instant,
    /// The customer.
    pub trace: &'a Trace,
    /// What decisions may speak of.
    pub contacts: &'a [Spoken],
    /// What they say.
    pub hearing: &'a Hearing<'a>,
    /// Where rows are.
    pub places: &'a Places<'a>,
}

impl Chain<'_> {
    /// What of the decisions on a contact counts for a purpose (docs/semantics.md, section 8).
    pub fn counted(&self, contact: usize, purpose: PurposeId) -> Counted {
        let Spoken { contact, own } = &self.contacts[contact];
        match contact {
            Contact::Record(..) if *own => Counted::All,
            Contact::Record(..) => Counted::Denials,
            Contact::Value(field, ..)
                if *own && *field == self.plan.consent.purposes[purpose.0].via =>
            {
                Counted::All
            }
            Contact::Value(..) if self.plan.consent.denial == Denial::Person => Counted::Denials,
            Contact::Value(..) => Counted::No,
        }
    }

    /// What the profile shows in a field.
    pub fn shown(&self, field: FieldId) -> Option<&str> {
        let (winner, _) = self.trace.winners[field.0]?;
        self.trace.records[winner].values[field.0].as_deref()
    }

    /// A contact by its name and value.
    pub fn named(&self, contact: usize) -> ContactName {
        named(self.plan, &self.contacts[contact].contact)
    }
}

/// A contact by its name and value.
pub fn named(plan: &Plan, contact: &Contact) -> ContactName {
    match contact {
        Contact::Value(field, value, _) => ContactName {
            kind: "field",
            of: plan.fields[field.0].name.clone(),
            value: value.clone(),
        },
        Contact::Record(table, id) => ContactName {
            kind: "record",
            of: plan.sources[plan.tables[table.0].source.0].name.clone(),
            value: id.clone(),
        },
    }
}

impl std::fmt::Display for ContactName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            "record" => write!(f, "{} id {}", self.of, plainly(&self.value)),
            _ => write!(f, "{} {}", self.of, plainly(&self.value)),
        }
    }
}

/// What decisions may speak of: contact points of all records, each once, what the profile shows
/// before others; then the records.
pub fn contacts(plan: &Plan, trace: &Trace) -> Vec<Spoken> {
    let mut contacts: Vec<Spoken> = Vec::new();
    for field in contact_fields(plan) {
        let winner = trace.winners[field.0].map(|(winner, _)| winner);
        let others = (0..trace.records.len()).filter(|at| Some(*at) != winner);
        // By what is found by the same decisions: the key and its looser forms.
        let mut known = Vec::new();
        for at in winner.into_iter().chain(others) {
            let record = &trace.records[at];
            let Some(value) = &record.values[field.0] else { continue };
            let region = record.regions[field.0];
            let Some(loose) = plan.fields[field.0].key.chain.apply_loose(value, region) else {
                continue;
            };
            let own = winner == Some(at);
            if !known.contains(&loose) {
                known.push(loose);
                contacts
                    .push(Spoken { contact: Contact::Value(field, value.clone(), region), own });
            }
        }
    }
    for record in &trace.records {
        if let Some(id) = &record.id {
            let own = !record.link.is_shadow() && record.link != Link::Nothing;
            let contact = Contact::Record(record.table, id.clone());
            if !contacts.iter().any(|known| known.contact == contact) {
                contacts.push(Spoken { contact, own });
            }
        }
    }
    contacts
}
