//! How random cases are run: each in a folder of its own, over many seeds, with the faults of all
//! of them told at the end.
//!
//! `OPTIN_CASES` says how many seeds each test tries, `OPTIN_SEED` tries one alone. Where a case
//! fails its folder stays, and the message names it and the seed.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use optin::plan::{AsOf, Plan};
use serde_json::Value as Json;

use crate::cases::Case;
use crate::cases::csv::{Look, read};
use crate::oracle::RawTable;

/// So many failing seeds are told before the rest is only counted.
const TOLD: usize = 3;
/// The internal tables that every case writes.
const INTERNAL: [&str; 5] = ["profiles", "identity", "quarantine", "segments", "provenance"];

/// What the engine made of a case: the files it wrote, and its account.
pub struct EngineResult {
    pub profiles: RawTable,
    pub identity: RawTable,
    pub quarantine: RawTable,
    pub segments: RawTable,
    pub provenance: RawTable,
    /// By export as declared.
    pub exports: Vec<RawTable>,
    /// By measure as declared.
    pub measures: Vec<RawTable>,
    /// The account in the run record.
    pub account: Json,
}

/// Runs the engine on a case that stands in `dir`; `as_of` overrides the file's date.
///
/// The one place that knows the interface of the program.
pub fn run_engine(dir: &Path, file: &Path, exports: usize, as_of: Option<AsOf>) -> EngineResult {
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
        provenance: table("provenance"),
        exports: (0..exports).map(|at| table(&format!("export_{at}"))).collect(),
        measures: measures(dir).map(|name| table(&name)).collect(),
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

/// The names of the measures' tables.
fn measures(dir: &Path) -> impl Iterator<Item = String> {
    let names = (0..).map(|at| format!("measure_{at}"));
    let folder = dir.join("out");
    names.take_while(move |name| folder.join(format!("{name}.csv")).exists())
}

fn read_output(path: &Path) -> RawTable {
    match std::fs::read_to_string(path) {
        Ok(text) => read(&text, &Look::default()),
        Err(error) => panic!("{} cannot be read: {error}", path.display()),
    }
}

/// Differences between what the engine says and what the oracle says.
#[derive(Default)]
pub struct Differences(pub Vec<String>);

impl Differences {
    /// Notes a difference, if there is one.
    pub fn equal<T: PartialEq + Debug>(&mut self, what: impl Into<String>, engine: &T, oracle: &T) {
        if engine != oracle {
            let what = what.into();
            self.0.push(format!("{what}:\n    engine {engine:?}\n    oracle {oracle:?}"));
        }
    }
}

/// The bytes of everything that a case wrote for others to read.
pub fn written(dir: &Path, exports: usize) -> Vec<(String, Vec<u8>)> {
    let mut names: Vec<String> = INTERNAL.map(str::to_owned).to_vec();
    names.extend((0..exports).map(|at| format!("export_{at}")));
    names.extend(measures(dir));
    names
        .into_iter()
        .map(|name| {
            let bytes = std::fs::read(dir.join(format!("out/{name}.csv")));
            (name, bytes.expect("the run wrote it"))
        })
        .collect()
}

/// Says which of the files that two runs wrote differ.
pub fn unequal_files(one: &[(String, Vec<u8>)], two: &[(String, Vec<u8>)]) -> Vec<String> {
    let mut faults = Vec::new();
    if one.len() != two.len() {
        faults.push(format!("{} files and {} files are written", one.len(), two.len()));
    }
    let pairs = one.iter().zip(two).filter(|(one, two)| one != two);
    faults.extend(pairs.map(|((name, _), _)| format!("{name} differs")));
    faults
}

/// Writes a case into a folder of its own and does something with it. Who finds a fault keeps the
/// folder; where `body` panics it stays by itself.
pub fn in_folder<T>(case: &Case, body: impl FnOnce(&Path, &Path) -> T) -> (T, tempfile::TempDir) {
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

/// Tries `cases` seeds, or as many as `OPTIN_CASES` says, or that of `OPTIN_SEED` alone; `check`
/// gives the faults it finds and the folders they can be seen in.
pub fn try_seeds(
    cases: u64,
    check: impl Fn(u64) -> Result<(), (Vec<String>, Vec<tempfile::TempDir>)>,
) {
    let number = |name: &str| {
        std::env::var(name).ok().map(|text| match text.parse::<u64>() {
            Ok(number) => number,
            Err(error) => panic!("{name}={text}: {error}"),
        })
    };
    let seeds: Vec<u64> = match number("OPTIN_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("OPTIN_CASES").unwrap_or(cases)).collect(),
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
