//! On random pipelines: each statement about a customer against what a run wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use optin::inspect::why::{LinkLine, Person, Why};
use optin::plan::{OutColumn, Plan, PurposeId, Type};
use optin::{RunOptions, why_file};

use crate::cases::rng::Rng;
use crate::cases::{Case, generate};
use crate::harness::{Differences, EngineResult, in_folder, load_plan, run_engine, try_seeds};
use crate::oracle::RawTable;
use crate::oracle::value::Value;

/// Seeds that are tried unless `OPTIN_CASES` says otherwise.
const CASES: u64 = 100;
/// So many customers of each are asked for.
const CUSTOMERS: usize = 4;

pub fn ask(file: &Path, customer: &str) -> Why {
    match why_file(file, &RunOptions::default(), customer, None) {
        Ok(why) => why,
        Err(failure) => panic!("{failure}"),
    }
}

#[test]
fn what_is_told_is_what_a_run_writes() {
    try_seeds(CASES, |seed| {
        let case = generate(seed);
        let (found, folder) = in_folder(&case, |dir, file| {
            let run = run_engine(dir, file, case.exports, None);
            let plan = load_plan(file);
            let mut found = Differences::default();
            let ids = column(&run.profiles, "customer_id");
            let mut rng = Rng::new(seed);
            for _ in 0..CUSTOMERS.min(ids.len()) {
                let row = rng.below(ids.len());
                let id = ids[row].clone().expect("every profile has an id");
                let why = ask(file, &format!("customer_id={id}"));
                let mut told = Telling { case: &case, plan: &plan, run: &run, found: &mut found };
                match &why.customer {
                    Some(person) if why.found == 1 => told.check(&id, row, person),
                    _ => told.note(&id, "found", &why.found, &1),
                }
            }
            for _ in 0..CUSTOMERS {
                if let Some((source, id)) = a_record(&case, &plan, &mut rng) {
                    let why = ask(file, &format!("{source}.id={id}"));
                    let told = Telling { case: &case, plan: &plan, run: &run, found: &mut found };
                    told.check_record(&source, &id, &why);
                }
            }
            found.0
        });
        if found.is_empty() { Ok(()) } else { Err((found, vec![folder])) }
    });
}

/// Table and id of a record.
fn a_record(case: &Case, plan: &Plan, rng: &mut Rng) -> Option<(String, String)> {
    let table = rng.one_of(&plan.tables);
    let source = &plan.sources[table.source.0].name;
    let ids = column(&case.tables[source], &table.id);
    let id = if ids.is_empty() { None } else { rng.one_of(&ids).clone() };
    Some((source.clone(), id.filter(|id| !id.trim().is_empty())?))
}

/// The cells of a column.
fn column(table: &RawTable, name: &str) -> Vec<Option<String>> {
    let at = table.columns.iter().position(|known| known == name);
    let at = at.unwrap_or_else(|| panic!("no column {name} in {:?}", table.columns));
    table.rows.iter().map(|row| row[at].clone()).collect()
}

/// What is told of a customer, and what a run wrote.
struct Telling<'a> {
    case: &'a Case,
    plan: &'a Plan,
    run: &'a EngineResult,
    found: &'a mut Differences,
}

impl Telling<'_> {
    fn note<T: PartialEq + std::fmt::Debug>(&mut self, id: &str, what: &str, why: &T, run: &T) {
        // Here the first is what is told, the second what was written.
        self.found.equal(format!("{id}, {what}"), why, run);
    }

    fn check(&mut self, id: &str, row: usize, person: &Person) {
        self.note(id, "customer_id", &person.customer_id.as_deref(), &Some(id));
        self.note(id, "fate", &person.fate, &"profile");
        self.fields(id, row, person);
        self.states(id, row, person);
        self.segments(id, row, person);
        self.records(id, person);
        self.provenance(id, person);
        self.links(id, person);
        self.rows(id, person);
    }

    /// Who is found by a record is the customer that it belongs to, or what became of it.
    fn check_record(self, source: &str, id: &str, why: &Why) {
        let is_it = |(of_source, of_id): (&Option<String>, &Option<String>)| {
            (of_source.as_deref(), of_id.as_deref()) == (Some(source), Some(id))
        };
        let row = |table: &RawTable| {
            let (sources, ids) = (column(table, "source"), column(table, "id"));
            sources.iter().zip(&ids).position(is_it)
        };
        let told = why.customer.as_ref().map(|person| (person.fate, person.customer_id.clone()));
        let aside = column(&self.run.quarantine, "reason");
        let is_shadow = |person: &Person| {
            let mut shadows = person.records.iter().filter(|of| of.link.by == "shadow");
            shadows.any(|of| (of.place.source.as_str(), of.id.as_deref()) == (source, Some(id)))
        };
        let written = match (row(&self.run.identity), row(&self.run.quarantine)) {
            (Some(row), _) => {
                Some(("profile", column(&self.run.identity, "customer_id")[row].clone()))
            }
            (None, Some(row)) if aside[row].as_deref() == Some("cluster too large") => {
                Some(("cluster_too_large", None))
            }
            // Dropped: by itself, or with those who have it as a shadow.
            _ if why.found > 1 || why.customer.as_ref().is_some_and(is_shadow) => told.clone(),
            _ => Some(("dropped", None)),
        };
        self.found.equal(format!("who {source}.id={id} is"), &told, &written);
    }

    /// The fields, groups and earlier ids that the profiles table shows.
    fn fields(&mut self, id: &str, row: usize, person: &Person) {
        for (at, field) in self.plan.fields.iter().enumerate() {
            let out = OutColumn::Field(optin::plan::FieldId(at));
            let cell = column(&self.run.profiles, &self.plan.column_name(out))[row].clone();
            let told = &person.fields[at];
            let written = cell.map(|cell| unguarded(&cell, told.value.as_deref()));
            let value = |text: &Option<String>| {
                text.as_ref().map(|text| match field.ty {
                    Type::Text => Some(Value::Text(text.clone())),
                    ty => Value::parse(text, ty, None, "UTC"),
                })
            };
            self.note(id, &field.name, &value(&told.value), &value(&written));
        }
        for (at, group) in person.groupings.iter().enumerate() {
            let out = OutColumn::Grouping(optin::plan::GroupingId(at));
            let ids = column(&self.run.profiles, &self.plan.column_name(out));
            self.note(id, &group.grouping, &Some(group.id.clone()), &ids[row]);
            let size = ids.iter().filter(|of| **of == ids[row]).count();
            self.note(id, "size of the group", &group.customers, &size);
        }
        if self.plan.identity.previous.is_some() {
            let name = self.plan.column_name(OutColumn::PreviousIds);
            let written = column(&self.run.profiles, &name)[row].clone().unwrap_or_default();
            self.note(id, "earlier ids", &person.previous_customer_ids.join(" "), &written);
            let since: BTreeSet<Option<String>> = column(&self.run.identity, "customer_id")
                .iter()
                .zip(column(&self.run.identity, "since"))
                .filter(|(of, _)| of.as_deref() == Some(id))
                .map(|(_, since)| since)
                .collect();
            self.note(id, "since", &BTreeSet::from([person.since.clone()]), &since);
        }
    }

    /// The states, and that the decisions that are shown come to them (docs/semantics.md, section 8).
    fn states(&mut self, id: &str, row: usize, person: &Person) {
        for (at, line) in person.purposes.iter().enumerate() {
            let purpose = &self.plan.consent.purposes[at];
            let out = self.plan.column_name(OutColumn::Consent(PurposeId(at)));
            let written = column(&self.run.profiles, &out)[row].clone();
            self.note(id, &purpose.name, &line.state.map(str::to_owned), &written);
            let comes_to = |wanted: &str, counts: &[&str]| {
                let mut contacts = line.contacts.iter();
                contacts.any(|of| of.comes_to == wanted && counts.contains(&of.counts))
            };
            let shows = person.fields[purpose.via.0].value.is_some();
            let (granted, expired) = (comes_to("granted", &["all"]), comes_to("expired", &["all"]));
            let state = if line.denied_through_others || comes_to("denied", &["all", "denials"]) {
                "denied"
            } else if !shows {
                if expired && !granted { "expired" } else { "no_contact_point" }
            } else if granted {
                "granted"
            } else if expired {
                "expired"
            } else {
                "unknown"
            };
            self.note(id, &format!("{}, from decisions", purpose.name), &line.state, &Some(state));
        }
    }

    fn segments(&mut self, id: &str, row: usize, person: &Person) {
        for (segment, line) in self.plan.segments.iter().zip(&person.segments) {
            let written = column(&self.run.segments, &segment.name)[row].clone();
            self.note(id, &segment.name, &Some(line.verdict.to_owned()), &written);
            let is_in = line.verdict == "in_segment";
            let what = format!("{}, near miss", segment.name);
            self.note(id, &what, &line.would_be_in_if.is_empty(), &is_in);
            let all = |value: &str| line.conditions.iter().all(|of| of.value == value);
            if line.rule == Some("true") {
                self.note(id, "conditions of a true rule", &all("true"), &true);
            }
            match line.verdict {
                "rule_false" => self.note(id, "rule", &line.rule, &Some("false")),
                "rule_unknown" => self.note(id, "rule", &line.rule, &Some("unknown")),
                "in_segment" if segment.rule.is_some() => {
                    self.note(id, "rule", &line.rule, &Some("true"));
                }
                _ => {}
            }
        }
        for (at, export) in self.plan.exports.iter().enumerate() {
            let name = &self.plan.segments[export.segment.0].name;
            let line = person.segments.iter().find(|line| line.segment == *name);
            let mut exports = line.expect("every segment is told").exports.iter();
            let told = exports.find(|of| of.file == export.target.path).map(|of| of.leaves);
            let ids = column(&self.run.exports[at], "customer_id");
            let written = ids.iter().any(|of| of.as_deref() == Some(id));
            self.note(id, &format!("leaves through export {at}"), &told, &Some(written));
        }
    }

    /// The records are those of the identity table.
    fn records(&mut self, id: &str, person: &Person) {
        let table = &self.run.identity;
        let rows = column(table, "source").into_iter().zip(column(table, "id"));
        let written: BTreeSet<(String, String)> = rows
            .zip(column(table, "customer_id"))
            .filter(|(_, of)| of.as_deref() == Some(id))
            .map(|((source, id), _)| (source.expect("a source"), id.expect("an id")))
            .collect();
        let own = person.records.iter().filter(|of| of.link.by != "shadow");
        let told: BTreeSet<(String, String)> = own
            .clone()
            .filter(|of| !of.duplicate_id)
            .map(|of| (of.place.source.clone(), of.id.clone().expect("a member has an id")))
            .collect();
        self.note(id, "records", &told, &written);
        self.note(id, "number of records", &own.count(), &person.records_in_all);
    }

    /// Each value is from the record that the provenance table names.
    fn provenance(&mut self, id: &str, person: &Person) {
        let table = &self.run.provenance;
        let of_person = table.rows.iter().filter(|row| row[0].as_deref() == Some(id));
        let written: BTreeMap<&str, (Option<&str>, Option<&str>)> = of_person
            .map(|row| {
                let [_, field, source, id] = row.as_slice() else { panic!("four columns") };
                (field.as_deref().expect("a field"), (source.as_deref(), id.as_deref()))
            })
            .collect();
        let from = |field: &optin::inspect::why::FieldLine| {
            let place = field.from.clone()?;
            let record = person.records.iter().find(|record| record.place == place);
            Some((place.source, record.and_then(|record| record.id.clone())))
        };
        for field in &person.fields {
            let told = from(field);
            let told = told.as_ref().map(|(source, id)| (Some(source.as_str()), id.as_deref()));
            let name = field.field.as_str();
            self.note(id, &format!("{name} from"), &told, &written.get(name).copied());
        }
    }

    /// The chain holds all records together, and has for each record its strongest link, which the
    /// identity table names.
    fn links(&mut self, id: &str, person: &Person) {
        // What was left out may have linked records before.
        if person.records.iter().any(|of| of.link.by == "shadow" && of.id.is_some()) {
            return;
        }
        let strength = |link: &LinkLine| match link.by {
            "always" => Some(0),
            "rule" => {
                let mut rules = self.plan.identity.rules.iter();
                rules.position(|rule| Some(&rule.name) == link.rule.as_ref()).map(|at| at + 1)
            }
            "same_id" => Some(usize::MAX),
            _ => None,
        };
        let members: Vec<_> = person.records.iter().filter(|of| of.link.by != "shadow").collect();
        let firsts = members.iter().filter(|of| of.link.by == "first").count();
        self.note(id, "records that others are linked to", &firsts, &1);
        let linked = members.iter().filter(|of| strength(&of.link).is_some()).count();
        self.note(id, "linked records", &(linked + 1), &members.len());
        let names = |strength: Option<usize>| {
            strength.map(|strength| match strength {
                0 => "always".to_owned(),
                usize::MAX => "same id".to_owned(),
                rule => self.plan.identity.rules[rule - 1].name.clone(),
            })
        };
        let table = &self.run.identity;
        let written: BTreeMap<(Option<String>, Option<String>), Option<String>> =
            column(table, "source")
                .into_iter()
                .zip(column(table, "id"))
                .zip(column(table, "rule"))
                .collect();
        let mut notes = Vec::new();
        for member in members.iter().filter(|of| !of.duplicate_id) {
            let to = members.iter().filter(|of| of.link.with.as_ref() == Some(&member.place));
            let strongest =
                to.filter_map(|of| strength(&of.link)).chain(strength(&member.link)).min();
            let key = (Some(member.place.source.clone()), member.id.clone());
            let rule = written.get(&key).cloned().flatten();
            notes.push((member.place.to_string(), names(strongest), rule));
        }
        for (place, told, written) in notes {
            self.note(id, &format!("strongest link of {place}"), &told, &written);
        }
    }

    /// Each record stands in the row that is told, with its id and values.
    fn rows(&mut self, id: &str, person: &Person) {
        for record in &person.records {
            let raw = &self.case.tables[&record.place.source];
            let row = usize::try_from(record.place.row).expect("a small file") - 1;
            let is_it = |table: &&optin::plan::Table| {
                self.plan.sources[table.source.0].name == record.place.source
            };
            let table = self.plan.tables.iter().find(is_it).expect("a customer table");
            let cell = |name: &str| column(raw, name)[row].clone();
            let own = cell(&table.id).filter(|id| !id.trim().is_empty());
            self.note(id, &format!("id in {}", record.place), &record.id, &own);
            for (field, mapped) in &table.mapping {
                let declared = &self.plan.fields[field.0];
                if declared.ty != Type::Text {
                    continue;
                }
                let told = record.values.iter().find(|of| of.field == declared.name);
                let told = told.map(|of| of.value.clone());
                let what = format!("{} in {}", declared.name, record.place);
                self.note(id, &what, &told, &cell(mapped));
            }
        }
    }
}

/// A cell without the guard before what a spreadsheet would run.
fn unguarded(cell: &str, value: Option<&str>) -> String {
    match cell.strip_prefix('\'') {
        Some(rest) if Some(rest) == value => rest.to_owned(),
        _ => cell.to_owned(),
    }
}
