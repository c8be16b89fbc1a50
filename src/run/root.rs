//! `--root`: every path of a pipeline stays below one folder.
//!
//! For pipeline files that one did not write oneself. What counts is where a path leads when its links
//! are followed; what is not there yet counts by the deepest folder that is. Nothing outside is
//! opened or listed, and a fault does not tell whether something is there. Links that somebody changes
//! during a run are not guarded against.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::diagnostics::{Code, Diagnostic, Span, Spanned};
use crate::spec::PipelineKeys;

/// Characters that make a path a pattern.
const WILD: [char; 3] = ['*', '?', '['];

/// The folder below which all paths must lead.
pub struct Root {
    real: PathBuf,
    shown: PathBuf,
}

impl Root {
    /// # Errors
    /// A folder that is not there, or that cannot be read.
    pub fn new(folder: &Path) -> Result<Self, Diagnostic> {
        let fault = |why: &str| {
            Diagnostic::error(Code::OutsideRoot, format!("--root {}: {why}", folder.display()))
                .help("name a folder that is there")
        };
        let real = fs::canonicalize(folder).map_err(|error| fault(&error.to_string()))?;
        if !real.is_dir() {
            return Err(fault("it is no folder"));
        }
        Ok(Self { real, shown: folder.to_path_buf() })
    }

    /// The fault of what a pipeline reads, before anything there is looked at: a path or a pattern.
    pub fn refuse_source(&self, pattern: &Path, span: Span) -> Option<Diagnostic> {
        let mut fixed = PathBuf::new();
        let mut wild = false;
        for part in pattern.components() {
            wild |= part.as_os_str().to_string_lossy().contains(WILD);
            // Behind a wildcard it may climb from wherever the wildcard leads.
            if wild && part == Component::ParentDir {
                return Some(self.fault(span, "it climbs behind a wildcard"));
            }
            if !wild {
                fixed.push(part);
            }
        }
        // A file whose own name has such a character is a path as it stands.
        let holds = self.holds(&fixed) && (!wild || self.holds(pattern) || is_absent(pattern));
        (!holds).then(|| self.fault(span, "it leads out of it"))
    }

    /// The fault of the files that a pattern found: a link among them may lead out.
    pub fn refuse_found(&self, files: &[PathBuf], span: Span) -> Option<Diagnostic> {
        let outside = files.iter().any(|file| !self.holds(file));
        outside.then(|| self.fault(span, "one of its files leads out of it"))
    }

    /// The faults of all that a pipeline writes, seen from its folder: where `--out` does not say that.
    pub fn refuse_outputs(&self, pipeline: &PipelineKeys, base: &Path) -> Vec<Diagnostic> {
        let outside = |path: &Spanned<String>| !self.holds(&base.join(&path.value));
        let mut faults: Vec<Diagnostic> = pipeline
            .paths()
            .chain(&pipeline.out)
            .filter(|path| outside(path))
            .map(|path| self.fault(path.span, "it leads out of it"))
            .collect();
        for export in pipeline.exports.iter().flatten() {
            if let Some(copy) = &export.copy_to {
                let database =
                    copy.database.as_ref().map(|at| (at.span, "a database is not below it"));
                let object = copy.object.as_ref().map(|at| (at.span, "a bucket is not below it"));
                faults.extend(
                    database.into_iter().chain(object).map(|(at, why)| self.fault(at, why)),
                );
            }
        }
        faults.extend(
            pipeline.copy_to.iter().map(|at| self.fault(at.span, "a bucket is not below it")),
        );
        if pipeline.out.is_none() && !self.holds(&base.join("../out")) {
            let fault = self
                .fault(pipeline.name.span, "the run record goes to `../out/<name>`")
                .help("write `out:` with a folder below it, or give --out");
            faults.push(fault);
        }
        faults
    }

    /// True if a path leads below the folder when links are followed.
    fn holds(&self, path: &Path) -> bool {
        real(path).is_some_and(|real| real.starts_with(&self.real))
    }

    fn fault(&self, span: Span, why: &str) -> Diagnostic {
        let root = self.shown.display();
        Diagnostic::error(Code::OutsideRoot, format!("a path must stay below --root {root}"))
            .at(span, why)
            .help("put the file there, or give a wider --root")
    }
}

/// True if there is nothing of this name, so that it can be nothing but a pattern.
fn is_absent(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err()
}

/// Where a path leads: its deepest part that is there, links followed, and the rest, in which nothing
/// may climb. None if that cannot be told.
fn real(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let mut rest = Vec::new();
    let mut known = path.as_path();
    loop {
        match fs::canonicalize(known) {
            Ok(mut real) => {
                real.extend(rest.iter().rev());
                return Some(real);
            }
            // A link that leads nowhere yet may lead anywhere later.
            Err(_) if fs::symlink_metadata(known).is_ok() => return None,
            Err(_) => {
                rest.push(known.file_name()?);
                known = known.parent()?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_counts_is_where_a_path_leads() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = folder.path().join("in");
        fs::create_dir_all(inside.join("deep")).expect("a folder");
        fs::write(folder.path().join("secret.csv"), "a\n1\n").expect("a file");
        fs::write(inside.join("a[1].csv"), "a\n1\n").expect("a file");
        symlink(folder.path(), inside.join("up")).expect("a link");
        symlink("/nowhere/at/all", inside.join("nowhere")).expect("a link");
        let root = Root::new(&inside).expect("a root");
        let span = Span::default();
        let refused = |path: &str| root.refuse_source(&inside.join(path), span).is_some();
        for path in ["a.csv", "deep/../a.csv", "deep/*.csv", "not/there/yet.csv", "a[1].csv", "."] {
            assert!(!refused(path), "{path}");
        }
        for path in [
            "../secret.csv",
            "../*.csv",
            "up/secret.csv",
            "up/*.csv",
            "nowhere",
            "nowhere/a.csv",
            "*/../../secret.csv",
            "deep/../../secret.csv",
            "not/there/../../../secret.csv",
            "/etc/passwd",
        ] {
            assert!(refused(path), "{path}");
        }
    }
}
