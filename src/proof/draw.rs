//! That an export keeps to the limit of its segment, and that nobody of the control group is in it.
//!
//! Tickets are made once more, from the ids of the rows' customers. That those who share a contact point
//! with the control group stay out, and who is first in a line, is not proved here.

use sha2::{Digest as _, Sha256};

use super::Claim;
use crate::diagnostics::{Code, Diagnostic, Outcome, Site};
use crate::plan::{Export, Plan, hex};

/// Holds the rows of an export against the limit and the control group of its segment.
///
/// # Errors
/// More rows than the limit; a customer whose ticket is one of the control group.
pub fn prove(plan: &Plan, export: &Export, claim: &Claim<'_>) -> Outcome<()> {
    let segment = &plan.segments[export.segment.0];
    let refused = |row: usize, why: String| {
        let name = &segment.name;
        Err(Diagnostic::error(
            Code::ProofFailed,
            format!("the export of `{name}` does not keep to the segment: {why}"),
        )
        .in_file(Site {
            file: export.target.path.clone(),
            row: Some(row as u64 + 1),
            ..Site::default()
        })
        .help("nothing was published; this is a mistake of the program: please report it")
        .into())
    };
    let rows = claim.table.len();
    if let Some(limit) = &segment.limit
        && rows as u64 > limit.count
    {
        let most = usize::try_from(limit.count).unwrap_or(usize::MAX);
        return refused(most, format!("{rows} rows, and the limit is {}", limit.count));
    }
    if let Some(control) = &segment.control {
        let end = control.share.end();
        let of_group = |id: &[u8; 16]| {
            let text = format!("control\u{1f}{}\u{1f}{}", control.seed, hex(id));
            let digest = Sha256::digest(text);
            let ticket = digest.iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte));
            ticket < end
        };
        let ids = claim.table.audience().ids().iter().enumerate();
        let mut found = ids.filter(|(_, id)| of_group(id)).map(|(row, _)| row);
        if let Some(first) = found.next() {
            let count = found.count() + 1;
            return refused(first, format!("{count} rows of customers of its control group"));
        }
    }
    Ok(())
}
