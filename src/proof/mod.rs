//! The proof: every row of every staged export is read back and held against the consent sources.
//!
//! What the engine decides it decides on digests, in partitions, for whole columns. Here the files that
//! are about to be published are read from disk, and each of their rows is proved on the texts
//! themselves: row by row, with maps of texts, from consent and suppression sources that are read
//! anew. Readers of files, normalizers and the vocabulary of decisions are the same as the
//! engine's; keys, matching, folding, judging and writing are not.
//!
//! A row is proved if for each purpose of its segment's gate
//!
//! - the contact point through which it goes out is granted (or its customer's record is; for
//!   `opt_out`: or nobody decided on it),
//! - no contact point that stands in the row is denied, nor a record of its customer,
//!
//! and no suppression list of the segment's channels holds one of them. Of an audience for a platform,
//! which shows digests, each digest must be that of the contact point which the engine names, and is a
//! point itself: the contact points of all who decided or are suppressed are hashed as the platform
//! does, and no denied or suppressed one may stand in the file. An export of a segment with a limit holds
//! no more rows than that, and one of a segment with a control group nobody who is drawn into it. Where a
//! file does not show the contact point, it is asked of the engine. Which records are one customer is the
//! engine's answer too; that a denial of a contact point which does not stand in the row reaches
//! the customer (`denial: person`) is not proved here.

mod decisions;
mod digested;
mod draw;
mod hashed;
mod hearing;
mod keyed;
mod mentions;
mod partitions;
mod points;
mod rows;

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;

use crate::diagnostics::{Code, Diagnostic, Outcome, Site};
use crate::engine::{ExportTable, Setting, SourceRecord, progress};
use crate::normalize::platform::Platform;
use crate::plan::{Denial, Export, FieldId, Gate, Model, Plan, PurposeId};
use crate::planted;
pub use decisions::{Counts, Decision, Stand};
use decisions::{Decisions, fold};
pub use hearing::{Contact, Hearing, Listed, Said, hear};
pub use mentions::{Mention, mentions};
use points::{NONE, Point, Points};
use rows::RowPoints;

/// What a point is a point of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum About {
    /// A contact point in this field.
    Field(FieldId),
    /// What a platform makes of a contact point in this field: its digest there.
    Hashed(FieldId, Platform),
    /// A record.
    Record,
}

/// The points of all exports.
pub struct Subjects {
    of: HashMap<About, Points>,
    /// Rows of all exports.
    rows: usize,
}

impl Subjects {
    fn get(&self, about: About) -> Option<&Points> {
        self.of.get(&about)
    }

    fn add_to(&mut self, about: About) -> &mut Points {
        let rows = self.rows;
        self.of.entry(about).or_insert_with(|| Points::new(rows))
    }
}

/// An export that is staged.
pub struct Claim<'a> {
    /// Its rows, as the engine meant them.
    pub table: &'a ExportTable<'a>,
    /// The file.
    pub staged: &'a Path,
}

/// What was proved of one export.
#[derive(Clone, Debug, Serialize)]
pub struct Proved {
    /// The segment.
    pub segment: String,
    /// Rows, each of them proved.
    pub rows: u64,
    /// Different contact points that stand in them, or through which they go out.
    pub contact_points: u64,
}

/// What was proved before publishing.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Proof {
    /// Decisions that were read anew and reach these contact points, or records of their customers.
    pub decisions: u64,
    /// One an export.
    pub exports: Vec<Proved>,
}

/// Proves all rows of all exports.
///
/// # Errors
/// A row that the sources do not allow; a file that cannot be read, faults of the sources.
pub fn prove(
    plan: &Plan,
    setting: &Setting,
    sources: &[SourceRecord],
    claims: &[Claim<'_>],
) -> Outcome<Proof> {
    if planted::fault("proof-skipped") {
        return Ok(Proof::default());
    }
    let rows = claims.iter().map(|claim| claim.table.len()).sum();
    if rows > 0 {
        let tables = plan.consent.tables.iter().map(|table| table.source);
        let read = tables.chain(plan.consent.suppress.iter().map(|list| list.source));
        let staged = claims.iter().map(|claim| partitions::size(claim.staged));
        let work = read.map(|source| plan.sources[source.0].bytes);
        progress::expect(work.chain(staged).sum());
    }
    let mut subjects = Subjects { of: HashMap::new(), rows };
    let mut exports = Vec::new();
    for claim in claims {
        let export = &plan.exports[claim.table.export];
        draw::prove(plan, export, claim)?;
        exports.push((export, rows::read(plan, export, claim, &mut subjects)?));
    }
    if exports.iter().all(|(_, rows)| rows.len == 0) {
        let proved = exports.iter().map(|(export, rows)| proved(plan, export, rows)).collect();
        return Ok(Proof { decisions: 0, exports: proved });
    }
    tracing::debug!("exports read back");
    planted::place("exports are read back");
    let decisions = decisions::decisions(plan, setting, &subjects, sources)?;
    tracing::debug!(decisions = decisions.count(), "decisions read anew");
    let mut lists: Vec<Vec<(About, Point)>> = Vec::new();
    for list in &plan.consent.suppress {
        let held = decisions::suppressed(plan, list, &subjects, sources)?.into_iter();
        let mut held: Vec<_> = held.map(|(_, about, point)| (about, point)).collect();
        held.sort_unstable();
        lists.push(held);
    }
    tracing::debug!("suppression read anew");
    planted::place("consent is read anew");
    let court = Court { plan, setting, decisions: &decisions, lists: &lists };
    let mut all = Proof { decisions: decisions.count(), exports: Vec::new() };
    for (export, rows) in &exports {
        court.prove(export, rows)?;
        all.exports.push(proved(plan, export, rows));
    }
    Ok(all)
}

fn proved(plan: &Plan, export: &Export, rows: &RowPoints) -> Proved {
    let different = |points: &[Point]| {
        let most = points.iter().filter(|point| **point != NONE).max();
        let mut seen = vec![false; most.map_or(0, |most| *most as usize + 1)];
        for point in points.iter().filter(|point| **point != NONE) {
            seen[*point as usize] = true;
        }
        seen.into_iter().filter(|seen| *seen).count() as u64
    };
    Proved {
        segment: plan.segments[export.segment.0].name.clone(),
        rows: rows.len as u64,
        contact_points: rows.fields.iter().map(|(_, points)| different(points)).sum(),
    }
}

/// Why a row is not proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Offence {
    Suppressed,
    Denied,
    /// Another contact point of the same digest is suppressed or denied.
    SuppressedAlike,
    DeniedAlike,
    Expired,
    NotGranted,
    NoContactPoint,
}

impl Offence {
    const fn is_alike(self) -> bool {
        matches!(self, Self::SuppressedAlike | Self::DeniedAlike)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Suppressed => "suppressed",
            Self::Denied => "denied",
            Self::SuppressedAlike => "with the digest of a contact point that is suppressed",
            Self::DeniedAlike => "with the digest of a contact point that is denied",
            Self::Expired => "expired",
            Self::NotGranted => "never granted",
            Self::NoContactPoint => "without a contact point",
        }
    }
}

struct Court<'a> {
    plan: &'a Plan,
    setting: &'a Setting,
    decisions: &'a Decisions,
    /// What each suppression list holds, ascending.
    lists: &'a [Vec<(About, Point)>],
}

impl Court<'_> {
    fn prove(&self, export: &Export, rows: &RowPoints) -> Outcome<()> {
        let offence = |row: usize| Some((row, self.offence(export, rows, row)?));
        let found: Vec<(usize, Offence)> =
            (0..rows.len).into_par_iter().with_min_len(1024).filter_map(offence).collect();
        let Some((first, _)) = found.first() else { return Ok(()) };
        let mut offences: Vec<Offence> = found.iter().map(|(_, offence)| *offence).collect();
        offences.sort_unstable();
        let why: Vec<String> = offences
            .chunk_by(|a, b| a == b)
            .map(|same| format!("{} {}", same.len(), same[0].name()))
            .collect();
        let total = found.len();
        Err(Diagnostic::error(
            Code::ProofFailed,
            format!(
                "{total} of {} rows of the export of `{}` are not allowed by the consent sources: {}",
                rows.len,
                self.plan.segments[export.segment.0].name,
                why.join(", ")
            ),
        )
        .in_file(Site {
            file: export.target.path.clone(),
            row: Some(*first as u64 + 1),
            ..Site::default()
        })
        .help(if offences.iter().all(|offence| offence.is_alike()) {
            "nothing was published; to the platform these are one person: write the contact point in the \
             consent source as its customer writes it, so that the decision reaches him"
        } else {
            "nothing was published; if no source changed while it was read, this is a mistake of \
             the program: please report it"
        })
        .into())
    }

    fn offence(&self, export: &Export, rows: &RowPoints, row: usize) -> Option<Offence> {
        let segment = &self.plan.segments[export.segment.0];
        let mut points: Vec<(About, Point)> = rows
            .fields
            .iter()
            .map(|(field, points)| (About::Field(*field), points[row]))
            .filter(|(_, point)| *point != NONE)
            .collect();
        let records = || rows.records(row).iter().map(|point| (About::Record, *point));
        points.extend(records());
        let digests = rows.digests.iter().map(|(about, points)| (*about, points[row]));
        points.extend(digests.filter(|(_, point)| *point != NONE));
        let is_digest = |point: &(About, Point)| matches!(point.0, About::Hashed(..));
        let mut alike = None;
        for (list, held) in self.plan.consent.suppress.iter().zip(self.lists) {
            let binds = list.binds(&segment.channels);
            let mut hit = points.iter().filter(|point| binds && held.binary_search(point).is_ok());
            if hit.clone().any(|point| !is_digest(point)) {
                return Some(Offence::Suppressed);
            }
            alike = alike.or(hit.next().map(|_| Offence::SuppressedAlike));
        }
        if alike.is_some() {
            return alike;
        }
        let Gate::Purposes(purposes) = &segment.gate else { return None };
        purposes.iter().filter_map(|purpose| self.unproved(*purpose, rows, row, &points)).min()
    }

    /// Why a row is not proved for one purpose.
    fn unproved(
        &self,
        purpose: PurposeId,
        rows: &RowPoints,
        row: usize,
        points: &[(About, Point)],
    ) -> Option<Offence> {
        let declared = &self.plan.consent.purposes[purpose.0];
        let stand = |(about, point): (About, Point)| {
            let mut decisions = self.decisions.of(about, point, purpose);
            if let About::Hashed(field, _) = about {
                // What reaches the contact point itself reaches its digest, however it is spelt.
                let own = rows.point(field, row);
                decisions.extend(self.decisions.of(About::Field(field), own, purpose));
            }
            let at = self.setting.as_of.at;
            fold(&decisions, self.plan.consent.conflict, declared.expires_after, at)
        };
        let via = rows.point(declared.via, row);
        let own = |about: About| match about {
            About::Field(field) | About::Hashed(field, _) => field == declared.via,
            About::Record => true,
        };
        let person = self.plan.consent.denial == Denial::Person;
        let mut best = Stand::Unknown;
        for (about, point) in points {
            match stand((*about, *point)) {
                Stand::Denied if own(*about) || person => {
                    // Digests come last.
                    let alike = matches!(about, About::Hashed(..));
                    return Some(if alike { Offence::DeniedAlike } else { Offence::Denied });
                }
                // A digest may be that of several contact points, so a grant counts by its text alone.
                _ if matches!(about, About::Hashed(..)) => {}
                stand if own(*about) && stand != Stand::Denied => best = best.max(stand),
                _ => {}
            }
        }
        if via == NONE {
            return Some(Offence::NoContactPoint);
        }
        match (best, declared.model) {
            (Stand::Granted, _) | (Stand::Unknown, Model::OptOut) => None,
            (Stand::Expired, _) => Some(Offence::Expired),
            _ => Some(Offence::NotGranted),
        }
    }
}
