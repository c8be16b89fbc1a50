//! Which record wins, and what a profile shows (section 4).

use std::cmp::Ordering;

use optin::plan::{FieldId, Keep};

use super::World;
use super::records::{Name, Record};
use super::value::{Value, null_last};

/// Splits the records of a cluster: of those of one table with one id the best stays, the others
/// are duplicates.
pub fn best_of_each_id(
    world: &World<'_>,
    records: &[Record],
    members: &[usize],
) -> (Vec<usize>, Vec<usize>) {
    let mut seen: Vec<Option<Name>> = Vec::new();
    let (mut kept, mut duplicates) = (Vec::new(), Vec::new());
    for member in ranked(world, records, world.plan.survivorship.keep, members) {
        let name = records[member].name();
        if seen.contains(&name) {
            duplicates.push(member);
        } else {
            seen.push(name);
            kept.push(member);
        }
    }
    (kept, duplicates)
}

/// By field: the record whose value the profile shows; `kept` are those that give values.
pub fn shown(world: &World<'_>, records: &[Record], kept: &[usize]) -> Vec<Option<usize>> {
    let fields = (0..world.plan.fields.len()).map(FieldId);
    fields.map(|field| winner(world, records, kept, field)).collect()
}

fn winner(world: &World<'_>, records: &[Record], kept: &[usize], field: FieldId) -> Option<usize> {
    let survivorship = &world.plan.survivorship;
    let is_usable = |record: &usize, field: FieldId| records[*record].usable[field.0];
    if let Some(group) = survivorship.groups.iter().find(|group| group.fields.contains(&field)) {
        let mut order = ranked(world, records, group.keep, kept).into_iter();
        let taken = order.find(|record| group.fields.iter().any(|of| is_usable(record, *of)))?;
        return is_usable(&taken, field).then_some(taken);
    }
    let own = survivorship.fields.iter().find(|(named, _)| *named == field);
    let keep = own.map_or(survivorship.keep, |(_, keep)| *keep);
    ranked(world, records, keep, kept).into_iter().find(|record| is_usable(record, field))
}

/// Records in record order, best first.
fn ranked(world: &World<'_>, records: &[Record], keep: Keep, of: &[usize]) -> Vec<usize> {
    let mut ranked = of.to_vec();
    ranked.sort_by(|a, b| record_order(world, keep, &records[*a], &records[*b]));
    ranked
}

fn record_order(world: &World<'_>, keep: Keep, a: &Record, b: &Record) -> Ordering {
    let by_keep = match keep {
        Keep::MostFilled => filled(b).cmp(&filled(a)),
        Keep::Importance => Ordering::Equal,
        Keep::MostRecent(FieldId(field)) => {
            null_last(usable(a, field), usable(b, field), Ordering::reverse)
        }
        Keep::LeastRecent(FieldId(field)) => {
            null_last(usable(a, field), usable(b, field), |order| order)
        }
    };
    let by_id = || {
        let bytes = |record: &Record| record.id.clone().unwrap_or_default().into_bytes();
        bytes(b).cmp(&bytes(a))
    };
    let by_values = || {
        (0..world.plan.fields.len())
            .map(|field| null_last(usable(a, field), usable(b, field), |order| order))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    };
    by_keep.then(a.table.cmp(&b.table)).then_with(by_id).then_with(by_values)
}

fn filled(record: &Record) -> usize {
    record.usable.iter().filter(|usable| **usable).count()
}

fn usable(record: &Record, field: usize) -> Option<&Value> {
    record.values[field].as_ref().filter(|_| record.usable[field])
}
