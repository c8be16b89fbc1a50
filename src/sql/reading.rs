//! Reading files: how each engine comes to a source's cells, and what its reader does to them undone
//! or guarded.

use super::dialect::Dialect;
use super::job::Job;
use super::places::at;
use super::script::{Read, ReadFormat, Step};
use super::text::{guard, list, literal, name};
use crate::plan::{Away, Compression, Format, Source, Type};

/// The files as a table of cells: texts with nulls, or the types of the file.
pub fn read(job: &mut Job<'_>, number: usize, source: &Source, all: &[String]) -> String {
    let span = at(&job.places.sources, number);
    if let Some(away) = &source.away {
        let (what, help) = match away {
            Away::Database(_) => ("a query of a database", "write its rows down as Parquet first"),
            Away::Objects(_) => (
                "in a bucket",
                "compile the pipeline with a path below a folder; --root says where a job finds it",
            ),
            Away::Delta(_) => ("a Delta table", "write its rows down as Parquet first"),
        };
        job.refuse(span, format!("`{}` is {what}", source.name), help);
        return "(SELECT 1)".to_owned();
    }
    let mut files = Vec::new();
    for file in &source.files {
        match file.to_str() {
            Some(path) if !path.contains('\0') && !job.dialect.is_pattern(path) => {
                files.push(path.to_owned());
            }
            _ => job.refuse(
                span,
                format!("a file of `{}` has a name that is read as a pattern", source.name),
                "rename the file",
            ),
        }
    }
    match job.dialect {
        Dialect::Duckdb => read_by_duckdb(job, number, source, all, &files),
        Dialect::Spark => read_by_spark(job, number, source, all, files),
    }
}

fn read_by_duckdb(
    job: &mut Job<'_>,
    number: usize,
    source: &Source,
    all: &[String],
    files: &[String],
) -> String {
    let span = at(&job.places.sources, number);
    let files: Vec<String> = files.iter().map(|path| literal(path)).collect();
    let files = format!("[{}]", files.join(", "));
    match source.format {
        Format::Delimited { delimiter, quoted, compression } => {
            if all.len() == 1 && compression == Compression::None {
                // Blank lines are records there, and DuckDB leaves them out.
                job.expect(
                    &format!("(SELECT count(*) FROM read_text({files}) WHERE regexp_matches(content, '\\n\\r?\\n')) = 0"),
                    &format!("source {} has one column, and a blank line", source.name),
                );
            } else if all.len() == 1 {
                job.refuse(
                    span,
                    format!("`{}` has one column alone, and is compressed", source.name),
                    "DuckDB leaves out blank lines, which are records there; add a column",
                );
            }
            let columns: Vec<String> =
                all.iter().map(|own| format!("{}: 'VARCHAR'", literal(own))).collect();
            let cells: Vec<String> = all
                .iter()
                .map(|own| format!("{} AS {}", null_of(source, &name(own)), name(own)))
                .collect();
            let quote =
                if quoted { "quote = '\"', escape = '\"'" } else { "quote = '', escape = ''" };
            let compression = match compression {
                Compression::None => "none",
                Compression::Gzip => "gzip",
                Compression::Zstd => "zstd",
            };
            format!(
                "(SELECT {}\n  FROM read_csv({files}, auto_detect = false, header = true, delim = {}, {quote},\n    nullstr = chr(1), compression = '{compression}', strict_mode = true, parallel = false, max_line_size = 100000000,\n    columns = {{{}}}))",
                cells.join(", "),
                literal(&char::from(delimiter).to_string()),
                columns.join(", ")
            )
        }
        Format::Ndjson { compression } => ndjson(source, all, &files, compression),
        Format::Parquet => {
            refuse_equal_names(job, number, source, all);
            format!("read_parquet({files})")
        }
        Format::Ipc => {
            job.refuse(
                span,
                format!("`{}` is an Arrow IPC file", source.name),
                "DuckDB reads none by itself; write Parquet",
            );
            "(SELECT 1)".to_owned()
        }
        Format::Excel => {
            job.refuse(
                span,
                format!("`{}` is a workbook", source.name),
                "SQL reads cells of a workbook in another way; write CSV or Parquet",
            );
            "(SELECT 1)".to_owned()
        }
    }
}

/// A text of JSON in its quotes.
const JSON_TEXT: &str = r#""[^"\\]*(?:\\.[^"\\]*)*""#;

/// The lines of an NDJSON source as Spark reads them: flat objects, taken apart by patterns, for
/// Spark's own reader does not tell a number from its text. Another line ends the job.
fn lines_of_json(
    job: &mut Job<'_>,
    number: usize,
    source: &Source,
    all: &[String],
    table: &str,
) -> String {
    let value = format!(r#"(?:{JSON_TEXT}|[^",\[\]{{}} \t\r]+)"#);
    // Members that are written with escapes could hide one that is asked for.
    let pair = format!(r#"[ \t\r]*"[^"\\]*"[ \t\r]*:[ \t\r]*{value}[ \t\r]*"#);
    let object = format!(r"[ \t\r]*\{{(?:{pair}(?:,{pair})*|[ \t\r]*)\}}[ \t\r]*");
    let mut cells = Vec::new();
    for (column, own) in source.columns.iter().zip(all) {
        if column.name.contains(['"', '\\']) || column.name.chars().any(char::is_control) {
            job.refuse(
                at(&job.places.sources, number),
                format!("the member `{}` of `{}`", column.name, source.name),
                "its name is written with escapes; rename it, or write Parquet",
            );
        }
        let named = escaped(&column.name);
        let raw = |lazy: &str| {
            let pattern = format!(
                r#"^[ \t\r]*\{{(?:{pair},)*{lazy}[ \t\r]*"{named}"[ \t\r]*:[ \t\r]*({value})"#
            );
            format!("regexp_extract(line, {}, 1)", literal(&pattern))
        };
        let fault = guard(&format!(
            "source {}, member {}: a value that this job cannot read exactly",
            source.name, column.name
        ));
        let number = match column.ty.usable() {
            Some(Type::Float | Type::Decimal(_)) => r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?",
            _ => "-?[0-9]{1,18}",
        };
        let read = format!(
            "optin_json({}, {}, {fault})",
            name(own),
            literal(&format!("true|false|{number}"))
        );
        // What stands for null stands for it in texts alone.
        let of_text = match null_of(source, &read) {
            same if same == read => read,
            other => {
                format!("CASE WHEN left({}, 1) = '\"' THEN {other} ELSE {read} END", name(own))
            }
        };
        cells.push((
            format!(
                "CASE WHEN {} = {} THEN {} ELSE error({fault}) END AS {}",
                raw("?"),
                raw(""),
                raw("?"),
                name(own)
            ),
            format!("{of_text} AS {}", name(own)),
        ));
    }
    let part = |part: fn(&(String, String)) -> &String| {
        cells.iter().map(part).cloned().collect::<Vec<_>>().join(",\n    ")
    };
    let odd = guard(&format!("source {}: a line is no flat object, or no UTF-8", source.name));
    format!(
        "(SELECT {}\n  FROM (SELECT {}\n  FROM (SELECT CASE WHEN optin_replaced(line) OR NOT regexp_full_match(line, {}) THEN error({odd}) ELSE line END AS line\n  FROM {} WHERE NOT regexp_full_match(line, '[ \\t\\r]*'))))",
        part(|cell| &cell.1),
        part(|cell| &cell.0),
        literal(&object),
        name(table)
    )
}

/// A text as a part of a pattern.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_punctuation() && c != '_' {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn refuse_equal_names(job: &mut Job<'_>, number: usize, source: &Source, all: &[String]) {
    if source.columns.iter().zip(all).any(|(column, own)| column.name != *own) {
        job.refuse(
            at(&job.places.sources, number),
            format!("`{}` has columns whose names differ in case alone", source.name),
            format!("{} cannot tell them apart", job.dialect.engine()),
        );
    }
}

/// The files as Spark reads them: a step of its own, and what its reader does to cells undone or
/// guarded.
fn read_by_spark(
    job: &mut Job<'_>,
    number: usize,
    source: &Source,
    all: &[String],
    files: Vec<String>,
) -> String {
    let span = at(&job.places.sources, number);
    let table = format!("files of {}", source.name);
    let mut refuse = |what: &str, why: &str| {
        job.refuse(span, format!("`{}` {what}", source.name), why);
    };
    let format = match source.format {
        Format::Parquet => {
            refuse_equal_names(job, number, source, all);
            ReadFormat::Parquet
        }
        Format::Delimited { delimiter, quoted, compression } => {
            if !quoted {
                refuse("is without quotes", "Spark always reads them; write Parquet");
            }
            if compression == Compression::Zstd {
                refuse("is compressed by zstd", "not every Spark can read it; use gzip or Parquet");
            }
            ReadFormat::Delimited {
                delimiter: char::from(delimiter),
                columns: all.to_vec(),
                gzip: compression == Compression::Gzip,
            }
        }
        Format::Ndjson { compression } => {
            if compression != Compression::None {
                refuse("is compressed NDJSON", "unpack it, or write Parquet");
            }
            ReadFormat::Lines
        }
        Format::Ipc => {
            refuse("is an Arrow IPC file", "Spark reads none by itself; write Parquet");
            ReadFormat::Lines
        }
        Format::Excel => {
            refuse("is a workbook", "Spark reads none by itself; write CSV or Parquet");
            ReadFormat::Lines
        }
    };
    let is_text = matches!(format, ReadFormat::Delimited { .. });
    job.script.step(Step::Read(Read { table: table.clone(), files: files.clone(), format }));
    if matches!(source.format, Format::Ndjson { .. }) {
        return lines_of_json(job, number, source, all, &table);
    }
    if !is_text {
        return name(&table);
    }
    // What the reader cannot decode it replaces.
    let odd: Vec<String> = all.iter().map(|own| format!("optin_replaced({})", name(own))).collect();
    job.expect(
        &format!("(SELECT count(*) FROM {} WHERE {}) = 0", name(&table), odd.join(" OR ")),
        &format!(
            "source {}: a cell is no UTF-8, or holds the sign that stands for such",
            source.name
        ),
    );
    // Within quotes it makes one character of carriage return and line feed.
    let lines = format!("lines of {}", source.name);
    let read = Read { table: lines.clone(), files, format: ReadFormat::Lines };
    job.script.step(Step::Read(read));
    if all.len() == 1 {
        // Blank lines are records there, and Spark leaves them out.
        job.expect(
            &format!(
                "(SELECT count(*) FROM {} WHERE line = '' OR line = chr(13)) = 0",
                name(&lines)
            ),
            &format!("source {} has one column, and a blank line", source.name),
        );
    }
    let broken: Vec<String> =
        all.iter().map(|own| format!("contains({}, chr(10))", name(own))).collect();
    job.expect_any(
        vec![
            format!("(SELECT count(*) FROM {} WHERE {}) = 0", name(&table), broken.join(" OR ")),
            format!("(SELECT count(*) FROM {} WHERE contains(line, chr(13))) = 0", name(&lines)),
        ],
        &format!(
            "source {}: a cell holds a line break in a file whose lines end with CR LF",
            source.name
        ),
    );
    let cells: Vec<String> =
        all.iter().map(|own| format!("{} AS {}", null_of(source, &name(own)), name(own))).collect();
    format!("(SELECT {}\n  FROM {})", cells.join(", "), name(&table))
}

/// A cell, or null where the source's texts for null say so.
fn null_of(source: &Source, cell: &str) -> String {
    match source.nulls.as_slice() {
        [] => cell.to_owned(),
        [one] => format!("nullif({cell}, {})", literal(one)),
        some => format!(
            "CASE WHEN {cell} IN {} THEN NULL ELSE {cell} END",
            list(some.iter().map(String::as_str))
        ),
    }
}

/// The lines of an NDJSON source, the members in use as texts. What is neither text, bool nor whole
/// number may be written in another way there.
fn ndjson(source: &Source, all: &[String], files: &str, compression: Compression) -> String {
    let compression = match compression {
        Compression::None => "uncompressed",
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    };
    let mut cells = Vec::new();
    for (column, own) in source.columns.iter().zip(all) {
        let pointer = literal(&format!("/{}", column.name.replace('~', "~0").replace('/', "~1")));
        let kind = format!("json_type(json, {pointer})");
        let text = format!("json_extract_string(json, {pointer})");
        let number = match column.ty.usable() {
            Some(Type::Float | Type::Decimal(_)) => ", 'DOUBLE'",
            _ => "",
        };
        let fault = guard(&format!(
            "source {}, member {}: a value that this job cannot read exactly",
            source.name, column.name
        ));
        cells.push(format!(
                    "CASE WHEN {kind} IS NULL OR {kind} = 'NULL' THEN NULL WHEN {kind} = 'VARCHAR' THEN {} WHEN {kind} IN ('BOOLEAN', 'BIGINT', 'UBIGINT'{number}) THEN {text} ELSE error({fault}) END AS {}",
                    null_of(source, &text),
                    name(own)
                ));
    }
    let twice =
        guard(&format!("source {}: a line is no object, or names a member twice", source.name));
    format!(
        "(SELECT {}\n  FROM (SELECT CASE WHEN json_type(json) <> 'OBJECT' OR len(json_keys(json)) <> len(list_distinct(json_keys(json))) THEN error({twice}) ELSE json END AS json\n    FROM read_json_objects({files}, format = 'newline_delimited', compression = '{compression}', maximum_object_size = 100000000)))",
        cells.join(",\n    ")
    )
}
