//! Faults that are planted into the program (feature `planted`): each operation on files fails, a panic at
//! each place on the way, and sources that change at each place.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use super::shop::{
    Formats, Prepared, Tree, encode, expect_refusal, is_whole, play, published, run_in, tables,
    tell, tree,
};
use crate::support::{Folder, command};

const JOURNAL: &str = "out/.optin-journal.json";

fn old_outputs(prepared: &Prepared) -> Tree {
    published(&prepared.before)
}

/// Whatever was planted, the next run ends well and leaves what it always leaves.
fn expect_next(prepared: &Prepared, folder: &Folder) -> Result<(), String> {
    let again = play(&mut run_in(folder.path()))?;
    if again.code != Some(0) {
        return Err(format!("the next run is not done: {}{}", again.stdout, again.stderr));
    }
    is_whole(folder.path())?;
    let told = prepared.expect_after(&tree(folder.path()));
    told.map_err(|told| format!("after the next run: {told}"))
}

/// Without files that a process left which is no more: the next run removes them.
fn without_temporary(tree: &Tree) -> Tree {
    let of_ours = |name: &str| name.split('/').any(|name| name.starts_with(".optin-"));
    tree.clone().into_iter().filter(|(name, _)| !of_ours(name)).collect()
}

/// Runs with a planted fault until it no longer happens, which `words` in the log say.
fn for_each(
    prepared: &Prepared,
    variables: &dyn Fn(u64) -> Vec<(&'static str, String)>,
    words: &str,
    look: &dyn Fn(&Folder, &super::shop::Seen) -> Result<(), String>,
) -> u64 {
    let mut problems = Vec::new();
    for number in 1.. {
        let folder = prepared.folder();
        let variables = variables(number);
        let mut run = run_in(folder.path());
        run.arg("-v").envs(variables.iter().map(|(name, value)| (*name, value)));
        let seen = match play(&mut run) {
            Ok(seen) if !seen.stderr.contains(words) => {
                tell(&problems);
                return number - 1;
            }
            Ok(seen) => seen,
            Err(told) => {
                problems.push(format!("{variables:?}: {told}"));
                continue;
            }
        };
        if let Err(told) = look(&folder, &seen).and_then(|()| expect_next(prepared, &folder)) {
            let place: Vec<&str> =
                seen.stderr.lines().filter(|line| line.contains(words)).collect();
            problems.push(format!("{variables:?} {:?}: {told}", place.first()));
        }
    }
    unreachable!("there is an end to the operations");
}

/// One operation fails, all others do what they should.
#[test]
fn every_operation_on_files_fails_once() {
    for (turn, older, kind) in
        [(0, true, "EIO"), (1, true, "ENOSPC"), (2, false, "ENOSPC"), (3, true, "EIO")]
    {
        let formats = Formats::turn(turn).with_folder(turn % 2 == 1);
        let prepared = Prepared::new(formats, older, true, 55);
        let variables = |number: u64| {
            vec![("OPTIN_FAIL_AT", number.to_string()), ("OPTIN_FAIL_AS", kind.to_owned())]
        };
        let look = |folder: &Folder, seen: &super::shop::Seen| {
            let now = tree(folder.path());
            is_whole(folder.path())?;
            if seen.code == Some(0) {
                // What a failure cannot hinder: the removal of old files, which the next run does.
                return (published(&without_temporary(&now)) == published(&prepared.after))
                    .then_some(())
                    .ok_or_else(|| "other files are published".to_owned());
            }
            expect_refusal(seen, &["write-failed", "verify-failed"])?;
            if without_temporary(&now) != prepared.before {
                return Err("the old files are not as they were".to_owned());
            }
            Ok(())
        };
        let count = for_each(&prepared, &variables, "fails here", &look);
        eprintln!("{count} operations, {kind}, older {older}");
        assert!(count > 50, "only {count} operations");
    }
}

/// From one operation on the disk is dead. What is then neither old nor new has no run record.
#[test]
fn every_operation_on_files_fails_from_one_on() {
    for (turn, older) in [(0, true), (1, false), (3, true)] {
        let formats = Formats::turn(turn).with_folder(turn != 0);
        let prepared = Prepared::new(formats, older, true, 55);
        let variables = |number: u64| {
            vec![("OPTIN_FAIL_FROM", number.to_string()), ("OPTIN_FAIL_AS", "EIO".to_owned())]
        };
        let look = |folder: &Folder, seen: &super::shop::Seen| {
            let now = tree(folder.path());
            let outputs = published(&without_temporary(&now));
            let (old, new) = (old_outputs(&prepared), published(&prepared.after));
            let whole = is_whole(folder.path())?;
            if seen.code == Some(0) {
                return (whole && outputs == new)
                    .then_some(())
                    .ok_or_else(|| "not whole".to_owned());
            }
            expect_refusal(seen, &["write-failed", "verify-failed"])?;
            if whole && outputs != old && outputs != new {
                return Err("a mix with a run record".to_owned());
            }
            if outputs != old && (whole || !now.contains_key(JOURNAL)) {
                return Err("a mix without a journal".to_owned());
            }
            Ok(())
        };
        let count = for_each(&prepared, &variables, "fails here", &look);
        eprintln!("{count} operations, older {older}");
        assert!(count > 50, "only {count} operations");
    }
}

/// A panic anywhere on the way publishes nothing, and says no more than where it was.
#[test]
fn a_panic_at_each_place() {
    for (turn, older, internal) in [(0, true, true), (1, true, false), (3, false, true)] {
        let formats = Formats::turn(turn);
        let prepared = Prepared::new(formats, older, internal, 55);
        let variables = |number: u64| vec![("OPTIN_PANIC_AT", number.to_string())];
        let look = |folder: &Folder, seen: &super::shop::Seen| {
            // Where it was is said; that is why `expect_refusal` does not look at it.
            let quiet = super::shop::Seen {
                code: seen.code,
                stdout: seen.stdout.clone(),
                stderr: String::new(),
            };
            expect_refusal(&quiet, &["engine-fault"])?;
            if seen.stderr.contains("planted:") {
                return Err("the words of a panic are shown".to_owned());
            }
            let now = tree(folder.path());
            (now == prepared.before)
                .then_some(())
                .ok_or_else(|| "something is published".to_owned())
        };
        let count = for_each(&prepared, &variables, "internal error", &look);
        eprintln!("{count} places, {formats:?}, older {older}");
        assert!(count > 20, "only {count} places");
    }
}

/// What somebody does to a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Appended,
    CutOff,
    Replaced,
    RewrittenInPlace,
    Removed,
    Touched,
}

const CHANGES: [Change; 6] = [
    Change::Appended,
    Change::CutOff,
    Change::Replaced,
    Change::RewrittenInPlace,
    Change::Removed,
    Change::Touched,
];

impl Change {
    fn make(self, path: &Path, other: &[u8]) {
        let open = || fs::OpenOptions::new().write(true).open(path).expect("a file");
        match self {
            Self::Appended => {
                let mut file = fs::OpenOptions::new().append(true).open(path).expect("a file");
                let end = other.len() - other.len() / 8;
                file.write_all(&other[end..]).expect("written");
            }
            Self::CutOff => {
                let size = fs::metadata(path).expect("a file").len();
                open().set_len(size * 2 / 3).expect("cut");
            }
            Self::Replaced => {
                let beside = path.with_extension("beside");
                fs::write(&beside, other).expect("written");
                fs::rename(beside, path).expect("renamed");
            }
            Self::RewrittenInPlace => open().write_all(other).expect("written"),
            Self::Removed => fs::remove_file(path).expect("removed"),
            Self::Touched => open().set_modified(SystemTime::now()).expect("touched"),
        }
    }
}

/// The same table with other decisions, mails and cities: as long as before in text.
fn changed(name: &str, people: usize) -> super::shop::Texts {
    let (_, (header, mut rows)) =
        tables(people).into_iter().find(|(of, _)| *of == name).expect("a table");
    for (number, row) in rows.iter_mut().enumerate() {
        match name {
            "consent" => ["no", "yes"][number % 2].clone_into(&mut row[1]),
            "bounces" => row[0] = row[0].replace("m0", "m1").replace("m7", "m3"),
            _ => {
                let city = if row[3] == "Bonn" { "Jena" } else { "Bonn" };
                city.clone_into(&mut row[3]);
            }
        }
    }
    (header, rows)
}

/// Runs, holds the run at a place, changes a source there, and lets it go on. The place's name, or none if
/// there are not so many.
fn run_and_change(
    folder: &Folder,
    place: u64,
    change: impl FnOnce(),
) -> Result<Option<(String, Option<i32>, String)>, String> {
    let pause = folder.at("pause");
    let mut child = command(folder.path())
        .args(["run", "pipeline.yaml", "--json"])
        .env("OPTIN_PAUSE_AT", place.to_string())
        .env("OPTIN_PAUSE", &pause)
        .stdin(Stdio::null())
        .stdout(fs::File::create(folder.at("pause.out")).expect("a file"))
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let started = Instant::now();
    let mut change = Some(change);
    let mut name = None;
    let status = loop {
        if let Some(status) = child.try_wait().expect("a status") {
            break status;
        }
        if let Ok(reached) = fs::read_to_string(folder.at("pause.reached"))
            && let Some(change) = change.take()
        {
            name = Some(reached);
            change();
            fs::write(folder.at("pause.go"), "").expect("written");
        }
        if started.elapsed() > Duration::from_secs(20) {
            child.kill().expect("it can be ended");
            child.wait().expect("it has ended");
            return Err("it hangs".to_owned());
        }
        std::thread::sleep(Duration::from_micros(500));
    };
    let stdout = folder.read("pause.out");
    for beside in ["pause.out", "pause.reached", "pause.go"] {
        let _ = fs::remove_file(folder.at(beside));
    }
    Ok(name.map(|name| (name, status.code(), stdout)))
}

/// The outputs of a run on the sources as they stand; none if it is refused.
fn undisturbed(prepared: &Prepared, change: &dyn Fn(&Folder)) -> Option<Tree> {
    let folder = prepared.folder();
    change(&folder);
    let seen = play(&mut run_in(folder.path())).expect("it ends");
    (seen.code == Some(0)).then(|| published(&tree(folder.path())))
}

/// A source that changes while a run works stops it, or the run is one on all that was before, or one on
/// all that is after: never on both. `OPTIN_CASES` is the share: every such change at each place.
#[test]
fn a_source_changes_at_each_place() {
    let share: usize =
        std::env::var("OPTIN_CASES").ok().and_then(|share| share.parse().ok()).unwrap_or(4);
    let (mut stopped, mut before, mut after, mut ended) = (0, 0, 0, 0);
    let mut problems = Vec::new();
    let mut number = 0;
    for (sources, internal) in
        [("csv", true), ("parquet", false), ("ndjson", true), ("ipc", false), ("csv.gz", false)]
    {
        let formats = Formats { sources, outputs: "csv", folder: false };
        let prepared = Prepared::new(formats, true, internal, 110);
        for name in ["people", "consent", "bounces"] {
            let at = formats.source(name);
            let other = encode(&changed(name, 110), sources);
            for change in CHANGES {
                let make = |folder: &Folder| change.make(&folder.at(&at), &other);
                let then = undisturbed(&prepared, &make);
                for place in 1.. {
                    number += 1;
                    if number % share != 0 && place < 40 {
                        continue;
                    }
                    let folder = prepared.folder();
                    let ran = run_and_change(&folder, place, || make(&folder));
                    let told = ran.and_then(|ran| {
                        let Some((_, code, stdout)) = &ran else { return Ok(false) };
                        let now = tree(folder.path());
                        is_whole(folder.path())?;
                        if stdout.contains("fabrikam") {
                            return Err(format!("a cell is shown: {stdout}"));
                        }
                        let outputs = published(&without_temporary(&now));
                        match code {
                            Some(0) if outputs == published(&prepared.after) => before += 1,
                            Some(0) if Some(&outputs) == then.as_ref() => after += 1,
                            Some(0) => return Err("it publishes a mix".to_owned()),
                            _ if outputs != old_outputs(&prepared) => {
                                return Err(
                                    "it fails, and old files are not as they were".to_owned()
                                );
                            }
                            // A Parquet or IPC file that is cut short under the map that it is read by.
                            None => ended += 1,
                            Some(code) => {
                                let all = [
                                    "unreadable-file",
                                    "schema-mismatch",
                                    "missing-file",
                                    "encoding",
                                    "quote",
                                    "field-count",
                                    "header",
                                    "json-line",
                                    "empty-source",
                                ];
                                let seen = super::shop::Seen {
                                    code: Some(*code),
                                    stdout: stdout.clone(),
                                    stderr: String::new(),
                                };
                                expect_refusal(&seen, &all)?;
                                stopped += 1;
                            }
                        }
                        Ok(true)
                    });
                    match told {
                        Ok(true) => {}
                        Ok(false) => break,
                        Err(told) => {
                            problems.push(format!("{at}, {change:?}, place {place}: {told}"));
                        }
                    }
                }
            }
        }
    }
    eprintln!("{stopped} stopped, {before} before, {after} after, {ended} ended by a signal");
    tell(&problems);
    assert!(stopped > 50 && before > 20 && after > 5, "all three happen");
}

/// A signal between the operations of a publication that has failed already is another test's
/// ([`crate::planted`]); here a failed publication is followed by one that fails as well.
#[test]
fn two_publications_fail_one_after_the_other() {
    let prepared = Prepared::new(Formats::turn(0), true, true, 55);
    let mut problems = Vec::new();
    let mut stuck = 0;
    for number in (1_u64..400).step_by(3) {
        let folder = prepared.folder();
        let with = |from: u64| -> Command {
            let mut run = run_in(folder.path());
            run.env("OPTIN_FAIL_FROM", from.to_string());
            run
        };
        let first = play(&mut with(number)).expect("it ends");
        if first.code == Some(0) {
            break;
        }
        stuck += usize::from(folder.at(JOURNAL).exists());
        let told = [1, 2, 3, 5, 8].into_iter().try_for_each(|from| {
            play(&mut with(from))?;
            let whole = is_whole(folder.path())?;
            let outputs = published(&without_temporary(&tree(folder.path())));
            let one = outputs == old_outputs(&prepared) || outputs == published(&prepared.after);
            if whole && !one { Err("a mix with a run record".to_owned()) } else { Ok(()) }
        });
        if let Err(told) = told.and_then(|()| expect_next(&prepared, &folder)) {
            problems.push(format!("from {number} on: {told}"));
        }
    }
    eprintln!("{stuck} publications left a journal");
    tell(&problems);
    assert!(stuck > 0, "none was neither finished nor taken back");
}
