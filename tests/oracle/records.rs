//! Records: the rows of the customer tables and their keys (sections 1 and 2).

use std::collections::BTreeSet;

use optin::plan::{FieldId, TableId};

use super::World;
use super::loose::Key;
use super::value::Value;

/// Table and id. Limits, pairs, exceptions and earlier runs speak of records in this way, and
/// their order is that of the tables, then that of the bytes of the ids.
pub type Name = (TableId, String);

/// One row of a customer table.
pub struct Record {
    pub table: TableId,
    /// None where the row has no id.
    pub id: Option<String>,
    /// By field: the cell as it stands in the source.
    pub cells: Vec<Option<String>>,
    /// By field: the cell's value.
    pub values: Vec<Option<Value>>,
    /// By field: the key, where the value is usable.
    pub keys: Vec<Option<Key>>,
    /// By field: whether the value is usable.
    pub usable: Vec<bool>,
    /// By field: whether the key stands in `never`.
    barred: Vec<bool>,
}

impl Record {
    /// Table and id, if it has an id.
    pub fn name(&self) -> Option<Name> {
        self.id.as_ref().map(|id| (self.table, id.clone()))
    }

    /// The key that counts where records are compared: it is there and does not stand in `never`.
    pub fn compared(&self, field: FieldId) -> Option<&str> {
        let key = self.keys[field.0].as_ref().filter(|_| !self.barred[field.0]);
        key.map(|key| key.text.as_str())
    }
}

pub fn read(world: &World<'_>) -> Vec<Record> {
    let mut records = Vec::new();
    for (index, table) in world.plan.tables.iter().enumerate() {
        for row in &world.raw(table.source).rows {
            let count = world.plan.fields.len();
            let mut record = Record {
                table: TableId(index),
                id: world.id(table.source, row, &table.id),
                cells: vec![None; count],
                values: vec![None; count],
                keys: vec![None; count],
                usable: vec![false; count],
                barred: vec![false; count],
            };
            for (field, column) in &table.mapping {
                let ty = world.plan.fields[field.0].ty;
                let cell = world.cell(table.source, row, column);
                let value = world.value(table.source, row, column);
                record.cells[field.0] = cell.map(str::to_owned);
                record.values[field.0] = value.map(|value| value.widened(ty));
            }
            for field in 0..count {
                compare_field(world, &mut record, FieldId(field));
            }
            records.push(record);
        }
    }
    records
}

/// Fills in the key of one field, whether it is usable, and whether it stands in `never`.
fn compare_field(world: &World<'_>, record: &mut Record, field: FieldId) {
    let Some(value) = &record.values[field.0] else { return };
    let Some(text) = value.text() else {
        // Floats and decimals have no key; any such value is usable.
        record.usable[field.0] = matches!(value, Value::Float(_));
        return;
    };
    let key = &world.plan.fields[field.0].key;
    let region = World::region(&key.region, |beside: &FieldId| {
        record.values[beside.0].as_ref().and_then(Value::text)
    });
    record.keys[field.0] = world.key(field, &text, region);
    record.usable[field.0] = record.keys[field.0].is_some();
    record.barred[field.0] = record.keys[field.0].is_some()
        && key.never.values().any(|never| world.key(field, never, region) == record.keys[field.0]);
}

/// The names of some records; those without an id have none.
pub fn names(records: &[Record], of: impl IntoIterator<Item = usize>) -> BTreeSet<Name> {
    of.into_iter().filter_map(|record| records[record].name()).collect()
}
