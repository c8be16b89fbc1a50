//! The rows of a staged export, as the contact points and records that they stand for.

use std::collections::BTreeSet;

use super::decisions::add_record;
use super::partitions::{Order, veiled};
use super::points::{NONE, Point, Prepared};
use super::{About, Claim, Subjects, hashed};
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::engine::cells::Cells;
use crate::engine::source::{self, Loaded};
use crate::engine::{Rows, names_records};
use crate::normalize::{Kind, Region};
use crate::plan::catalog::{Column, ColumnType};
use crate::plan::{Export, FieldId, OutColumn, Plan, Source, TargetFormat, Type};

/// The points of an export's rows.
pub struct RowPoints {
    /// Rows.
    pub len: usize,
    /// By field, then row: the contact point, or none.
    pub fields: Vec<(FieldId, Vec<Point>)>,
    /// Of an audience: by column, then row, the digest, or none.
    pub digests: Vec<(About, Vec<Point>)>,
    /// Records of each row's customer, behind each other; empty if no decision names a record.
    pub records: Vec<Point>,
    /// Where those of each row end.
    pub ends: Vec<usize>,
}

impl RowPoints {
    /// The contact point of a row in a field.
    pub fn point(&self, field: FieldId, row: usize) -> Point {
        let points = self.fields.iter().find(|(of, _)| *of == field);
        points.map_or(NONE, |(_, points)| points[row])
    }

    /// The records of a row's customer.
    pub fn records(&self, row: usize) -> &[Point] {
        let Some(end) = self.ends.get(row) else { return &[] };
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.records[start..*end]
    }
}

/// Reads an export back.
///
/// # Errors
/// A file that cannot be read, or has another number of rows; faults of the engine.
pub fn read(
    plan: &Plan,
    export: &Export,
    claim: &Claim<'_>,
    subjects: &mut Subjects,
) -> Outcome<RowPoints> {
    if let Some(file) = &export.audience {
        return hashed::read(plan, (export, file), claim, subjects);
    }
    let shown = contact_columns(plan, export);
    let len = claim.table.len();
    let mut fields: Vec<(FieldId, Vec<Point>)> =
        shown.iter().map(|(field, _)| (*field, Vec::with_capacity(len))).collect();
    let mut rows = 0;
    let names: Vec<&str> = shown.iter().map(|(_, name)| name.as_str()).collect();
    let order = Order::of(plan, export, claim)?;
    let mut source = staged(plan, export, claim, &shown);
    if let Some(order) = &order {
        source.files.clone_from(&order.files);
    }
    let seeds: Vec<u64> =
        shown.iter().map(|(field, _)| subjects.add_to(About::Field(*field)).seed()).collect();
    let prepare = |part: Loaded| {
        let columns = shown.iter().zip(&seeds).map(|((field, name), seed)| {
            let cells = Cells::of(&part.column(name)?.series)?;
            let chain = &plan.fields[field.0].key.chain;
            let prepared = Prepared::new(chain, &cells, part.rows, *seed);
            Ok((cells, prepared))
        });
        Ok((part.rows, columns.collect::<Outcome<Vec<_>>>()?))
    };
    let files = source::visit(&source, &names, prepare, |(part_rows, columns)| {
        for ((field, points), (cells, prepared)) in fields.iter_mut().zip(columns) {
            let of = subjects.add_to(About::Field(*field));
            of.add_prepared(&prepared, points, |of, row| {
                let Some(text) = cells.text(row) else { return Ok(NONE) };
                let row = order.as_ref().map_or(Ok(rows + row), |order| order.row(rows + row))?;
                let text = unguarded(plan, export, claim, (*field, row), &text)?;
                let region = region(plan, claim, *field, row);
                Ok(of.add_value(&plan.fields[field.0].key.chain, &text, region))
            })?;
        }
        rows += part_rows;
        Ok(())
    });
    let files = files.map_err(|faults| veiled(export, claim, faults))?;
    same_rows(rows, len)?;
    if let Some(order) = &order {
        order.holds(&files)?;
        for (_, points) in &mut fields {
            *points = order.restore(points);
        }
    }
    // Contact points that the file does not show.
    let hidden = vias(plan, export).filter(|via| shown.iter().all(|(field, _)| field != via));
    for field in hidden.collect::<BTreeSet<_>>() {
        fields.push((field, meant(plan, claim, field, subjects)?));
    }
    let (records, ends) = records(plan, claim, subjects, len);
    Ok(RowPoints { len, fields, digests: Vec::new(), records, ends })
}

/// An export must read back as many rows as were written.
pub fn same_rows(rows: usize, len: usize) -> Outcome<()> {
    if rows == len {
        return Ok(());
    }
    let message = format!("an export reads back as {rows} rows instead of {len}");
    Err(Diagnostic::error(Code::VerifyFailed, message).into())
}

/// What the segment of an export goes out through.
pub fn vias<'p>(plan: &'p Plan, export: &Export) -> impl Iterator<Item = FieldId> + use<'p> {
    let purposes = plan.segments[export.segment.0].gate.purposes().iter();
    purposes.map(|purpose| plan.consent.purposes[purpose.0].via)
}

/// The contact points that the rows' customers show in a field, as the engine has them.
pub fn meant(
    plan: &Plan,
    claim: &Claim<'_>,
    field: FieldId,
    subjects: &mut Subjects,
) -> Outcome<Vec<Point>> {
    let of = subjects.add_to(About::Field(field));
    let len = claim.table.len();
    let mut points = Vec::with_capacity(len);
    for start in (0..len).step_by(Rows::piece_rows()) {
        let end = len.min(start + Rows::piece_rows());
        let cells = claim.table.cells(field, start..end)?;
        for row in start..end {
            let region = region(plan, claim, field, row);
            let chain = &plan.fields[field.0].key.chain;
            let point = cells.text(row - start).map(|text| of.add_value(chain, &text, region));
            points.push(point.unwrap_or(NONE));
        }
    }
    Ok(points)
}

/// The region in which a row's number is read.
pub fn region(plan: &Plan, claim: &Claim<'_>, field: FieldId, row: usize) -> Option<Region> {
    let beside = claim.table.region(field, row);
    let beside = beside.as_deref().and_then(Region::parse);
    beside.or(plan.fields[field.0].key.fixed_region())
}

/// The records of all rows' customers, if some decision or suppression names records.
pub fn records(
    plan: &Plan,
    claim: &Claim<'_>,
    subjects: &mut Subjects,
    len: usize,
) -> (Vec<Point>, Vec<usize>) {
    let (mut records, mut ends) = (Vec::new(), Vec::new());
    if !names_records(plan) {
        return (records, ends);
    }
    let of = subjects.add_to(About::Record);
    for row in 0..len {
        for (table, id) in claim.table.record_ids(row) {
            records.push(add_record(of, table, &id));
        }
        ends.push(records.len());
    }
    (records, ends)
}

/// The columns that hold contact points: what a gate goes out through, mails and phones.
fn contact_columns(plan: &Plan, export: &Export) -> Vec<(FieldId, String)> {
    let vias: BTreeSet<FieldId> = plan.consent.purposes.iter().map(|purpose| purpose.via).collect();
    export
        .columns
        .iter()
        .filter_map(|column| match column {
            OutColumn::Field(field)
                if vias.contains(field) || plan.fields[field.0].key.kind() != Kind::Text =>
            {
                Some((*field, header(plan, export, *column)))
            }
            _ => None,
        })
        .collect()
}

/// True if the file keeps types.
fn is_typed(export: &Export) -> bool {
    matches!(export.target.format, TargetFormat::Parquet | TargetFormat::Ipc)
}

/// A column's name as it is read back: headers of text files are read without the blanks at their ends.
fn header(plan: &Plan, export: &Export, column: OutColumn) -> String {
    let name = plan.column_name(column);
    if is_typed(export) { name } else { name.trim().to_owned() }
}

/// The staged file as a source.
pub fn staged(
    plan: &Plan,
    export: &Export,
    claim: &Claim<'_>,
    shown: &[(FieldId, String)],
) -> Source {
    let column = |at: usize| {
        let name = match export.audience {
            Some(_) => export.header(plan, at),
            None => header(plan, export, export.columns[at]),
        };
        let field = shown.iter().find(|(_, shown)| *shown == name);
        let ty = match field {
            Some((field, _)) if is_typed(export) => ColumnType::Stored(plan.fields[field.0].ty),
            _ => ColumnType::Parsed { ty: Type::Text, format: None },
        };
        Column { name, ty }
    };
    let name = plan.segments[export.segment.0].name.as_str();
    // Values that name folders do not stand in the files.
    let in_files = |at: &usize| !export.target.partition_by.contains(at);
    let columns = (0..export.columns.len()).filter(in_files).map(column).collect();
    let format = export.target.format.read_back();
    Source::written(name, vec![claim.staged.to_path_buf()], format, columns)
}

/// A text without the guard before a formula. Where it may be the customer's own apostrophe, the
/// engine knows what was meant, and the file must hold exactly that.
fn unguarded<'t>(
    plan: &Plan,
    export: &Export,
    claim: &Claim<'_>,
    (field, row): (FieldId, usize),
    text: &'t str,
) -> Outcome<std::borrow::Cow<'t, str>> {
    let rest = text
        .strip_prefix('\'')
        .filter(|rest| export.guard_formulas && rest.starts_with(['=', '+', '-', '@', '\t', '\r']));
    let Some(rest) = rest else { return Ok(text.into()) };
    let meant = claim.table.cells(field, row..row + 1)?;
    match meant.text(0) {
        Some(meant) if meant == text => Ok(text.into()),
        Some(meant) if meant == rest => Ok(rest.into()),
        _ => Err(Diagnostic::error(
            Code::VerifyFailed,
            format!(
                "a cell of `{}` reads back as another text than was meant",
                plan.fields[field.0].name
            ),
        )
        .into()),
    }
}
