//! A first pipeline for data that nobody has described yet: `optin init`.
//!
//! In come data files; out comes the text of a pipeline that says of each choice why it was made, and a list
//! of what was not sure. Only the head of each file is looked at. What a column is, is read from its
//! name and its values together, by fixed rules: the same files give the same text. No cell is ever
//! quoted, in the text or beside it; words of a decision, names of purposes and texts that stand for
//! null are not cells of a person.
//!
//! | part | what it does |
//! |---|---|
//! | `look` | reads the head of a file |
//! | `words` | what names of columns say |
//! | `column` | what a column is, by its name and values |
//! | `table` | what a file is for |
//! | `regions` | in which country phone numbers were written |
//! | `people` | customer tables, fields, keys, link rules |
//! | `consent` | purposes, consent tables, suppression lists |
//! | `text` | the pipeline file |

mod column;
mod consent;
mod look;
mod people;
mod regions;
mod table;
mod text;
mod words;

use std::io;
use std::path::{Path, PathBuf};

use crate::diagnostics::{Code, Diagnostic, Faults, Outcome};
use table::Table;

/// So many rows of a file are looked at, at most.
pub const ROWS: usize = 20_000;

/// A pipeline that is proposed.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The text of the file.
    pub text: String,
    /// What was not sure, in the order of the text.
    pub unsure: Vec<Unsure>,
}

/// Something that the user should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsure {
    /// What.
    pub what: String,
    /// The line of the text that speaks of it, from 1.
    pub line: Option<usize>,
}

/// Proposes a pipeline for these files. Its paths are seen from `base`, and its name is `name` if there is
/// one, else that of the folder or file of the data.
///
/// # Errors
/// What is wrong with the files, where none of them can be used; those that are not there.
pub fn propose(files: &[PathBuf], base: &Path, name: Option<&str>) -> Outcome<Proposal> {
    let mut tables: Vec<Table> = Vec::new();
    let mut left_out: Vec<(String, Diagnostic)> = Vec::new();
    for file in files {
        let path = path_from(base, file);
        // Named twice, it is read once.
        let mut known =
            tables.iter().map(|table| &table.path).chain(left_out.iter().map(|of| &of.0));
        if known.any(|known| *known == path) {
            continue;
        }
        match look::look(file) {
            Ok(looked) => tables.push(Table::new(path, looked, &tables)),
            Err(Faults(faults)) => left_out.extend(
                faults.into_iter().map(|fault| (path.clone(), without_pipeline(fault, file))),
            ),
        }
    }
    // What is named and is not there is a mistake: a list of denials could be meant.
    let is_missing = |(_, fault): &(String, Diagnostic)| fault.code == Code::MissingFile;
    if tables.is_empty() || left_out.iter().any(is_missing) {
        if !tables.is_empty() {
            left_out.retain(is_missing);
        }
        let faults = left_out.into_iter().map(|(_, fault)| fault).collect::<Vec<_>>();
        return Err(if faults.is_empty() {
            Diagnostic::error(Code::MissingFile, "no data file is named").into()
        } else {
            Faults(faults)
        });
    }
    table::assign(&mut tables);
    if !tables.iter().any(|table| table.role == table::Role::Customers) {
        let fault = "no file can be a customer table: none has a column that can be an id";
        let help = "an id is a text, a whole number or a date, and no fraction";
        return Err(Diagnostic::error(Code::ColumnType, fault).help(help).into());
    }
    let people = people::people(&tables);
    let consent = consent::consent(&tables, &people);
    let name = name.map_or_else(|| default_name(files), str::to_owned);
    Ok(text::write(&name, &tables, &people, &consent, &left_out))
}

/// A fault of a data file, while there is no pipeline yet that a place could be in.
fn without_pipeline(fault: Diagnostic, file: &Path) -> Diagnostic {
    let fault = Diagnostic { labels: Vec::new(), ..fault };
    let is_absent =
        file.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    if fault.code == Code::MissingFile && is_absent {
        return fault.help("check the spelling; paths are seen from the working folder");
    }
    fault
}

/// The folder of the first file if it says something, else the file's own name.
fn default_name(files: &[PathBuf]) -> String {
    let Some(first) = files.first() else { return "pipeline".to_owned() };
    let folder = first.parent().and_then(Path::file_name).map(|name| name.to_string_lossy());
    let own = first.file_name().map(|name| name.to_string_lossy());
    let own = own.as_deref().and_then(|name| name.split('.').next());
    let name = match folder {
        Some(folder) if !folder.is_empty() && folder != "." && folder != ".." => {
            folder.into_owned()
        }
        _ => own.unwrap_or_default().to_owned(),
    };
    let slug = words::slug(&name);
    if slug.is_empty() { "pipeline".to_owned() } else { slug }
}

/// A path as it is written in a file of this folder. The system goes up (`..`) from where a link leads to, so
/// the folder's real path counts.
fn path_from(base: &Path, file: &Path) -> String {
    use std::path::Component;
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| absolute(path));
    let base = real(if base.as_os_str().is_empty() { Path::new(".") } else { base });
    let goes_up = file.components().any(|part| part == Component::ParentDir);
    let file = if goes_up { real(file) } else { absolute(file) };
    let shared = base.components().zip(file.components()).take_while(|(a, b)| a == b).count();
    // Only the root is shared: the whole path says more.
    if shared <= 1 {
        return file.display().to_string();
    }
    let mut from = PathBuf::new();
    base.components().skip(shared).for_each(|_| from.push(".."));
    file.components().skip(shared).for_each(|part| from.push(part));
    from.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_seen_from_the_pipeline() {
        let from = |base: &str, file: &str| path_from(Path::new(base), Path::new(file));
        assert_eq!(from("/a/pipelines", "/a/data/x.csv"), "../data/x.csv");
        assert_eq!(from("/a", "/a/data/x.csv"), "data/x.csv");
        assert_eq!(from("/a/b", "/c/x.csv"), "/c/x.csv");
        assert_eq!(from(".", "./y.csv"), "y.csv");
    }

    #[test]
    fn a_name_is_that_of_the_folder_or_file() {
        let name = |file: &str| default_name(&[PathBuf::from(file)]);
        assert_eq!(name("data/Contoso Shop/a.csv"), "contoso_shop");
        assert_eq!(name("people.csv.gz"), "people");
        assert_eq!(name("../people.csv"), "people");
    }
}
