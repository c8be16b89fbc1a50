//! The rows of a staged audience: digests, and the contact points that they must be of.
//!
//! A digest cannot be read back to a contact point. So the engine is asked which contact point it meant,
//! its digest is made once more, and the file must hold exactly that; the contact point is proved as
//! those of any export are. The digest is a point of its own beside it: two texts that this program
//! tells apart may be one person to the platform.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::keyed::held_by;
use super::points::{NONE, Point};
use super::rows::{RowPoints, meant, records, region, same_rows, staged, vias};
use super::{About, Claim, Subjects};
use crate::diagnostics::{Code, Diagnostic, Outcome, Site};
use crate::engine::cells::Cells;
use crate::engine::source::{self, Loaded};
use crate::plan::{Export, FieldId, OutColumn, Plan, PlatformFile, hex};

/// Reads an audience back.
///
/// # Errors
/// A file that cannot be read, has another number of rows, or a digest that is not that of the contact
/// point; faults of the engine.
pub fn read(
    plan: &Plan,
    (export, file): (&Export, &PlatformFile),
    claim: &Claim<'_>,
    subjects: &mut Subjects,
) -> Outcome<RowPoints> {
    let len = claim.table.len();
    let contacts: Vec<(FieldId, String)> = export
        .columns
        .iter()
        .enumerate()
        .filter_map(|(at, column)| match column {
            OutColumn::Field(field) if plan.is_contact(*field) => {
                Some((*field, export.header(plan, at)))
            }
            _ => None,
        })
        .collect();
    let mut digests: Vec<(About, Vec<Point>)> = contacts
        .iter()
        .map(|(field, _)| (About::Hashed(*field, file.platform), Vec::with_capacity(len)))
        .collect();
    let names: Vec<&str> = contacts.iter().map(|(_, name)| name.as_str()).collect();
    let source = staged(plan, export, claim, &[]);
    let prepare = |part: Loaded| {
        let columns = names.iter().map(|name| Cells::of(&part.column(name)?.series));
        Ok((part.rows, columns.collect::<Outcome<Vec<_>>>()?))
    };
    let mut rows = 0;
    source::visit(&source, &names, prepare, |(part_rows, columns)| {
        // More rows than were meant are told below.
        let end = len.min(rows + part_rows);
        for (((field, _), (about, points)), cells) in
            contacts.iter().zip(&mut digests).zip(&columns)
        {
            let due = due(plan, file, claim, *field, rows..end)?;
            let of = subjects.add_to(*about);
            for (row, due) in due.iter().enumerate() {
                let written = cells.text(row);
                if written.as_deref() != due.as_deref() {
                    let name = &plan.fields[field.0].name;
                    return Err(Diagnostic::error(
                        Code::VerifyFailed,
                        format!(
                            "a digest of `{name}` is not that of the contact point that was meant"
                        ),
                    )
                    .in_file(Site {
                        file: export.target.path.clone(),
                        row: Some((rows + row) as u64 + 1),
                        ..Site::default()
                    })
                    .help("nothing was published; please report it")
                    .into());
                }
                points.push(match written {
                    Some(digest) => of.add(&digest, true, std::iter::empty()),
                    None => NONE,
                });
            }
        }
        rows += part_rows;
        Ok(())
    })?;
    same_rows(rows, len)?;
    let shown = contacts.iter().map(|(field, _)| *field);
    let mut fields = Vec::new();
    for field in vias(plan, export).chain(shown).collect::<BTreeSet<_>>() {
        fields.push((field, meant(plan, claim, field, subjects)?));
    }
    let (records, ends) = records(plan, claim, subjects, len);
    Ok(RowPoints { len, fields, digests, records, ends })
}

/// The digests that rows must hold in a contact field, in hex.
fn due(
    plan: &Plan,
    file: &PlatformFile,
    claim: &Claim<'_>,
    field: FieldId,
    rows: std::ops::Range<usize>,
) -> Outcome<Vec<Option<String>>> {
    let start = rows.start;
    let cells = claim.table.cells(field, rows.clone())?;
    let held = held_by(plan.fields[field.0].key.kind());
    let digest = |row: usize| {
        let text = cells.text(row - start)?;
        let region = region(plan, claim, field, row);
        Some(hex(&file.platform.digest(held?, &text, region)?))
    };
    Ok(rows.into_par_iter().with_min_len(1024).map(digest).collect())
}
