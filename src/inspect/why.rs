//! `optin why`: one customer's chain, from rows of sources to the verdict in every segment.
//!
//! In comes a plan and who is asked for; out comes [`Why`], plain data that `--json` prints and
//! [`text`](Why::text) tells. It holds personal data: whoever asks gets it on the terminal, and
//! nothing is written. Who is who, states and verdicts are the engine's ([`trace`]); decisions
//! are read and folded apart from it ([`proof`](crate::proof)).
//!
//! The names of the types' fields are the names in JSON (docs/why.md): they stay.

use std::path::PathBuf;

use serde::Serialize;

use super::asked::{asked, asked_segment};
use super::telling::Telling;
use crate::diagnostics::Outcome;
use crate::engine::trace::{Asked, trace};
use crate::engine::{Setting, unbroken};
use crate::plan::{Outputs, Plan};

/// What `optin why` tells.
#[derive(Clone, Debug, Serialize)]
pub struct Why {
    /// The pipeline.
    pub pipeline: String,
    /// Who was asked for, as written.
    pub asked: String,
    /// The date as of which consent is judged.
    pub as_of: String,
    /// How many customers meet the question, and records that belong to none.
    pub found: usize,
    /// The one who does.
    pub customer: Option<Person>,
    /// Where several do, the first of them: nothing is told of any.
    pub several: Vec<Candidate>,
    /// What decisions and lists say of a value that is asked for and no record has.
    pub heard_of_nobody: Vec<Heard>,
    /// The files that are spoken of.
    pub files: Vec<SourceFile>,
}

/// One of several who meet the question.
#[derive(Clone, Debug, Serialize)]
pub struct Candidate {
    /// The id of a profile.
    pub customer_id: Option<String>,
    /// As in [`Person`].
    pub fate: &'static str,
    /// The records that meet the question.
    pub records: Vec<Place>,
}

/// A file that is spoken of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SourceFile {
    /// The source.
    pub source: String,
    /// The file.
    pub file: PathBuf,
}

/// One customer, or a record that belongs to none.
#[derive(Clone, Debug, Serialize)]
pub struct Person {
    /// The id of a profile.
    pub customer_id: Option<String>,
    /// `profile`, or why the records are in none: `no_id`, `cluster_too_large`, `dropped`.
    pub fate: &'static str,
    /// With an earlier run: other ids that the records had in it.
    pub previous_customer_ids: Vec<String>,
    /// With an earlier run: when the id was first given, if it is known.
    pub since: Option<String>,
    /// How many records the customer has.
    pub records_in_all: usize,
    /// The records, the best by survivorship first, at the end those that are no part of the customer
    /// and whose denials count.
    pub records: Vec<RecordLine>,
    /// The unified fields.
    pub fields: Vec<FieldLine>,
    /// The groups.
    pub groupings: Vec<GroupLine>,
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
    /// The record in the file: 1 is the first after the header.
    pub row: u64,
    /// True if the source has other files.
    #[serde(skip)]
    pub one_of_many: bool,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} row {}", self.source, self.row)?;
        match self.file.file_name() {
            Some(name) if self.one_of_many => write!(f, " of {}", name.display()),
            _ => Ok(()),
        }
    }
}

/// A record.
#[derive(Clone, Debug, Serialize)]
pub struct RecordLine {
    /// Where it is.
    pub place: Place,
    /// Its id.
    pub id: Option<String>,
    /// What links it.
    pub link: LinkLine,
    /// Another record has the same id and stays; this one is in the quarantine table.
    pub duplicate_id: bool,
    /// Its values that are not null.
    pub values: Vec<ValueLine>,
}

/// What links a record to another one of the customer.
#[derive(Clone, Debug, Serialize)]
pub struct LinkLine {
    /// `first`: others are linked to it. `rule`, `always`, `same_id`: so it is linked. `left_out`: by
    /// records that are no part of the customer. `not_looked_for`: there are too many records.
    /// `shadow`: it is no part of the customer, but its denials count. `none`: there is no profile.
    pub by: &'static str,
    /// The rule.
    pub rule: Option<String>,
    /// The other record.
    pub with: Option<Place>,
}

/// A value of a record.
#[derive(Clone, Debug, Serialize)]
pub struct ValueLine {
    /// The field.
    pub field: String,
    /// As it stands.
    pub value: String,
    /// As it is compared; null if it is not usable, or of a type that is no key.
    pub key: Option<String>,
    /// False if the value counts as none.
    pub usable: bool,
    /// True if the pipeline compares the field.
    pub compared: bool,
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
    /// What decided against the next best record: `alone`, `policy`, `table`, `id`, `values`.
    pub decided_by: Option<&'static str>,
    /// Why from there, in words.
    pub why: String,
    /// What other records of the customer say instead.
    pub others: Vec<OtherValue>,
}

/// A value that another record has.
#[derive(Clone, Debug, Serialize)]
pub struct OtherValue {
    /// The record.
    pub place: Place,
    /// The value.
    pub value: String,
}

/// A group that the customer is in.
#[derive(Clone, Debug, Serialize)]
pub struct GroupLine {
    /// The grouping.
    pub grouping: String,
    /// The id of the group.
    pub id: String,
    /// How many customers are in it.
    pub customers: usize,
}

/// A purpose.
#[derive(Clone, Debug, Serialize)]
pub struct PurposeLine {
    /// Its name.
    pub purpose: String,
    /// The state of the profile.
    pub state: Option<&'static str>,
    /// True if another customer is denied by himself who shows the same contact point: that denies
    /// this one too.
    pub denied_through_others: bool,
    /// What the decisions come to, each contact point and record by itself.
    pub contacts: Vec<ContactLine>,
}

/// A contact point or record, and the decisions on it.
#[derive(Clone, Debug, Serialize)]
pub struct ContactLine {
    /// What it is.
    pub contact: ContactName,
    /// `all`: grants and denials. `denials`: only these. `none`: it is not what the profile shows, and
    /// the pipeline says `denial: contact_point`.
    pub counts: &'static str,
    /// What the decisions come to.
    pub comes_to: &'static str,
    /// The decisions.
    pub decisions: Vec<Heard>,
}

/// A contact point or record, by its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ContactName {
    /// `field` or `record`.
    pub kind: &'static str,
    /// The field, or the customer table.
    pub of: String,
    /// The value as the customer's record has it, or the id.
    pub value: String,
}

/// A row of a consent table or suppression list that speaks of the customer.
#[derive(Clone, Debug, Serialize)]
pub struct Heard {
    /// Where it is.
    pub place: Place,
    /// What it speaks of.
    pub contact: ContactName,
    /// `granted`, `denied`, `unrecognized`, or `suppressed`.
    pub says: &'static str,
    /// The purpose of a decision.
    pub purpose: Option<String>,
    /// When, if it says so: an instant, in UTC, or a day.
    pub at: Option<String>,
    /// When a grant of a purpose that expires ends, or ended. Of one without a date: null; it has
    /// ended.
    pub ends: Option<String>,
    /// Whether it counts: `yes`; `superseded` by another decision of its set; `later` than the date
    /// judged by; `no_word` of consent.
    pub counts: &'static str,
}

/// A segment.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentLine {
    /// Its name.
    pub segment: String,
    /// The verdict, as in the segments table.
    pub verdict: &'static str,
    /// What the rule comes to: `true`, `false`, `unknown`; null without a rule.
    pub rule: Option<&'static str>,
    /// What its conditions come to.
    pub conditions: Vec<ConditionLine>,
    /// All that would have to be otherwise for the customer to be in.
    pub would_be_in_if: Vec<NearMiss>,
    /// The exports of the segment.
    pub exports: Vec<ExportLine>,
}

/// A condition of a rule.
#[derive(Clone, Debug, Serialize)]
pub struct ConditionLine {
    /// As one would write it.
    pub condition: String,
    /// `true`, `false`, `unknown`.
    pub value: &'static str,
    /// What it asks of related tables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aggregates: Vec<AggregateLine>,
}

/// What a customer's rows in a related table come to.
#[derive(Clone, Debug, Serialize)]
pub struct AggregateLine {
    /// What is asked, as one would write it.
    pub aggregate: String,
    /// What the rows come to; null is null.
    pub value: Option<String>,
}

/// Something that would have to be otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NearMiss {
    /// `not_suppressed`, `not_denied`: this row must not be there. `later_grant`: this row must be
    /// followed by a grant for these contacts. `grant`, `contact_point`, `rule`, `segment`.
    pub needs: &'static str,
    /// A half sentence that goes on from `would be in if`.
    pub text: String,
    /// The row that says no.
    pub place: Option<Place>,
    /// Whom it is about.
    pub contacts: Vec<ContactName>,
}

/// An export of a segment.
#[derive(Clone, Debug, Serialize)]
pub struct ExportLine {
    /// The file.
    pub file: PathBuf,
    /// False if the customer is not in, or another one who shows the same contact point leaves instead.
    pub leaves: bool,
}

/// Tells who is in which segment and why, of the customer who is asked for. With `segment` of that one
/// alone.
///
/// # Errors
/// As a run; a question that names nothing.
pub fn why(plan: &Plan, setting: &Setting, text: &str, segment: Option<&str>) -> Outcome<Why> {
    let who = asked(plan, text)?;
    let segment = segment.map(|name| asked_segment(plan, name)).transpose()?;
    // Nothing is written, so only what decides is read.
    let narrow = Plan { outputs: Outputs::default(), measures: Vec::new(), ..plan.clone() };
    unbroken(|| {
        let traces = trace(&narrow, setting, &who)?;
        let told = Telling::new(&narrow, setting, &traces.sources);
        let customer = traces.one.as_ref().map(|trace| told.person(trace, segment)).transpose()?;
        let heard_of_nobody = match &who {
            Asked::Value(field, value) if traces.count == 0 => told.nobody(*field, value)?,
            _ => Vec::new(),
        };
        Ok(Why {
            pipeline: plan.name.clone(),
            asked: text.to_owned(),
            as_of: setting.as_of.at.to_string(),
            found: traces.count,
            customer,
            several: traces.several.iter().map(|found| told.candidate(found)).collect(),
            heard_of_nobody,
            files: told.files(),
        })
    })
}
