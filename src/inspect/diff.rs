//! `optin diff`: who joined and who left each segment from one run to another, and why.
//!
//! In come two run records. Who is in which segment, or why not, stands in the segments tables that
//! the runs wrote; they are read only if they are still what the runs wrote. A customer is known by
//! its `customer_id`. Where that is in one run only, the identity tables say whether its records belong
//! to another customer now; without them `previous_customer_ids` of the later run's profiles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::moves::{Moves, moves};
use super::past_run::{PastRun, visit_columns};
use crate::diagnostics::{Code, Diagnostic, Outcome, Site};
use crate::engine::Verdict;
use crate::plan::{Source, hex, said_date};

/// A `customer_id` as a number.
pub type Id = u128;

/// A run that is compared.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// The pipeline.
    pub pipeline: String,
    /// The date as of which consent was judged.
    pub as_of: String,
    /// True if later denials were hidden.
    pub replay: bool,
    /// When it published.
    pub finished: String,
    /// Customers.
    pub profiles: u64,
}

/// Why somebody joined or left. For those who left it is what stops them now, for those who joined what
/// stopped them before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// On a suppression list.
    Suppressed,
    /// A denial holds.
    Withdrawn,
    /// The grant has ended.
    Expired,
    /// Nobody decided.
    Unknown,
    /// Nothing to contact through.
    NoContactPoint,
    /// The rule is false or unknown.
    Rule,
    /// Out by union, intersect or except.
    SetOperation,
    /// In the control group.
    ControlGroup,
    /// Cut off by the limit.
    OverLimit,
    /// The records belong to another customer, or those of several to this one.
    Merged,
    /// The records were parted.
    Unmerged,
    /// A customer none of whose records was there before.
    NewCustomer,
    /// A customer none of whose records is there any more.
    GoneCustomer,
}

impl Reason {
    const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Suppressed => Self::Suppressed,
            Verdict::Denied => Self::Withdrawn,
            Verdict::Expired => Self::Expired,
            Verdict::Unknown => Self::Unknown,
            Verdict::NoContactPoint => Self::NoContactPoint,
            Verdict::RuleFalse | Verdict::RuleUnknown => Self::Rule,
            Verdict::ControlGroup => Self::ControlGroup,
            Verdict::OverLimit => Self::OverLimit,
            // Who is in has no other reason than that he came to be.
            Verdict::SetOperation | Verdict::InSegment => Self::SetOperation,
        }
    }

    /// The name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Suppressed => "suppressed",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::NoContactPoint => "no_contact_point",
            Self::Rule => "rule",
            Self::SetOperation => "set_operation",
            Self::ControlGroup => "control_group",
            Self::OverLimit => "over_limit",
            Self::Merged => "merged",
            Self::Unmerged => "unmerged",
            Self::NewCustomer => "new_customer",
            Self::GoneCustomer => "gone_customer",
        }
    }
}

/// One customer who joined or left a segment.
#[derive(Clone, Debug)]
pub struct Change {
    /// Index into [`Diff::segments`].
    pub segment: usize,
    /// True for one who joined.
    pub joined: bool,
    /// Who: by the id in the later run, if he is there.
    pub customer: Id,
    /// Why.
    pub reason: Reason,
    /// The verdict in the earlier run; none where he was not there.
    pub before: Option<Verdict>,
    /// The verdict in the later run.
    pub after: Option<Verdict>,
    /// Customers of the other run who hold records of this one.
    pub others: Vec<Id>,
}

/// What became of one segment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SegmentDiff {
    /// Its name.
    pub segment: String,
    /// Customers in it before: `stayed` and `left`.
    pub before: u64,
    /// Customers in it after: `stayed` and `joined`.
    pub after: u64,
    /// In it both times.
    pub stayed: u64,
    /// Only after.
    pub joined: u64,
    /// Only before.
    pub left: u64,
    /// Those who joined, by what stopped them before.
    pub joined_by: BTreeMap<Reason, u64>,
    /// Those who left, by what stops them now.
    pub left_by: BTreeMap<Reason, u64>,
}

/// What became of customers as such.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Customers {
    /// In both runs under one id.
    pub same: u64,
    /// In both runs, and nobody else holds their records, but under another id.
    pub renamed: u64,
    /// Only in the first, by what became of them.
    pub ended: BTreeMap<Reason, u64>,
    /// Only in the second.
    pub begun: BTreeMap<Reason, u64>,
}

/// All that changed between two runs.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// The earlier run, or the one that was named first.
    pub from: Side,
    /// The other one.
    pub to: Side,
    /// Customers.
    pub customers: Customers,
    /// The segments of both runs, in the order of the second.
    pub segments: Vec<SegmentDiff>,
    /// Segments that only the first run has.
    pub only_in_first: Vec<String>,
    /// Segments that only the second run has.
    pub only_in_second: Vec<String>,
    /// What one must know to read this.
    pub notes: Vec<String>,
    /// Everybody who joined or left, by segment, those who joined first, then by id.
    #[serde(skip)]
    pub changes: Vec<Change>,
}

/// Who is in which segment, or why not.
struct Verdicts {
    /// Sorted by id; the number is the row.
    customers: Vec<(Id, u32)>,
    segments: Vec<String>,
    /// By segment, then row.
    of: Vec<Vec<Verdict>>,
}

/// Compares two runs by their records.
///
/// # Errors
/// A file that is no run record, a run without a segments table, a table that is not what the run wrote.
pub fn diff(from: &Path, to: &Path) -> Outcome<Diff> {
    let (from, to) = (PastRun::read(from)?, PastRun::read(to)?);
    let (first, second) = (verdicts(&from)?, verdicts(&to)?);
    let (ended, begun) = only_in_one(&first, &second);
    let (moves, mut notes) = moves(&from, &to, &ended, &begun)?;
    if from.word("pipeline") != to.word("pipeline") {
        notes.insert(0, "the runs are of two pipelines: ids may mean other customers".to_owned());
    } else if from.word("pipeline_sha256") != to.word("pipeline_sha256") {
        let words = "the pipeline file changed between the runs: reasons may be of its rules, not of customers";
        notes.insert(0, words.to_owned());
    }
    let mut diff = Diff {
        from: side(&from),
        to: side(&to),
        customers: Customers::default(),
        segments: Vec::new(),
        only_in_first: without(&first.segments, &second.segments),
        only_in_second: without(&second.segments, &first.segments),
        notes,
        changes: Vec::new(),
    };
    let pairs: Vec<(usize, usize)> = second
        .segments
        .iter()
        .enumerate()
        .filter_map(|(two, name)| Some((first.segments.iter().position(|n| n == name)?, two)))
        .collect();
    for (_, two) in &pairs {
        let segment = second.segments[*two].clone();
        diff.segments.push(SegmentDiff { segment, ..SegmentDiff::default() });
    }
    let row_of = |side: &Verdicts, id: Id| {
        let at = side.customers.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(side.customers[at].1)
    };
    for (id, row) in &second.customers {
        let before = row_of(&first, *id);
        let renamed = moves.same_as_before(*id).filter(|_| before.is_none());
        let before = before.or_else(|| renamed.and_then(|old| row_of(&first, old)));
        match (before, renamed) {
            (Some(_), Some(_)) => diff.customers.renamed += 1,
            (Some(_), None) => diff.customers.same += 1,
            (None, _) => *diff.customers.begun.entry(moves.begun(*id)).or_default() += 1,
        }
        diff.customer(*id, &pairs, (&first, before), (&second, Some(*row)), &moves);
    }
    for (id, row) in &first.customers {
        if row_of(&second, *id).is_none() && !moves.is_renamed(*id) {
            *diff.customers.ended.entry(moves.ended(*id)).or_default() += 1;
            diff.customer(*id, &pairs, (&first, Some(*row)), (&second, None), &moves);
        }
    }
    diff.changes.sort_by_key(|change| (change.segment, !change.joined, change.customer));
    Ok(diff)
}

impl Diff {
    /// Counts one customer in all segments.
    fn customer(
        &mut self,
        id: Id,
        pairs: &[(usize, usize)],
        (first, before): (&Verdicts, Option<u32>),
        (second, after): (&Verdicts, Option<u32>),
        moves: &Moves,
    ) {
        for (segment, (one, two)) in pairs.iter().enumerate() {
            let before = before.map(|row| first.of[*one][row as usize]);
            let after = after.map(|row| second.of[*two][row as usize]);
            let (was_in, is_in) =
                (before == Some(Verdict::InSegment), after == Some(Verdict::InSegment));
            let of = &mut self.segments[segment];
            of.before += u64::from(was_in);
            of.after += u64::from(is_in);
            of.stayed += u64::from(was_in && is_in);
            if was_in == is_in {
                continue;
            }
            // The other verdict tells why: of who joined that before, of who left that after.
            let (reason, counts) = if is_in {
                of.joined += 1;
                (before.map_or_else(|| moves.begun(id), Reason::of), &mut of.joined_by)
            } else {
                of.left += 1;
                (after.map_or_else(|| moves.ended(id), Reason::of), &mut of.left_by)
            };
            *counts.entry(reason).or_default() += 1;
            let others = moves.others(id).to_vec();
            let joined = is_in;
            self.changes.push(Change {
                segment,
                joined,
                customer: id,
                reason,
                before,
                after,
                others,
            });
        }
    }
}

fn side(run: &PastRun) -> Side {
    Side {
        pipeline: run.word("pipeline").to_owned(),
        as_of: run.word("as_of").to_owned(),
        replay: run.holds("replay"),
        finished: run.word("finished").to_owned(),
        profiles: run.profiles(),
    }
}

fn without(all: &[String], others: &[String]) -> Vec<String> {
    all.iter().filter(|name| !others.contains(name)).cloned().collect()
}

/// The ids that only one of two runs has.
fn only_in_one(first: &Verdicts, second: &Verdicts) -> (BTreeSet<Id>, BTreeSet<Id>) {
    let missing = |of: &Verdicts, from: &Verdicts| {
        let ids = of.customers.iter().map(|(id, _)| *id);
        ids.filter(|id| from.customers.binary_search_by_key(id, |(id, _)| *id).is_err()).collect()
    };
    (missing(first, second), missing(second, first))
}

/// A `customer_id` as a number.
#[must_use]
pub fn id_of(text: &str) -> Option<Id> {
    (text.len() == 32).then(|| Id::from_str_radix(text, 16).ok()).flatten()
}

/// A `customer_id` as it stands in files.
#[must_use]
pub fn id_text(id: Id) -> String {
    hex(&id.to_be_bytes())
}

/// The fault of a table in which something stands that no run writes.
#[must_use]
pub fn no_table(table: &Source) -> Diagnostic {
    let file = table.files.first().cloned().unwrap_or_default();
    Diagnostic::error(Code::RunRecord, "this is not a table as a run writes it")
        .in_file(Site { file, ..Site::default() })
        .help("give the `run.json` of a run of this program")
}

/// The segments table of a run.
fn verdicts(run: &PastRun) -> Outcome<Verdicts> {
    let Some(table) = run.table("segments")? else {
        return Err(Diagnostic::error(
            Code::MissingMembers,
            format!(
                "the run as of {} wrote no table of who is in which segment",
                said_date(run.word("as_of"))
            ),
        )
        .in_file(Site { file: run.file.clone(), ..Site::default() })
        .help("write `segments: PATH` under `outputs`, and run that date again")
        .into());
    };
    let segments: Vec<String> = table
        .columns
        .iter()
        .map(|column| column.name.clone())
        .filter(|n| n != "customer_id")
        .collect();
    let mut wanted = vec!["customer_id"];
    wanted.extend(segments.iter().map(String::as_str));
    let mut all = Verdicts {
        customers: Vec::new(),
        segments: Vec::new(),
        of: segments.iter().map(|_| Vec::new()).collect(),
    };
    visit_columns(&table, &wanted, |rows, cells| {
        for row in 0..rows {
            let id = cells[0].text(row).and_then(|text| id_of(&text));
            let id = id.ok_or_else(|| no_table(&table))?;
            let number = u32::try_from(all.customers.len()).unwrap_or(u32::MAX);
            all.customers.push((id, number));
            for (of, cells) in all.of.iter_mut().zip(&cells[1..]) {
                let verdict = cells.text(row).and_then(|text| Verdict::named(&text));
                of.push(verdict.ok_or_else(|| no_table(&table))?);
            }
        }
        Ok(())
    })?;
    all.segments = segments;
    all.customers.sort_unstable();
    Ok(all)
}
