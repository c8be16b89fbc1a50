//! An executor of Apache Spark that is killed while a job runs: the job ends right, or nothing is published.
//!
//! `OPTIN_SPARK_SESSION` is the session of processes in which `tests/servers/with-servers` started the server;
//! only executors of that one are killed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::spark::{Spark, texts};
use crate::sql::example;
use crate::support::Folder;

/// After how many tables of the job an executor is killed: in the middle of contoso's, while the next is made.
const TABLES: usize = 25;

/// The session of the server whose executors may be killed.
fn session(test: &str) -> Option<String> {
    let session = std::env::var("OPTIN_SPARK_SESSION").ok();
    if session.is_none() {
        eprintln!("skipped {test}: no Apache Spark of its own (tests/servers/with-servers spark)");
    }
    session
}

/// The executors of the server.
fn executors(session: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("processes are listed");
    let is_executor = |process: &Path| {
        let read = |name: &str| fs::read(process.join(name)).unwrap_or_default();
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        // Behind the name: state, parent, group, session.
        let own = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(3));
        let called = String::from_utf8_lossy(&read("cmdline")).into_owned();
        own == Some(session) && called.contains("CoarseGrainedExecutorBackend")
    };
    let found = processes.filter_map(|entry| Some(entry.ok()?.path()));
    let found = found.filter(|process| is_executor(process));
    found.filter_map(|process| Some(process.file_name()?.to_str()?.to_owned())).collect()
}

/// Kills an executor when the only folder in `work` holds so many tables. True if one was killed.
fn kill_in_the_middle(work: &Path, session: &str) -> bool {
    let began = Instant::now();
    let tables = || {
        let run = fs::read_dir(work).ok()?.next()?.ok()?.path();
        Some(fs::read_dir(run).ok()?.count())
    };
    while tables().unwrap_or_default() < TABLES {
        if began.elapsed() > Duration::from_mins(5) {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let all = executors(session);
    let Some(first) = all.first() else { return false };
    let kill = Command::new("kill").args(["-9", first]).status().expect("kill starts");
    eprintln!("killed executor {first} of {} after {TABLES} tables", all.len());
    kill.success()
}

/// The example, its file, and beside it what the engine makes of it, in `wanted`.
fn contoso() -> (Folder, String) {
    let (folder, file) = example("contoso");
    let file = file.to_str().expect("a path").to_owned();
    folder.optin(&["run", "--quiet", &file]).done();
    fs::rename(folder.at("out"), folder.at("wanted")).expect("the engine wrote it");
    (folder, file)
}

/// What a run did, of which an executor was killed: the same as the engine, or nothing.
fn assert_right_or_nothing(ended: Result<(), String>, out: &Path, wanted: &Path) {
    let given = texts(out);
    match ended {
        Ok(()) => {
            let wanted = texts(wanted);
            assert!(!given.is_empty());
            for (file, rows) in &given {
                assert!(Some(rows) == wanted.get(file), "{file} differs");
            }
            eprintln!("the job ended right: {} outputs", given.len());
        }
        Err(fault) => {
            assert!(given.is_empty(), "{:?} were published; {fault}", given.keys());
            eprintln!(
                "the job failed, and published nothing: {}",
                fault.lines().next().unwrap_or("")
            );
        }
    }
}

#[test]
fn a_job_whose_executor_is_killed_ends_right_or_publishes_nothing() {
    let Some(session) = session("a killed executor of a job") else { return };
    let mut spark = Spark::all().pop().expect("the server answers");
    let (folder, file) = contoso();
    let job = folder.at("job.py");
    let args = ["compile", &file, "--dialect", "spark", "--keys", "keys", "--output", "job.py"];
    folder.optin(&args).done();
    let ended = thread::scope(|scope| {
        let killer = scope.spawn(|| kill_in_the_middle(&folder.at("work"), &session));
        let ended = spark.run(&job, folder.path());
        assert!(killer.join().expect("it ends"), "no executor was killed: {ended:?}");
        ended
    });
    assert_right_or_nothing(ended, &folder.at("out"), &folder.at("wanted"));
}

#[cfg(feature = "spark")]
#[test]
fn a_run_whose_executor_is_killed_ends_right_or_publishes_nothing() {
    let Some(session) = session("a killed executor of a run") else { return };
    let remotes = std::env::var("OPTIN_SPARK_REMOTE").expect("with-servers gives both");
    let remote = remotes.split_whitespace().next_back().expect("a server");
    let (folder, file) = contoso();
    let run = thread::scope(|scope| {
        let killer = scope.spawn(|| kill_in_the_middle(&folder.at(".optin-spark"), &session));
        let args = ["run", &file, "--engine", "spark", "--remote", remote, "--quiet"];
        let run = folder.optin(&args);
        assert!(killer.join().expect("it ends"), "no executor was killed: {}", run.stderr);
        run
    });
    let ended = if run.code == 0 { Ok(()) } else { Err(run.stderr) };
    assert_right_or_nothing(ended, &folder.at("out"), &folder.at("wanted"));
    assert!(!folder.at(".optin-spark").exists());
}
