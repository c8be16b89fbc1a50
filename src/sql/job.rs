//! A job while it is written: what all its parts share.

use std::path::Path;

use super::dialect::Dialect;
use super::places::{Places, at};
use super::script::{Script, Step};
use super::sources::SourceTable;
use super::text::{Names, name};
use crate::diagnostics::{Code, Diagnostic, Span};
use crate::plan::{FieldId, Plan, SegmentId, TableId, Type};

/// A job while it is written.
pub struct Job<'a> {
    /// What it does.
    pub plan: &'a Plan,
    /// Where that stands.
    pub places: &'a Places,
    /// For which engine.
    pub dialect: Dialect,
    /// The folder of key tables, if there are some.
    pub keys: Option<&'a Path>,
    /// Its text so far.
    pub script: Script,
    /// What it cannot say.
    pub faults: Vec<Diagnostic>,
    /// Names of tables that are given out.
    pub table_names: Names,
    /// By source.
    pub tables: Vec<SourceTable>,
    /// By field: its name in columns, which no other field's equals without case.
    fields: Vec<String>,
    /// By segment: its name in tables, in the same way.
    segments: Vec<String>,
}

impl<'a> Job<'a> {
    /// An empty job.
    pub fn new(
        plan: &'a Plan,
        places: &'a Places,
        dialect: Dialect,
        keys: Option<&'a Path>,
    ) -> Self {
        let mut names = Names::default();
        let fields = plan.fields.iter().map(|field| names.unique(&field.name)).collect();
        let mut names = Names::default();
        let segments = plan.segments.iter().map(|segment| names.unique(&segment.name)).collect();
        Self {
            plan,
            places,
            dialect,
            keys,
            script: Script::default(),
            faults: Vec::new(),
            table_names: Names::default(),
            tables: Vec::new(),
            fields,
            segments,
        }
    }

    /// Notes what cannot be said, where it stands, and why.
    pub fn refuse(&mut self, span: Span, what: impl Into<String>, why: impl Into<String>) {
        let why = why.into();
        let fault = Diagnostic::error(
            Code::SqlUnsupported,
            format!("{} cannot say this exactly: {}", self.dialect.engine(), what.into()),
        )
        .at(span, "not compiled");
        let fault = if why.is_empty() { fault } else { fault.help(why) };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Ends the job unless a condition holds.
    pub fn expect(&mut self, condition: &str, otherwise: &str) {
        self.expect_any(vec![condition.to_owned()], otherwise);
    }

    /// Ends the job unless one of some conditions holds. Each is asked if those before do not hold.
    pub fn expect_any(&mut self, any: Vec<String>, otherwise: &str) {
        self.script.step(Step::Expect { any, otherwise: otherwise.to_owned() });
    }

    /// A column of a field: `field`, `key`, `link` and so on before its name.
    pub fn column(&self, kind: &str, field: FieldId) -> String {
        name(&format!("{kind} {}", self.fields[field.0]))
    }

    /// A table of a field, without quotes.
    pub fn field_table(&self, kind: &str, field: FieldId) -> String {
        format!("{kind} {}", self.fields[field.0])
    }

    /// The table of a segment's verdicts, without quotes.
    pub fn verdict_table(&self, segment: SegmentId) -> String {
        format!("segment {}", self.segments[segment.0])
    }

    /// The table of a segment's verdicts.
    pub fn verdicts(&self, segment: SegmentId) -> String {
        name(&self.verdict_table(segment))
    }

    /// The subject of decisions on keys of a field.
    pub fn key_subject(&self, field: FieldId) -> String {
        format!("key {}", self.plan.fields[field.0].name)
    }

    /// The subject of decisions on records of a customer table, which has a place of its own beside
    /// the fields.
    pub fn record_subject(&self, table: TableId) -> String {
        let source = self.plan.tables[table.0].source;
        format!("record {}", self.plan.sources[source.0].name)
    }

    /// The numbers of the suppression lists that bind what goes out through these fields, if there
    /// are some.
    pub fn lists(&self, channels: &[FieldId]) -> Option<String> {
        let lists = self.plan.consent.suppress.iter().enumerate();
        let bound = lists.filter(|(_, list)| list.binds(channels));
        let bound: Vec<String> = bound.map(|(number, _)| number.to_string()).collect();
        (!bound.is_empty()).then(|| bound.join(", "))
    }

    /// The place of a field.
    pub fn field_span(&self, field: FieldId) -> Span {
        at(&self.places.fields, field.0)
    }
}

/// The type of a field.
pub fn sql_type(ty: Type) -> String {
    match ty {
        Type::Text => "VARCHAR".to_owned(),
        Type::Bool => "BOOLEAN".to_owned(),
        Type::Int => "BIGINT".to_owned(),
        Type::Float => "DOUBLE".to_owned(),
        Type::Decimal(scale) => format!("DECIMAL(38, {scale})"),
        Type::Date => "DATE".to_owned(),
        Type::Datetime => "TIMESTAMP".to_owned(),
    }
}

/// The text of a value, as keys and ids compare it; none for floats and decimals.
pub fn text_of(value: &str, ty: Type) -> Option<String> {
    Some(match ty {
        Type::Text => value.to_owned(),
        Type::Float | Type::Decimal(_) => return None,
        Type::Datetime => format!("optin_datetime_text({value})"),
        Type::Bool | Type::Int | Type::Date => format!("CAST({value} AS VARCHAR)"),
    })
}
