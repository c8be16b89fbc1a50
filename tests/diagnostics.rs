//! Every fault code has a fixture that shows it: a small pipeline in `tests/diagnostics`, and the
//! exact text that a user sees of it.
//!
//! `CODE.yaml` or `CODE--VARIANT.yaml` shows one fault of that code; `.txt` beside it is what the
//! command prints to stderr in that folder. A first line `# run, exit 1` says that only `run` finds
//! it, `# check, exit 0` that it is a warning; without one it is `check`, exit 2. What should never
//! be shown, the cells of data files, holds the word `canary`.
//!
//! `OPTIN_BLESS=1` writes the `.txt` files anew; read the difference before you commit it.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use optin::diagnostics::Code;
use serde_json::Value;

/// Codes without a fixture, and why.
const EXEMPT: [(Code, &str); 24] = [
    (Code::NotOnePerson, "needs another command; tests/receipt.rs shows it"),
    (Code::SuppressionFile, "needs another command; tests/forget.rs shows it"),
    (Code::EarlierHistory, "needs a file of a run before; tests/memberships.rs shows it"),
    (Code::DatabaseFailed, "needs a server; tests/databases.rs shows it"),
    (Code::StoreFailed, "needs a server; tests/stores.rs shows it"),
    (Code::NotCopied, "needs an option and a server; tests/databases.rs shows it"),
    (Code::EarlierAudience, "needs a file of a run before; tests/audiences.rs shows it"),
    (Code::RunRecord, "needs another command; tests/diff.rs and tests/cli.rs show it"),
    (Code::MissingMembers, "needs another command; tests/diff.rs shows it"),
    (Code::ChangedOutput, "needs another command; tests/diff.rs shows it"),
    (Code::EngineFault, "stands for a mistake of this program or of the engine"),
    (Code::OverLinking, "warns when a run has gone well; tests/overlinking.rs shows it"),
    (Code::UnheardConsent, "warns when a run has gone well; tests/silence.rs shows it"),
    (Code::AccountFault, "stands for a mistake of this program; `engine::account` tests the sums"),
    (Code::MemoryLimit, "needs an option; tests/cli.rs shows it"),
    (Code::OutsideRoot, "needs an option; tests/root.rs shows it"),
    (Code::ProofFailed, "stands for a mistake of this program; tests/planted.rs plants some"),
    (Code::SqlUnsupported, "of another command; tests/sql.rs shows it"),
    (Code::NotBuiltIn, "needs an option; tests/spark_run.rs shows it"),
    (Code::KeyLimit, "needs a server; tests/spark_run.rs shows it"),
    (Code::JobGuard, "needs a server; tests/spark_run.rs shows it"),
    (Code::ServerFailed, "needs an option; tests/spark_run.rs shows it"),
    (Code::PublishedMeanwhile, "needs two runs at once; tests/publishing.rs shows it"),
    (Code::VerifyFailed, "needs a disk that gives back something else than was written"),
];

/// Files that show more than one fault.
const SEVERAL: [&str; 1] = ["all-at-once"];

/// Codes of which the place is not in the pipeline file, even under `check`.
const PLACELESS: [Code; 1] = [Code::PipelineUnreadable];

struct Fixture {
    /// The file's name without `.yaml`.
    stem: String,
    command: String,
    exit: i32,
}

impl Fixture {
    fn read(path: &Path) -> Self {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let bytes = fs::read(path).expect("a fixture");
        let text = String::from_utf8_lossy(&bytes);
        let (command, exit) = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# "))
            .and_then(|line| line.split_once(", exit "))
            .filter(|(command, _)| ["run", "check"].contains(command))
            .map_or(("check", 2), |(command, exit)| (command, exit.parse().expect("a status")));
        Self { stem, command: command.to_owned(), exit }
    }

    fn file(&self) -> String {
        format!("{}.yaml", self.stem)
    }

    /// The name of the code that it shows.
    fn code(&self) -> &str {
        self.stem.split("--").next().unwrap_or_default()
    }

    fn play(&self, json: bool) -> Shown {
        let out = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_optin"));
        command.current_dir(folder()).env_remove("RUST_BACKTRACE");
        command.arg(&self.command).arg(self.file());
        if self.command == "run" {
            command.arg("--out").arg(out.path());
        }
        if json {
            command.arg("--json");
        }
        let output = command.output().expect("the binary runs");
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).expect("UTF-8");
            text.replace(out.path().to_str().expect("UTF-8"), "OUT")
        };
        Shown {
            status: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Everything that is wrong with what the binary says of it.
    fn problems(&self, bless: bool) -> Vec<String> {
        let mut problems = Vec::new();
        let mut must = |holds: bool, problem: &str| {
            if !holds {
                problems.push(format!("{}: {problem}", self.stem));
            }
        };
        let plain = self.play(false);
        let json = self.play(true);
        let faults = faults_of_text(&plain.stderr, &self.file());

        let expected = folder().join(format!("{}.txt", self.stem));
        if bless {
            fs::write(&expected, &plain.stderr).expect("the text is written");
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        must(
            plain.stderr == expected,
            &format!(
                "prints other words\n--- expected\n{expected}--- printed\n{}---",
                plain.stderr
            ),
        );
        must(
            plain.status == Some(self.exit) && json.status == Some(self.exit),
            &format!("exits with {:?} and {:?}, not {}", plain.status, json.status, self.exit),
        );
        let stated = SEVERAL.contains(&self.stem.as_str());
        must(stated || faults.iter().all(|f| f.code == self.code()), "shows another code");
        must(!faults.is_empty() && (stated || faults.len() == 1), "shows not one fault");
        let placeless = PLACELESS.iter().any(|code| code.name() == self.code());
        must(
            self.command == "run" || placeless || faults.iter().all(|f| f.place.is_some()),
            "shows a fault without its place",
        );
        must(faults.is_sorted_by_key(|f| f.place), "is not in order of place");
        for text in [&plain.stderr, &json.stdout] {
            must(!text.contains("canary"), "quotes a cell");
            must(!text.contains("panicked"), "panics");
            let absolute = text.split_whitespace().find(|word| is_absolute(word));
            must(absolute.is_none(), &format!("holds an absolute path: {absolute:?}"));
        }
        must(json.stderr.is_empty(), "prints to stderr in spite of --json");
        let same = faults_of_json(&json.stdout);
        must(same == faults, &format!("as JSON it is\n{same:?}, as text\n{faults:?}"));
        problems
    }
}

/// What a command printed; the temporary folder is called `OUT`.
struct Shown {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

#[derive(Debug, PartialEq, Eq)]
struct Fault {
    severity: String,
    code: String,
    message: String,
    /// Line and column in the pipeline file.
    place: Option<(u64, u64)>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics")
}

fn fixtures() -> Vec<Fixture> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder())
        .expect("the folder of fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    paths.sort_unstable();
    paths.iter().map(|path| Fixture::read(path)).collect()
}

/// Reads `error[CODE]: MESSAGE` and the first `--> FILE:LINE:COLUMN` after it.
fn faults_of_text(text: &str, file: &str) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    for line in text.lines() {
        let head = line
            .split_once("]: ")
            .and_then(|(head, message)| Some((head.split_once('[')?, message)))
            .filter(|((severity, _), _)| ["error", "warning"].contains(severity));
        if let Some(((severity, code), message)) = head {
            faults.push(Fault {
                severity: severity.to_owned(),
                code: code.to_owned(),
                message: message.to_owned(),
                place: None,
            });
        }
        let place = line
            .trim_start()
            .strip_prefix("--> ")
            .and_then(|place| place.strip_prefix(file))
            .and_then(|place| place.strip_prefix(':'))
            .and_then(|place| place.split_once(':'))
            .and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
        if let Some(fault) = faults.last_mut()
            && fault.place.is_none()
        {
            fault.place = place;
        }
    }
    faults
}

fn faults_of_json(text: &str) -> Vec<Fault> {
    let value: Value = serde_json::from_str(text).expect("JSON");
    let words = |value: &Value| value.as_str().expect("text").to_owned();
    value["faults"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|fault| {
            let label = &fault["labels"][0];
            Fault {
                severity: words(&fault["severity"]),
                code: words(&fault["code"]),
                message: words(&fault["message"]),
                place: label["line"].as_u64().zip(label["column"].as_u64()),
            }
        })
        .collect()
}

/// True for `/home/...`, not for the `/` of a rule.
fn is_absolute(word: &str) -> bool {
    let word = word.trim_start_matches(['`', '"', '\'', '(']);
    let mut chars = word.chars();
    chars.next() == Some('/') && chars.next().is_some_and(char::is_alphanumeric)
}

#[test]
fn every_fixture_shows_what_it_should() {
    let bless = std::env::var_os("OPTIN_BLESS").is_some_and(|value| value == "1");
    let fixtures = fixtures();
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let problems: Vec<String> = thread::scope(|scope| {
        let parts: Vec<_> = fixtures
            .chunks(fixtures.len().div_ceil(threads).max(1))
            .map(|part| {
                scope.spawn(move || {
                    part.iter().flat_map(|fixture| fixture.problems(bless)).collect::<Vec<_>>()
                })
            })
            .collect();
        parts.into_iter().flat_map(|part| part.join().expect("no panic")).collect()
    });
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_code_has_a_fixture_or_a_reason() {
    let fixtures = fixtures();
    let shown: BTreeSet<&str> = fixtures.iter().map(Fixture::code).collect();
    let mut problems = Vec::new();
    for code in Code::ALL {
        let exempt = EXEMPT.iter().any(|(other, _)| other == code);
        match (shown.contains(code.name()), exempt) {
            (false, false) => problems.push(format!("no fixture shows {}", code.name())),
            (true, true) => problems.push(format!("{} is exempt and has a fixture", code.name())),
            _ => {}
        }
    }
    for name in shown {
        if name != "all-at-once" && !Code::ALL.iter().any(|code| code.name() == name) {
            problems.push(format!("a fixture shows {name}, which is no code"));
        }
    }
    for entry in fs::read_dir(folder()).expect("the folder of fixtures") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|e| e == "txt") && !path.with_extension("yaml").exists() {
            problems.push(format!("{} has no pipeline", path.display()));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The promise of `check`: all mistakes in one go, in order, each told once.
#[test]
fn many_mistakes_are_told_at_once() {
    let fixture = Fixture::read(&folder().join("all-at-once.yaml"));
    let shown = fixture.play(false);
    let faults = faults_of_text(&shown.stderr, &fixture.file());
    let codes: Vec<&str> = faults.iter().map(|fault| fault.code.as_str()).collect();
    assert_eq!(
        codes,
        [
            "unknown-key",
            "duplicate-name",
            "missing-file",
            "unknown-column",
            "unknown-purpose",
            "rule-type",
            "rule-syntax",
            "missing-gate",
            "ungated-contact",
            "unknown-segment",
        ]
    );
    for near in ["as_of", "mail", "newsletter", "locals"] {
        assert!(shown.stderr.contains(&format!("did you mean `{near}`?")), "no hint at {near}");
    }
}

#[test]
fn the_reader_of_texts_sees_faults_and_places() {
    let text = "error[a-b]: one: two\n  --> x.yaml:3:14\n   |\n 3 | y: [z]: 1\n  --> x.yaml:9:9\n\n\
                warning[c]: three\n |\n = note: in d.csv\n";
    let fault = |severity: &str, code: &str, message: &str, place| Fault {
        severity: severity.to_owned(),
        code: code.to_owned(),
        message: message.to_owned(),
        place,
    };
    assert_eq!(
        faults_of_text(text, "x.yaml"),
        [fault("error", "a-b", "one: two", Some((3, 14))), fault("warning", "c", "three", None)]
    );
    assert!(is_absolute("`/home/x.csv`") && !is_absolute("/,") && !is_absolute("./data/x.csv"));
}
