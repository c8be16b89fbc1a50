//! What is set aside of the clusters: those that are too large, and records that link to no
//! earlier table.

use rayon::prelude::*;

use super::numbering::Numbered;
use super::{Cluster, NO_CLUSTER, members_of, starts_of};
use crate::engine::digest::Digest;
use crate::engine::ids::IdDigests;
use crate::engine::records::{Record, Records};
use crate::plan::Plan;

/// What a cluster is, in the order in which clusters stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A profile.
    Profile,
    /// Set aside: too large.
    TooLarge,
    /// Set aside: all its records link to no earlier table.
    Dropped,
}

/// The clusters before they have names: profiles first, then what is set aside.
#[derive(Debug)]
pub struct Draft {
    /// The cluster of each record.
    pub of: Vec<Cluster>,
    /// Where each cluster's members start; one more at the end.
    pub starts: Vec<u32>,
    /// Members of all clusters, in the order of records.
    pub members: Vec<Record>,
    /// What each cluster is.
    pub kinds: Vec<Kind>,
    /// Clusters and their shadows.
    pub shadows: Vec<(Cluster, Record)>,
}

impl Draft {
    /// From the closure of each record and the closures that records without an id agree with.
    pub fn new(
        plan: &Plan,
        records: &Records,
        id_digests: &IdDigests,
        roots: &[Record],
        shadow_links: &[(Record, Record)],
    ) -> Self {
        let Numbered { mut of, mut starts, mut members } = Numbered::new(id_digests, roots);
        let size = |starts: &[u32], cluster: usize| starts[cluster + 1] - starts[cluster];
        let mut shadows: Vec<(Cluster, Record)> =
            shadow_links.iter().map(|(shadow, root)| (of[*root as usize], *shadow)).collect();
        let slice = |c: usize| &members[starts[c] as usize..starts[c + 1] as usize];
        let clusters = starts.len() - 1;
        let mut kinds = vec![Kind::Profile; clusters];
        if let Some(most) = plan.identity.max_cluster {
            kinds.par_iter_mut().enumerate().for_each(|(cluster, kind)| {
                if u64::from(size(&starts, cluster)) > most
                    && ids(id_digests, slice(cluster)) > most
                {
                    *kind = Kind::TooLarge;
                }
            });
        }
        if plan.tables.iter().any(|table| table.drop_unmatched) {
            // Members stand in the order of tables.
            let unmatched = |cluster: usize| {
                let matched = slice(cluster)
                    .iter()
                    .position(|record| !plan.tables[records.place(*record).0.0].drop_unmatched);
                matched.unwrap_or(slice(cluster).len())
            };
            let mut dropped: Vec<(Cluster, Record)> = Vec::new();
            for (number, kind) in (0..).zip(&mut kinds) {
                let cluster = number as usize;
                let first = if *kind == Kind::Profile { unmatched(cluster) } else { 0 };
                if first == slice(cluster).len() {
                    *kind = Kind::Dropped;
                } else {
                    dropped.extend(slice(cluster)[..first].iter().map(|record| (number, *record)));
                }
            }
            if !dropped.is_empty() {
                let mut sizes: Vec<u32> = (0..clusters).map(|at| size(&starts, at)).collect();
                for (cluster, record) in &dropped {
                    of[*record as usize] = NO_CLUSTER;
                    sizes[*cluster as usize] -= 1;
                }
                starts = starts_of(sizes.iter().copied());
                members = members_of(&of, &starts);
                shadows.extend(dropped);
            }
        }
        let mut draft = Self { of, starts, members, kinds, shadows };
        draft.put_profiles_first();
        draft
    }

    /// Numbers the clusters anew if something is set aside: profiles, too large ones, dropped
    /// ones, within each as they stood.
    fn put_profiles_first(&mut self) {
        if self.kinds.iter().any(|kind| *kind != Kind::Profile) {
            let clusters = Cluster::try_from(self.kinds.len()).unwrap_or(NO_CLUSTER);
            let mut order: Vec<Cluster> = (0..clusters).collect();
            order.sort_by_key(|cluster| self.kinds[*cluster as usize]);
            let mut rank = vec![0; order.len()];
            for (at, cluster) in (0..).zip(&order) {
                rank[*cluster as usize] = at;
            }
            let sizes = order.iter().map(|cluster| {
                let at = *cluster as usize;
                self.starts[at + 1] - self.starts[at]
            });
            self.starts = starts_of(sizes);
            self.kinds.sort_unstable();
            let ranked = |cluster: &mut Cluster| {
                if *cluster != NO_CLUSTER {
                    *cluster = rank[*cluster as usize];
                }
            };
            self.of.par_iter_mut().for_each(ranked);
            self.shadows.iter_mut().for_each(|(cluster, _)| ranked(cluster));
            self.members = members_of(&self.of, &self.starts);
        }
        self.shadows.sort_unstable();
        self.shadows.dedup();
    }

    /// The members of a cluster.
    pub fn members(&self, cluster: usize) -> &[Record] {
        &self.members[self.starts[cluster] as usize..self.starts[cluster + 1] as usize]
    }
}

/// Different ids among records.
fn ids(id_digests: &IdDigests, members: &[Record]) -> u64 {
    let mut ids: Vec<Digest> = members.iter().map(|record| id_digests.of(*record)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len() as u64
}
