//! Delimited text: proof that a file is what it seems, and the cells of the columns in use.
//!
//! Readers of CSV are lenient: an unclosed quote swallows records, a file with bare carriage
//! returns has no rows, UTF-16 is garbage, and none of it is an error there. Here every byte is
//! looked at: encoding, line ends, quotes and the number of fields of each record.
//! [`Delimited::cut`] does so in parallel and takes the wanted cells on the way, so that nothing is
//! read twice; if it meets any fault, [`Delimited::walk`] goes from record to record to say which.

use memchr::{memchr, memchr2, memchr3};
use polars_arrow::array::{MutableBinaryViewArray, Utf8ViewArray};
use rayon::prelude::*;

use crate::diagnostics::{Code, Diagnostic};
use crate::engine::tuning;

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

/// A delimited text of which the header is known.
///
/// A line without any character is no record, unless there is a single column. A record ends with
/// a line feed, with or without a carriage return before it, or with the text.
pub struct Delimited<'a> {
    /// The header's fields, trimmed.
    pub header: Vec<String>,
    /// Stands behind the header.
    body: Walker<'a>,
}

impl<'a> Delimited<'a> {
    /// Reads the header; of a whole text, or of the first bytes of one.
    ///
    /// # Errors
    /// No header, one that cannot be used, or line ends that leave a single line.
    pub fn open(text: &'a str, delimiter: u8, quoted: bool) -> Result<Self, Fault> {
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
        let mut body = Walker { bytes, delimiter, quoted, bare, at: 0, line: 1, record: 0 };
        Ok(Self { header: header(&mut body)?, body })
    }

    /// As [`open`](Self::open), of bytes that nobody has looked at yet: [`cut`](Self::cut) does so on
    /// the way, part by part. `None` if the header has a fault.
    #[must_use]
    pub fn unchecked(bytes: &'a [u8], delimiter: u8, quoted: bool) -> Option<Self> {
        let mut body = Walker { bytes, delimiter, quoted, bare: false, at: 0, line: 1, record: 0 };
        Some(Self { header: header(&mut body).ok()?, body })
    }

    /// As [`unchecked`](Self::unchecked), of records that stand somewhere behind this header.
    #[must_use]
    pub fn rest(header: Vec<String>, bytes: &'a [u8], delimiter: u8, quoted: bool) -> Self {
        let body = Walker { bytes, delimiter, quoted, bare: false, at: 0, line: 1, record: 0 };
        Self { header, body }
    }

    /// Walks all records one after the other and gives their number.
    ///
    /// # Errors
    /// The first fault, with record and line.
    pub fn walk(&self) -> Result<u64, Fault> {
        let mut walker = self.body;
        let width = self.header.len();
        while walker.at < walker.bytes.len() {
            if width > 1 && walker.skip_empty_line() {
                continue;
            }
            walker.record += 1;
            let line = walker.line;
            let fields = walker.record(|_, _| {})?;
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
        Ok(walker.record)
    }

    /// Walks all records in parallel and takes the wanted cells on the way, part by part; gives what
    /// `make` makes of each, in their order. `None` if there is any fault, of the encoding too:
    /// [`utf8`] and [`walk`](Self::walk) then say which.
    ///
    /// The text is divided at line feeds outside of quotes, which the number of quotes before them
    /// tells, if quotes stand only where they may. Each part must hold whole records and no fault;
    /// so by the first part the second begins where it seems to, and so on.
    #[must_use]
    pub fn cut<T: Send>(
        &self,
        wanted: &Wanted<'_>,
        make: impl Fn(Part) -> T + Sync,
    ) -> Option<Vec<T>> {
        self.cut_at(&self.bounds(true), wanted, make)
    }

    /// Where parts begin and end that hold whole records; if the text does not end here, that is
    /// not known of its last records, which are left out.
    #[must_use]
    pub fn bounds(&self, ends_here: bool) -> Vec<usize> {
        let mut bounds = bounds(self.body.bytes, self.body.at, self.body.quoted);
        if !ends_here {
            bounds.pop();
        }
        bounds
    }

    /// As [`cut`](Self::cut), in these parts.
    #[must_use]
    pub fn cut_at<T: Send>(
        &self,
        bounds: &[usize],
        wanted: &Wanted<'_>,
        make: impl Fn(Part) -> T + Sync,
    ) -> Option<Vec<T>> {
        bounds
            .par_windows(2)
            .map(|bounds| {
                let bytes = &self.body.bytes[bounds[0]..bounds[1]];
                let text = simdutf8::basic::from_utf8(bytes).ok()?;
                if memchr(0, bytes).is_some() {
                    return None;
                }
                let bare = has_bare_cr(bytes);
                let walker = Walker { bytes, at: 0, bare, ..self.body };
                part(text, walker, wanted).map(&make)
            })
            .collect()
    }
}

fn header(walker: &mut Walker<'_>) -> Result<Vec<String>, Fault> {
    let start = walker.at;
    walker.record(|_, _| {})?;
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

/// Where the content of a field stands, quotes around it left out.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    end: usize,
    /// Quotes inside it are written twice.
    doubled: bool,
}

#[derive(Clone, Copy)]
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

    /// Passes one record; tells the number and the place of each field, and gives how many there
    /// are.
    fn record(&mut self, mut field: impl FnMut(usize, Place)) -> Result<usize, Fault> {
        let mut fields = 1;
        loop {
            let start = self.at;
            if self.quoted && self.bytes.get(start) == Some(&b'"') {
                let doubled = self.quoted_field()?;
                field(fields - 1, Place { start: start + 1, end: self.at - 1, doubled });
            } else {
                self.plain_field()?;
                field(fields - 1, Place { start, end: self.at, doubled: false });
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

    /// Passes a quoted field; says whether quotes inside it are written twice.
    fn quoted_field(&mut self) -> Result<bool, Fault> {
        let (record, line) = (self.record, self.line);
        let mut doubled = false;
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
                doubled = true;
            } else {
                self.at = at;
                return Ok(doubled);
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

/// What cells are wanted of a delimited text.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// For each field of a record the number of the column it goes to, if any.
    pub columns: Vec<Option<usize>>,
    /// Texts that mean null, as they stand in the file, quotes around them left out.
    pub nulls: &'a [String],
}

/// Some whole records of a delimited text.
#[derive(Debug)]
pub struct Part {
    /// How many.
    pub records: usize,
    /// The cells of the wanted columns.
    pub cells: Vec<Utf8ViewArray>,
}

/// Where the parts begin, and the end.
fn bounds(bytes: &[u8], body: usize, quoted: bool) -> Vec<usize> {
    /// Large enough to be worth a thread, small enough that threads end together.
    const PART: usize = 1 << 21;
    let size = tuning::part(PART, 48);
    let count = (bytes.len() - body).div_ceil(size).max(1);
    let starts: Vec<usize> = (0..count).map(|part| body + part * size).collect();
    let quotes: Vec<usize> = starts
        .par_iter()
        .map(|start| {
            let end = bytes.len().min(start + size);
            if quoted { memchr::memchr_iter(b'"', &bytes[*start..end]).count() } else { 0 }
        })
        .collect();
    let mut bounds = vec![body];
    let mut inside = false;
    for (start, quotes_before) in starts.iter().skip(1).zip(&quotes) {
        inside ^= quotes_before % 2 == 1;
        let mut inside = inside;
        let mut at = *start;
        // A part that a long quoted field fills joins the one before it.
        let bound = loop {
            let Some(next) = memchr2(b'\n', b'"', &bytes[at..]) else { break bytes.len() };
            at += next + 1;
            match bytes[at - 1] {
                b'"' if quoted => inside = !inside,
                b'\n' if !inside => break at,
                _ => {}
            }
        };
        if bounds.last().is_some_and(|last| *last < bound) && bound < bytes.len() {
            bounds.push(bound);
        }
    }
    bounds.push(bytes.len());
    bounds
}

fn part(text: &str, mut walker: Walker<'_>, wanted: &Wanted<'_>) -> Option<Part> {
    let width = wanted.columns.len();
    let columns = wanted.columns.iter().flatten().count();
    let mut cells: Vec<MutableBinaryViewArray<str>> =
        (0..columns).map(|_| MutableBinaryViewArray::new()).collect();
    let only_empty = matches!(wanted.nulls, [null] if null.is_empty());
    let is_null = |cell: &str| {
        if only_empty { cell.is_empty() } else { wanted.nulls.iter().any(|null| null == cell) }
    };
    let mut records = 0;
    while walker.at < text.len() {
        if width > 1 && walker.skip_empty_line() {
            continue;
        }
        let fields = walker
            .record(|field, place| {
                let Some(Some(column)) = wanted.columns.get(field) else { return };
                let cell = &text[place.start..place.end];
                let column = &mut cells[*column];
                if place.doubled {
                    let cell = cell.replace("\"\"", "\"");
                    column.push(Some(&cell).filter(|cell| !is_null(cell)));
                } else {
                    column.push(Some(cell).filter(|cell| !is_null(cell)));
                }
            })
            .ok()?;
        if fields != width {
            return None;
        }
        records += 1;
    }
    Some(Part { records, cells: cells.into_iter().map(Into::into).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of records.
    fn walk(text: &str, delimiter: u8, quoted: bool) -> Result<u64, Fault> {
        Delimited::open(text, delimiter, quoted)?.walk()
    }

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
            assert_eq!(walk(text, b',', true).expect(text), records, "{text:?}");
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
        assert_eq!(walk("a\tb\n5\" pipe\tx\n", b'\t', false).expect("a walk"), 1);
    }

    /// All cells by column, null as `None`.
    fn cells(
        text: &str,
        quoted: bool,
        nulls: &[String],
    ) -> Option<(u64, Vec<Vec<Option<String>>>)> {
        let text = Delimited::open(text, b',', quoted).ok()?;
        let wanted = Wanted { columns: (0..text.header.len()).map(Some).collect(), nulls };
        let parts = text.cut(&wanted, |part| part)?;
        let columns = (0..text.header.len()).map(|column| {
            let cells = parts.iter().flat_map(|part| part.cells[column].iter());
            cells.map(|cell| cell.map(str::to_owned)).collect()
        });
        let records = parts.iter().map(|part| part.records as u64).sum();
        Some((records, columns.collect()))
    }

    #[test]
    fn cells_are_cut_as_they_stand() {
        let text = "a,b\r\n1,\"x\ny\"\r\n\r\n\"\",\"say \"\"hi\"\"\"\nN/A,\"N/A\"";
        let nulls = [String::new(), "N/A".to_owned()];
        let some = |text: &str| Some(text.to_owned());
        let (records, columns) = cells(text, true, &nulls).expect("no fault");
        assert_eq!(records, 3);
        assert_eq!(columns[0], [some("1"), None, None]);
        assert_eq!(columns[1], [some("x\ny"), some("say \"hi\""), None]);
        assert_eq!(cells("a\n\nx\n", true, &nulls).map(|(records, _)| records), Some(2));
        for fault in
            ["a,b\n1\n", "a,b\n1,x\"y\n", "a,b\n\"1,2\n", "a,b\n\"x\"y,1\n", "a,b\n1,x\ry\n"]
        {
            assert!(cells(fault, true, &nulls).is_none(), "{fault:?}");
        }
    }

    /// Texts longer than a part, with line ends and quotes around where parts meet.
    #[test]
    fn parts_meet_at_records() {
        for (step, quoted) in [(1, true), (3, true), (7, true), (7, false)] {
            let mut text = "number,words\n".to_owned();
            let mut expected: Vec<String> = Vec::new();
            let mut number = 0;
            while text.len() < 5 << 20 {
                number += 1;
                let words = match number % step {
                    0 if quoted => format!("{}\n\"{number}\"\n", "x".repeat(number % 90)),
                    _ => format!("plain {}", "y".repeat(number % 61)),
                };
                let cell = words.replace('"', "\"\"");
                let quote = if words.contains('"') { "\"" } else { "" };
                text.extend([&number.to_string(), ",", quote, &cell, quote, "\n"]);
                expected.push(words);
            }
            // One cell that fills more than a part.
            if quoted {
                let words = "line\n".repeat(1 << 19);
                text.extend(["0,\"", &words, "\"\n1,end\n"]);
                expected.extend([words, "end".to_owned()]);
            }
            let (records, columns) = cells(&text, quoted, &[]).expect("no fault");
            assert_eq!(records, expected.len() as u64);
            assert_eq!(walk(&text, b',', quoted).expect("no fault"), records);
            let found = columns[1].iter().map(|cell| cell.as_deref().unwrap_or_default());
            assert!(found.eq(expected.iter().map(String::as_str)));
        }
    }
}
