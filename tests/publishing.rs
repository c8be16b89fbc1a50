//! Publishing when something else happens at the same time or between: another run, a folder that moved, a name
//! that never reached the disk.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::support::{Folder, NEWS, command, digest_of, optin};

const BOTH: &str = "email,news\na@x.org,yes\nb@x.org,yes\n";
const ONE: &str = "email,news\na@x.org,no\nb@x.org,yes\n";

fn pipeline(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    for (name, text) in
        [("p.yaml", NEWS), ("people.csv", "id,email\n1,a@x.org\n2,b@x.org\n"), ("said.csv", BOTH)]
    {
        fs::write(folder.join(name), text).expect("a file");
    }
}

fn waiting(folder: &Path) -> bool {
    let names = fs::read_dir(folder.join("elsewhere")).into_iter().flatten().flatten();
    let mut names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.any(|name| name.starts_with(".optin-") && name.contains(".tmp"))
}

/// What a run found out before another one published is older than what stands there.
#[test]
fn a_run_that_was_overtaken_publishes_nothing() {
    let folder = Folder::new();
    pipeline(folder.path());
    folder.optin(&["run", "p.yaml", "--quiet"]).done();
    let before = folder.read("elsewhere/news.csv");
    let held = File::open(folder.at("out")).expect("the folder");
    held.lock().expect("a lock");
    folder.write("said.csv", ONE);
    let mut run = command(folder.path());
    let run = run.args(["run", "p.yaml", "--json"]).stdout(Stdio::piped()).spawn();
    let run = run.expect("a process");
    let since = Instant::now();
    while !waiting(folder.path()) {
        assert!(since.elapsed() < Duration::from_mins(1), "it stages its files");
        sleep(Duration::from_millis(10));
    }
    // It may be a moment before it waits for the lock; what it found when it began is known to it already.
    let mut record = folder.json("out/run.json");
    record["finished"] = json!("later");
    folder.write("out/run.json", record.to_string());
    drop(held);
    let ended = run.wait_with_output().expect("it ends");
    let told: Json = serde_json::from_slice(&ended.stdout).expect("JSON");
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(told["faults"][0]["code"], "published-meanwhile");
    assert_eq!(folder.read("elsewhere/news.csv"), before);
    assert_eq!(folder.json("out/run.json"), record);
    assert!(!waiting(folder.path()), "what was staged is gone");
    folder.optin(&["run", "p.yaml", "--quiet"]).done();
    assert!(!folder.read("elsewhere/news.csv").contains("a@x.org"));
}

/// The state of a publication that was killed: new files under names of ours, and a journal. `done` are the
/// files that stand where they were to go.
fn killed(folder: &Path, done: &[&str]) {
    optin(folder, &["run", "p.yaml", "--quiet"]).done();
    let old = [("elsewhere/news.csv", "x"), ("out/report.html", "y"), ("out/run.json", "z")];
    let old = old.map(|(name, mark)| (name, mark, fs::read(folder.join(name)).expect("a file")));
    fs::write(folder.join("said.csv"), ONE).expect("a file");
    optin(folder, &["run", "p.yaml", "--quiet"]).done();
    let real = folder.canonicalize().expect("a folder");
    let mut steps = Vec::new();
    for (name, mark, before) in old {
        let to = real.join(name);
        let new = fs::read(&to).expect("a file");
        let beside = |kind: &str| to.with_file_name(format!(".optin-{kind}-{mark}"));
        let is_record = name.ends_with("run.json");
        if done.contains(&name) {
            if !is_record {
                fs::write(beside("old"), &before).expect("a file");
            }
        } else {
            fs::rename(&to, beside("new")).expect("renamed");
            fs::set_permissions(beside("new"), fs::Permissions::from_mode(0o600)).expect("set");
            if !is_record {
                fs::write(&to, &before).expect("a file");
            }
        }
        if is_record {
            fs::write(to.with_file_name(".optin-run.old"), &before).expect("a file");
        }
        steps.push(json!({
            "staged": to.with_file_name(format!(".optin-gone-{mark}")),
            "from": beside("new"),
            "to": to,
            "old": if is_record { Json::Null } else { json!(beside("old")) },
            "bytes": new.len(),
            "sha256": digest_of(&new),
        }));
    }
    let journal = json!({ "version": 1, "steps": steps });
    fs::write(folder.join("out/.optin-journal.json"), journal.to_string()).expect("a file");
    // No run after this one gets as far as publishing.
    fs::write(folder.join("said.csv"), "email,news\n").expect("a file");
}

fn names_of_ours(folder: &Path) -> Vec<String> {
    let names = crate::support::files(folder);
    names.into_iter().filter(|name| name.contains(".optin-")).collect()
}

/// A disk that is not mounted, a folder with another name: what is not there now is not gone.
#[test]
fn a_folder_that_moved_is_not_taken_for_files_that_are_gone() {
    let above = Folder::new();
    let (here, there) = (above.at("here"), above.at("there"));
    pipeline(&here);
    killed(&here, &[]);
    let left = names_of_ours(&here);
    fs::rename(&here, &there).expect("moved");
    let run = optin(&there, &["run", "p.yaml", "--json"]);
    assert_eq!((run.code, run.json()["faults"][0]["code"].as_str()), (1, Some("write-failed")));
    assert!(!there.join("out/run.json").exists(), "files are old and new");
    assert_eq!(names_of_ours(&there), left);
    fs::rename(&there, &here).expect("moved back");
    // One of its folders alone.
    fs::rename(here.join("elsewhere"), here.join("away")).expect("moved");
    let run = optin(&here, &["run", "p.yaml", "--json"]);
    assert_eq!((run.code, run.json()["faults"][0]["code"].as_str()), (1, Some("write-failed")));
    assert!(!here.join("out/run.json").exists() && !here.join("elsewhere").exists());
    fs::rename(here.join("away"), here.join("elsewhere")).expect("moved back");
    optin(&here, &["run", "p.yaml", "--json"]);
    assert!(here.join("out/run.json").exists(), "it was finished");
    assert!(!fs::read_to_string(here.join("elsewhere/news.csv")).expect("a file").contains("a@x"));
    assert!(names_of_ours(&here).is_empty());
}

/// A power loss can keep the record, and lose the new name of a file on another disk.
#[test]
fn a_record_on_disk_does_not_hide_a_name_that_is_not() {
    let folder = Folder::new();
    pipeline(folder.path());
    killed(folder.path(), &["out/report.html", "out/run.json"]);
    assert!(folder.read("elsewhere/news.csv").contains("a@x.org"));
    folder.optin(&["run", "p.yaml", "--quiet"]);
    assert!(!folder.read("elsewhere/news.csv").contains("a@x.org"), "it was finished");
    assert!(names_of_ours(folder.path()).is_empty());
    folder.optin(&["verify", "out/run.json", "--json"]);
}
