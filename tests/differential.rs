//! The engine against the oracle, on random pipelines.
//!
//! `OPTIN_CASES` says how many seeds are tried (500 unless given), `OPTIN_SEED` tries one alone.
//! Where a case fails its folder stays, and the message names it and the seed.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use optin::plan::{AsOf, FieldId, Instant, OutColumn, Plan, PurposeId, Type};
use serde_json::Value as Json;

use crate::cases::csv::{Look, read};
use crate::cases::{Case, generate};
use crate::oracle::calendar::DAY;
use crate::oracle::value::Value;
use crate::oracle::{Answer, OracleProfile, RawTable, answer};

/// Seeds that are tried unless `OPTIN_CASES` says otherwise.
const CASES: u64 = 500;
/// The states of a profile for a purpose.
const STATES: [&str; 5] = ["granted", "denied", "expired", "unknown", "no_contact_point"];
/// So many failing seeds are told before the rest is only counted.
const TOLD: usize = 3;

/// What the engine made of a case: the files it wrote, and its account.
struct EngineResult {
    profiles: RawTable,
    identity: RawTable,
    quarantine: RawTable,
    segments: RawTable,
    /// By export as declared.
    exports: Vec<RawTable>,
    /// The account in the run record.
    account: Json,
}

/// Runs the engine on a case that stands in `dir`; `as_of` overrides the file's date.
///
/// The one place that knows the interface of the program.
fn run_engine(dir: &Path, file: &Path, exports: usize, as_of: Option<AsOf>) -> EngineResult {
    let options = optin::RunOptions { as_of, ..optin::RunOptions::default() };
    let record = match optin::run_file(file, &options) {
        Ok(record) => record,
        Err(failure) => panic!("the run failed: {failure}"),
    };
    let record: &optin::output::RunRecord = &record;
    let record = serde_json::to_value(record).expect("a run record is plain data");
    let table = |name: &str| read_output(&dir.join(format!("out/{name}.csv")));
    EngineResult {
        profiles: table("profiles"),
        identity: table("identity"),
        quarantine: table("quarantine"),
        segments: table("segments"),
        exports: (0..exports).map(|at| table(&format!("export_{at}"))).collect(),
        account: record["account"].clone(),
    }
}

/// The plan of a pipeline file.
pub fn load_plan(file: &Path) -> Plan {
    match optin::load_plan(file) {
        Ok(plan) => plan,
        Err(failure) => panic!("the pipeline was refused: {failure}"),
    }
}

fn read_output(path: &Path) -> RawTable {
    match std::fs::read_to_string(path) {
        Ok(text) => read(&text, &Look::default()),
        Err(error) => panic!("{} cannot be read: {error}", path.display()),
    }
}

/// Differences between what the engine says and what the oracle says.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn equal<T: PartialEq + Debug>(&mut self, what: impl Into<String>, engine: &T, oracle: &T) {
        if engine != oracle {
            let what = what.into();
            self.0.push(format!("{what}:\n    engine {engine:?}\n    oracle {oracle:?}"));
        }
    }
}

fn compare(plan: &Plan, engine: &EngineResult, oracle: &Answer) -> Differences {
    let mut found = Differences::default();
    compare_profiles(&mut found, plan, &engine.profiles, oracle);
    compare_identity(&mut found, plan, &engine.identity, oracle);
    compare_quarantine(&mut found, &engine.quarantine, oracle);
    compare_segments(&mut found, plan, &engine.segments, oracle);
    for (at, table) in engine.exports.iter().enumerate() {
        compare_export(&mut found, plan, at, table, oracle);
    }
    compare_account(&mut found, plan, &engine.account, oracle);
    found
}

fn compare_profiles(found: &mut Differences, plan: &Plan, table: &RawTable, oracle: &Answer) {
    let mut columns = vec![OutColumn::CustomerId];
    columns.extend((0..plan.fields.len()).map(|at| OutColumn::Field(FieldId(at))));
    let purposes = 0..plan.consent.purposes.len();
    columns.extend(purposes.map(|at| OutColumn::Consent(PurposeId(at))));
    let profiles: Vec<&OracleProfile> = oracle.profiles.iter().collect();
    compare_rows(found, "profiles", plan, &columns, table, &profiles);
}

fn compare_export(
    found: &mut Differences,
    plan: &Plan,
    at: usize,
    table: &RawTable,
    oracle: &Answer,
) {
    let of = |id: &String| {
        let known = oracle.profiles.iter().find(|profile| profile.customer_id == *id);
        known.expect("the oracle exports profiles")
    };
    let rows: Vec<&OracleProfile> = oracle.exports[at].iter().map(of).collect();
    compare_rows(found, &format!("export {at}"), plan, &plan.exports[at].columns, table, &rows);
}

/// Compares a table of profiles with those that should be in it, cell by cell.
fn compare_rows(
    found: &mut Differences,
    name: &str,
    plan: &Plan,
    columns: &[OutColumn],
    table: &RawTable,
    profiles: &[&OracleProfile],
) {
    let names: Vec<String> = columns.iter().map(|column| plan.column_name(*column)).collect();
    found.equal(format!("columns of {name}"), &table.columns, &names);
    found.equal(format!("rows of {name}"), &table.rows.len(), &profiles.len());
    if table.columns != names {
        return;
    }
    for (at, (row, profile)) in table.rows.iter().zip(profiles).enumerate() {
        for (column, cell) in columns.iter().zip(row) {
            let what = || {
                let column = plan.column_name(*column);
                format!("{name}, row {at} ({}), {column}", profile.customer_id)
            };
            match column {
                OutColumn::CustomerId => {
                    found.equal(what(), cell, &Some(profile.customer_id.clone()));
                }
                OutColumn::Consent(purpose) => {
                    let state = profile.consent[purpose.0].to_owned();
                    found.equal(what(), cell, &Some(state));
                }
                OutColumn::Field(field) => {
                    let wanted = &profile.values[field.0];
                    let is = typed(cell.as_deref(), plan.fields[field.0].ty, wanted.as_ref());
                    found.equal(what(), &is, wanted);
                }
            }
        }
    }
}

/// A cell as a value of the field. A text that a spreadsheet would run may have a guard before it.
fn typed(cell: Option<&str>, ty: Type, wanted: Option<&Value>) -> Option<Value> {
    let cell = cell?;
    if let (Some(unguarded), Some(Value::Text(text))) = (cell.strip_prefix('\''), wanted)
        && unguarded == text
        && text.starts_with(['=', '+', '-', '@', '\t', '\r'])
    {
        return Some(Value::Text(text.clone()));
    }
    let value = Value::parse(cell, ty, None, "UTC");
    Some(value.unwrap_or_else(|| Value::Text(format!("{cell} (no {})", ty.name()))))
}

fn compare_identity(found: &mut Differences, plan: &Plan, table: &RawTable, oracle: &Answer) {
    let names = ["source", "id", "customer_id", "rule"].map(str::to_owned).to_vec();
    found.equal("columns of identity", &table.columns, &names);
    if table.columns != names {
        return;
    }
    let rules: Vec<&String> = plan.identity.rules.iter().map(|rule| &rule.name).collect();
    let mut identity = BTreeMap::new();
    for row in &table.rows {
        let [source, id, customer, rule] = row.as_slice() else {
            panic!("identity has a row of {} cells", row.len());
        };
        let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
        let before = identity.insert((text(source), text(id)), text(customer));
        if before.is_some_and(|before| before != text(customer)) {
            found.0.push(format!("identity gives {} {} to two customers", text(source), text(id)));
        }
        // Which of several rules is named is the engine's choice, but it must be one that links.
        if let Some(rule) = rule
            && rules.contains(&rule)
            && !oracle.links.get(&(text(source), text(id))).is_some_and(|of| of.contains(rule))
        {
            found.0.push(format!("identity says that {rule} links {} {}", text(source), text(id)));
        }
    }
    found.equal("identity", &identity, &oracle.identity);
}

fn compare_quarantine(found: &mut Differences, table: &RawTable, oracle: &Answer) {
    let place = |name: &str| table.columns.iter().position(|column| column == name);
    let (Some(source), Some(reason)) = (place("source"), place("reason")) else {
        found.0.push(format!("quarantine has the columns {:?}", table.columns));
        return;
    };
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    for row in &table.rows {
        let text = |at: usize| row[at].clone().unwrap_or_default();
        *counts.entry((text(source), text(reason))).or_default() += 1;
    }
    let wanted: BTreeMap<(String, String), u64> = oracle
        .quarantine
        .iter()
        .map(|((source, reason), count)| ((source.clone(), (*reason).to_owned()), *count))
        .collect();
    found.equal("quarantine", &counts, &wanted);
}

fn compare_segments(found: &mut Differences, plan: &Plan, table: &RawTable, oracle: &Answer) {
    let mut names = vec!["customer_id".to_owned()];
    names.extend(plan.segments.iter().map(|segment| segment.name.clone()));
    found.equal("columns of segments", &table.columns, &names);
    found.equal("rows of segments", &table.rows.len(), &oracle.profiles.len());
    if table.columns != names {
        return;
    }
    for (at, (row, profile)) in table.rows.iter().zip(&oracle.profiles).enumerate() {
        let id = &profile.customer_id;
        found.equal(format!("segments, row {at}"), &row[0], &Some(id.clone()));
        for (cell, (name, verdicts)) in row[1..].iter().zip(&oracle.verdict_rows) {
            let wanted = Some(verdicts[at].to_owned());
            found.equal(format!("verdict of {name} on row {at} ({id})"), cell, &wanted);
        }
    }
}

/// Compares the figures of the run record. What it says beyond the oracle's figures is left alone.
fn compare_account(found: &mut Differences, plan: &Plan, account: &Json, oracle: &Answer) {
    let number = |count: usize| u64::try_from(count).expect("a small number");
    let mut section = |name: &str, wanted: &[BTreeMap<&'static str, u64>]| {
        let given = account[name].as_array().map_or(0, Vec::len);
        found.equal(format!("accounts of {name}"), &given, &wanted.len());
        for (at, wanted) in wanted.iter().enumerate() {
            let given: BTreeMap<&'static str, u64> = wanted
                .keys()
                .filter_map(|key| {
                    let key_there = match *key {
                        "no id" => "quarantined_no_id",
                        "duplicate id" => "quarantined_duplicate_id",
                        other => other,
                    };
                    account[name][at][key_there].as_u64().map(|count| (*key, count))
                })
                .collect();
            found.equal(format!("account {at} of {name}"), &given, wanted);
        }
    };
    section("customers", &oracle.customer_accounts);
    section("consent", &oracle.consent_accounts);
    section("suppression", &oracle.suppress_accounts);
    let verdicts: Vec<_> = oracle.verdicts.iter().map(|(_, counts)| counts.clone()).collect();
    section("segments", &verdicts);
    let exports: Vec<_> = plan
        .exports
        .iter()
        .zip(&oracle.exports)
        .map(|(export, leaves)| {
            let inside = oracle.members[export.segment.0].1.len();
            let shared = inside - leaves.len();
            let figures = [
                ("in_segment", inside),
                ("written", leaves.len()),
                ("shared_contact_point", shared),
            ];
            figures.map(|(name, count)| (name, number(count))).into()
        })
        .collect();
    if !plan.as_of.is_some_and(|as_of| as_of.replay) {
        section("exports", &exports);
    }
    let states: Vec<_> = (0..plan.consent.purposes.len())
        .map(|purpose| {
            STATES
                .map(|state| {
                    let has = |profile: &&OracleProfile| profile.consent[purpose] == state;
                    (state, number(oracle.profiles.iter().filter(has).count()))
                })
                .into()
        })
        .collect();
    section("purposes", &states);

    let all = account["profiles"].as_u64();
    found.equal("profiles counted", &all, &Some(number(oracle.profiles.len())));
    let sum = |name: &str| -> u64 {
        let tables = account["consent"].as_array().into_iter().flatten();
        tables.filter_map(|table| table[name].as_u64()).sum()
    };
    found.equal("unmatchable denials", &sum("unmatchable_denials"), &oracle.unmatchable_denials);
    let withdrawn = sum("withdrawn_after_as_of");
    found.equal("withdrawn after as_of", &withdrawn, &oracle.withdrawn_after_as_of);
}

/// The bytes of everything that a case wrote for others to read.
fn written(dir: &Path, exports: usize) -> Vec<(String, Vec<u8>)> {
    let mut names: Vec<String> =
        ["profiles", "identity", "quarantine", "segments"].map(str::to_owned).to_vec();
    names.extend((0..exports).map(|at| format!("export_{at}")));
    names
        .into_iter()
        .map(|name| {
            let bytes = std::fs::read(dir.join(format!("out/{name}.csv")));
            (name, bytes.expect("the run wrote it"))
        })
        .collect()
}

/// Writes a case into a folder of its own and does something with it. Who finds a fault keeps the
/// folder; where `body` panics it stays by itself.
fn in_folder<T>(case: &Case, body: impl FnOnce(&Path, &Path) -> T) -> (T, tempfile::TempDir) {
    let folder = tempfile::Builder::new().prefix("optin-case-").tempdir();
    let folder = folder.expect("a folder can be made");
    let file = case.write(folder.path());
    let outcome = catch_unwind(AssertUnwindSafe(|| body(folder.path(), &file)));
    match outcome {
        Ok(result) => (result, folder),
        Err(panic) => {
            let path = folder.keep();
            eprintln!("the case that panicked is kept in {}", path.display());
            resume_unwind(panic);
        }
    }
}

/// Tries all seeds; `check` gives the faults it finds.
fn try_seeds(check: impl Fn(u64) -> Result<(), (Vec<String>, Vec<tempfile::TempDir>)>) {
    let number = |name: &str| {
        std::env::var(name).ok().map(|text| match text.parse::<u64>() {
            Ok(number) => number,
            Err(error) => panic!("{name}={text}: {error}"),
        })
    };
    let seeds: Vec<u64> = match number("OPTIN_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("OPTIN_CASES").unwrap_or(CASES)).collect(),
    };
    let mut failed: Vec<u64> = Vec::new();
    let mut told = Vec::new();
    for seed in &seeds {
        // A panic is a fault of its seed like any other; the next seeds are tried all the same.
        let outcome = catch_unwind(AssertUnwindSafe(|| check(*seed)));
        let (faults, folders) = match outcome {
            Ok(Ok(())) => continue,
            Ok(Err(faults)) => faults,
            Err(_) => (vec!["it panicked, see above".to_owned()], Vec::new()),
        };
        failed.push(*seed);
        if told.len() < TOLD {
            let kept: Vec<PathBuf> = folders.into_iter().map(tempfile::TempDir::keep).collect();
            let shown: Vec<&str> = faults.iter().take(8).map(String::as_str).collect();
            let more = faults.len().saturating_sub(shown.len());
            let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
            told.push(format!("seed {seed}, kept in {kept:?}\n  {}{more}", shown.join("\n  ")));
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} seeds failed: {failed:?}\n(run one with OPTIN_SEED)\n\n{}",
        failed.len(),
        seeds.len(),
        told.join("\n\n")
    );
}

#[test]
fn the_engine_agrees_with_the_oracle() {
    try_seeds(|seed| {
        let case = generate(seed);
        let (found, folder) = in_folder(&case, |dir, file| {
            let plan = load_plan(file);
            let oracle = answer(&plan, &case.tables, case.as_of);
            let engine = run_engine(dir, file, case.exports, None);
            let mut found = compare(&plan, &engine, &oracle);
            let as_of = plan.as_of.map(|as_of| (as_of.at, as_of.replay));
            found.equal("the date of the run", &as_of, &Some((case.as_of, false)));
            found.0
        });
        if found.is_empty() { Ok(()) } else { Err((found, vec![folder])) }
    });
}

/// As of an earlier date, as the world was then: later denials are hidden too, and nothing is
/// exported.
#[test]
fn the_engine_agrees_in_a_replay() {
    try_seeds(|seed| {
        let case = generate(seed);
        let days = i64::try_from(seed % 5).expect("a small number") * 100;
        let at = Instant(case.as_of.0 - days * DAY);
        let as_of = AsOf { at, replay: true };
        let (found, folder) = in_folder(&case, |dir, file| {
            let mut plan = load_plan(file);
            plan.as_of = Some(as_of);
            let oracle = answer(&plan, &case.tables, at);
            let engine = run_engine(dir, file, 0, Some(as_of));
            let mut found = compare(&plan, &engine, &oracle);
            for export in &plan.exports {
                found.equal("an export is written", &export.target.path.exists(), &false);
            }
            found.0
        });
        if found.is_empty() { Ok(()) } else { Err((found, vec![folder])) }
    });
}

/// The cases are worth little if they all come to the same end. Everything that can happen to a
/// profile, a decision or a row must happen in a good share of them.
#[test]
fn the_cases_reach_every_end() {
    const SEEDS: u64 = 300;
    const ENOUGH: u64 = 15;
    let mut seeds: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 0..SEEDS {
        let case = generate(seed);
        let ((plan, oracle), _) = in_folder(&case, |_, file| {
            let plan = load_plan(file);
            let oracle = answer(&plan, &case.tables, case.as_of);
            (plan, oracle)
        });
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let mut add = |what: String, count: u64| *counts.entry(what).or_default() += count;
        let accounts = [
            ("customers", &oracle.customer_accounts),
            ("consent", &oracle.consent_accounts),
            ("suppression", &oracle.suppress_accounts),
        ];
        for (kind, accounts) in accounts {
            for (name, count) in accounts.iter().flatten() {
                add(format!("{kind}: {name}"), *count);
            }
        }
        for (verdict, count) in oracle.verdicts.iter().flat_map(|(_, counts)| counts) {
            add(format!("verdict: {verdict}"), *count);
        }
        for state in STATES {
            let has = |profile: &&OracleProfile| profile.consent.contains(&state);
            let count = oracle.profiles.iter().filter(has).count();
            add(format!("state: {state}"), count.try_into().expect("few profiles"));
        }
        for (export, leaves) in plan.exports.iter().zip(&oracle.exports) {
            let inside = oracle.members[export.segment.0].1.len();
            let shared = inside - leaves.len();
            add("export: written".to_owned(), leaves.len().try_into().expect("few"));
            add("export: shared".to_owned(), shared.try_into().expect("few"));
        }
        add("withdrawn after as_of".to_owned(), oracle.withdrawn_after_as_of);
        add("unmatchable denials".to_owned(), oracle.unmatchable_denials);
        for (what, count) in counts {
            *seeds.entry(what).or_default() += u64::from(count > 0);
        }
    }
    let rare: Vec<_> = seeds.iter().filter(|(_, seeds)| **seeds < ENOUGH).collect();
    assert!(rare.is_empty(), "of {SEEDS} seeds too few reach {rare:?}");
}

/// Runs a case and gives the bytes it wrote.
fn run_for_bytes(case: &Case) -> (Vec<(String, Vec<u8>)>, tempfile::TempDir) {
    in_folder(case, |dir, file| {
        run_engine(dir, file, case.exports, None);
        written(dir, case.exports)
    })
}

fn unequal_files(one: &[(String, Vec<u8>)], two: &[(String, Vec<u8>)]) -> Vec<String> {
    let pairs = one.iter().zip(two).filter(|(one, two)| one != two);
    pairs.map(|((name, _), _)| format!("{name}.csv differs")).collect()
}

#[test]
fn the_order_of_rows_changes_no_byte() {
    try_seeds(|seed| {
        let case = generate(seed);
        let (one, folder) = run_for_bytes(&case);
        let (two, other) = run_for_bytes(&case.shuffle(seed + 1));
        let faults = unequal_files(&one, &two);
        if faults.is_empty() { Ok(()) } else { Err((faults, vec![folder, other])) }
    });
}

#[test]
fn a_second_run_writes_the_same_bytes() {
    try_seeds(|seed| {
        let case = generate(seed);
        let (faults, folder) = in_folder(&case, |dir, file| {
            let run = || {
                run_engine(dir, file, case.exports, None);
                written(dir, case.exports)
            };
            let (one, two) = (run(), run());
            unequal_files(&one, &two)
        });
        if faults.is_empty() { Ok(()) } else { Err((faults, vec![folder])) }
    });
}

#[test]
fn a_stranger_changes_nobody_elses_profile() {
    try_seeds(|seed| {
        let case = generate(seed);
        let (more, stranger) = case.with_a_stranger();
        let run = |case: &Case| {
            in_folder(case, |dir, file| {
                let engine = run_engine(dir, file, case.exports, None);
                (engine.profiles, engine.segments, engine.identity, engine.exports)
            })
        };
        let ((profiles, segments, identity, exports), folder) = run(&case);
        let ((more_profiles, more_segments, more_identity, more_exports), other) = run(&more);
        let place =
            |table: &RawTable, name: &str| table.columns.iter().position(|column| column == name);
        // Who the stranger is, by the identity table of the run that has them.
        let (id, customer) = (place(&more_identity, "id"), place(&more_identity, "customer_id"));
        let customer_id = more_identity.rows.iter().find_map(|row| {
            let is_stranger = row[id?].as_deref() == Some(stranger.as_str());
            is_stranger.then(|| row[customer?].clone())?
        });
        let mut faults = Differences::default();
        if customer_id.is_none() {
            faults.0.push(format!("{stranger} of {} has no profile", case.first_source()));
        }
        let without = |table: &RawTable| {
            let at = place(table, "customer_id");
            let rows = table.rows.iter();
            let rows = rows.filter(|row| at.is_none_or(|at| row[at] != customer_id));
            rows.cloned().collect::<Vec<_>>()
        };
        faults.equal("profiles", &without(&more_profiles), &profiles.rows);
        faults.equal("segments", &without(&more_segments), &segments.rows);
        faults.equal("identity", &without(&more_identity), &identity.rows);
        for (at, (more, export)) in more_exports.iter().zip(&exports).enumerate() {
            faults.equal(format!("export {at}"), &without(more), &export.rows);
        }
        if faults.0.is_empty() { Ok(()) } else { Err((faults.0, vec![folder, other])) }
    });
}
