//! From what was written to what will be done: the only maker of a [`Plan`].
//!
//! In comes the pipeline as written and what the catalog says of its sources; out goes a plan in
//! which every name is an id, every type fits, every segment has a gate and every export stands
//! behind one, or all faults at once. Nothing is read here but the catalog's answers.

mod audience;
mod consent;
mod copies;
mod customers;
mod draw;
mod hints;
mod identity;
mod measures;
mod outputs;
mod partitions;
mod related;
mod rule;
mod segments;
mod sources;

use std::path::{Path, PathBuf};

use jiff::civil;

use crate::diagnostics::{Code, Diagnostic, Outcome, Sink, Spanned};
use crate::normalize::Region;
use crate::plan::catalog::{Listing, Request};
use crate::plan::{AsOf, Beside, FieldId, Instant, Plan, Previous, Source, SourceId, Type};
use crate::spec::{Pipeline, PipelineKeys};

/// What the command line says over the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--as-of` or `--replay`.
    pub as_of: Option<AsOf>,
    /// `--out`: every output goes below this folder.
    pub out: Option<PathBuf>,
}

pub use identity::{Extra, ExtraKind, extras};
pub use sources::format_by_name;

/// What was found of what a pipeline names, before it is resolved.
#[derive(Debug, Default)]
pub struct Found {
    /// For each source as written its request and the catalog's answer; `None` where it failed,
    /// which is reported already.
    pub listings: Vec<Option<(Request, Listing)>>,
    /// The identity output of an earlier run: `None` if none is named or it could not be read,
    /// which is reported already; without a source if it is not there and need not be.
    pub previous: Option<Previous>,
    /// Pairs of values that are the same.
    pub aliases: Vec<Aliases>,
}

/// Pairs of values that are the same.
#[derive(Clone, Debug)]
pub struct Aliases {
    /// The path of their file as written.
    pub written: String,
    /// The files.
    pub files: Vec<Beside>,
    /// The pairs, as they stand there.
    pub pairs: Vec<(String, String)>,
}

/// What the catalog must be asked before [`resolve`]; one entry a source, `None` where the source
/// as written cannot be asked for.
pub fn requests(pipeline: &Pipeline, base: &Path, sink: &mut Sink) -> Vec<Option<Request>> {
    pipeline.sources.iter().map(|source| sources::request(source, base, sink)).collect()
}

/// Makes the plan.
///
/// `text` is the pipeline file's, `base` its folder.
///
/// # Errors
/// Every fault of the file and of the sources' schemas, among them those already in `sink`.
pub fn resolve(
    pipeline: &Pipeline,
    text: &str,
    base: &Path,
    found: Found,
    overrides: &Overrides,
    sink: Sink,
) -> Outcome<(Plan, Vec<Diagnostic>)> {
    let mut cx = Context {
        written: pipeline,
        source_text: text,
        sink,
        sources: Vec::new(),
        aliases: found.aliases,
        fields_complete: true,
        untyped: Vec::new(),
    };
    cx.unique("source", pipeline.sources.iter().map(|source| &source.name));
    for (written, listing) in pipeline.sources.iter().zip(found.listings) {
        let source = listing
            .map(|(request, listing)| sources::source(written, &request, listing, &mut cx.sink));
        cx.sources.push(source);
    }

    if !pipeline.name.value.chars().any(char::is_alphanumeric) {
        cx.sink.push(
            Diagnostic::error(Code::ReservedName, "a pipeline needs a name with a letter or digit")
                .at(pipeline.name.span, "names the folder of the run record"),
        );
    }

    let as_of = overrides.as_of.or_else(|| cx.as_of());
    let (tables, fields) = customers::tables_and_fields(&mut cx);
    let previous = identity::previous(&mut cx, found.previous);
    let identity = identity::identity(&mut cx, &tables, &fields, previous);
    let survivorship = identity::survivorship(&mut cx, &fields);
    let groupings = identity::groupings(&mut cx, &fields);
    let consent = consent::consent(&mut cx, &tables, &fields);
    let places = outputs::Places { base, out: overrides.out.as_deref() };
    let exports = outputs::exports(&mut cx, &fields, &groupings, &consent, &places);
    let related = related::related(&mut cx, &tables, &fields);
    let (segments, segment_order, mut aggregates) =
        segments::segments(&mut cx, &fields, &consent, &related, &exports);
    let exports = outputs::finish_exports(&mut cx, &fields, &tables, &consent, &segments, exports);
    let rows = (&*related, &mut aggregates);
    let measures = measures::measures(&mut cx, (&tables, &fields), &consent, rows, &places);
    let outputs = outputs::outputs(&mut cx, &places);
    let out = places.out_folder(&pipeline.name.value, pipeline.out.as_ref());
    let copy_to = copies::copy_all(&mut cx, &places);
    outputs::check_collisions(&mut cx, &places);
    outputs::check_memberships(&mut cx);

    let mut plan = Plan {
        name: pipeline.name.value.clone(),
        as_of,
        sources: cx.sources.into_iter().flatten().collect(),
        beside: cx.aliases.into_iter().flat_map(|aliases| aliases.files).collect(),
        fields,
        tables,
        identity,
        survivorship,
        groupings,
        consent,
        related,
        aggregates,
        segments,
        segment_order,
        outputs,
        exports,
        measures,
        out,
        copy_to,
    };
    partitions::divide(pipeline, &mut plan, &mut cx.sink);
    copies::check_objects(&plan, pipeline, &mut cx.sink);
    hints::hints(pipeline, &plan, &mut cx.sink);
    cx.sink.finish(plan)
}

/// What every part of resolving needs.
struct Context<'a> {
    written: &'a PipelineKeys,
    source_text: &'a str,
    sink: Sink,
    /// As written; `None` where the source could not be read, which is reported already.
    sources: Vec<Option<Source>>,
    /// Pairs of values that are the same.
    aliases: Vec<Aliases>,
    /// False if a customer table could not be read, so that a field not found may be its.
    fields_complete: bool,
    /// Fields of which the type could not be told, so that a fault of types may be theirs.
    untyped: Vec<String>,
}

impl Context<'_> {
    /// Reports names that occur twice.
    fn unique<'n>(&mut self, what: &str, names: impl Iterator<Item = &'n Spanned<String>>) {
        let mut seen: Vec<&Spanned<String>> = Vec::new();
        for name in names {
            if name.value.trim().is_empty() || name.value.chars().any(char::is_control) {
                self.sink.push(
                    Diagnostic::error(Code::ReservedName, format!("a {what} needs a name"))
                        .at(name.span, "not a name"),
                );
            }
            if let Some(first) = seen.iter().find(|first| first.value == name.value) {
                self.sink.push(
                    Diagnostic::error(
                        Code::DuplicateName,
                        format!("two {what}s have the name `{}`", name.value),
                    )
                    .at(name.span, "again here")
                    .at(first.span, "first here"),
                );
            } else {
                seen.push(name);
            }
        }
    }

    /// Finds a source; reports an unknown one.
    fn source(&mut self, name: &Spanned<String>) -> Option<SourceId> {
        let written = &self.written.sources;
        if let Some(at) = written.iter().position(|source| source.name.value == name.value) {
            return Some(SourceId(at));
        }
        if !self.sink.is_poisoned(&name.value) && !self.sink.is_poisoned("a source") {
            let known: Vec<_> = written.iter().map(|source| source.name.value.as_str()).collect();
            let mut fault =
                Diagnostic::error(Code::UnknownSource, format!("no source `{}`", name.value))
                    .at(name.span, "not among `sources`");
            if !known.is_empty() {
                let known: std::collections::BTreeSet<_> = known.iter().copied().collect();
                let known: Vec<_> = known.into_iter().collect();
                fault = fault.help(format!("sources: {}", known.join(", ")));
            }
            self.sink.push(fault.suggest(&name.value, known));
        }
        None
    }

    /// The type of a source's column. Reports an unknown or unusable one; says nothing where the
    /// source itself could not be read.
    fn column(&mut self, source: SourceId, name: &Spanned<String>) -> Option<Type> {
        let source = self.sources.get(source.0)?.as_ref()?;
        let Some(column) = source.columns.iter().find(|column| column.name == name.value) else {
            sources::unknown_column(&source.name, &source.columns, name, &mut self.sink);
            return None;
        };
        let usable = column.ty.usable();
        if let crate::plan::catalog::ColumnType::Unusable(ty) = &column.ty {
            self.sink.push(
                Diagnostic::error(
                    Code::ColumnType,
                    format!("column `{}` is of type {ty}, which cannot be used", name.value),
                )
                .at(name.span, "this column"),
            );
        }
        usable
    }

    /// As [`column`](Self::column), for a column whose values are compared as text.
    fn text_column(&mut self, source: SourceId, name: &Spanned<String>) -> bool {
        match self.column(source, name) {
            Some(Type::Float | Type::Decimal(_)) => {
                self.sink.push(
                    Diagnostic::error(
                        Code::ColumnType,
                        format!("column `{}` holds fractions, which are no keys", name.value),
                    )
                    .at(name.span, "this column")
                    .help("store keys and ids as text or whole numbers"),
                );
                false
            }
            Some(_) => true,
            None => false,
        }
    }

    /// Finds a field; reports an unknown one.
    fn field(&mut self, fields: &[crate::plan::Field], name: &Spanned<String>) -> Option<FieldId> {
        if let Some(at) = fields.iter().position(|field| field.name == name.value) {
            return Some(FieldId(at));
        }
        if self.fields_complete {
            let known: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
            let fault = Diagnostic::error(
                Code::UnknownField,
                format!("no customer table maps a field `{}`", name.value),
            )
            .at(name.span, "unknown field")
            .help(format!("fields: {}", known.join(", ")));
            self.sink.push(fault.suggest(&name.value, known));
        }
        None
    }

    fn region(&mut self, text: &Spanned<String>) -> Option<Region> {
        let region = Region::parse(&text.value);
        if region.is_none() {
            self.sink.push(
                Diagnostic::error(
                    Code::BadValue,
                    format!("`{}` is not a phone region", text.value),
                )
                .at(text.span, "not a region")
                .help("an ISO 3166 code of two letters, such as DE or US"),
            );
        }
        region
    }

    fn as_of(&mut self) -> Option<AsOf> {
        let written = self.written.as_of.as_ref()?;
        if let Some(at) = parse_as_of(&written.value) {
            return Some(AsOf { at, replay: false });
        }
        self.sink.push(
            Diagnostic::error(Code::BadValue, format!("`{}` is not a date", written.value))
                .at(written.span, "not a date")
                .help("such as 2026-11-24T00:00:00Z, or 2026-11-24 for the end of that day"),
        );
        None
    }
}

/// Reads the date of a run: a datetime (UTC unless it has a zone), or a date alone, which is the
/// last microsecond of that UTC day.
#[must_use]
pub fn parse_as_of(text: &str) -> Option<Instant> {
    let text = text.trim();
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(Instant(at.as_microsecond()));
    }
    let utc = |at: civil::DateTime| at.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok();
    if text.len() > 10 {
        let at = utc(text.parse::<civil::DateTime>().ok()?)?;
        return Some(Instant(at.timestamp().as_microsecond()));
    }
    let next = utc(text.parse::<civil::Date>().ok()?.tomorrow().ok()?.at(0, 0, 0, 0))?;
    Some(Instant(next.timestamp().as_microsecond() - 1))
}

#[cfg(test)]
mod tests {
    use super::parse_as_of;

    #[test]
    fn a_date_alone_is_the_end_of_its_day() {
        let end = parse_as_of("2026-11-24").expect("a date");
        let next = parse_as_of("2026-11-25T00:00:00Z").expect("a datetime");
        assert_eq!(end.0 + 1, next.0);
        assert_eq!(parse_as_of("2026-11-25 01:00:00+01:00"), Some(next));
        assert_eq!(parse_as_of("2026-11-25T00:00:00"), Some(next));
        assert_eq!(parse_as_of("soon"), None);
    }
}
