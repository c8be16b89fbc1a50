//! A second opinion: what `docs/semantics.md` says, row by row, slow and obvious.
//!
//! Comes in: a resolved plan, the raw cells of every source and the date of the run. Goes out: all
//! that a run decides. It shares nothing with the engine but the plan's types and the normalizers;
//! the looser match of denials, the calendar and the evaluation of rules are written again here.
//! It must never be made fast, and never be changed only because the engine says something else:
//! first the page of the rules is read again.

pub mod calendar;
mod decisions;
pub mod eval;
mod fold;
mod groupings;
mod identity;
mod links;
mod loose;
mod measures;
mod names;
mod pairs;
mod records;
mod segments;
mod split;
mod survivorship;
#[cfg(test)]
mod tests;
pub mod value;

use std::collections::BTreeMap;

use optin::normalize::{Kind, Region};
use optin::plan::catalog::ColumnType;
use optin::plan::{FieldId, Instant, Plan, RegionFrom, SourceId};

pub use groupings::GroupingAccount;
use loose::Key;
use measures::Measurable;
pub use measures::MeasureAnswer;
pub use names::customer_id;
pub use pairs::PairAccount;
use value::Value;

/// The cells of a source as texts, null where the source's `nulls` say so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawTable {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows; each has one cell a column.
    pub rows: Vec<Vec<Option<String>>>,
}

/// One profile.
#[derive(Clone, Debug)]
pub struct OracleProfile {
    /// Its id.
    pub customer_id: String,
    /// The ids that its records had in an earlier run, without its own; none if there are none.
    pub previous_ids: Option<String>,
    /// When its id was first given.
    pub since: Option<String>,
    /// Its id in each grouping.
    pub groups: Vec<String>,
    /// The surviving cell of each field, as it stands in the source.
    pub fields: Vec<Option<String>>,
    /// The same as typed values.
    pub values: Vec<Option<Value>>,
    /// The state of each purpose.
    pub consent: Vec<&'static str>,
}

/// What a run decides.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Profiles in profile order.
    pub profiles: Vec<OracleProfile>,
    /// Source name and id to customer.
    pub identity: BTreeMap<(String, String), String>,
    /// Source name and id to the strongest link of the record to another one of its customer.
    pub rules: BTreeMap<(String, String), Option<String>>,
    /// Customer, field, source and id of each value that a profile shows.
    pub provenance: Vec<[String; 4]>,
    /// Rows set aside, by source name and reason.
    pub quarantine: BTreeMap<(String, &'static str), u64>,
    /// By segment, as declared: how often each verdict fell. All verdicts are named.
    pub verdicts: Vec<(String, BTreeMap<&'static str, u64>)>,
    /// By segment: the verdict of each profile, in profile order.
    pub verdict_rows: Vec<(String, Vec<&'static str>)>,
    /// By segment: who is in it, in profile order.
    pub members: Vec<(String, Vec<String>)>,
    /// By pair of segments, as declared: how many profiles are in both.
    pub overlaps: Vec<(usize, usize, u64)>,
    /// By purpose: in how many days the grants of the granted end.
    pub expiring: Vec<BTreeMap<&'static str, u64>>,
    /// By export: who leaves, in order.
    pub exports: Vec<Vec<String>>,
    /// By measure.
    pub measures: Vec<MeasureAnswer>,
    /// By customer table: read, kept, merged, dropped, and the reasons of quarantine.
    pub customer_accounts: Vec<BTreeMap<&'static str, u64>>,
    /// By link rule: its name, and links, records, alone.
    pub rule_accounts: Vec<(String, BTreeMap<&'static str, u64>)>,
    /// By source of pairs, `always` before `never`.
    pub pair_accounts: Vec<PairAccount>,
    /// What became of earlier customers, where the pipeline speaks of them.
    pub previous_account: Option<BTreeMap<&'static str, u64>>,
    /// By grouping: groups, shared, largest.
    pub grouping_accounts: Vec<GroupingAccount>,
    /// How many closures an exception split.
    pub split: u64,
    /// By consent table: see [`decisions::ACCOUNT`].
    pub consent_accounts: Vec<BTreeMap<&'static str, u64>>,
    /// By suppression list: read, used, folded, unmatchable.
    pub suppress_accounts: Vec<BTreeMap<&'static str, u64>>,
    /// Denials in consent tables that match nobody.
    pub unmatchable_denials: u64,
    /// Denials that exist only after the run's date and deny all the same.
    pub withdrawn_after_as_of: u64,
}

/// What every part of the oracle looks at.
struct World<'a> {
    plan: &'a Plan,
    tables: &'a BTreeMap<String, RawTable>,
    /// The run's date in microseconds.
    as_of: i64,
    /// True where later denials are hidden too.
    replay: bool,
}

/// Answers a plan on the given cells.
pub fn answer(plan: &Plan, tables: &BTreeMap<String, RawTable>, as_of: Instant) -> Answer {
    let replay = plan.as_of.is_some_and(|as_of| as_of.replay);
    let world = World { plan, tables, as_of: as_of.0, replay };
    let people = identity::people(&world);
    let book = decisions::read(&world);
    let states = fold::states(&world, &people, &book);
    let expiring = fold::expiring(&world, &people, &book, &states);
    let entries = segments::read_suppressions(&world);
    let judged = segments::judge(&world, &people, &states, &entries);
    let passes = segments::passes(&world, &people, &states, &entries);
    let measurable: Vec<Measurable> = people
        .profiles
        .iter()
        .enumerate()
        .map(|(at, profile)| Measurable {
            fields: people.shown_values(profile),
            states: states[at].iter().map(|state| state.name()).collect(),
            passes: passes[at].clone(),
            verdicts: judged.iter().map(|verdicts| verdicts[at]).collect(),
        })
        .collect();
    let (groups, grouping_accounts) = groupings::assign(&world, &people);

    let profiles = people
        .profiles
        .iter()
        .zip(&states)
        .zip(groups)
        .map(|((profile, consent), groups)| OracleProfile {
            customer_id: profile.customer_id.clone(),
            previous_ids: (!profile.previous.is_empty()).then(|| profile.previous.join(" ")),
            since: profile.since.clone(),
            groups,
            fields: people.shown_cells(profile),
            values: people.shown_values(profile),
            consent: consent.iter().map(|state| state.name()).collect(),
        })
        .collect();
    let name_of = |segment: usize| plan.segments[segment].name.clone();
    Answer {
        profiles,
        identity: people.identity(&world),
        rules: people.rules(&world),
        provenance: people.provenance(&world),
        quarantine: people.quarantine(&world),
        verdicts: judged
            .iter()
            .enumerate()
            .map(|(segment, rows)| {
                let mut counts: BTreeMap<&'static str, u64> =
                    segments::VERDICTS.iter().map(|name| (*name, 0)).collect();
                for verdict in rows {
                    *counts.entry(verdict).or_default() += 1;
                }
                (name_of(segment), counts)
            })
            .collect(),
        members: judged
            .iter()
            .enumerate()
            .map(|(segment, rows)| {
                let ids = people.profiles.iter().zip(rows);
                let inside = ids.filter(|(_, verdict)| **verdict == segments::IN_SEGMENT);
                let inside = inside.map(|(profile, _)| profile.customer_id.clone());
                (name_of(segment), inside.collect())
            })
            .collect(),
        measures: measures::measure(&world, &measurable),
        overlaps: segments::overlaps(&judged),
        expiring,
        exports: segments::exports(&world, &people, &judged),
        verdict_rows: judged
            .into_iter()
            .enumerate()
            .map(|(segment, rows)| (name_of(segment), rows))
            .collect(),
        customer_accounts: people.accounts(&world),
        rule_accounts: people.rule_accounts,
        pair_accounts: people.pair_accounts,
        previous_account: people.earlier,
        grouping_accounts,
        split: people.split,
        consent_accounts: book.accounts,
        suppress_accounts: entries.accounts,
        unmatchable_denials: book.unmatchable_denials,
        withdrawn_after_as_of: book.withdrawn_after_as_of,
    }
}

impl World<'_> {
    fn raw(&self, source: SourceId) -> &RawTable {
        let name = &self.plan.sources[source.0].name;
        self.tables.get(name).unwrap_or_else(|| panic!("no cells given for source {name}"))
    }

    fn column_type(&self, source: SourceId, column: &str) -> &ColumnType {
        let columns = &self.plan.sources[source.0].columns;
        let found = columns.iter().find(|known| known.name == column);
        &found.unwrap_or_else(|| panic!("the plan knows no column {column}")).ty
    }

    /// The raw cell of a row.
    fn cell<'t>(
        &'t self,
        source: SourceId,
        row: &'t [Option<String>],
        column: &str,
    ) -> Option<&'t str> {
        let at = self.raw(source).columns.iter().position(|name| name == column);
        let at = at.unwrap_or_else(|| panic!("the cells have no column {column}"));
        row[at].as_deref()
    }

    /// The typed value of a cell.
    fn value(&self, source: SourceId, row: &[Option<String>], column: &str) -> Option<Value> {
        let timezone = &self.plan.sources[source.0].timezone;
        let ty = self.column_type(source, column);
        self.cell(source, row, column).map(|cell| Value::read(cell, ty, timezone))
    }

    /// The text of a cell's value (section 1).
    fn text(&self, source: SourceId, row: &[Option<String>], column: &str) -> Option<String> {
        self.value(source, row, column).and_then(|value| value.text())
    }

    /// The id in a cell: untrimmed; a null or blank cell names nobody.
    fn id(&self, source: SourceId, row: &[Option<String>], column: &str) -> Option<String> {
        self.text(source, row, column).filter(|text| !text.trim().is_empty())
    }

    /// The key of a text under a field, if it is usable.
    fn key(&self, field: FieldId, text: &str, region: Option<Region>) -> Option<Key> {
        let chain = &self.plan.fields[field.0].key.chain;
        let key = chain.apply(text, region)?.into_owned();
        let is_phone = chain.kind() == Kind::Phone;
        let is_guessed = is_phone && loose::is_guessed(text, region, &key);
        (!key.is_empty()).then_some(Key { text: key, is_guessed })
    }

    /// The region that goes with a number; `beside` gives the text of the named field or column.
    fn region<C>(from: &RegionFrom<C>, beside: impl Fn(&C) -> Option<String>) -> Option<Region> {
        match from {
            RegionFrom::None => None,
            RegionFrom::Fixed(region) => Some(*region),
            RegionFrom::Of(place) => beside(place).and_then(|text| region_named(&text)),
        }
    }
}

/// ISO 3166 alpha-2 in any case; another text is no region.
fn region_named(text: &str) -> Option<Region> {
    Region::parse(text.trim())
}

/// Adds one under a name.
fn count(account: &mut BTreeMap<&'static str, u64>, name: &'static str, by: u64) {
    *account.entry(name).or_default() += by;
}
