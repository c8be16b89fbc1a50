//! Intake: rows of consent tables become decisions, each counted once, each filed under digests.

use std::collections::BTreeSet;
use std::ops::Range;

use jiff::tz::TimeZone;
use polars::prelude::DataType;
use rayon::prelude::*;

use super::Subject;
use super::fold::{DecisionSet, Drawer, Drawers, PurposeDecisions};
use super::vocabulary::{Reading, read, trimmed};
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::engine::Setting;
use crate::engine::account::ConsentAccount;
use crate::engine::cells::Cells;
use crate::engine::ids::id_text;
use crate::engine::key_reader::{KeyForms, KeyReader};
use crate::engine::memory::Memory;
use crate::engine::partition::chunk_rows;
use crate::engine::progress;
use crate::engine::source::values::TimeReader;
use crate::engine::source::{self, Loaded};
use crate::plan::{
    AsOf, ConsentTable, DAY, Instant, Match, Model, Plan, PurposeId, Shape, TableId, Unmatchable,
};

/// All decisions, by purpose, and what became of each.
#[derive(Debug)]
pub struct Decisions {
    /// One entry a purpose.
    pub purposes: Vec<PurposeDecisions>,
    /// One account a consent table.
    pub accounts: Vec<ConsentAccount>,
    /// The newest time of each consent table.
    pub newest: Vec<Option<Instant>>,
}

/// Takes in all consent tables. Sources that were not loaded are read here, part by part, and only
/// their records of files are kept.
///
/// # Errors
/// Faults of the sources; a denial that matches nobody's key in a table that does not say
/// `unmatchable: report`.
pub fn decisions(
    plan: &Plan,
    loaded: &mut [Option<Loaded>],
    setting: &Setting,
) -> Outcome<Decisions> {
    let Setting { as_of, now, memory, .. } = setting;
    let (as_of, now) = (*as_of, *now);
    let consent = &plan.consent;
    let to_read = consent.tables.iter().filter(|table| loaded[table.source.0].is_none());
    progress::expect(to_read.map(|table| plan.sources[table.source.0].bytes).sum());
    let mut purposes: Vec<PurposeDecisions> = consent
        .purposes
        .iter()
        .map(|purpose| PurposeDecisions::new(consent.conflict, purpose.expires_after, as_of.at))
        .collect();
    let mut accounts = Vec::new();
    let mut newest = Vec::new();
    for table in &consent.tables {
        let mut all: Option<Closed> = None;
        let mut take = |part: Closed| {
            let mut closed = match all.take() {
                Some(before) => before.and(part),
                None => part,
            };
            let pending = closed.in_memory();
            if pending > 0 && pending >= memory.pending() {
                closed.spill(memory)?;
            }
            all = Some(closed);
            memory.check("taking in decisions")
        };
        match &loaded[table.source.0] {
            Some(source) => {
                let intake = Intake::new(plan, table, source, now)?;
                intake.file_all(source.rows, as_of).into_iter().try_for_each(take)?;
            }
            None => {
                let source = &plan.sources[table.source.0];
                let wanted = needed(table);
                let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
                let file = |part: Loaded| {
                    Ok(Intake::new(plan, table, &part, now)?.file(0..part.rows, as_of).close())
                };
                let mut rows = 0;
                let files = source::visit(source, &wanted, file, |part| {
                    rows += part.rows;
                    take(part)
                })?;
                tracing::info!(source = source.name, rows, columns = wanted.len(), "source read");
                loaded[table.source.0] = Some(Loaded::of_files(files, rows));
            }
        }
        let Some(filed) = all else { continue };
        let account = ConsentAccount {
            source: plan.sources[table.source.0].name.clone(),
            ..filed.account.clone()
        };
        if account.unmatchable_denials > 0 && table.unmatchable == Unmatchable::Stop {
            return Err(unmatchable(plan, table, &account, filed.first_unmatchable).into());
        }
        newest.push(filed.newest.map(Instant));
        filed.into_sets(accounts.len(), &mut purposes);
        accounts.push(account);
    }
    Ok(Decisions { purposes, accounts, newest })
}

/// The columns that a consent table needs of its source.
#[must_use]
pub fn needed(table: &ConsentTable) -> BTreeSet<String> {
    let mut columns: BTreeSet<String> = table.matches.iter().flat_map(Match::columns).collect();
    match &table.shape {
        Shape::Wide(values) => columns.extend(values.iter().map(|(_, column)| column.clone())),
        Shape::Long { purpose, value } => columns.extend([purpose.clone(), value.clone()]),
    }
    columns.extend(table.at.clone());
    columns
}

fn unmatchable(
    plan: &Plan,
    table: &ConsentTable,
    account: &ConsentAccount,
    row: Option<usize>,
) -> Diagnostic {
    let source = &plan.sources[table.source.0];
    Diagnostic::error(
        Code::UnmatchableDenial,
        format!(
            "{} denials in `{}` have no usable key, so nobody knows whom they forbid to contact",
            account.unmatchable_denials, source.name
        ),
    )
    .in_file(crate::diagnostics::Site {
        file: source.files.first().cloned().unwrap_or_default(),
        row: row.map(|row| row as u64 + 1),
        ..Default::default()
    })
    .help("correct the rows, or write `unmatchable: report` on this table to go on and count them")
}

/// The columns of one consent table, ready to be read.
struct Intake<'a> {
    table: &'a ConsentTable,
    /// Purposes and their value columns (wide), or the one value column (long).
    values: Vec<(Option<PurposeId>, Cells)>,
    /// Long: the column of the purpose's name.
    purpose: Option<Cells>,
    names: Vec<String>,
    keys: Vec<(Subject, KeyReader<'a>)>,
    records: Vec<(TableId, Cells)>,
    own: Option<(TableId, Cells)>,
    at: Option<At>,
    now: Instant,
    /// For each purpose whether a word that is not known is doubtful: where nobody must have granted, a
    /// denial among such words is lost, and who said it passes.
    doubtful: Vec<bool>,
}

struct At {
    cells: Cells,
    date_only: DateOnly,
    /// Knows when a day begins and ends in the source's zone.
    days: TimeReader<'static>,
}

enum DateOnly {
    All,
    Never,
    Some(Vec<bool>),
}

/// The times of a decision: from when it exists and by when it sorts.
#[derive(Clone, Copy)]
struct Times {
    exists: i64,
    sorts: i64,
}

impl<'a> Intake<'a> {
    fn new(
        plan: &'a Plan,
        table: &'a ConsentTable,
        source: &Loaded,
        now: Instant,
    ) -> Outcome<Self> {
        let cells = |name: &str| Cells::of(&source.column(name)?.series);
        let (values, purpose) = match &table.shape {
            Shape::Wide(columns) => {
                let values: Outcome<Vec<_>> = columns
                    .iter()
                    .map(|(purpose, column)| Ok((Some(*purpose), cells(column)?)))
                    .collect();
                (values?, None)
            }
            Shape::Long { purpose, value } => (vec![(None, cells(value)?)], Some(cells(purpose)?)),
        };
        let mut keys = Vec::new();
        let mut records = Vec::new();
        for matched in &table.matches {
            match matched {
                Match::Key { field, .. } => {
                    if let Some(reader) = KeyReader::for_match(plan, matched, source)? {
                        keys.push((Subject::Field(*field), reader));
                    }
                }
                // Digests stand in suppression lists only.
                Match::Digest { .. } => {}
                Match::Record { table, column } => records.push((*table, cells(column)?)),
            }
        }
        let own = match table.customers {
            Some(id) => Some((id, cells(&plan.tables[id.0].id)?)),
            None => None,
        };
        let at = match &table.at {
            Some(name) => {
                let column = source.column(name)?;
                let date_only = match (column.series.dtype(), &column.date_only) {
                    (DataType::Date, _) => DateOnly::All,
                    (_, Some(flags)) => DateOnly::Some(flags.clone()),
                    (_, None) => DateOnly::Never,
                };
                let zone = &plan.sources[table.source.0].timezone;
                let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
                let days = TimeReader { format: None, zone };
                Some(At { cells: Cells::of(&column.series)?, date_only, days })
            }
            None => None,
        };
        let purposes = plan.consent.purposes.iter();
        let names = purposes.clone().map(|p| p.name.trim().to_lowercase()).collect();
        let doubtful = purposes.map(|p| p.model == Model::OptOut).collect();
        Ok(Self { table, values, purpose, names, keys, records, own, at, now, doubtful })
    }

    fn times(&self, row: usize, granted: bool) -> Option<Times> {
        let at = self.at.as_ref()?;
        let value = at.cells.ordinal(row)?;
        let day = match &at.date_only {
            DateOnly::All => Some(value),
            DateOnly::Some(flags) if flags[row] => Some(value.div_euclid(DAY)),
            DateOnly::Some(_) | DateOnly::Never => None,
        };
        let Some(day) = day else { return Some(Times { exists: value, sorts: value }) };
        let (start, end) = at.days.day(day);
        let sorts = if granted { start } else { end };
        Some(Times { exists: start, sorts })
    }

    /// Files all rows, in parts.
    fn file_all(&self, rows: usize, as_of: AsOf) -> Vec<Closed> {
        let chunk = chunk_rows(rows);
        (0..rows.div_ceil(chunk).max(1))
            .into_par_iter()
            .map(|at| self.file(at * chunk..rows.min((at + 1) * chunk), as_of).close())
            .collect()
    }

    fn file(&self, rows: Range<usize>, as_of: AsOf) -> Filed {
        // Each purpose has its part of a long table's rows, and all of a wide one's.
        let purposes = if self.purpose.is_some() { self.names.len().max(1) } else { 1 };
        let mut filed = Filed::new(&self.spoken(), &self.subjects(), rows.len() / purposes);
        filed.rows = rows.len();
        let start = rows.start;
        let mut scratch = Scratch::default();
        for row in rows {
            self.file_row(row, as_of, &mut scratch, &mut filed);
        }
        // Rows are counted from the part's first.
        filed.first_unmatchable = filed.first_unmatchable.map(|row| row - start);
        filed
    }

    /// For each purpose whether the table may speak of it.
    fn spoken(&self) -> Vec<bool> {
        let mut spoken = vec![self.purpose.is_some(); self.names.len()];
        for (purpose, _) in &self.values {
            if let Some(purpose) = purpose {
                spoken[purpose.0] = true;
            }
        }
        spoken
    }

    fn subjects(&self) -> Vec<Subject> {
        let mut subjects: Vec<_> = self.keys.iter().map(|(subject, _)| *subject).collect();
        if !self.records.is_empty() || self.own.is_some() {
            subjects.push(Subject::Record);
        }
        subjects.sort_unstable();
        subjects.dedup();
        subjects
    }

    fn file_row(&self, row: usize, as_of: AsOf, scratch: &mut Scratch, filed: &mut Filed) {
        // What a row stands on is the same for all its purposes; most rows are asked once or never.
        let mut known = false;
        for (purpose, cells) in &self.values {
            let purpose = match (purpose, &self.purpose) {
                (Some(purpose), _) => Some(*purpose),
                (None, Some(names)) => names
                    .text(row)
                    .and_then(|name| scratch.purposes.read(&name, |name| self.purpose_named(name))),
                (None, None) => None,
            };
            let Some(purpose) = purpose else {
                filed.account.read += 1;
                filed.account.other_purpose += 1;
                continue;
            };
            let reading = cells.text(row).map_or(Reading::NoDecision, |text| {
                scratch.readings.read(&text, |text| read(text, &self.table.words))
            });
            let granted = match reading {
                Reading::NoDecision => {
                    filed.account.read += 1;
                    filed.account.no_decision += 1;
                    continue;
                }
                Reading::Unrecognized => {
                    filed.account.read += 1;
                    filed.account.unrecognized += 1;
                    filed.account.doubtful += u64::from(self.doubtful[purpose.0]);
                    continue;
                }
                Reading::Granted => true,
                Reading::Denied => false,
            };
            if !std::mem::replace(&mut known, true) {
                self.stands(row, &mut scratch.stands);
            }
            let said = Said { purpose, granted, times: self.times(row, granted) };
            self.file_decision(row, said, &scratch.stands, as_of, filed);
        }
    }

    fn purpose_named(&self, name: &str) -> Option<PurposeId> {
        let name = trimmed(name);
        let at = self.names.iter().position(|known| {
            known.eq_ignore_ascii_case(name) || (!name.is_ascii() && *known == name.to_lowercase())
        });
        at.map(PurposeId)
    }

    /// What the decisions of a row stand on.
    fn stands(&self, row: usize, stands: &mut Stands) {
        let record_in = |(table, ids): &(TableId, Cells)| {
            id_text(ids, row).map(|id| KeyForms::of_record(*table, &id))
        };
        let own = self.own.as_ref().and_then(record_in);
        let named: Vec<KeyForms> = self.records.iter().filter_map(record_in).collect();
        let has_record = own.is_some() || !named.is_empty();
        stands.on.clear();
        stands.unmatchable = 0;
        let mut all_null = true;
        for (subject, reader) in &self.keys {
            if reader.is_null(row) {
                continue;
            }
            all_null = false;
            match reader.denial(row) {
                Some(forms) => {
                    stands.on.push(Stand { subject: *subject, forms, counted: true });
                }
                None => stands.unmatchable += u64::from(!has_record),
            }
        }
        if all_null && !has_record {
            stands.unmatchable = 1;
        }
        let on_record = |forms, counted| Stand { subject: Subject::Record, forms, counted };
        if let Some(record) = own.filter(|record| !named.contains(record)) {
            // Beside usable keys the record has the decision too, but it is counted once.
            let counted = stands.on.is_empty() && named.is_empty();
            stands.on.extend(named.into_iter().map(|record| on_record(record, true)));
            stands.on.push(on_record(record, counted));
        } else {
            stands.on.extend(named.into_iter().map(|record| on_record(record, true)));
        }
    }

    fn file_decision(
        &self,
        row: usize,
        said: Said,
        stands: &Stands,
        as_of: AsOf,
        filed: &mut Filed,
    ) {
        // A time that is still to come says nothing of how old a table is.
        if let Some(times) = said.times.filter(|times| times.exists <= self.now.0) {
            filed.newest = filed.newest.max(Some(times.exists));
        }
        let later = said.times.is_some_and(|times| times.exists > as_of.at.0);
        let counted = stands.on.iter().filter(|stand| stand.counted).count() as u64;
        filed.account.read += counted + stands.unmatchable;
        filed.account.unmatchable += stands.unmatchable;
        if stands.unmatchable > 0 && !said.granted {
            filed.account.unmatchable_denials += stands.unmatchable;
            filed.first_unmatchable =
                Some(filed.first_unmatchable.map_or(row, |first| first.min(row)));
        }
        if later && (said.granted || as_of.replay) {
            filed.account.after_as_of += counted;
            return;
        }
        if later {
            filed.account.withdrawn_after_as_of += counted;
        }
        for stand in &stands.on {
            filed.file(said, stand);
        }
    }
}

/// What a row says for one purpose, and when.
#[derive(Clone, Copy)]
struct Said {
    purpose: PurposeId,
    granted: bool,
    times: Option<Times>,
}

/// What rows use one after the other.
#[derive(Default)]
struct Scratch {
    stands: Stands,
    readings: Memo<Reading>,
    purposes: Memo<Option<PurposeId>>,
}

/// Remembers what a few texts were read as: values and purposes are the same few words over and
/// over.
struct Memo<T> {
    known: Vec<(String, T)>,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { known: Vec::new() }
    }
}

impl<T: Copy> Memo<T> {
    fn read(&mut self, text: &str, read: impl FnOnce(&str) -> T) -> T {
        const FEW: usize = 8;
        if let Some((_, value)) = self.known.iter().find(|(known, _)| known == text) {
            return *value;
        }
        let value = read(text);
        if self.known.len() < FEW {
            self.known.push((text.to_owned(), value));
        }
        value
    }
}

/// What the decisions of one row stand on.
#[derive(Default)]
struct Stands {
    on: Vec<Stand>,
    /// Decisions that stand on nothing.
    unmatchable: u64,
}

/// A contact point or record.
struct Stand {
    subject: Subject,
    forms: KeyForms,
    counted: bool,
}

/// Decisions of some rows of one table on their way to their sets.
struct Filed {
    rows: usize,
    account: ConsentAccount,
    /// By purpose, then subject; none for purposes of which the table never speaks.
    drawers: Vec<Vec<(Subject, Drawer)>>,
    newest: Option<i64>,
    first_unmatchable: Option<usize>,
}

/// The same by partition, of many parts.
struct Closed {
    rows: usize,
    account: ConsentAccount,
    drawers: Vec<Vec<(Subject, Drawers)>>,
    newest: Option<i64>,
    first_unmatchable: Option<usize>,
}

impl Filed {
    fn new(spoken: &[bool], subjects: &[Subject], room: usize) -> Self {
        let drawer = |subject: &Subject| (*subject, Drawer::with_room(room));
        let drawers = spoken
            .iter()
            .map(|spoken| if *spoken { subjects.iter().map(drawer).collect() } else { Vec::new() });
        Self {
            rows: 0,
            account: ConsentAccount::default(),
            drawers: drawers.collect(),
            newest: None,
            first_unmatchable: None,
        }
    }

    fn file(&mut self, said: Said, stand: &Stand) {
        let mut drawers = self.drawers[said.purpose.0].iter_mut();
        let Some((_, drawer)) = drawers.find(|(subject, _)| *subject == stand.subject) else {
            return;
        };
        let at = said.times.map(|times| times.sorts);
        drawer.file(&stand.forms, said.granted, at, stand.counted);
    }

    fn close(self) -> Closed {
        let close = |(subject, drawer): (Subject, Drawer)| (subject, drawer.close());
        let drawers = self.drawers.into_iter();
        Closed {
            rows: self.rows,
            account: self.account,
            drawers: drawers.map(|drawers| drawers.into_iter().map(close).collect()).collect(),
            newest: self.newest,
            first_unmatchable: self.first_unmatchable,
        }
    }
}

impl Closed {
    fn in_memory(&self) -> u64 {
        self.drawers.iter().flatten().map(|(_, drawers)| drawers.in_memory()).sum()
    }

    fn spill(&mut self, memory: &Memory) -> Outcome<()> {
        self.drawers.iter_mut().flatten().try_for_each(|(_, drawers)| drawers.spill(memory))
    }

    fn and(mut self, other: Self) -> Self {
        self.account.add(&other.account);
        self.newest = self.newest.max(other.newest);
        let theirs = other.first_unmatchable.map(|row| self.rows + row);
        self.first_unmatchable = self.first_unmatchable.or(theirs);
        self.rows += other.rows;
        let theirs = other.drawers.into_iter().flatten();
        for ((_, mine), (_, theirs)) in self.drawers.iter_mut().flatten().zip(theirs) {
            mine.append(theirs);
        }
        self
    }

    /// Puts the decisions into the sets of their purposes.
    fn into_sets(self, table: usize, purposes: &mut [PurposeDecisions]) {
        for (purpose, drawers) in purposes.iter_mut().zip(self.drawers) {
            for (subject, drawers) in drawers {
                let set = DecisionSet::of(table, drawers);
                if !set.is_empty() {
                    purpose.sets.push((subject, set));
                }
            }
        }
    }
}
