//! `optin verify`: are the files that a run read and wrote still those of its record?

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::past_run::{no_record as no_run_record, read_record, removals};
use crate::diagnostics::Outcome;
use crate::engine::source::digest_file;
use crate::output::{contents, digest};
use crate::plan::hex;
use crate::report::{number, tidy};

/// What stands where a file of the run stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The same bytes.
    Same,
    /// Other bytes.
    Changed,
    /// Nothing.
    Missing,
    /// A file that cannot be read.
    Unreadable,
    /// No file: rows that came from a database, a bucket or a Delta table, which is not asked again.
    Elsewhere,
}

impl Found {
    const fn words(self) -> &'static str {
        match self {
            Self::Same => "the same",
            Self::Changed => "CHANGED since the run",
            Self::Missing => "MISSING",
            Self::Unreadable => "CANNOT BE READ",
            Self::Elsewhere => "elsewhere, not asked again",
        }
    }
}

/// A file of the run.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// What it was: `pipeline`, `source`, `output`, `export`, `removals` or `report`.
    pub kind: &'static str,
    /// The source's, output's or segment's name.
    pub name: String,
    /// Where it was: a file, or a folder of partitions.
    pub path: PathBuf,
    /// Its size then; none of the pipeline file.
    pub bytes: Option<u64>,
    /// What is there now.
    pub found: Found,
}

/// All files of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// The pipeline's name.
    pub pipeline: String,
    /// When the run published.
    pub finished: String,
    /// The files, in the order of the record.
    pub files: Vec<Checked>,
}

impl Verified {
    /// True if no file changed. What stands elsewhere is no file.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.files().all(|file| file.found == Found::Same)
    }

    fn files(&self) -> impl Iterator<Item = &Checked> {
        self.files.iter().filter(|file| file.found != Found::Elsewhere)
    }

    /// A line for each file, and what they come to.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}, published {}\n\n", self.pipeline, self.finished);
        for file in &self.files {
            let path = tidy(&file.path);
            let _ = writeln!(text, "  {:<8} {}\n           {path}", file.kind, file.found.words());
        }
        let same = self.files().filter(|file| file.found == Found::Same).count();
        let all = self.files().count();
        let _ = if same == all {
            writeln!(text, "\nAll {} files are as the run read and wrote them.", number(all as u64))
        } else {
            writeln!(
                text,
                "\n{} of {} files are not as the run read and wrote them.",
                number((all - same) as u64),
                number(all as u64)
            )
        };
        text
    }
}

/// Reads again all files that a run record names. Relative paths are seen from where the run was started, or
/// from the folder `from`, which holds copies.
///
/// # Errors
/// A record that cannot be read, or is none.
pub fn verify(record: &Path, from: Option<&Path>) -> Outcome<Verified> {
    let no_record = |why: &str| no_run_record(record, why);
    let run = read_record(record)?;
    let words = |of: &Json, name: &str| of[name].as_str().map(str::to_owned);
    let (Some(pipeline), Some(finished)) = (words(&run, "pipeline"), words(&run, "finished"))
    else {
        return Err(no_record("it names no pipeline").into());
    };
    let start = from.map(Path::to_path_buf).or_else(|| words(&run, "directory").map(PathBuf::from));
    let start = start.unwrap_or_default();
    let mut files = Vec::new();
    if let (Some(path), Some(sha256)) =
        (words(&run, "pipeline_file"), words(&run, "pipeline_sha256"))
    {
        let path = start.join(path);
        let found =
            look(&path, || fs::read(&path).map(|text| hex(&Sha256::digest(text)) == sha256));
        files.push(Checked { kind: "pipeline", name: pipeline.clone(), path, bytes: None, found });
    }
    let list = |of: &Json| of.as_array().cloned().unwrap_or_default();
    for source in list(&run["sources"]) {
        for file in list(&source["files"]) {
            let (Some(path), Some(print)) = (words(&file, "path"), words(&file, "xxh3")) else {
                return Err(no_record("a source's file has no path or no digest").into());
            };
            let name = words(&source, "name").unwrap_or_default();
            let (path, found) = if path.starts_with("env:") || file["state"].is_string() {
                (PathBuf::from(path), Found::Elsewhere)
            } else {
                let path = start.join(path);
                let found = look(&path, || digest_file(&path).map(|(_, now)| now == print));
                (path, found)
            };
            files.push(Checked {
                kind: "source",
                name,
                path,
                bytes: file["bytes"].as_u64(),
                found,
            });
        }
    }
    let page = run.get("report").map(|page| vec![page.clone()]).unwrap_or_default();
    let written = [
        ("output", list(&run["outputs"])),
        ("export", list(&run["exports"])),
        ("removals", removals(&run)),
        ("report", page),
    ];
    for (kind, files_of_kind) in written {
        for file in files_of_kind {
            let (Some(path), Some(print)) = (words(&file, "path"), words(&file, "sha256")) else {
                return Err(no_record("a written file has no path or no digest").into());
            };
            let path = start.join(path);
            let found = match file["files"].as_u64() {
                None => look(&path, || digest(&path).map(|(_, now)| now == print)),
                Some(_) => look_in(&path, || contents(&path).map(|now| now.sha256 == print)),
            };
            let name = words(&file, "name").unwrap_or_default();
            files.push(Checked { kind, name, path, bytes: file["bytes"].as_u64(), found });
        }
    }
    Ok(Verified { pipeline, finished, files })
}

fn look(path: &Path, is_same: impl FnOnce() -> std::io::Result<bool>) -> Found {
    // What is no file any more is not the same; a pipe would be waited for.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Found::Changed;
    }
    compare(path, is_same)
}

/// As [`look`], of a folder of files.
fn look_in(path: &Path, is_same: impl FnOnce() -> std::io::Result<bool>) -> Found {
    if fs::metadata(path).is_ok_and(|found| !found.is_dir()) {
        return Found::Changed;
    }
    // Something in it that is no file was not there then.
    compare(path, || match is_same() {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Ok(false),
        known => known,
    })
}

fn compare(path: &Path, is_same: impl FnOnce() -> std::io::Result<bool>) -> Found {
    match is_same() {
        Ok(true) => Found::Same,
        Ok(false) => Found::Changed,
        Err(_) if fs::symlink_metadata(path).is_err() => Found::Missing,
        Err(_) => Found::Unreadable,
    }
}
