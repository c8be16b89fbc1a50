//! The keys of all records that any stage asks for, each field digested once.

use std::collections::{BTreeSet, HashSet};

use super::cells::Cells;
use super::digest::Digest;
use super::gathered::{Gathered, Index, KeyPart, gather_keys};
use super::key_reader::{KeyReader, never};
use super::memory::Memory;
use super::records::Records;
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::plan::{FieldId, Match, Plan, Table};

/// One field's digests, a value a record.
#[derive(Debug)]
struct FieldKeys {
    field: FieldId,
    /// How many values there are.
    values: u64,
    /// The key; 0 if there is none.
    keys: Vec<Digest>,
    /// Values that link nobody.
    never: HashSet<Digest>,
}

/// Digests of the fields in use, and the values that link nobody.
#[derive(Debug)]
pub struct Keys {
    fields: Vec<FieldKeys>,
    no_never: HashSet<Digest>,
}

/// The keys of the fields in use, put together part by part.
pub struct Gathering<'p> {
    plan: &'p Plan,
    fields: Vec<(FieldId, u64, Gathered)>,
}

impl<'p> Gathering<'p> {
    /// Nothing yet.
    #[must_use]
    pub fn new(plan: &'p Plan) -> Self {
        let reached = reached(plan);
        let gathered = |field: FieldId| Gathered::new(reached.contains(&field), 0);
        let fields = needed(plan).into_iter().map(|field| (field, 0, gathered(field)));
        Self { plan, fields: fields.collect() }
    }

    /// Digests some rows of a customer table, of which all fields' cells are given.
    ///
    /// # Errors
    /// As [`Keys::new`].
    pub fn part(plan: &Plan, table: &Table, cells: &[Cells], rows: usize) -> Outcome<KeyRows> {
        expect_loaded(plan, table, cells)?;
        let reached = reached(plan);
        let part = |field: FieldId| {
            let values = rows - cells[field.0].nulls(rows);
            let reader = KeyReader::for_field(plan, cells, field);
            (values as u64, reader.part(0..rows, reached.contains(&field)))
        };
        Ok(KeyRows { fields: needed(plan).into_iter().map(part).collect() })
    }

    /// Adds the keys of the records that are next.
    pub fn append(&mut self, part: KeyRows) {
        for ((_, values, gathered), (more, part)) in self.fields.iter_mut().zip(part.fields) {
            *values += more;
            gathered.append(part);
        }
    }

    /// Puts on disk what has no room in memory.
    ///
    /// # Errors
    /// A disk that cannot take it.
    pub fn fit(&mut self, memory: &Memory) -> Outcome<()> {
        self.fields.iter_mut().try_for_each(|(_, _, gathered)| gathered.fit(memory))
    }

    /// All of them. `records` hold the values by which numbers of phones are read.
    #[must_use]
    pub fn done(self, records: &Records) -> (Keys, Indexes) {
        Keys::of(self.plan, records, self.fields.into_iter())
    }
}

/// The keys of some rows of a customer table, a value and a part a field in use.
pub struct KeyRows {
    fields: Vec<(u64, KeyPart)>,
}

/// Where keys, and the forms under which denials look for them, are found, of fields in which
/// somebody may look; and where ids are. Needed until all who look have looked.
#[derive(Debug, Default)]
pub struct Indexes {
    fields: Vec<(FieldId, Index)>,
    /// How decisions and suppressions find records by their ids; none if none of them names one.
    pub ids: Option<Index>,
}

impl Indexes {
    /// Puts on disk what has no room in memory.
    ///
    /// # Errors
    /// A disk that cannot take it.
    pub fn fit(&mut self, memory: &Memory) -> Outcome<()> {
        let fields = self.fields.iter_mut().map(|(_, index)| index);
        fields.chain(&mut self.ids).try_for_each(|index| index.fit(memory))
    }

    /// Where the keys of a field are looked for, if decisions or suppressions may do so.
    #[must_use]
    pub fn of(&self, field: FieldId) -> Option<&Index> {
        self.fields.iter().find(|(of, _)| *of == field).map(|(_, index)| index)
    }
}

impl Keys {
    /// Digests every field that a link rule, a purpose, a match or an export needs, of tables that
    /// are in memory.
    ///
    /// # Errors
    /// A column that is mapped to such a field and is not in memory: without it links and denials
    /// would be lost without a word. This would be a mistake of this program.
    pub fn new(plan: &Plan, records: &Records) -> Outcome<(Self, Indexes)> {
        let reached = reached(plan);
        for (table, loaded) in plan.tables.iter().zip(&records.tables) {
            // Nothing is lost of a table without rows.
            if loaded.rows > 0 {
                expect_loaded(plan, table, &loaded.fields)?;
            }
        }
        let fields = needed(plan).into_iter().map(|field| {
            let gathered = gather_keys(plan, records, field, reached.contains(&field));
            let values = records
                .tables
                .iter()
                .map(|table| (table.rows - table.fields[field.0].nulls(table.rows)) as u64)
                .sum();
            (field, values, gathered)
        });
        Ok(Self::of(plan, records, fields))
    }

    fn of(
        plan: &Plan,
        records: &Records,
        gathered: impl Iterator<Item = (FieldId, u64, Gathered)>,
    ) -> (Self, Indexes) {
        let mut indexes = Indexes::default();
        let mut fields = Vec::new();
        for (field, values, gathered) in gathered {
            let (keys, index) = gathered.done();
            indexes.fields.extend(index.map(|index| (field, index)));
            fields.push(FieldKeys { field, values, keys, never: never(plan, records, field) });
        }
        (Self { fields, no_never: HashSet::new() }, indexes)
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

    /// The fields in use.
    pub fn fields(&self) -> impl Iterator<Item = FieldId> + '_ {
        self.fields.iter().map(|keys| keys.field)
    }
}

/// That every column of a table that is mapped to a field whose keys are asked for is in memory.
fn expect_loaded(plan: &Plan, table: &Table, cells: &[Cells]) -> Outcome<()> {
    let asked = needed(plan);
    let mut mapped = table.mapping.iter().filter(|(field, _)| asked.contains(field));
    match mapped.find(|(field, _)| matches!(cells[field.0], Cells::Absent)) {
        None => Ok(()),
        Some((field, _)) => Err(Diagnostic::error(
            Code::EngineFault,
            format!("the keys of `{}` were not read", plan.fields[field.0].name),
        )
        .help("please report it, with the pipeline file and without the data")
        .into()),
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

/// True if rows of a related table that rules ask for find customers by the ids of records.
#[must_use]
pub fn relates_by_id(plan: &Plan) -> bool {
    let mut matches = plan.related_in_use().flat_map(|(_, related)| &related.matches);
    matches.any(|matched| matches!(matched, Match::Record { .. }))
}

/// The key fields among matches.
pub fn matched<'a>(matches: impl Iterator<Item = &'a Match>) -> impl Iterator<Item = FieldId> {
    matches.filter_map(|matched| match matched {
        Match::Key { field, .. } | Match::Digest { field, .. } => Some(*field),
        Match::Record { .. } => None,
    })
}

/// The fields whose keys some stage asks for.
#[must_use]
pub fn needed(plan: &Plan) -> BTreeSet<FieldId> {
    let mut fields = reached(plan);
    fields.extend(matched(plan.related_in_use().flat_map(|(_, related)| &related.matches)));
    fields.extend(plan.identity.rules.iter().flat_map(crate::plan::LinkRule::fields));
    fields.extend(plan.identity.unless_different.iter().copied());
    let groupings = plan.groupings.iter().flat_map(|grouping| &grouping.rules);
    fields.extend(groupings.flat_map(crate::plan::LinkRule::fields));
    fields.extend(plan.segments.iter().flat_map(|segment| segment.channels.iter().copied()));
    fields.extend(plan.exports.iter().flat_map(|export| export.contacts.iter().copied()));
    fields
}
