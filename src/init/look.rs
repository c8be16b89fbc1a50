//! Reading the head of a file whose form nobody has told.

use std::path::Path;

use super::ROWS;
use super::words::{Says, of_consent, says, words};
use crate::diagnostics::{Code, Diagnostic, Outcome, Site};
use crate::engine::source::{Head, head};
use crate::normalize::{Chain, EmailOptions, Step};
use crate::plan::Format;
use crate::plan::catalog::Request;
use crate::resolve::format_by_name;
use crate::spec::FileFormat;

/// What a file looks like.
#[derive(Debug)]
pub struct Looked {
    /// Its first rows.
    pub head: Head,
    /// Of delimited text its delimiter, if it is not what its name says.
    pub delimiter: Option<u8>,
    /// False where quotes are characters like others.
    pub quoted: bool,
    /// True where texts stand in it, and not typed values.
    pub is_text: bool,
}

/// Delimiters that are tried, the likeliest first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Looks at a file.
///
/// # Errors
/// A file that a run could not read, and one whose first line is no header.
pub fn look(file: &Path) -> Outcome<Looked> {
    let site = || Site { file: file.to_path_buf(), ..Site::default() };
    let (format, compression) = format_by_name(&file.to_string_lossy());
    let Some(format) = format else {
        return Err(Diagnostic::error(
            Code::UnknownFormat,
            format!("the format of {} cannot be told from its name", file.display()),
        )
        .in_file(site())
        .help("rename the file so that it ends in .csv, .tsv, .ndjson, .parquet, .ipc or .xlsx")
        .into());
    };
    let request = |format| Request::of_file(file.display().to_string(), file.to_path_buf(), format);
    let delimited =
        |delimiter, quoted| request(Format::Delimited { delimiter, quoted, compression });
    let is_delimited = matches!(format, FileFormat::Csv | FileFormat::Tsv);
    let (head, delimiter, quoted) = match format {
        FileFormat::Csv | FileFormat::Tsv => {
            let usual = if format == FileFormat::Tsv { b'\t' } else { b',' };
            let (head, delimiter, quoted) =
                best(usual, |delimiter, quoted| head(&delimited(delimiter, quoted), ROWS))?;
            (head, (delimiter != usual).then_some(delimiter), quoted)
        }
        FileFormat::Ndjson => (head(&request(Format::Ndjson { compression }), ROWS)?, None, true),
        // No name tells a Delta table.
        FileFormat::Parquet | FileFormat::Delta => {
            (head(&request(Format::Parquet), ROWS)?, None, true)
        }
        FileFormat::Ipc => (head(&request(Format::Ipc), ROWS)?, None, true),
        FileFormat::Excel => (head(&request(Format::Excel), ROWS)?, None, true),
    };
    if is_delimited && has_no_header(&head) {
        return Err(Diagnostic::error(Code::Header, "the first line holds values, and no names")
            .in_file(site())
            .help("write a line with a name for each column before it")
            .into());
    }
    if head.columns.iter().any(|column| column.name.starts_with('\u{feff}')) {
        return Err(Diagnostic::error(
            Code::Header,
            "the name of a column begins with a byte order mark",
        )
        .in_file(site())
        .help("write the file with one such mark at its beginning, or with none")
        .into());
    }
    if head.columns.is_empty() {
        return Err(Diagnostic::error(Code::Header, "the file has no columns")
            .in_file(site())
            .help("take it out, or write at least one row")
            .into());
    }
    let is_text = !matches!(format, FileFormat::Parquet | FileFormat::Ipc);
    Ok(Looked { head, delimiter, quoted, is_text })
}

/// The delimiter that makes most columns of the file. Where the header is one name that holds a delimiter
/// by which the file does not read, it says why it does not.
fn best(usual: u8, read: impl Fn(u8, bool) -> Outcome<Head>) -> Outcome<(Head, u8, bool)> {
    let mut best: Option<(Head, u8, bool)> = None;
    let mut failed = Vec::new();
    let others = DELIMITERS.into_iter().filter(|other| *other != usual);
    for delimiter in std::iter::once(usual).chain(others) {
        let mut quoted = true;
        let mut found = read(delimiter, true);
        if found.as_ref().is_err_and(|faults| faults.0.iter().any(|f| f.code == Code::Quote)) {
            found = read(delimiter, false);
            quoted = false;
        }
        match found {
            Err(faults) => failed.push((delimiter, faults)),
            Ok(head) => {
                let most = best.as_ref().map_or(0, |(most, ..)| most.columns.len());
                if head.columns.len() > most {
                    best = Some((head, delimiter, quoted));
                }
            }
        }
    }
    let Some((head, delimiter, quoted)) = best else {
        return read(usual, true).map(|head| (head, usual, true));
    };
    if let [only] = head.columns.as_slice()
        && let Some(at) =
            failed.iter().position(|(other, _)| only.name.contains(char::from(*other)))
    {
        return Err(failed.swap_remove(at).1);
    }
    Ok((head, delimiter, quoted))
}

/// True if the first line looks like a row: a mail, a number or a date stands where a name should, or what
/// stands in the same column again.
fn has_no_header(head: &Head) -> bool {
    let mail = Chain::new(vec![Step::Email(EmailOptions::default())]);
    let is_value = |name: &str| {
        let digits = name.chars().filter(char::is_ascii_digit).count();
        let letters = name.chars().filter(|c| c.is_alphabetic()).count();
        mail.apply(name, None).is_some() || (digits >= 3 && letters == 0)
    };
    let is_known = |name: &str| {
        let words = words(name);
        (says(&words) != Says::Nothing || of_consent(&words)) && !is_value(name)
    };
    let mut columns = head.columns.iter().zip(&head.cells);
    let known = columns.clone().filter(|(column, _)| is_known(&column.name)).count();
    let any_value = columns.any(|(column, cells)| {
        is_value(&column.name) || cells.iter().flatten().any(|cell| cell.trim() == column.name)
    });
    any_value && known * 2 <= head.columns.len()
}
