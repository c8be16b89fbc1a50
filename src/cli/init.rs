//! `optin init`.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::told::{is_missing, near};
use super::{DONE, FAILED, WRONG, fail, print};
use crate::diagnostics::{Code, Diagnostic};
use crate::init_files;

/// Writes a first pipeline for data files, to a file that is not there yet or to stdout.
pub fn init(data: &[PathBuf], output: Option<&Path>, force: bool) -> u8 {
    let say = |text: &str| {
        let _ = writeln!(io::stderr(), "{text}");
    };
    let exists = |path: &Path| {
        say(&format!(
            "error: {} is there already; `--force` writes over it, another `--output` beside it",
            path.display()
        ));
        WRONG
    };
    if let Some(path) = output.filter(|path| !force && path.exists()) {
        return exists(path);
    }
    if let Some(path) = output.filter(|path| data.iter().any(|file| is_same(file, path))) {
        say(&format!("error: {} is one of the data files", path.display()));
        return WRONG;
    }
    // Paths are seen from this folder, so it must be there before they are tried.
    let folder = output.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder
        && let Err(error) = std::fs::create_dir_all(folder)
    {
        say(&format!("error: {} cannot be made: {error}", folder.display()));
        return FAILED;
    }
    let proposal = match init_files(data, output.unwrap_or(Path::new("-"))) {
        Ok(proposal) => proposal,
        Err(mut failure) => {
            let is_wrong = failure.faults.iter().all(|fault| fault.code == Code::MissingFile);
            failure.faults.iter_mut().for_each(|fault| suggest(fault, data));
            return fail(&failure, false, if is_wrong { WRONG } else { FAILED });
        }
    };
    let code = match output {
        None => print(&proposal.text, DONE),
        Some(path) => match write(path, &proposal.text, force) {
            Ok(()) => DONE,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return exists(path),
            Err(error) => {
                say(&format!("error: {} cannot be written: {error}", path.display()));
                return FAILED;
            }
        },
    };
    for unsure in &proposal.unsure {
        let line = unsure.line.map_or_else(String::new, |line| format!(", line {line}"));
        say(&format!("unsure: {}{line}", unsure.what));
    }
    if let Some(path) = output {
        say(&format!("Next: read {0}, then optin run {0}", path.display()));
    }
    code
}

/// Names the file that is near to one that is not there.
fn suggest(fault: &mut Diagnostic, data: &[PathBuf]) {
    let is_named =
        |file: &&PathBuf| is_missing(file) && fault.message.ends_with(&file.display().to_string());
    let named = data.iter().filter(|_| fault.code == Code::MissingFile).find(is_named);
    if let Some(near) = named.and_then(|file| near(file)) {
        fault.help = Some(format!("did you mean {}?", near.display()));
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn write(path: &Path, text: &str, force: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
