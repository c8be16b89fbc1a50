//! Suppression: who is never contacted (docs/semantics.md, section 9).

use std::collections::HashSet;

use rayon::prelude::*;

use super::Subject;
use super::fold::{DecisionSet, Drawer, hit_by};
use super::hashed;
use super::state::aside_keys;
use crate::diagnostics::{Code, Diagnostic, Outcome, Site};
use crate::engine::account::SuppressionAccount;
use crate::engine::cells::Cells;
use crate::engine::digest::DigestSet;
use crate::engine::identity::Clusters;
use crate::engine::ids::id_text;
use crate::engine::key_reader::{KeyForms, KeyReader};
use crate::engine::keys::{Indexes, Keys};
use crate::engine::memory::unreadable;
use crate::engine::profile::Shown;
use crate::engine::records::Records;
use crate::engine::source::Loaded;
use crate::normalize::{Sha, read_sha};
use crate::plan::{FieldId, Match, Plan, Suppression, Unmatchable};

/// Which profiles each list hits.
#[derive(Debug)]
pub struct Suppressed {
    /// By list, then profile.
    hits: Vec<Vec<bool>>,
    /// One a list.
    pub accounts: Vec<SuppressionAccount>,
}

/// Reads the lists and finds whom they hit.
///
/// # Errors
/// An entry that matches nobody's key in a list that does not say `unmatchable: report`.
pub fn suppressed(
    plan: &Plan,
    loaded: &[Option<Loaded>],
    (records, clusters): (&Records, &Clusters),
    indexes: &Indexes,
) -> Outcome<Suppressed> {
    let mut hits = Vec::new();
    let mut accounts = Vec::new();
    for list in &plan.consent.suppress {
        let Some(source) = &loaded[list.source.0] else { continue };
        let (entries, digests, mut account) = read(plan, list, source)?;
        // Records first, partition by partition; then whose cluster one of them is.
        let mut of_record = vec![false; clusters.of.len()];
        for (subject, set) in &entries {
            let index = match subject {
                Subject::Field(field) => indexes.of(*field),
                Subject::Record => indexes.ids.as_ref(),
            };
            let Some(index) = index else { continue };
            let (hits, used) = hit_by(set, index, of_record.len()).map_err(unreadable)?;
            tracing::debug!(list = account.source, "records looked up");
            of_record.par_iter_mut().zip(hits).for_each(|(of_record, hit)| *of_record |= hit);
            account.used += used;
            account.folded += set.decisions - used;
        }
        for (field, digests) in &digests {
            hashed::mark(plan, loaded, records, (*field, digests), &mut of_record)?;
        }
        let hit: Vec<bool> = (0..clusters.len())
            .into_par_iter()
            .with_min_len(2048)
            .map(|cluster| {
                clusters.members(cluster).iter().any(|record| of_record[*record as usize])
                    || clusters.shadows_of(cluster).any(|record| of_record[record as usize])
            })
            .collect();
        account.profiles = hit[..clusters.profiles].iter().filter(|hit| **hit).count() as u64;
        // Whoever is listed by a digest has been erased, as a rule, and is no customer any more.
        let of_nobody = digests.is_empty() && !of_record.par_iter().any(|hit| *hit);
        account.unheard = account.used > 0 && of_nobody;
        hits.push(hit);
        accounts.push(account);
    }
    Ok(Suppressed { hits, accounts })
}

/// A list's entries by subject, under the forms by which a suppression matches.
type Entries = Vec<(Subject, DecisionSet)>;

/// A list's entries that are digests, by field.
type Digests = Vec<(FieldId, HashSet<Sha>)>;

fn read(
    plan: &Plan,
    list: &Suppression,
    source: &Loaded,
) -> Outcome<(Entries, Digests, SuppressionAccount)> {
    let mut account = SuppressionAccount {
        source: plan.sources[list.source.0].name.clone(),
        ..Default::default()
    };
    let mut filled = vec![false; source.rows];
    let mut first_unmatchable = None;
    let mut entries = Vec::new();
    let mut has_record = vec![false; source.rows];
    for matched in &list.matches {
        if let Match::Record { table, column } = matched {
            let ids = Cells::of(&source.column(column)?.series)?;
            let mut drawer = Drawer::with_room(source.rows);
            for row in 0..source.rows {
                if let Some(id) = id_text(&ids, row) {
                    (filled[row], has_record[row]) = (true, true);
                    drawer.file(&KeyForms::of_record(*table, &id), false, None, true);
                }
            }
            let set = DecisionSet::of(entries.len(), drawer.close());
            account.read += set.decisions;
            entries.push((Subject::Record, set));
        }
    }
    for matched in &list.matches {
        let (Match::Key { field, .. }, Some(reader)) =
            (matched, KeyReader::for_match(plan, matched, source)?)
        else {
            continue;
        };
        let loose: Vec<_> = (0..source.rows)
            .into_par_iter()
            .with_min_len(2048)
            .map(|row| (!reader.is_null(row)).then(|| reader.denial(row)))
            .collect();
        let mut drawer = Drawer::with_room(source.rows);
        for (row, cell) in loose.iter().enumerate() {
            match cell {
                None => {}
                Some(Some(forms)) => {
                    filled[row] = true;
                    drawer.file(forms, false, None, true);
                }
                Some(None) => {
                    filled[row] = true;
                    if !has_record[row] {
                        account.read += 1;
                        account.unmatchable += 1;
                        first_unmatchable.get_or_insert(row);
                    }
                }
            }
        }
        let set = DecisionSet::of(entries.len(), drawer.close());
        account.read += set.decisions;
        entries.push((Subject::Field(*field), set));
    }
    let digests = read_digests(list, source, |row, is_new| {
        filled[row] = true;
        match is_new {
            Some(true) => account.used += 1,
            Some(false) => account.folded += 1,
            None if has_record[row] => return,
            None => {
                account.unmatchable += 1;
                first_unmatchable.get_or_insert(row);
            }
        }
        account.read += 1;
    })?;
    let empty = filled.iter().filter(|filled| !**filled).count() as u64;
    account.read += empty;
    account.unmatchable += empty;
    if empty > 0 {
        let row = filled.iter().position(|filled| !filled);
        first_unmatchable = match (first_unmatchable, row) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    if account.unmatchable > 0 && list.unmatchable == Unmatchable::Stop {
        return Err(Diagnostic::error(
            Code::UnmatchableDenial,
            format!(
                "{} entries of the suppression list `{}` have no usable key",
                account.unmatchable, account.source
            ),
        )
        .in_file(Site {
            file: plan.sources[list.source.0].files.first().cloned().unwrap_or_default(),
            row: first_unmatchable.map(|row| row as u64 + 1),
            ..Site::default()
        })
        .help(
            "correct the rows, or write `unmatchable: report` on this list to go on and count them",
        )
        .into());
    }
    Ok((entries, digests, account))
}

/// A list's digests. Of each cell that is filled it is told whether its digest is a new one, or it is
/// none.
fn read_digests(
    list: &Suppression,
    source: &Loaded,
    mut tell: impl FnMut(usize, Option<bool>),
) -> Outcome<Digests> {
    let mut digests = Digests::new();
    for matched in &list.matches {
        let Match::Digest { field, column } = matched else { continue };
        let cells = Cells::of(&source.column(column)?.series)?;
        let mut of_field = HashSet::new();
        for row in 0..source.rows {
            if let Some(text) = cells.text(row) {
                tell(row, read_sha(&text).map(|sha| of_field.insert(sha)));
            }
        }
        digests.push((*field, of_field));
    }
    Ok(digests)
}

impl Suppressed {
    /// For each cluster whether a list that binds one of these fields hits it.
    fn direct(&self, plan: &Plan, channels: &[FieldId], clusters: usize) -> Vec<bool> {
        let mut all = vec![false; clusters];
        for (list, hits) in plan.consent.suppress.iter().zip(&self.hits) {
            if list.binds(channels) {
                all.par_iter_mut().zip(hits).for_each(|(all, hit)| *all |= *hit);
            }
        }
        all
    }

    /// True if a list that binds one of these fields hits another cluster, which shows the contact point
    /// there that this profile shows.
    #[must_use]
    pub fn through_others(
        &self,
        plan: &Plan,
        channels: &[FieldId],
        shown: &Shown,
        (clusters, keys): (&Clusters, &Keys),
        profile: usize,
    ) -> bool {
        let direct = self.direct(plan, channels, clusters.len());
        channels.iter().filter(|channel| !clusters.tell_apart(plan, **channel)).any(|channel| {
            let shown = shown.field(*channel, keys);
            let key = shown.key(profile);
            let shows = |other: usize| other != profile && shown.key(other) == key;
            key != 0
                && ((0..direct.len()).any(|other| direct[other] && shows(other))
                    || aside_keys(*channel, clusters, keys)
                        .any(|(aside, mut keys)| direct[aside] && keys.any(|of| of == key)))
        })
    }

    /// For each profile whether it is suppressed for what goes out through these fields: a list
    /// that binds one of them hits it, or hits a profile that shows the same contact point there.
    #[must_use]
    pub fn through(
        &self,
        plan: &Plan,
        channels: &[FieldId],
        shown: &Shown,
        clusters: &Clusters,
        keys: &Keys,
    ) -> Vec<bool> {
        let mut all = self.direct(plan, channels, clusters.len());
        let direct = all.clone();
        for &channel in channels {
            if clusters.tell_apart(plan, channel) {
                continue;
            }
            let shown = shown.field(channel, keys);
            let mut shared: DigestSet = (0..)
                .zip(&direct)
                .filter(|(_, hit)| **hit)
                .map(|(cluster, _)| shown.key(cluster))
                .filter(|key| *key != 0)
                .collect();
            for (cluster, keys) in aside_keys(channel, clusters, keys) {
                if direct[cluster] {
                    shared.extend(keys.filter(|key| *key != 0));
                }
            }
            if !shared.is_empty() {
                all.par_iter_mut().enumerate().with_min_len(4096).for_each(|(cluster, all)| {
                    let key = shown.key(cluster);
                    *all |= key != 0 && shared.contains(&key);
                });
            }
        }
        all.truncate(clusters.profiles);
        all
    }
}
