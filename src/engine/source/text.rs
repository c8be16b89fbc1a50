//! Delimited text: proof that a file is what it seems, before anybody parses it.
//!
//! The CSV reader of the engine is fast and lenient: an unclosed quote swallows records, a file
//! with bare carriage returns has no rows, UTF-16 is garbage, and none of it is an error there. So
//! every text file is walked once, byte by byte, before it is parsed: encoding, line ends, quotes
//! and the number of fields of each record. The number of records found here must be the number
//! that the reader finds.

use memchr::{memchr, memchr2, memchr3};

use crate::diagnostics::{Code, Diagnostic};

/// What the walk found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The header's fields, trimmed.
    pub header: Vec<String>,
    /// Records after the header.
    pub records: u64,
    /// Bytes of lines without any character, which are no records; counted from the byte order
    /// mark's end.
    pub empty_lines: Vec<std::ops::Range<usize>>,
}

/// A fault in a text file: code, message, record (1 is the first after the header) and line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Kind of the fault.
    pub code: Code,
    /// What is wrong, without any cell.
    pub message: String,
    /// What to do.
    pub help: Option<&'static str>,
    /// Record, 1 for the first after the header; 0 is the header.
    pub record: Option<u64>,
    /// Line, from 1.
    pub line: Option<u64>,
}

impl Fault {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None, record: None, line: None }
    }

    fn at(mut self, record: u64, line: u64) -> Self {
        (self.record, self.line) = (Some(record), Some(line));
        self
    }

    fn help(mut self, help: &'static str) -> Self {
        self.help = Some(help);
        self
    }

    /// As a diagnostic of a file.
    #[must_use]
    pub fn into_diagnostic(self, file: &std::path::Path) -> Diagnostic {
        let fault = Diagnostic::error(self.code, self.message).in_file(crate::diagnostics::Site {
            file: file.to_path_buf(),
            row: self.record,
            line: self.line,
            column: None,
        });
        match self.help {
            Some(help) => fault.help(help),
            None => fault,
        }
    }
}

/// Checks that the bytes are UTF-8 without NUL; gives the text without its byte order mark.
///
/// # Errors
/// The first fault, with its line.
pub fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    const CONVERT: &str = "convert the file to UTF-8, for example with `iconv -t UTF-8`";
    let marks: [(&[u8], &str); 4] = [
        (b"\xFF\xFE\0\0", "UTF-32"),
        (b"\0\0\xFE\xFF", "UTF-32"),
        (b"\xFF\xFE", "UTF-16"),
        (b"\xFE\xFF", "UTF-16"),
    ];
    if let Some((_, name)) = marks.iter().find(|(mark, _)| bytes.starts_with(mark)) {
        return Err(
            Fault::new(Code::Encoding, format!("the file is {name}, not UTF-8")).help(CONVERT)
        );
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let line_of = |at: usize| {
        1 + u64::try_from(memchr::memchr_iter(b'\n', &bytes[..at]).count()).unwrap_or(0)
    };
    if let Some(at) = memchr(0, bytes) {
        let line = line_of(at);
        return Err(Fault::new(Code::Encoding, "the file holds a NUL character")
            .at(line.saturating_sub(1), line)
            .help("a text file has none; it may be UTF-16, or damaged"));
    }
    simdutf8::basic::from_utf8(bytes).map_err(|_| {
        let at = simdutf8::compat::from_utf8(bytes).err().map_or(0, |e| e.valid_up_to());
        let line = line_of(at);
        Fault::new(Code::Encoding, "the file is not UTF-8")
            .at(line.saturating_sub(1), line)
            .help(CONVERT)
    })
}

/// Walks a whole delimited file.
///
/// A line without any character is no record, unless the file has a single column. A record ends
/// with a line feed, with or without a carriage return before it, or with the file.
///
/// # Errors
/// The first fault, with record and line.
pub fn walk(text: &str, delimiter: u8, quoted: bool) -> Result<Walk, Fault> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err(Fault::new(Code::Header, "the file is empty: not even a header")
            .help("write the header line, or take the source out"));
    }
    let bare = has_bare_cr(bytes);
    if bare && memchr(b'\n', bytes).is_none() {
        return Err(Fault::new(Code::LineEnds, "the lines end with bare carriage returns")
            .help("convert the line ends, for example with `tr '\\r' '\\n'`"));
    }
    let mut walker = Walker { bytes, delimiter, quoted, bare, at: 0, line: 1, record: 0 };
    let header = header(&mut walker)?;
    let width = header.len();
    let mut empty_lines = Vec::new();
    while walker.at < bytes.len() {
        let start = walker.at;
        if width > 1 && walker.skip_empty_line() {
            empty_lines.push(start..walker.at);
            continue;
        }
        walker.record += 1;
        let line = walker.line;
        let fields = walker.record()?;
        if fields != width {
            let what = if fields > width { "too many" } else { "too few" };
            return Err(Fault::new(
                Code::FieldCount,
                format!("a record has {what} fields: {fields}, where the header has {width}"),
            )
            .at(walker.record, line)
            .help("quote fields that hold the delimiter or a line end; check `delimiter`"));
        }
    }
    Ok(Walk { header, records: walker.record, empty_lines })
}

/// The header's fields alone, from the first bytes of a file. `whole` says if these are all bytes.
///
/// # Errors
/// A header that cannot be used.
pub fn header_of(text: &str, delimiter: u8, quoted: bool) -> Result<Vec<String>, Fault> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err(Fault::new(Code::Header, "the file is empty: not even a header")
            .help("write the header line, or take the source out"));
    }
    let bare = has_bare_cr(bytes);
    if bare && memchr(b'\n', bytes).is_none() {
        return Err(Fault::new(Code::LineEnds, "the lines end with bare carriage returns")
            .help("convert the line ends, for example with `tr '\\r' '\\n'`"));
    }
    header(&mut Walker { bytes, delimiter, quoted, bare, at: 0, line: 1, record: 0 })
}

fn header(walker: &mut Walker<'_>) -> Result<Vec<String>, Fault> {
    let start = walker.at;
    walker.record()?;
    let mut line = &walker.bytes[start..walker.at];
    while let [rest @ .., b'\n' | b'\r'] = line {
        line = rest;
    }
    let names = split(line, walker.delimiter, walker.quoted);
    let mut seen = std::collections::HashSet::new();
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(Fault::new(
                Code::Header,
                format!("column {} of the header has no name", at + 1),
            )
            .at(0, 1)
            .help("name every column; is `delimiter` right?"));
        }
        if !seen.insert(name.as_str()) {
            return Err(Fault::new(
                Code::Header,
                format!("column {} of the header has the name of an earlier one", at + 1),
            )
            .at(0, 1)
            .help("rename one of them"));
        }
    }
    Ok(names)
}

fn split(line: &[u8], delimiter: u8, quoted: bool) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = line;
    loop {
        let mut name = Vec::new();
        if quoted && rest.first() == Some(&b'"') {
            rest = &rest[1..];
            while let Some(end) = memchr(b'"', rest) {
                name.extend_from_slice(&rest[..end]);
                rest = &rest[end + 1..];
                if rest.first() == Some(&b'"') {
                    name.push(b'"');
                    rest = &rest[1..];
                } else {
                    break;
                }
            }
        }
        let end = memchr(delimiter, rest).unwrap_or(rest.len());
        name.extend_from_slice(&rest[..end]);
        names.push(String::from_utf8_lossy(&name).trim().to_owned());
        if end == rest.len() {
            return names;
        }
        rest = &rest[end + 1..];
    }
}

/// True if a carriage return stands where no line feed follows.
fn has_bare_cr(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n'))
}

struct Walker<'a> {
    bytes: &'a [u8],
    delimiter: u8,
    quoted: bool,
    /// True if the file holds a bare carriage return somewhere; then each record is looked at.
    bare: bool,
    at: usize,
    line: u64,
    record: u64,
}

impl Walker<'_> {
    fn skip_empty_line(&mut self) -> bool {
        let length = match &self.bytes[self.at..] {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => return false,
        };
        self.at += length;
        self.line += 1;
        true
    }

    /// Passes one record; gives the number of its fields.
    fn record(&mut self) -> Result<usize, Fault> {
        let mut fields = 1;
        loop {
            let rest = &self.bytes[self.at..];
            if self.quoted && rest.first() == Some(&b'"') {
                self.quoted_field()?;
            } else {
                self.plain_field()?;
            }
            match self.bytes.get(self.at) {
                Some(byte) if *byte == self.delimiter => {
                    fields += 1;
                    self.at += 1;
                }
                Some(b'\n') => {
                    self.at += 1;
                    self.line += 1;
                    return Ok(fields);
                }
                Some(b'\r') if self.bytes.get(self.at + 1) == Some(&b'\n') => {
                    self.at += 2;
                    self.line += 1;
                    return Ok(fields);
                }
                None => return Ok(fields),
                Some(_) => {
                    return Err(Fault::new(Code::Quote, "something stands after a closing quote")
                        .at(self.record, self.line)
                        .help("a quote inside a quoted field is written twice"));
                }
            }
        }
    }

    fn quoted_field(&mut self) -> Result<(), Fault> {
        let (record, line) = (self.record, self.line);
        let mut at = self.at + 1;
        loop {
            let Some(end) = memchr(b'"', &self.bytes[at..]) else {
                return Err(Fault::new(Code::Quote, "a quote is opened here and never closed")
                    .at(record, line)
                    .help(
                        "close it, or write `quote: none` on the source if quotes mean nothing",
                    ));
            };
            self.line +=
                u64::try_from(memchr::memchr_iter(b'\n', &self.bytes[at..at + end]).count())
                    .unwrap_or(0);
            at += end + 1;
            if self.bytes.get(at) == Some(&b'"') {
                at += 1;
            } else {
                self.at = at;
                return Ok(());
            }
        }
    }

    fn plain_field(&mut self) -> Result<(), Fault> {
        let rest = &self.bytes[self.at..];
        let end = if self.quoted {
            memchr3(self.delimiter, b'\n', b'"', rest)
        } else {
            memchr2(self.delimiter, b'\n', rest)
        };
        let mut end = end.unwrap_or(rest.len());
        if self.quoted && rest.get(end) == Some(&b'"') {
            return Err(Fault::new(Code::Quote, "a quote stands inside a field that is not quoted")
                .at(self.record, self.line)
                .help(
                    "quote the whole field and write the quote twice, or write `quote: none` on the source if quotes mean nothing",
                ));
        }
        if rest.get(end) == Some(&b'\n') && end > 0 && rest[end - 1] == b'\r' {
            end -= 1;
        }
        if self.bare && memchr(b'\r', &rest[..end]).is_some() {
            return Err(Fault::new(Code::LineEnds, "a bare carriage return stands inside a field")
                .at(self.record, self.line)
                .help("the file may mix line ends; quote the field if it belongs there"));
        }
        self.at += end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> (Code, Option<u64>, Option<u64>) {
        let fault = walk(text, b',', true).expect_err("a fault");
        (fault.code, fault.record, fault.line)
    }

    #[test]
    fn records_are_counted_as_rfc_4180_counts_them() {
        for (text, records) in [
            ("a,b\n1,2\n3,4\n", 2),
            ("a,b\n1,2\n3,4", 2),
            ("a,b\r\n1,2\r\n\r\n", 1),
            ("a,b\n\"x\ny\",\"say \"\"hi\"\"\"\n", 1),
            ("a,b\n,\n", 1),
            ("a,b\n\n\n1,2\n\n", 1),
            ("a\n\n1\n", 2),
            ("a,b", 0),
        ] {
            assert_eq!(walk(text, b',', true).expect(text).records, records, "{text:?}");
        }
    }

    #[test]
    fn faults_have_record_and_line() {
        assert_eq!(code("a,b\n1,2\n1,2,3\n"), (Code::FieldCount, Some(2), Some(3)));
        assert_eq!(code("a,b\n1\n"), (Code::FieldCount, Some(1), Some(2)));
        assert_eq!(code("a,b\n\"1\n\",2\n\"1,2\n3,4\n"), (Code::Quote, Some(2), Some(4)));
        assert_eq!(code("a,b\n1,x\"y\n"), (Code::Quote, Some(1), Some(2)));
        assert_eq!(code("a,b\n\"x\"y,1\n"), (Code::Quote, Some(1), Some(2)));
        assert_eq!(code("a,b\r1,2\r").0, Code::LineEnds);
        assert_eq!(code("a,b\n1,x\ry\n"), (Code::LineEnds, Some(1), Some(2)));
        assert_eq!(code("").0, Code::Header);
        assert_eq!(code("a,a\n").0, Code::Header);
        assert_eq!(code("a,\n").0, Code::Header);
    }

    #[test]
    fn encodings_are_told_apart() {
        assert_eq!(utf8(b"\xEF\xBB\xBFa\n"), Ok("a\n"));
        assert!(utf8(b"\xFF\xFEa\0").expect_err("UTF-16").message.contains("UTF-16"));
        assert!(utf8(b"a\0b\0").expect_err("NUL").message.contains("NUL"));
        let latin = utf8(b"a\nb\nM\xFCller\n").expect_err("latin 1");
        assert_eq!((latin.record, latin.line), (Some(2), Some(3)));
    }

    #[test]
    fn without_quoting_a_quote_is_a_character() {
        let walk = walk("a\tb\n5\" pipe\tx\n", b'\t', false).expect("a walk");
        assert_eq!(walk.records, 1);
    }
}
