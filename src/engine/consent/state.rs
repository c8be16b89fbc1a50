//! The state of every profile for every purpose (docs/semantics.md, section 8).

use rayon::prelude::*;

use super::fold::{Folded, Lasting, PurposeDecisions};
use super::intake::Decisions;
use super::{State, Subject};
use crate::diagnostics::{Diagnostic, Outcome};
use crate::engine::account::{ConsentAccount, Expiring, PurposeAccount};
use crate::engine::digest::{Digest, DigestSet};
use crate::engine::gathered::Index;
use crate::engine::identity::Clusters;
use crate::engine::keys::{Indexes, Keys, contact_fields};
use crate::engine::memory::unreadable;
use crate::engine::profile::{Shown, ShownField};
use crate::engine::records::Record;
use crate::engine::survivorship::NOBODY;
use crate::plan::{Denial, FieldId, Plan, Purpose, PurposeId};

/// The states of all profiles.
#[derive(Debug)]
pub struct States {
    /// By purpose, then profile.
    pub of: Vec<Vec<State>>,
    /// By purpose the profiles of which one record's grant meets another's denial, ascending.
    pub conflicts: Vec<Vec<u32>>,
    /// One a purpose.
    pub accounts: Vec<PurposeAccount>,
    /// By purpose what the decisions on each record and its contact points come to.
    folds: Vec<PurposeFolds>,
}

/// Judges every profile for every purpose, and completes the accounts of the consent tables.
///
/// # Errors
/// What is on disk and cannot be read.
pub fn states(
    plan: &Plan,
    decisions: &mut Decisions,
    clusters: &Clusters,
    (keys, indexes): (&Keys, &Indexes),
    shown: &Shown,
) -> Outcome<States> {
    let mut all = States::none();
    // What is folded is not needed any more.
    let purposes = std::mem::take(&mut decisions.purposes);
    for (purpose, of_purpose) in plan.consent.purposes.iter().zip(purposes) {
        let accounts = &mut decisions.accounts;
        let folds =
            PurposeFolds::new(plan, purpose, &of_purpose, accounts, clusters, (keys, indexes))?;
        drop(of_purpose);
        tracing::debug!(purpose = purpose.name, "decisions folded");
        all.judge(plan, purpose, folds, clusters, (keys, shown));
    }
    Ok(all)
}

/// As [`states`], under the settings of a plan that may judge the same decisions otherwise than they were
/// judged before. They stay, and no account is completed.
///
/// # Errors
/// As [`states`].
pub fn states_again(
    plan: &Plan,
    decisions: &mut Decisions,
    clusters: &Clusters,
    (keys, indexes): (&Keys, &Indexes),
    shown: &Shown,
) -> Outcome<States> {
    let mut all = States::none();
    let mut accounts = decisions.accounts.clone();
    for (purpose, of_purpose) in plan.consent.purposes.iter().zip(&mut decisions.purposes) {
        of_purpose.conflict = plan.consent.conflict;
        of_purpose.expires_after = purpose.expires_after;
        let at = (keys, indexes);
        let folds = PurposeFolds::new(plan, purpose, of_purpose, &mut accounts, clusters, at)?;
        all.judge(plan, purpose, folds, clusters, (keys, shown));
    }
    Ok(all)
}

/// A denial reached through any profile that shows a contact point denies all that show it.
/// Clusters that are set aside show all their contact points.
fn deny_shared<'a>(
    states: &mut [State],
    shown: ShownField<'_>,
    aside: impl Iterator<Item = (usize, impl Iterator<Item = Digest> + 'a)>,
) {
    let mut denied: DigestSet = (0..)
        .zip(&*states)
        .filter(|(_, state)| **state == State::Denied)
        .map(|(cluster, _)| shown.key(cluster))
        .filter(|key| *key != 0)
        .collect();
    for (cluster, keys) in aside {
        if states[cluster] == State::Denied {
            denied.extend(keys.filter(|key| *key != 0));
        }
    }
    if denied.is_empty() {
        return;
    }
    states.par_iter_mut().enumerate().with_min_len(4096).for_each(|(cluster, state)| {
        let key = shown.key(cluster);
        if key != 0 && denied.contains(&key) {
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

/// How long the grants of those who are granted will hold. A denial that others bring about is in the
/// states already.
fn expiring(states: &[State], judged: &[Judgement]) -> Expiring {
    let counts = states
        .par_iter()
        .zip(judged)
        .with_min_len(4096)
        .filter(|(state, _)| **state == State::Granted)
        .fold(
            || [0_u64; Lasting::ALL.len()],
            |mut counts, (_, judged)| {
                counts[judged.lasting as usize] += 1;
                counts
            },
        )
        .reduce(|| [0; Lasting::ALL.len()], |a, b| std::array::from_fn(|at| a[at] + b[at]));
    Expiring {
        days_1_to_30: counts[Lasting::Days30 as usize],
        days_31_to_60: counts[Lasting::Days60 as usize],
        days_61_to_90: counts[Lasting::Days90 as usize],
        later_or_never: counts[Lasting::Longer as usize],
    }
}

fn account(
    purpose: &Purpose,
    states: &[State],
    conflicting: u64,
    expiring: Expiring,
) -> PurposeAccount {
    let count = |wanted: State| states.par_iter().filter(|state| **state == wanted).count() as u64;
    PurposeAccount {
        purpose: purpose.name.clone(),
        granted: count(State::Granted),
        denied: count(State::Denied),
        expired: count(State::Expired),
        unknown: count(State::Unknown),
        no_contact_point: count(State::NoContactPoint),
        conflicting,
        expiring,
    }
}

/// What the decisions on one purpose come to, for every record.
#[derive(Debug)]
struct PurposeFolds {
    /// Fields on which some table speaks of the purpose, with the fold of every record's contact
    /// point.
    contacts: Vec<(FieldId, Vec<Folded>)>,
    /// The folds of the records themselves; none if no table speaks of records.
    records: Option<Vec<Folded>>,
}

impl PurposeFolds {
    fn new(
        plan: &Plan,
        purpose: &Purpose,
        of_purpose: &PurposeDecisions,
        accounts: &mut [ConsentAccount],
        clusters: &Clusters,
        (keys, indexes): (&Keys, &Indexes),
    ) -> Outcome<Self> {
        let mut fields = contact_fields(plan);
        fields.insert(purpose.via);
        let mut fold = |subject, index: Option<&Index>, keys: &[Digest]| {
            let Some(index) = index.filter(|_| !of_purpose.is_silent_on(subject)) else {
                return Ok(None);
            };
            let folds = of_purpose.fold(subject, index, keys).map_err(unreadable)?;
            for set in folds.sets {
                let account = &mut accounts[set.table];
                account.used += set.used;
                account.folded += set.decisions - set.used;
                account.heard |= set.heard;
            }
            Ok::<_, Diagnostic>(Some(folds.of))
        };
        let mut contacts = Vec::new();
        for field in fields {
            let (digests, _) = keys.field(field);
            let folded = fold(Subject::Field(field), indexes.of(field), digests)?;
            contacts.extend(folded.map(|folded| (field, folded)));
        }
        let records = fold(Subject::Record, indexes.ids.as_ref(), clusters.id_digests.as_keys())?;
        Ok(Self { contacts, records })
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

impl States {
    fn none() -> Self {
        Self { of: Vec::new(), conflicts: Vec::new(), accounts: Vec::new(), folds: Vec::new() }
    }

    /// Judges every profile for one more purpose.
    fn judge(
        &mut self,
        plan: &Plan,
        purpose: &Purpose,
        folds: PurposeFolds,
        clusters: &Clusters,
        (keys, shown): (&Keys, &Shown),
    ) {
        let judge = Judge {
            purpose,
            clusters,
            folds: &folds,
            person: plan.consent.denial == Denial::Person,
        };
        let shown = shown.field(purpose.via, keys);
        let judged: Vec<Judgement> = (0..clusters.len())
            .into_par_iter()
            .with_min_len(1024)
            .map(|cluster| judge.state(cluster, shown.winners[cluster]))
            .collect();
        let mut of_purpose: Vec<State> = judged.par_iter().map(|judged| judged.state).collect();
        let in_conflict: Vec<u32> = (0..u32::try_from(clusters.profiles).unwrap_or(u32::MAX))
            .into_par_iter()
            .zip(&judged[..clusters.profiles])
            .with_min_len(4096)
            .filter(|(_, judged)| judged.conflicting)
            .map(|(profile, _)| profile)
            .collect();
        if !clusters.tell_apart(plan, purpose.via) {
            deny_shared(&mut of_purpose, shown, aside_keys(purpose.via, clusters, keys));
        }
        of_purpose.truncate(clusters.profiles);
        let expiring = expiring(&of_purpose, &judged);
        self.accounts.push(account(purpose, &of_purpose, in_conflict.len() as u64, expiring));
        self.conflicts.push(in_conflict);
        self.of.push(of_purpose);
        self.folds.push(folds);
        tracing::debug!(purpose = purpose.name, "profiles judged");
    }

    /// Of one profile, by purpose.
    #[must_use]
    pub fn of_one(states: Vec<State>) -> Self {
        let of = states.into_iter().map(|state| vec![state]).collect();
        Self { of, conflicts: Vec::new(), accounts: Vec::new(), folds: Vec::new() }
    }

    /// True if a cluster is denied by what is decided on itself, and shows the contact point that this
    /// profile shows.
    #[must_use]
    pub fn denied_through_others(
        &self,
        plan: &Plan,
        purpose: PurposeId,
        shown: &Shown,
        (clusters, keys): (&Clusters, &Keys),
        profile: usize,
    ) -> bool {
        let of_purpose = &plan.consent.purposes[purpose.0];
        let shown = shown.field(of_purpose.via, keys);
        let key = shown.key(profile);
        if key == 0 || clusters.tell_apart(plan, of_purpose.via) {
            return false;
        }
        let judge = Judge {
            purpose: of_purpose,
            clusters,
            folds: &self.folds[purpose.0],
            person: plan.consent.denial == Denial::Person,
        };
        let is_denied =
            |cluster: usize| judge.state(cluster, shown.winners[cluster]).state == State::Denied;
        (0..clusters.len())
            .into_par_iter()
            .with_min_len(4096)
            .any(|other| other != profile && shown.key(other) == key && is_denied(other))
            || aside_keys(of_purpose.via, clusters, keys)
                .any(|(aside, mut keys)| keys.any(|of| of == key) && is_denied(aside))
    }

    /// Which records of a profile hold a grant of a purpose, and which a denial, on themselves or
    /// on one of their contact points.
    #[must_use]
    pub fn sides(
        &self,
        purpose: PurposeId,
        clusters: &Clusters,
        profile: usize,
    ) -> (Vec<Record>, Vec<Record>) {
        let folds = &self.folds[purpose.0];
        let holds = |record: Record, wanted: fn(Folded) -> bool| {
            wanted(folds.record(record))
                || folds.contacts.iter().any(|(_, folded)| wanted(folded[record as usize]))
        };
        let members = clusters.members(profile).iter().copied();
        let granted = members.clone().filter(|record| holds(*record, Folded::is_granted)).collect();
        let denied = members
            .chain(clusters.shadows_of(profile))
            .filter(|record| holds(*record, |folded| folded == Folded::Denied))
            .collect();
        (granted, denied)
    }
}

struct Judge<'a> {
    purpose: &'a Purpose,
    clusters: &'a Clusters,
    folds: &'a PurposeFolds,
    person: bool,
}

/// What becomes of a profile by its own records.
#[derive(Clone, Copy, Debug)]
struct Judgement {
    state: State,
    /// Grants and denials stand on different contact points.
    conflicting: bool,
    /// How long its grant will hold, if it has one.
    lasting: Lasting,
}

impl Judge<'_> {
    fn state(&self, cluster: usize, winner: Record) -> Judgement {
        let via = self.purpose.via;
        let (mut granted, mut expired, mut own_denied) = (false, false, false);
        // Of several grants the one that lasts longest counts.
        let mut lasting = Lasting::Days30;
        let mut own = |folded: Folded| match folded {
            Folded::Granted(until) => {
                granted = true;
                lasting = lasting.max(until);
            }
            Folded::Expired => expired = true,
            Folded::Denied => own_denied = true,
            Folded::Unknown => {}
        };
        if winner != NOBODY {
            own(self.folds.contact(via, winner));
        }
        if self.folds.records.is_some() {
            for record in self.clusters.members(cluster) {
                own(self.folds.record(*record));
            }
        }
        let (mut other_denied, mut other_granted) = (false, false);
        for &record in self.clusters.members(cluster) {
            for (field, folded) in &self.folds.contacts {
                if *field == via && record == winner {
                    continue;
                }
                match folded[record as usize] {
                    Folded::Denied => other_denied = true,
                    Folded::Granted(_) => other_granted = true,
                    Folded::Expired | Folded::Unknown => {}
                }
            }
        }
        for record in self.clusters.shadows_of(cluster) {
            for (_, folded) in &self.folds.contacts {
                other_denied |= folded[record as usize] == Folded::Denied;
            }
            // A dropped record has an id; a denial of it counts, a grant does not.
            own_denied |= self.folds.record(record) == Folded::Denied;
        }
        let conflicting = (granted || other_granted) && (own_denied || other_denied);
        let state = if own_denied || (self.person && other_denied) {
            State::Denied
        } else if winner == NOBODY {
            if expired && !granted { State::Expired } else { State::NoContactPoint }
        } else if granted {
            State::Granted
        } else if expired {
            State::Expired
        } else {
            State::Unknown
        };
        Judgement { state, conflicting, lasting }
    }
}
