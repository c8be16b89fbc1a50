//! Staging and publishing: outputs are written beside their targets, read back and compared, and take
//! their places when all of them are whole.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use spark_connect::DataType;

use super::server::Server;
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::plan::TargetFormat;
use crate::sql::spark::{Write, format_of, name, write_options};

/// An output that lies beside its target. What is not published is removed.
pub struct Staged {
    target: PathBuf,
    /// The hidden folder: the new output is in it, and the old one while folders change places.
    folder: PathBuf,
    /// False while the old output is in the folder.
    is_ours: bool,
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.is_ours && self.folder.exists() && fs::remove_dir_all(&self.folder).is_err() {
            tracing::warn!("a folder of this run could not be removed");
        }
    }
}

/// Makes a folder that its owner alone may read.
pub fn private_folder(path: &Path) -> Outcome<()> {
    let made = DirBuilder::new().mode(0o700).create(path);
    made.map_err(|error| Diagnostic::unwritable(path, &error).into())
}

impl Staged {
    fn new_rows(&self) -> PathBuf {
        self.folder.join("rows")
    }

    fn old_rows(&self) -> PathBuf {
        self.folder.join("old")
    }
}

/// Writes the table of an output beside its target, reads it back and compares it.
///
/// # Errors
/// What the server or the file system refuses; rows that do not read back.
pub fn stage(server: &mut Server, write: &Write, table: &str, run: &str) -> Outcome<Staged> {
    let target = write.path.clone();
    let parent = target.parent().unwrap_or_else(|| Path::new("/"));
    fs::create_dir_all(parent).map_err(|error| Diagnostic::unwritable(parent, &error))?;
    let called = target.file_name().unwrap_or_default().to_string_lossy();
    let folder = parent.join(format!(".{called}.optin-{run}"));
    private_folder(&folder)?;
    let staged = Staged { target, folder, is_ours: true };
    let rows = staged.new_rows();
    let path = rows.display().to_string();
    let (format, options) = (format_of(write.format), write_options(write.format));
    server.write(table, format, &options, &path)?;
    // A server may make no folder where there are no rows.
    if !rows.is_dir() {
        fs::create_dir(&rows).map_err(|error| Diagnostic::unwritable(&rows, &error))?;
    }
    // As outputs of this program: for their owner alone.
    let private = fs::Permissions::from_mode(0o700);
    fs::set_permissions(&rows, private).map_err(|error| Diagnostic::unwritable(&rows, &error))?;
    let schema = server.schema(table)?;
    let mut options = options;
    match write.format {
        TargetFormat::Csv | TargetFormat::Tsv => {
            options.extend([
                ("multiLine", "true"),
                ("mode", "FAILFAST"),
                ("maxCharsPerColumn", "-1"),
            ]);
        }
        TargetFormat::Ndjson => options.push(("mode", "FAILFAST")),
        TargetFormat::Parquet | TargetFormat::Ipc | TargetFormat::Xlsx => {}
    }
    let back = format!("{table} read back");
    server.read_back(&back, format, &options, &schema, &path)?;
    compare(server, write, table, &back, &schema)?;
    Ok(staged)
}

/// Compares two tables of the same columns, by their cells as texts; an empty one and null are one, since
/// CSV has no null that every server writes alike.
fn compare(
    server: &Server,
    write: &Write,
    table: &str,
    back: &str,
    schema: &DataType,
) -> Outcome<()> {
    let DataType::Struct { fields } = schema else {
        return Err(
            Diagnostic::error(Code::ServerFailed, format!("`{table}` has no columns")).into()
        );
    };
    // Readers of text take every end of a line in a cell as one.
    let is_text = matches!(write.format, TargetFormat::Csv | TargetFormat::Tsv);
    let cells: Vec<String> = fields
        .iter()
        .enumerate()
        .map(|(number, field)| {
            let mut cell = format!("coalesce(CAST({} AS STRING), '')", name(&field.name));
            if is_text {
                cell = format!("replace(replace({cell}, '\\r\\n', '\\n'), '\\r', '\\n')");
            }
            format!("{cell} AS c{number}")
        })
        .collect();
    let columns: Vec<String> = (0..fields.len()).map(|number| format!("c{number}")).collect();
    let (cells, columns) = (cells.join(", "), columns.join(", "));
    let query = format!(
        "SELECT count(*) AS rows FROM (SELECT {columns} FROM (SELECT {cells}, 1 AS side FROM {} UNION ALL SELECT {cells}, -1 AS side FROM {}) a GROUP BY {columns} HAVING sum(side) <> 0) d",
        name(table),
        name(back)
    );
    let other = server.count("comparing what was written", &query)?;
    if other == 0 {
        return Ok(());
    }
    Err(Diagnostic::error(
        Code::VerifyFailed,
        format!("{other} rows of `{}` do not read back as they were meant", write.called),
    )
    .help("nothing was published; write Parquet if a cell cannot stand in a text file")
    .into())
}

/// Puts all outputs into their places. If one cannot be put there, those before are taken back.
///
/// # Errors
/// What the file system refuses.
pub fn publish(mut all: Vec<Staged>) -> Outcome<()> {
    for number in 0..all.len() {
        if let Err((path, error)) = place(&mut all[number]) {
            for before in all[..number].iter_mut().rev() {
                take_back(before);
            }
            return Err(Diagnostic::unwritable(&path, &error).into());
        }
    }
    for staged in &mut all {
        staged.is_ours = true;
    }
    Ok(())
}

fn place(staged: &mut Staged) -> Result<(), (PathBuf, io::Error)> {
    let target = staged.target.clone();
    let at = |error| (target.clone(), error);
    match target.symlink_metadata() {
        Ok(_) => {
            fs::rename(&target, staged.old_rows()).map_err(at)?;
            staged.is_ours = false;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(at(error)),
    }
    if let Err(error) = fs::rename(staged.new_rows(), &target) {
        if fs::rename(staged.old_rows(), &target).is_ok() {
            staged.is_ours = true;
        }
        return Err(at(error));
    }
    Ok(())
}

/// Puts the old output back. What cannot be put back stays where it is: it is not removed.
fn take_back(staged: &mut Staged) {
    let had_old = !staged.is_ours;
    let moved = fs::rename(&staged.target, staged.new_rows());
    if had_old && moved.is_ok() && fs::rename(staged.old_rows(), &staged.target).is_ok() {
        staged.is_ours = true;
    }
    if !staged.is_ours {
        tracing::warn!("an old output lies in the hidden folder beside its place");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn staged(base: &Path, called: &str) -> Staged {
        let folder = base.join(format!(".{called}.optin-1"));
        private_folder(&folder).expect("a folder");
        fs::create_dir(folder.join("rows")).expect("a folder");
        fs::write(folder.join("rows/part"), "new").expect("a file");
        Staged { target: base.join(called), folder, is_ours: true }
    }

    fn left(base: &Path) -> Vec<String> {
        let entries = fs::read_dir(base).expect("a folder").map(|entry| entry.expect("an entry"));
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn outputs_take_the_places_of_old_files_and_folders() {
        let base = tempfile::tempdir().expect("a folder");
        fs::write(base.path().join("a"), "old").expect("a file");
        fs::create_dir(base.path().join("b")).expect("a folder");
        fs::write(base.path().join("b/part-of-old"), "old").expect("a file");
        let all = ["a", "b", "c"].map(|called| staged(base.path(), called));
        publish(all.into()).expect("they are published");
        assert_eq!(left(base.path()), ["a", "b", "c"]);
        for called in ["a", "b", "c"] {
            assert_eq!(left(&base.path().join(called)), ["part"]);
        }
    }

    #[test]
    fn what_cannot_be_published_leaves_the_old() {
        let base = tempfile::tempdir().expect("a folder");
        fs::write(base.path().join("a"), "old").expect("a file");
        let all = ["a", "b", "c"].map(|called| staged(base.path(), called));
        fs::remove_dir_all(all[2].new_rows()).expect("it is removed");
        fs::write(base.path().join("c"), "old").expect("a file");
        publish(all.into()).expect_err("one is missing");
        assert_eq!(left(base.path()), ["a", "c"]);
        for called in ["a", "c"] {
            assert_eq!(fs::read_to_string(base.path().join(called)).expect("a file"), "old");
        }
    }

    #[test]
    fn what_is_not_published_is_removed() {
        let base = tempfile::tempdir().expect("a folder");
        drop(staged(base.path(), "a"));
        assert_eq!(left(base.path()), Vec::<String>::new());
    }
}
