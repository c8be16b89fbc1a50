//! A few records with all their columns, as if there were no others.

use std::collections::BTreeSet;

use polars::prelude::StaticArray as _;

use super::{Link, TracedRecord};
use crate::diagnostics::Outcome;
use crate::engine::Judged;
use crate::engine::cells::Cells;
use crate::engine::key_reader::KeyReader;
use crate::engine::late::Layers;
use crate::engine::records::{Record, RecordTable, Records, field_columns};
use crate::engine::source::{self, Loaded};
use crate::engine::survivorship::Survivors;
use crate::normalize::Region;
use crate::plan::{FieldId, Plan, RegionFrom, TableId};

/// Some records with all their columns, as if there were no others.
pub struct Few {
    loaded: Vec<Option<Loaded>>,
    /// The records.
    pub records: Records,
    /// For each of them its number among all.
    pub all: Vec<Record>,
}

impl Few {
    /// Reads them.
    pub fn read(plan: &Plan, judged: &Judged<'_>, wanted: &[Record]) -> Outcome<Self> {
        let mut rows: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); plan.tables.len()];
        for record in wanted {
            let (table, row) = judged.court.records.place(*record);
            rows[table.0].insert(row);
        }
        let fields: BTreeSet<FieldId> = (0..plan.fields.len()).map(FieldId).collect();
        let (mut loaded, mut of_tables, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (table, rows)) in plan.tables.iter().zip(rows).enumerate() {
            let start = all.len();
            let (mut ids, mut cells) = (Cells::Absent, vec![Cells::Absent; plan.fields.len()]);
            let mut of_table = None;
            if !rows.is_empty() {
                let columns = table.mapping.iter().map(|(_, column)| column.as_str());
                let columns: Vec<&str> = columns.chain([table.id.as_str()]).collect();
                let source = &plan.sources[table.source.0];
                let some = source::load_rows(source, &columns, &rows)?;
                if let Some(before) = &judged.late.loaded[table.source.0] {
                    before.expect_unchanged(source, &some)?;
                }
                ids = Cells::of(&some.column(&table.id)?.series)?;
                cells = field_columns(plan, table, &some, &fields)?;
                of_table = Some(some);
            }
            let first = judged.court.records.tables[at].start;
            all.extend(rows.iter().map(|row| Record::try_from(first + row).unwrap_or(Record::MAX)));
            of_tables.push(RecordTable {
                start,
                rows: rows.len(),
                ids,
                ascends: false,
                fields: cells,
                late: Layers::default(),
            });
            loaded.push(of_table);
        }
        let records = Records { tables: of_tables, len: all.len() };
        Ok(Self { loaded, records, all })
    }

    /// The number here of one of all records.
    pub fn here(&self, record: Record) -> Option<Record> {
        let at = self.all.binary_search(&record).ok()?;
        Record::try_from(at).ok()
    }

    /// The value of a field as it stands.
    fn value(&self, plan: &Plan, record: Record, field: FieldId) -> Option<String> {
        let (table, row) = self.records.place(record);
        let mapping = &plan.tables[table.0].mapping;
        let (_, column) = mapping.iter().find(|(of, _)| *of == field)?;
        let series = &self.loaded[table.0].as_ref()?.column(column).ok()?.series;
        let (cells, _) = self.records.cell(record, field);
        if cells.is_null(row) {
            return None;
        }
        match (cells, cells.text(row)) {
            (_, Some(text)) => Some(text.into_owned()),
            (Cells::Float(cells), None) => cells.get(row).map(|value| format!("{value:?}")),
            _ => series.get(row).ok().map(|value| value.to_string()),
        }
    }

    fn region(&self, plan: &Plan, record: Record, field: FieldId) -> Option<Region> {
        match plan.fields[field.0].key.region {
            RegionFrom::None => None,
            RegionFrom::Fixed(region) => Some(region),
            RegionFrom::Of(of) => {
                let (cells, row) = self.records.cell(record, of);
                cells.text(row).and_then(|text| Region::parse(&text))
            }
        }
    }

    /// One of the records, and what links it. `survivors` are those of these few.
    pub fn record(
        &self,
        plan: &Plan,
        judged: &Judged<'_>,
        record: Record,
        link: Link,
        survivors: Option<&Survivors<'_>>,
    ) -> TracedRecord {
        let all = self.all[record as usize];
        let (table, row) = judged.court.records.place(all);
        let (TableId(at), here) = self.records.place(record);
        let fields = || (0..plan.fields.len()).map(FieldId);
        let key = |field| {
            let cells = &self.records.tables[at].fields;
            KeyReader::for_field(plan, cells, field).key_text(here)
        };
        let keys: Vec<Option<String>> = fields().map(key).collect();
        let usable = |field: FieldId| match survivors {
            Some(survivors) => survivors.is_usable(record, field),
            None => keys[field.0].is_some(),
        };
        TracedRecord {
            table,
            row,
            id: self.records.id(record).map(std::borrow::Cow::into_owned),
            values: fields().map(|field| self.value(plan, record, field)).collect(),
            usable: fields().map(usable).collect(),
            regions: fields().map(|field| self.region(plan, record, field)).collect(),
            keys,
            link,
            duplicate: judged.survivors.is_duplicate(all),
        }
    }
}
