//! The account: what became of all that was read, put together of what each part counted.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::account::{Account, ClusterSize, CustomerAccount, KeyAccount};
use super::consent::intake::Decisions;
use super::groupings::Groups;
use super::identity::{Clusters, Fate};
use super::keys::Keys;
use super::measures::MeasureAccount;
use super::overlaps;
use super::records::{Record, Records};
use super::related::Aggregates;
use super::segments::{Court, Verdicts};
use super::survivorship::Survivors;
use super::{ExportTable, InternalTable};
use crate::diagnostics::Outcome;
use crate::plan::Plan;

/// What became of all that was read; every sum closes.
///
/// # Errors
/// A sum that does not.
pub fn account(
    court: &Court<'_>,
    survivors: &Survivors<'_>,
    groupings: &[Groups],
    decisions: &Decisions,
    (verdicts, aggregates): (&Verdicts, &Aggregates),
    (exports, tables, measures): (&[ExportTable<'_>], &[InternalTable<'_>], Vec<MeasureAccount>),
) -> Outcome<Account> {
    let Court { plan, records, clusters, keys, states, suppressed, .. } = *court;
    let histories = tables.iter().filter_map(|table| table.history.as_ref());
    let account = Account {
        profiles: clusters.profiles as u64,
        customers: customer_accounts(plan, records, clusters, survivors),
        keys: key_accounts(plan, keys),
        clusters: cluster_sizes(clusters),
        rules: clusters.rules.clone(),
        pairs: clusters.pairs.clone(),
        guards: clusters.guards.clone(),
        previous: clusters.earlier.as_ref().map(|earlier| earlier.account.clone()),
        groupings: groupings.iter().map(|groups| groups.account.clone()).collect(),
        purposes: states.accounts.clone(),
        consent: decisions.accounts.clone(),
        suppression: suppressed.accounts.clone(),
        related: aggregates.accounts.clone(),
        segments: verdicts.accounts.clone(),
        overlaps: overlaps::overlaps(plan, &verdicts.of),
        memberships: histories.flat_map(|history| history.accounts.clone()).collect(),
        exports: exports.iter().map(|export| export.audience.account().clone()).collect(),
        measures,
    };
    account.close()?;
    Ok(account)
}

fn customer_accounts(
    plan: &Plan,
    records: &Records,
    clusters: &Clusters,
    survivors: &Survivors<'_>,
) -> Vec<CustomerAccount> {
    let mut accounts: Vec<CustomerAccount> = plan
        .tables
        .iter()
        .zip(&records.tables)
        .map(|(table, loaded)| CustomerAccount {
            source: plan.sources[table.source.0].name.clone(),
            read: loaded.rows as u64,
            ..CustomerAccount::default()
        })
        .collect();
    for (account, table) in accounts.iter_mut().zip(&records.tables) {
        // Kept, merged, no id, duplicate id, too large, dropped.
        let fates = (table.start..table.start + table.rows)
            .into_par_iter()
            .with_min_len(4096)
            .fold(
                || [0_u64; 6],
                |mut counts, record| {
                    let number = Record::try_from(record).unwrap_or(Record::MAX);
                    let place = match clusters.fate(number) {
                        Fate::NoId => 2,
                        Fate::TooLarge => 4,
                        Fate::Dropped => 5,
                        Fate::Profile(_) if survivors.is_duplicate(number) => 3,
                        Fate::Profile(cluster)
                            if clusters.names.anchors[cluster as usize] == number =>
                        {
                            0
                        }
                        Fate::Profile(cluster) => {
                            // The anchor itself may be the duplicate that was set aside; its id
                            // is not.
                            let anchor = clusters.names.anchors[cluster as usize];
                            let ids = &clusters.id_digests;
                            usize::from(ids.of(number) != ids.of(anchor))
                        }
                    };
                    counts[place] += 1;
                    counts
                },
            )
            .reduce(|| [0; 6], |a, b| std::array::from_fn(|at| a[at] + b[at]));
        account.kept = fates[0];
        account.merged = fates[1];
        account.quarantined_no_id = fates[2];
        account.quarantined_duplicate_id = fates[3];
        account.quarantined_large_cluster = fates[4];
        account.dropped = fates[5];
    }
    accounts
}

fn key_accounts(plan: &Plan, keys: &Keys) -> Vec<KeyAccount> {
    keys.fields()
        .map(|field| {
            let (digests, never) = keys.field(field);
            let values = keys.values(field);
            let usable = digests.par_iter().filter(|digest| **digest != 0).count() as u64;
            let never = if never.is_empty() {
                0
            } else {
                digests.par_iter().filter(|digest| never.contains(digest)).count() as u64
            };
            KeyAccount {
                field: plan.fields[field.0].name.clone(),
                values,
                unusable: values - usable,
                never,
            }
        })
        .collect()
}

fn cluster_sizes(clusters: &Clusters) -> Vec<ClusterSize> {
    /// Sizes below are counted in an array, which is where nearly all are.
    const SMALL: usize = 64;
    let mut small = [0_u64; SMALL];
    let mut large: BTreeMap<u64, u64> = BTreeMap::new();
    for pair in clusters.starts[..=clusters.profiles].windows(2) {
        let size = (pair[1] - pair[0]) as usize;
        match small.get_mut(size) {
            Some(count) => *count += 1,
            None => *large.entry(size as u64).or_default() += 1,
        }
    }
    (0..)
        .zip(small)
        .filter(|(_, clusters)| *clusters > 0)
        .chain(large)
        .map(|(records, clusters)| ClusterSize { records, clusters })
        .collect()
}
