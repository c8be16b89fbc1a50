//! Pairs of records that are, or never are, one customer (section 3, *Links* and *Exceptions*).

use std::collections::{BTreeMap, BTreeSet};

use optin::plan::{self, TableId};

use super::records::{Name, Record, names};
use super::{World, count};

/// Two names, the first by order in front.
type Pair = (Name, Name);

/// What the sources of pairs say.
pub struct Pairs {
    /// The `always` pairs that join, each as a set of two.
    pub joined: Vec<BTreeSet<Name>>,
    pub never: BTreeSet<Pair>,
    /// Names that `always` pairs join; all others are alone.
    pub units: Vec<BTreeSet<Name>>,
    pub accounts: Vec<PairAccount>,
}

/// The account of a source of pairs.
#[derive(Clone, Debug)]
pub struct PairAccount {
    pub source: String,
    /// `always` or `never`.
    pub kind: &'static str,
    pub counts: BTreeMap<&'static str, u64>,
}

/// What becomes of a row, and their sum. Those that are `refused` are among the `used`.
const ENDS: [&str; 7] =
    ["used", "folded", "incomplete", "unknown_table", "unknown_id", "same_record", "read"];

pub fn read(world: &World<'_>, records: &[Record]) -> Pairs {
    let known = names(records, 0..records.len());
    let identity = &world.plan.identity;
    let read_all = |sources: &[plan::Pairs]| -> Vec<(BTreeSet<Pair>, PairAccountCounts)> {
        sources.iter().map(|source| read_source(world, source, &known)).collect()
    };
    let (always, never) = (read_all(&identity.always), read_all(&identity.never));
    let together = |all: &[(BTreeSet<Pair>, PairAccountCounts)]| -> BTreeSet<Pair> {
        all.iter().flat_map(|(pairs, _)| pairs.clone()).collect()
    };
    let (wanted, barred) = (together(&always), together(&never));
    let (units, refused) = join(&known, &wanted, &barred);

    let mut accounts = Vec::new();
    for (source, (pairs, mut counts)) in identity.always.iter().zip(always) {
        counts.insert("refused", pairs.intersection(&refused).count() as u64);
        accounts.push(account(world, source, "always", counts));
    }
    for (source, (_, counts)) in identity.never.iter().zip(never) {
        accounts.push(account(world, source, "never", counts));
    }
    let joined = wanted.difference(&refused);
    let joined = joined.map(|(one, other)| [one.clone(), other.clone()].into()).collect();
    Pairs { joined, never: barred, units, accounts }
}

type PairAccountCounts = BTreeMap<&'static str, u64>;

fn account(
    world: &World<'_>,
    pairs: &plan::Pairs,
    kind: &'static str,
    counts: PairAccountCounts,
) -> PairAccount {
    PairAccount { source: world.plan.sources[pairs.source.0].name.clone(), kind, counts }
}

fn read_source(
    world: &World<'_>,
    pairs: &plan::Pairs,
    known: &BTreeSet<Name>,
) -> (BTreeSet<Pair>, PairAccountCounts) {
    let mut counts: PairAccountCounts = ENDS.map(|name| (name, 0)).into();
    let mut found: BTreeSet<Pair> = BTreeSet::new();
    for row in &world.raw(pairs.source).rows {
        count(&mut counts, "read", 1);
        let end = match read_row(world, pairs, row, known) {
            Err(end) => end,
            Ok(pair) if found.contains(&pair) => "folded",
            Ok(pair) => {
                found.insert(pair);
                "used"
            }
        };
        count(&mut counts, end, 1);
    }
    (found, counts)
}

/// The two records that a row names, or why it has no effect: the first reason that applies.
fn read_row(
    world: &World<'_>,
    pairs: &plan::Pairs,
    row: &[Option<String>],
    known: &BTreeSet<Name>,
) -> Result<Pair, &'static str> {
    let [one, other] = &pairs.columns;
    let cell = |column: &String| world.id(pairs.source, row, column).ok_or("incomplete");
    let cells = [&one.0, &one.1, &other.0, &other.1].map(cell);
    let [one_table, one_id, other_table, other_id] = cells;
    let (one, other) = ((one_table?, one_id?), (other_table?, other_id?));
    let table = |text: &str| table_named(world, text).ok_or("unknown_table");
    let (one, other) = ((table(&one.0)?, one.1), (table(&other.0)?, other.1));
    if !known.contains(&one) || !known.contains(&other) {
        return Err("unknown_id");
    }
    match one.cmp(&other) {
        std::cmp::Ordering::Less => Ok((one, other)),
        std::cmp::Ordering::Equal => Err("same_record"),
        std::cmp::Ordering::Greater => Ok((other, one)),
    }
}

/// A customer source of this name, else a table with this namespace; both compared trimmed.
fn table_named(world: &World<'_>, text: &str) -> Option<TableId> {
    let tables = &world.plan.tables;
    let by_source = tables
        .iter()
        .position(|table| world.plan.sources[table.source.0].name.trim() == text.trim());
    let by_namespace = || tables.iter().position(|table| table.namespace.trim() == text.trim());
    by_source.or_else(by_namespace).map(TableId)
}

/// The units that `always` pairs make, and those pairs that a `never` pair refuses.
fn join(
    names: &BTreeSet<Name>,
    wanted: &BTreeSet<Pair>,
    barred: &BTreeSet<Pair>,
) -> (Vec<BTreeSet<Name>>, BTreeSet<Pair>) {
    let mut units: Vec<BTreeSet<Name>> = names.iter().map(|name| [name.clone()].into()).collect();
    let mut refused = BTreeSet::new();
    for pair in wanted {
        let of = |name: &Name| units.iter().position(|unit| unit.contains(name));
        let (one, other) = (of(&pair.0).expect("it is known"), of(&pair.1).expect("it is known"));
        if one == other {
            continue;
        }
        if are_barred(barred, &units[one], &units[other]) {
            refused.insert(pair.clone());
        } else {
            let moved = std::mem::take(&mut units[other]);
            units[one].extend(moved);
        }
    }
    units.retain(|unit| !unit.is_empty());
    (units, refused)
}

/// A `never` pair names an id of the one and an id of the other.
pub fn are_barred(never: &BTreeSet<Pair>, a: &BTreeSet<Name>, b: &BTreeSet<Name>) -> bool {
    never.iter().any(|(one, other)| {
        (a.contains(one) && b.contains(other)) || (a.contains(other) && b.contains(one))
    })
}
