//! The membership history: who was in which segment, from when to when (docs/semantics.md, section 13).
//!
//! It is made of the history that stands at the output's path until this run replaces it, and of the
//! verdicts of this run. A run of the same date as the newest event takes back what that date said and
//! says it anew, so a run that is repeated changes nothing.

use std::collections::{BTreeMap, HashSet};

use polars::prelude::*;
use rayon::prelude::*;
use serde::Serialize;

use super::cells::Cells;
use super::engine_fault;
use super::identity::{Clusters, CustomerId};
use super::segments::{Court, Verdict, Verdicts};
use super::source::{self, catalog};
use crate::diagnostics::{Code, Diagnostic, Outcome, Site};
use crate::plan::catalog::{Column as SourceColumn, ColumnType, Request};
use crate::plan::{Format, Instant, Source, Target, TargetFormat, Type, hex, said_date};

/// The columns of the table.
const COLUMNS: [&str; 5] = ["customer_id", "segment", "entered_at", "left_at", "left_as"];
/// Left because no record of the customer is there any more.
const GONE_CUSTOMER: &str = "gone_customer";
/// Left because his records belong to a customer with another id.
const MERGED: &str = "merged";
/// Left because the pipeline has no such segment any more.
const GONE_SEGMENT: &str = "gone_segment";

/// What became of the memberships in one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MembershipAccount {
    /// Name of the segment.
    pub segment: String,
    /// Members before this date.
    pub before: u64,
    /// Of the members now those that were none before.
    pub entered: u64,
    /// Of the members before those that are none now.
    pub left: u64,
    /// Members now.
    pub in_segment: u64,
}

/// What became of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// One a segment, those that only the history knows last.
    pub accounts: Vec<MembershipAccount>,
    /// The history that it was made of.
    pub earlier: Option<Earlier>,
}

/// The history that stood there before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Earlier {
    /// Its rows.
    pub rows: u64,
    /// XXH3-128 of its bytes, in hex.
    pub xxh3: String,
}

/// A stay in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stay {
    customer: CustomerId,
    entered: i64,
    left: Option<(i64, Why)>,
    /// True if it ended by merging when the run's date was judged before. The identity table of that run
    /// does not know the id any more.
    was_merged: bool,
}

/// The verdict, or another word, with which somebody left.
type Why = std::borrow::Cow<'static, str>;

/// The stays in each segment, by its name.
type Stays = BTreeMap<String, Vec<Stay>>;

/// Makes the history, with this run in it.
///
/// # Errors
/// A history that cannot be read as one, or that is later than the run; faults of the engine.
pub fn memberships(
    court: &Court<'_>,
    target: &Target,
    verdicts: &Verdicts,
) -> Outcome<(DataFrame, History)> {
    let Court { plan, records, clusters, as_of, .. } = *court;
    let (mut stays, earlier) = read(target)?;
    for stays in stays.values_mut() {
        take_back(target, stays, as_of)?;
    }
    let mut sorted: Vec<(CustomerId, u32)> =
        clusters.names.ids(plan, records).iter().copied().zip(0..).collect();
    sorted.par_sort_unstable();
    let merged = merged(clusters);
    let mut accounts = Vec::new();
    for (segment, of) in plan.segments.iter().zip(&verdicts.of) {
        let stays = stays.entry(segment.name.clone()).or_default();
        let now = sorted.iter().map(|(id, profile)| (*id, of[*profile as usize]));
        let mut account = follow(stays, now, &merged, as_of);
        account.segment.clone_from(&segment.name);
        accounts.push(account);
    }
    for (name, stays) in &mut stays {
        if plan.segments.iter().any(|segment| segment.name == *name) {
            continue;
        }
        let mut account = MembershipAccount { segment: name.clone(), ..Default::default() };
        for stay in stays.iter_mut().filter(|stay| stay.left.is_none()) {
            stay.left = Some((as_of.0, GONE_SEGMENT.into()));
            account.before += 1;
            account.left += 1;
        }
        accounts.push(account);
    }
    Ok((frame(stays)?, History { accounts, earlier }))
}

/// The ids that records of today's customers had before, and no customer has now.
fn merged(clusters: &Clusters) -> HashSet<CustomerId> {
    let earlier = clusters.earlier.iter();
    earlier.flat_map(|earlier| earlier.previous.iter().flatten()).copied().collect()
}

/// Takes back what happened at the run's date.
fn take_back(target: &Target, stays: &mut Vec<Stay>, as_of: Instant) -> Outcome<()> {
    let newest = stays.iter().map(|stay| stay.left.as_ref().map_or(stay.entered, |(at, _)| *at));
    if newest.max().is_some_and(|newest| newest > as_of.0) {
        return Err(Diagnostic::error(
            Code::EarlierHistory,
            format!(
                "the membership history goes on after {}, the date of this run",
                said_date(&as_of.to_string())
            ),
        )
        .in_file(Site { file: target.path.clone(), ..Site::default() })
        .help(
            "look at an earlier date with `--replay`, which leaves the history as it is, or write it to \
             another folder with `--out`",
        )
        .into());
    }
    stays.retain(|stay| stay.entered != as_of.0);
    for stay in stays.iter_mut() {
        if let Some((_, why)) = stay.left.take_if(|(at, _)| *at == as_of.0) {
            stay.was_merged = why == MERGED;
        }
    }
    Ok(())
}

/// Ends the stays of those who are no longer in, and begins those of who are in now. `now` gives all
/// customers with their verdicts, by id.
fn follow(
    stays: &mut Vec<Stay>,
    now: impl Iterator<Item = (CustomerId, Verdict)>,
    merged: &HashSet<CustomerId>,
    as_of: Instant,
) -> MembershipAccount {
    let mut account = MembershipAccount::default();
    let mut open: Vec<(CustomerId, usize)> = (0..stays.len())
        .filter(|at| stays[*at].left.is_none())
        .map(|at| (stays[at].customer, at))
        .collect();
    open.par_sort_unstable();
    account.before = open.len() as u64;
    let mut open = open.into_iter().peekable();
    let end = |stay: &mut Stay, why: Why| stay.left = Some((as_of.0, why));
    let gone = |stay: &mut Stay| {
        let is_merged = stay.was_merged || merged.contains(&stay.customer);
        end(stay, if is_merged { MERGED } else { GONE_CUSTOMER }.into());
    };
    for (id, verdict) in now {
        while let Some((_, at)) = open.next_if(|(other, _)| *other < id) {
            gone(&mut stays[at]);
            account.left += 1;
        }
        let before = open.next_if(|(other, _)| *other == id);
        account.in_segment += u64::from(verdict == Verdict::InSegment);
        match (before, verdict) {
            (None, Verdict::InSegment) => {
                stays.push(Stay { customer: id, entered: as_of.0, left: None, was_merged: false });
                account.entered += 1;
            }
            (Some((_, at)), verdict) if verdict != Verdict::InSegment => {
                end(&mut stays[at], verdict.name().into());
                account.left += 1;
            }
            _ => {}
        }
    }
    for (_, at) in open {
        gone(&mut stays[at]);
        account.left += 1;
    }
    account
}

/// The table: by segment, customer, and time.
fn frame(stays: Stays) -> Outcome<DataFrame> {
    let mut rows: Vec<(String, Vec<Stay>)> = stays.into_iter().collect();
    for (_, stays) in &mut rows {
        stays.par_sort_unstable_by_key(|stay| (stay.customer, stay.entered));
    }
    let all = || rows.iter().flat_map(|(name, stays)| stays.iter().map(move |stay| (name, stay)));
    let time = |at: i64| Instant(at).to_string();
    let text = |name: &str, make: &dyn Fn(&String, &Stay) -> Option<String>| {
        let cells = all().map(|(segment, stay)| make(segment, stay));
        StringChunked::from_iter_options(name.into(), cells).into_series().into()
    };
    let [customer, segment, entered, left, left_as] = COLUMNS;
    let columns: Vec<Column> = vec![
        text(customer, &|_, stay| Some(hex(&stay.customer))),
        text(segment, &|segment, _| Some(segment.clone())),
        text(entered, &|_, stay| Some(time(stay.entered))),
        text(left, &|_, stay| stay.left.as_ref().map(|(at, _)| time(*at))),
        text(left_as, &|_, stay| stay.left.as_ref().map(|(_, why)| why.clone().into_owned())),
    ];
    let height = columns.first().map_or(0, Column::len);
    DataFrame::new(height, columns).map_err(|e| engine_fault("making a table", &e).into())
}

/// The fault of a file that is no history.
fn no_history(target: &Target, why: &str) -> Diagnostic {
    Diagnostic::error(
        Code::EarlierHistory,
        format!("what stands where the membership history goes is none: {why}"),
    )
    .in_file(Site { file: target.path.clone(), ..Site::default() })
    .help("move the file away, and the history begins anew; or write it to another path")
}

/// Reads the history that stands there, if there is one.
fn read(target: &Target) -> Outcome<(Stays, Option<Earlier>)> {
    // A link that leads nowhere is none, and is replaced.
    match target.path.try_exists() {
        Ok(true) => {}
        Ok(false) => return Ok((Stays::new(), None)),
        Err(error) => return Err(no_history(target, &error.to_string()).into()),
    }
    let source = source_of(target)?;
    let loaded = source::load(&source, &COLUMNS)?;
    let cells = COLUMNS.iter().map(|name| Cells::of(&loaded.column(name)?.series));
    let cells = cells.collect::<Outcome<Vec<Cells>>>()?;
    let [customers, segments, entered, left, left_as] = cells.as_slice() else {
        return Err(no_history(target, "it has other columns").into());
    };
    let fault = |row: usize, column: usize, wanted: &str| {
        let mut fault = no_history(target, &format!("`{}` is not {wanted}", COLUMNS[column]));
        if let Some(site) = &mut fault.site {
            site.row = Some(row as u64 + 1);
            site.column = Some(COLUMNS[column].to_owned());
        }
        fault
    };
    let time =
        |text: &str| text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond);
    let stay = |row: usize| -> Result<(String, Stay), Diagnostic> {
        let customer = customers.text(row).and_then(|text| super::identity::unhex(&text));
        let customer = customer.ok_or_else(|| fault(row, 0, "an id of 32 hexadecimal digits"))?;
        let segment = segments.text(row).ok_or_else(|| fault(row, 1, "the name of a segment"))?;
        let a_time = "a time such as 2026-11-24T00:00:00Z";
        let entered = entered.text(row).and_then(|text| time(&text));
        let entered = entered.ok_or_else(|| fault(row, 2, a_time))?;
        let ended = match left.text(row) {
            None => None,
            Some(text) => {
                let after = time(&text).filter(|left| *left > entered);
                Some(after.ok_or_else(|| fault(row, 3, "a time after `entered_at`"))?)
            }
        };
        let left = match (ended, left_as.text(row)) {
            (None, None) => None,
            (Some(at), Some(why)) => Some((at, Why::Owned(why.into_owned()))),
            _ => return Err(fault(row, 4, "there if and only if `left_at` is")),
        };
        Ok((segment.into_owned(), Stay { customer, entered, left, was_merged: false }))
    };
    let mut stays = Stays::new();
    for row in 0..loaded.rows {
        let (segment, stay) = stay(row)?;
        stays.entry(segment).or_default().push(stay);
    }
    for stays in stays.values_mut() {
        stays.par_sort_unstable_by_key(|stay| (stay.customer, stay.entered));
        let overlaps = |pair: &[Stay]| {
            let ends = pair[0].left.as_ref().map_or(i64::MAX, |(at, _)| *at);
            pair[0].customer == pair[1].customer && ends > pair[1].entered
        };
        if stays.windows(2).any(overlaps) {
            return Err(no_history(target, "a customer is in a segment twice at one time").into());
        }
    }
    let xxh3 = loaded.files.first().map(|file| file.xxh3.clone()).unwrap_or_default();
    Ok((stays, Some(Earlier { rows: loaded.rows as u64, xxh3 })))
}

/// The file as a source with the columns of a history.
fn source_of(target: &Target) -> Outcome<Source> {
    let (name, format) = ("the membership history", target.format.read_back());
    let request = Request::of_file(name, target.path.clone(), format);
    let listing = catalog::list(&request).map_err(|fault| no_history(target, &fault.message))?;
    let is_text = |column: &&SourceColumn| column.ty.usable() == Some(Type::Text);
    let columns = listing.columns.iter().filter(is_text);
    let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
    // Members of NDJSON may be missing.
    if target.format != TargetFormat::Ndjson && names != COLUMNS {
        let why = format!("its columns are not {}", COLUMNS.join(", "));
        return Err(no_history(target, &why).into());
    }
    let text = |name: &str| SourceColumn {
        name: name.to_owned(),
        ty: match format {
            Format::Parquet | Format::Ipc => ColumnType::Stored(Type::Text),
            _ => ColumnType::Parsed { ty: Type::Text, format: None },
        },
    };
    let columns = COLUMNS.map(text).to_vec();
    Ok(Source { bytes: listing.bytes, ..Source::written(name, listing.files, format, columns) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(number: u8) -> CustomerId {
        [number; 16]
    }

    fn stay(customer: u8, entered: i64, left: Option<(i64, &'static str)>) -> Stay {
        let left = left.map(|(at, why)| (at, why.into()));
        Stay { customer: id(customer), entered, left, was_merged: false }
    }

    #[test]
    fn who_is_no_longer_in_has_left_and_who_is_new_has_entered() {
        let mut stays = vec![
            stay(1, 10, None),
            stay(2, 10, None),
            stay(3, 10, Some((20, "denied"))),
            stay(4, 10, None),
            stay(9, 10, None),
        ];
        let now = [
            (id(1), Verdict::InSegment),
            (id(2), Verdict::OverLimit),
            (id(3), Verdict::InSegment),
            (id(5), Verdict::InSegment),
            (id(6), Verdict::Unknown),
        ];
        let merged = HashSet::from([id(9)]);
        let account = follow(&mut stays, now.into_iter(), &merged, Instant(30));
        let due = MembershipAccount {
            segment: String::new(),
            before: 4,
            entered: 2,
            left: 3,
            in_segment: 3,
        };
        assert_eq!(account, due);
        assert_eq!(
            stays,
            [
                stay(1, 10, None),
                stay(2, 10, Some((30, "over_limit"))),
                stay(3, 10, Some((20, "denied"))),
                stay(4, 10, Some((30, "gone_customer"))),
                stay(9, 10, Some((30, "merged"))),
                stay(3, 30, None),
                stay(5, 30, None),
            ]
        );
    }

    #[test]
    fn a_date_that_is_judged_again_is_taken_back_first() {
        let target = Target {
            path: "history.csv".into(),
            format: TargetFormat::Csv,
            partition_by: Vec::new(),
        };
        let mut stays = vec![
            stay(1, 10, Some((30, "denied"))),
            stay(2, 10, Some((20, "denied"))),
            stay(3, 30, None),
            stay(4, 10, Some((30, "merged"))),
        ];
        assert!(take_back(&target, &mut stays.clone(), Instant(29)).is_err());
        take_back(&target, &mut stays, Instant(30)).expect("not later");
        let mut once_more = stay(4, 10, None);
        once_more.was_merged = true;
        assert_eq!(stays, [stay(1, 10, None), stay(2, 10, Some((20, "denied"))), once_more]);
        follow(&mut stays, std::iter::empty(), &HashSet::new(), Instant(30));
        assert_eq!(stays[2].left, Some((30, MERGED.into())));
    }
}
