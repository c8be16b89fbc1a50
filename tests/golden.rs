//! Golden cases: small pipelines with their data and with what must come out, in folders to read.
//!
//! `tests/golden/CASE/` holds `pipeline.yaml`, whose first lines say what is shown and why the
//! result is right, its data files, and `expected/`: the files that the run writes, byte for byte,
//! and `account.json`, the account in `run.json`. The expected files were worked out by hand from
//! `docs/semantics.md`. A file `args` holds arguments of the run, and `then.yaml` is a second
//! pipeline that reads what the first wrote. Parquet and IPC files name their writer, so they are
//! not compared byte for byte but read back.
//!
//! `OPTIN_BLESS=1` writes `expected/` anew; read the difference before you keep it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Folder, files, root};

/// Name and bytes of files.
type Files = BTreeMap<String, Vec<u8>>;

fn cases() -> Vec<PathBuf> {
    let folder = root().join("tests/golden");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort_unstable();
    cases
}

fn name(case: &Path) -> String {
    case.file_name().expect("a name").to_string_lossy().into_owned()
}

/// The files of a folder and of those below it.
fn read_all(folder: &Path) -> Files {
    files(folder)
        .into_iter()
        .map(|name| {
            let bytes = fs::read(folder.join(&name)).expect("a file");
            (name, bytes)
        })
        .collect()
}

/// Runs a copy of a case; gives the files it wrote and its account.
fn run(case: &Path) -> Result<Files, String> {
    let copy = Folder::new();
    for (name, bytes) in read_all(case) {
        if !name.starts_with("expected/") {
            copy.write(&name, bytes);
        }
    }
    let args = fs::read_to_string(case.join("args")).unwrap_or_default();
    let mut pipelines = vec!["pipeline.yaml"];
    if copy.at("then.yaml").exists() {
        pipelines.push("then.yaml");
    }
    for (at, pipeline) in pipelines.into_iter().enumerate() {
        let mut command = vec!["run", "--quiet", pipeline];
        if at == 0 {
            command.extend(args.split_whitespace());
        }
        let run = copy.optin(&command);
        if run.code != 0 {
            return Err(format!("{pipeline} ended with {}:\n{}", run.code, run.stderr));
        }
    }
    let mut written: Files = read_all(&copy.at("out"))
        .into_iter()
        .filter(|(name, _)| {
            let binary = Path::new(name).extension().is_some_and(|e| e == "parquet" || e == "ipc");
            !binary && !name.ends_with("run.json") && !name.ends_with("report.html")
        })
        .map(|(name, bytes)| (format!("out/{name}"), bytes))
        .collect();
    let account = &copy.json("out/run.json")["account"];
    let account = serde_json::to_string_pretty(account).expect("JSON is written") + "\n";
    written.insert("account.json".to_owned(), account.into_bytes());
    Ok(written)
}

/// What differs, with the first line that does.
fn differences(expected: &Files, written: &Files) -> String {
    let mut text = String::new();
    for name in expected.keys().filter(|name| !written.contains_key(*name)) {
        let _ = writeln!(text, "  {name} was not written");
    }
    for (name, bytes) in written {
        let Some(due) = expected.get(name) else {
            let _ = writeln!(text, "  {name} was written and is not expected");
            continue;
        };
        if due == bytes {
            continue;
        }
        let (due, is) = (String::from_utf8_lossy(due), String::from_utf8_lossy(bytes));
        let (mut due, mut is) = (due.split('\n'), is.split('\n'));
        let mut line = 0;
        loop {
            line += 1;
            match (due.next(), is.next()) {
                (None, None) => break,
                (a, b) if a == b => {}
                (a, b) => {
                    let (a, b) = (a.unwrap_or("no line"), b.unwrap_or("no line"));
                    let _ = writeln!(text, "  {name}:{line}\n    expected {a}\n    written  {b}");
                    break;
                }
            }
        }
    }
    text
}

fn bless(case: &Path, written: &Files) {
    let expected = case.join("expected");
    if expected.exists() {
        fs::remove_dir_all(&expected).expect("the old files can be removed");
    }
    for (name, bytes) in written {
        let path = expected.join(name);
        fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
        fs::write(path, bytes).expect("a file is written");
    }
}

#[test]
fn every_case_gives_what_is_expected() {
    let blessing = std::env::var_os("OPTIN_BLESS").is_some_and(|value| value == "1");
    let cases = cases();
    assert!(cases.len() >= 25, "only {} cases were found", cases.len());
    let mut faults = String::new();
    for case in &cases {
        let text = match run(case) {
            Ok(written) if blessing => {
                bless(case, &written);
                continue;
            }
            Ok(written) => differences(&read_all(&case.join("expected")), &written),
            Err(fault) => fault,
        };
        if !text.is_empty() {
            let _ = writeln!(faults, "{}:\n{text}", name(case));
        }
    }
    assert!(faults.is_empty(), "{faults}\nOPTIN_BLESS=1 writes the expected files anew");
}

#[test]
fn every_case_says_what_it_shows_and_expects_something() {
    for case in cases() {
        let text = fs::read_to_string(case.join("pipeline.yaml")).expect("a pipeline file");
        let comment = text.lines().take_while(|line| line.starts_with('#')).count();
        assert!(comment >= 3, "{} does not say why its result is right", name(&case));
        let expected = files(&case.join("expected"));
        assert!(expected.contains(&"account.json".to_owned()), "{} has no account", name(&case));
        assert!(expected.len() > 1, "{} expects no table", name(&case));
    }
}

/// The documentation of Customer Insights has one example twice, with its decisions in one table
/// and in two.
#[test]
fn the_two_consent_examples_give_the_same() {
    let [one, two] = ["consent-example-1", "consent-example-2"].map(|case| {
        let mut written = run(&root().join("tests/golden").join(case)).expect("the case runs");
        written.remove("account.json");
        written
    });
    assert_eq!(one.len(), 4);
    assert_eq!(differences(&one, &two), "");
}
