//! `--root`: what a pipeline reads and writes stays below one folder.

use std::os::unix::fs::symlink;

use crate::support::Folder;

const PEOPLE: &str = "id,mail,changed\n1,ann@example.com,2026-01-01\n";

fn pipeline(source: &str, out: &str, export: &str, more: &str) -> String {
    format!(
        "version: 1
name: t
out: {out}
sources: [{{ name: c, path: {source}, types: {{ changed: date }} }}]
keys: [{{ field: email, normalize: {} }}]
customers: [{{ source: c, id: id, fields: {{ email: mail, changed: changed }} }}]
identity: {{ link_on: [email]{more} }}
profile: {{ keep: {{ most_recent: changed }} }}
segments: [{{ name: s, consent: none, because: notice }}]
exports: [{{ segment: s, path: {export} }}]
",
        if more.is_empty() { "email" } else { "[email, { alias: { file: ../alias.csv } }]" }
    )
}

/// A folder `in` with a pipeline, and files outside that it must not reach.
fn folder(text: &str) -> Folder {
    let folder = Folder::with(&[
        ("in/people.csv", PEOPLE),
        ("secret.csv", PEOPLE),
        ("alias.csv", "a,b\nx,y\n"),
        ("in/p.yaml", text),
    ]);
    symlink(folder.path(), folder.at("in/up")).expect("a link");
    symlink(folder.at("secret.csv"), folder.at("in/link.csv")).expect("a link");
    folder
}

/// How often a path is refused, and that nothing else is said, and nothing of what stands outside.
#[track_caller]
fn refused(text: &str) -> usize {
    let folder = folder(text);
    let before = folder.files();
    let run = folder.optin(&["run", "in/p.yaml", "--root", "in", "--json"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(!run.stdout.contains("mail\"") && !run.stdout.contains("ann@"), "{run:?}");
    let json = run.json();
    let faults = json["faults"].as_array().expect("faults");
    assert!(faults.iter().all(|fault| fault["code"] == "outside-root"), "{run:?}");
    assert!(faults.iter().all(|fault| fault["labels"][0]["line"].is_u64()), "{run:?}");
    assert_eq!(folder.files(), before, "nothing was written");
    // It is the option that refuses it.
    let free = folder.optin(&["check", "in/p.yaml"]);
    assert!(!free.stderr.contains("outside-root"), "{free:?}");
    faults.len()
}

#[test]
fn a_pipeline_stays_below_its_root() {
    let inside = folder(&pipeline("people.csv", "out", "out/s.csv", ""));
    inside.optin(&["run", "in/p.yaml", "--root", "in"]).done();
    assert!(inside.read("in/out/s.csv").starts_with("customer_id"));
    for command in ["check", "explain"] {
        inside.optin(&[command, "--root", "in", "in/p.yaml"]).done();
        inside.optin(&[command, "--root", ".", "in/p.yaml"]).done();
    }
    for source in ["../secret.csv", "up/secret.csv", "link.csv", "../not-there.csv", "../*.csv"] {
        assert_eq!(refused(&pipeline(source, "out", "out/s.csv", "")), 1, "{source}");
    }
    // A wildcard that reaches a link, and one behind which the path climbs.
    assert_eq!(refused(&pipeline("'l*.csv'", "out", "out/s.csv", "")), 1);
    assert_eq!(refused(&pipeline("'*/../../secret.csv'", "out", "out/s.csv", "")), 1);
    assert_eq!(refused(&pipeline("people.csv", "out", "../s.csv", "")), 1);
    assert_eq!(refused(&pipeline("people.csv", "../out", "up/s.csv", "")), 2);
    let measure = "measures: [{ name: m, compute: { n: count }, path: ../m.csv }]\n";
    assert_eq!(refused(&(pipeline("people.csv", "out", "out/s.csv", "") + measure)), 1);
    let more = ", previous: { path: ../ids.csv, allow_missing: true }";
    assert_eq!(refused(&pipeline("people.csv", "out", "out/s.csv", more)), 2);
}

#[test]
fn without_out_the_run_record_needs_a_place_too() {
    let text = pipeline("people.csv", "out", "s.csv", "").replace("out: out\n", "");
    assert_eq!(refused(&text), 1);
    let folder = folder(&text);
    folder.optin(&["run", "in/p.yaml", "--root", "in", "--out", "elsewhere"]).done();
    assert!(folder.read("elsewhere/s.csv").starts_with("customer_id"));
    let none = folder.optin(&["check", "in/p.yaml", "--root", "nowhere"]);
    assert_eq!(none.code, 2, "{none:?}");
    assert!(none.stderr.contains("name a folder that is there"), "{none:?}");
}
