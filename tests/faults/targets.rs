//! What may stand where an output is to go.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::shop::{Case, Due, Formats, Prepares, TARGETS, clear, pipe, put_back, socket, try_all};
use crate::support::Folder;

const WRITE: Due = Due::Refused(&["write-failed"]);
const OVERWRITE: Due = Due::Refused(&["output-path"]);

/// Puts something in place of a file; what was there is gone, and the folder above it is there.
type Spoil = fn(&Folder, &str);

const KINDS: [(&str, Spoil, Due); 15] = [
    ("a folder", |f, at| fs::create_dir(f.at(at)).expect("made"), WRITE),
    ("a folder with a file", |f, at| f.write(&format!("{at}/inside"), "x"), WRITE),
    ("a pipe", |f, at| pipe(&f.at(at)), WRITE),
    ("a socket", |f, at| socket(&f.at(at)), WRITE),
    ("a link to a device", |f, at| link(f, "/dev/null", at), WRITE),
    ("a link to a folder", |f, at| link(f, "/proc", at), WRITE),
    ("a link to a pipe", |f, at| (pipe(&f.at("in/pipe")), link(f, "IN/pipe", at)).1, WRITE),
    ("a link to nowhere", |f, at| link(f, "nowhere", at), Due::Done),
    ("a link to itself", |f, at| link(f, f.at(at).to_str().expect("UTF-8"), at), Due::Done),
    (
        "a link to a file",
        |f, at| (f.write("in/other", "mine"), link(f, "IN/other", at)).1,
        Due::Done,
    ),
    ("a link to an input", |f, at| link(f, "IN/alias.csv", at), OVERWRITE),
    ("a link to the pipeline", |f, at| link(f, "IN/../pipeline.yaml", at), OVERWRITE),
    ("an input by another name", |f, at| hard_link(f, "in/alias.csv", at), OVERWRITE),
    ("the pipeline by another name", |f, at| hard_link(f, "pipeline.yaml", at), OVERWRITE),
    ("a file that may not be written to", read_only, Due::Done),
];

/// `IN` is the folder of sources.
fn link(folder: &Folder, to: &str, at: &str) {
    let to = to.replace("IN", folder.at("in").to_str().expect("UTF-8"));
    symlink(to, folder.at(at)).expect("a link");
}

fn hard_link(folder: &Folder, of: &str, at: &str) {
    fs::hard_link(folder.at(of), folder.at(at)).expect("a link");
}

fn read_only(folder: &Folder, at: &str) {
    folder.write(at, "old");
    fs::set_permissions(folder.at(at), fs::Permissions::from_mode(0o444)).expect("a mode");
}

/// Every kind of thing at every target, with and without older outputs, in all formats by turns.
#[test]
fn things_that_stand_where_an_output_goes() {
    let prepares = Prepares::default();
    let mut spoils = Vec::new();
    for (number, (kind, spoil, due)) in KINDS.into_iter().enumerate() {
        for (turn, target) in TARGETS.into_iter().enumerate() {
            for older in [true, false] {
                let formats = Formats::turn(number + turn * 2 + usize::from(older));
                // The identity table is read, if it is there.
                if target != "out/identity" {
                    let at = formats.target(target);
                    spoils.push((format!("{kind} at {at}"), spoil, due, at, formats, older));
                }
            }
        }
    }
    let made: Vec<_> = spoils
        .into_iter()
        .map(|(what, spoil, due, at, formats, older)| {
            let prepared = prepares.get(formats, older);
            let name = at.clone();
            let spoils = move |folder: &Folder| {
                clear(folder, &name);
                let above = folder.at(&name);
                fs::create_dir_all(above.parent().expect("a folder")).expect("a folder");
                spoil(folder, &name);
            };
            let mends = move |folder: &Folder| {
                for beside in ["in/pipe", "in/other"] {
                    clear(folder, beside);
                }
                put_back(folder, prepared, &at);
            };
            (what, prepared, spoils, mends, due)
        })
        .collect();
    let cases: Vec<Case<'_>> = made
        .iter()
        .map(|(what, prepared, spoil, mend, due)| Case {
            what: what.clone(),
            prepared,
            spoil,
            mend,
            due: *due,
        })
        .collect();
    try_all(&cases, 140);
}

/// The same for the folders above outputs.
#[test]
fn things_that_stand_where_a_folder_is_due() {
    const ABOVE: [(&str, Spoil); 6] = [
        ("a file", |f, at| f.write(at, "mine")),
        ("a pipe", |f, at| pipe(&f.at(at))),
        ("a socket", |f, at| socket(&f.at(at))),
        ("a link to nowhere", |f, at| link(f, "nowhere", at)),
        ("a link to itself", |f, at| link(f, f.at(at).to_str().expect("UTF-8"), at)),
        ("a link to a device", |f, at| link(f, "/dev/null", at)),
    ];
    let prepares = Prepares::default();
    let mut made = Vec::new();
    for (number, (kind, spoil)) in ABOVE.into_iter().enumerate() {
        for above in ["out", "out/deep"] {
            for older in [true, false] {
                if older && above == "out" {
                    // Nothing older is left then.
                    continue;
                }
                let prepared = prepares.get(Formats::turn(number), older);
                let spoils = move |folder: &Folder| {
                    clear(folder, above);
                    fs::create_dir_all(folder.at("out")).expect("a folder");
                    clear(folder, above);
                    spoil(folder, above);
                };
                let mends = move |folder: &Folder| {
                    clear(folder, above);
                    let profiles = prepared.formats.target("out/deep/profiles");
                    put_back(folder, prepared, &profiles);
                };
                made.push((format!("{kind} at {above}"), prepared, spoils, mends));
            }
        }
    }
    let cases: Vec<Case<'_>> = made
        .iter()
        .map(|(what, prepared, spoil, mend)| Case {
            what: what.clone(),
            prepared,
            spoil,
            mend,
            due: Due::Refused(&["write-failed", "unreadable-file", "missing-file"]),
        })
        .collect();
    try_all(&cases, 18);
}
