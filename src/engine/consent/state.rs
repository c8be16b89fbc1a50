//! The state of every profile for every purpose (docs/semantics.md, section 8).

use rayon::prelude::*;

use super::fold::{Folded, PurposeDecisions};
use super::intake::Decisions;
use super::{State, Subject};
use crate::engine::account::PurposeAccount;
use crate::engine::digest::{Digest, DigestSet};
use crate::engine::identity::Clusters;
use crate::engine::keys::{Keys, contact_fields};
use crate::engine::profile::Shown;
use crate::engine::records::Record;
use crate::plan::{Denial, FieldId, Plan, Purpose, PurposeId};

/// The states of all profiles.
#[derive(Debug)]
pub struct States {
    /// By purpose, then profile.
    pub of: Vec<Vec<State>>,
    /// By purpose the profiles of which one record's grant meets another's denial.
    pub conflicts: Vec<Vec<u32>>,
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
    let mut states = Vec::new();
    let mut accounts = Vec::new();
    let mut conflicts = Vec::new();
    for (purpose, decisions) in plan.consent.purposes.iter().zip(&decisions.purposes) {
        let judge = Judge::new(plan, purpose, decisions, clusters, keys);
        let shown_keys = shown.keys(purpose.via);
        let winners = shown.winners(purpose.via);
        let judged: Vec<(State, bool)> = (0..clusters.len())
            .into_par_iter()
            .with_min_len(1024)
            .map(|cluster| judge.state(cluster, shown_keys[cluster], winners[cluster]))
            .collect();
        let mut of_purpose: Vec<State> = judged.par_iter().map(|(state, _)| *state).collect();
        let in_conflict: Vec<u32> = (0..u32::try_from(clusters.profiles).unwrap_or(u32::MAX))
            .into_par_iter()
            .zip(&judged[..clusters.profiles])
            .with_min_len(4096)
            .filter(|(_, (_, conflicting))| *conflicting)
            .map(|(profile, _)| profile)
            .collect();
        deny_shared(&mut of_purpose, shown_keys, aside_keys(purpose.via, clusters, keys));
        of_purpose.truncate(clusters.profiles);
        let conflicting = in_conflict.len() as u64;
        conflicts.push(in_conflict);
        accounts.push(account(purpose, &of_purpose, conflicting));
        states.push(of_purpose);
    }
    States { of: states, conflicts, accounts }
}

/// A denial reached through any profile that shows a contact point denies all that show it.
/// Clusters that are set aside show all their contact points.
fn deny_shared<'a>(
    states: &mut [State],
    shown: &[Digest],
    aside: impl Iterator<Item = (usize, impl Iterator<Item = Digest> + 'a)>,
) {
    let mut denied: DigestSet = states
        .iter()
        .zip(shown)
        .filter(|(state, key)| **state == State::Denied && **key != 0)
        .map(|(_, key)| *key)
        .collect();
    for (cluster, keys) in aside {
        if states[cluster] == State::Denied {
            denied.extend(keys.filter(|key| *key != 0));
        }
    }
    if denied.is_empty() {
        return;
    }
    states.par_iter_mut().zip(shown).for_each(|(state, key)| {
        if *key != 0 && denied.contains(key) {
            *state = State::Denied;
        }
    });
}

/// The clusters that are set aside, each with the keys of all its records and shadows.
pub fn aside_keys<'a>(
    field: FieldId,
    clusters: &'a Clusters,
    keys: &'a Keys,
) -> impl Iterator<Item = (usize, impl Iterator<Item = Digest> + 'a)> {
    let (digests, _) = keys.field(field);
    (clusters.profiles..clusters.len()).map(move |cluster| {
        let records = clusters.members(cluster).iter().copied().chain(clusters.shadows_of(cluster));
        (cluster, records.filter_map(|record| digests.get(record as usize).copied()))
    })
}

fn account(purpose: &Purpose, states: &[State], conflicting: u64) -> PurposeAccount {
    let count = |wanted: State| states.par_iter().filter(|state| **state == wanted).count() as u64;
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
    clusters: &'a Clusters,
    /// Fields on which some table speaks of the purpose, with the fold of every record's contact
    /// point.
    contacts: Vec<(FieldId, Vec<Folded>)>,
    /// The folds of the records themselves; none if no table speaks of records.
    records: Option<Vec<Folded>>,
    person: bool,
}

/// Which records of a profile hold a grant of a purpose, and which a denial, on themselves or on
/// one of their contact points.
#[must_use]
pub fn sides(
    plan: &Plan,
    purpose: PurposeId,
    decisions: &Decisions,
    clusters: &Clusters,
    keys: &Keys,
    profile: usize,
) -> (Vec<Record>, Vec<Record>) {
    let declared = &plan.consent.purposes[purpose.0];
    let judge = Judge::new(plan, declared, &decisions.purposes[purpose.0], clusters, keys);
    let holds = |record: Record, wanted: Folded| {
        judge.record(record) == wanted
            || judge.contacts.iter().any(|(_, folded)| folded[record as usize] == wanted)
    };
    let members = clusters.members(profile).iter().copied();
    let granted = members.clone().filter(|record| holds(*record, Folded::Granted)).collect();
    let denied = members
        .chain(clusters.shadows_of(profile))
        .filter(|record| holds(*record, Folded::Denied))
        .collect();
    (granted, denied)
}

impl<'a> Judge<'a> {
    fn new(
        plan: &Plan,
        purpose: &'a Purpose,
        decisions: &'a PurposeDecisions,
        clusters: &'a Clusters,
        keys: &'a Keys,
    ) -> Self {
        let mut fields = contact_fields(plan);
        fields.insert(purpose.via);
        let contacts = fields
            .into_iter()
            .filter(|field| !decisions.is_silent_on(Subject::Field(*field)))
            .map(|field| {
                let (digests, _) = keys.field(field);
                let targets = keys.all_targets(field);
                (field, decisions.fold_all(Subject::Field(field), digests, targets))
            })
            .collect();
        let records = (!decisions.is_silent_on(Subject::Record)).then(|| {
            let forms = std::slice::from_ref(&clusters.id_forms);
            decisions.fold_all(Subject::Record, &clusters.id_digests, forms)
        });
        let person = plan.consent.denial == Denial::Person;
        Self { purpose, clusters, contacts, records, person }
    }
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
        if self.records.is_some() {
            for record in self.clusters.members(cluster) {
                own(self.record(*record));
            }
        }
        let (mut other_denied, mut other_granted) = (false, false);
        for &record in self.clusters.members(cluster) {
            for (field, folded) in &self.contacts {
                if *field == via && record == winner {
                    continue;
                }
                match folded[record as usize] {
                    Folded::Denied => other_denied = true,
                    Folded::Granted => other_granted = true,
                    Folded::Expired | Folded::Unknown => {}
                }
            }
        }
        for record in self.clusters.shadows_of(cluster) {
            for (_, folded) in &self.contacts {
                other_denied |= folded[record as usize] == Folded::Denied;
            }
            // A dropped record has an id; a denial of it counts, a grant does not.
            own_denied |= self.record(record) == Folded::Denied;
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

    /// The fold of a record itself.
    fn record(&self, record: Record) -> Folded {
        self.records.as_ref().map_or(Folded::Unknown, |folded| folded[record as usize])
    }

    /// The fold of the contact point that a record has in a field.
    fn contact(&self, field: FieldId, record: Record) -> Folded {
        let folded = self.contacts.iter().find(|(of, _)| *of == field);
        folded.map_or(Folded::Unknown, |(_, folded)| {
            folded.get(record as usize).copied().unwrap_or(Folded::Unknown)
        })
    }
}
