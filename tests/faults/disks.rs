//! Disks that are full, or may not be written to: small file systems in memory, in a mount namespace of
//! their own, which ends with the test whatever becomes of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::shop::{
    Entry, Formats, Prepared, Tree, expect_refusal, is_whole, play, published, tell, tree,
};
use crate::support::Folder;

/// Mounts, runs, shows what is there, gives room, runs again. `$1`: options of the small disk for
/// `out`, or `ro:PATH` for a folder that may not be written to.
const SCRIPT: &str = r#"
set -eu
umask 077
mkdir -p out seen again older
if [ -d out.older ]; then cp -a out.older/. older/; fi
case "$1" in
  ro:*)
    cp -a older/. out/
    mkdir -p "${1#ro:}"
    mount --bind "${1#ro:}" "${1#ro:}"
    mount -o remount,ro,bind "${1#ro:}"
    ;;
  *)
    mount -t tmpfs -o "$1,mode=700" tmpfs out
    cp -a older/. out/
    ;;
esac
code=0
"$PROGRAM" run pipeline.yaml --json >first.out 2>first.err || code=$?
echo "$code" >first.code
cp -a out/. seen/
case "$1" in
  ro:*) mount -o remount,rw,bind "${1#ro:}" ;;
  *) mount -o remount,size=64m,nr_inodes=10000 out ;;
esac
code=0
"$PROGRAM" run pipeline.yaml --json >second.out 2>second.err || code=$?
echo "$code" >second.code
cp -a out/. again/
"#;

/// A shell in which mounts are its own; none where the system does not allow that.
fn unshared(folder: &Path, tuning: &str) -> Option<Command> {
    ["-m", "-rm"].into_iter().find_map(|kind| {
        let with = |script: &str| {
            let mut command = Command::new("unshare");
            command.current_dir(folder).args([kind, "sh", "-c", script, "sh"]);
            command.env("PROGRAM", env!("CARGO_BIN_EXE_optin")).env("OPTIN_TUNING", tuning);
            command
        };
        let tried = with("mount -t tmpfs -o size=64k tmpfs /mnt").output().ok()?;
        tried.status.success().then(|| with(SCRIPT))
    })
}

/// The outputs below a folder of this name, as if they stood in `out`.
fn shown(folder: &Folder, name: &str) -> Tree {
    let found = tree(&folder.at(name)).into_iter();
    found.map(|(path, entry)| (format!("out/{path}"), entry)).collect()
}

/// What became of a run on such a disk: true if it was refused.
fn differences(prepared: &Prepared, disk: &str, tuning: &str) -> Result<bool, String> {
    let folder = prepared.folder();
    if folder.at("out").exists() {
        fs::rename(folder.at("out"), folder.at("out.older")).expect("renamed");
    }
    let mut command = unshared(folder.path(), tuning).expect("tried before");
    let script = play(command.arg(disk))?;
    if script.code != Some(0) {
        return Err(format!("the disk cannot be made: {}", script.stderr));
    }
    let code = |name: &str| folder.read(name).trim().parse::<i32>().expect("a status");
    let (first, second) = (shown(&folder, "seen"), shown(&folder, "again"));
    // Paths in the record are seen from the folder of the pipeline.
    let whole = |name: &str| {
        let place = Folder::new();
        fs::create_dir(place.at("x")).expect("made");
        fs::rename(folder.at(name), place.at("out")).expect("renamed");
        is_whole(place.path())
    };
    let outputs = |of: &Tree| -> Tree {
        of.clone().into_iter().filter(|(name, _)| name.starts_with("out/")).collect()
    };
    let refused = code("first.code") != 0;
    if refused {
        let seen = super::shop::Seen {
            code: Some(code("first.code")),
            stdout: folder.read("first.out"),
            stderr: folder.read("first.err"),
        };
        expect_refusal(&seen, &["write-failed"])?;
        let before = outputs(&prepared.before);
        let now: Vec<&String> = first.keys().collect();
        if first != before {
            return Err(format!("the old files are not as they were, or not alone: {now:?}"));
        }
    } else if published(&first) != published(&prepared.after) {
        return Err("other files are published".to_owned());
    }
    whole("seen")?;
    if code("second.code") != 0 {
        return Err(format!("the next run: {}", folder.read("second.out")));
    }
    let names = |tree: &Tree| tree.keys().cloned().collect::<Vec<_>>();
    if names(&second) != names(&outputs(&prepared.after))
        || published(&second) != published(&prepared.after)
    {
        return Err(format!("the next run leaves {:?}", names(&second)));
    }
    whole("again")?;
    Ok(refused)
}

/// What the old outputs take of a disk: pages of 4096 bytes, and names.
fn taken(prepared: &Prepared) -> (usize, usize) {
    let old = prepared.before.iter().filter(|(name, _)| name.starts_with("out/"));
    let pages = old.clone().map(|(_, entry)| match entry {
        Entry::File(bytes) => bytes.len().div_ceil(4096),
        _ => 0,
    });
    // The two folders have names too.
    (pages.sum(), old.count() + 2)
}

/// Tries disks by what the old outputs take; some of them must refuse the run, and some must take it if
/// `some_take`.
fn try_disks(
    disks: impl Fn((usize, usize)) -> Vec<String>,
    people: usize,
    formats: Formats,
    (some_take, tuning): (bool, &str),
) {
    if unshared(Path::new("/"), "").is_none() {
        eprintln!("skipped: no file system can be mounted here");
        return;
    }
    let mut problems = Vec::new();
    let (mut refused, mut done) = (0, 0);
    for older in [true, false] {
        let prepared = Prepared::new(formats, older, true, people);
        for disk in disks(taken(&prepared)) {
            match differences(&prepared, &disk, tuning) {
                Ok(true) => refused += 1,
                Ok(false) => done += 1,
                Err(told) => problems.push(format!("{disk}, {formats:?}, older {older}: {told}")),
            }
        }
    }
    eprintln!("{refused} runs refused, {done} done");
    tell(&problems);
    assert!(refused > 0 && (!some_take || done > 0), "{refused} refused, {done} done");
}

/// From room for no new page to more than enough, page by page where runs break off.
#[test]
fn disks_that_are_full() {
    for (formats, tuning) in [
        (Formats { sources: "csv", outputs: "csv", folder: false }, ""),
        (Formats { sources: "parquet", outputs: "parquet", folder: false }.with_folder(true), ""),
        // What memory is too small for goes to the same disk.
        (Formats { sources: "ndjson", outputs: "tsv", folder: false }, "small-parts,spill"),
    ] {
        let disks = |(pages, _): (usize, usize)| -> Vec<String> {
            let room = (1..24).chain((24..80).step_by(14));
            room.map(|room| format!("size={},nr_inodes=1000", (pages + room) * 4096)).collect()
        };
        try_disks(disks, 440, formats, (true, tuning));
    }
}

/// A disk has room for bytes, and none for names.
#[test]
fn disks_that_take_no_more_names() {
    let disks = |(_, names): (usize, usize)| -> Vec<String> {
        (0..20).map(|room| format!("size=16m,nr_inodes={}", names + room)).collect()
    };
    try_disks(disks, 55, Formats { sources: "csv", outputs: "ndjson", folder: false }, (true, ""));
}

#[test]
fn folders_that_may_not_be_written_to() {
    fn all(folders: [&str; 2]) -> Vec<String> {
        folders.map(|folder| format!("ro:{folder}")).to_vec()
    }
    let formats = Formats { sources: "ndjson", outputs: "ipc", folder: false };
    try_disks(|_| all(["out", "out/deep"]), 55, formats, (false, ""));
    // Sources are only read.
    let formats = Formats { sources: "ipc", outputs: "tsv", folder: false };
    try_disks(|_| all(["in", "out/deep"]), 55, formats, (true, ""));
}
