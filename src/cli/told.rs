//! Faults of the pipeline file itself: which file it is, and whether another one is meant.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::diagnostics::{Code, Diagnostic, Site, nearest};

/// A failure whose faults name the pipeline file, also where nothing of it can be shown.
pub fn told(failure: &Failure) -> Failure {
    let mut failure = failure.clone();
    let path = failure.path.clone();
    let has_no_place = |fault: &&mut Diagnostic| {
        fault.code == Code::PipelineUnreadable && fault.labels.is_empty() && fault.site.is_none()
    };
    for fault in failure.faults.iter_mut().filter(has_no_place) {
        if is_missing(&path) {
            fault.help = Some(match near(&path) {
                Some(near) => format!("did you mean {}?", near.display()),
                None => "check the spelling, and the folder that it is seen from".to_owned(),
            });
        } else if !fault.message.contains(&path.display().to_string()) {
            fault.site = Some(Site { file: path.clone(), ..Site::default() });
        }
    }
    failure
}

/// True if there is no file of this name.
pub fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The file beside one that is not there whose name is near, with the same ending.
pub fn near(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let stem = path.file_stem()?.to_str()?;
    let is_alike = |file: &PathBuf| {
        let ends = |of: &Path| of.extension().map(OsStr::to_ascii_lowercase);
        let is_yaml = |of: &Path| ends(of).is_some_and(|end| end == "yaml" || end == "yml");
        file.is_file() && (ends(file) == ends(path) || (is_yaml(file) && is_yaml(path)))
    };
    let listed = folder.unwrap_or(Path::new(".")).read_dir().ok()?;
    let mut files: Vec<PathBuf> =
        listed.filter_map(|entry| Some(entry.ok()?.path())).filter(is_alike).collect();
    files.sort_unstable();
    let stems = files.iter().filter_map(|file| file.file_stem()?.to_str());
    let near = nearest(stem, stems)?;
    let found = files.iter().find(|file| file.file_stem().is_some_and(|of| of == near))?;
    // As it was written: without `./` before it.
    Some(path.with_file_name(found.file_name()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_file_is_found_and_a_far_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["shop.yaml", "shop.csv", "campaign.yml", "other.txt"] {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        for (asked, due) in [
            ("shp.yaml", Some("shop.yaml")),
            ("shop.yml", Some("shop.yaml")),
            ("shp.csv", Some("shop.csv")),
            ("campain.yaml", Some("campaign.yml")),
            ("nope.yaml", None),
            ("othr.yaml", None),
        ] {
            let found = near(&folder.path().join(asked));
            assert_eq!(found, due.map(|name| folder.path().join(name)), "{asked}");
        }
    }
}
