//! Jobs for Spark: run by a server of Spark Connect, and held against what the engine wrote.
//!
//! `OPTIN_SPARK_REMOTE` names servers (`sc://127.0.0.1:50051`, several with blanks between them), and
//! `OPTIN_SPARK_PYTHON` a Python that has `pyspark[connect]`. `tests/servers/` starts and stops them.
//! A server must see the folders of the tests.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use optin::plan::{Plan, Type};
use optin::sql::Dialect;

use crate::cases::csv::{Look, read};
use crate::duck::{Outcome, compiled, kind, same, tables};
use crate::harness::EngineResult;
use crate::oracle::RawTable;

/// Reads jobs from standard input, one JSON text a line, and answers each with its fault or null. A
/// job runs as `python3 JOB.py --remote ...` does, within one session, which takes its time to begin.
const PROGRAM: &str = r#"
import contextlib, io, json, os, sys, traceback
from pyspark.sql import SparkSession
remote = sys.argv[1]
spark = SparkSession.builder.remote(remote).getOrCreate()
spark.conf.set("spark.sql.shuffle.partitions", "2")
print(json.dumps(spark.version), flush=True)
for line in sys.stdin:
    job = json.loads(line)
    os.chdir(job["folder"])
    sys.argv = ["job.py", "--remote", remote, "--work", job["folder"] + "/work"]
    fault = None
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(open(job["file"]).read(), "job.py", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        fault = str(end)
    except Exception as error:
        fault = "".join(traceback.format_exception_only(error))
    print(json.dumps(fault), flush=True)
"#;

/// What Sail says of an attempt that it takes for another one.
const TWICE: &str = "a different attempt has already produced job output";

/// A session of a server.
pub struct Spark {
    child: Child,
    jobs: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Where it listens, and its version of Spark.
    pub name: String,
}

impl Spark {
    /// One session for each server that is named; none where none is.
    pub fn all() -> Vec<Self> {
        let remotes = std::env::var("OPTIN_SPARK_REMOTE").unwrap_or_default();
        remotes.split_whitespace().map(|remote| Self::start(remote).expect(remote)).collect()
    }

    fn start(remote: &str) -> Option<Self> {
        let python = std::env::var("OPTIN_SPARK_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let mut child = Command::new(python)
            .args(["-c", PROGRAM, remote])
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
        Some(Self { child, jobs, answers, name: format!("{remote} (Spark {version})") })
    }

    /// Runs a job in a folder; its fault if it has one. Sail with workers ends one job in some hundred
    /// because it takes an attempt at a task for two; such a job has published nothing, and is run again.
    pub fn run(&mut self, file: &Path, folder: &Path) -> Result<(), String> {
        let mut told = self.run_once(file, folder);
        for _ in 0..2 {
            match &told {
                Err(fault) if fault.contains(TWICE) => {
                    eprintln!("{}: a job is run again: {TWICE}", self.name);
                    let _ = fs::remove_dir_all(folder.join("work"));
                    told = self.run_once(file, folder);
                }
                _ => break,
            }
        }
        told
    }

    fn run_once(&mut self, file: &Path, folder: &Path) -> Result<(), String> {
        let job = serde_json::json!({ "file": file, "folder": folder });
        writeln!(self.jobs, "{job}").expect("the process lives");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the process answers");
        match serde_json::from_str::<Option<String>>(&answer).expect("it answers in JSON") {
            None => Ok(()),
            Some(fault) => Err(fault),
        }
    }
}

impl Drop for Spark {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The guard that a fault tells of, if one ended the job.
pub fn guard_of(fault: &str) -> Option<&str> {
    let (_, guard) = fault.split_once("optin: ")?;
    Some(guard.split(" SQLSTATE").next().unwrap_or(guard).trim())
}

/// Compiles the case in `dir`, runs the job, and compares what it wrote with what the engine wrote
/// there before.
pub fn check(
    spark: &mut Spark,
    dir: &Path,
    file: &Path,
    plan: &Plan,
    engine: &EngineResult,
    keys: bool,
) -> Outcome {
    let job = match compiled(dir, file, Dialect::Spark, keys) {
        Ok(job) => job,
        Err(why) => return Outcome::Skipped(why),
    };
    let out = dir.join("out");
    fs::remove_dir_all(&out).expect("the engine wrote it");
    let path = dir.join("job.py");
    fs::write(&path, job).expect("a job is written");
    match spark.run(&path, dir) {
        Ok(()) => Outcome::Compared(differences(&out, plan, engine)),
        Err(fault) => match guard_of(&fault) {
            Some(guard) => Outcome::Skipped(format!("guard: {}", kind(guard))),
            None => Outcome::Compared(vec![format!("{} failed: {fault}", spark.name)]),
        },
    }
}

/// What differs between the folders that the job wrote and the files of the engine.
pub fn differences(out: &Path, plan: &Plan, engine: &EngineResult) -> Vec<String> {
    let mut found = Vec::new();
    for (name, types, wanted) in tables(plan, engine) {
        match rows_of(&out.join(format!("{name}.csv"))) {
            // A server may write nothing where there is nothing.
            None if wanted.rows.is_empty() => {}
            None => found.push(format!("{name} was not written")),
            Some(given) => found.extend(unlike(&name, &given, wanted, &types)),
        }
    }
    found
}

/// The rows of a folder of CSV parts. A server may write none where there are no rows.
fn rows_of(folder: &Path) -> Option<RawTable> {
    let mut parts: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "csv"))
        .collect();
    parts.sort_unstable();
    let mut all = RawTable { columns: Vec::new(), rows: Vec::new() };
    for part in parts {
        let table = read(&fs::read_to_string(part).ok()?, &Look::default());
        assert!(all.columns.is_empty() || all.columns == table.columns, "parts with other heads");
        all.columns = table.columns;
        all.rows.extend(table.rows);
    }
    Some(all)
}

/// The first difference of two tables whose rows have no order. An empty text and null are one: not
/// every server tells them apart in CSV.
fn unlike(name: &str, given: &RawTable, wanted: &RawTable, types: &[Type]) -> Option<String> {
    let sorted = |table: &RawTable| {
        let mut rows: Vec<Vec<Option<String>>> = table
            .rows
            .iter()
            .map(|row| row.iter().map(|cell| cell.clone().filter(|c| !c.is_empty())).collect())
            .collect();
        rows.sort_unstable();
        rows
    };
    let (mine, due) = (sorted(given), sorted(wanted));
    if mine.len() != due.len() || (!mine.is_empty() && given.columns != wanted.columns) {
        return Some(format!(
            "{name}: {:?} with {} rows from Spark, {:?} with {} from the engine",
            given.columns,
            mine.len(),
            wanted.columns,
            due.len()
        ));
    }
    mine.iter().zip(&due).find_map(|(mine, due)| {
        let mut cells = mine.iter().zip(due).zip(types);
        let is_same = cells.all(|((a, b), ty)| same(a.as_deref(), b.as_deref(), *ty));
        (!is_same).then(|| format!("{name}: Spark {mine:?}, engine {due:?}"))
    })
}

/// The text files of a folder's outputs as rows without an order: of the engine files, of Spark folders.
pub fn texts(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    let Ok(entries) = fs::read_dir(folder) else { return all };
    for entry in entries {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let ends = |end: &str| path.extension().is_some_and(|extension| extension == end);
        if !ends("csv") && !ends("ndjson") {
            if path.is_dir() && !ends("parquet") {
                for (inner, rows) in texts(&path) {
                    all.insert(format!("{name}/{inner}"), rows);
                }
            }
            continue;
        }
        let parts: Vec<PathBuf> = if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder");
            let parts = entries.map(|entry| entry.expect("an entry").path());
            parts
                .filter(|part| part.extension().is_some_and(|e| e == "csv" || e == "json"))
                .collect()
        } else {
            vec![path.clone()]
        };
        let mut rows = Vec::new();
        for part in parts {
            let text = fs::read_to_string(part).expect("a text file");
            if ends("csv") {
                let table = read(&text, &Look::default());
                rows.extend(table.rows.iter().map(|row| {
                    let cells = row.iter().map(|cell| cell.clone().unwrap_or_default());
                    let cells = table.columns.iter().zip(cells);
                    cells
                        .map(|(column, cell)| format!("{column}={cell}"))
                        .collect::<Vec<_>>()
                        .join("|")
                }));
            } else {
                rows.extend(text.lines().map(|line| {
                    let row: BTreeMap<String, serde_json::Value> =
                        serde_json::from_str(line).expect("an object");
                    let there = row.iter().filter(|(_, value)| !value.is_null());
                    there.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("|")
                }));
            }
        }
        rows.sort_unstable();
        all.insert(name, rows);
    }
    all
}
