//! Faults that are planted, and what finds them. Only with the feature `planted`:
//! `cargo test --release --features planted --test integration -- planted`.
//!
//! - A fault in the engine must be found by at least two checks that share nothing.
//! - A run that is killed at any step of its work on files, or at any time, must leave what is
//!   published whole, and the next run must end as if nothing had been.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use crate::support::{Folder, command, digest_of, digest_of_folder};

/// Runs one of the other tests in a process of its own, with faults planted. True if it fails;
/// with what it said.
fn fails(test: &str, faults: &str, cases: u64) -> (bool, String) {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args([test, "--exact", "--nocapture"])
        .env("OPTIN_FAULT", faults)
        .env("OPTIN_CASES", cases.to_string())
        .output()
        .expect("a process");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("running 1 test"), "no test {test}: {said}");
    (!output.status.success(), said.into_owned())
}

const ORACLE: &str = "differential::the_engine_agrees_with_the_oracle";
const GOLDEN: &str = "golden::every_case_gives_what_is_expected";

/// The oracle and the golden cases look at what is published without the proof; the proof must refuse
/// by itself.
const FAULTS: [&str; 6] = [
    "unknown-passes",
    "grant-wins-ties",
    "null-matches",
    "mask-skipped",
    "expiry-ignored",
    "suppression-ignored",
];

#[test]
fn every_planted_fault_is_found_by_two_checks() {
    let mut missed = Vec::new();
    for fault in FAULTS {
        let without_proof = format!("{fault},proof-skipped");
        let mut found = Vec::new();
        if fails(ORACLE, &without_proof, 150).0 {
            found.push("oracle");
        }
        if fails(GOLDEN, &without_proof, 1).0 {
            found.push("golden");
        }
        let refused = |(failed, said): (bool, String)| {
            failed && said.contains("are not allowed by the consent sources")
        };
        if refused(fails(ORACLE, fault, 150)) || refused(fails(GOLDEN, fault, 1)) {
            found.push("proof");
        }
        eprintln!("{fault}: found by {}", found.join(", "));
        if found.len() < 2 || !found.contains(&"proof") {
            missed.push(format!("{fault}: found only by {found:?}"));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(!fails(ORACLE, "", 50).0, "without a fault all is well");
}

/// What a segment draws: the proof counts the rows, and makes the tickets anew.
#[test]
fn whoever_is_not_drawn_into_a_segment_is_found_by_three_checks() {
    for fault in ["control-ignored", "limit-ignored"] {
        let without_proof = format!("{fault},proof-skipped");
        assert!(fails(ORACLE, &without_proof, 150).0, "{fault}: the oracle");
        assert!(fails(GOLDEN, &without_proof, 1).0, "{fault}: the golden cases");
        let (failed, said) = fails(GOLDEN, fault, 1);
        assert!(failed && said.contains("does not keep to the segment"), "{fault}: {said}");
    }
}

/// Audiences hold digests, which nobody reads: each fault must be refused there by the proof as well.
#[test]
fn the_proof_refuses_faults_in_audiences() {
    let refused = "not allowed by the consent sources";
    let faults = [
        ("unknown-passes", refused),
        ("mask-skipped", refused),
        ("expiry-ignored", refused),
        ("suppression-ignored", refused),
        ("key-hashed", "not that of the contact point that was meant"),
    ];
    for (platform, column) in
        [("google_customer_match", "Email"), ("meta_custom_audience", "email")]
    {
        let folder = Folder::with(&[
            (
                "people.csv",
                "id,mail\n1,a.n@fabrikam.com\n2,no@fabrikam.com\n3,old@fabrikam.com\n4,b@fabrikam.com\n\
                 5,nobody@fabrikam.com\n",
            ),
            (
                "consent.csv",
                "mail,news,at\na.n@fabrikam.com,yes,2026-05-01\nno@fabrikam.com,no,2026-05-01\n\
                 old@fabrikam.com,yes,2020-01-01\nb@fabrikam.com,yes,2026-05-01\n",
            ),
            ("blocked.csv", "mail\nb@fabrikam.com\n"),
        ]);
        folder.write(
            "pipeline.yaml",
            format!(
                "version: 1
name: audience
as_of: 2026-06-01T00:00:00Z
sources:
  - {{ name: people, path: people.csv }}
  - {{ name: consent, path: consent.csv, types: {{ at: date }} }}
  - {{ name: blocked, path: blocked.csv }}
keys: [{{ field: mail, normalize: email }}]
customers: [{{ source: people, id: id, fields: {{ mail: mail }} }}]
consent:
  purposes: [{{ name: news, via: mail, model: opt_in, expires_after: 1 years }}]
  tables: [{{ source: consent, match: {{ mail: mail }}, values: {{ news: news }}, at: at }}]
  suppress: [{{ source: blocked, match: {{ mail: mail }} }}]
segments: [{{ name: all, consent: news }}]
exports:
  - {{ segment: all, path: out/a.csv, audience: {platform}, columns: {{ {column}: mail }} }}
out: out
"
            ),
        );
        for (fault, said) in faults {
            eprintln!("{platform}");
            refuses(&folder, fault, said, "out/a.csv");
        }
        folder.optin(&["run", "pipeline.yaml", "--quiet"]).done();
        assert_eq!(folder.read("out/a.csv").lines().count(), 2);
    }
}

/// A run with a planted fault ends with what is said, and publishes nothing.
fn refuses(folder: &Folder, fault: &str, said: &str, export: &str) {
    let run = command(folder.path())
        .args(["run", "pipeline.yaml", "--quiet"])
        .env("OPTIN_FAULT", fault)
        .output()
        .expect("a run");
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && stderr.contains(said), "{fault}: {stderr}");
    assert!(!folder.at(export).exists(), "{fault}");
}

/// Exports that are folders: what must not leave is refused there as well, and so is a row in the folder of
/// another value.
#[test]
fn faults_in_folders_are_found() {
    let refused = "not allowed by the consent sources";
    let folder = Folder::with(&[
        (
            "people.csv",
            "id,mail,town\n1,ann@fabrikam.com,Bonn\n2,no@fabrikam.com,Ulm\n3,old@fabrikam.com,\n\
             4,b@fabrikam.com,Bonn\n5,nobody@fabrikam.com,Jena\n6,eva@fabrikam.com,Ulm\n7,ida@fabrikam.com,\n",
        ),
        (
            "consent.csv",
            "mail,news,at\nann@fabrikam.com,yes,2026-05-01\nno@fabrikam.com,no,2026-05-01\n\
             old@fabrikam.com,yes,2020-01-01\nb@fabrikam.com,yes,2026-05-01\neva@fabrikam.com,yes,2026-05-01\n\
             ida@fabrikam.com,yes,2026-05-01\n",
        ),
        ("blocked.csv", "mail\nb@fabrikam.com\n"),
        (
            "pipeline.yaml",
            "version: 1
name: folders
as_of: 2026-06-01T00:00:00Z
sources:
  - { name: people, path: people.csv }
  - { name: consent, path: consent.csv, types: { at: date } }
  - { name: blocked, path: blocked.csv }
keys: [{ field: mail, normalize: email }]
customers: [{ source: people, id: id, fields: { mail: mail, town: town } }]
consent:
  purposes: [{ name: news, via: mail, model: opt_in, expires_after: 1 years }]
  tables: [{ source: consent, match: { mail: mail }, values: { news: news }, at: at }]
  suppress: [{ source: blocked, match: { mail: mail } }]
segments: [{ name: all, consent: news }]
exports: [{ segment: all, path: out/by, partition_by: town, columns: [customer_id, mail, town] }]
out: out
",
        ),
    ]);
    for (fault, said) in [
        ("unknown-passes", refused),
        ("mask-skipped", refused),
        ("expiry-ignored", refused),
        ("suppression-ignored", refused),
        ("partitions-mixed", "a row stands in the folder of another value"),
    ] {
        refuses(&folder, fault, said, "out/by");
    }
    folder.optin(&["run", "pipeline.yaml", "--quiet"]).done();
    let files: Vec<String> =
        folder.files().into_iter().filter(|name| name.starts_with("out/by/")).collect();
    assert_eq!(files.len(), 3, "{files:?}");
}

const PIPELINE: &str = "version: 1
name: kill
as_of: 2026-06-01T00:00:00Z
sources: [{ name: people, path: people.csv }, { name: consent, path: consent.csv }]
keys: [{ field: mail, normalize: email }]
customers: [{ source: people, id: id, fields: { mail: mail, name: name, city: city } }]
identity: { link_on: [[mail]], previous: { path: out/identity.parquet, allow_missing: true } }
consent:
  purposes: [{ name: news, via: mail, model: opt_in }]
  tables: [{ source: consent, match: { mail: mail }, values: { news: news } }]
segments: [{ name: all, consent: news }, { name: few, consent: news, where: \"name = 'n1'\" }]
outputs:
  { profiles: out/deep/profiles.csv, identity: out/identity.parquet, memberships: out/history.csv }
exports:
  - { segment: all, path: out/all.csv, columns: [customer_id, mail] }
  - { segment: few, path: out/few.ndjson, columns: [mail, name] }
  - { segment: all, path: out/by, format: parquet, partition_by: [city], columns: [mail, city] }
out: out
";

/// A folder with a pipeline and data of some people, each of them with a grant.
fn write_people(folder: &Folder, people: usize) {
    let mut rows = String::from("id,mail,name,city\n");
    let mut consent = String::from("mail,news\n");
    for number in 0..people {
        // Other numbers of people live in other cities, so that some partitions go and others come.
        let city = number % 5 + people % 4;
        let _ = writeln!(rows, "p{number},m{number}@fabrikam.com,n{number},c{city}");
        let _ = writeln!(consent, "m{number}@fabrikam.com,yes");
    }
    folder.write("pipeline.yaml", PIPELINE);
    folder.write("people.csv", rows);
    folder.write("consent.csv", consent);
}

/// All published files but the run record and the page about the run, which hold times.
fn published(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let files = folder.files().into_iter();
    files
        .filter(|name| name.starts_with("out/"))
        .filter(|name| !name.ends_with("run.json") && !name.ends_with("report.html"))
        .map(|name| (name.clone(), folder.bytes(&name)))
        .collect()
}

/// Who reads what is published reads the run record first. If there is one, every file that it
/// names must be there as it says.
fn is_whole(folder: &Folder) -> Result<bool, String> {
    if !folder.at("out/run.json").exists() {
        return Ok(false);
    }
    let record: serde_json::Value =
        serde_json::from_slice(&folder.bytes("out/run.json")).map_err(|e| e.to_string())?;
    let lists = ["outputs", "exports"].map(|list| record[list].as_array().expect("files").clone());
    let page = record["report"].clone();
    for file in lists.into_iter().flatten().chain([page]) {
        let path = file["path"].as_str().expect("a path");
        let digest = if file["files"].is_u64() {
            digest_of_folder(&folder.at(path))
        } else {
            digest_of(&std::fs::read(folder.at(path)).map_err(|e| format!("{path}: {e}"))?)
        };
        if file["sha256"] != digest.as_str() {
            return Err(format!("{path} is not the file that the run record names"));
        }
    }
    Ok(true)
}

/// The published files of a run with so many people that nobody disturbs.
fn undisturbed(people: usize) -> BTreeMap<String, Vec<u8>> {
    let folder = Folder::new();
    write_people(&folder, people);
    folder.optin(&["run", "pipeline.yaml"]).done();
    published(&folder)
}

fn optin(folder: &Folder) -> Command {
    let mut command = command(folder.path());
    command.args(["run", "pipeline.yaml", "--quiet"]);
    command
}

/// After a kill: what is published is whole, the next run ends well, and nothing is left behind.
fn look_after(
    folder: &Folder,
    old: &BTreeMap<String, Vec<u8>>,
    new: &BTreeMap<String, Vec<u8>>,
    what: &str,
) {
    match is_whole(folder) {
        Err(why) => panic!("killed at {what}: {why}"),
        Ok(true) => {
            // Temporary files and second names beside them are nobody's business.
            let mut now = published(folder);
            now.retain(|name, _| !name.contains("/.optin-"));
            assert!(now == *old || now == *new, "killed at {what}: a mix is published");
        }
        Ok(false) => {}
    }
    let rerun = optin(folder).status().expect("a process");
    assert!(rerun.success(), "killed at {what}: the next run fails");
    assert_eq!(is_whole(folder), Ok(true), "killed at {what}");
    assert!(
        published(folder) == *new,
        "killed at {what}: the next run differs, or leaves files behind"
    );
}

#[test]
fn killed_at_every_step() {
    let (old, new) = (undisturbed(40), undisturbed(55));
    for before in [true, false] {
        let mut step = 1;
        loop {
            let folder = Folder::new();
            if before {
                write_people(&folder, 40);
                folder.optin(&["run", "pipeline.yaml"]).done();
            }
            write_people(&folder, 55);
            let status = optin(&folder).env("OPTIN_KILL_AT", step.to_string()).status();
            let status = status.expect("a process");
            if status.success() {
                break;
            }
            assert_eq!(status.code(), None, "killed, not failed, at step {step}");
            look_after(&folder, if before { &old } else { &new }, &new, &format!("step {step}"));
            step += 1;
        }
        eprintln!("killed at each of {} steps", step - 1);
        assert!(step > 12, "only {step} steps");
    }
}

#[test]
fn killed_at_any_time() {
    let kills = std::env::var("OPTIN_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60_u64);
    let (old, new) = (undisturbed(400), undisturbed(555));
    let (mut killed, mut ended) = (0, 0);
    for number in 0..kills {
        let folder = Folder::new();
        write_people(&folder, 400);
        folder.optin(&["run", "pipeline.yaml"]).done();
        write_people(&folder, 555);
        let mut run = optin(&folder).spawn().expect("a process");
        // A run takes some tens of milliseconds; an odd stride reaches all of them.
        std::thread::sleep(Duration::from_micros(number * 7919 % 45_000));
        let _ = run.kill();
        let status = run.wait().expect("a status");
        if status.code().is_none() {
            killed += 1;
        } else {
            ended += 1;
        }
        look_after(&folder, &old, &new, &format!("time {number}"));
    }
    eprintln!("{killed} of {kills} runs were killed, {ended} had ended");
    assert!(killed * 3 > kills, "most runs end before they are killed");
}

/// A new file that is gone before it was renamed: what was done is taken back.
#[test]
fn a_publication_that_cannot_be_finished_is_taken_back() {
    let folder = Folder::new();
    write_people(&folder, 40);
    folder.optin(&["run", "pipeline.yaml"]).done();
    let (old, new) = (published(&folder), undisturbed(55));
    write_people(&folder, 55);
    // After the journal and the old record, when one file has been renamed.
    let mut step = 1;
    loop {
        let status = optin(&folder).env("OPTIN_KILL_AT", step.to_string()).status();
        assert!(!status.expect("a process").success(), "no step leaves a journal");
        let names = folder.files();
        if names.iter().any(|name| name.ends_with("/.optin-journal.json"))
            && published(&folder)
                .iter()
                .any(|(name, bytes)| old.get(name).is_some_and(|o| o != bytes))
        {
            break;
        }
        let record = folder.at("out/.optin-journal.json");
        if record.exists() {
            // Finish it and begin anew with the old state.
            optin(&folder).status().expect("a process");
            write_people(&folder, 40);
            optin(&folder).status().expect("a process");
            write_people(&folder, 55);
        }
        step += 1;
    }
    // One that is not yet renamed and differs from what stands there: `few` is the same in both runs.
    let journal = folder.json("out/.optin-journal.json");
    let steps = journal["steps"].as_array().expect("steps").clone();
    let pending = |step: &&serde_json::Value| {
        let of = |name: &str| step[name].as_str().expect("a path").to_owned();
        folder.at(&of("from")).exists() && !of("to").ends_with("few.ndjson")
    };
    let lost = steps.iter().rfind(pending).expect("a file that was not renamed");
    std::fs::remove_file(lost["from"].as_str().expect("a path")).expect("removed");
    folder.write("consent.csv", "mail,news\n");
    let failed = optin(&folder).output().expect("a process");
    assert!(!failed.status.success());
    assert_eq!(is_whole(&folder), Ok(true));
    assert!(published(&folder) == old, "the old files stand there again");
    write_people(&folder, 55);
    assert!(optin(&folder).status().expect("a process").success());
    assert!(published(&folder) == new);
}

/// Killed when all is in place and only the journal is left; then a reader takes an export away. What
/// was published stays published.
#[test]
fn a_publication_that_is_done_is_not_taken_back() {
    let new = undisturbed(55);
    let mut step = 1;
    let folder = loop {
        let folder = Folder::new();
        write_people(&folder, 55);
        let status = optin(&folder).env("OPTIN_KILL_AT", step.to_string()).status();
        assert!(!status.expect("a process").success(), "no step leaves a journal and a record");
        if folder.at("out/.optin-journal.json").exists() && folder.at("out/run.json").exists() {
            break folder;
        }
        step += 1;
    };
    std::fs::remove_file(folder.at("out/all.csv")).expect("taken");
    folder.write("consent.csv", "mail,news\n");
    assert!(!optin(&folder).status().expect("a process").success());
    assert!(folder.at("out/run.json").exists(), "the record stays");
    let left = published(&folder);
    assert!(left.iter().all(|(name, bytes)| new.get(name) == Some(bytes)), "nothing is taken back");
    assert_eq!(left.len() + 1, new.len());
}
