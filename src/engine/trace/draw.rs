//! How one customer stands to a segment's control group and limit.

use super::super::Judged;
use super::super::draw::{Turn, is_drawn, turns};
use super::super::profile::ProfileColumns;
use super::super::segments::Verdict;
use crate::diagnostics::Outcome;
use crate::plan::Segment;

/// How a customer stands to the draw of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// True if he is drawn for the control group himself.
    pub control: bool,
    /// True if somebody who shows the same contact point is drawn for it, or one who does with that one
    /// in turn.
    pub control_through_others: bool,
    /// Where he stands, or would stand, in the line for the limit, from 1, and how long it is with him.
    pub place: Option<(u64, u64)>,
}

/// How a profile stands to the draw of a segment, its number being `at`. `columns` are those of the
/// profile alone.
///
/// # Errors
/// Faults of the engine.
pub fn drawn(
    judged: &Judged<'_>,
    (at, segment): (usize, &Segment),
    profile: usize,
    columns: &ProfileColumns<'_>,
) -> Outcome<Drawn> {
    let court = judged.court;
    let number = u32::try_from(profile).unwrap_or(u32::MAX);
    let mut drawn = Drawn::default();
    let ids = court.ids(&[number]);
    if let Some(control) = &segment.control {
        // What lets one in may let others in, so all are asked that could be.
        let all: Vec<u32> = (0..u32::try_from(court.clusters.profiles).unwrap_or(0)).collect();
        drawn.control = ids.iter().all(|id| is_drawn(control, id));
        drawn.control_through_others = !drawn.control
            && court.control_group(segment, control, &all).binary_search(&number).is_ok();
    }
    if let Some(limit) = &segment.limit {
        let verdicts = (0_u32..).zip(&judged.verdicts.of[at]);
        let others: Vec<u32> = verdicts
            .filter(|(other, verdict)| {
                *other != number && matches!(verdict, Verdict::InSegment | Verdict::OverLimit)
            })
            .map(|(other, _)| other)
            .collect();
        let all = ProfileColumns::new(
            court.plan,
            court.records,
            court.clusters,
            judged.survivors,
            court.shown,
            court.states,
            judged.groupings,
        );
        let line: Vec<Turn> = turns(limit, &all, &others, &court.ids(&others))?;
        let own = turns(limit, columns, &[0], &ids)?;
        let before = line.iter().filter(|turn| own.first().is_some_and(|own| *turn < own)).count();
        drawn.place = Some((before as u64 + 1, line.len() as u64 + 1));
    }
    Ok(drawn)
}
