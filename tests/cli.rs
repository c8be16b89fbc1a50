//! The command line: exit codes, what goes to stdout and what to stderr, where files go, and what
//! must never happen: a personal value outside the outputs, a file that is half written, a source
//! that is overwritten (docs/pipeline-reference.md, "Commands and exit codes", "Where files go").

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value as Json;

use crate::support::{Folder, Run, command, optin, root};

const PIPELINE: &str = "
version: 1
name: shop
out: out
as_of: 2026-06-01
sources:
  - { name: people, path: people.csv, types: { Points: int } }
  - { name: consent, path: consent.csv, types: { at: datetime } }
  - { name: bounces, path: bounces.csv }
keys:
  - { field: email, normalize: email }
  - { field: phone, normalize: phone }
customers:
  - source: people
    id: Id
    fields: { name: Name, email: Mail, phone: Phone, points: Points }
identity:
  link_on: [[email], [phone, name]]
consent:
  purposes:
    - { name: news, via: email, model: opt_in, expires_after: 24 months }
  tables:
    - { source: consent, match: { email: mail }, values: { news: news }, at: at }
  suppress:
    - { source: bounces, match: { email: mail } }
segments:
  - { name: news, consent: news }
  - { name: rich, consent: news, where: points >= 100 }
outputs:
  profiles: out/profiles.csv
  identity: out/identity.ndjson
  quarantine: out/quarantine.csv
  segments: out/segments.parquet
exports:
  - { segment: news, path: out/news.csv, columns: [customer_id, name, email] }
  - { segment: rich, path: out/rich.ipc }
";

/// Values of persons. None of them may be seen outside the outputs.
const PERSONAL: [&str; 14] = [
    "Kestrelova",
    "Quillfeather",
    "Ottavianus",
    "kestrelova@fabrikam.com",
    "quillfeather@fabrikam.com",
    "ottavianus@fabrikam.com",
    "23125071",
    "23125072",
    "23125073",
    "wren-bounce",
    "maybe-later-Kestrel",
    "P-7741-A",
    "P-7742-B",
    "P-7743-C",
];

const PEOPLE: &str = "Id,Name,Mail,Phone,Points\n\
    P-7741-A,Kestrelova,kestrelova@fabrikam.com,+49 30 23125071,150\n\
    P-7742-B,Quillfeather,Quillfeather@fabrikam.com,+49 30 23125072,50\n\
    P-7743-C,Ottavianus,ottavianus@fabrikam.com,+49 30 23125073,\n\
    P-7743-C,Ottavianus,,,7\n\
    ,Quillfeather,quillfeather@fabrikam.com,,\n";
const CONSENT: &str = "mail,news,at\n\
    kestrelova@fabrikam.com,yes,2026-01-01T00:00:00Z\n\
    quillfeather@fabrikam.com,yes,2026-02-01T00:00:00Z\n\
    quillfeather@fabrikam.com,no,2026-07-01T00:00:00Z\n\
    ottavianus@fabrikam.com,maybe-later-Kestrel,2026-01-01T00:00:00Z\n";
const BOUNCES: &str = "mail\nwren-bounce@fabrikam.com\n";

fn shop() -> Folder {
    Folder::with(&[
        ("pipeline.yaml", PIPELINE),
        ("people.csv", PEOPLE),
        ("consent.csv", CONSENT),
        ("bounces.csv", BOUNCES),
    ])
}

/// The shop, with one text in one file replaced.
fn shop_with(file: &str, from: &str, to: &str) -> Folder {
    let folder = shop();
    let text = folder.read(file);
    assert!(text.contains(from), "{file} does not hold {from:?}");
    folder.write(file, text.replacen(from, to, 1));
    folder
}

fn codes(run: &Run) -> Vec<String> {
    let faults = run.json()["faults"].as_array().expect("faults").clone();
    faults.iter().map(|fault| fault["code"].as_str().expect("a code").to_owned()).collect()
}

/// Bytes of all files of a folder.
fn snapshot(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    folder.files().into_iter().map(|name| (name.clone(), folder.bytes(&name))).collect()
}

const OUTPUTS: [&str; 8] = [
    "out/identity.ndjson",
    "out/news.csv",
    "out/profiles.csv",
    "out/quarantine.csv",
    "out/report.html",
    "out/rich.ipc",
    "out/run.json",
    "out/segments.parquet",
];

// Exit codes.

#[test]
fn a_good_pipeline_ends_with_0() {
    let folder = shop();
    for args in
        [&["check", "pipeline.yaml"][..], &["explain", "pipeline.yaml"], &["run", "pipeline.yaml"]]
    {
        let run = folder.optin(args).done();
        assert!(!run.stdout.is_empty(), "{args:?} says nothing");
        assert_eq!(run.stderr, "", "{args:?}");
    }
    for args in [["--help"], ["--version"], ["schema"]] {
        folder.optin(&args).done();
    }
    assert_eq!(folder.csv("out/news.csv").column("email"), ["kestrelova@fabrikam.com"]);
}

#[test]
fn data_and_files_end_with_1_and_write_nothing() {
    for (file, from, to, code) in [
        ("people.csv", ",150\n", ",many\n", "value-type"),
        ("people.csv", ",150\n", ",150,\n", "field-count"),
        ("consent.csv", "kestrelova@fabrikam.com,yes", "nothing,no", "unmatchable-denial"),
        ("bounces.csv", "wren-bounce@fabrikam.com\n", "", "empty-source"),
        (
            "pipeline.yaml",
            "path: people.csv,",
            "path: people.csv, expect: { min_rows: 9 },",
            "expected-rows",
        ),
        ("pipeline.yaml", "consent.csv,", "consent.csv, stale_after: 1 hour,", "stale-source"),
        ("pipeline.yaml", "people.csv", "missing.csv", "missing-file"),
    ] {
        let folder = shop_with(file, from, to);
        let run = folder.optin(&["run", "pipeline.yaml", "--json"]);
        assert_eq!((run.code, codes(&run)), (1, vec![code.to_owned()]), "{}", run.stdout);
        assert!(!folder.at("out").exists(), "{code}: something was written");
    }
}

#[test]
fn the_pipeline_file_and_the_command_line_end_with_2() {
    for (from, to, code) in [
        ("version: 1", "version: [", "yaml-syntax"),
        ("version: 1", "version: 7", "unknown-version"),
        ("consent: news }", "consnt: news }", "unknown-key"),
        ("points >= 100", "points >= 'x'", "rule-type"),
        ("columns: [customer_id, name, email]", "columns: [phone]", "ungated-contact"),
    ] {
        let folder = shop_with("pipeline.yaml", from, to);
        for command in ["run", "check", "explain"] {
            let run = folder.optin(&[command, "pipeline.yaml", "--json"]);
            assert_eq!(run.code, 2, "{command} {to}");
            assert!(codes(&run).contains(&code.to_owned()), "{command} {to}: {}", run.stdout);
        }
        assert!(!folder.at("out").exists());
    }
    let folder = shop();
    for args in [
        &["run", "none.yaml"][..],
        &["check", "none.yaml"],
        &["run"],
        &["walk", "pipeline.yaml"],
        &["run", "pipeline.yaml", "--fast"],
        &["run", "pipeline.yaml", "--as-of", "soon"],
        &["run", "pipeline.yaml", "--as-of", "2026-01-01", "--replay", "2026-01-01"],
        &["generate", "--customers", "0", "data"],
        &["generate", "data"],
    ] {
        let run = folder.optin(args);
        assert_eq!(run.code, 2, "{args:?}");
        assert!(!run.stderr.is_empty() && run.stdout.is_empty(), "{args:?}: {run:?}");
    }
    // What is a fault of the data in `run` is one of the pipeline in `check` and `explain`.
    let folder = shop_with("pipeline.yaml", "people.csv", "missing.csv");
    for command in ["check", "explain"] {
        let run = folder.optin(&[command, "pipeline.yaml", "--json"]);
        assert_eq!((run.code, codes(&run)), (2, vec!["missing-file".to_owned()]));
    }
}

// What is printed.

#[test]
fn json_is_the_run_record_the_plan_or_the_faults() {
    let folder = shop();
    let run = folder.optin(&["run", "pipeline.yaml", "--json"]).done();
    assert_eq!(run.json(), folder.json("out/run.json"));
    assert_eq!(run.json()["account"]["profiles"], 3);
    let check = folder.optin(&["check", "pipeline.yaml", "--json"]).done();
    assert_eq!(check.json(), serde_json::json!({ "ok": true, "faults": [] }));
    let plan = folder.optin(&["explain", "pipeline.yaml", "--json"]).done().json();
    assert_eq!(plan["name"], "shop");
    assert_eq!(plan["segments"].as_array().expect("segments").len(), 2);

    let folder = shop_with("pipeline.yaml", "where: points", "where: pionts");
    for command in ["run", "check", "explain"] {
        let run = folder.optin(&[command, "pipeline.yaml", "--json"]);
        assert_eq!(run.stderr, "", "{command}");
        let json = run.json();
        assert_eq!(json["ok"], false);
        let fault = &json["faults"][0];
        assert_eq!(fault["code"], "unknown-field");
        assert_eq!(fault["severity"], "error");
        let line = 1 + PIPELINE.lines().position(|l| l.contains("rich,")).expect("the line");
        assert_eq!(fault["labels"][0]["line"], line, "{fault}");
        assert!(fault["help"].as_str().expect("help").contains("points"), "{fault}");
    }
}

#[test]
fn quiet_says_nothing_unless_something_is_wrong() {
    let folder = shop();
    let run = folder.optin(&["run", "pipeline.yaml", "--quiet"]).done();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    assert_eq!(folder.json("out/run.json")["account"]["profiles"], 3);
    let folder = shop_with("people.csv", ",150\n", ",many\n");
    let run = folder.optin(&["run", "pipeline.yaml", "--quiet"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.is_empty() && run.stderr.contains("value-type"), "{run:?}");
}

/// A run that warns says so: in its summary, or on stderr where that is not printed.
#[test]
fn quiet_prints_warnings_to_stderr() {
    let folder = shop_with(
        "pipeline.yaml",
        "{ field: email, normalize: email }",
        "{ field: email, normalize: email, never: [nothing] }",
    );
    let loud = folder.optin(&["run", "pipeline.yaml"]).done();
    assert_eq!(loud.stderr, "");
    let quiet = folder.optin(&["run", "pipeline.yaml", "--quiet"]).done();
    assert_eq!(quiet.stdout, "");
    assert!(quiet.stderr.starts_with("warning[bad-value]: "), "{quiet:?}");
    assert!(loud.stdout.contains(&quiet.stderr), "{loud:?}{quiet:?}");
}

/// Behind standard output may be a disk that is full. What is published stays published.
#[test]
fn output_that_cannot_be_written_is_said() {
    let folder = shop();
    let ask = |args: &[&str]| {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("the device");
        let output = command(folder.path()).args(args).stdout(full).output().expect("it runs");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    for args in [&["run", "pipeline.yaml"][..], &["run", "pipeline.yaml", "--json"]] {
        let (code, said) = ask(args);
        assert_eq!(code, Some(0), "{args:?}: {said}");
        let due = "warning: all outputs are published, but the summary could not be written: ";
        assert!(said.starts_with(due) && said.lines().count() == 1, "{args:?}: {said}");
        assert_eq!(folder.json("out/run.json")["account"]["profiles"], 3);
    }
    for args in [
        &["check", "pipeline.yaml"][..],
        &["explain", "pipeline.yaml", "--json"],
        &["why", "pipeline.yaml", "--customer", "people=P-7741-A"],
        &["schema"],
        &["check", "none.yaml", "--json"],
    ] {
        let (code, said) = ask(args);
        assert_eq!(code, Some(1), "{args:?}: {said}");
        let due = "error: the output could not be written: ";
        assert!(said.starts_with(due) && said.lines().count() == 1, "{args:?}: {said}");
    }
}

/// Whose name is mistyped learns what there is.
#[test]
fn a_pipeline_file_that_is_not_there_or_is_none_is_named() {
    let folder = shop();
    for (file, help) in
        [("pipelin.yaml", "did you mean pipeline.yaml?"), ("none.yaml", "check the spelling")]
    {
        let run = folder.optin(&["run", file]);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains("error[pipeline-unreadable]"), "{run:?}");
        assert!(run.stderr.contains(help) && run.stderr.contains(file), "{run:?}");
    }
    folder.write("list.yaml", "- a\n- b\n");
    folder.write("old.yaml", PIPELINE.trim_start().replace('\n', "\r"));
    for (file, says) in [
        ("people.csv", "this is no pipeline file"),
        ("list.yaml", "this is no pipeline file"),
        ("old.yaml", "end in CR alone"),
    ] {
        let run = folder.optin(&["run", file]);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains(says), "{run:?}");
        assert!(run.stderr.contains(&format!("in {file}")), "{run:?}");
    }
}

/// A key that is written and has no value could be a protection that was meant.
#[test]
fn a_key_without_a_value_is_a_fault_everywhere() {
    let lines = [
        (
            "  suppress:\n    - { source: bounces, match: { email: mail } }",
            "  suppress:",
            "suppress",
        ),
        ("  link_on: [[email], [phone, name]]", "  link_on:", "link_on"),
        ("identity:\n", "identity:\n  unless_different:\n", "unless_different"),
        ("identity:\n", "identity:\n  never: ~\n", "never"),
        ("path: consent.csv,", "path: consent.csv, expect: ,", "expect"),
        ("path: consent.csv,", "path: consent.csv, expect: { min_rows: },", "min_rows"),
        ("at: at }", "at: at, words: { granted: [ja], denied: } }", "denied"),
        ("at: at }", "at: at, words: }", "words"),
        ("where: points >= 100 }", "where: points >= 100, except: null }", "except"),
        ("match: { email: mail }, values", "match: { email: }, values", "email"),
        ("values: { news: news }", "values: { news: }", "news"),
        ("normalize: phone }", "normalize: { phone: } }", "phone"),
        ("outputs:\n", "measures:\noutputs:\n", "measures"),
    ];
    for (from, to, key) in lines {
        let folder = shop_with("pipeline.yaml", from, to);
        let run = folder.optin(&["check", "pipeline.yaml"]);
        assert_eq!(run.code, 2, "{to}: {run:?}");
        let due = format!("error[missing-key]: `{key}` has no value");
        assert!(run.stderr.contains(&due), "{to}: {}", run.stderr);
    }
    for (from, to, code, says) in [
        ("where: points >= 100", "union: []", "bad-value", "`union` names no segment"),
        ("where: points >= 100", "intersect: []", "bad-value", "`intersect` names no segment"),
        ("email: Mail,", "email:Mail,", "wrong-kind", "behind the colon of `email`"),
        ("consent: news }", "consent:news }", "wrong-kind", "behind the colon of `consent`"),
        ("at: datetime", "at: { date: \"%d\", int: 1 }", "wrong-kind", "not one with 2"),
        (
            "path: consent.csv,",
            "path: consent.csv, expect: { max_drop: 0.1 },",
            "wrong-kind",
            "10%",
        ),
        ("version: 1", "version: 9999999999999999999999", "wrong-kind", "that is too large"),
    ] {
        let folder = shop_with("pipeline.yaml", from, to);
        let run = folder.optin(&["check", "pipeline.yaml"]);
        assert_eq!(run.code, 2, "{to}: {run:?}");
        assert!(run.stderr.contains(&format!("error[{code}]")), "{to}: {}", run.stderr);
        assert!(run.stderr.contains(says), "{to}: {}", run.stderr);
    }
}

#[test]
fn faults_go_to_stderr_and_all_of_them_at_once() {
    let folder = shop_with("pipeline.yaml", "where: points", "where: pionts");
    let text = folder.read("pipeline.yaml").replace("name: Name", "name: Nmae");
    folder.write("pipeline.yaml", text);
    for command in ["run", "check", "explain"] {
        let run = folder.optin(&[command, "pipeline.yaml"]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{command}");
        for part in ["unknown-column", "pionts", "Nmae", "pipeline.yaml:"] {
            assert!(run.stderr.contains(part), "{command}: no {part} in\n{}", run.stderr);
        }
    }
}

#[test]
fn verbose_writes_to_stderr_only() {
    let folder = shop();
    let quiet = folder.optin(&["run", "pipeline.yaml", "--json"]).done();
    let mut lines = vec![quiet.stderr.lines().count()];
    for flag in ["-v", "-vv"] {
        let run = folder.optin(&["run", "pipeline.yaml", "--json", flag]).done();
        assert_eq!(run.json()["account"], quiet.json()["account"]);
        lines.push(run.stderr.lines().count());
        let check = folder.optin(&["check", "pipeline.yaml", flag]).done();
        assert_eq!(check.stdout, folder.optin(&["check", "pipeline.yaml"]).stdout);
    }
    assert!(lines[0] == 0 && lines[1] > 0 && lines[2] >= lines[1], "{lines:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = shop();
    for args in [
        &["run", "pipeline.yaml"][..],
        &["run", "pipeline.yaml", "--json"],
        &["check", "pipeline.yaml"],
        &["explain", "pipeline.yaml", "--json"],
        &["schema"],
        &["--help"],
    ] {
        let mut child = command(folder.path())
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        // As `| head -0` does it: the pipe is closed before anything is written.
        drop(child.stdout.take());
        let mut stderr = String::new();
        let pipe = child.stderr.as_mut().expect("stderr");
        pipe.read_to_string(&mut stderr).expect("UTF-8");
        let status = child.wait().expect("it ends");
        assert_eq!((status.code(), stderr.as_str()), (Some(0), ""), "{args:?}");
    }
    assert_eq!(
        folder.files().iter().filter(|name| name.starts_with("out/")).count(),
        OUTPUTS.len()
    );
}

#[test]
fn there_are_no_colours_in_a_pipe() {
    let good = shop();
    let bad = shop_with("pipeline.yaml", "where: points", "where: pionts");
    for (folder, command) in
        [(&good, "run"), (&good, "check"), (&good, "explain"), (&bad, "run"), (&bad, "check")]
    {
        let run = folder.optin(&[command, "pipeline.yaml", "-vv"]);
        assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'), "{run:?}");
    }
    let run = good.optin(&["run", "--no-such-thing"]);
    assert!(run.code == 2 && !run.stderr.contains('\u{1b}'), "{run:?}");
}

/// Lines of more than 80 characters.
fn wide(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.chars().count() > 80).collect()
}

#[test]
fn the_summary_of_a_run_is_at_most_80_columns_wide() {
    let out = Folder::new();
    let pipeline = root().join("pipelines/contoso.yaml");
    let args = ["run", pipeline.to_str().expect("a path"), "--out", "o"];
    let run = optin(out.path(), &args).done();
    assert!(run.stdout.contains("service_notice"), "{}", run.stdout);
    assert_eq!(wide(&run.stdout), Vec::<&str>::new());
}

#[test]
fn a_long_gate_and_a_long_reason_are_broken_before_column_80() {
    let purposes: Vec<String> = (0..12).map(|n| format!("offers_by_mail_{n}")).collect();
    let mut declared = "  purposes:\n".to_owned();
    for name in &purposes {
        let _ = writeln!(declared, "    - {{ name: {name}, via: email, model: opt_out }}");
    }
    let because = "the terms of the programme change and everybody must be told ".repeat(3);
    let segments = format!(
        "segments:\n  - {{ name: all_of_them, consent: [{}] }}\n  \
         - {{ name: terms, consent: none, because: \"{because}\" }}\n",
        purposes.join(", "),
    );
    let text = PIPELINE
        .replace("  purposes:\n", &declared)
        .replace("segments:\n  - { name", &(segments + "  - { name"));
    let folder = shop();
    folder.write("pipeline.yaml", text);
    let run = folder.optin(&["run", "pipeline.yaml"]).done();
    assert!(run.stdout.contains("offers_by_mail_11"), "{}", run.stdout);
    assert_eq!(wide(&run.stdout), Vec::<&str>::new());
    let help = folder.optin(&["run", "--help"]);
    assert!(help.stdout.contains("--replay"), "{help:?}");
    assert_eq!(wide(&help.stdout), Vec::<&str>::new());
}

// Where files go.

#[test]
fn out_puts_everything_below_one_folder() {
    for (written, below) in [
        ("out/profiles.csv", "out/profiles.csv"),
        ("../up/profiles.csv", "up/profiles.csv"),
        ("../../../up/profiles.csv", "up/profiles.csv"),
        ("./a/../b/profiles.csv", "b/profiles.csv"),
        ("a/../../../b/profiles.csv", "b/profiles.csv"),
        ("/somewhere/profiles.csv", "somewhere/profiles.csv"),
    ] {
        let folder = shop_with(
            "pipeline.yaml",
            "profiles: out/profiles.csv",
            &format!("profiles: {written}"),
        );
        // The pipeline lies two levels down, so that a way out would be seen.
        let inner = Folder::new();
        for name in folder.files() {
            inner.write(&format!("x/y/{name}"), folder.bytes(&name));
        }
        let run = inner.optin(&["run", "x/y/pipeline.yaml", "--out", "x/trial", "--quiet"]).done();
        assert_eq!(run.stderr, "");
        let new: Vec<String> =
            inner.files().into_iter().filter(|name| !name.starts_with("x/y/")).collect();
        assert!(new.iter().all(|name| name.starts_with("x/trial/")), "{new:?}");
        assert!(new.contains(&format!("x/trial/{below}")), "{written}: {new:?}");
        // The record lies in the folder itself, whatever the file says.
        assert!(new.contains(&"x/trial/run.json".to_owned()), "{new:?}");
        assert!(new.contains(&"x/trial/out/news.csv".to_owned()), "{new:?}");
        assert_eq!(new.len(), OUTPUTS.len());
        assert!(!Path::new("/somewhere").exists());
    }
}

#[test]
fn without_out_the_record_lies_beside_the_pipelines_folder() {
    let folder = Folder::new();
    for name in ["people.csv", "consent.csv", "bounces.csv"] {
        folder.write(&format!("p/{name}"), shop().bytes(name));
    }
    folder.write("p/pipeline.yaml", PIPELINE.replace("out: out\n", ""));
    folder.optin(&["run", "p/pipeline.yaml"]).done();
    assert_eq!(folder.json("out/shop/run.json")["pipeline"], "shop");
}

#[test]
fn outputs_are_for_their_owner_only() {
    let folder = shop();
    // A file that everybody could read is replaced, not written over.
    folder.write("out/news.csv", "old");
    folder.optin(&["run", "pipeline.yaml"]).done();
    for name in OUTPUTS {
        let mode = fs::metadata(folder.at(name)).expect("an output").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_second_run_replaces_the_first_and_leaves_nothing_behind() {
    let folder = shop();
    folder.optin(&["run", "pipeline.yaml"]).done();
    let first = snapshot(&folder);
    folder.optin(&["run", "pipeline.yaml"]).done();
    let mut second = snapshot(&folder);
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    // All is the same but the clock in the record, and in the page about it.
    for name in ["out/run.json", "out/report.html"] {
        second.insert(name.to_owned(), first[name].clone());
    }
    assert_eq!(first, second);
}

// The date of the run.

#[test]
fn as_of_goes_over_the_file_and_denials_stay() {
    let folder = shop();
    let states = |args: &[&str]| {
        let mut all = vec!["run", "pipeline.yaml", "--json"];
        all.extend(args);
        let record = folder.optin(&all).done().json();
        let purpose = &record["account"]["purposes"][0];
        let count = |state: &str| purpose[state].as_u64().expect("a count");
        (
            record["as_of"].clone(),
            count("granted"),
            count("denied"),
            count("expired"),
            count("unknown"),
        )
    };
    // Quillfeather withdrew on 1 July, which counts whatever the date. The word of Ottavianus is no
    // decision. The grant of Kestrelova is of 1 January 2026 and ends after 24 months.
    assert_eq!(states(&[]), (Json::from("2026-06-01T23:59:59.999999Z"), 1, 1, 0, 1));
    assert_eq!(
        states(&["--as-of", "2026-01-15"]),
        (Json::from("2026-01-15T23:59:59.999999Z"), 1, 1, 0, 1)
    );
    assert_eq!(
        states(&["--as-of", "2025-12-31"]),
        (Json::from("2025-12-31T23:59:59.999999Z"), 0, 1, 0, 2)
    );
    assert_eq!(
        states(&["--as-of", "2028-01-01T00:00:00Z"]),
        (Json::from("2028-01-01T00:00:00Z"), 0, 1, 1, 1)
    );
    assert_eq!(
        states(&["--as-of", "2027-12-31T23:59:59.999999Z"]),
        (Json::from("2027-12-31T23:59:59.999999Z"), 1, 1, 0, 1)
    );
}

#[test]
fn a_replay_hides_later_denials_and_exports_nothing() {
    let folder = shop();
    let run = folder.optin(&["run", "pipeline.yaml", "--replay", "2026-06-01"]).done();
    assert!(run.stdout.contains("replay"), "{}", run.stdout);
    let record = folder.json("out/run.json");
    assert_eq!(record["replay"], true);
    assert_eq!(record["exports"], serde_json::json!([]));
    assert_eq!(record["account"]["purposes"][0]["granted"], 2);
    assert_eq!(record["account"]["purposes"][0]["denied"], 0);
    let written: Vec<String> =
        folder.files().into_iter().filter(|name| name.starts_with("out/")).collect();
    let due: Vec<&str> = OUTPUTS
        .into_iter()
        .filter(|name| !["out/news.csv", "out/rich.ipc"].contains(name))
        .collect();
    assert_eq!(written, due);
    // A day after the withdrawal it counts.
    let record =
        folder.optin(&["run", "pipeline.yaml", "--replay", "2026-07-01", "--json"]).done().json();
    assert_eq!(record["account"]["purposes"][0]["denied"], 1);
}

// What must never happen.

#[test]
fn no_personal_value_is_seen_outside_the_outputs() {
    let faults: [(&str, &str, &str); 16] = [
        // No fault at all.
        ("people.csv", "150", "150"),
        // Values.
        ("people.csv", ",150\n", ",23125071\u{a0}\n"),
        ("people.csv", ",150\n", ",Quillfeather\n"),
        ("consent.csv", "2026-01-01T00:00:00Z", "P-7741-A"),
        ("consent.csv", "kestrelova@fabrikam.com,yes", "Kestrelova,no"),
        ("bounces.csv", "wren-bounce@fabrikam.com", "wren-bounce"),
        // Structure.
        ("people.csv", "Kestrelova,", "Kestrelova,Quillfeather,"),
        ("people.csv", "Kestrelova,", "\"Kestrelova,"),
        ("people.csv", "Kestrelova,", "Kestre\"lova Kestrelova,"),
        ("people.csv", "Kestrelova,", "\"Kestrelova\"Quillfeather,"),
        ("people.csv", "Kestrelova,", "Kestrelova\r,"),
        ("people.csv", "Points\n", "Points\r"),
        ("people.csv", "Kestrelova,", "Kestrelova\0,"),
        ("consent.csv", "kestrelova@fabrikam.com,yes", "kestrelova@fabrikam.com\n"),
        // Columns that are not there.
        ("pipeline.yaml", "name: Name", "name: Nmae"),
        ("pipeline.yaml", "points >= 100", "name >= 100"),
    ];
    let mut failed = 0;
    for (file, from, to) in faults {
        let folder = shop_with(file, from, to);
        let mut commands = vec![
            &["run", "pipeline.yaml"][..],
            &["run", "pipeline.yaml", "--json", "-vv"],
            &["check", "pipeline.yaml", "-vv"],
        ];
        if file == "pipeline.yaml" || from == to {
            commands.push(&["explain", "pipeline.yaml", "-vv"]);
            commands.push(&["explain", "pipeline.yaml", "--json"]);
        }
        for args in commands {
            let run = folder.optin(args);
            failed += usize::from(run.code != 0);
            for value in PERSONAL {
                let seen = format!("{}{}", run.stdout, run.stderr).to_lowercase();
                assert!(
                    !seen.contains(&value.to_lowercase()),
                    "{args:?} after {from:?} -> {to:?} shows {value}:\n{}{}",
                    run.stdout,
                    run.stderr
                );
            }
        }
        if folder.at("out/run.json").exists() {
            for name in ["out/run.json", "out/report.html"] {
                let text = folder.read(name);
                assert!(PERSONAL.iter().all(|value| !text.contains(value)), "{text}");
            }
        }
    }
    assert!(failed >= 36, "only {failed} commands failed");
}

#[test]
fn ndjson_faults_show_no_cell() {
    let good = "{\"id\":\"P-7741-A\",\"name\":\"Kestrelova\"}\n";
    let pipeline = "version: 1\nname: x\nout: out\n\
        sources: [{ name: d, path: d.ndjson, types: { n: int } }]\n\
        customers: [{ source: d, id: id, fields: { name: name, n: n } }]\n\
        outputs: { profiles: out/p.csv }\n";
    for line in [
        "{\"id\":\"P-7742-B\",\"name\":[\"Quillfeather\"]}",
        "{\"id\":\"P-7742-B\",\"name\":Quillfeather}",
        "{\"id\":\"P-7742-B\",\"name\":\"Quillfeather",
        "{\"id\":\"P-7742-B\",\"n\":\"Quillfeather\"}",
        "P-7742-B,Quillfeather",
    ] {
        let folder =
            Folder::with(&[("pipeline.yaml", pipeline), ("d.ndjson", &format!("{good}{line}\n"))]);
        let run = folder.optin(&["run", "pipeline.yaml", "-vv"]);
        assert_eq!(run.code, 1, "{line}");
        for value in PERSONAL {
            assert!(!run.stderr.contains(value) && !run.stdout.contains(value), "{run:?}");
        }
    }
}

#[test]
fn a_failing_run_leaves_the_old_files_and_no_others() {
    let folder = shop();
    folder.optin(&["run", "pipeline.yaml"]).done();
    let before = snapshot(&folder);
    for (file, from, to, code) in [
        ("consent.csv", "kestrelova@fabrikam.com,yes", "nothing,no", "unmatchable-denial"),
        ("people.csv", ",150\n", ",many\n", "value-type"),
        ("people.csv", "Kestrelova", "\"Kestrelova", "quote"),
        ("bounces.csv", "wren-bounce@fabrikam.com\n", "", "empty-source"),
        (
            "pipeline.yaml",
            "path: people.csv,",
            "path: people.csv, expect: { min_rows: 9 },",
            "expected-rows",
        ),
        // The last export cannot be written, when all others are.
        ("pipeline.yaml", "out/rich.ipc", "folder/taken.ipc", "write-failed"),
        ("pipeline.yaml", "out/rich.ipc", "people.csv/rich.ipc", "write-failed"),
        ("pipeline.yaml", "out: out\n", "out: people.csv\n", "write-failed"),
    ] {
        fs::create_dir_all(folder.at("folder/taken.ipc")).expect("a folder");
        let good = folder.bytes(file);
        let text = folder.read(file);
        assert!(text.contains(from), "{file} does not hold {from:?}");
        folder.write(file, text.replacen(from, to, 1));
        let run = folder.optin(&["run", "pipeline.yaml", "--json"]);
        assert_eq!((run.code, codes(&run)), (1, vec![code.to_owned()]), "{}", run.stdout);
        folder.write(file, good);
        // Only the changed file was another one; now all is as it was.
        let after = snapshot(&folder);
        assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "{code}");
        assert!(before == after, "{code}: a file has changed");
    }
}

#[test]
fn an_output_that_is_a_source_is_refused() {
    let refused = |folder: &Folder| {
        let before = snapshot(folder);
        let run = folder.optin(&["run", "pipeline.yaml", "--json"]);
        assert_eq!((run.code, codes(&run)), (1, vec!["output-path".to_owned()]), "{}", run.stdout);
        assert!(before == snapshot(folder), "a file has changed");
    };
    // The same name, and the same file by another way.
    for path in ["people.csv", "./people.csv", "none/../people.csv", "out/../people.csv"] {
        let folder =
            shop_with("pipeline.yaml", "profiles: out/profiles.csv", &format!("profiles: {path}"));
        fs::create_dir_all(folder.at("none")).expect("a folder");
        fs::create_dir_all(folder.at("out")).expect("a folder");
        refused(&folder);
    }
    // A hard link.
    let folder = shop();
    fs::create_dir_all(folder.at("out")).expect("a folder");
    fs::hard_link(folder.at("consent.csv"), folder.at("out/news.csv")).expect("a link");
    refused(&folder);
    // A symbolic link to the file, and one to its folder.
    let folder = shop();
    fs::create_dir_all(folder.at("out")).expect("a folder");
    symlink("../people.csv", folder.at("out/profiles.csv")).expect("a link");
    refused(&folder);
    let folder =
        shop_with("pipeline.yaml", "profiles: out/profiles.csv", "profiles: here/people.csv");
    symlink(".", folder.at("here")).expect("a link");
    let before = folder.bytes("people.csv");
    let run = folder.optin(&["run", "pipeline.yaml", "--json"]);
    assert_eq!((run.code, codes(&run)), (1, vec!["output-path".to_owned()]), "{}", run.stdout);
    assert_eq!(folder.bytes("people.csv"), before);
    // The source is the link, the output its target.
    let folder = shop_with("pipeline.yaml", "path: people.csv", "path: link.csv");
    symlink("out/profiles.csv", folder.at("link.csv")).expect("a link");
    folder.write("out/profiles.csv", PEOPLE);
    refused(&folder);
    // The run record.
    let folder = shop_with("pipeline.yaml", "path: bounces.csv", "path: out/run.json, format: csv");
    folder.write("out/run.json", BOUNCES);
    refused(&folder);
    // With --out.
    let folder =
        shop_with("pipeline.yaml", "profiles: out/profiles.csv", "profiles: ../people.csv");
    let before = snapshot(&folder);
    let run = folder.optin(&["run", "pipeline.yaml", "--json", "--out", "."]);
    assert_eq!((run.code, codes(&run)), (1, vec!["output-path".to_owned()]), "{}", run.stdout);
    assert!(before == snapshot(&folder));
}

#[test]
fn the_pipeline_file_is_not_overwritten() {
    let folder = shop();
    folder.write(
        "pipeline.csv",
        PIPELINE.replace("profiles: out/profiles.csv", "profiles: pipeline.csv"),
    );
    let before = folder.bytes("pipeline.csv");
    let run = folder.optin(&["run", "pipeline.csv", "--json"]);
    assert!(folder.bytes("pipeline.csv") == before, "the pipeline file was overwritten");
    assert_ne!(run.code, 0);
}

// The other commands.

/// Names of all properties anywhere in a schema.
fn properties(schema: &Json, found: &mut BTreeSet<String>) {
    match schema {
        Json::Object(members) => {
            if let Some(Json::Object(properties)) = members.get("properties") {
                found.extend(properties.keys().cloned());
            }
            for member in members.values() {
                properties_of(member, found);
            }
        }
        other => properties_of(other, found),
    }
}

fn properties_of(value: &Json, found: &mut BTreeSet<String>) {
    match value {
        Json::Object(_) => properties(value, found),
        Json::Array(items) => items.iter().for_each(|item| properties(item, found)),
        _ => {}
    }
}

/// The keys of the pipeline file, from the one place where they are declared:
/// `key: required TYPE` and `field as "key": optional TYPE`.
fn declared_keys() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("src/spec/model.rs")).expect("the model");
    let mut keys = BTreeSet::new();
    for line in text.lines() {
        let Some((name, rest)) = line.trim().split_once(": ") else { continue };
        if !(rest.starts_with("required ") || rest.starts_with("optional ")) {
            continue;
        }
        let key = match name.split_once(" as ") {
            Some((_, renamed)) => renamed.trim_matches('"'),
            None => name,
        };
        keys.insert(key.to_owned());
    }
    keys
}

#[test]
fn the_schema_is_json_and_names_every_key() {
    let schema = Folder::new().optin(&["schema"]).done().json();
    assert!(schema["$schema"].as_str().expect("a schema").contains("json-schema.org"));
    let mut known = BTreeSet::new();
    properties(&schema, &mut known);
    let declared = declared_keys();
    assert!(declared.len() > 60 && declared.contains("match") && declared.contains("where"));
    // Options of normalizers and of a match stand below values whose shape depends on the place.
    let open = [
        "region",
        "region_field",
        "region_column",
        "column",
        "hashed",
        "plus_tag",
        "gmail_dots",
        "file",
    ];
    let missing: Vec<&String> = declared
        .iter()
        .filter(|key| !known.contains(*key) && !open.contains(&key.as_str()))
        .collect();
    assert!(missing.is_empty(), "not in the schema: {missing:?}");
}

#[test]
fn generated_data_is_the_same_every_time_and_its_pipeline_runs() {
    let folder = Folder::new();
    for (seed, dir) in [("5", "one"), ("5", "two"), ("6", "three")] {
        folder.optin(&["generate", "--customers", "300", "--seed", seed, dir]).done();
    }
    let of = |dir: &str| -> BTreeMap<String, Vec<u8>> {
        snapshot(&folder)
            .into_iter()
            .filter_map(|(name, bytes)| Some((name.strip_prefix(dir)?.to_owned(), bytes)))
            .collect()
    };
    assert_eq!(of("one/").len(), 6);
    assert!(of("one/") == of("two/"), "the same seed gave other bytes");
    assert_ne!(of("one/")["contacts.csv"], of("three/")["contacts.csv"]);
    for name in ["contacts.csv", "newsletter_consent.csv", "consent_events.csv"] {
        assert!(folder.csv(&format!("one/{name}")).rows.len() > 100, "{name}");
    }
    let record = folder.optin(&["run", "one/pipeline.yaml", "--json"]).done().json();
    let count = |value: &Json| value.as_u64().expect("a count");
    assert!(count(&record["account"]["profiles"]) > 250);
    assert!(count(&record["account"]["segments"][1]["in_segment"]) > 0);
    assert_eq!(record["warnings"], serde_json::json!([]));

    // Existing files are not overwritten, and none of the others is written then.
    let before = snapshot(&folder);
    let run = folder.optin(&["generate", "--customers", "10", "one"]);
    assert_eq!(run.code, 1, "{run:?}");
    folder.write("four/loyalty.csv", "mine");
    let run = folder.optin(&["generate", "--customers", "10", "four"]);
    assert!(run.code == 1 && run.stderr.contains("loyalty.csv"), "{run:?}");
    let mut after = snapshot(&folder);
    assert_eq!(after.remove("four/loyalty.csv").as_deref(), Some(&b"mine"[..]));
    assert!(before == after, "a file was written");
}

#[test]
fn bench_measures_a_pipeline_and_publishes_nothing() {
    let folder = Folder::new();
    let data = folder.at("data");
    let data = data.to_str().expect("a path");
    folder.optin(&["generate", "--customers", "500", data]).done();
    let before = folder.files();
    let file = format!("{data}/pipeline.yaml");
    let measured = folder.optin(&["bench", &file, "--runs", "2", "--json"]).done().json();
    assert_eq!(folder.files(), before, "bench leaves nothing behind");
    assert_eq!(measured["runs"].as_array().map(Vec::len), Some(2));
    // All rows of all five sources: 1.25 customers' records, and their decisions.
    let record = folder.optin(&["run", &file, "--json"]).done().json();
    let sources = record["sources"].as_array().expect("sources").iter();
    let rows: u64 = sources.map(|source| source["rows"].as_u64().expect("rows")).sum();
    assert_eq!(measured["rows"].as_u64(), Some(rows));
    let stages = measured["stages"].as_array().expect("stages");
    assert!(stages.iter().any(|stage| stage[0] == "identity"), "{measured}");
    let text = folder.optin(&["bench", &file, "--runs", "1"]).done().stdout;
    assert!(text.contains("floor:") && text.contains("rows a second"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn verify_says_which_files_changed_since_the_run() {
    let folder = shop();
    folder.optin(&["run", "pipeline.yaml"]).done();
    let same = folder.optin(&["verify", "out/run.json"]).done();
    assert!(same.stdout.contains("files are as the run read and wrote them"), "{same:?}");
    folder.write("consent.csv", CONSENT.replace("yes", "no"));
    std::fs::remove_file(folder.at("out/news.csv")).expect("removed");
    let changed = folder.optin(&["verify", "out/run.json", "--json"]);
    assert_eq!(changed.code, 1, "{changed:?}");
    let files = changed.json()["files"].as_array().expect("files").clone();
    let found = |name: &str| {
        let of = files.iter().find(|file| file["name"] == name).expect("a file");
        of["found"].as_str().expect("a word").to_owned()
    };
    let names = ["people", "consent", "bounces", "news", "profiles"].map(found);
    assert_eq!(names, ["same", "changed", "same", "missing", "same"]);
    assert!(files.iter().any(|file| file["kind"] == "pipeline" && file["found"] == "same"));
    // From another folder, and of what is no record.
    let inside = folder.optin(&["verify", folder.at("out/run.json").to_str().expect("a path")]);
    assert!(inside.stdout.contains("2 of"), "{inside:?}");
    let none = folder.optin(&["verify", "people.csv"]);
    assert_eq!(none.code, 1, "{none:?}");
    assert!(none.stderr.contains("no run record"), "{none:?}");
    for value in PERSONAL {
        assert!(!none.stderr.contains(value), "{none:?}");
    }
}

#[test]
fn a_run_keeps_within_its_memory_or_says_that_it_cannot() {
    let folder = shop();
    folder.optin(&["run", "pipeline.yaml"]).done();
    let before = snapshot(&folder);
    folder.write("people.csv", PEOPLE.replace("150", "160"));
    let run = folder.optin(&["run", "pipeline.yaml", "--limit-memory", "1MB", "--json"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(codes(&run), ["memory-limit"]);
    folder.write("people.csv", PEOPLE);
    assert_eq!(snapshot(&folder), before, "nothing was published, and nothing is left behind");
    let limited =
        folder.optin(&["run", "pipeline.yaml", "--limit-memory", "2GiB", "--out", "more"]);
    limited.done();
    assert_eq!(folder.bytes("more/out/news.csv"), folder.bytes("out/news.csv"));
    let wrong = folder.optin(&["run", "pipeline.yaml", "--limit-memory", "2G"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.stderr.contains("800MB, 2GB or 2GiB"), "{wrong:?}");
}

#[test]
fn bench_says_why_a_run_fails() {
    let folder = Folder::with(&[
        (
            "p.yaml",
            "version: 1
name: t
sources: [{ name: c, path: c.csv, expect: { min_rows: 5 } }]
customers: [{ source: c, id: id, fields: { a: a } }]
outputs: { identity: out/i.csv }
",
        ),
        ("c.csv", "id,a\n1,x\n"),
    ]);
    let run = folder.optin(&["bench", "p.yaml"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("fewer than min_rows"), "{run:?}");
}
