//! Names: the anchor and the `customer_id` of every profile, and customers that keep the id of an
//! earlier run (docs/semantics.md, section 3).

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::aside::{Draft, Kind};
use super::pairs::FirstOf;
use crate::diagnostics::{Code, Diagnostic, Outcome, Site};
use crate::engine::cells::Cells;
use crate::engine::ids::id_text;
use crate::engine::records::{Record, Records};
use crate::engine::source::Loaded;
use crate::plan::{Instant, Plan, Previous, TableId};

/// A customer id.
pub type CustomerId = [u8; 16];

/// What became of the customers of an earlier run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PreviousAccount {
    /// Rows of the earlier identity table.
    pub records: u64,
    /// Customers none of whose records was known.
    pub created: u64,
    /// Customers that keep the one id that their records had.
    pub kept: u64,
    /// Customers that keep one of several ids that their records had.
    pub merged: u64,
    /// Customers that keep none of the ids that their records had.
    pub split: u64,
    /// Earlier customers whose id nobody keeps.
    pub ended: u64,
}

/// The names of all clusters. An id costs a SHA-256, so that of a profile is made when somebody
/// asks, and those of all when everybody leaves.
#[derive(Debug)]
pub struct Names {
    /// The first record by table and id, of each cluster.
    pub anchors: Vec<Record>,
    profiles: usize,
    ids: OnceLock<Vec<CustomerId>>,
    order: OnceLock<Vec<u32>>,
}

impl Names {
    /// Of one cluster.
    #[must_use]
    pub fn of_one(anchor: Record) -> Self {
        let (ids, order) = (OnceLock::new(), OnceLock::new());
        Self { anchors: vec![anchor], profiles: 1, ids, order }
    }

    /// The `customer_id` of a profile.
    #[must_use]
    pub fn id(&self, plan: &Plan, records: &Records, profile: usize) -> CustomerId {
        match self.ids.get() {
            Some(ids) => ids[profile],
            None => own_id(plan, records, self.anchors[profile]),
        }
    }

    /// The ids of all profiles.
    pub fn ids(&self, plan: &Plan, records: &Records) -> &[CustomerId] {
        self.ids.get_or_init(|| {
            let anchors = &self.anchors[..self.profiles];
            let id = |anchor: &Record| own_id(plan, records, *anchor);
            anchors.par_iter().with_min_len(512).map(id).collect()
        })
    }

    /// All profiles in profile order.
    pub fn in_order(&self, plan: &Plan, records: &Records) -> &[u32] {
        self.order.get_or_init(|| {
            self.ids(plan, records);
            let profiles = u32::try_from(self.profiles).unwrap_or(u32::MAX);
            let all: Vec<u32> = (0..profiles).collect();
            self.sorted(plan, records, &all).into_iter().map(|(profile, _)| profile).collect()
        })
    }

    /// Profiles in profile order, by the anchor's table, then by `customer_id`, with their ids.
    #[must_use]
    pub fn sorted(
        &self,
        plan: &Plan,
        records: &Records,
        profiles: &[u32],
    ) -> Vec<(u32, CustomerId)> {
        let named = |profile: &u32| (*profile, self.id(plan, records, *profile as usize));
        let named: Vec<(u32, CustomerId)> =
            profiles.par_iter().with_min_len(512).map(named).collect();
        // Keys beside numbers: comparing them must not go through all of memory. Half of an id
        // tells nearly always which is smaller.
        let mut keyed: Vec<(u16, u64, u32)> = named
            .par_iter()
            .zip(0..u32::try_from(named.len()).unwrap_or(u32::MAX))
            .with_min_len(4096)
            .map(|((profile, [half @ .., _, _, _, _, _, _, _, _]), at)| {
                let table = records.place(self.anchors[*profile as usize]).0.0;
                (u16::try_from(table).unwrap_or(u16::MAX), u64::from_be_bytes(*half), at)
            })
            .collect();
        keyed.par_sort_unstable_by(|a, b| {
            let rest = |at: u32| {
                let (profile, id) = named[at as usize];
                (id, profile)
            };
            (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| rest(a.2).cmp(&rest(b.2)))
        });
        keyed.into_iter().map(|(_, _, at)| named[at as usize]).collect()
    }
}

/// Customers of an earlier run.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// For each cluster the ids its records had, without its own, ascending.
    pub previous: Vec<Vec<CustomerId>>,
    /// For each cluster when its id was first given; none if the earlier table does not say.
    pub since: Vec<Option<Instant>>,
    /// The counts.
    pub account: PreviousAccount,
}

/// Names the clusters.
///
/// # Errors
/// An earlier identity table that cannot be used; faults of the engine.
pub fn names(
    plan: &Plan,
    records: &Records,
    draft: &Draft,
    earlier: Option<(&Loaded, &FirstOf<'_>)>,
    as_of: Instant,
) -> Outcome<(Names, Option<Earlier>)> {
    let anchors: Vec<Record> = (0..draft.kinds.len())
        .into_par_iter()
        .with_min_len(4096)
        .map(|cluster| anchor_of(records, draft.members(cluster)))
        .collect();
    let profiles = draft.kinds.iter().filter(|kind| **kind == Kind::Profile).count();
    let names = Names { anchors, profiles, ids: OnceLock::new(), order: OnceLock::new() };
    let Some(previous) = &plan.identity.previous else { return Ok((names, None)) };
    let earlier = match (earlier, &previous.source) {
        (Some((loaded, first_of)), Some(source)) => {
            let rows = read(source, loaded, first_of)?;
            let mut ids = names.ids(plan, records).to_vec();
            let earlier = inherit(plan, records, draft, &names.anchors, &mut ids, rows, as_of);
            return Ok((Names { ids: OnceLock::from(ids), ..names }, Some(earlier)));
        }
        // The first run: everybody is new.
        _ => Earlier {
            previous: vec![Vec::new(); profiles],
            since: vec![Some(as_of); profiles],
            account: PreviousAccount { created: profiles as u64, ..Default::default() },
        },
    };
    Ok((names, Some(earlier)))
}

/// The first by table, then by id text. Members come in the order of tables.
fn anchor_of(records: &Records, members: &[Record]) -> Record {
    let Some((&first, rest)) = members.split_first() else { return 0 };
    let (table, _) = records.place(first);
    let mut best = first;
    for &record in rest {
        if records.place(record).0 != table {
            break;
        }
        if records.compare_ids(record, best).is_lt() {
            best = record;
        }
    }
    best
}

fn own_id(plan: &Plan, records: &Records, anchor: Record) -> CustomerId {
    let (table, _) = records.place(anchor);
    customer_id(&plan.tables[table.0].namespace, &records.id(anchor).unwrap_or_default(), 1)
}

/// SHA-256 over namespace, 0x1F and id text, its first 128 bits; from the second try on with the
/// number of the try behind them.
pub fn customer_id(namespace: &str, id: &str, attempt: u32) -> CustomerId {
    let mut hasher = Sha256::new();
    hasher.update(namespace.as_bytes());
    hasher.update([0x1F]);
    hasher.update(id.as_bytes());
    if attempt > 1 {
        hasher.update([0x1F]);
        hasher.update(attempt.to_string().as_bytes());
    }
    let mut first = [0; 16];
    first.copy_from_slice(&hasher.finalize()[..16]);
    first
}

/// A row of an earlier identity table.
#[derive(Clone, Copy, Debug)]
struct Row {
    customer: CustomerId,
    /// The first record of the row's id, if it still exists.
    record: Option<Record>,
    /// When the id was first given; none is older than all.
    since: Option<i64>,
    /// True if the customer's id was made from this record.
    origin: bool,
}

fn read(
    source: &crate::plan::Source,
    loaded: &Loaded,
    first_of: &FirstOf<'_>,
) -> Outcome<Vec<Row>> {
    let names = Previous::columns(source).unwrap_or_default();
    let cells = |at: usize| match names.get(at) {
        Some(name) => loaded.column(name).and_then(|column| Cells::of(&column.series)),
        None => Ok(Cells::Absent),
    };
    let (tables, ids, customers, since) = (cells(0)?, cells(1)?, cells(2)?, cells(3)?);
    let by_namespace = names.first() == Some(&"namespace");
    let fault = |row: usize, column: &str, wanted: &str| {
        Diagnostic::error(Code::ValueType, format!("`{column}` is not {wanted}"))
            .in_file(Site {
                file: source.files.first().cloned().unwrap_or_default(),
                row: Some(row as u64 + 1),
                column: Some(column.to_owned()),
                ..Site::default()
            })
            .help("`identity.previous` is an identity table as `outputs.identity` writes it")
    };
    let rows = (0..loaded.rows)
        .into_par_iter()
        .with_min_len(2048)
        .map(|row| {
            let customer = customers
                .text(row)
                .and_then(|text| unhex(&text))
                .ok_or_else(|| fault(row, "customer_id", "an id of 32 hexadecimal digits"))?;
            let at = match since.text(row) {
                None => None,
                Some(text) => Some(
                    text.parse::<jiff::Timestamp>()
                        .map_err(|_| fault(row, "since", "a time such as 2026-11-24T00:00:00Z"))?
                        .as_microsecond(),
                ),
            };
            let name = tables.text(row);
            let table = name.as_deref().and_then(|name| {
                if by_namespace { first_of.namespace(name) } else { first_of.table(name) }
            });
            let id = id_text(&ids, row);
            let (record, origin) = match (table, &id) {
                (Some(table), Some(id)) => (
                    first_of.record(table, id),
                    customer_id(first_of.namespace_of(table), id, 1) == customer,
                ),
                _ => (None, false),
            };
            Ok(Row { customer, record, since: at, origin })
        })
        .collect::<Result<Vec<Row>, Diagnostic>>()?;
    Ok(rows)
}

/// The id that a text of 32 hex digits writes.
pub fn unhex(text: &str) -> Option<CustomerId> {
    let text = text.trim();
    if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

/// Gives earlier ids to the clusters that inherit them.
fn inherit(
    plan: &Plan,
    records: &Records,
    draft: &Draft,
    anchors: &[Record],
    ids: &mut [CustomerId],
    mut rows: Vec<Row>,
    as_of: Instant,
) -> Earlier {
    let count = rows.len() as u64;
    let profile = |record: Option<Record>| {
        let cluster = draft.of[record? as usize];
        let is_profile = draft.kinds.get(cluster as usize) == Some(&Kind::Profile);
        is_profile.then_some(cluster)
    };
    let place =
        |record: Option<Record>| record.map(|record| (records.place(record).0, records.id(record)));
    // Within a customer by table and id; rows whose record is gone, or is in no profile, last.
    rows.par_sort_by(|a, b| {
        let known = |row: &Row| profile(row.record).is_none();
        a.customer
            .cmp(&b.customer)
            .then_with(|| known(a).cmp(&known(b)))
            .then_with(|| place(a.record).cmp(&place(b.record)))
    });
    let earlier: HashSet<CustomerId> = rows.iter().map(|row| row.customer).collect();
    // For each cluster the customers that it is heir of: age, first record, id.
    let mut heirs: HashMap<u32, Vec<(Option<i64>, Record, CustomerId)>> = HashMap::new();
    let mut had: HashMap<u32, Vec<CustomerId>> = HashMap::new();
    for rows in rows.chunk_by(|a, b| a.customer == b.customer) {
        let known: Vec<(u32, &Row)> =
            rows.iter().filter_map(|row| Some((profile(row.record)?, row))).collect();
        let Some((first, first_row)) = known.first() else { continue };
        let heir = known.iter().find(|(_, row)| row.origin).map_or(*first, |(cluster, _)| *cluster);
        let since = rows.iter().map(|row| row.since).min().flatten();
        let first_record = first_row.record.unwrap_or_default();
        heirs.entry(heir).or_default().push((since, first_record, first_row.customer));
        for (cluster, row) in &known {
            had.entry(*cluster).or_default().push(row.customer);
        }
    }
    let mut account = PreviousAccount { records: count, ..Default::default() };
    let mut previous = vec![Vec::new(); ids.len()];
    let mut since = vec![Some(as_of); ids.len()];
    let mut taken = 0;
    for (number, id) in (0_u32..).zip(ids.iter_mut()) {
        let cluster = number as usize;
        let mut had = had.remove(&number).unwrap_or_default();
        had.sort_unstable();
        had.dedup();
        let oldest = heirs.remove(&number).and_then(|customers| {
            customers.into_iter().min_by(|(since_a, first_a, _), (since_b, first_b, _)| {
                since_a.cmp(since_b).then_with(|| place(Some(*first_a)).cmp(&place(Some(*first_b))))
            })
        });
        match oldest {
            Some((given, _, customer)) => {
                *id = customer;
                since[cluster] = given.map(Instant);
                taken += 1;
                if had.len() > 1 { account.merged += 1 } else { account.kept += 1 }
            }
            None => {
                let (TableId(table), _) = records.place(anchors[cluster]);
                let namespace = &plan.tables[table].namespace;
                let text = records.id(anchors[cluster]).unwrap_or_default();
                let mut attempt = 1;
                while earlier.contains(id) {
                    attempt += 1;
                    *id = customer_id(namespace, &text, attempt);
                }
                if had.is_empty() { account.created += 1 } else { account.split += 1 }
            }
        }
        had.retain(|customer| customer != id);
        previous[cluster] = had;
    }
    account.ended = earlier.len() as u64 - taken;
    Earlier { previous, since, account }
}
