//! Jobs for DuckDB: run by DuckDB itself, in one Python process that lives as long as it is asked,
//! and held against what the engine wrote.
//!
//! `OPTIN_DUCKDB_PYTHON` names a Python that has the module `duckdb`; without it `python3` is asked.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use optin::plan::{OutColumn, Plan, Type};
use optin::sql::Dialect;

use crate::cases::csv::{Look, read};
use crate::harness::EngineResult;
use crate::oracle::RawTable;

/// Reads jobs from standard input, one JSON text a line, and answers each with its fault or null.
/// One thread: the cases are small.
const PROGRAM: &str = r#"
import json, sys
import duckdb
print(json.dumps(duckdb.__version__), flush=True)
for line in sys.stdin:
    job = json.loads(line)
    connection = duckdb.connect(config={"threads": job["threads"]})
    connection.execute("SET enable_progress_bar = false")
    fault = None
    try:
        connection.execute(job["sql"])
    except Exception as error:
        fault = str(error)
    connection.close()
    print(json.dumps(fault), flush=True)
"#;

/// A Python process with DuckDB in it.
pub struct Duck {
    child: Child,
    jobs: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// The version of DuckDB.
    pub version: String,
}

impl Duck {
    /// Starts one; none where there is no Python with DuckDB.
    pub fn start() -> Option<Self> {
        let python = std::env::var("OPTIN_DUCKDB_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let mut child = Command::new(python)
            .args(["-c", PROGRAM])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let jobs = child.stdin.take()?;
        let mut answers = BufReader::new(child.stdout.take()?);
        let mut version = String::new();
        answers.read_line(&mut version).ok()?;
        let version: String = serde_json::from_str(&version).ok()?;
        Some(Self { child, jobs, answers, version })
    }

    /// Runs a job; its fault if it has one.
    pub fn run(&mut self, sql: &str, threads: usize) -> Result<(), String> {
        let job = serde_json::json!({ "sql": sql, "threads": threads });
        writeln!(self.jobs, "{job}").expect("the process of DuckDB lives");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the process of DuckDB answers");
        match serde_json::from_str::<Option<String>>(&answer).expect("it answers in JSON") {
            None => Ok(()),
            Some(fault) => Err(fault),
        }
    }
}

impl Drop for Duck {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came of a case in DuckDB.
pub enum Outcome {
    /// It was compared; the differences.
    Compared(Vec<String>),
    /// The compiler refused it, or a guard ended the job; why, without names of the case.
    Skipped(String),
}

/// Compiles the case in `dir`, runs the job, and compares what it wrote with what the engine wrote
/// there before. `keys` says whether key tables are made.
pub fn check(
    duck: &mut Duck,
    dir: &Path,
    file: &Path,
    plan: &Plan,
    engine: &EngineResult,
    keys: bool,
) -> Outcome {
    let sql = match compiled(dir, file, Dialect::Duckdb, keys) {
        Ok(sql) => sql,
        Err(why) => return Outcome::Skipped(why),
    };
    // What is read below must be what the job wrote.
    let out = dir.join("out");
    std::fs::remove_dir_all(&out).expect("the engine wrote it");
    std::fs::create_dir_all(&out).expect("a folder");
    match duck.run(&sql, 1) {
        Ok(()) => Outcome::Compared(differences(dir, plan, engine)),
        Err(fault) => match fault.split_once("Error: optin: ") {
            Some((_, guard)) => Outcome::Skipped(format!("guard: {}", kind(guard))),
            None => Outcome::Compared(vec![format!("DuckDB failed: {fault}")]),
        },
    }
}

/// The job of the case in `dir`; why there is none, if it is refused.
pub fn compiled(dir: &Path, file: &Path, dialect: Dialect, keys: bool) -> Result<String, String> {
    let folder = dir.join("keys");
    let keys = keys.then_some(folder.as_path());
    optin::compile_file(file, &optin::RunOptions::default(), dialect, keys, None).map_err(
        |failure| {
            let fault = failure.faults.first().expect("a failure has a fault");
            assert_eq!(fault.code, optin::diagnostics::Code::SqlUnsupported, "{failure}");
            format!("refused: {}", kind(&fault.message))
        },
    )
}

/// A message without the names of a case.
pub fn kind(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    let parts = message.split('`').enumerate();
    let kind: Vec<&str> = parts.map(|(at, part)| if at % 2 == 1 { "_" } else { part }).collect();
    let kind = kind.concat();
    match kind.split_once(": ") {
        Some((first, rest)) if first.starts_with("field ") || first.starts_with("source ") => {
            rest.to_owned()
        }
        _ => kind,
    }
}

/// The tables of the engine that a job writes too: their names, the types of their columns, their rows.
pub fn tables<'e>(plan: &Plan, engine: &'e EngineResult) -> Vec<(String, Vec<Type>, &'e RawTable)> {
    let texts = vec![Type::Text; 1 + plan.segments.len()];
    let mut all = vec![("segments".to_owned(), texts, &engine.segments)];
    if plan.groupings.is_empty() {
        let mut types = vec![Type::Text];
        types.extend(plan.identity.previous.as_ref().map(|_| Type::Text));
        types.extend(plan.fields.iter().map(|field| field.ty));
        types.extend(plan.consent.purposes.iter().map(|_| Type::Text));
        all.push(("profiles".to_owned(), types, &engine.profiles));
    }
    for (at, (export, wanted)) in plan.exports.iter().zip(&engine.exports).enumerate() {
        let types = export.columns.iter().map(|column| match column {
            OutColumn::Field(field) => plan.fields[field.0].ty,
            _ => Type::Text,
        });
        all.push((format!("export_{at}"), types.collect(), wanted));
    }
    all
}

/// What differs between the files of the job and those of the engine.
fn differences(dir: &Path, plan: &Plan, engine: &EngineResult) -> Vec<String> {
    let mut found = Vec::new();
    let mut table = |name: &str, types: &[Type], wanted: &RawTable| {
        let path = dir.join(format!("out/{name}.csv"));
        let Ok(text) = std::fs::read_to_string(&path) else {
            found.push(format!("{name} was not written"));
            return;
        };
        let given = read(&text, &Look::default());
        if given.columns != wanted.columns || given.rows.len() != wanted.rows.len() {
            found.push(format!(
                "{name}: {:?} with {} rows from DuckDB, {:?} with {} from the engine",
                given.columns,
                given.rows.len(),
                wanted.columns,
                wanted.rows.len()
            ));
            return;
        }
        for (at, (given, wanted)) in given.rows.iter().zip(&wanted.rows).enumerate() {
            let mut cells = given.iter().zip(wanted).zip(types);
            let same = cells.all(|((a, b), ty)| same(a.as_deref(), b.as_deref(), *ty));
            if !same {
                found.push(format!("{name}, row {at}: DuckDB {given:?}, engine {wanted:?}"));
            }
        }
    };
    for (name, types, wanted) in tables(plan, engine) {
        table(&name, &types, wanted);
    }
    found
}

/// Equal cells; floats by their value, for they are written in more than one way.
pub fn same(a: Option<&str>, b: Option<&str>, ty: Type) -> bool {
    let float = |cell: Option<&str>| cell.and_then(|cell| cell.parse::<f64>().ok());
    match ty {
        Type::Float => {
            float(a).map(f64::to_bits) == float(b).map(f64::to_bits) && a.is_some() == b.is_some()
        }
        _ => a == b,
    }
}

/// Counts by reason, the most frequent first.
pub fn by_count(counts: &BTreeMap<String, u64>) -> Vec<(&String, &u64)> {
    let mut all: Vec<_> = counts.iter().collect();
    all.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), (*reason).clone()));
    all
}
