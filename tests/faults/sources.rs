//! What may have become of a source.

use std::fs;
use std::os::unix::fs::symlink;

use super::shop::{Case, Due, Formats, Prepares, clear, pipe, put_back, socket, try_all};
use crate::support::Folder;

/// Does something to a file that is there.
type Spoil = fn(&Folder, &str);

const MISSING: &[&str] = &["missing-file"];
/// What a file that does not read may be refused as, by its format and where it is broken.
const DAMAGED: &[&str] = &[
    "unreadable-file",
    "encoding",
    "quote",
    "header",
    "json-line",
    "field-count",
    "unknown-column",
];

const KINDS: [(&str, Spoil, &[&str]); 17] = [
    ("it is missing", |f, at| clear(f, at), MISSING),
    ("a folder", |f, at| (clear(f, at), fs::create_dir(f.at(at)).expect("made")).1, MISSING),
    ("a pipe", |f, at| (clear(f, at), pipe(&f.at(at))).1, MISSING),
    ("a socket", |f, at| (clear(f, at), socket(&f.at(at))).1, MISSING),
    ("an empty device", |f, at| link(f, "/dev/null", at), MISSING),
    ("a device without an end", |f, at| link(f, "/dev/zero", at), MISSING),
    ("a link to nowhere", |f, at| link(f, "nowhere", at), MISSING),
    ("a link to a folder", |f, at| link(f, "/proc", at), MISSING),
    (
        "a link to itself",
        |f, at| link(f, f.at(at).to_str().expect("UTF-8"), at),
        &["unreadable-file"],
    ),
    ("a folder above is a file", above, MISSING),
    (
        "empty",
        |f, at| f.write(at, ""),
        &["unreadable-file", "header", "empty-source", "json-line", "unknown-column"],
    ),
    ("cut off by a byte", |f, at| cut(f, at, 1), DAMAGED),
    ("cut in the middle", |f, at| cut(f, at, f.bytes(at).len() / 2), DAMAGED),
    ("only its beginning", |f, at| cut(f, at, f.bytes(at).len() - 3), DAMAGED),
    ("its first bytes are others", |f, at| overwrite(f, at, 0), DAMAGED),
    ("its last bytes are others", |f, at| overwrite(f, at, f.bytes(at).len() - 8), DAMAGED),
    ("something else", |f, at| f.write(at, b"\x7fELF\x02\x01\x01\0\0\0\xff\xfe\0\0"), DAMAGED),
];

fn link(folder: &Folder, to: &str, at: &str) {
    clear(folder, at);
    symlink(to, folder.at(at)).expect("a link");
}

fn above(folder: &Folder, at: &str) {
    // Another name of the same length, so that the pipeline stays a line of as many signs.
    let text = folder.read("pipeline.yaml").replace(at, &at.replace("in/", "in/alias.csv/"));
    folder.write("pipeline.yaml", text);
}

fn cut(folder: &Folder, at: &str, bytes: usize) {
    let text = folder.bytes(at);
    folder.write(at, &text[..text.len() - bytes]);
}

fn overwrite(folder: &Folder, at: &str, from: usize) {
    let mut bytes = folder.bytes(at);
    bytes[from..from + 8].fill(0xFF);
    folder.write(at, bytes);
}

/// A file that is cut where a record of it ends is a shorter file, and no fault that can be seen.
fn is_seen(kind: &str, at: &str) -> bool {
    // The engine's reader of Arrow IPC goes by what stands at the end.
    let format = at.split_once('.').map_or("", |(_, format)| format);
    !matches!(
        (kind, format),
        ("cut off by a byte", "csv" | "ndjson") | ("its first bytes are others", "ipc")
    )
}

/// Everything that may have become of each source, with and without older outputs, in all formats by
/// turns.
#[test]
fn sources_that_are_not_what_they_were() {
    let prepares = Prepares::default();
    let mut made = Vec::new();
    for (number, (kind, spoil, codes)) in KINDS.into_iter().enumerate() {
        for (turn, source) in ["people", "consent", "bounces"].into_iter().enumerate() {
            for older in [true, false] {
                let formats = Formats::turn(number + turn + 2 * usize::from(older));
                let at = formats.source(source);
                if !is_seen(kind, &at) {
                    continue;
                }
                let prepared = prepares.get(formats, older);
                let (spoilt, mended) = (at.clone(), at.clone());
                let spoils = move |folder: &Folder| spoil(folder, &spoilt);
                let mends = move |folder: &Folder| {
                    put_back(folder, prepared, &mended);
                    put_back(folder, prepared, "pipeline.yaml");
                };
                made.push((format!("{at}: {kind}"), prepared, spoils, mends, codes));
            }
        }
    }
    let cases: Vec<Case<'_>> = made
        .iter()
        .map(|(what, prepared, spoil, mend, codes)| Case {
            what: what.clone(),
            prepared,
            spoil,
            mend,
            due: Due::Refused(codes),
        })
        .collect();
    try_all(&cases, 95);
}
