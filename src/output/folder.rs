//! Folders of partitions as wholes: what they hold, whose they are, and how they go.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::disk;
use super::format;
use super::record::stored;
use super::stage::{failed, site};
use crate::diagnostics::{Code, Diagnostic};
use crate::engine::source::tree;
use crate::plan::hex;

/// What a folder holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Its files, by their paths in it, sorted.
    pub files: Vec<String>,
    /// Their size in bytes.
    pub bytes: u64,
    /// SHA-256, in hex, of the sorted lines `SHA-256  path` of its files, as `sha256sum` prints them.
    pub sha256: String,
}

/// Reads all files of a folder.
///
/// # Errors
/// What the disk says; something in it that is no file.
pub fn contents(folder: &Path) -> io::Result<Contents> {
    let files = tree::files(folder)?;
    let line = |(path, _): &(String, u64)| -> io::Result<(u64, String)> {
        let (bytes, sha256) = format::digest(&folder.join(path))?;
        Ok((bytes, format!("{sha256}  {path}\n")))
    };
    let mut lines = files.par_iter().map(line).collect::<io::Result<Vec<_>>>()?;
    lines.sort_by(|one, two| one.1.cmp(&two.1));
    let mut digest = Sha256::new();
    for (_, line) in &lines {
        digest.update(line);
    }
    Ok(Contents {
        bytes: lines.iter().map(|(bytes, _)| bytes).sum(),
        sha256: hex(&digest.finalize()),
        files: files.into_iter().map(|(path, _)| path).collect(),
    })
}

/// The files of a folder that is to be replaced: it holds nothing, or exactly what a run published of which
/// the record stands in `out`.
///
/// # Errors
/// A folder that holds anything else; one that cannot be read.
pub fn published(out: &Path, folder: &Path) -> Result<Vec<String>, Diagnostic> {
    let refused = |why: &str| {
        Diagnostic::error(Code::OutputPath, format!("the folder cannot be replaced: {why}"))
            .in_file(site(folder))
            .help(
                "move it away, or name another folder; remove it if nobody needs it; nothing was published, \
                 the old files are as they were",
            )
    };
    match tree::files(folder) {
        Ok(files) if files.is_empty() => return Ok(Vec::new()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(refused(&error.to_string()));
        }
        Err(error) => return Err(failed(folder, &error)),
    }
    let known = recorded(out);
    if known.is_empty() {
        return Err(refused("no run record says that a run wrote it"));
    }
    let found = contents(folder).map_err(|error| failed(folder, &error))?;
    if known.contains(&found.sha256) {
        Ok(found.files)
    } else {
        Err(refused("it is not as a run left it: files were added, changed or taken away"))
    }
}

/// The digests of all folders in the run record of a folder; none where there is no record.
fn recorded(out: &Path) -> BTreeSet<String> {
    let read = || -> Option<BTreeSet<String>> {
        let record: serde_json::Value = serde_json::from_slice(&stored(out)?).ok()?;
        let exports = record.get("exports")?.as_array()?.iter();
        let folders = exports.filter(|export| export["files"].is_u64());
        Some(folders.filter_map(|of| Some(of["sha256"].as_str()?.to_owned())).collect())
    };
    read().unwrap_or_default()
}

/// Removes a folder with all that is in it: one that this program made and nobody else may write to. One that
/// is not there is as good as removed.
///
/// # Errors
/// What the disk says.
pub fn remove(folder: &Path) -> io::Result<()> {
    crate::planted::operation("remove")?;
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Removes these files of a folder, and the folders that hold nothing then. What somebody else put there
/// meanwhile stays.
///
/// # Errors
/// What the disk says.
pub fn remove_files(folder: &Path, files: &[String]) -> io::Result<()> {
    let mut above = BTreeSet::new();
    for file in files {
        disk::remove(&folder.join(file))?;
        above.extend(Path::new(file).ancestors().skip(1).map(Path::to_path_buf));
    }
    above.insert(Path::new("").to_path_buf());
    // Paths below another sort behind it.
    for path in above.iter().rev() {
        match fs::remove_dir(folder.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                tracing::warn!("an old folder holds files that are not of a run, and stays");
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{contents, remove_files};

    #[test]
    fn a_folder_is_digested_as_sha256sum_and_sort_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for (name, text) in [("c=A/part-0.parquet", "a"), ("c=B/part-0.parquet", "b")] {
            fs::create_dir_all(at(name).parent().expect("a folder")).expect("made");
            fs::write(at(name), text).expect("written");
        }
        let found = contents(folder.path()).expect("read");
        assert_eq!((found.files.len(), found.bytes), (2, 2));
        // (cd FOLDER && find * -type f -exec sha256sum {} + | LC_ALL=C sort | sha256sum)
        assert_eq!(
            found.sha256,
            "4e7c7ce3672bf2d859b2b9199e4f8280a036fd93e79633eab0c985a91bb0f000"
        );
    }

    #[test]
    fn what_somebody_put_into_an_old_folder_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = folder.path().join("old");
        let ours: Vec<String> =
            ["c=A/part-0.parquet", "c=B/part-0.parquet"].map(str::to_owned).into();
        for name in ours.iter().map(String::as_str).chain(["c=B/mine.txt"]) {
            fs::create_dir_all(top.join(name).parent().expect("a folder")).expect("made");
            fs::write(top.join(name), "x").expect("written");
        }
        remove_files(&top, &ours).expect("removed");
        assert!(!top.join("c=A").exists() && !top.join("c=B/part-0.parquet").exists());
        assert!(top.join("c=B/mine.txt").exists());
        fs::remove_file(top.join("c=B/mine.txt")).expect("removed");
        remove_files(&top, &ours).expect("done before");
        assert!(!top.exists());
    }
}
