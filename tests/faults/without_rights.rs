//! Files and folders that whoever runs the program may not read, write or look into. Root may do all of
//! that, so the program is run as another user where root runs the tests.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::shop::{
    Due, Formats, Prepared, clear, expect_refusal, is_whole, play, published, tell, tree,
};
use crate::support::Folder;

/// `nobody` of most systems; it need not be known by name.
const NOBODY: u32 = 65534;

const JOURNAL: &str = "out/.optin-journal.json";

struct Runner {
    /// Holds a copy of the program that everybody may start.
    _folder: Folder,
    program: PathBuf,
    as_root: bool,
}

impl Runner {
    fn new() -> Self {
        let folder = Folder::new();
        let as_root = fs::metadata(folder.path()).expect("a folder").uid() == 0;
        let mut program = PathBuf::from(env!("CARGO_BIN_EXE_optin"));
        if as_root {
            // The folders above the program need not be open to others.
            let copy = folder.at("optin");
            fs::copy(&program, &copy).expect("a copy");
            for path in [folder.path(), &copy] {
                fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
            }
            program = copy;
        }
        Self { _folder: folder, program, as_root }
    }

    fn run(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(folder).args(["run", "pipeline.yaml", "--json"]);
        if self.as_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Gives a folder with all in it to whoever runs the program.
    fn give(&self, folder: &Path) {
        if !self.as_root {
            return;
        }
        let mut paths = vec![folder.to_path_buf()];
        while let Some(path) = paths.pop() {
            chown(&path, Some(NOBODY), Some(NOBODY)).expect("given");
            if path.is_dir() {
                paths.extend(
                    fs::read_dir(path).expect("a folder").map(|of| of.expect("of it").path()),
                );
            }
        }
    }
}

fn set(folder: &Folder, name: &str, mode: u32) {
    fs::set_permissions(folder.at(name), fs::Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn what_may_not_be_read_or_written() {
    const UNREADABLE: Due = Due::Refused(&["unreadable-file", "missing-file"]);
    const NOT_WRITTEN: Due = Due::Refused(&["write-failed"]);
    // What, its mode, what it was, whether it is there without older outputs, what must come of it.
    let spoils: [(&str, u32, u32, bool, Due); 16] = [
        ("in/people", 0o000, 0o600, true, UNREADABLE),
        ("in/consent", 0o000, 0o600, true, UNREADABLE),
        ("in/bounces", 0o200, 0o600, true, UNREADABLE),
        ("in/alias.csv", 0o000, 0o600, true, UNREADABLE),
        ("in", 0o000, 0o700, true, UNREADABLE),
        ("in", 0o600, 0o700, true, UNREADABLE),
        ("in", 0o500, 0o700, true, Due::Done),
        ("pipeline.yaml", 0o000, 0o600, true, Due::Refused(&["pipeline-unreadable"])),
        ("out/identity", 0o000, 0o600, false, UNREADABLE),
        ("out", 0o500, 0o700, false, NOT_WRITTEN),
        ("out", 0o000, 0o700, false, Due::Refused(&["write-failed", "unreadable-file"])),
        ("out/deep", 0o500, 0o700, false, NOT_WRITTEN),
        ("out/deep", 0o000, 0o700, false, NOT_WRITTEN),
        ("out/run.json", 0o000, 0o600, false, Due::Done),
        ("out/all", 0o000, 0o600, false, Due::Done),
        (JOURNAL, 0o000, 0o600, false, NOT_WRITTEN),
    ];
    let runner = Runner::new();
    let mut problems = Vec::new();
    let mut cases = 0;
    for older in [true, false] {
        for (number, (name, mode, was, alone, due)) in spoils.into_iter().enumerate() {
            if !older && !alone {
                continue;
            }
            cases += 1;
            let formats = Formats::turn(number);
            let prepared = Prepared::new(formats, older, true, 55);
            let name = match name {
                "in/people" | "in/consent" | "in/bounces" => formats.source(&name[3..]),
                name if ["out/identity", "out/all"].contains(&name) => formats.target(name),
                name => name.to_owned(),
            };
            let folder = prepared.folder();
            if name == JOURNAL {
                folder.write(JOURNAL, "[]");
            }
            runner.give(folder.path());
            let before = tree(folder.path());
            set(&folder, &name, mode);
            let told = (|| {
                let seen = play(&mut runner.run(folder.path()))?;
                if folder.at(&name).exists() && !matches!(due, Due::Done) || name == "in" {
                    set(&folder, &name, was);
                }
                let now = tree(folder.path());
                match due {
                    Due::Refused(codes) => {
                        expect_refusal(&seen, codes)?;
                        if before != now {
                            return Err("a file is not as it was".to_owned());
                        }
                    }
                    Due::Done if seen.code != Some(0) => {
                        return Err(format!("it is not done: {}", seen.stdout));
                    }
                    Due::Done => {
                        if published(&now) != published(&prepared.after) {
                            return Err("other files are published".to_owned());
                        }
                    }
                }
                is_whole(folder.path())?;
                clear(&folder, JOURNAL);
                let again = play(&mut runner.run(folder.path()))?;
                if again.code != Some(0) {
                    return Err(format!("the next run: {}", again.stdout));
                }
                prepared.expect_after(&tree(folder.path()))
            })();
            if let Err(told) = told {
                problems.push(format!("{name} of mode {mode:o}, older {older}: {told}"));
            }
        }
    }
    eprintln!("{cases} faults");
    tell(&problems);
}

/// In a folder such as `/tmp` nobody may replace what is another's.
#[test]
fn a_sticky_folder_with_files_of_others() {
    let runner = Runner::new();
    if !runner.as_root {
        eprintln!("skipped: only root can make files of two users");
        return;
    }
    let prepared = Prepared::new(Formats::turn(0), true, true, 55);
    let folder = prepared.folder();
    runner.give(folder.path());
    let target = prepared.formats.target("out/all");
    chown(folder.at(&target), Some(0), Some(0)).expect("given");
    chown(folder.at("out"), Some(0), Some(0)).expect("given");
    set(&folder, "out", 0o1777);
    let before = tree(folder.path());
    let seen = play(&mut runner.run(folder.path())).expect("it ends");
    expect_refusal(&seen, &["write-failed"]).expect("it says why");
    assert!(tree(folder.path()) == before, "a file is not as it was");
    runner.give(folder.path());
    let again = play(&mut runner.run(folder.path())).expect("it ends");
    assert_eq!(again.code, Some(0), "{again:?}");
    prepared.expect_after(&tree(folder.path())).expect("as always");
}
