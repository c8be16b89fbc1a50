//! From decisions to the state of a profile (sections 7 and 8).

use std::collections::BTreeMap;

use optin::plan::{Conflict, Denial, FieldId, Match, Model, PurposeId};

use super::calendar::{DAY, period_end};
use super::decisions::{Book, Contact, Decision};
use super::identity::{Cluster, People};
use super::loose::{Key, denial_reaches, digested, plain_id};
use super::{World, count};

/// When grants end.
pub const EXPIRING: [&str; 4] =
    ["days_1_to_30", "days_31_to_60", "days_61_to_90", "later_or_never"];

/// The state of a profile for a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Granted,
    Denied,
    Expired,
    Unknown,
    NoContactPoint,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::NoContactPoint => "no_contact_point",
        }
    }

    pub fn passes(self, model: Model) -> bool {
        match model {
            Model::OptIn => self == Self::Granted,
            Model::OptOut => matches!(self, Self::Granted | Self::Unknown),
        }
    }
}

/// What the decisions on one contact point come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fold {
    Denied,
    Granted,
    Expired,
    Unknown,
}

/// True where something that stands on `on` holds for `contact` as a denial does.
pub fn reaches(world: &World<'_>, on: &Contact, contact: &Contact) -> bool {
    match (on, contact) {
        (Contact::Key(left, denied), Contact::Key(right, shown)) => {
            let kind = world.plan.fields[left.0].key.kind();
            left == right && denial_reaches(kind, denied, shown)
        }
        (Contact::Digest(left, digest), Contact::Key(right, shown)) => {
            let kind = world.plan.fields[left.0].key.kind();
            left == right && digested(kind, shown).contains(digest)
        }
        (Contact::Record(left, denied), Contact::Record(right, id)) => {
            left == right && plain_id(denied) == plain_id(id)
        }
        _ => false,
    }
}

/// A decision is about a contact point: equal for a grant, equal or looser for a denial.
fn is_about(world: &World<'_>, decision: &Decision, contact: &Contact) -> bool {
    let stands_on = std::iter::once(&decision.contact).chain(&decision.own_record);
    stands_on
        .into_iter()
        .any(|on| if decision.granted { on == contact } else { reaches(world, on, contact) })
}

fn fold(world: &World<'_>, book: &Book, purpose: PurposeId, contact: &Contact) -> Fold {
    let about: Vec<&Decision> = book
        .decisions
        .iter()
        .filter(|decision| decision.purpose == purpose && is_about(world, decision, contact))
        .collect();
    let sets: Vec<Vec<&Decision>> = match world.plan.consent.conflict {
        Conflict::Latest => vec![about],
        Conflict::Strictest => (0..world.plan.consent.tables.len())
            .map(|table| about.iter().copied().filter(|one| one.table == table).collect())
            .collect(),
    };
    let counting: Vec<&Decision> = sets.iter().filter_map(|set| counting(set)).collect();
    if counting.iter().any(|decision| !decision.granted) {
        Fold::Denied
    } else if counting.iter().any(|grant| !is_expired(world, grant)) {
        Fold::Granted
    } else if !counting.is_empty() {
        Fold::Expired
    } else {
        Fold::Unknown
    }
}

/// The decision of a set that counts.
fn counting<'a>(set: &[&'a Decision]) -> Option<&'a Decision> {
    let undated_denial = set.iter().find(|one| !one.granted && one.sorts_at().is_none());
    if let Some(denial) = undated_denial {
        return Some(denial);
    }
    let newest = set.iter().filter_map(|one| one.sorts_at()).max();
    match newest {
        Some(newest) => {
            let at_that_time = set.iter().filter(|one| one.sorts_at() == Some(newest));
            // False sorts before true: at equal times the denial.
            at_that_time.min_by_key(|one| one.granted).copied()
        }
        // Nothing is dated and nothing denies, so whatever is left is an undated grant.
        None => set.first().copied(),
    }
}

fn is_expired(world: &World<'_>, grant: &Decision) -> bool {
    let Some(period) = world.plan.consent.purposes[grant.purpose.0].expires_after else {
        return false;
    };
    match grant.exists_from() {
        None => true,
        Some(at) => period_end(period, at) <= world.as_of,
    }
}

/// The state of each profile for each purpose.
pub fn states(world: &World<'_>, people: &People, book: &Book) -> Vec<Vec<State>> {
    let clusters = people.judged();
    let mut states: Vec<Vec<State>> = vec![Vec::new(); people.profiles.len()];
    for (index, purpose) in world.plan.consent.purposes.iter().enumerate() {
        let purpose_id = PurposeId(index);
        let own: Vec<Vec<Fold>> = clusters
            .iter()
            .map(|cluster| own_folds(world, people, book, purpose_id, cluster))
            .collect();
        let denied_alone: Vec<bool> = clusters
            .iter()
            .zip(&own)
            .map(|(cluster, own)| {
                let elsewhere = world.plan.consent.denial == Denial::Person
                    && other_folds(world, people, book, purpose_id, cluster)
                        .contains(&Fold::Denied);
                let left = folds_of_those_that_left(world, people, book, purpose_id, cluster);
                own.contains(&Fold::Denied) || elsewhere || left.contains(&Fold::Denied)
            })
            .collect();
        let denied = with_shared(people, &clusters, purpose.via, &denied_alone);
        for (at, states) in states.iter_mut().enumerate() {
            let shown = people.shown_key(clusters[at], purpose.via);
            let own = &own[at];
            let (granted, expired) = (own.contains(&Fold::Granted), own.contains(&Fold::Expired));
            let state = if denied[at] {
                State::Denied
            } else if shown.is_none() {
                if expired && !granted { State::Expired } else { State::NoContactPoint }
            } else if granted {
                State::Granted
            } else if expired {
                State::Expired
            } else {
                State::Unknown
            };
            states.push(state);
        }
    }
    states
}

/// In how many days the grants of the granted end if nobody decides anew, by purpose (section 12):
/// each profile is judged again on the last day of each stretch.
pub fn expiring(
    world: &World<'_>,
    people: &People,
    book: &Book,
    states: &[Vec<State>],
) -> Vec<BTreeMap<&'static str, u64>> {
    let clusters = people.judged();
    let ends = |purpose: PurposeId, cluster: &Cluster| {
        for (name, days) in [("days_1_to_30", 30), ("days_31_to_60", 60), ("days_61_to_90", 90)] {
            let later = World { as_of: world.as_of + days * DAY, ..*world };
            if !own_folds(&later, people, book, purpose, cluster).contains(&Fold::Granted) {
                return name;
            }
        }
        "later_or_never"
    };
    (0..world.plan.consent.purposes.len())
        .map(|purpose| {
            let mut counts: BTreeMap<&'static str, u64> =
                EXPIRING.iter().map(|name| (*name, 0)).collect();
            for (states, cluster) in states.iter().zip(&clusters) {
                if states[purpose] == State::Granted {
                    count(&mut counts, ends(PurposeId(purpose), cluster), 1);
                }
            }
            counts
        })
        .collect()
}

/// Adds those who show a contact point that one who is denied by its own folds shows: one step,
/// which nobody who is reached by it passes on.
fn with_shared(people: &People, clusters: &[&Cluster], via: FieldId, denied: &[bool]) -> Vec<bool> {
    clusters
        .iter()
        .zip(denied)
        .map(|(cluster, is_denied)| {
            let shown = people.shown_key(cluster, via);
            let shared = |shown: &Key| {
                let mut others = clusters.iter().zip(denied);
                others.any(|(other, denied)| *denied && people.shows(other, via, shown))
            };
            *is_denied || shown.is_some_and(shared)
        })
        .collect()
}

/// The folds of the contact point that is shown, and of the records of the cluster.
fn own_folds(
    world: &World<'_>,
    people: &People,
    book: &Book,
    purpose: PurposeId,
    cluster: &Cluster,
) -> Vec<Fold> {
    let via = world.plan.consent.purposes[purpose.0].via;
    let shown = people.shown_key(cluster, via).map(|key| Contact::Key(via, key.clone()));
    let records = cluster.members.iter().filter_map(|member| people.records[*member].name());
    let records = records.map(|(table, id)| Contact::Record(table, id));
    let contacts: Vec<Contact> = shown.into_iter().chain(records).collect();
    contacts.iter().map(|contact| fold(world, book, purpose, contact)).collect()
}

/// The folds of shadows that have an id. They count where they deny only.
fn folds_of_those_that_left(
    world: &World<'_>,
    people: &People,
    book: &Book,
    purpose: PurposeId,
    cluster: &Cluster,
) -> Vec<Fold> {
    let names = cluster.shadows.iter().filter_map(|shadow| people.records[*shadow].name());
    names.map(|(table, id)| fold(world, book, purpose, &Contact::Record(table, id))).collect()
}

/// The folds of all contact points on records of the cluster and on its shadows.
fn other_folds(
    world: &World<'_>,
    people: &People,
    book: &Book,
    purpose: PurposeId,
    cluster: &Cluster,
) -> Vec<Fold> {
    let fields = contact_fields(world);
    let mut folds = Vec::new();
    for record in people.reached(cluster) {
        for field in &fields {
            if let Some(key) = &record.keys[field.0] {
                let contact = Contact::Key(*field, key.clone());
                folds.push(fold(world, book, purpose, &contact));
            }
        }
    }
    folds
}

/// The fields that a consent table matches on, and those that people are contacted through.
fn contact_fields(world: &World<'_>) -> Vec<FieldId> {
    let consent = &world.plan.consent;
    let matched = consent.tables.iter().flat_map(|table| &table.matches);
    let matched = matched.filter_map(|item| match item {
        Match::Key { field, .. } => Some(*field),
        Match::Digest { .. } | Match::Record { .. } => None,
    });
    let mut fields: Vec<FieldId> =
        matched.chain(consent.purposes.iter().map(|purpose| purpose.via)).collect();
    fields.sort();
    fields.dedup();
    fields
}
