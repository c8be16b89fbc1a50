//! Records: the rows of all customer tables under one numbering, their ids, fields and keys.
//!
//! Records are numbered across tables in the order of tables and rows. The numbers never leave
//! the engine, and nothing that does depends on them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use polars::prelude::*;

use super::cells::Cells;
use super::ids::id_text;
use super::key_reader::KeyReader;
use super::late::{self, Layers};
use super::source::Loaded;
use crate::diagnostics::Outcome;
use crate::plan::{FieldId, Plan, Table, TableId, Type};

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
    pub late: Layers,
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
                // Ids that were not kept were seen to ascend.
                ids: if source.has(&table.id) {
                    Cells::of(&source.column(&table.id)?.series)?
                } else {
                    Cells::Absent
                },
                ascends: !source.has(&table.id),
                fields,
                late: Layers::default(),
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
        match &table.fields[field.0] {
            Cells::Absent => late::cell(&table.late, field, row).unwrap_or((&Cells::Absent, row)),
            cells => (cells, row),
        }
    }

    /// True if no two records of a table can have one id, and all have one.
    #[must_use]
    pub fn all_ascend(&self) -> bool {
        self.tables.iter().all(|table| table.ascends)
    }

    /// Forgets all ids: nobody but who leaves will be asked for them.
    pub fn forget_ids(&mut self) {
        for table in &mut self.tables {
            table.ids = Cells::Absent;
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
        let (ids, row) = late::id(&table.late, row).unwrap_or((&table.ids, row));
        id_text(ids, row)
    }

    /// The text of a record's key of a field, if it has one.
    #[must_use]
    pub fn key_text(&self, plan: &Plan, field: FieldId, record: Record) -> Option<String> {
        let (table, row) = self.place(record);
        KeyReader::for_field(plan, &self.tables[table.0].fields, field).key_text(row)
    }
}

/// The cells of all fields of a customer table, or of a part of it; absent where the table has no
/// column, or the field is not `needed`.
///
/// # Errors
/// Faults of the engine.
pub fn field_columns(
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
