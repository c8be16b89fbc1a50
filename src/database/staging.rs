//! The staging table of a copy: texts, which take a file's bytes and are compared with them.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};

use postgres::{Client, Error};

use super::table::{Copy, refused};
use crate::diagnostics::{Code, Diagnostic, Outcome};

/// What a row weighs: rows that differ in any cell hardly ever weigh the same. 60 bits of the SHA-256 of its
/// cells, each with its length in bytes before it.
#[must_use]
pub fn weight<T: AsRef<str>>(cells: impl Iterator<Item = Option<T>>) -> u128 {
    use sha2::{Digest as _, Sha256};
    let mut row = String::new();
    for cell in cells {
        match cell {
            None => row.push('0'),
            Some(text) => {
                let text = text.as_ref();
                let _ = write!(row, "1{}:{text}", text.len());
            }
        }
    }
    let digest = Sha256::digest(row.as_bytes());
    digest.iter().take(8).fold(0_u128, |all, byte| all << 8 | u128::from(*byte)) >> 4
}

/// Gives the staging table the file's bytes.
pub(super) fn fill(client: &mut Client, staging: &str, all: &str, copy: &Copy<'_>) -> Outcome<()> {
    let refuse = |error: &Error| refused(copy.variable, error);
    let file = File::open(copy.file).map_err(|error| Diagnostic::unwritable(copy.file, &error))?;
    let query = format!(
        "COPY {staging} ({all}) FROM STDIN (FORMAT csv, HEADER true, FORCE_NULL ({all}), ENCODING 'UTF8')"
    );
    let mut rows = client.copy_in(&query).map_err(|error| refuse(&error))?;
    if let Err(error) = stream(file, copy.columns.len(), &mut rows) {
        return Err(match error.downcast::<Error>() {
            Ok(error) => refuse(&error).into(),
            Err(error) => Diagnostic::unwritable(copy.file, &error).into(),
        });
    }
    rows.finish().map_err(|error| refuse(&error))?;
    Ok(())
}

/// Hands on a file's bytes. In a file of one column a row may be `\.`, with which data end for servers before 18:
/// such a cell goes in quotes, and is the same.
fn stream(file: impl io::Read, columns: usize, rows: &mut impl io::Write) -> io::Result<()> {
    let mut file = BufReader::with_capacity(1 << 16, file);
    if columns > 1 {
        return io::copy(&mut file, rows).map(drop);
    }
    let mut line: Vec<u8> = Vec::new();
    // Lines within quotes are parts of a cell.
    let mut inside = false;
    while file.read_until(b'\n', &mut line)? > 0 {
        match line.strip_prefix(br"\.") {
            Some(end @ (b"" | b"\n" | b"\r\n")) if !inside => {
                rows.write_all(br#""\.""#)?;
                rows.write_all(end)?;
            }
            _ => rows.write_all(&line)?,
        }
        inside ^= memchr::memchr_iter(b'"', &line).count() % 2 == 1;
        line.clear();
    }
    Ok(())
}

/// What the server holds weighs what the file does.
pub(super) fn compare(
    client: &mut Client,
    staging: &str,
    names: &[String],
    copy: &Copy<'_>,
) -> Outcome<()> {
    let cells: Vec<String> = names
        .iter()
        .map(|name| {
            format!("CASE WHEN {name} IS NULL THEN '0' ELSE '1' || octet_length(convert_to({name}, 'UTF8')) || ':' || {name} END")
        })
        .collect();
    let query = format!(
        "SELECT count(*), coalesce(sum(('x' || substr(encode(sha256(convert_to({}, 'UTF8')), 'hex'), 1, 15))::bit(60)::bigint), 0)::text FROM {staging}",
        cells.join(" || ")
    );
    let found = client.query_one(&query, &[]).map_err(|error| refused(copy.variable, &error))?;
    let (rows, weight): (i64, String) = (found.get(0), found.get(1));
    if u64::try_from(rows) == Ok(copy.rows) && weight == copy.weight.to_string() {
        return Ok(());
    }
    Err(differs(copy.table, copy.variable).into())
}

pub(super) fn differs(table: &str, variable: &str) -> Diagnostic {
    Diagnostic::error(
        Code::VerifyFailed,
        format!("{table} of {variable} does not hold what the file does"),
    )
    .help("nothing was published; please report it, with the version of the server")
}

#[cfg(test)]
mod tests {
    use super::{stream, weight};

    #[test]
    fn a_row_weighs_what_its_cells_say_and_where_they_end() {
        let of = |cells: &[Option<&str>]| weight(cells.iter().copied());
        assert_ne!(of(&[Some("ab"), Some("c")]), of(&[Some("a"), Some("bc")]));
        assert_ne!(of(&[None, Some("0")]), of(&[Some("0"), None]));
        assert_ne!(of(&[Some("")]), of(&[None]));
        assert!(of(&[Some("a")]) < 1 << 60);
    }

    #[test]
    fn a_cell_that_would_end_the_data_goes_in_quotes() {
        let sent = |columns: usize, text: &str| {
            let mut sent = Vec::new();
            stream(text.as_bytes(), columns, &mut sent).expect("nothing fails in memory");
            String::from_utf8(sent).expect("UTF-8")
        };
        assert_eq!(sent(1, "a\n\\.\n\n\\.x\n"), "a\n\"\\.\"\n\n\\.x\n");
        assert_eq!(sent(1, "\\.\r\n\\."), "\"\\.\"\r\n\"\\.\"");
        for same in ["a\n\"x\n\\.\n\"\"\n\\.\n\"\nb\n", "a\n\\\\.\n \\.\n\"\\.\"\n"] {
            assert_eq!(sent(1, same), same);
        }
        assert_eq!(sent(2, "a,b\n\\.\n"), "a,b\n\\.\n");
    }
}
