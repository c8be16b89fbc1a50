//! Records: the rows of all customer tables under one numbering, their ids, fields and keys.
//!
//! Records are numbered across tables in the order of tables and rows. The numbers never leave
//! the engine, and nothing that does depends on them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};

use polars::prelude::*;
use rayon::prelude::*;

use super::cells::Cells;
use super::digest::{Digest, digest, digest_in, equal};
use super::source::Loaded;
use crate::diagnostics::Outcome;
use crate::normalize::{FORMS, Loose, Region};
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
    /// Its ids.
    pub ids: Cells,
    /// Its cells, one entry a unified field.
    pub fields: Vec<Cells>,
    /// The columns behind `fields`; none where the table does not map the field.
    pub series: Vec<Option<Series>>,
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
            let (fields, series) = field_columns(plan, table, source, needed)?;
            tables.push(RecordTable {
                start,
                rows: source.rows,
                ids: Cells::of(&source.column(&table.id)?.series)?,
                fields,
                series,
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
        (&self.tables[table.0].fields[field.0], row)
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
        id_text(&self.tables[table.0].ids, row)
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
    /// Under which denials look for each record; 0 without an id.
    pub forms: Vec<Digest>,
    /// Records of one id: the first with every other.
    pub equal: Vec<(Record, Record)>,
}

impl Ids {
    /// Digests all ids.
    #[must_use]
    pub fn new(records: &Records) -> Self {
        let keys = records.map(|table, t, row| {
            id_text(&t.ids, row).map_or(RecordKey::NONE, |id| RecordKey::of(table, &id))
        });
        let digests: Vec<Digest> = keys.par_iter().map(|key| key.exact).collect();
        let forms = keys.par_iter().map(|key| key.loose).collect();
        let equal = equal(&digests).pairs;
        Self { digests, forms, equal }
    }
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

/// The digests of a record's identity, its table and id: as it is, and as denials look for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordKey {
    /// Of the id as it stands.
    pub exact: Digest,
    /// Of the id trimmed and, if it is a whole number, without sign, leading zeros and a fraction
    /// of zeros, as spreadsheets and casts leave them.
    pub loose: Digest,
}

impl RecordKey {
    /// Without a record.
    pub const NONE: Self = Self { exact: 0, loose: 0 };

    /// Of a table and an id.
    #[must_use]
    pub fn of(table: TableId, id: &str) -> Self {
        let exact = record_digest(table, id);
        let loose = loose_id(id);
        Self { exact, loose: if loose == id { exact } else { record_digest(table, loose) } }
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

fn record_digest(table: TableId, id: &str) -> Digest {
    digest_in(table.0 as u64, id.as_bytes())
}

fn field_columns(
    plan: &Plan,
    table: &Table,
    source: &Loaded,
    needed: &BTreeSet<FieldId>,
) -> Outcome<(Vec<Cells>, Vec<Option<Series>>)> {
    let mut cells = Vec::new();
    let mut all = Vec::new();
    for (at, field) in plan.fields.iter().enumerate() {
        let mut mapping = table.mapping.iter().filter(|(field, _)| needed.contains(field));
        let mapped = mapping.find(|(id, _)| id.0 == at);
        let Some((_, column)) = mapped else {
            cells.push(Cells::Absent);
            all.push(None);
            continue;
        };
        let mut series = source.column(column)?.series.clone();
        if field.ty == Type::Float && *series.dtype() != DataType::Float64 {
            series = series
                .cast(&DataType::Float64)
                .map_err(|error| super::engine_fault("widening a field", &error))?;
        }
        cells.push(Cells::of(&series)?);
        all.push(Some(series));
    }
    Ok((cells, all))
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

    /// The digest of the key; 0 if there is none.
    #[must_use]
    pub fn key(&self, row: usize) -> Digest {
        let Some(text) = self.cells.text(row) else { return 0 };
        self.key.chain.apply(&text, self.region(row)).map_or(0, |key| digest(key.as_bytes()))
    }

    /// The text of the key, if there is one.
    #[must_use]
    pub fn key_text(&self, row: usize) -> Option<String> {
        let text = self.cells.text(row)?;
        self.key.chain.apply(&text, self.region(row)).map(Cow::into_owned)
    }

    /// True if the value is usable: its key is not empty.
    #[must_use]
    pub fn usable(&self, row: usize) -> bool {
        match &self.cells {
            Cells::Text(_) | Cells::Int(_) => self
                .cells
                .text(row)
                .is_some_and(|text| self.key.chain.has_key(&text, self.region(row))),
            // Other types are compared as they are; each value has a text that is not empty.
            cells => !cells.is_null(row),
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
        forms: impl for<'l, 't> Fn(&'l Loose<'t>) -> &'l [Option<Cow<'t, str>>; FORMS],
    ) -> Option<KeyForms> {
        let text = self.cells.text(row)?;
        let loose = self.key.chain.apply_loose(&text, self.region(row))?;
        let key = digest(loose.key.as_bytes());
        let forms = forms(&loose).each_ref().map(|form| match form {
            None => 0,
            // Most mails are as loose as they can be.
            Some(form) if *form == loose.key => key,
            Some(form) => digest(form.as_bytes()),
        });
        Some(KeyForms { key, forms })
    }
}

/// Digests of a key and of its loose forms; 0 where there is none.
#[derive(Clone, Copy, Debug)]
pub struct KeyForms {
    /// The key itself.
    pub key: Digest,
    /// Its forms, on the side that was asked for.
    pub forms: [Digest; FORMS],
}

/// The digests of one field of all records; 0 where there is no key.
#[must_use]
pub fn keys(plan: &Plan, records: &Records, field: FieldId) -> Vec<Digest> {
    let readers: Vec<_> =
        records.tables.iter().map(|table| KeyReader::for_field(plan, table, field)).collect();
    records.map(|table, _, row| readers[table.0].key(row))
}

/// The digests of one field of all records, and the forms under which each looks for denials;
/// forms that no record has are left out.
#[must_use]
pub fn loose_keys(
    plan: &Plan,
    records: &Records,
    field: FieldId,
) -> (Vec<Digest>, Vec<Vec<Digest>>) {
    const BLOCK: usize = 1 << 14;
    let readers: Vec<_> =
        records.tables.iter().map(|table| KeyReader::for_field(plan, table, field)).collect();
    // Memory that stays zero is never touched: most forms are used by few records or none.
    let mut keys: Vec<Digest> = vec![0; records.len];
    let mut targets: [Vec<Digest>; FORMS] = std::array::from_fn(|_| vec![0; records.len]);
    let [a, b, c, d] = targets.each_mut().map(|forms| forms.par_chunks_mut(BLOCK));
    let used: Vec<[bool; FORMS]> = (keys.par_chunks_mut(BLOCK), a, b, c, d)
        .into_par_iter()
        .enumerate()
        .map(|(block, (keys, a, b, c, d))| {
            let targets = [a, b, c, d];
            let mut used = [false; FORMS];
            for (at, key) in keys.iter_mut().enumerate() {
                let record = Record::try_from(block * BLOCK + at).unwrap_or(Record::MAX);
                let (TableId(table), row) = records.place(record);
                let Some(target) = readers[table].target(row) else { continue };
                *key = target.key;
                for (form, digest) in target.forms.into_iter().enumerate() {
                    if digest != 0 {
                        targets[form][at] = digest;
                        used[form] = true;
                    }
                }
            }
            used
        })
        .collect();
    let any = |form: usize| used.iter().any(|used| used[form]);
    let targets =
        targets.into_iter().enumerate().filter(|(form, _)| any(*form)).map(|(_, t)| t).collect();
    (keys, targets)
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
