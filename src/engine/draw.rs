//! The draw: who of those that a segment lets in is kept out as its control group, and who is cut off by
//! its limit (docs/semantics.md, section 10).
//!
//! Tickets are drawn by customer ids, so they depend on no order of rows, files or threads, and a
//! customer who keeps his id keeps his ticket.

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::cells::{Cells, in_order};
use super::digest::{Digest, DigestSet};
use super::identity::CustomerId;
use super::profile::ProfileColumns;
use super::segments::{Court, Verdict};
use crate::diagnostics::Outcome;
use crate::plan::{Control, Limit, OutColumn, Segment, TopBy, hex};
use crate::planted;

/// What a ticket is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// The control group.
    Control,
    /// The sample of a limit, and who comes first of those with equal values.
    Sample,
}

impl Draw {
    const fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Sample => "sample",
        }
    }
}

/// A customer's ticket: the first 64 bits of the SHA-256 over what it is for, the seed and the
/// `customer_id`, with the byte 0x1F between them.
#[must_use]
pub fn ticket(draw: Draw, seed: &str, id: &CustomerId) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update(draw.name());
    hasher.update([0x1F]);
    hasher.update(seed);
    hasher.update([0x1F]);
    hasher.update(hex(id));
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize()[..8]);
    u64::from_be_bytes(first)
}

/// True if a customer's own ticket is one of the control group.
#[must_use]
pub fn is_drawn(control: &Control, id: &CustomerId) -> bool {
    ticket(Draw::Control, &control.seed, id) < control.share.end()
}

/// Where a customer stands in the line for a limit; the smallest is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// True for one without a value: he comes last.
    has_none: bool,
    /// Sorts as values are wanted.
    value: i128,
    ticket: u64,
    id: CustomerId,
}

/// The turns of customers by what they show, `ids` being theirs.
///
/// # Errors
/// Faults of the engine.
pub fn turns(
    limit: &Limit,
    columns: &ProfileColumns<'_>,
    profiles: &[u32],
    ids: &[CustomerId],
) -> Outcome<Vec<Turn>> {
    let cells = match limit.top_by {
        None => Cells::Absent,
        Some(TopBy { field, .. }) => columns.cells(OutColumn::Field(field), profiles)?,
    };
    let ascending = limit.top_by.is_some_and(|top_by| top_by.ascending);
    let turn = |(row, id): (usize, &CustomerId)| {
        let value = sortable(&cells, row);
        Turn {
            has_none: value.is_none(),
            value: value.map_or(0, |value| if ascending { value } else { !value }),
            ticket: ticket(Draw::Sample, &limit.seed, id),
            id: *id,
        }
    };
    Ok(ids.par_iter().enumerate().map(|(row, id)| turn((row, id))).collect())
}

/// A number, date or datetime as a number that sorts as its values do. NaN is no number, and minus zero
/// is zero.
fn sortable(cells: &Cells, row: usize) -> Option<i128> {
    let minus_zero = i128::from(in_order((-0.0_f64).to_bits().cast_signed()));
    let number = cells.number(row)?;
    Some(if matches!(cells, Cells::Float(_)) && number == minus_zero { 0 } else { number })
}

impl Court<'_> {
    /// Of those who are in a segment so far keeps its control group out, and cuts off who is over its
    /// limit.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn draw(
        &self,
        segment: &Segment,
        verdicts: &mut [Verdict],
        columns: &ProfileColumns<'_>,
    ) -> Outcome<()> {
        if let Some(control) = &segment.control
            && !planted::fault("control-ignored")
        {
            for profile in self.control_group(segment, control, &inside(verdicts)) {
                verdicts[profile as usize] = Verdict::ControlGroup;
            }
        }
        if let Some(limit) = &segment.limit
            && !planted::fault("limit-ignored")
        {
            let inside = inside(verdicts);
            let count = usize::try_from(limit.count).unwrap_or(usize::MAX);
            if inside.len() > count {
                let turns = turns(limit, columns, &inside, &self.ids(&inside))?;
                let mut line: Vec<(Turn, u32)> = turns.into_iter().zip(inside).collect();
                line.par_sort_unstable();
                for (_, profile) in &line[count..] {
                    verdicts[*profile as usize] = Verdict::OverLimit;
                }
            }
        }
        Ok(())
    }

    /// The ids of some profiles.
    #[must_use]
    pub fn ids(&self, profiles: &[u32]) -> Vec<CustomerId> {
        let id = |of: &u32| self.clusters.names.id(self.plan, self.records, *of as usize);
        profiles.par_iter().with_min_len(512).map(id).collect()
    }

    /// The control group among some profiles: who is drawn, and whoever shows, in a channel of the
    /// segment, the same contact point as one of the group. So none of its contact points is left.
    #[must_use]
    pub fn control_group(
        &self,
        segment: &Segment,
        control: &Control,
        profiles: &[u32],
    ) -> Vec<u32> {
        let ids = self.ids(profiles);
        let mut in_group: Vec<bool> = ids.par_iter().map(|id| is_drawn(control, id)).collect();
        let shared: Vec<_> = segment
            .channels
            .iter()
            .filter(|channel| !self.clusters.tell_apart(self.plan, **channel))
            .map(|channel| {
                let shown = self.shown.field(*channel, self.keys);
                let key = |at: u32| shown.key(profiles[at as usize] as usize);
                let mut keys: Vec<(Digest, u32)> = (0..u32::try_from(profiles.len())
                    .unwrap_or(u32::MAX))
                    .into_par_iter()
                    .with_min_len(4096)
                    .map(|at| (key(at), at))
                    .filter(|(key, _)| *key != 0)
                    .collect();
                keys.par_sort_unstable();
                (shown, keys)
            })
            .collect();
        let mut done: Vec<DigestSet> = vec![DigestSet::default(); shared.len()];
        let drawn = (0_u32..).zip(&in_group).filter(|(_, drawn)| **drawn);
        let mut next: Vec<u32> = drawn.map(|(at, _)| at).collect();
        while let Some(at) = next.pop() {
            for ((shown, keys), done) in shared.iter().zip(&mut done) {
                let key = shown.key(profiles[at as usize] as usize);
                if key == 0 || !done.insert(key) {
                    continue;
                }
                let first = keys.partition_point(|(other, _)| *other < key);
                for (_, other) in keys[first..].iter().take_while(|(other, _)| *other == key) {
                    if !std::mem::replace(&mut in_group[*other as usize], true) {
                        next.push(*other);
                    }
                }
            }
        }
        let group = profiles.iter().zip(in_group);
        group.filter(|(_, is_in)| *is_in).map(|(profile, _)| *profile).collect()
    }
}

/// The profiles that are in so far.
fn inside(verdicts: &[Verdict]) -> Vec<u32> {
    let all = (0_u32..).zip(verdicts);
    all.filter(|(_, verdict)| **verdict == Verdict::InSegment).map(|(profile, _)| profile).collect()
}

#[cfg(test)]
mod tests {
    use polars_arrow::array::{Int64Array, PrimitiveArray};

    use super::*;

    #[test]
    fn a_ticket_can_be_made_elsewhere() {
        // printf 'control\037spring\037000102030405060708090a0b0c0d0e0f' | sha256sum
        let id: CustomerId = std::array::from_fn(|at| u8::try_from(at).expect("small"));
        let first = format!("{:016x}", ticket(Draw::Control, "spring", &id));
        assert_eq!(first, CONTROL);
        let first = format!("{:016x}", ticket(Draw::Sample, "spring", &id));
        assert_eq!(first, SAMPLE);
    }

    const CONTROL: &str = "fa48e1d763732014";
    const SAMPLE: &str = "e3aa72e198bb630c";

    #[test]
    fn numbers_sort_as_they_are() {
        let numbers = [f64::NEG_INFINITY, -2.5, -1e-300, 0.0, 1e-300, 2.5, f64::INFINITY];
        let cells = Cells::Float(PrimitiveArray::from_slice(numbers));
        let sorted: Vec<_> = (0..numbers.len()).map(|row| sortable(&cells, row)).collect();
        assert!(sorted.is_sorted_by(|a, b| a < b), "{sorted:?}");
        let cells = Cells::Float(PrimitiveArray::from_slice([-0.0, 0.0, f64::NAN]));
        assert_eq!(sortable(&cells, 0), sortable(&cells, 1));
        assert_eq!(sortable(&cells, 2), None);
        let cells = Cells::Int(Int64Array::from_slice([i64::MIN, -1, 0, i64::MAX]));
        let sorted: Vec<_> = (0..4).map(|row| sortable(&cells, row)).collect();
        assert!(sorted.is_sorted_by(|a, b| a < b), "{sorted:?}");
    }
}
