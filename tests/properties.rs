//! What must change nothing, on random pipelines and without the oracle: the order of rows, a
//! second run, strangers, other names of sources, rows that stand twice, more threads.
//!
//! `OPTIN_CASES` and `OPTIN_SEED` say which seeds are tried, as in `differential`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value as Json;

use crate::cases::{Case, RENAMED, STRANGER, generate};
use crate::harness::{
    Differences, EngineResult, in_folder, run_engine, try_seeds, unequal_files, written,
};
use crate::oracle::RawTable;
use crate::support;

/// Seeds that each property is tried on unless `OPTIN_CASES` says otherwise.
const CASES: u64 = 60;
/// Shuffling is the property that most faults break first, so it is tried more often.
const SHUFFLED: u64 = 300;
/// Of so many seeds one is run as a program of its own, once for each number of threads.
const ONE_IN: u64 = 6;

fn run(case: &Case) -> (EngineResult, tempfile::TempDir) {
    in_folder(case, |dir, file| run_engine(dir, file, case.exports, None))
}

/// Runs a case and gives the bytes it wrote.
fn run_for_bytes(case: &Case) -> (Vec<(String, Vec<u8>)>, tempfile::TempDir) {
    in_folder(case, |dir, file| {
        run_engine(dir, file, case.exports, None);
        written(dir, case.exports)
    })
}

fn place(table: &RawTable, column: &str) -> usize {
    let at = table.columns.iter().position(|name| name == column);
    at.unwrap_or_else(|| panic!("no column {column} in {:?}", table.columns))
}

/// The rows of a table cut down to some columns.
fn cut(table: &RawTable, columns: &[&str]) -> Vec<Vec<Option<String>>> {
    let places: Vec<usize> = columns.iter().map(|column| place(table, column)).collect();
    table.rows.iter().map(|row| places.iter().map(|at| row[*at].clone()).collect()).collect()
}

/// All that is about customers must be equal, apart from what `seen` leaves out of a table.
fn equal_customers(
    faults: &mut Differences,
    one: &EngineResult,
    two: &EngineResult,
    seen: impl Fn(&RawTable) -> Vec<Vec<Option<String>>>,
) {
    faults.equal("profiles", &seen(&two.profiles), &seen(&one.profiles));
    faults.equal("segments", &seen(&two.segments), &seen(&one.segments));
    for (at, (two, one)) in two.exports.iter().zip(&one.exports).enumerate() {
        faults.equal(format!("export {at}"), &seen(two), &seen(one));
    }
}

#[test]
fn the_order_of_rows_changes_no_byte() {
    try_seeds(SHUFFLED, |seed| {
        let case = generate(seed);
        let (one, folder) = run_for_bytes(&case);
        let (two, other) = run_for_bytes(&case.shuffle(seed + 1));
        let faults = unequal_files(&one, &two);
        if faults.is_empty() { Ok(()) } else { Err((faults, vec![folder, other])) }
    });
}

#[test]
fn a_second_run_writes_the_same_bytes() {
    try_seeds(CASES, |seed| {
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

/// Records that have nothing in common with anybody, in every customer table.
#[test]
fn strangers_change_nobody_elses_profile() {
    try_seeds(CASES, |seed| {
        let case = generate(seed).without_limits();
        let (one, folder) = run(&case);
        let (two, other) = run(&case.with_strangers());
        let mut faults = Differences::default();
        // Who the strangers are, by the identity table of the run that has them.
        let rows = cut(&two.identity, &["id", "customer_id"]);
        let is_stranger =
            |row: &&Vec<Option<String>>| row[0].as_ref().is_some_and(|id| id.starts_with(STRANGER));
        let strangers: BTreeSet<Option<String>> =
            rows.iter().filter(is_stranger).map(|row| row[1].clone()).collect();
        if strangers.is_empty() {
            faults.0.push("no stranger is a customer".to_owned());
        }
        let without = |table: &RawTable| {
            let customer = place(table, "customer_id");
            let rows = table.rows.iter().filter(|row| !strangers.contains(&row[customer]));
            rows.cloned().collect::<Vec<_>>()
        };
        equal_customers(&mut faults, &one, &two, without);
        faults.equal("identity", &without(&two.identity), &one.identity.rows);
        faults.equal("provenance", &without(&two.provenance), &one.provenance.rows);
        if faults.0.is_empty() { Ok(()) } else { Err((faults.0, vec![folder, other])) }
    });
}

#[test]
fn sources_with_other_names_and_their_old_namespaces_give_the_same_customers() {
    try_seeds(CASES, |seed| {
        let case = generate(seed);
        let (one, folder) = run(&case);
        let (two, other) = run(&case.renamed());
        let mut faults = Differences::default();
        equal_customers(&mut faults, &one, &two, |table| table.rows.clone());
        // The names of sources stand in these two, and in the names of rules that have `only`.
        let as_before = |table: &RawTable| {
            let mut rows = table.rows.clone();
            for column in ["source", "rule"] {
                let Some(at) = table.columns.iter().position(|name| name == column) else {
                    continue;
                };
                for row in &mut rows {
                    row[at] = row[at].as_ref().map(|cell| cell.replace(RENAMED, ""));
                }
            }
            rows
        };
        faults.equal("identity", &as_before(&two.identity), &one.identity.rows);
        faults.equal("provenance", &as_before(&two.provenance), &one.provenance.rows);
        if faults.0.is_empty() { Ok(()) } else { Err((faults.0, vec![folder, other])) }
    });
}

/// A row that stands twice links to itself, so that the rule by which it is linked may change.
#[test]
fn rows_that_stand_twice_give_the_same_customers() {
    try_seeds(CASES, |seed| {
        let case = generate(seed);
        let (one, folder) = run(&case);
        let (two, other) = run(&case.with_rows_twice(seed + 2));
        let mut faults = Differences::default();
        equal_customers(&mut faults, &one, &two, |table| table.rows.clone());
        let columns = ["source", "namespace", "id", "customer_id"];
        let records = |table: &RawTable| cut(table, &columns);
        faults.equal("identity", &records(&two.identity), &records(&one.identity));
        faults.equal("provenance", &two.provenance.rows, &one.provenance.rows);
        if faults.0.is_empty() { Ok(()) } else { Err((faults.0, vec![folder, other])) }
    });
}

/// The pools of threads are fixed for as long as a process lives, so each number of them has a
/// process of its own.
#[test]
fn the_number_of_threads_changes_no_byte() {
    try_seeds(CASES, |seed| {
        // Of all seeds a share; a seed that was asked for by its number is always tried.
        if seed % ONE_IN != 0 && std::env::var_os("OPTIN_SEED").is_none() {
            return Ok(());
        }
        let (faults, folder) = in_folder(&generate(seed), |dir, file| {
            let (one, eight) = (run_with_threads(dir, file, 1), run_with_threads(dir, file, 8));
            let mut faults = unequal_files(&one.0, &eight.0);
            let mut accounts = Differences::default();
            accounts.equal("the account", &eight.1, &one.1);
            faults.extend(accounts.0);
            faults
        });
        if faults.is_empty() { Ok(()) } else { Err((faults, vec![folder])) }
    });
}

/// Runs the program itself; gives all files it wrote but the run record, and the account in that.
fn run_with_threads(dir: &Path, file: &Path, threads: usize) -> (Vec<(String, Vec<u8>)>, Json) {
    let out = format!("threads_{threads}");
    let mut command = support::command(dir);
    command.arg("run").arg(file).args(["--quiet", "--out", &out]);
    for pool in ["RAYON_NUM_THREADS", "POLARS_MAX_THREADS"] {
        command.env(pool, threads.to_string());
    }
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = dir.join(out);
    let bytes = |name: &str| std::fs::read(folder.join(name)).expect("the run wrote it");
    let record: Json = serde_json::from_slice(&bytes("run.json")).expect("a record is JSON");
    // These two hold times.
    let is_other = |name: &String| !["run.json", "report.html"].contains(&name.as_str());
    let names = support::files(&folder).into_iter().filter(is_other);
    let files = names.map(|name| (name.clone(), bytes(&name))).collect();
    (files, record["account"].clone())
}

/// What nobody asks for is not read: who leaves, and the account, must not depend on it.
#[test]
fn tables_that_nobody_asks_for_change_no_export() {
    try_seeds(SHUFFLED, |seed| {
        let case = generate(seed);
        let (faults, folder) = in_folder(&case, |dir, file| {
            let run = |file: &Path| {
                let record = optin::run_file(file, &optin::RunOptions::default());
                let record = record.unwrap_or_else(|failure| panic!("the run failed: {failure}"));
                let account = serde_json::to_value(&record.account).expect("plain data");
                let exports = (0..case.exports).map(|at| format!("export_{at}.csv"));
                let bytes: Vec<Vec<u8>> = exports
                    .map(|name| std::fs::read(dir.join("out").join(name)).expect("an export"))
                    .collect();
                (account, bytes)
            };
            let whole = run(file);
            let text = std::fs::read_to_string(file).expect("the pipeline");
            let lines = text.lines().filter(|line| {
                let name = line.trim_start().split(':').next().unwrap_or_default();
                !["profiles", "quarantine", "provenance"].contains(&name)
            });
            let narrow = file.with_file_name("narrow.yaml");
            let lines: Vec<&str> = lines.collect();
            std::fs::write(&narrow, lines.join("\n")).expect("a file can be written");
            let mut faults = Differences::default();
            let mut compare = |what: &str, other: (serde_json::Value, Vec<Vec<u8>>)| {
                faults.equal(format!("the account {what}"), &other.0, &whole.0);
                if other.1 != whole.1 {
                    faults.0.push(format!("an export differs {what}"));
                }
            };
            compare("without wide tables", run(&narrow));
            // Without any table most values are read late, if at all.
            if case.exports > 0 {
                let mut inside = false;
                let lines: Vec<&str> = text
                    .lines()
                    .filter(|line| {
                        if !line.starts_with(' ') {
                            inside = line.starts_with("outputs:");
                        }
                        !inside
                    })
                    .collect();
                std::fs::write(&narrow, lines.join("\n")).expect("a file can be written");
                compare("without tables", run(&narrow));
            }
            faults.0
        });
        if faults.is_empty() { Ok(()) } else { Err((faults, vec![folder])) }
    });
}
