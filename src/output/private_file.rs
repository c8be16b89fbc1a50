//! A file for its owner alone: written under a temporary name, mode 0600, flushed and renamed; never over a
//! file that is read.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::journal::prefix;
use crate::diagnostics::{Code, Diagnostic, Outcome, Site};
use crate::plan::Plan;

/// A file as a place.
pub fn site(file: &Path) -> Site {
    Site { file: file.to_path_buf(), ..Site::default() }
}

/// Refuses a target that is one of these files, whatever name it is called by.
///
/// # Errors
/// It is one of them.
pub fn refuse_over(file: &Path, why: &str, others: impl Iterator<Item = PathBuf>) -> Outcome<()> {
    let inode = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let there = inode(file);
    let real = |path: &Path| path.canonicalize().ok();
    let above = file.parent().and_then(real);
    // A folder of partitions holds nothing else, nor does that of a Delta table.
    let is_in = |path: &PathBuf| {
        path.is_dir()
            && above.as_ref().is_some_and(|at| real(path).is_some_and(|of| at.starts_with(of)))
    };
    let is_one = |path: PathBuf| (there.is_some() && inode(&path) == there) || is_in(&path);
    if others.into_iter().any(is_one) {
        return Err(Diagnostic::error(Code::OutputPath, why)
            .in_file(site(file))
            .help("write to another file")
            .into());
    }
    Ok(())
}

/// All files that a plan reads, and the pipeline file.
pub fn read_by(plan: &Plan, pipeline: &Path) -> Vec<PathBuf> {
    let sources = plan.sources.iter().flat_map(|source| source.files.iter().cloned());
    let earlier = plan.identity.previous.iter().filter_map(|earlier| earlier.source.as_ref());
    let earlier = earlier.flat_map(|source| source.files.iter().cloned());
    let beside = plan.beside.iter().map(|beside| beside.path.clone());
    let tables = plan.delta_folders().map(Path::to_path_buf);
    sources.chain(earlier).chain(beside).chain(tables).chain([pipeline.to_path_buf()]).collect()
}

/// All files that a plan writes.
pub fn written_by(plan: &Plan) -> Vec<PathBuf> {
    plan.files().map(|(_, file)| file).collect()
}

/// Refuses a target that a pipeline reads or writes.
///
/// # Errors
/// It is such a file.
pub fn refuse_over_files_of(file: &Path, plan: &Plan, pipeline: &Path) -> Outcome<()> {
    let why = "this would overwrite a file that the pipeline reads or writes";
    refuse_over(file, why, read_by(plan, pipeline).into_iter().chain(written_by(plan)))
}

/// Writes a file, all of it or nothing. What stands there is replaced.
///
/// # Errors
/// A folder or file that cannot be written; a place that is no file.
pub fn write(
    file: &Path,
    fill: impl FnOnce(&mut BufWriter<&fs::File>) -> io::Result<()>,
) -> Outcome<()> {
    // What is renamed over a terminal, a pipe or a folder would take its place.
    if fs::metadata(file).is_ok_and(|there| !there.is_file()) {
        return Err(Diagnostic::error(
            Code::WriteFailed,
            "there is something here that is no file",
        )
        .in_file(site(file))
        .help("name a file, or print without one")
        .into());
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let written = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let staged = tempfile::Builder::new().prefix(&prefix()).tempfile_in(folder)?;
        let mut out = BufWriter::new(staged.as_file());
        fill(&mut out)?;
        out.flush()?;
        drop(out);
        staged.as_file().sync_all()?;
        staged.persist(file).map(drop).map_err(|error| error.error)
    };
    written().map_err(|error| {
        let message = format!("the file cannot be written: {error}");
        Diagnostic::error(Code::WriteFailed, message).in_file(site(file)).into()
    })
}
