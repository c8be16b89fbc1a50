//! Lines of at most 80 columns: headings, wrapped lists, tables, numbers for people.

use std::fmt::Write as _;
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};

pub fn nonzero(parts: &[(&str, u64)]) -> impl Iterator<Item = String> {
    parts.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{what} {}", number(*n)))
}

/// A title with a blank line before it.
pub fn heading(text: &mut String, title: &str) {
    let _ = writeln!(text, "\n{title}");
}

/// `  name: part, part`, wrapped; nothing if there is no part.
pub fn line(text: &mut String, name: &str, parts: impl Iterator<Item = String>) {
    let parts: Vec<_> = parts.collect();
    if !parts.is_empty() {
        wrap(text, &format!("  {name}: "), &parts);
    }
}

/// Parts behind a lead, separated by commas, broken before column 80.
pub fn wrap(text: &mut String, lead: &str, parts: &[String]) {
    let last = parts.len().saturating_sub(1);
    let parts: Vec<String> = parts
        .iter()
        .enumerate()
        .map(|(at, part)| if at < last { format!("{part},") } else { part.clone() })
        .collect();
    wrap_words(text, lead, parts.iter().map(String::as_str));
}

/// Words behind a lead, broken before column 80.
pub fn wrap_words<'a>(text: &mut String, lead: &str, words: impl Iterator<Item = &'a str>) {
    let indent = lead.chars().take_while(|c| *c == ' ').count() + 4;
    wrap_under(text, lead, indent, words);
}

/// Words behind a lead, broken before column 80; later lines stand under `indent` blanks.
pub fn wrap_under<'a>(
    text: &mut String,
    lead: &str,
    indent: usize,
    words: impl Iterator<Item = &'a str>,
) {
    let mut width = lead.chars().count();
    text.push_str(lead);
    for (at, word) in words.enumerate() {
        let length = word.chars().count();
        if at > 0 {
            if width + 1 + length > 80 {
                let _ = write!(text, "\n{}", " ".repeat(indent));
                width = indent;
            } else {
                text.push(' ');
                width += 1;
            }
        }
        text.push_str(word);
        width += length;
    }
    text.push('\n');
}

/// Rows below a header; numbers stand right in all columns but the first.
pub fn table(text: &mut String, header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for (at, column) in table.column_iter_mut().enumerate() {
        if at > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
        column.set_padding((if at == 0 { 2 } else { 1 }, 1));
    }
    for line in table.lines() {
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

/// A written file: rows, size, path.
#[must_use]
pub fn file_line(path: &Path, rows: u64, bytes: u64) -> String {
    format!("  {:>12} rows  {:>9}  {}\n", number(rows), size(bytes), tidy(path))
}

/// So many things of a kind, in words: `1 record`, `2,000 records`.
#[must_use]
pub fn counted(things: u64, kind: &str) -> String {
    let end = if things == 1 { "" } else { "s" };
    format!("{} {kind}{end}", number(things))
}

/// A path as short as it can be said: from the working folder, without `folder/..`.
#[must_use]
pub fn tidy(path: &Path) -> String {
    use std::path::Component;
    if let Some(address) = path.to_str().filter(|path| crate::plan::address::is_address(path)) {
        return address.to_owned();
    }
    let mut short = std::path::PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(short.components().next_back(), Some(Component::Normal(_))) =>
            {
                short.pop();
            }
            other => short.push(other),
        }
    }
    short.display().to_string()
}

/// A whole number with thousands separated.
#[must_use]
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    let bytes = bytes as f64;
    if bytes < 1e3 {
        format!("{bytes} B")
    } else if bytes < 1e6 {
        format!("{:.1} kB", bytes / 1e3)
    } else if bytes < 1e9 {
        format!("{:.1} MB", bytes / 1e6)
    } else {
        format!("{:.1} GB", bytes / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_234_567), "1,234,567");
    }

    #[test]
    fn lines_stay_within_eighty_columns() {
        let mut text = String::new();
        let parts: Vec<_> = (0..20).map(|n| format!("reason {n}")).collect();
        wrap(&mut text, "  out: ", &parts);
        assert!(text.lines().count() > 1);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn paths_are_tidied() {
        assert_eq!(tidy(Path::new("pipelines/../out/a.csv")), "out/a.csv");
        assert_eq!(tidy(Path::new("../out/a.csv")), "../out/a.csv");
        assert_eq!(tidy(Path::new("s3://bucket/a.csv")), "s3://bucket/a.csv");
    }
}
