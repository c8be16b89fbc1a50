//! The fold: what all decisions on one contact point (or record) come to for one purpose.
//!
//! Decisions are filed in sets, one a consent table. Grants are filed under the equal key,
//! denials under every form by which they match more loosely, so that a look-up of a contact
//! point's own forms finds each denial that reaches it (docs/semantics.md, sections 6 and 7).
//!
//! Sets and contact points are scattered by the same bits of their digests (`engine/partition`), so a
//! fold goes partition by partition: the table of a partition's decisions is made, asked by the
//! contact points of the partition, and forgotten.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use rayon::prelude::*;

use super::Subject;
use crate::diagnostics::Outcome;
use crate::engine::digest::Digest;
use crate::engine::gathered::Index;
use crate::engine::key_reader::KeyForms;
use crate::engine::memory::Memory;
use crate::engine::partition::{
    Entry, Held, PARTITIONS, Parts, Scattered, Stored as _, Tag, clear, partition_of, place,
    subs_of,
};
use crate::engine::records::Record;
use crate::plan::{Conflict, Instant, Period};
use crate::planted;

pub use super::expiry::Lasting;
use super::expiry::{Expiry, NEVER};

/// Decisions of one kind on one digest in one set, folded: all that is ever asked of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    dated: i64,
    undated: bool,
}

impl Newest {
    /// No decision.
    pub const NONE: Self = Self { dated: NEVER, undated: false };

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { dated: self.dated.max(other.dated), undated: self.undated || other.undated }
    }
}

/// Marks of entries and of places in a table.
mod mark {
    /// A counted decision has this key.
    pub const COUNTED: u32 = 1;
    /// A grant.
    pub const GRANT: u32 = 1 << 1;
    /// A denial.
    pub const DENIAL: u32 = 1 << 2;
    /// A grant without a time.
    pub const UNDATED_GRANT: u32 = 1 << 3;
    /// A denial without a time.
    pub const UNDATED_DENIAL: u32 = 1 << 4;
    /// A place that is taken.
    pub const TAKEN: u32 = 1 << 5;
}

/// Decisions of some rows of one table on one purpose and subject, on their way into a set.
#[derive(Debug)]
pub struct Drawer {
    entries: Vec<Entry>,
    decisions: u64,
}

impl Drawer {
    /// Room for about so many decisions.
    #[must_use]
    pub fn with_room(decisions: usize) -> Self {
        Self { entries: Vec::with_capacity(decisions), decisions: 0 }
    }

    /// Files a decision. Where it is not `counted`, another subject counts it.
    pub fn file(&mut self, stand: &KeyForms, granted: bool, at: Option<i64>, counted: bool) {
        self.decisions += u64::from(counted);
        let counted = if counted { mark::COUNTED } else { 0 };
        let time = at.unwrap_or(NEVER);
        let undated = |kind| if at.is_none() { kind } else { 0 };
        if granted {
            let kind = counted | mark::GRANT | undated(mark::UNDATED_GRANT);
            self.entries.push(Entry::new(stand.key, kind, time));
            return;
        }
        let denial = mark::DENIAL | undated(mark::UNDATED_DENIAL);
        // The key is known even where it is no form, so that distinct keys can be counted.
        let own = if stand.own { denial } else { 0 };
        if own | counted != 0 {
            self.entries.push(Entry::new(stand.key, own | counted, time));
        }
        for form in stand.others.iter().filter(|form| **form != 0) {
            self.entries.push(Entry::new(*form, denial, time));
        }
    }
}

impl Drawer {
    /// Files all by partition.
    #[must_use]
    pub fn close(self) -> Drawers {
        let entries = Scattered::of(vec![Parts::of_entries(&self.entries)]);
        Drawers { entries, decisions: self.decisions }
    }
}

/// The same by partition, of many rows.
#[derive(Debug, Default)]
pub struct Drawers {
    entries: Scattered<Entry>,
    decisions: u64,
}

impl Drawers {
    /// Adds those of the rows behind.
    pub fn append(&mut self, more: Self) {
        self.entries.append(more.entries);
        self.decisions += more.decisions;
    }

    /// How many bytes stand in memory.
    #[must_use]
    pub fn in_memory(&self) -> u64 {
        self.entries.in_memory()
    }

    /// Puts them on disk.
    ///
    /// # Errors
    /// A disk that cannot take them.
    pub fn spill(&mut self, memory: &Memory) -> Outcome<()> {
        memory.spill(&mut self.entries)
    }
}

/// The decisions of one table on one purpose and subject.
#[derive(Debug)]
pub struct DecisionSet {
    /// The consent table, or the suppression list.
    pub table: usize,
    /// How many decisions are counted here.
    pub decisions: u64,
    entries: Scattered<Entry>,
}

impl DecisionSet {
    /// All decisions of a table.
    #[must_use]
    pub fn of(table: usize, drawers: Drawers) -> Self {
        Self { table, decisions: drawers.decisions, entries: drawers.entries }
    }

    /// True if nobody decided.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// All that is said of one key in one set.
#[derive(Clone, Copy)]
struct Slot {
    low: u64,
    middle: u32,
    marks: u32,
    grant: i64,
    denial: i64,
}

const FREE: Slot = Slot { low: 0, middle: 0, marks: 0, grant: NEVER, denial: NEVER };

impl Slot {
    fn is(&self, tag: Tag) -> bool {
        self.low == tag.low && self.middle == tag.middle
    }

    fn grants(&self) -> Newest {
        Newest { dated: self.grant, undated: self.marks & mark::UNDATED_GRANT != 0 }
    }

    fn denials(&self) -> Newest {
        Newest { dated: self.denial, undated: self.marks & mark::UNDATED_DENIAL != 0 }
    }
}

/// What one set says of the keys of one partition. Its memory serves one partition after the other.
#[derive(Default)]
struct Table {
    slots: Vec<Slot>,
    mask: usize,
}

impl Table {
    /// Takes the entries of any of the `kinds`; the number of keys that are counted.
    fn fill(&mut self, entries: &[Entry], kinds: u32) -> u64 {
        let mut counted = 0;
        self.mask = clear(&mut self.slots, entries.len(), FREE);
        for said in entries.iter().filter(|said| said.kind() & kinds != 0) {
            let tag = said.tag();
            let mut at = place(tag, self.mask);
            let slot = loop {
                let slot = &mut self.slots[at];
                if slot.marks == 0 {
                    (slot.low, slot.middle) = (tag.low, tag.middle);
                    break slot;
                }
                if slot.is(tag) {
                    break slot;
                }
                at = (at + 1) & self.mask;
            };
            counted += u64::from(said.kind() & mark::COUNTED & !slot.marks);
            slot.marks |= said.kind() | mark::TAKEN;
            if said.kind() & mark::GRANT != 0 {
                slot.grant = slot.grant.max(said.at);
            }
            if said.kind() & mark::DENIAL != 0 {
                slot.denial = slot.denial.max(said.at);
            }
        }
        counted
    }

    fn find(&self, tag: Tag) -> Option<&Slot> {
        let mut at = place(tag, self.mask);
        loop {
            let slot = &self.slots[at];
            if slot.marks == 0 {
                return None;
            }
            if slot.is(tag) {
                return Some(slot);
            }
            at = (at + 1) & self.mask;
        }
    }
}

/// What the decisions on one contact point come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Folded {
    /// No decision counts.
    Unknown,
    /// There was a grant; it has ended.
    Expired,
    /// A grant holds, and how long it will if nobody decides anew.
    Granted(Lasting),
    /// A denial holds.
    Denied,
}

impl Folded {
    /// What two sets come to: any denial denies, else the grant that holds longest, else one that has
    /// ended.
    fn strictest(self, other: Self) -> Self {
        self.max(other)
    }

    /// True if a grant holds.
    #[must_use]
    pub const fn is_granted(self) -> bool {
        matches!(self, Self::Granted(_))
    }

    const fn number(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Expired => 1,
            Self::Granted(lasting) => 2 + lasting as u8,
            Self::Denied => 2 + Lasting::COUNT,
        }
    }

    fn from(number: u8) -> Self {
        match number {
            0 => Self::Unknown,
            1 => Self::Expired,
            _ => Lasting::ALL
                .get(usize::from(number) - 2)
                .map_or(Self::Denied, |lasting| Self::Granted(*lasting)),
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

/// The folds of all records, and what became of each set.
pub struct Folds {
    /// By record.
    pub of: Vec<Folded>,
    /// One a set.
    pub sets: Vec<SetCount>,
}

/// What became of the decisions of one set.
#[derive(Clone, Copy, Debug)]
pub struct SetCount {
    /// Its consent table.
    pub table: usize,
    /// Its counted keys.
    pub used: u64,
    /// Its counted decisions.
    pub decisions: u64,
    /// Whether one of them stands on a record's key, or reaches it.
    pub heard: bool,
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

    /// Folds the decisions on one subject for all records, of which `keys` are the keys.
    ///
    /// # Errors
    /// Decisions or keys on disk that cannot be read.
    pub fn fold(&self, subject: Subject, index: &Index, keys: &[Digest]) -> io::Result<Folds> {
        let sets: Vec<&DecisionSet> =
            self.sets.iter().filter(|(of, _)| *of == subject).map(|(_, set)| set).collect();
        let far = far_denials(&sets, index, keys)?;
        let expiry = Expiry::new(self.expires_after, self.as_of);
        let folded: Vec<AtomicU8> = (0..keys.len())
            .into_par_iter()
            .with_min_len(1 << 16)
            .map(|_| AtomicU8::new(0))
            .collect();
        let used: Vec<AtomicU64> = sets.iter().map(|_| AtomicU64::new(0)).collect();
        let heard: Vec<AtomicBool> = sets.iter().map(|_| AtomicBool::new(false)).collect();
        let desk = || Desk {
            tables: sets.iter().map(|_| Table::default()).collect(),
            heard: vec![false; sets.len()],
            ..Desk::default()
        };
        (0..PARTITIONS).into_par_iter().try_for_each_init(desk, |desk, partition| {
            let far = far[partition].as_slice();
            let subs = desk.gather(&sets, &index.held, partition)?;
            for sub in 0..subs {
                for ((table, entries), used) in desk.tables.iter_mut().zip(&desk.entries).zip(&used)
                {
                    used.fetch_add(table.fill(&entries[sub], u32::MAX), Ordering::Relaxed);
                }
                for held in &desk.held[sub] {
                    let far = far_of(far, held.record);
                    let folded_as =
                        self.judge_one(&desk.tables, held, far, &expiry, &mut desk.heard);
                    if folded_as != Folded::Unknown {
                        let number = folded_as.number();
                        folded[held.record as usize].store(number, Ordering::Relaxed);
                    }
                }
            }
            for (heard, _) in heard.iter().zip(&desk.heard).filter(|(_, here)| **here) {
                heard.store(true, Ordering::Relaxed);
            }
            Ok::<(), io::Error>(())
        })?;
        let of = folded.into_iter().map(|folded| Folded::from(folded.into_inner())).collect();
        let sets = sets.iter().zip(used).zip(heard).map(|((set, used), heard)| SetCount {
            table: set.table,
            used: used.into_inner(),
            decisions: set.decisions,
            heard: heard.into_inner(),
        });
        Ok(Folds { of, sets: sets.collect() })
    }

    /// What the tables of all sets say of one record's key, and of what reaches it from `far`. Marks the
    /// sets that say something.
    fn judge_one(
        &self,
        tables: &[Table],
        held: &Held,
        far: &[Far],
        expiry: &Expiry,
        heard: &mut [bool],
    ) -> Folded {
        let mut all = (Newest::NONE, Newest::NONE);
        let mut strictest = Folded::Unknown;
        for (number, table) in tables.iter().enumerate() {
            let (mut grants, mut denials) = (Newest::NONE, Newest::NONE);
            if let Some(slot) = table.find(held.tag()) {
                grants = slot.grants();
                if held.marked() {
                    denials = slot.denials();
                }
            }
            for (_, _, denial) in far.iter().filter(|(_, set, _)| *set == number) {
                denials = denials.and(*denial);
            }
            heard[number] |= grants != Newest::NONE || denials != Newest::NONE;
            match self.conflict {
                Conflict::Latest => all = (all.0.and(grants), all.1.and(denials)),
                Conflict::Strictest => {
                    strictest = strictest.strictest(judge(grants, denials, expiry));
                }
            }
        }
        match self.conflict {
            Conflict::Latest => judge(all.0, all.1, expiry),
            Conflict::Strictest => strictest,
        }
    }
}

/// What one thread works with: its memory serves one partition after the other.
#[derive(Default)]
struct Desk {
    /// One a set.
    tables: Vec<Table>,
    /// Decisions by set, then by part of the partition.
    entries: Vec<Vec<Vec<Entry>>>,
    /// Keys by part of the partition.
    held: Vec<Vec<Held>>,
    /// One a set: whether it has said something of a key so far.
    heard: Vec<bool>,
}

impl Desk {
    /// Gathers a partition of all sets and of the keys; in how many parts.
    fn gather(
        &mut self,
        sets: &[&DecisionSet],
        held: &Scattered<Held>,
        partition: usize,
    ) -> io::Result<usize> {
        let most = sets.iter().map(|set| set.entries.part_len(partition)).max().unwrap_or(0);
        let subs = subs_of(most);
        self.entries.resize_with(sets.len(), Vec::new);
        for (entries, set) in self.entries.iter_mut().zip(sets) {
            set.entries.gather(partition, subs, entries)?;
        }
        held.gather(partition, subs, &mut self.held)?;
        Ok(subs)
    }
}

/// For each record whether one of its forms, or its key if it is one, is in the set; and how many
/// different keys the set counts.
///
/// # Errors
/// What is on disk and cannot be read.
pub fn hit_by(set: &DecisionSet, index: &Index, records: usize) -> io::Result<(Vec<bool>, u64)> {
    let hit: Vec<AtomicBool> = (0..records).map(|_| AtomicBool::new(false)).collect();
    let used = AtomicU64::new(0);
    let desk = || (Table::default(), Vec::new(), Vec::new());
    (0..PARTITIONS).into_par_iter().try_for_each_init(desk, |desk, partition| {
        let (table, entries, held) = desk;
        set.entries.gather(partition, 1, entries)?;
        used.fetch_add(table.fill(&entries[0], u32::MAX), Ordering::Relaxed);
        for (index, only_marked) in [(&index.held, true), (&index.others, false)] {
            index.gather(partition, 1, held)?;
            for held in held[0].iter().filter(|held| held.marked() || !only_marked) {
                if table.find(held.tag()).is_some_and(|slot| slot.marks & mark::DENIAL != 0) {
                    hit[held.record as usize].store(true, Ordering::Relaxed);
                }
            }
        }
        Ok::<(), io::Error>(())
    })?;
    Ok((hit.into_iter().map(AtomicBool::into_inner).collect(), used.into_inner()))
}

/// A denial that reaches a record under another form than its key: record, number of the set,
/// denials.
type Far = (Record, usize, Newest);

/// Those of one record.
fn far_of(far: &[Far], record: Record) -> &[Far] {
    if far.is_empty() {
        return far;
    }
    let start = far.partition_point(|(of, _, _)| *of < record);
    let many = far[start..].iter().take_while(|(of, _, _)| *of == record).count();
    &far[start..start + many]
}

/// Such denials, by the partition of the record's key, then record: few, as a rule.
fn far_denials(sets: &[&DecisionSet], index: &Index, keys: &[Digest]) -> io::Result<Vec<Vec<Far>>> {
    let mut all: Vec<Vec<Far>> = (0..PARTITIONS).map(|_| Vec::new()).collect();
    if index.others.is_empty() {
        return Ok(all);
    }
    let desk = || (Table::default(), Vec::new(), Vec::new());
    let found: io::Result<Vec<Vec<Far>>> = (0..PARTITIONS)
        .into_par_iter()
        .map_init(desk, |(table, entries, others), partition| {
            let mut found = Vec::new();
            index.others.gather(partition, 1, others)?;
            for (number, set) in sets.iter().enumerate().filter(|_| !others[0].is_empty()) {
                set.entries.gather(partition, 1, entries)?;
                table.fill(&entries[0], mark::DENIAL);
                for held in &others[0] {
                    if let Some(slot) = table.find(held.tag()) {
                        found.push((held.record, number, slot.denials()));
                    }
                }
            }
            Ok(found)
        })
        .collect();
    for far in found?.into_iter().flatten() {
        all[partition_of(keys[far.0 as usize])].push(far);
    }
    all.par_iter_mut().for_each(|far| far.sort_unstable_by_key(|(record, set, _)| (*record, *set)));
    Ok(all)
}

/// Within one set: an undated denial always denies; else the newest counts, at equal times the
/// denial; an undated grant counts only if nothing is dated.
fn judge(grants: Newest, denials: Newest, expiry: &Expiry) -> Folded {
    let newer = denials.dated >= grants.dated + i64::from(planted::fault("grant-wins-ties"));
    if denials.undated || (denials.dated != NEVER && newer) {
        Folded::Denied
    } else if grants.dated != NEVER {
        expiry.lasting(grants.dated).map_or(Folded::Expired, Folded::Granted)
    } else if grants.undated {
        if expiry.ends() { Folded::Expired } else { Folded::Granted(Lasting::Longer) }
    } else {
        Folded::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{DAY, PeriodUnit};

    fn newest(at: Option<i64>) -> Newest {
        Newest { dated: at.unwrap_or(NEVER), undated: at.is_none() }
    }

    fn judged(grants: Newest, denials: Newest) -> Folded {
        let day = Period { count: 1, unit: PeriodUnit::Days };
        judge(grants, denials, &Expiry::new(Some(day), Instant(10 + DAY)))
    }

    #[test]
    fn the_newest_counts_and_ties_deny() {
        let at = |t| newest(Some(t));
        let granted = Folded::Granted(Lasting::Days30);
        assert_eq!(judged(at(20), at(19)), granted);
        assert_eq!(judged(at(20), at(20)), Folded::Denied);
        assert_eq!(judged(at(20), at(21)), Folded::Denied);
        assert_eq!(judged(at(10), Newest::NONE), Folded::Expired);
        assert_eq!(judged(at(11), Newest::NONE), granted);
        assert_eq!(judged(Newest::NONE, Newest::NONE), Folded::Unknown);
    }

    #[test]
    fn undated_denials_always_deny_and_undated_grants_give_way() {
        let undated = newest(None);
        assert_eq!(judged(newest(Some(20)), undated), Folded::Denied);
        assert_eq!(judged(undated, newest(Some(1))), Folded::Denied);
        assert_eq!(judged(undated, Newest::NONE), Folded::Expired);
        let both = undated.and(newest(Some(20)));
        assert_eq!(judged(both, newest(Some(5))), Folded::Granted(Lasting::Days30));
    }

    #[test]
    fn a_fold_is_stored_as_a_number_and_the_stricter_is_greater() {
        let mut all = vec![Folded::Unknown, Folded::Expired];
        all.extend(Lasting::ALL.map(Folded::Granted));
        all.push(Folded::Denied);
        assert!(all.is_sorted());
        for (number, folded) in (0..).zip(&all) {
            assert_eq!((folded.number(), Folded::from(number)), (number, *folded));
        }
        assert_eq!(size_of::<Folded>(), 1, "one is kept for every record");
    }
}
