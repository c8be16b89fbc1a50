//! Sources: what is asked of the engine's catalog, and what its listings mean.

use std::path::Path;

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use crate::diagnostics::{Code, Diagnostic, Sink, Span, Spanned};
use crate::plan::address;
use crate::plan::catalog::{Column, ColumnType, Listing, Request};
use crate::plan::{Away, Compression, Database, Delta, Format, Objects, Period, Source, Type};
use crate::spec::{self, FileFormat, NameOrMap, Quote};

/// Makes the catalog's question for one source; `None` (and a fault) where it cannot be read.
pub fn request(source: &spec::Source, base: &Path, sink: &mut Sink) -> Option<Request> {
    let is_delta = source.format.as_ref().is_some_and(|format| format.value == FileFormat::Delta);
    if let Some(version) = source.table_version.as_ref().filter(|_| !is_delta) {
        sink.push(
            Diagnostic::error(Code::BadValue, "`table_version` goes with Delta tables only")
                .at(version.span, "not for this format")
                .help("write `format: delta` if the path is the folder of one"),
        );
    }
    let is_address = address::is_address(&source.path.value);
    let (away, format) = match database(source, sink)? {
        Some(database) => (
            Some(Away::Database(database)),
            Format::Delimited { delimiter: b',', quoted: true, compression: Compression::None },
        ),
        None if is_delta => {
            let format = format_of(source, sink)?;
            let address = if is_address {
                in_bucket(&source.path, sink)?.to_owned()
            } else {
                base.join(&source.path.value).to_string_lossy().into_owned()
            };
            let version = source.table_version.as_ref().map(|version| version.value);
            (Some(Away::Delta(Delta { address, version })), format)
        }
        None if is_address => {
            let address = in_bucket(&source.path, sink)?.to_owned();
            let format = format_of(source, sink)?;
            (Some(Away::Objects(Objects { address, found: Vec::new() })), format)
        }
        None => (None, format_of(source, sink)?),
    };
    Some(Request {
        name: source.name.value.clone(),
        pattern: base.join(&source.path.value),
        format,
        away,
        sheet: source.sheet.as_ref().map(|sheet| sheet.value.clone()),
        span: source.path.span,
    })
}

/// The address of an object, or of some by a pattern.
fn in_bucket<'a>(path: &'a Spanned<String>, sink: &mut Sink) -> Option<&'a str> {
    let found = match address::split(&path.value) {
        Ok((_, "")) => Err("it names no object in the bucket"),
        found => found,
    };
    well_said(found, path.span, "s3://bucket/folder/*.csv", sink)?;
    Some(&path.value)
}

/// The parts of an address, or the fault of what is none.
pub fn well_said<'a>(
    found: Result<(&'a str, &'a str), &str>,
    span: Span,
    example: &str,
    sink: &mut Sink,
) -> Option<(&'a str, &'a str)> {
    let fault = |why| {
        Diagnostic::error(Code::BadValue, format!("no address in a bucket: {why}"))
            .at(span, format!("not such as {example}"))
            .help("keys and secrets stand in variables of the environment, never in this file")
    };
    found.map_err(|why| sink.push(fault(why))).ok()
}

/// The variable of the environment that is named as `env:NAME`: where a database is stands in none but such.
pub fn variable(written: &Spanned<String>, sink: &mut Sink) -> Option<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name = written.value.strip_prefix("env:").filter(|name| !name.is_empty());
    let name = name.filter(|name| name.chars().all(is_name));
    if name.is_none() {
        let fault = Diagnostic::error(Code::BadValue, "no variable of the environment")
            .at(written.span, "not `env:` and letters, digits or _")
            .help("write `env:SHOP_DATABASE`, and put the address into that variable");
        sink.push(fault);
    }
    name.map(str::to_owned)
}

/// The query of a source that is no file; the outer none (and a fault) where it is not well said.
#[expect(
    clippy::option_option,
    reason = "no database, and one that is not well said, are two things"
)]
fn database(source: &spec::Source, sink: &mut Sink) -> Option<Option<Database>> {
    let is_variable = source.path.value.starts_with("env:");
    let variable = is_variable.then(|| variable(&source.path, sink));
    let (variable, query) = match (variable, &source.query) {
        (None, None) => return Some(None),
        (Some(variable), Some(query)) => (variable?, query),
        (Some(_), None) => {
            let fault = Diagnostic::error(Code::BadValue, "a database needs a `query`")
                .at(source.path.span, "a variable that says where a database is")
                .help("such as `query: SELECT id, mail FROM customers`");
            sink.push(fault);
            return None;
        }
        (None, Some(query)) => {
            let is_address = source.path.value.contains("://");
            let fault = Diagnostic::error(
                Code::BadValue,
                "where a database is stands in a variable of the environment",
            )
            .at(source.path.span, if is_address { "not in this file" } else { "no variable" })
            .at(query.span, "what is asked of it")
            .help("write `path: env:SHOP_DATABASE`, and put its address into that variable");
            sink.push(fault);
            return None;
        }
    };
    for (what, span) in [
        ("`format`", source.format.as_ref().map(|written| written.span)),
        ("`sheet`", source.sheet.as_ref().map(|written| written.span)),
        ("`delimiter`", source.delimiter.as_ref().map(|written| written.span)),
        ("`quote`", source.quote.as_ref().map(|written| written.span)),
    ] {
        if let Some(span) = span {
            let fault = Diagnostic::error(Code::BadValue, format!("{what} goes with files only"));
            sink.push(fault.at(span, "not for a database"));
        }
    }
    let query = query.value.trim().trim_end_matches(';').trim_end().to_owned();
    Some(Some(Database { variable, query }))
}

/// The format and the compression that a file's name tells, in any case.
#[must_use]
pub fn format_by_name(path: &str) -> (Option<FileFormat>, Compression) {
    let path = path.to_ascii_lowercase();
    let (stem, compression) = if let Some(stem) = path.strip_suffix(".gz") {
        (stem, Compression::Gzip)
    } else if let Some(stem) = path.strip_suffix(".zst") {
        (stem, Compression::Zstd)
    } else {
        (path.as_str(), Compression::None)
    };
    let by_name = match stem.rsplit('.').next() {
        Some("csv" | "txt") => Some(FileFormat::Csv),
        Some("tsv" | "tab") => Some(FileFormat::Tsv),
        Some("ndjson" | "jsonl") => Some(FileFormat::Ndjson),
        Some("parquet" | "pq") => Some(FileFormat::Parquet),
        Some("ipc" | "arrow" | "feather") => Some(FileFormat::Ipc),
        Some("xlsx" | "xlsm" | "xlsb" | "xls" | "ods") => Some(FileFormat::Excel),
        _ => None,
    };
    (by_name, compression)
}

fn format_of(source: &spec::Source, sink: &mut Sink) -> Option<Format> {
    let (by_name, compression) = format_by_name(&source.path.value);
    let Some(format) = source.format.as_ref().map(|format| format.value).or(by_name) else {
        sink.push(
            Diagnostic::error(
                Code::UnknownFormat,
                format!("the format of source `{}` cannot be told from its name", *source.name),
            )
            .at(source.path.span, "no known extension")
            .help(
                if matches!(source.name.value.as_str(), "identity.previous" | "alias") {
                    "rename the file so that it ends in .csv, .tsv, .ndjson, .parquet or .ipc"
                } else {
                    "write `format: csv` (or tsv, ndjson, parquet, ipc, excel, delta), or rename the file"
                },
            ),
        );
        return None;
    };
    let text_only = |what: &str, span: Span, sink: &mut Sink| {
        sink.push(
            Diagnostic::error(Code::BadValue, format!("{what} goes with delimited text only"))
                .at(span, "not for this format"),
        );
    };
    if format != FileFormat::Excel
        && let Some(sheet) = &source.sheet
    {
        sink.push(
            Diagnostic::error(Code::BadValue, "`sheet` goes with workbooks only")
                .at(sheet.span, "not for this format"),
        );
    }
    match format {
        FileFormat::Csv | FileFormat::Tsv => {
            let default = if format == FileFormat::Tsv { b'\t' } else { b',' };
            let delimiter = source.delimiter.as_ref().map_or(Some(default), |d| delimiter(d, sink));
            let quoted = source.quote.as_ref().is_none_or(|quote| quote.value == Quote::Double);
            Some(Format::Delimited { delimiter: delimiter?, quoted, compression })
        }
        other => {
            if let Some(delimiter) = &source.delimiter {
                text_only("`delimiter`", delimiter.span, sink);
            }
            if let Some(quote) = &source.quote {
                text_only("`quote`", quote.span, sink);
            }
            match other {
                FileFormat::Ndjson => Some(Format::Ndjson { compression }),
                _ if compression != Compression::None => {
                    sink.push(
                        Diagnostic::error(
                            Code::UnknownFormat,
                            "only text files are read from .gz and .zst",
                        )
                        .at(
                            source.path.span,
                            "a compressed file of a format that compresses itself",
                        )
                        .help("decompress the file"),
                    );
                    None
                }
                // The rows of a Delta table are written down as Parquet.
                FileFormat::Parquet | FileFormat::Delta => Some(Format::Parquet),
                FileFormat::Excel => Some(Format::Excel),
                _ => Some(Format::Ipc),
            }
        }
    }
}

fn delimiter(text: &Spanned<String>, sink: &mut Sink) -> Option<u8> {
    match text.value.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Some(*byte),
        b"\\t" => Some(b'\t'),
        _ => {
            sink.push(
                Diagnostic::error(Code::BadValue, "a delimiter is one ASCII character")
                    .at(text.span, "not one ASCII character")
                    .help("such as \";\" or \"|\" or \"\\t\""),
            );
            None
        }
    }
}

/// Joins a source as written with what the catalog found.
pub fn source(
    written: &spec::Source,
    request: &Request,
    listing: Listing,
    sink: &mut Sink,
) -> Source {
    let is_text = !matches!(request.format, Format::Parquet | Format::Ipc);
    let mut columns = listing.columns;
    for (name, wanted) in written.types.iter().flat_map(|types| &types.0) {
        let Some((ty, format)) = declared_type(wanted, sink) else { continue };
        let Some(column) = columns.iter_mut().find(|column| column.name == name.value) else {
            if listing.open {
                columns.push(Column {
                    name: name.value.clone(),
                    ty: ColumnType::Parsed { ty, format },
                });
            } else {
                unknown_column(&request.name, &columns, name, sink);
            }
            continue;
        };
        if is_text {
            column.ty = ColumnType::Parsed { ty, format };
        } else if column.ty.usable().map(Type::name) != Some(ty.name()) {
            let stored = match &column.ty {
                ColumnType::Unusable(name) => name.clone(),
                other => other.usable().map_or("?", Type::name).to_owned(),
            };
            sink.push(
                Diagnostic::error(
                    Code::ColumnType,
                    format!(
                        "column `{}` is declared {} but stored as {stored}",
                        name.value,
                        ty.name()
                    ),
                )
                .at(wanted.span, "declared here")
                .help("types of Parquet and IPC columns are checked, not cast"),
            );
        }
    }
    if !is_text && let Some(nulls) = written.nulls.as_ref().and_then(|nulls| nulls.first()) {
        sink.push(
            Diagnostic::error(Code::BadValue, "`nulls` goes with text formats only")
                .at(nulls.span, "this format has nulls of its own"),
        );
    }
    let expect = written.expect.as_ref();
    Source {
        name: request.name.clone(),
        files: listing.files,
        bytes: listing.bytes,
        format: request.format,
        away: request.away.clone(),
        sheet: request.sheet.clone(),
        nulls: written.nulls.as_ref().map_or_else(
            || vec![String::new()],
            |nulls| nulls.iter().map(|n| n.value.clone()).collect(),
        ),
        timezone: timezone(written.timezone.as_ref(), sink),
        columns,
        allow_empty: written.allow_empty.unwrap_or(false),
        stale_after: written.stale_after.as_ref().and_then(|text| period(text, sink)),
        min_rows: expect.and_then(|expect| expect.min_rows.as_ref()).map(|n| n.value),
        max_drop: expect
            .and_then(|expect| expect.max_drop.as_ref())
            .and_then(|text| percentage(text, sink)),
    }
}

fn declared_type(wanted: &Spanned<NameOrMap>, sink: &mut Sink) -> Option<(Type, Option<String>)> {
    use crate::spec::Decode as _;
    const NAMES: [&str; 7] = ["text", "bool", "int", "float", "decimal", "date", "datetime"];
    let name = &wanted.value.name;
    let argument = wanted.value.argument.as_ref();
    let ty = match name.value.as_str() {
        "text" => Type::Text,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "float" => Type::Float,
        "decimal" => Type::Decimal(2),
        "date" => Type::Date,
        "datetime" => Type::Datetime,
        other => {
            let fault = Diagnostic::error(Code::BadValue, format!("`{other}` is not a type"))
                .at(name.span, "not a type")
                .help(format!("types: {}", NAMES.join(", ")));
            sink.push(fault.suggest(other, NAMES));
            return None;
        }
    };
    match (ty, argument) {
        (_, None) => Some((ty, None)),
        (Type::Date | Type::Datetime, Some(node)) => {
            let format = String::decode(node, sink)?;
            if !reads_dates(&format, ty) {
                sink.push(
                    Diagnostic::error(
                        Code::BadValue,
                        format!("by this format no {} can be read", ty.name()),
                    )
                    .at(node.span, "no year, month and day, or a directive that is not known")
                    .help("such as %d.%m.%Y for 24.11.2026, or %Y-%m-%d %H:%M:%S"),
                );
            }
            Some((ty, Some(format)))
        }
        (Type::Decimal(_), Some(node)) => match u64::decode(node, sink)? {
            scale @ 0..=18 => Some((Type::Decimal(u8::try_from(scale).unwrap_or(18)), None)),
            _ => {
                sink.push(
                    Diagnostic::error(
                        Code::BadValue,
                        "a decimal has 0 to 18 digits after the point",
                    )
                    .at(node.span, "not from 0 to 18"),
                );
                None
            }
        },
        (_, Some(node)) => {
            sink.push(
                Diagnostic::error(Code::BadValue, format!("the type {} takes nothing", ty.name()))
                    .at(node.span, "nothing stands here")
                    .help("only decimal (digits after the point), date and datetime (a format) do"),
            );
            None
        }
    }
}

/// True if a format reads what it writes: one date and time is written by it, and read as the engine
/// reads cells.
fn reads_dates(format: &str, ty: Type) -> bool {
    let example = DateTime::constant(2026, 11, 24, 13, 14, 15, 161_718_000);
    let Ok(example) = example.to_zoned_datetime(TimeZone::UTC) else { return false };
    let Ok(text) = strtime::format(format, &example) else { return false };
    let Ok(read) = strtime::parse(format, text.trim()) else { return false };
    if ty == Type::Datetime && read.offset().is_some() {
        return read.to_timestamp().is_ok();
    }
    let has_time = ty == Type::Datetime && read.hour().is_some();
    read.to_date().is_ok() && (!has_time || read.to_time().is_ok())
}

fn timezone(written: Option<&Spanned<String>>, sink: &mut Sink) -> String {
    let Some(written) = written else { return "UTC".to_owned() };
    if TimeZone::get(&written.value).is_err() {
        sink.push(
            Diagnostic::error(Code::BadValue, format!("`{}` is not a time zone", written.value))
                .at(written.span, "not an IANA name")
                .help("such as UTC or Europe/Berlin"),
        );
    }
    written.value.clone()
}

/// Reads a period such as `24 months`.
pub fn period(written: &Spanned<String>, sink: &mut Sink) -> Option<Period> {
    let period = Period::parse(&written.value);
    if period.is_none() {
        sink.push(
            Diagnostic::error(Code::BadValue, format!("`{}` is not a period", written.value))
                .at(written.span, "not a period")
                .help(
                    "a whole number and hours, days, weeks, months or years, such as `24 months`",
                ),
        );
    }
    period
}

fn percentage(written: &Spanned<String>, sink: &mut Sink) -> Option<f64> {
    let share = written
        .value
        .strip_suffix('%')
        .and_then(|number| number.trim().parse::<f64>().ok())
        .filter(|percent| (0.0..=100.0).contains(percent));
    if share.is_none() {
        sink.push(
            Diagnostic::error(Code::BadValue, format!("`{}` is not a share", written.value))
                .at(written.span, "not a percentage")
                .help("such as `10%`"),
        );
    }
    share.map(|percent| percent / 100.0)
}

/// True if a column's name looks like a cell: a mail address, or more digits than letters, as phones,
/// dates and numbers have.
fn is_data(name: &str) -> bool {
    let count = |is: fn(&char) -> bool| name.chars().filter(is).count();
    let digits = count(|c| c.is_numeric());
    name.contains(['@', '\u{ff20}', '\u{fe6b}'])
        || name.parse::<f64>().is_ok()
        || (digits >= 5 && digits > count(|c| c.is_alphabetic()))
}

/// Reports a column that a source does not have. Where the delimiter is to blame it is said once.
pub fn unknown_column(source: &str, columns: &[Column], name: &Spanned<String>, sink: &mut Sink) {
    if let [only] = columns
        && only.name.contains(DELIMITERS)
    {
        let all = format!("columns of {source}");
        if sink.is_poisoned(&all) {
            return;
        }
        sink.poison(all);
    }
    sink.push(no_such_column(source, columns, name));
}

/// What delimits text in practice.
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];

/// What to do about a header that is one column with delimiters in it.
fn delimiter_of(header: &str) -> String {
    let often = |delimiter: &char| header.matches(*delimiter).count();
    match DELIMITERS.iter().max_by_key(|delimiter| often(delimiter)) {
        Some('\t') => {
            "its header is a single column with tabs in it: write `delimiter: \"\\t\"`".into()
        }
        Some(found) => format!(
            "its header is a single column with `{found}` in it: write `delimiter: \"{found}\"`"
        ),
        None => "its header is a single column: is `delimiter` right?".into(),
    }
}

fn no_such_column(source: &str, columns: &[Column], name: &Spanned<String>) -> Diagnostic {
    let known: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    // Without a header the first record would be shown here.
    if known.iter().any(|name| is_data(name)) {
        return Diagnostic::error(
            Code::UnknownColumn,
            format!("source `{source}` has no column `{}`", name.value),
        )
        .at(name.span, "no such column")
        .help("the file's first line looks like data, not like a header; it is not shown here");
    }
    let shown = known.iter().take(12).copied().collect::<Vec<_>>().join(", ");
    let more = if known.len() > 12 { ", ..." } else { "" };
    let help = match known.as_slice() {
        [] => "it has no columns".to_owned(),
        [one] if one.contains(DELIMITERS) => delimiter_of(one),
        _ => format!("its columns: {shown}{more}"),
    };
    Diagnostic::error(
        Code::UnknownColumn,
        format!("source `{source}` has no column `{}`", name.value),
    )
    .at(name.span, "no such column")
    .help(help)
    .suggest(&name.value, known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_of_dates_reads_what_it_writes() {
        for format in
            ["%d.%m.%Y", "%Y%m%d", "%d/%m/%y", "%-d. %B %Y", " %F ", "%Y-%j", "%m/%d/%Y %I:%M %p"]
        {
            assert!(reads_dates(format, Type::Date), "{format}");
            assert!(reads_dates(format, Type::Datetime), "{format}");
        }
        for format in ["%Y-%m-%dT%H:%M:%S%.f", "%F %T %z", "%Y-%m-%dT%H:%M:%S%:z", "%d.%m.%Y %H:%M"]
        {
            assert!(reads_dates(format, Type::Datetime), "{format}");
        }
        for format in ["", "DD.MM.YYYY", "%Q", "%m/%Y", "%!", "%", "%H:%M", "%d.%m.%Y %Z"] {
            assert!(!reads_dates(format, Type::Date), "{format}");
            assert!(!reads_dates(format, Type::Datetime), "{format}");
        }
    }
}
