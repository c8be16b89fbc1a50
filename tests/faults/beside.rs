//! What may have become of the files beside the sources and outputs: the pipeline file, aliases, the
//! identity table of the run before, the run record, the journal.

use std::fs;
use std::os::unix::fs::{chown, symlink};

use super::shop::{Case, Due, Formats, Prepared, Prepares, clear, pipe, put_back, socket, try_all};
use crate::support::Folder;

type Spoil = fn(&Folder, &str);

const JOURNAL: &str = "out/.optin-journal.json";

/// What is no regular file.
const IRREGULAR: [(&str, Spoil); 6] = [
    ("a folder", |f, at| fs::create_dir(f.at(at)).expect("made")),
    ("a pipe", |f, at| pipe(&f.at(at))),
    ("a socket", |f, at| socket(&f.at(at))),
    ("a link to a device", |f, at| symlink("/dev/zero", f.at(at)).expect("a link")),
    ("a link to nowhere", |f, at| symlink("nowhere", f.at(at)).expect("a link")),
    ("a link to itself", |f, at| symlink(f.at(at), f.at(at)).expect("a link")),
];

/// A journal that speaks of a file that is none of ours.
const FOREIGN: &str = r#"{"version": 1, "steps": [{"staged": "/tmp/a", "from": "/tmp/b", "to": "/etc/passwd",
    "old": null, "bytes": 1, "sha256": ""}]}"#;

struct Made {
    what: String,
    prepared: &'static Prepared,
    spoil: Box<dyn Fn(&Folder) + Sync>,
    mend: Box<dyn Fn(&Folder) + Sync>,
    due: Due,
}

/// Something in place of a file, wherever it stands.
fn instead(prepared: &'static Prepared, kind: &str, spoil: Spoil, at: &str, due: Due) -> Made {
    let (spoilt, mended) = (at.to_owned(), at.to_owned());
    Made {
        what: format!("{kind} at {at}"),
        prepared,
        spoil: Box::new(move |folder| {
            clear(folder, &spoilt);
            fs::create_dir_all(folder.at("out")).expect("a folder");
            spoil(folder, &spoilt);
        }),
        mend: Box::new(move |folder| put_back(folder, prepared, &mended)),
        due,
    }
}

#[track_caller]
fn try_made(made: &[Made], at_least: usize) {
    let cases: Vec<Case<'_>> = made
        .iter()
        .map(|made| Case {
            what: made.what.clone(),
            prepared: made.prepared,
            spoil: &*made.spoil,
            mend: &*made.mend,
            due: made.due,
        })
        .collect();
    try_all(&cases, at_least);
}

#[test]
fn the_pipeline_aliases_and_the_run_before() {
    let prepares = Prepares::default();
    let mut made = Vec::new();
    for older in [true, false] {
        for (number, (kind, spoil)) in IRREGULAR.into_iter().enumerate() {
            let prepared = prepares.get(Formats::turn(number), older);
            let unreadable = Due::Refused(&["pipeline-unreadable"]);
            made.push(instead(prepared, kind, spoil, "pipeline.yaml", unreadable));
            let missing = Due::Refused(&["missing-file", "unreadable-file"]);
            made.push(instead(prepared, kind, spoil, "in/alias.csv", missing));
            let identity = prepared.formats.target("out/identity");
            made.push(instead(prepared, kind, spoil, &identity, missing));
        }
        let prepared = prepares.get(Formats::turn(0), older);
        for (kind, spoil, due) in [
            ("nothing", (|_, _| {}) as Spoil, "pipeline-unreadable"),
            ("an empty file", |f, at| f.write(at, ""), "wrong-kind"),
            (
                "half of it",
                |f, at| f.write(at, "version: 1\nname: x\nsources: [{ name: a, pa"),
                "yaml-syntax",
            ),
            ("a data file", |f, at| f.write(at, f.bytes("in/alias.csv")), "pipeline-unreadable"),
            ("no text", |f, at| f.write(at, b"\xff\xfe\0\0"), "pipeline-unreadable"),
        ] {
            let due = Due::Refused(match due {
                "pipeline-unreadable" => &["pipeline-unreadable"],
                "wrong-kind" => &["wrong-kind"],
                _ => &["yaml-syntax"],
            });
            made.push(instead(prepared, kind, spoil, "pipeline.yaml", due));
        }
        for (kind, spoil) in [
            ("nothing", (|_, _| {}) as Spoil),
            ("an empty file", |f, at| f.write(at, "")),
            ("one column", |f, at| f.write(at, "written\nbill\n")),
            ("an open quote", |f, at| f.write(at, "written,means\n\"bill,william\n")),
            ("no text", |f, at| f.write(at, b"written,means\nb\xff,w\n")),
        ] {
            let due = Due::Refused(&["missing-file", "header", "quote", "encoding"]);
            made.push(instead(prepared, kind, spoil, "in/alias.csv", due));
        }
    }
    try_made(&made, 56);
}

#[test]
fn the_run_record_and_the_journal() {
    let prepares = Prepares::default();
    let mut made = Vec::new();
    for older in [true, false] {
        for (number, (kind, spoil)) in IRREGULAR.into_iter().enumerate() {
            let prepared = prepares.get(Formats::turn(number), older);
            let refused = Due::Refused(&["write-failed"]);
            made.push(instead(prepared, kind, spoil, JOURNAL, refused));
        }
        let prepared = prepares.get(Formats::turn(1), older);
        for (kind, text) in [
            ("an empty file", ""),
            ("half of it", r#"{"version": 1, "steps": [{"staged": "/tmp/"#),
            ("a later version", r#"{"version": 2, "steps": []}"#),
            ("a list", "[]"),
            ("one of other files", FOREIGN),
        ] {
            let refused = Due::Refused(&["write-failed"]);
            let spoil = move |folder: &Folder| {
                fs::create_dir_all(folder.at("out")).expect("a folder");
                folder.write(JOURNAL, text);
            };
            let mend = |folder: &Folder| clear(folder, JOURNAL);
            let (spoil, mend) = (Box::new(spoil), Box::new(mend));
            made.push(Made {
                what: format!("journal: {kind}"),
                prepared,
                spoil,
                mend,
                due: refused,
            });
        }
        // A journal of somebody else could have files removed in our name.
        let spoil = |folder: &Folder| {
            folder.write(JOURNAL, r#"{"version": 1, "steps": []}"#);
            // Only root can give a file away; another user is refused by what he may write.
            if chown(folder.at(JOURNAL), Some(65534), None).is_err() {
                folder.write(JOURNAL, "[]");
            }
        };
        let mend = |folder: &Folder| clear(folder, JOURNAL);
        made.push(Made {
            what: "journal: of another user".to_owned(),
            prepared,
            spoil: Box::new(spoil),
            mend: Box::new(mend),
            due: Due::Refused(&["write-failed"]),
        });
        // The record of the run before tells how many records there were, and no more.
        for (kind, text) in [("an empty record", ""), ("half a record", "{"), ("a list", "[]")] {
            let spoil = move |folder: &Folder| folder.write("out/run.json", text);
            let mend = |_: &Folder| {};
            made.push(Made {
                what: kind.to_owned(),
                prepared,
                spoil: Box::new(spoil),
                mend: Box::new(mend),
                due: Due::Done,
            });
        }
        // Where something is decided by it, one that cannot be read stops the run.
        if older {
            let spoil = |folder: &Folder| {
                let text = folder.read("pipeline.yaml");
                let path = "path: in/people";
                assert!(text.contains(path), "a place for the guard");
                let text = text.replacen(path, &format!("expect: {{ max_drop: 10% }}, {path}"), 1);
                folder.write("pipeline.yaml", text);
                folder.write("out/run.json", "{");
            };
            let mend = |folder: &Folder| {
                let text = folder.read("pipeline.yaml");
                folder.write("pipeline.yaml", text.replace("expect: { max_drop: 10% }, ", ""));
            };
            made.push(Made {
                what: "half a record, by which a guard goes".to_owned(),
                prepared,
                spoil: Box::new(spoil),
                mend: Box::new(mend),
                due: Due::Refused(&["unreadable-file"]),
            });
        }
        // What a run of an earlier version, or a hand, left beside it.
        for (kind, spoil, due) in [
            ("an old record", (|f, at| f.write(at, "{}")) as Spoil, Due::Done),
            ("a link to nowhere", |f, at| symlink("nowhere", f.at(at)).expect("a link"), Due::Done),
            (
                "a folder",
                |f, at| fs::create_dir_all(f.at(at)).expect("made"),
                Due::Refused(&["write-failed"]),
            ),
        ] {
            let spoils = move |folder: &Folder| {
                fs::create_dir_all(folder.at("out")).expect("a folder");
                spoil(folder, "out/.optin-run.old");
            };
            made.push(Made {
                what: format!("{kind} where the old record is set aside"),
                prepared,
                spoil: Box::new(spoils),
                mend: Box::new(|folder| clear(folder, "out/.optin-run.old")),
                due,
            });
        }
    }
    try_made(&made, 37);
}
