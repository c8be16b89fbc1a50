//! The keys of all records that any stage asks for, each field digested once.

use std::collections::{BTreeSet, HashSet};

use super::digest::Digest;
use super::records::{self, Index, Records};
use crate::plan::{FieldId, Match, Plan};

/// One field's digests, a value a record.
#[derive(Debug)]
struct FieldKeys {
    field: FieldId,
    /// How many values there are.
    values: u64,
    /// The key; 0 if there is none.
    keys: Vec<Digest>,
    /// Where keys and the forms under which denials look for them are found, if one may ever look.
    index: Option<Index>,
    /// Values that link nobody.
    never: HashSet<Digest>,
}

/// Digests of the fields in use, and the values that link nobody.
#[derive(Debug)]
pub struct Keys {
    fields: Vec<FieldKeys>,
    no_never: HashSet<Digest>,
}

impl Keys {
    /// Digests every field that a link rule, a purpose, a match or an export needs.
    #[must_use]
    pub fn new(plan: &Plan, records: &Records) -> Self {
        let reached = reached(plan);
        let fields = needed(plan)
            .into_iter()
            .map(|field| {
                let (keys, index) = if reached.contains(&field) {
                    let (keys, index) = records::indexed_keys(plan, records, field);
                    (keys, Some(index))
                } else {
                    (records::keys(plan, records, field), None)
                };
                let values = records
                    .tables
                    .iter()
                    .map(|table| (table.rows - table.fields[field.0].nulls(table.rows)) as u64)
                    .sum();
                let never = records::never(plan, records, field);
                FieldKeys { field, values, keys, index, never }
            })
            .collect();
        Self { fields, no_never: HashSet::new() }
    }

    fn get(&self, field: FieldId) -> Option<&FieldKeys> {
        self.fields.iter().find(|keys| keys.field == field)
    }

    /// The digests of a field (0: no key) and its `never` digests.
    #[must_use]
    pub fn field(&self, field: FieldId) -> (&[Digest], &HashSet<Digest>) {
        self.get(field).map_or((&[], &self.no_never), |keys| (&keys.keys, &keys.never))
    }

    /// How many values a field has, usable or not.
    #[must_use]
    pub fn values(&self, field: FieldId) -> u64 {
        self.get(field).map_or(0, |keys| keys.values)
    }

    /// The digests of a field if it is in use.
    #[must_use]
    pub fn digests(&self, field: FieldId) -> Option<&[Digest]> {
        self.get(field).map(|keys| keys.keys.as_slice())
    }

    /// Where the keys of a field are looked for, if decisions or suppressions may do so.
    #[must_use]
    pub fn index(&self, field: FieldId) -> Option<&Index> {
        self.get(field).and_then(|keys| keys.index.as_ref())
    }

    /// The fields in use.
    pub fn fields(&self) -> impl Iterator<Item = FieldId> + '_ {
        self.fields.iter().map(|keys| keys.field)
    }
}

/// The fields by which denials and suppressions reach records.
fn reached(plan: &Plan) -> BTreeSet<FieldId> {
    let mut fields = contact_fields(plan);
    fields.extend(matched(plan.consent.suppress.iter().flat_map(|list| &list.matches)));
    fields
}

/// The fields whose keys denials and suppressions reach people by.
#[must_use]
pub fn contact_fields(plan: &Plan) -> BTreeSet<FieldId> {
    let tables = plan.consent.tables.iter().flat_map(|table| &table.matches);
    matched(tables).chain(plan.consent.purposes.iter().map(|purpose| purpose.via)).collect()
}

/// True if a source of decisions or suppressions names records.
#[must_use]
pub fn names_records(plan: &Plan) -> bool {
    let consent = &plan.consent;
    let matches = consent
        .tables
        .iter()
        .flat_map(|table| &table.matches)
        .chain(consent.suppress.iter().flat_map(|list| &list.matches));
    consent.tables.iter().any(|table| table.customers.is_some())
        || matches.into_iter().any(|matched| matches!(matched, Match::Record { .. }))
}

/// The key fields among matches.
pub fn matched<'a>(matches: impl Iterator<Item = &'a Match>) -> impl Iterator<Item = FieldId> {
    matches.filter_map(|matched| match matched {
        Match::Key { field, .. } => Some(*field),
        Match::Record { .. } => None,
    })
}

/// The fields whose keys some stage asks for.
#[must_use]
pub fn needed(plan: &Plan) -> BTreeSet<FieldId> {
    let mut fields = reached(plan);
    fields.extend(plan.identity.rules.iter().flat_map(crate::plan::LinkRule::fields));
    fields.extend(plan.identity.unless_different.iter().copied());
    let groupings = plan.groupings.iter().flat_map(|grouping| &grouping.rules);
    fields.extend(groupings.flat_map(crate::plan::LinkRule::fields));
    fields.extend(plan.segments.iter().flat_map(|segment| segment.channels.iter().copied()));
    fields.extend(plan.exports.iter().flat_map(|export| export.contacts.iter().copied()));
    fields
}
