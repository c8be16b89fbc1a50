//! The fold: what all decisions on one contact point (or record) come to for one purpose.
//!
//! Decisions are filed in sets, one a consent table. Grants are filed under the equal key,
//! denials under every form by which they match more loosely, so that a look-up of a contact
//! point's own forms finds each denial that reaches it (docs/semantics.md, sections 6 and 7).

use rayon::prelude::*;

use super::Subject;
use crate::engine::digest::{Digest, DigestMap};
use crate::plan::{Conflict, Instant, Period};

/// No time.
const NEVER: i64 = i64::MIN;

/// Decisions of one kind on one digest in one set, folded: all that is ever asked of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    dated: i64,
    undated: bool,
}

impl Newest {
    /// No decision.
    pub const NONE: Self = Self { dated: NEVER, undated: false };

    /// One decision; `at` is the time by which it sorts.
    #[must_use]
    pub fn of(at: Option<i64>) -> Self {
        Self { dated: at.unwrap_or(NEVER), undated: at.is_none() }
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { dated: self.dated.max(other.dated), undated: self.undated || other.undated }
    }
}

/// The decisions of one table on one purpose and subject.
#[derive(Debug)]
pub struct DecisionSet {
    /// Grants by key. Keys of which only denials are known are here too, with no grant.
    pub grants: DigestMap<Newest>,
    /// Denials by loose form.
    pub denials: DigestMap<Newest>,
}

/// What the decisions on one contact point come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folded {
    /// A grant holds.
    Granted,
    /// A denial holds.
    Denied,
    /// There was a grant; it has ended.
    Expired,
    /// No decision counts.
    Unknown,
}

impl Folded {
    /// What two sets come to: any denial denies, else a grant that holds, else one that has ended.
    const fn strictest(self, other: Self) -> Self {
        match (self, other) {
            (Self::Denied, _) | (_, Self::Denied) => Self::Denied,
            (Self::Granted, _) | (_, Self::Granted) => Self::Granted,
            (Self::Expired, _) | (_, Self::Expired) => Self::Expired,
            (Self::Unknown, Self::Unknown) => Self::Unknown,
        }
    }
}

/// All decisions on one purpose.
#[derive(Debug)]
pub struct PurposeDecisions {
    /// The sets, with the subject they are filed by.
    pub sets: Vec<(Subject, DecisionSet)>,
    /// How the sets are folded.
    pub conflict: Conflict,
    /// When a grant ends; none where grants never do.
    pub expires_after: Option<Period>,
    /// The run's date.
    pub as_of: Instant,
}

impl PurposeDecisions {
    /// No decisions yet.
    #[must_use]
    pub fn new(conflict: Conflict, expires_after: Option<Period>, as_of: Instant) -> Self {
        Self { sets: Vec::new(), conflict, expires_after, as_of }
    }

    /// True if no table speaks of this subject.
    #[must_use]
    pub fn is_silent_on(&self, subject: Subject) -> bool {
        self.sets.iter().all(|(of, _)| *of != subject)
    }

    /// Folds the decisions on many contact points: for each a key, and forms under which it looks
    /// for denials (each list as long as `keys`; 0 is none).
    ///
    /// Look-ups go to all of memory. Those of one set are made behind each other in a loop that does
    /// nothing else, so that the processor waits for several at once.
    #[must_use]
    pub fn fold_all(
        &self,
        subject: Subject,
        keys: &[Digest],
        targets: &[Vec<Digest>],
    ) -> Vec<Folded> {
        const BLOCK: usize = 1 << 12;
        let sets: Vec<&DecisionSet> =
            self.sets.iter().filter(|(of, _)| *of == subject).map(|(_, set)| set).collect();
        let mut folded = vec![Folded::Unknown; keys.len()];
        folded.par_chunks_mut(BLOCK).enumerate().for_each(|(block, folded)| {
            let range = block * BLOCK..block * BLOCK + folded.len();
            let mut all = vec![(Newest::NONE, Newest::NONE); folded.len()];
            for set in &sets {
                if self.conflict == Conflict::Strictest {
                    all.fill((Newest::NONE, Newest::NONE));
                }
                set.grants.each(&keys[range.clone()], |at, found| all[at].0 = all[at].0.and(found));
                for forms in targets {
                    set.denials
                        .each(&forms[range.clone()], |at, found| all[at].1 = all[at].1.and(found));
                }
                if self.conflict == Conflict::Strictest {
                    for (folded, (grants, denials)) in folded.iter_mut().zip(&all) {
                        *folded = folded.strictest(self.judge(*grants, *denials));
                    }
                }
            }
            if self.conflict == Conflict::Latest {
                for (folded, (grants, denials)) in folded.iter_mut().zip(&all) {
                    *folded = self.judge(*grants, *denials);
                }
            }
        });
        folded
    }

    /// Within one set: an undated denial always denies; else the newest counts, at equal times
    /// the denial; an undated grant counts only if nothing is dated.
    fn judge(&self, grants: Newest, denials: Newest) -> Folded {
        if denials.undated || (denials.dated != NEVER && denials.dated >= grants.dated) {
            Folded::Denied
        } else if grants.dated != NEVER {
            let granted = Instant(grants.dated);
            if self.expires_after.is_some_and(|period| period.has_ended(granted, self.as_of)) {
                Folded::Expired
            } else {
                Folded::Granted
            }
        } else if grants.undated {
            if self.expires_after.is_some() { Folded::Expired } else { Folded::Granted }
        } else {
            Folded::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{DAY, PeriodUnit};

    fn judge(grants: Newest, denials: Newest) -> Folded {
        let day = Period { count: 1, unit: PeriodUnit::Days };
        PurposeDecisions::new(Conflict::Strictest, Some(day), Instant(10 + DAY))
            .judge(grants, denials)
    }

    #[test]
    fn the_newest_counts_and_ties_deny() {
        let at = |t| Newest::of(Some(t));
        assert_eq!(judge(at(20), at(19)), Folded::Granted);
        assert_eq!(judge(at(20), at(20)), Folded::Denied);
        assert_eq!(judge(at(20), at(21)), Folded::Denied);
        assert_eq!(judge(at(10), Newest::NONE), Folded::Expired);
        assert_eq!(judge(at(11), Newest::NONE), Folded::Granted);
        assert_eq!(judge(Newest::NONE, Newest::NONE), Folded::Unknown);
    }

    #[test]
    fn undated_denials_always_deny_and_undated_grants_give_way() {
        let undated = Newest::of(None);
        assert_eq!(judge(Newest::of(Some(20)), undated), Folded::Denied);
        assert_eq!(judge(undated, Newest::of(Some(1))), Folded::Denied);
        assert_eq!(judge(undated, Newest::NONE), Folded::Expired);
        assert_eq!(judge(undated.and(Newest::of(Some(20))), Newest::of(Some(5))), Folded::Granted);
    }
}
