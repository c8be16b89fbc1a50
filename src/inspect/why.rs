//! `optin why`: one customer's chain, from rows of sources to the verdict in every segment.
//!
//! In comes a plan and who is asked for; out comes [`Why`], plain data that `--json` prints and
//! [`text`](super::why_text::text) tells. It holds personal data: whoever asks gets it on the terminal,
//! and nothing is written. Who is who, states and verdicts are the engine's ([`trace`]); decisions
//! are read and folded apart from it ([`proof`](crate::proof)).

use std::path::PathBuf;

use serde::Serialize;

use super::near_miss::{Chain, near_miss};
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::engine::trace::{self, Asked, Fate, Link, Trace, TracedRecord, trace};
use crate::engine::{Setting, SourceRecord, Verdict, unbroken};
use crate::plan::{FieldId, Instant, Keep, Outputs, Plan, PurposeId, SourceId, TableId, hex};
use crate::proof::{Contact, Counts, Hearing, Stand, hear};

/// What `optin why` tells.
#[derive(Clone, Debug, Serialize)]
pub struct Why {
    /// The pipeline.
    pub pipeline: String,
    /// Who was asked for, as written.
    pub asked: String,
    /// The date as of which consent is judged.
    pub as_of: String,
    /// Customers who meet the question, and records that belong to none.
    pub customers: Vec<Person>,
    /// How many more there are.
    pub more: usize,
    /// What decisions and lists say of a value that is asked for and no record has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub heard_of_nobody: Vec<Heard>,
}

/// One customer.
#[derive(Clone, Debug, Serialize)]
pub struct Person {
    /// The id of a profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    /// `profile`, or why the records are in none.
    pub fate: &'static str,
    /// How many records the customer has.
    pub records_in_all: usize,
    /// The records, the best by survivorship first.
    pub records: Vec<RecordLine>,
    /// The unified fields.
    pub fields: Vec<FieldLine>,
    /// The purposes.
    pub purposes: Vec<PurposeLine>,
    /// Where contact points or records of the customer stand on a suppression list.
    pub suppressed_by: Vec<Heard>,
    /// The segments.
    pub segments: Vec<SegmentLine>,
}

/// Where a row is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The source.
    pub source: String,
    /// The file.
    pub file: PathBuf,
    /// The record in the file, from 1.
    pub row: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} row {}", self.source, self.row)
    }
}

/// A record.
#[derive(Clone, Debug, Serialize)]
pub struct RecordLine {
    /// Where it is.
    pub place: Place,
    /// Its id.
    pub id: Option<String>,
    /// What links it, in words.
    pub linked_by: String,
    /// Another record has the same id and stays; this one is in the quarantine table.
    pub duplicate_id: bool,
    /// Its values by field, as they stand.
    pub values: Vec<(String, String)>,
    /// Keys by field, where they are not the value itself.
    pub keys: Vec<(String, String)>,
}

/// A field of the profile.
#[derive(Clone, Debug, Serialize)]
pub struct FieldLine {
    /// Its name.
    pub field: String,
    /// What the profile shows.
    pub value: Option<String>,
    /// Where it is from.
    pub from: Option<Place>,
    /// Why from there.
    pub why: String,
    /// What other records say instead.
    pub others: Vec<(Place, String)>,
}

/// A purpose.
#[derive(Clone, Debug, Serialize)]
pub struct PurposeLine {
    /// Its name.
    pub purpose: String,
    /// The state.
    pub state: &'static str,
    /// What the decisions come to, each contact point and record by itself.
    pub contacts: Vec<ContactLine>,
}

/// A contact point or record, and the decisions on it.
#[derive(Clone, Debug, Serialize)]
pub struct ContactLine {
    /// Such as `email ann@example.com`, or `shop 17`.
    pub contact: String,
    /// True if grants count here: the profile shows it, or it is a record of the profile.
    pub own: bool,
    /// What the decisions come to.
    pub comes_to: &'static str,
    /// The decisions.
    pub decisions: Vec<Heard>,
}

/// A row of a consent table or suppression list that speaks of the customer.
#[derive(Clone, Debug, Serialize)]
pub struct Heard {
    /// Where it is.
    pub place: Place,
    /// What it speaks of.
    pub contact: String,
    /// `granted`, `denied`, `not a word of consent`, or `suppressed`.
    pub says: &'static str,
    /// The purpose of a decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// When, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Why it does not count, if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts_not: Option<&'static str>,
}

/// A segment.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentLine {
    /// Its name.
    pub segment: String,
    /// The verdict.
    pub verdict: &'static str,
    /// What the conditions of the rule come to.
    pub conditions: Vec<(String, &'static str)>,
    /// What would have to be otherwise, all of it, for the customer to be in.
    pub would_be_in_if: Vec<String>,
    /// False where another customer who shows the same contact point leaves instead; by export.
    pub leaves: Vec<bool>,
}

/// Who is asked for, from `FIELD=VALUE`.
///
/// # Errors
/// A text of another shape; a field, table or id that is none.
pub fn asked(plan: &Plan, text: &str) -> Outcome<Asked> {
    let fault = |message: String, help: String| -> Outcome<Asked> {
        Err(Diagnostic::error(Code::UnknownField, message).help(help).into())
    };
    let names = || {
        let fields = trace::fields(plan);
        let fields = fields.iter().map(|field| plan.fields[field.0].name.as_str());
        let tables = plan.tables.iter().map(|table| plan.sources[table.source.0].name.as_str());
        let all: Vec<&str> = fields.chain(["customer_id"]).chain(tables).collect();
        format!("FIELD is one of {}; of a customer table's name VALUE is the id", all.join(", "))
    };
    let Some((name, value)) = text.split_once('=') else {
        return fault("--customer takes FIELD=VALUE".to_owned(), names());
    };
    let (name, value) = (name.trim(), value.trim());
    if value.is_empty() {
        return fault(format!("--customer {name}= has no value"), names());
    }
    if name == "customer_id" {
        let bytes: Option<Vec<u8>> = (value.len() == 32 && value.is_ascii())
            .then(|| (0..16).map(|at| u8::from_str_radix(&value[at * 2..at * 2 + 2], 16).ok()))
            .and_then(Iterator::collect);
        return match bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()) {
            Some(id) => Ok(Asked::Customer(id)),
            None => fault(
                "this is no customer_id".to_owned(),
                "a customer_id has 32 hexadecimal digits, as exports show it".to_owned(),
            ),
        };
    }
    if let Some(field) = plan.fields.iter().position(|field| field.name == name) {
        return Ok(Asked::Value(FieldId(field), value.to_owned()));
    }
    let is_it = |table: &crate::plan::Table| plan.sources[table.source.0].name == name;
    match plan.tables.iter().position(is_it) {
        Some(table) => Ok(Asked::Record(TableId(table), value.to_owned())),
        None => fault(format!("no field and no customer table is called `{name}`"), names()),
    }
}

/// Tells who is in which segment and why, of the customers that are asked for. With `segment` of that one
/// alone.
///
/// # Errors
/// As a run; what [`asked`] says.
pub fn why(plan: &Plan, setting: &Setting, text: &str, segment: Option<&str>) -> Outcome<Why> {
    let who = asked(plan, text)?;
    if let Some(name) = segment
        && plan.segments.iter().all(|segment| segment.name != name)
    {
        let names: Vec<&str> = plan.segments.iter().map(|of| of.name.as_str()).collect();
        return Err(Diagnostic::error(
            Code::UnknownSegment,
            format!("no segment is called `{name}`"),
        )
        .help(format!("the segments are: {}", names.join(", ")))
        .into());
    }
    // Nothing is written, so only what decides is read.
    let narrow = Plan { outputs: Outputs::default(), ..plan.clone() };
    unbroken(|| {
        let traces = trace(&narrow, setting, &who)?;
        let told = Telling { plan: &narrow, setting, sources: &traces.sources };
        let customers: Outcome<Vec<Person>> =
            traces.customers.iter().map(|trace| told.person(trace, segment)).collect();
        let customers = customers?;
        let heard_of_nobody = match &who {
            Asked::Value(field, value) if customers.is_empty() => told.nobody(*field, value)?,
            _ => Vec::new(),
        };
        Ok(Why {
            pipeline: plan.name.clone(),
            asked: text.to_owned(),
            as_of: setting.as_of.at.to_string(),
            customers,
            more: traces.more,
            heard_of_nobody,
        })
    })
}

struct Telling<'a> {
    plan: &'a Plan,
    setting: &'a Setting,
    sources: &'a [SourceRecord],
}

impl Telling<'_> {
    /// A row of a source, from 0, as file and row.
    fn place(&self, source: SourceId, row: usize) -> Place {
        let name = &self.plan.sources[source.0].name;
        let mut left = row as u64;
        let files = self.sources.iter().find(|of| of.name == *name).map_or(&[][..], |of| &of.files);
        for file in files {
            if left < file.rows {
                return Place { source: name.clone(), file: file.path.clone(), row: left + 1 };
            }
            left -= file.rows;
        }
        Place { source: name.clone(), file: PathBuf::new(), row: row as u64 + 1 }
    }

    fn record_place(&self, record: &TracedRecord) -> Place {
        self.place(self.plan.tables[record.table.0].source, record.row)
    }

    fn field(&self, field: FieldId) -> &str {
        &self.plan.fields[field.0].name
    }

    fn person(&self, trace: &Trace, segment: Option<&str>) -> Outcome<Person> {
        let plan = self.plan;
        let contacts = contacts(plan, trace);
        let all: Vec<Contact> = contacts.iter().map(|(_, contact)| contact.clone()).collect();
        let hearing = hear(plan, self.setting, self.sources, &all)?;
        let is_profile = matches!(trace.fate, Fate::Profile(_));
        let chain = Chain { plan, trace, contacts: &contacts, hearing: &hearing };
        let purposes = (0..plan.consent.purposes.len()).map(PurposeId);
        let asked = |name: &str| segment.is_none_or(|segment| segment == name);
        let segments = plan.segments.iter().zip(&trace.segments);
        Ok(Person {
            customer_id: trace.customer_id.as_ref().map(|id| hex(id)),
            fate: match trace.fate {
                Fate::Profile(_) => "profile",
                Fate::NoId => "set aside: no id",
                Fate::TooLarge => "set aside: the cluster is too large (max_cluster)",
                Fate::Dropped => "left out: it links to no earlier table (unmatched: drop)",
            },
            records_in_all: trace.size,
            records: trace.records.iter().map(|record| self.record(trace, record)).collect(),
            fields: if is_profile { self.fields(trace) } else { Vec::new() },
            purposes: purposes
                .map(|purpose| self.purpose(trace, &contacts, &hearing, purpose))
                .collect(),
            suppressed_by: self.listed(&contacts, &hearing),
            segments: segments
                .filter(|(segment, _)| asked(&segment.name))
                .map(|(segment, traced)| SegmentLine {
                    segment: segment.name.clone(),
                    verdict: traced.verdict.name(),
                    conditions: traced
                        .conditions
                        .iter()
                        .map(|condition| (condition.text.clone(), truth(condition.value)))
                        .collect(),
                    would_be_in_if: if traced.verdict == Verdict::InSegment {
                        Vec::new()
                    } else {
                        near_miss(&chain, segment, traced, |source, row| self.place(source, row))
                    },
                    leaves: traced.leaves.clone(),
                })
                .collect(),
        })
    }

    fn record(&self, trace: &Trace, record: &TracedRecord) -> RecordLine {
        let named = |values: &[Option<String>]| {
            let values = values.iter().enumerate();
            let value = |(at, value): (usize, &Option<String>)| {
                Some((self.field(FieldId(at)).to_owned(), value.clone()?))
            };
            values.filter_map(value).collect::<Vec<_>>()
        };
        let values = named(&record.values);
        let compared = trace::fields(self.plan);
        let mut keys = Vec::new();
        for field in &compared {
            let (value, key) = (&record.values[field.0], &record.keys[field.0]);
            match (value, key) {
                (Some(value), Some(key)) if value != key => {
                    keys.push((self.field(*field).to_owned(), key.clone()));
                }
                (Some(_), None) => {
                    keys.push((self.field(*field).to_owned(), "none: not usable".to_owned()));
                }
                _ => {}
            }
        }
        let other = |with: usize| self.record_place(&trace.records[with]).to_string();
        let linked_by = match record.link {
            Link::First if trace.records.len() == 1 => "it stands alone".to_owned(),
            Link::First => "the best of the records".to_owned(),
            Link::Rule { rule, with } => {
                let name = &self.plan.identity.rules[rule].name;
                format!("{name}, as {}", other(with))
            }
            Link::SameId { with } => format!("the same id as {}", other(with)),
            Link::Pair => "a pair of `always`".to_owned(),
            Link::Unsaid => "the rules (too many records to say which)".to_owned(),
            Link::Shadow if matches!(trace.fate, Fate::Profile(_)) => {
                "no part of the customer, but its denials count".to_owned()
            }
            Link::Shadow => "nothing".to_owned(),
        };
        RecordLine {
            place: self.record_place(record),
            id: record.id.clone(),
            linked_by,
            duplicate_id: record.duplicate,
            values,
            keys,
        }
    }

    fn fields(&self, trace: &Trace) -> Vec<FieldLine> {
        let line = |(at, winner): (usize, &Option<usize>)| {
            let field = FieldId(at);
            let winner = winner.map(|winner| &trace.records[winner]);
            let value = winner.and_then(|winner| winner.values[at].clone());
            let others = trace.records.iter().filter(|record| record.link != Link::Shadow);
            let others = others.filter_map(|record| {
                let other = record.values[at].clone()?;
                (Some(&other) != value.as_ref()).then(|| (self.record_place(record), other))
            });
            FieldLine {
                field: self.field(field).to_owned(),
                from: winner.map(|winner| self.record_place(winner)),
                why: self.why_field(field, winner),
                others: others.collect(),
                value,
            }
        };
        trace.winners.iter().enumerate().map(line).collect()
    }

    fn why_field(&self, field: FieldId, winner: Option<&TracedRecord>) -> String {
        let (keep, unit) = self.plan.survivorship.of(field);
        let Some(winner) = winner else {
            return if unit.len() > 1 {
                "empty in the record that gives the whole group".to_owned()
            } else {
                "no record has a usable value".to_owned()
            };
        };
        let with = |by: FieldId| match &winner.values[by.0] {
            Some(value) => format!("{} {value}", self.field(by)),
            None => format!("no {}", self.field(by)),
        };
        let mut why = match keep {
            Keep::MostFilled => "the most filled record that has one".to_owned(),
            Keep::Importance => "the most important table that has one".to_owned(),
            Keep::MostRecent(by) => format!("the newest that has one ({})", with(by)),
            Keep::LeastRecent(by) => format!("the oldest that has one ({})", with(by)),
        };
        let others: Vec<&str> =
            unit.iter().filter(|of| **of != field).map(|of| self.field(*of)).collect();
        if !others.is_empty() {
            why = format!("{why}; one unit with {}", others.join(", "));
        }
        why
    }

    fn contact(&self, contact: &Contact) -> String {
        match contact {
            Contact::Value(field, value, _) => format!("{} {value}", self.field(*field)),
            Contact::Record(table, id) => {
                format!("{} {id}", self.plan.sources[self.plan.tables[table.0].source.0].name)
            }
        }
    }

    fn said(&self, contact: &Contact, said: &crate::proof::Said) -> Heard {
        let table = &self.plan.consent.tables[said.table];
        Heard {
            place: self.place(table.source, said.row),
            contact: self.contact(contact),
            says: match (said.counts, said.decision.granted) {
                (Counts::Unrecognized, _) => "not a word of consent",
                (_, true) => "granted",
                (_, false) => "denied",
            },
            purpose: Some(self.plan.consent.purposes[said.purpose.0].name.clone()),
            at: said.decision.at.map(|at| Instant(at).to_string()),
            counts_not: match said.counts {
                Counts::Yes => None,
                Counts::Later => Some("later than the date judged by"),
                Counts::Unrecognized => Some("its word neither grants nor denies"),
            },
        }
    }

    fn purpose(
        &self,
        trace: &Trace,
        contacts: &[(bool, Contact)],
        hearing: &Hearing<'_>,
        purpose: PurposeId,
    ) -> PurposeLine {
        let declared = &self.plan.consent.purposes[purpose.0];
        let mut lines = Vec::new();
        for (at, (shown, contact)) in contacts.iter().enumerate() {
            let decisions: Vec<Heard> = hearing.said[at]
                .iter()
                .filter(|said| said.purpose == purpose)
                .map(|said| self.said(contact, said))
                .collect();
            let own = match contact {
                Contact::Value(field, ..) => *shown && *field == declared.via,
                Contact::Record(..) => *shown,
            };
            let is_shown = matches!(contact, Contact::Value(..)) && own;
            if decisions.is_empty() && !is_shown {
                continue;
            }
            lines.push(ContactLine {
                contact: self.contact(contact),
                own,
                comes_to: match hearing.stand(at, purpose) {
                    Stand::Unknown => "unknown",
                    Stand::Expired => "expired",
                    Stand::Granted => "granted",
                    Stand::Denied => "denied",
                },
                decisions,
            });
        }
        PurposeLine {
            purpose: declared.name.clone(),
            state: trace.states.get(purpose.0).map_or("none", |state| state.name()),
            contacts: lines,
        }
    }

    fn listed(&self, contacts: &[(bool, Contact)], hearing: &Hearing<'_>) -> Vec<Heard> {
        let mut lines = Vec::new();
        for ((_, contact), listed) in contacts.iter().zip(&hearing.listed) {
            lines.extend(listed.iter().map(|listed| Heard {
                place: self.place(self.plan.consent.suppress[listed.list].source, listed.row),
                contact: self.contact(contact),
                says: "suppressed",
                purpose: None,
                at: None,
                counts_not: None,
            }));
        }
        lines
    }

    /// What sources say of a value that no record has.
    fn nobody(&self, field: FieldId, value: &str) -> Outcome<Vec<Heard>> {
        let region = self.plan.fields[field.0].key.fixed_region();
        let contact = Contact::Value(field, value.to_owned(), region);
        let contacts = [(false, contact.clone())];
        let hearing = hear(self.plan, self.setting, self.sources, std::slice::from_ref(&contact))?;
        let mut all: Vec<Heard> =
            hearing.said[0].iter().map(|said| self.said(&contact, said)).collect();
        all.extend(self.listed(&contacts, &hearing));
        Ok(all)
    }
}

/// What decisions may speak of: contact points of all records, each once, and the records. True is said
/// of those on which grants count: what the profile shows, and records that are part of it.
fn contacts(plan: &Plan, trace: &Trace) -> Vec<(bool, Contact)> {
    let mut contacts: Vec<(bool, Contact)> = Vec::new();
    let mut keys: Vec<(FieldId, Option<String>, Option<crate::normalize::Region>)> = Vec::new();
    for field in trace::contact_fields(plan) {
        let winner = trace.winners[field.0];
        // What the profile shows comes first.
        let order =
            winner.into_iter().chain((0..trace.records.len()).filter(|at| Some(*at) != winner));
        for at in order {
            let record = &trace.records[at];
            let Some(value) = &record.values[field.0] else { continue };
            let (key, region) = (record.keys[field.0].clone(), record.regions[field.0]);
            if key.is_none() || keys.contains(&(field, key.clone(), region)) {
                continue;
            }
            keys.push((field, key, region));
            let shown = winner == Some(at);
            contacts.push((shown, Contact::Value(field, value.clone(), region)));
        }
    }
    for record in &trace.records {
        if let Some(id) = &record.id {
            let own = record.link != Link::Shadow;
            let contact = Contact::Record(record.table, id.clone());
            if !contacts.iter().any(|(_, known)| *known == contact) {
                contacts.push((own, contact));
            }
        }
    }
    contacts
}

const fn truth(value: Option<bool>) -> &'static str {
    match value {
        Some(true) => "true",
        Some(false) => "false",
        None => "unknown",
    }
}
