//! Suppression lists of digests: the keys of records are digested as the list has them, and looked up.
//!
//! The engine's own digests are made under a seed of the run (`engine/digest`), so that a digest in a
//! list says nothing of them. The columns of the fields in question are read once more.

use std::collections::{BTreeSet, HashSet};

use crate::diagnostics::Outcome;
use crate::engine::key_reader::KeyReader;
use crate::engine::records::{Records, field_columns};
use crate::engine::source::{self, Loaded};
use crate::normalize::Sha;
use crate::plan::{FieldId, Plan, RegionFrom};

/// Marks the records of which a value in a field has a digest that is listed.
///
/// # Errors
/// Faults of the customer tables; one that changed since it was read first.
pub fn mark(
    plan: &Plan,
    loaded: &[Option<Loaded>],
    records: &Records,
    (field, listed): (FieldId, &HashSet<Sha>),
    of_record: &mut [bool],
) -> Outcome<()> {
    let mut fields = BTreeSet::from([field]);
    if let RegionFrom::Of(region) = plan.fields[field.0].key.region {
        fields.insert(region);
    }
    for (table, of) in plan.tables.iter().zip(&records.tables) {
        let columns = table.mapping.iter().filter(|(of, _)| fields.contains(of));
        let columns: BTreeSet<&str> = columns.map(|(_, column)| column.as_str()).collect();
        if listed.is_empty() || !table.mapping.iter().any(|(of, _)| *of == field) {
            continue;
        }
        let wanted: Vec<&str> = columns.into_iter().collect();
        let part = |part: Loaded| {
            let cells = field_columns(plan, table, &part, &fields)?;
            let reader = KeyReader::for_field(plan, &cells, field);
            let is_listed =
                |row: &usize| reader.target_shas(*row).iter().any(|sha| listed.contains(sha));
            Ok((part.rows, (0..part.rows).filter(is_listed).collect::<Vec<usize>>()))
        };
        let before = &loaded[table.source.0];
        let files = before.as_ref().map_or(&[][..], |before| &before.files);
        let mut start = of.start;
        source::visit_again(&plan.sources[table.source.0], &wanted, files, part, |(rows, hit)| {
            for row in hit {
                if let Some(record) = of_record.get_mut(start + row) {
                    *record = true;
                }
            }
            start += rows;
            Ok(())
        })?;
    }
    Ok(())
}
