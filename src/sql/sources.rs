//! Sources: each a temporary table of the columns in use, every cell of its declared type.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::dialect::Dialect;
use super::job::Job;
use super::places::at;
use super::reading::read;
use super::text::{Names, guard, literal, name};
use super::zones;
use crate::plan::catalog::ColumnType;
use crate::plan::{Match, Shape, Source, SourceId, Type};

/// A source as a table of the job.
#[derive(Debug, Default)]
pub struct SourceTable {
    /// The temporary table.
    pub table: String,
    /// Column of the plan: column of the table.
    pub columns: BTreeMap<String, String>,
    /// Column of times of decisions: the columns of its first and its last instant.
    pub times: BTreeMap<String, (String, String)>,
}

impl SourceTable {
    /// The table's column, quoted.
    pub fn column(&self, column: &str) -> String {
        name(self.columns.get(column).map_or(column, String::as_str))
    }
}

/// The columns of each source that the plan needs, and those that hold times of decisions.
fn needed(job: &Job<'_>) -> Vec<(BTreeSet<String>, BTreeSet<String>)> {
    let plan = job.plan;
    let mut needed = vec![(BTreeSet::new(), BTreeSet::new()); plan.sources.len()];
    let mut add = |source: SourceId, column: &str| {
        needed[source.0].0.insert(column.to_owned());
    };
    for table in &plan.tables {
        add(table.source, &table.id);
        table.mapping.iter().for_each(|(_, column)| add(table.source, column));
    }
    let lists = plan.consent.suppress.iter().map(|list| (list.source, &list.matches));
    let tables = plan.consent.tables.iter().map(|table| (table.source, &table.matches));
    for (source, matches) in tables.chain(lists) {
        matches.iter().flat_map(Match::columns).for_each(|column| add(source, &column));
    }
    for table in &plan.consent.tables {
        match &table.shape {
            Shape::Wide(values) => values.iter().for_each(|(_, column)| add(table.source, column)),
            Shape::Long { purpose, value } => {
                add(table.source, purpose);
                add(table.source, value);
            }
        }
    }
    for pairs in plan.identity.always.iter().chain(&plan.identity.never) {
        for (table, id) in &pairs.columns {
            add(pairs.source, table);
            add(pairs.source, id);
        }
    }
    for table in &plan.consent.tables {
        if let Some(column) = &table.at {
            needed[table.source.0].1.insert(column.clone());
        }
    }
    needed
}

/// Writes the tables of all sources in use.
pub fn write(job: &mut Job<'_>) {
    let needed = needed(job);
    job.script.heading("Sources: every column in use, of its declared type");
    let zones: BTreeSet<&str> =
        job.plan.sources.iter().map(|source| source.timezone.as_str()).collect();
    for zone in zones.into_iter().filter(|zone| !zones::is_utc(zone)) {
        match zones::table(zone) {
            Some(_) if job.dialect == Dialect::Spark => {}
            Some(query) => {
                job.script.comment(&format!(
                    "{zone}: from which reading of its clock on which offset holds, 1970 to 2100"
                ));
                job.script.table(&zones::name_of(zone), &query);
            }
            None => job.refuse(
                at(&job.places.sources, 0),
                format!("the time zone `{zone}` cannot be written down"),
                "the job holds the offsets of a zone as a table",
            ),
        }
    }
    let plan = job.plan;
    for (number, (source, (columns, times))) in plan.sources.iter().zip(needed).enumerate() {
        if columns.is_empty() && times.is_empty() {
            job.tables.push(SourceTable::default());
            continue;
        }
        let span = at(&job.places.sources, number);
        let place = job.places.line(span);
        job.script.comment(&format!("source {} ({place})", source.name));
        let table = one(job, number, source, &columns, &times);
        job.tables.push(table);
        guards(job, number, source);
    }
}

fn one(
    job: &mut Job<'_>,
    number: usize,
    source: &Source,
    columns: &BTreeSet<String>,
    times: &BTreeSet<String>,
) -> SourceTable {
    let span = at(&job.places.sources, number);
    let mut names = Names::default();
    names.unique("row");
    let all: Vec<String> = source.columns.iter().map(|column| names.unique(&column.name)).collect();
    let read = read(job, number, source, &all);
    let mut table = SourceTable {
        table: job.table_names.unique(&format!("source {}", source.name)),
        ..SourceTable::default()
    };
    let mut lines = vec![format!("{} AS \"row\"", job.dialect.row_number())];
    // Datetimes are taken apart first, each once.
    let (mut parts, mut clocks) = (Vec::new(), Vec::new());
    for (column, own) in source.columns.iter().zip(&all) {
        let is_time = times.contains(&column.name);
        if !columns.contains(&column.name) && !is_time {
            continue;
        }
        let fault = guard(&format!(
            "source {}, column {}: a value does not read as {}",
            source.name,
            column.name,
            column.ty.usable().map_or("a value", Type::name)
        ));
        let mut cell = format!("r.{}", name(own));
        if matches!(&column.ty, ColumnType::Parsed { ty: Type::Datetime, format: None }) {
            let wanted = ["parts", "clock", "offset"].map(|part| format!("{part} of {own}"));
            let [whole, clock, offset] = wanted.clone().map(|part| names.unique(&part));
            if wanted != [whole.clone(), clock.clone(), offset.clone()] {
                job.refuse(
                    span,
                    format!("`{}` has a column that is called as a part of another", source.name),
                    "rename the column",
                );
            }
            parts.push(format!("optin_moment({cell}, {fault}) AS {}", name(&whole)));
            clocks.push(format!("optin_clock(r.{}) AS {}", name(&whole), name(&clock)));
            clocks.push(format!("optin_offset(r.{}) AS {}", name(&whole), name(&offset)));
            cell.clone_from(own);
        }
        if columns.contains(&column.name) {
            match value(job.dialect, &cell, &column.ty, &source.timezone, &fault) {
                Ok(expr) => lines.push(format!("{expr} AS {}", name(own))),
                Err(why) => job.refuse(span, format!("column `{}` {why}", column.name), ""),
            }
            table.columns.insert(column.name.clone(), own.clone());
        }
        if is_time {
            let ends = (names.unique(&format!("{own} from")), names.unique(&format!("{own} to")));
            match moment(job.dialect, &cell, &column.ty, &source.timezone, &fault) {
                Ok((from, to)) => {
                    lines.push(format!("{from} AS {}", name(&ends.0)));
                    lines.push(format!("{to} AS {}", name(&ends.1)));
                }
                Err(why) => job.refuse(span, format!("column `{}` {why}", column.name), ""),
            }
            table.times.insert(column.name.clone(), ends);
        }
    }
    let read = if parts.is_empty() {
        format!("{read} r")
    } else {
        format!(
            "(SELECT r.*, {}\nFROM (SELECT r.*, {}\nFROM {read} r) r) r",
            clocks.join(", "),
            parts.join(", ")
        )
    };
    job.script.table(&table.table, &format!("SELECT {}\nFROM {read}", lines.join(",\n  ")));
    table
}

type Said<T> = Result<T, String>;

/// A cell as a value of its type.
fn value(dialect: Dialect, cell: &str, ty: &ColumnType, zone: &str, fault: &str) -> Said<String> {
    Ok(match ty {
        ColumnType::Unusable(_) => return Err("is of a type that cannot be used".to_owned()),
        ColumnType::Stored(ty) => match ty {
            Type::Text => format!("CAST({cell} AS VARCHAR)"),
            Type::Bool => format!("CAST({cell} AS BOOLEAN)"),
            Type::Int => format!("CAST({cell} AS BIGINT)"),
            Type::Float => format!("CAST({cell} AS DOUBLE)"),
            Type::Decimal(scale) => format!("CAST({cell} AS DECIMAL(38, {scale}))"),
            Type::Date => format!("CAST({cell} AS DATE)"),
            Type::Datetime if zones::is_utc(zone) => format!("optin_stored_time({cell}, {fault})"),
            Type::Datetime => {
                return Err("is a stored datetime, and its source has a zone of its own".to_owned());
            }
        },
        ColumnType::Parsed { ty, format } => match ty {
            Type::Text => cell.to_owned(),
            Type::Bool => format!("optin_bool({cell}, {fault})"),
            Type::Int => format!("optin_int({cell}, {fault})"),
            Type::Float => format!("optin_float({cell}, {fault})"),
            Type::Decimal(scale) => decimal(cell, *scale, fault),
            Type::Date => match format {
                None => format!("optin_date({cell}, {fault})"),
                Some(format) => formatted_date(cell, format, fault)?,
            },
            Type::Datetime => {
                if format.is_some() {
                    return Err("is read by a format, which SQL reads in another way".to_owned());
                }
                let [day, clock, offset] = apart(cell);
                format!(
                    "CASE WHEN {clock} IS NULL THEN CAST({day} AS TIMESTAMP) ELSE {} END",
                    zones::instant(&clock, &offset, zone, dialect)
                )
            }
        },
    })
}

fn decimal(cell: &str, scale: u8, fault: &str) -> String {
    let text = format!("trim(LEADING '+' FROM trim({cell}))");
    // As many digits as the type holds, and none that would be lost.
    let pattern = literal(&format!(
        "-?([0-9]{{1,{}}}(\\.[0-9]{{0,{scale}}}0*)?|\\.[0-9]{{1,{scale}}}0*)",
        38 - scale
    ));
    format!(
        "CASE WHEN {cell} IS NULL OR trim({cell}) = '' THEN NULL WHEN regexp_full_match({text}, {pattern}) THEN CAST({text} AS DECIMAL(38, {scale})) ELSE error({fault}) END"
    )
}

/// A date by a format of two-digit days and months and four-digit years.
fn formatted_date(cell: &str, format: &str, fault: &str) -> Said<String> {
    let other = || "is read by a format that SQL may read in another way".to_owned();
    let (mut pattern, mut order) = (String::new(), Vec::new());
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => {
                let (part, digits) = match chars.next() {
                    Some('d') => ('d', 2),
                    Some('m') => ('m', 2),
                    Some('Y') => ('Y', 4),
                    _ => return Err(other()),
                };
                order.push(part);
                let _ = write!(pattern, "([0-9]{{{digits}}})");
            }
            '.' => pattern.push_str("\\."),
            '-' | '/' => pattern.push(c),
            _ => return Err(other()),
        }
    }
    let group = |part: char| order.iter().position(|known| *known == part).map(|at| at + 1);
    let (Some(y), Some(m), Some(d), 3) = (group('Y'), group('m'), group('d'), order.len()) else {
        return Err(other());
    };
    let pattern = literal(&format!("^{pattern}$"));
    Ok(format!(
        "CASE WHEN {cell} IS NULL OR trim({cell}) = '' THEN NULL ELSE optin_day(regexp_replace(trim({cell}), {pattern}, '\\{y}-\\{m}-\\{d}'), {fault}) END"
    ))
}

/// The day, the clock's reading and the offset of a datetime column that was taken apart.
fn apart(own: &str) -> [String; 3] {
    let part = |part: &str| format!("r.{}", name(&format!("{part} of {own}")));
    [format!("{}.day", part("parts")), part("clock"), part("offset")]
}

/// From when on a decision exists, and when it is over: of a datetime the same instant, of a date
/// alone the first and the last microsecond of its day in the source's zone.
fn moment(
    dialect: Dialect,
    cell: &str,
    ty: &ColumnType,
    zone: &str,
    fault: &str,
) -> Said<(String, String)> {
    let day = |day: &str| {
        let midnight =
            |days: u8| zones::at(&format!("optin_midnight({day}, {days})"), zone, dialect);
        (midnight(0), format!("optin_plus_micros({}, -1)", midnight(1)))
    };
    match ty {
        ColumnType::Parsed { ty: Type::Datetime, format: None } => {
            let [of_day, clock, offset] = apart(cell);
            let instant = zones::instant(&clock, &offset, zone, dialect);
            let (first, last) = day(&of_day);
            let either = |of_day: &str| {
                format!("CASE WHEN {clock} IS NULL THEN {of_day} ELSE {instant} END")
            };
            Ok((either(&first), either(&last)))
        }
        ty if ty.usable() == Some(Type::Date) => Ok(day(&value(dialect, cell, ty, zone, fault)?)),
        ty => value(dialect, cell, ty, zone, fault).map(|instant| (instant.clone(), instant)),
    }
}

/// What must hold of a source before its rows may decide anything.
fn guards(job: &mut Job<'_>, number: usize, source: &Source) {
    let span = at(&job.places.sources, number);
    let id = SourceId(number);
    let decides = job.plan.consent.tables.iter().any(|table| table.source == id)
        || job.plan.consent.suppress.iter().any(|list| list.source == id);
    let table = name(&job.tables[number].table);
    if decides && !source.allow_empty {
        job.expect(
            &format!("(SELECT count(*) FROM {table}) > 0"),
            &format!("source {} holds no records, and consent depends on it", source.name),
        );
    }
    if let Some(least) = source.min_rows {
        job.expect(
            &format!("(SELECT count(*) FROM {table}) >= {least}"),
            &format!("source {} holds fewer records than min_rows", source.name),
        );
    }
    if source.max_drop.is_some() {
        job.refuse(
            span,
            format!("`{}` has `max_drop`", source.name),
            "a job does not know the run before it",
        );
    }
    if source.stale_after.is_some() {
        job.refuse(
            span,
            format!("`{}` has `stale_after`", source.name),
            "a job cannot ask a file for its time",
        );
    }
}
