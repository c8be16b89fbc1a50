//! Hostile and odd inputs, each with the outcome that was declared for it before it was tried.
//!
//! `tests/adversarial/GROUP/` holds inputs, with the very bytes that are meant; `pipeline.yaml`,
//! the pipeline that reads one of them (`{{INPUT}}` is its name, `{{RULE}}` its text; in the groups
//! `pipeline` and `paths` the input is the pipeline); `fixed/`, files that all inputs of the group
//! share; and `outcomes.txt`. Its first line says which file shows what came out (`shows files`:
//! which files are new), each further one is `NAME | OUTCOME | WHY`:
//!
//! - `done [profiles N] [warns CODE] [ROWS]`: the rows of that file as JSON, without `customer_id`;
//! - `refused CODES [row N] [line N] [column NAME]`: exit 1, and where in the input;
//! - `wrong CODES [line N]`: exit 2, and the line of the pipeline; `wrong-line`: the command line.
//!
//! `CODES` are all codes of the errors; `a/b` is one of the two, where the documents leave that
//! open. Outcomes come from docs/semantics.md and docs/pipeline-reference.md, never from the
//! program. A line of `outcomes-open.txt` is a known difference, which is not tried.
//!
//! Whatever the outcome, a run ends in time, does not break off, shows no cell (the inputs hold
//! canaries), and one that is refused leaves every file as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::support::{Folder, Run, Table, command, root};

mod large;

/// What stands in cells and must not be shown, in lower case.
const CANARIES: [&str; 3] = ["kestrelova", "quillfeather", "90909090"];

/// How long a run may take. Most take a fiftieth of a second; the rest is for busy machines.
const LIMIT: Duration = Duration::from_secs(10);

const GROUPS: [&str; 17] = [
    "consent", "csv", "dates", "exports", "ids", "ipc", "long", "mails", "ndjson", "parquet",
    "paths", "phones", "pipeline", "rules", "stop", "tsv", "typed",
];

#[test]
fn consent() {
    corpus("consent");
}

#[test]
fn csv() {
    corpus("csv");
}

#[test]
fn dates() {
    corpus("dates");
}

#[test]
fn exports() {
    corpus("exports");
}

#[test]
fn ids() {
    corpus("ids");
}

#[test]
fn ipc() {
    corpus("ipc");
}

#[test]
fn long() {
    corpus("long");
}

#[test]
fn mails() {
    corpus("mails");
}

#[test]
fn ndjson() {
    corpus("ndjson");
}

#[test]
fn parquet() {
    corpus("parquet");
}

#[test]
fn paths() {
    corpus("paths");
}

#[test]
fn phones() {
    corpus("phones");
}

#[test]
fn pipeline() {
    corpus("pipeline");
}

#[test]
fn rules() {
    corpus("rules");
}

#[test]
fn stop() {
    corpus("stop");
}

#[test]
fn tsv() {
    corpus("tsv");
}

#[test]
fn typed() {
    corpus("typed");
}

#[test]
fn every_group_is_tried() {
    let mut found: Vec<String> = fs::read_dir(root().join("tests/adversarial"))
        .expect("the corpus")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.file_type().expect("a kind").is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    found.sort_unstable();
    assert_eq!(found, GROUPS);
}

// The corpus.

/// A line of `outcomes.txt`.
struct Case {
    input: String,
    outcome: String,
}

/// Tries all inputs of a group, and tells all differences at once.
#[track_caller]
fn corpus(group: &str) {
    let folder = root().join("tests/adversarial").join(group);
    let text = fs::read_to_string(folder.join("outcomes.txt")).expect("the outcomes");
    let (first, lines) = text.split_once('\n').expect("a first line");
    let shows = first.strip_prefix("shows ").expect("what shows the outcome");
    let open = fs::read_to_string(folder.join("outcomes-open.txt")).unwrap_or_default();
    let cases: Vec<Case> = lines.lines().map(case).collect();
    let known: Vec<Case> = open.lines().map(case).collect();
    let mut problems = unmatched(&folder, cases.iter().chain(&known));
    for case in &cases {
        let (place, args) = prepare(group, &folder, &case.input);
        for problem in differences(&place, &args, shows, &case.outcome) {
            problems.push(format!("{group}/{} ({}): {problem}", case.input, short(&case.outcome)));
        }
    }
    tell(&problems);
}

fn case(line: &str) -> Case {
    let (input, rest) = line.split_once(" | ").expect("a name and an outcome");
    let (outcome, _why) = rest.rsplit_once(" | ").expect("an outcome and why");
    Case { input: input.to_owned(), outcome: outcome.to_owned() }
}

/// Inputs without an outcome, and outcomes without an input.
fn unmatched<'a>(folder: &Path, cases: impl Iterator<Item = &'a Case>) -> Vec<String> {
    let mut inputs: BTreeSet<String> = fs::read_dir(folder)
        .expect("the group")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    for other in ["pipeline.yaml", "outcomes.txt", "outcomes-open.txt"] {
        inputs.remove(other);
    }
    let mut problems = Vec::new();
    for case in cases {
        if !inputs.remove(&case.input) {
            problems.push(format!("{} has no input, or two outcomes", case.input));
        }
    }
    problems.extend(inputs.into_iter().map(|input| format!("{input} has no outcome")));
    problems
}

/// A folder in which the program reads an input, and the arguments for it.
fn prepare(group: &str, folder: &Path, input: &str) -> (Folder, Vec<String>) {
    let place = Folder::new();
    let bytes = fs::read(folder.join(input)).expect("an input");
    for (name, path) in entries(&folder.join("fixed")) {
        place.write(&name, fs::read(path).expect("a fixed file"));
    }
    let mut args = run_args("pipeline.yaml");
    match group {
        "pipeline" => place.write("pipeline.yaml", bytes),
        "paths" => {
            build_paths(&place);
            let text = String::from_utf8_lossy(&bytes);
            let more = text.lines().next().and_then(|line| line.strip_prefix("# args "));
            args = run_args("in/pipeline.yaml");
            args.extend(more.unwrap_or_default().split_whitespace().map(str::to_owned));
            place.write("in/pipeline.yaml", &bytes);
        }
        _ => {
            let text = fs::read_to_string(folder.join("pipeline.yaml")).expect("a pipeline");
            let text = if group == "rules" {
                let rule = String::from_utf8(bytes).expect("a rule is UTF-8");
                text.replace("{{RULE}}", &quoted(rule.strip_suffix('\n').unwrap_or(&rule)))
            } else {
                place.write(input, bytes);
                text.replace("{{INPUT}}", input)
            };
            place.write("pipeline.yaml", text);
        }
    }
    (place, args)
}

/// The folders and links among which the pipelines of the group `paths` find their way.
fn build_paths(place: &Folder) {
    let data = place.bytes("data.csv");
    fs::remove_file(place.at("data.csv")).expect("it goes elsewhere");
    place.write("in/data.csv", &data);
    place.write("elsewhere/target.csv", &data);
    fs::create_dir(place.at("in/folder.csv")).expect("a folder");
    fs::hard_link(place.at("in/data.csv"), place.at("in/hard.csv")).expect("a link");
    for (target, link) in [
        ("../elsewhere/target.csv", "in/link.csv"),
        ("../elsewhere", "in/folder-link"),
        ("nowhere.csv", "in/dangling.csv"),
        ("loop.csv", "in/loop.csv"),
    ] {
        symlink(target, place.at(link)).expect("a link");
    }
}

fn run_args(pipeline: &str) -> Vec<String> {
    ["run", pipeline, "--json"].map(str::to_owned).to_vec()
}

/// A text as YAML, in which JSON's quotes hold.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

#[track_caller]
fn tell(problems: &[String]) {
    assert!(problems.is_empty(), "{} differences:\n{}", problems.len(), problems.join("\n"));
}

// A run and what is wrong with it.

/// Files by their names, and what they hold; nothing for links that lead nowhere.
type Files = BTreeMap<String, Option<Vec<u8>>>;

/// A run, and the files of its folder before and after it.
struct Seen {
    run: Run,
    before: Files,
    after: Files,
}

/// Files below a folder with their names from there. Links are entries, and are not followed.
fn entries(folder: &Path) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        // The folder of fixed files need not be there.
        for entry in fs::read_dir(next).into_iter().flatten() {
            let entry = entry.expect("an entry");
            let path = entry.path();
            if entry.file_type().expect("a kind").is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below the folder");
                found.insert(name.to_string_lossy().into_owned(), path);
            }
        }
    }
    found
}

fn contents(folder: &Folder) -> Files {
    entries(folder.path()).into_iter().map(|(name, path)| (name, fs::read(path).ok())).collect()
}

/// Runs the program, but no longer than it may take: a run that hangs must not hang the tests.
fn play(place: &Folder, args: &[String]) -> Option<Run> {
    let printed = Folder::new();
    let file = |name: &str| File::create(printed.at(name)).expect("a file");
    let mut child = command(place.path())
        .args(args)
        .stdin(Stdio::null())
        .stdout(file("stdout"))
        .stderr(file("stderr"))
        .spawn()
        .expect("the program starts");
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a status") {
            break status;
        }
        if started.elapsed() > LIMIT {
            child.kill().expect("it can be ended");
            child.wait().expect("it has ended");
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    };
    let text = |name: &str| String::from_utf8_lossy(&printed.bytes(name)).into_owned();
    // A run that a signal ended has no code.
    let code = status.code().unwrap_or(-1);
    Some(Run { code, stdout: text("stdout"), stderr: text("stderr") })
}

/// Runs the program and says in what the run differs from its declared outcome.
fn differences(place: &Folder, args: &[String], shows: &str, outcome: &str) -> Vec<String> {
    let before = contents(place);
    let Some(run) = play(place, args) else {
        return vec![format!("takes more than {LIMIT:?}")];
    };
    let after = contents(place);
    let seen = Seen { run, before, after };
    let mut problems = always(&seen);
    let (kind, rest) = outcome.split_once(' ').unwrap_or((outcome, ""));
    let exit = match kind {
        "done" => 0,
        "refused" => 1,
        "wrong" | "wrong-line" => 2,
        _ => panic!("no outcome: {outcome}"),
    };
    if seen.run.code != exit {
        let printed = short(&format!("{}{}", seen.run.stdout, seen.run.stderr));
        problems.push(format!("exits with {}: {printed}", seen.run.code));
    } else if exit == 0 {
        problems.extend(done(place, &seen, shows, rest));
    } else {
        if seen.after != seen.before {
            problems.push("changes files".to_owned());
        }
        if kind != "wrong-line" {
            problems.extend(refused(&seen.run, kind == "refused", rest));
        }
    }
    problems
}

/// What no run may do, whatever it reads.
fn always(seen: &Seen) -> Vec<String> {
    let mut problems = Vec::new();
    let printed = format!("{}{}", seen.run.stdout, seen.run.stderr);
    let lower = printed.to_lowercase();
    for canary in CANARIES.into_iter().filter(|canary| lower.contains(canary)) {
        problems.push(format!("shows {canary}: {}", short(&printed)));
    }
    for word in ["internal error", "panicked"] {
        if printed.contains(word) {
            problems.push(format!("breaks off: {}", short(&seen.run.stderr)));
        }
    }
    let temporary = |name: &String| name.split('/').any(|part| part.starts_with(".optin-"));
    if seen.after.keys().any(temporary) {
        problems.push("leaves a temporary file".to_owned());
    }
    problems
}

/// Checks `[profiles N] [warns CODE] [ROWS]`.
fn done(place: &Folder, seen: &Seen, shows: &str, rest: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let record = seen.run.json();
    let (words, rows) = rest.split_at(rest.find('[').unwrap_or(rest.len()));
    let words: Vec<&str> = words.split_whitespace().collect();
    for pair in words.chunks(2) {
        match pair {
            ["profiles", number] => {
                let counted = record["account"]["profiles"].to_string();
                if counted != *number {
                    problems.push(format!("makes {counted} profiles"));
                }
            }
            ["warns", code] => {
                let warnings = record["warnings"].as_array().expect("warnings");
                if warnings.iter().all(|warning| warning["code"] != *code) {
                    problems.push(format!("warns of {warnings:?}"));
                }
            }
            _ => panic!("no outcome: {rest}"),
        }
    }
    if !rows.is_empty() {
        let mut expected: Vec<Vec<String>> = serde_json::from_str(rows).expect("rows are JSON");
        expected.sort_unstable();
        let shown = shown(place, seen, shows);
        if shown != expected {
            problems.push(format!("shows {}", short(&format!("{shown:?}"))));
        }
    }
    problems
}

/// What came out: rows without the id that the program makes, or new files, sorted.
fn shown(place: &Folder, seen: &Seen, shows: &str) -> Vec<Vec<String>> {
    if shows == "files" {
        let names = seen.after.keys().filter(|name| !seen.before.contains_key(*name));
        return names.map(|name| vec![name.clone()]).collect();
    }
    let mut table: Table = place.csv(shows);
    if let Some(at) = table.header.iter().position(|name| name == "customer_id") {
        for row in &mut table.rows {
            row.remove(at);
        }
    }
    table.rows.sort_unstable();
    table.rows
}

/// Checks `CODES [row N] [line N] [column NAME]`.
fn refused(run: &Run, of_data: bool, rest: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let report = run.json();
    let errors: Vec<&Json> = report["faults"]
        .as_array()
        .expect("faults")
        .iter()
        .filter(|fault| fault["severity"] == "error")
        .collect();
    let nothing = Json::Null;
    let first = errors.first().copied().unwrap_or(&nothing);
    let mut words: Vec<&str> = rest.split_whitespace().collect();
    while let [.., key @ ("row" | "line" | "column"), value] = words[..] {
        // The place in the data, or in the pipeline.
        let place = if of_data { &first["file"][key] } else { &first["labels"][0][key] };
        let place = place.as_str().map_or_else(|| place.to_string(), str::to_owned);
        if place != value {
            problems.push(format!("names {key} {place}, not {value}"));
        }
        words.truncate(words.len() - 2);
    }
    words.sort_unstable();
    let codes: BTreeSet<&str> = errors.iter().filter_map(|fault| fault["code"].as_str()).collect();
    let same = codes.len() == words.len()
        && codes.iter().zip(&words).all(|(code, word)| word.split('/').any(|one| one == *code));
    if !same {
        problems.push(format!("is {codes:?}: {}", short(&first["message"].to_string())));
    }
    problems
}
