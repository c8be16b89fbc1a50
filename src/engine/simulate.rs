//! The same customers under other settings of consent: for `optin simulate`.
//!
//! Sources are read, customers unified and decisions taken in once. For each setting the decisions are folded,
//! profiles judged and rules evaluated anew, by the code of a run. Nothing leaves.

use std::collections::BTreeSet;

use super::account::{PurposeAccount, SegmentAccount};
use super::consent::intake::Decisions;
use super::consent::state::{States, states_again};
use super::consent::suppress::Suppressed;
use super::groupings::Groups;
use super::identity::Clusters;
use super::keys::{Indexes, Keys};
use super::late::Late;
use super::profile::{ProfileColumns, Shown};
use super::records::Records;
use super::related::{self, Aggregates};
use super::segments::{Court, Verdict};
use super::source::Loaded;
use super::survivorship::Survivors;
use super::{Aim, Setting, walk};
use crate::diagnostics::Outcome;
use crate::plan::{FieldId, Plan};

/// What stands when all is read and nobody is judged.
pub(super) struct Unjudged<'a> {
    pub loaded: &'a [Option<Loaded>],
    pub records: &'a Records,
    pub clusters: &'a Clusters,
    pub survivors: &'a Survivors<'a>,
    pub shown: &'a Shown,
    pub groupings: &'a [Groups],
    pub decisions: &'a mut Decisions,
    pub keys: &'a Keys,
    pub indexes: &'a Indexes,
    pub suppressed: &'a Suppressed,
    pub late: &'a BTreeSet<FieldId>,
}

/// What a setting comes to.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// One a segment.
    pub segments: Vec<SegmentAccount>,
    /// One a purpose.
    pub purposes: Vec<PurposeAccount>,
}

/// Judges all customers under each of the `settings`: plans that differ from `plan` in the models and
/// expiries of their purposes, in `conflict` and in `denial`, and in nothing else. Gives the number of
/// profiles, and what each setting comes to.
///
/// # Errors
/// As a run of `plan`, as far as the verdicts.
pub fn simulate(plan: &Plan, setting: &Setting, settings: &[Plan]) -> Outcome<(u64, Vec<Sizes>)> {
    let mut found = (0, Vec::new());
    let mut look = |mut unjudged: Unjudged<'_>| {
        found.0 = unjudged.clusters.profiles as u64;
        unjudged.read_for_rules(plan, setting, settings)?;
        // Whoever some setting lets through, and so everybody: rows are read once for all settings.
        let asked = vec![true; unjudged.clusters.profiles];
        let people = (unjudged.clusters, unjudged.keys);
        let loaded = unjudged.loaded;
        let aggregates =
            related::aggregates(plan, setting, loaded, people, &asked, &mut Vec::new())?;
        let mut before: Option<(&Plan, States)> = None;
        for other in settings {
            // Models change who passes, and no state.
            let states = match before.take() {
                Some((of, states)) if has_states_of(of, other) => states,
                _ => unjudged.states(other)?,
            };
            found.1.push(unjudged.judge(other, setting, &states, &aggregates)?);
            setting.memory.check("simulating")?;
            before = Some((other, states));
        }
        Ok(())
    };
    walk(plan, setting, Aim::Unjudged(&mut look))?;
    Ok(found)
}

/// True if all profiles have the same states under both.
fn has_states_of(one: &Plan, other: &Plan) -> bool {
    let expiries = |plan: &Plan| -> Vec<_> {
        plan.consent.purposes.iter().map(|purpose| purpose.expires_after).collect()
    };
    (one.consent.conflict, one.consent.denial) == (other.consent.conflict, other.consent.denial)
        && expiries(one) == expiries(other)
}

impl Unjudged<'_> {
    fn states(&mut self, plan: &Plan) -> Outcome<States> {
        let keys = (self.keys, self.indexes);
        states_again(plan, self.decisions, self.clusters, keys, self.shown)
    }

    fn court<'a>(&'a self, plan: &'a Plan, setting: &Setting, states: &'a States) -> Court<'a> {
        Court {
            plan,
            states,
            suppressed: self.suppressed,
            shown: self.shown,
            records: self.records,
            clusters: self.clusters,
            keys: self.keys,
            as_of: setting.as_of.at,
        }
    }

    /// Reads what rules ask for of everybody whom some setting lets through.
    fn read_for_rules(&mut self, plan: &Plan, setting: &Setting, settings: &[Plan]) -> Outcome<()> {
        if self.late.is_empty() {
            return Ok(());
        }
        let mut open = vec![Verdict::Unknown; self.clusters.profiles];
        let mut before: Option<(&Plan, States)> = None;
        for other in settings {
            let states = match before.take() {
                Some((of, states)) if has_states_of(of, other) => states,
                _ => self.states(other)?,
            };
            for of_segment in self.court(other, setting, &states).gate() {
                for (open, verdict) in open.iter_mut().zip(of_segment) {
                    if verdict == Verdict::InSegment {
                        *open = verdict;
                    }
                }
            }
            before = Some((other, states));
        }
        let late = Late {
            plan,
            loaded: self.loaded,
            records: self.records,
            clusters: self.clusters,
            fields: self.late,
            digests: false,
        };
        late.read_for_rules(&[open], false)
    }

    fn judge(
        &self,
        plan: &Plan,
        setting: &Setting,
        states: &States,
        aggregates: &Aggregates,
    ) -> Outcome<Sizes> {
        let columns = ProfileColumns::new(
            plan,
            self.records,
            self.clusters,
            self.survivors,
            self.shown,
            states,
            self.groupings,
        );
        let court = self.court(plan, setting, states);
        let verdicts = court.judge(court.gate(), &columns, aggregates)?;
        Ok(Sizes { segments: verdicts.accounts, purposes: states.accounts.clone() })
    }
}
