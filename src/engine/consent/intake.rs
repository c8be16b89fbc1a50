//! Intake: rows of consent tables become decisions, each counted once, each filed under digests.

use jiff::tz::TimeZone;
use polars::prelude::DataType;
use rayon::prelude::*;

use super::Subject;
use super::fold::{DecisionSet, Newest, PurposeDecisions};
use super::vocabulary::{Reading, read, trimmed};
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::engine::account::ConsentAccount;
use crate::engine::cells::Cells;
use crate::engine::digest::{Digest, DigestMap};
use crate::engine::records::{KeyForms, KeyReader, RecordKey, id_text};
use crate::engine::source::Loaded;
use crate::engine::source::values::TimeReader;
use crate::normalize::FORMS;
use crate::plan::{
    AsOf, ConsentTable, DAY, Instant, Match, Plan, PurposeId, Shape, TableId, Unmatchable,
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

/// Reads all consent tables.
///
/// # Errors
/// A denial that matches nobody's key in a table that does not say `unmatchable: report`.
pub fn decisions(
    plan: &Plan,
    loaded: &[Option<Loaded>],
    as_of: AsOf,
    now: Instant,
) -> Outcome<Decisions> {
    let consent = &plan.consent;
    let mut purposes: Vec<PurposeDecisions> = consent
        .purposes
        .iter()
        .map(|purpose| PurposeDecisions::new(consent.conflict, purpose.expires_after, as_of.at))
        .collect();
    let mut accounts = Vec::new();
    let mut newest = Vec::new();
    for table in &consent.tables {
        let Some(source) = &loaded[table.source.0] else { continue };
        let intake = Intake::new(plan, table, source, now)?;
        let filed = intake.file_all(source.rows, as_of);
        let (account, at) = filed.close(plan, table, &mut purposes);
        if account.unmatchable_denials > 0 && table.unmatchable == Unmatchable::Stop {
            return Err(unmatchable(plan, table, &account, filed.first_unmatchable).into());
        }
        accounts.push(account);
        newest.push(at);
    }
    Ok(Decisions { purposes, accounts, newest })
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
        let names = plan.consent.purposes.iter().map(|p| p.name.trim().to_lowercase()).collect();
        Ok(Self { table, values, purpose, names, keys, records, own, at, now })
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

    fn file_all(&self, rows: usize, as_of: AsOf) -> Filed {
        const BLOCK: usize = 1 << 15;
        let blocks = rows.div_ceil(BLOCK);
        let filed: Vec<Filed> = (0..blocks)
            .into_par_iter()
            .map(|block| {
                let mut filed = Filed::new(self.names.len(), &self.subjects());
                let mut stands = Stands { on: Vec::new(), unmatchable: 0 };
                for row in block * BLOCK..rows.min((block + 1) * BLOCK) {
                    self.file_row(row, as_of, &mut stands, &mut filed);
                }
                filed
            })
            .collect();
        filed
            .into_iter()
            .reduce(Filed::and)
            .unwrap_or_else(|| Filed::new(self.names.len(), &self.subjects()))
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

    /// `stands` is room that rows use one after the other.
    fn file_row(&self, row: usize, as_of: AsOf, stands: &mut Stands, filed: &mut Filed) {
        // What a row stands on is the same for all its purposes; most rows are asked once or never.
        let mut known = false;
        for (purpose, cells) in &self.values {
            let purpose = match (purpose, &self.purpose) {
                (Some(purpose), _) => Some(*purpose),
                (None, Some(names)) => names.text(row).and_then(|name| self.purpose_named(&name)),
                (None, None) => None,
            };
            let Some(purpose) = purpose else {
                filed.account.read += 1;
                filed.account.other_purpose += 1;
                continue;
            };
            let reading =
                cells.text(row).map_or(Reading::NoDecision, |text| read(&text, &self.table.words));
            let granted = match reading {
                Reading::NoDecision => {
                    filed.account.read += 1;
                    filed.account.no_decision += 1;
                    continue;
                }
                Reading::Unrecognized => {
                    filed.account.read += 1;
                    filed.account.unrecognized += 1;
                    continue;
                }
                Reading::Granted => true,
                Reading::Denied => false,
            };
            if !std::mem::replace(&mut known, true) {
                self.stands(row, stands);
            }
            let said = Said { purpose, granted, times: self.times(row, granted) };
            self.file_decision(row, said, stands, as_of, filed);
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
            id_text(ids, row).map(|id| RecordKey::of(*table, &id))
        };
        let own = self.own.as_ref().and_then(record_in);
        let named: Vec<RecordKey> = self.records.iter().filter_map(record_in).collect();
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
                Some(KeyForms { key, forms }) => {
                    stands.on.push(Stand { subject: *subject, key, forms, counted: true });
                }
                None => stands.unmatchable += u64::from(!has_record),
            }
        }
        if all_null && !has_record {
            stands.unmatchable = 1;
        }
        stands.on.extend(named.iter().map(|record| Stand::on_record(*record, true)));
        if let Some(record) = own.filter(|record| !named.contains(record)) {
            // Beside usable keys the record has the decision too, but it is counted once.
            stands.on.push(Stand::on_record(record, stands.on.is_empty()));
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

/// What the decisions of one row stand on.
struct Stands {
    on: Vec<Stand>,
    /// Decisions that stand on nothing.
    unmatchable: u64,
}

/// A contact point or record.
struct Stand {
    subject: Subject,
    key: Digest,
    /// Forms under which a denial is filed; 0 where there is none.
    forms: [Digest; FORMS],
    counted: bool,
}

impl Stand {
    fn on_record(record: RecordKey, counted: bool) -> Self {
        let mut forms = [0; FORMS];
        forms[0] = record.loose;
        Self { subject: Subject::Record, key: record.exact, forms, counted }
    }
}

/// Decisions of one table on their way to their sets.
struct Filed {
    account: ConsentAccount,
    /// By purpose, then subject.
    drawers: Vec<Vec<Drawer>>,
    newest: Option<i64>,
    first_unmatchable: Option<usize>,
}

/// Decisions on a subject. Those of several blocks of rows stay apart: what is large is not copied.
struct Drawer {
    subject: Subject,
    grants: Vec<Vec<(Digest, Newest)>>,
    denials: Vec<Vec<(Digest, Newest)>>,
    /// Keys of counted decisions; only kept apart where some are not counted.
    counted: Vec<Vec<(Digest, ())>>,
    all_counted: bool,
    decisions: u64,
}

impl Filed {
    fn new(purposes: usize, subjects: &[Subject]) -> Self {
        let drawer = |subject: &Subject| Drawer {
            subject: *subject,
            grants: vec![Vec::new()],
            denials: vec![Vec::new()],
            counted: vec![Vec::new()],
            all_counted: *subject != Subject::Record,
            decisions: 0,
        };
        Self {
            account: ConsentAccount::default(),
            drawers: (0..purposes).map(|_| subjects.iter().map(drawer).collect()).collect(),
            newest: None,
            first_unmatchable: None,
        }
    }

    fn file(&mut self, said: Said, stand: &Stand) {
        let drawers = &mut self.drawers[said.purpose.0];
        let Some(drawer) = drawers.iter_mut().find(|drawer| drawer.subject == stand.subject) else {
            return;
        };
        let newest = Newest::of(said.times.map(|times| times.sorts));
        if said.granted {
            drawer.grants[0].push((stand.key, newest));
        } else {
            // The key is known here too, so that distinct keys can be counted.
            drawer.grants[0].push((stand.key, Newest::NONE));
            for (at, form) in stand.forms.iter().enumerate() {
                if *form != 0 && !stand.forms[..at].contains(form) {
                    drawer.denials[0].push((*form, newest));
                }
            }
        }
        if stand.counted {
            drawer.decisions += 1;
            if !drawer.all_counted {
                drawer.counted[0].push((stand.key, ()));
            }
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.account.add(&other.account);
        self.newest = self.newest.max(other.newest);
        self.first_unmatchable = match (self.first_unmatchable, other.first_unmatchable) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        for (mine, theirs) in
            self.drawers.iter_mut().flatten().zip(other.drawers.into_iter().flatten())
        {
            mine.grants.extend(theirs.grants);
            mine.denials.extend(theirs.denials);
            mine.counted.extend(theirs.counted);
            mine.decisions += theirs.decisions;
        }
        self
    }

    /// Builds the sets, and says how many decisions were used and how many folded away.
    fn close(
        &self,
        plan: &Plan,
        table: &ConsentTable,
        purposes: &mut [PurposeDecisions],
    ) -> (ConsentAccount, Option<Instant>) {
        let mut account = self.account.clone();
        account.source.clone_from(&plan.sources[table.source.0].name);
        let merge = |known: &mut Newest, more: Newest| *known = known.and(more);
        for (purpose, drawers) in purposes.iter_mut().zip(&self.drawers) {
            for drawer in drawers {
                if drawer.grants.iter().all(Vec::is_empty) {
                    continue;
                }
                let set = DecisionSet {
                    grants: DigestMap::build_of(&drawer.grants, merge),
                    denials: DigestMap::build_of(&drawer.denials, merge),
                };
                let used = if drawer.all_counted {
                    set.grants.len() as u64
                } else {
                    DigestMap::build_of(&drawer.counted, |(), ()| {}).len() as u64
                };
                account.used += used;
                account.folded += drawer.decisions - used;
                purpose.sets.push((drawer.subject, set));
            }
        }
        (account, self.newest.map(Instant))
    }
}
