//! Delimited text, read and written by hand: the tests must not trust the reader they test.

use crate::oracle::RawTable;

/// How a file looks; none of it changes what it says.
#[derive(Clone, Debug)]
pub struct Look {
    pub delimiter: char,
    /// Texts that stand for null.
    pub nulls: Vec<String>,
    pub line_end: &'static str,
    pub byte_order_mark: bool,
    /// Quotes every cell that is not null, needed or not.
    pub quote_all: bool,
    pub ends_with_line_end: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            delimiter: ',',
            nulls: vec![String::new()],
            line_end: "\n",
            byte_order_mark: false,
            quote_all: false,
            ends_with_line_end: true,
        }
    }
}

/// The text of a table.
pub fn write(table: &RawTable, look: &Look) -> String {
    let mut text = String::new();
    if look.byte_order_mark {
        text.push('\u{FEFF}');
    }
    let header: Vec<Option<String>> = table.columns.iter().cloned().map(Some).collect();
    let lines = std::iter::once(&header).chain(&table.rows);
    let lines: Vec<String> = lines.enumerate().map(|(at, row)| line(at, row, look)).collect();
    text.push_str(&lines.join(look.line_end));
    if look.ends_with_line_end {
        text.push_str(look.line_end);
    }
    text
}

fn line(at: usize, row: &[Option<String>], look: &Look) -> String {
    let mut cells = Vec::new();
    for (column, cell) in row.iter().enumerate() {
        cells.push(match cell {
            // Which of the nulls stands there does not matter, so they take turns.
            None => look.nulls[(at + column) % look.nulls.len()].clone(),
            Some(cell) => {
                let needed = cell.contains([look.delimiter, '"', '\n', '\r']);
                if needed || look.quote_all {
                    format!("\"{}\"", cell.replace('"', "\"\""))
                } else {
                    cell.clone()
                }
            }
        });
    }
    cells.join(&look.delimiter.to_string())
}

/// The table in a text; a cell that equals one of the nulls is null.
pub fn read(text: &str, look: &Look) -> RawTable {
    let mut rows = Vec::new();
    let mut row: Vec<Option<String>> = Vec::new();
    let mut cell = String::new();
    let mut quoted = false;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut chars = text.chars().peekable();
    let end_cell = |cell: &mut String, row: &mut Vec<Option<String>>| {
        let text = std::mem::take(cell);
        row.push((!look.nulls.contains(&text)).then_some(text));
    };
    let mut in_line = false;
    while let Some(char) = chars.next() {
        if quoted {
            match char {
                '"' if chars.peek() == Some(&'"') => {
                    chars.next();
                    cell.push('"');
                }
                '"' => quoted = false,
                other => cell.push(other),
            }
            continue;
        }
        match char {
            '"' if cell.is_empty() => {
                quoted = true;
                in_line = true;
            }
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                end_cell(&mut cell, &mut row);
                rows.push(std::mem::take(&mut row));
                in_line = false;
            }
            other if other == look.delimiter => {
                end_cell(&mut cell, &mut row);
                in_line = true;
            }
            other => {
                cell.push(other);
                in_line = true;
            }
        }
    }
    if in_line {
        end_cell(&mut cell, &mut row);
        rows.push(row);
    }
    let header = if rows.is_empty() { Vec::new() } else { rows.remove(0) };
    let columns = header.into_iter().map(|name| name.unwrap_or_default().trim().to_owned());
    RawTable { columns: columns.collect(), rows }
}

#[test]
fn what_is_written_is_read() {
    let cell = |text: &str| Some(text.to_owned());
    let table = RawTable {
        columns: vec!["a".to_owned(), "b c".to_owned()],
        rows: vec![
            vec![cell("x,y"), cell(" say \"hi\" ")],
            vec![None, cell("two\nlines")],
            vec![None, None],
        ],
    };
    for line_end in ["\n", "\r\n"] {
        for quote_all in [false, true] {
            for ends_with_line_end in [false, true] {
                let look = Look {
                    delimiter: ';',
                    nulls: vec!["N/A".to_owned(), String::new()],
                    line_end,
                    byte_order_mark: quote_all,
                    quote_all,
                    ends_with_line_end,
                };
                assert_eq!(read(&write(&table, &look), &look), table, "{look:?}");
            }
        }
    }
}
