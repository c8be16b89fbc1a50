//! The state of every profile for every purpose (docs/semantics.md, section 8).

use std::collections::HashSet;

use rayon::prelude::*;

use super::fold::{Folded, PurposeDecisions};
use super::intake::Decisions;
use super::{State, Subject};
use crate::engine::account::PurposeAccount;
use crate::engine::digest::Digest;
use crate::engine::identity::Clusters;
use crate::engine::keys::{Keys, contact_fields};
use crate::engine::profile::Shown;
use crate::engine::records::Record;
use crate::plan::{Denial, FieldId, Plan, Purpose};

/// The states of all profiles.
#[derive(Debug)]
pub struct States {
    /// By purpose, then profile.
    pub states: Vec<Vec<State>>,
    /// One a purpose.
    pub accounts: Vec<PurposeAccount>,
}

/// Judges every profile for every purpose.
#[must_use]
pub fn states(
    plan: &Plan,
    decisions: &Decisions,
    clusters: &Clusters,
    keys: &Keys,
    shown: &Shown,
) -> States {
    let contacts: Vec<FieldId> = contact_fields(plan).into_iter().collect();
    let mut states = Vec::new();
    let mut accounts = Vec::new();
    for (purpose, decisions) in plan.consent.purposes.iter().zip(&decisions.purposes) {
        let judge = Judge {
            purpose,
            decisions,
            clusters,
            keys,
            contacts: contacts
                .iter()
                .copied()
                .filter(|f| !decisions.is_silent_on(Subject::Field(*f)))
                .collect(),
            records: !decisions.is_silent_on(Subject::Record),
            person: plan.consent.denial == Denial::Person,
        };
        let shown_keys = shown.keys(purpose.via);
        let winners = shown.winners(purpose.via);
        let judged: Vec<(State, bool)> = (0..clusters.len())
            .into_par_iter()
            .with_min_len(1024)
            .map(|cluster| judge.state(cluster, shown_keys[cluster], winners[cluster]))
            .collect();
        let mut of_purpose: Vec<State> = judged.iter().map(|(state, _)| *state).collect();
        let conflicting = judged.iter().filter(|(_, conflicting)| *conflicting).count() as u64;
        deny_shared(&mut of_purpose, shown_keys);
        accounts.push(account(purpose, &of_purpose, conflicting));
        states.push(of_purpose);
    }
    States { states, accounts }
}

/// A denial reached through any profile that shows a contact point denies all that show it.
fn deny_shared(states: &mut [State], shown: &[Digest]) {
    let denied: HashSet<Digest> = states
        .iter()
        .zip(shown)
        .filter(|(state, key)| **state == State::Denied && **key != 0)
        .map(|(_, key)| *key)
        .collect();
    if denied.is_empty() {
        return;
    }
    states.par_iter_mut().zip(shown).for_each(|(state, key)| {
        if *key != 0 && denied.contains(key) {
            *state = State::Denied;
        }
    });
}

fn account(purpose: &Purpose, states: &[State], conflicting: u64) -> PurposeAccount {
    let count = |wanted: State| states.iter().filter(|state| **state == wanted).count() as u64;
    PurposeAccount {
        purpose: purpose.name.clone(),
        granted: count(State::Granted),
        denied: count(State::Denied),
        expired: count(State::Expired),
        unknown: count(State::Unknown),
        no_contact_point: count(State::NoContactPoint),
        conflicting,
    }
}

struct Judge<'a> {
    purpose: &'a Purpose,
    decisions: &'a PurposeDecisions,
    clusters: &'a Clusters,
    keys: &'a Keys,
    /// Fields on which some table speaks of the purpose.
    contacts: Vec<FieldId>,
    /// True if some table speaks of records.
    records: bool,
    person: bool,
}

impl Judge<'_> {
    /// The state, and whether grants and denials stand on different contact points.
    fn state(&self, cluster: usize, shown: Digest, winner: Record) -> (State, bool) {
        let via = self.purpose.via;
        let (mut granted, mut expired, mut own_denied) = (false, false, false);
        let mut own = |folded: Folded| match folded {
            Folded::Granted => granted = true,
            Folded::Expired => expired = true,
            Folded::Denied => own_denied = true,
            Folded::Unknown => {}
        };
        if shown != 0 {
            own(self.contact(via, winner));
        }
        if self.records {
            for record in self.clusters.members(cluster) {
                let id = self.clusters.id_digests[*record as usize];
                let form = self.clusters.id_forms[*record as usize];
                own(self.decisions.fold(Subject::Record, id, &std::iter::once(form)));
            }
        }
        let (mut other_denied, mut other_granted) = (false, false);
        for &record in self.clusters.members(cluster) {
            for &field in &self.contacts {
                if field == via && record == winner {
                    continue;
                }
                match self.contact(field, record) {
                    Folded::Denied => other_denied = true,
                    Folded::Granted => other_granted = true,
                    Folded::Expired | Folded::Unknown => {}
                }
            }
        }
        for record in self.clusters.shadows_of(cluster) {
            for &field in &self.contacts {
                other_denied |= self.contact(field, record) == Folded::Denied;
            }
        }
        let conflicting = (granted || other_granted) && (own_denied || other_denied);
        let state = if own_denied || (self.person && other_denied) {
            State::Denied
        } else if shown == 0 {
            if expired && !granted { State::Expired } else { State::NoContactPoint }
        } else if granted {
            State::Granted
        } else if expired {
            State::Expired
        } else {
            State::Unknown
        };
        (state, conflicting)
    }

    /// The fold of the contact point that a record has in a field.
    fn contact(&self, field: FieldId, record: Record) -> Folded {
        if record == Record::MAX {
            return Folded::Unknown;
        }
        let (digests, _) = self.keys.field(field);
        let key = digests[record as usize];
        if key == 0 {
            return Folded::Unknown;
        }
        self.decisions.fold(Subject::Field(field), key, &self.keys.targets(field, record))
    }
}
