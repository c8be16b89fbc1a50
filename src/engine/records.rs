//! Records: the rows of all customer tables under one numbering, their ids, fields and keys.
//!
//! Records are numbered across tables in the order of tables and rows. The numbers never leave
//! the engine, and nothing that does depends on them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};
use std::sync::OnceLock;

use polars::prelude::*;
use polars_arrow::array::{Array as _, Utf8ViewArray};
use rayon::prelude::*;

use super::cells::Cells;
use super::digest::{Digest, digest, digest_in};
use super::late::Late;
use super::partition::{Held, Parts, Scattered, chunk_rows, equal, scatter};
use super::source::Loaded;
use crate::diagnostics::Outcome;
use crate::normalize::{FORMS, Forms, Loose, PLAIN_ROOM, Region};
use crate::plan::{FieldId, Key, Match, Plan, RegionFrom, Table, TableId, Type};

/// A record's number.
pub type Record = u32;

/// A customer table in memory.
#[derive(Debug)]
pub struct RecordTable {
    /// Number of its first record.
    pub start: usize,
    /// Number of its records.
    pub rows: usize,
    /// Its ids; absent once they are forgotten: whoever leaves is asked for his own late.
    pub ids: Cells,
    /// True if each id is greater than the one before it, and none is missing.
    pub ascends: bool,
    /// Its cells, one entry a unified field; absent where no column is mapped, or it is read late.
    pub fields: Vec<Cells>,
    /// What was read late.
    pub late: OnceLock<Late>,
}

/// All records.
#[derive(Debug)]
pub struct Records {
    /// The customer tables, as in the plan.
    pub tables: Vec<RecordTable>,
    /// Number of all records.
    pub len: usize,
}

impl Records {
    /// Puts the loaded customer tables under one numbering. Fields that are not needed are as if no
    /// table had them.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn new(
        plan: &Plan,
        loaded: &[Option<Loaded>],
        needed: &BTreeSet<FieldId>,
    ) -> Outcome<Self> {
        let mut tables = Vec::new();
        let mut start = 0;
        for table in &plan.tables {
            let Some(source) = &loaded[table.source.0] else { continue };
            let fields = field_columns(plan, table, source, needed)?;
            tables.push(RecordTable {
                start,
                rows: source.rows,
                ids: Cells::of(&source.column(&table.id)?.series)?,
                ascends: false,
                fields,
                late: OnceLock::new(),
            });
            start += source.rows;
        }
        Ok(Self { tables, len: start })
    }

    /// Table and row of a record.
    #[must_use]
    pub fn place(&self, record: Record) -> (TableId, usize) {
        let at = record as usize;
        let table = self.tables.partition_point(|table| table.start <= at) - 1;
        (TableId(table), at - self.tables[table].start)
    }

    /// The name of the source that a record is from.
    #[must_use]
    pub fn source_name<'p>(&self, plan: &'p Plan, record: Record) -> &'p str {
        &plan.sources[plan.tables[self.place(record).0.0].source.0].name
    }

    /// The cells of a record's field, and its row in them.
    #[must_use]
    pub fn cell(&self, record: Record, field: FieldId) -> (&Cells, usize) {
        let (table, row) = self.place(record);
        let table = &self.tables[table.0];
        match (&table.fields[field.0], table.late.get()) {
            (Cells::Absent, Some(late)) => match &late.fields[field.0] {
                Some(cells) => (cells, late.mask.rank(row)),
                None => (&Cells::Absent, row),
            },
            (cells, _) => (cells, row),
        }
    }

    /// True if no two records of a table can have one id, and all have one.
    fn all_ascend(&self) -> bool {
        self.tables.iter().all(|table| table.ascends)
    }

    /// Forgets the texts of fields, and all ids if nothing but who leaves will be asked for them.
    pub fn forget(&mut self, fields: &BTreeSet<FieldId>) {
        let ascend = self.all_ascend();
        for table in &mut self.tables {
            for field in fields {
                table.fields[field.0] = Cells::Absent;
            }
            if ascend {
                table.ids = Cells::Absent;
            }
        }
    }

    /// Compares the ids of two records of one table as texts.
    #[must_use]
    pub fn compare_ids(&self, a: Record, b: Record) -> Ordering {
        let (TableId(table), _) = self.place(a);
        if self.tables[table].ascends { a.cmp(&b) } else { self.id(a).cmp(&self.id(b)) }
    }

    /// Compares two records by all their mapped cells: smaller first, null last.
    #[must_use]
    pub fn compare_cells(&self, a: Record, b: Record, fields: usize) -> Ordering {
        (0..fields)
            .map(|field| {
                let (cells_a, row_a) = self.cell(a, FieldId(field));
                let (cells_b, row_b) = self.cell(b, FieldId(field));
                cells_a.compare(row_a, cells_b, row_b)
            })
            .find(|order| *order != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    }

    /// The id of a record; none if null or blank.
    #[must_use]
    pub fn id(&self, record: Record) -> Option<Cow<'_, str>> {
        let (table, row) = self.place(record);
        let table = &self.tables[table.0];
        match table.late.get().and_then(|late| Some((late, late.ids.as_ref()?))) {
            Some((late, ids)) => id_text(ids, late.mask.rank(row)),
            None => id_text(&table.ids, row),
        }
    }

    /// The text of a record's key of a field, if it has one.
    #[must_use]
    pub fn key_text(&self, plan: &Plan, field: FieldId, record: Record) -> Option<String> {
        let (table, row) = self.place(record);
        KeyReader::for_field(plan, &self.tables[table.0], field).key_text(row)
    }

    /// A value for every record, made in parallel from its table and row.
    pub fn map<T: Send + Sync>(
        &self,
        make: impl Fn(TableId, &RecordTable, usize) -> T + Sync,
    ) -> Vec<T> {
        let mut all = Vec::with_capacity(self.len);
        for (at, table) in self.tables.iter().enumerate() {
            (0..table.rows)
                .into_par_iter()
                .with_min_len(2048)
                .map(|row| make(TableId(at), table, row))
                .collect_into_vec_appending(&mut all);
        }
        all
    }
}

/// The ids of all records as digests.
#[derive(Debug)]
pub struct Ids {
    /// Of each record's table and id; 0 without an id.
    pub digests: Vec<Digest>,
    /// How decisions and suppressions find records by their ids; none if no source names records.
    pub index: Option<Index>,
    /// Records of one id: the first with every other.
    pub equal: Vec<(Record, Record)>,
}

impl Ids {
    /// Digests all ids. `named` says whether a source names records.
    #[must_use]
    pub fn new(records: &mut Records, named: bool) -> Self {
        for table in &mut records.tables {
            table.ascends = ascends(&table.ids, table.rows);
        }
        let records = &*records;
        let key = |record: Record| {
            let (table, row) = records.place(record);
            let id = id_text(&records.tables[table.0].ids, row);
            id.map_or(KeyForms::NONE, |id| KeyForms::of_record(table, &id))
        };
        let (digests, index) = if named {
            let (digests, index) = index(records.len, key);
            (digests, Some(index))
        } else {
            let digest = |table: TableId, t: &RecordTable, row| {
                id_text(&t.ids, row).map_or(0, |id| record_digest(table, &id))
            };
            (records.map(digest), None)
        };
        // Most tables come in the order of their ids; who ascends does not repeat.
        let equal = if records.all_ascend() {
            Vec::new()
        } else {
            let held = scatter(records.len, |record| digests[record as usize]);
            equal(&held, |_| true).pairs
        };
        Self { digests, index, equal }
    }
}

/// True if each id is greater than the one before it, and none is missing.
fn ascends(ids: &Cells, rows: usize) -> bool {
    const BLOCK: usize = 1 << 16;
    // Blocks overlap by a row.
    (0..rows.div_ceil(BLOCK)).into_par_iter().all(|block| {
        let mut before: Option<Cow<'_, str>> = None;
        (block * BLOCK..rows.min((block + 1) * BLOCK + 1)).all(|row| {
            let Some(id) = id_text(ids, row) else { return false };
            let greater = before.as_ref().is_none_or(|before| *before < id);
            before = Some(id);
            greater
        })
    })
}

/// Where the digests of all records are looked for, by partition.
#[derive(Debug)]
pub struct Index {
    /// The keys. Marked are those that denials look for as they are.
    pub held: Scattered<Held>,
    /// Other forms under which denials look for records.
    pub others: Scattered<Held>,
}

/// The key of every record in the order of records, and where each is looked for.
fn index(records: usize, key: impl Fn(Record) -> KeyForms + Sync) -> (Vec<Digest>, Index) {
    let rows = chunk_rows(records);
    let mut keys: Vec<Digest> = vec![0; records];
    let (held, others): (Vec<_>, Vec<_>) = keys
        .par_chunks_mut(rows)
        .enumerate()
        .map(|(chunk, keys)| {
            let mut held = Parts::with_room(keys.len());
            let mut others = Parts::with_room(0);
            for (at, place) in keys.iter_mut().enumerate() {
                let record = Record::try_from(chunk * rows + at).unwrap_or(Record::MAX);
                let KeyForms { key, own, others: forms } = key(record);
                *place = key;
                held.hold(key, own, record);
                for form in forms {
                    others.hold(form, true, record);
                }
            }
            (held, others)
        })
        .unzip();
    (keys, Index { held: Scattered::of(held), others: Scattered::of(others) })
}

/// `collect_into_vec` clears its target; records of several tables go behind each other.
trait Appending<T> {
    fn collect_into_vec_appending(self, all: &mut Vec<T>);
}

impl<T: Send, I: IndexedParallelIterator<Item = T>> Appending<T> for I {
    fn collect_into_vec_appending(self, all: &mut Vec<T>) {
        if all.is_empty() {
            self.collect_into_vec(all);
        } else {
            all.par_extend(self);
        }
    }
}

/// An id as compared: none if null or blank.
#[must_use]
pub fn id_text(ids: &Cells, row: usize) -> Option<Cow<'_, str>> {
    ids.text(row).filter(|id| !id.trim().is_empty())
}

/// True if a text is there and begins with a printable ASCII character that is no blank.
fn starts_plainly(cells: &Utf8ViewArray, row: usize) -> bool {
    let view = &cells.views()[row];
    let [first, ..] = view.prefix.to_le_bytes();
    // A view of a null is of no use, so it is asked last.
    view.length > 0 && first.is_ascii_graphic() && cells.is_valid(row)
}

/// Digests of a key and of its loose forms: of a contact point, or of a record's table and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyForms {
    /// The key itself; 0 if there is none.
    pub key: Digest,
    /// True if denials look for the key as it is.
    pub own: bool,
    /// The other forms, on the side that was asked for; 0 where there is none.
    pub others: [Digest; FORMS],
}

impl KeyForms {
    /// No key.
    pub const NONE: Self = Self { key: 0, own: false, others: [0; FORMS] };

    /// Of a table and an id: as it stands, and for denials trimmed and, if it is a whole number,
    /// without sign, leading zeros and a fraction of zeros, as spreadsheets and casts leave them.
    #[must_use]
    pub fn of_record(table: TableId, id: &str) -> Self {
        let key = record_digest(table, id);
        let loose = loose_id(id);
        let mut forms = Self { key, own: loose == id, others: [0; FORMS] };
        if !forms.own {
            forms.others[0] = record_digest(table, loose);
        }
        forms
    }
}

/// The looser reading of an id (docs/semantics.md, section 6).
fn loose_id(id: &str) -> &str {
    let blank = |c: char| c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}');
    let id = id.trim_matches(blank);
    let number = id.strip_prefix('+').unwrap_or(id);
    let whole = match number.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|b| b == b'0') => whole,
        _ => number,
    };
    if whole.is_empty() || !whole.bytes().all(|b| b.is_ascii_digit()) {
        return id;
    }
    match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    }
}

/// The digest of a table and an id as it stands.
#[must_use]
pub fn record_digest(table: TableId, id: &str) -> Digest {
    digest_in(table.0 as u64, id.as_bytes())
}

fn field_columns(
    plan: &Plan,
    table: &Table,
    source: &Loaded,
    needed: &BTreeSet<FieldId>,
) -> Outcome<Vec<Cells>> {
    let mut cells = Vec::new();
    for at in 0..plan.fields.len() {
        let mut mapping = table.mapping.iter().filter(|(field, _)| needed.contains(field));
        let mapped = mapping.find(|(id, _)| id.0 == at);
        let Some((_, column)) = mapped else {
            cells.push(Cells::Absent);
            continue;
        };
        cells.push(cells_of(plan, FieldId(at), source, column)?);
    }
    Ok(cells)
}

/// The cells of a mapped column, of the field's type.
///
/// # Errors
/// Faults of the engine.
pub fn cells_of(plan: &Plan, field: FieldId, source: &Loaded, column: &str) -> Outcome<Cells> {
    let series = &source.column(column)?.series;
    if plan.fields[field.0].ty == Type::Float && *series.dtype() != DataType::Float64 {
        let series = series
            .cast(&DataType::Float64)
            .map_err(|error| super::engine_fault("widening a field", &error))?;
        return Cells::of(&series);
    }
    Cells::of(series)
}

/// How the values of one column become keys of one field.
pub struct KeyReader<'a> {
    key: &'a Key,
    region: RegionFrom<Cells>,
    cells: Cells,
}

impl<'a> KeyReader<'a> {
    /// For a field of a customer table.
    #[must_use]
    pub fn for_field(plan: &'a Plan, table: &RecordTable, field: FieldId) -> Self {
        let key = &plan.fields[field.0].key;
        let region = match &key.region {
            RegionFrom::None => RegionFrom::None,
            RegionFrom::Fixed(region) => RegionFrom::Fixed(*region),
            RegionFrom::Of(of) => RegionFrom::Of(table.fields[of.0].clone()),
        };
        Self { key, region, cells: table.fields[field.0].clone() }
    }

    /// For a matched column of a consent or suppression source.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn for_match(plan: &'a Plan, matched: &Match, source: &Loaded) -> Outcome<Option<Self>> {
        let Match::Key { field, column, region } = matched else { return Ok(None) };
        let region = match region {
            RegionFrom::None => RegionFrom::None,
            RegionFrom::Fixed(region) => RegionFrom::Fixed(*region),
            RegionFrom::Of(column) => RegionFrom::Of(Cells::of(&source.column(column)?.series)?),
        };
        let cells = Cells::of(&source.column(column)?.series)?;
        Ok(Some(Self { key: &plan.fields[field.0].key, region, cells }))
    }

    fn region(&self, row: usize) -> Option<Region> {
        match &self.region {
            RegionFrom::None => None,
            RegionFrom::Fixed(region) => Some(*region),
            RegionFrom::Of(cells) => cells.text(row).and_then(|text| Region::parse(&text)),
        }
    }

    /// True if the cell is null.
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        self.cells.is_null(row)
    }

    /// The digest of the key where the cell holds a plain mail address.
    fn plain_mail(&self, row: usize) -> Option<Digest> {
        let Cells::Text(cells) = &self.cells else { return None };
        let mut room = [0; PLAIN_ROOM];
        self.key.chain.plain_mail(cells.get(row)?, &mut room).map(digest)
    }

    /// The digest of the key; 0 if there is none.
    #[must_use]
    pub fn key(&self, row: usize) -> Digest {
        if let Some(key) = self.plain_mail(row) {
            return key;
        }
        let Some(text) = self.cells.text(row) else { return 0 };
        self.key.chain.apply(&text, self.region(row)).map_or(0, |key| digest(key.as_bytes()))
    }

    /// The text of the key, if there is one.
    #[must_use]
    pub fn key_text(&self, row: usize) -> Option<String> {
        let text = self.cells.text(row)?;
        self.key.chain.apply(&text, self.region(row)).map(Cow::into_owned)
    }

    /// True if a value is usable, so that its key is not empty: cell `at` of `cells`, of the record
    /// of this row.
    #[must_use]
    pub fn usable(&self, cells: &Cells, at: usize, row: usize) -> bool {
        match cells {
            // The first byte stands in the view: long texts need not be looked at.
            Cells::Text(cells) if self.key.chain.is_trim() && starts_plainly(cells, at) => true,
            Cells::Text(_) | Cells::Int(_) => {
                cells.text(at).is_some_and(|text| self.key.chain.has_key(&text, self.region(row)))
            }
            // Other types are compared as they are; each value has a text that is not empty.
            cells => !cells.is_null(at),
        }
    }

    /// The key, and the forms under which its contact point looks for denials.
    fn target(&self, row: usize) -> Option<KeyForms> {
        self.with_forms(row, |loose| &loose.target)
    }

    /// The key, and the forms under which a denial of it is filed; `None` without a key.
    #[must_use]
    pub fn denial(&self, row: usize) -> Option<KeyForms> {
        self.with_forms(row, |loose| &loose.denial)
    }

    fn with_forms(
        &self,
        row: usize,
        forms: impl for<'l, 't> Fn(&'l Loose<'t>) -> &'l Forms<'t>,
    ) -> Option<KeyForms> {
        if let Some(key) = self.plain_mail(row) {
            return Some(KeyForms { key, own: true, others: [0; FORMS] });
        }
        let text = self.cells.text(row)?;
        let loose = self.key.chain.apply_loose(&text, self.region(row))?;
        let others = forms(&loose)
            .each_ref()
            .map(|form| form.as_ref().map_or(0, |form| digest(form.as_bytes())));
        Some(KeyForms { key: digest(loose.key.as_bytes()), own: loose.own, others })
    }
}

/// The digests of one field of all records; 0 where there is no key.
#[must_use]
pub fn keys(plan: &Plan, records: &Records, field: FieldId) -> Vec<Digest> {
    let readers: Vec<_> =
        records.tables.iter().map(|table| KeyReader::for_field(plan, table, field)).collect();
    records.map(|table, _, row| readers[table.0].key(row))
}

/// The digests of one field of all records, and where each is looked for.
#[must_use]
pub fn indexed_keys(plan: &Plan, records: &Records, field: FieldId) -> (Vec<Digest>, Index) {
    let readers: Vec<_> =
        records.tables.iter().map(|table| KeyReader::for_field(plan, table, field)).collect();
    index(records.len, |record| {
        let (table, row) = records.place(record);
        readers[table.0].target(row).unwrap_or(KeyForms::NONE)
    })
}

/// The digests of a field's `never` values, under every region its numbers may have.
#[must_use]
pub fn never(plan: &Plan, records: &Records, field: FieldId) -> HashSet<Digest> {
    let key = &plan.fields[field.0].key;
    if key.never.is_empty() {
        return HashSet::new();
    }
    let mut regions: Vec<Option<Region>> = vec![None];
    match &key.region {
        RegionFrom::None => {}
        RegionFrom::Fixed(region) => regions = vec![Some(*region)],
        RegionFrom::Of(of) => {
            let mut seen: HashSet<String> = HashSet::new();
            for table in &records.tables {
                for row in 0..table.rows {
                    if let Some(text) = table.fields[of.0].text(row)
                        && !seen.contains(text.as_ref())
                    {
                        regions.extend(Region::parse(&text).map(Some));
                        seen.insert(text.into_owned());
                    }
                }
            }
        }
    }
    let mut digests = HashSet::new();
    for value in &key.never {
        for region in &regions {
            if let Some(key) = key.chain.apply(value, *region) {
                digests.insert(digest(key.as_bytes()));
            }
        }
    }
    digests
}

#[cfg(test)]
mod tests {
    use super::loose_id;

    #[test]
    fn ids_are_read_as_spreadsheets_leave_them() {
        for id in ["7", " 7", "007", "+7", "7.0", "7.00", "7\u{200b}"] {
            assert_eq!(loose_id(id), "7", "{id}");
        }
        for id in ["7.5", "C-007", "7a", "-7"] {
            assert_eq!(loose_id(id), id);
        }
        assert_eq!(loose_id("000"), "0");
    }
}
