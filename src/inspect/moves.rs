//! Where the records of a customer went whose `customer_id` only one of two runs has.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use xxhash_rust::xxh3::xxh3_128;

use super::diff::{Id, Reason, id_of, no_table};
use super::past_run::{PastRun, visit_columns};
use crate::diagnostics::Outcome;
use crate::plan::Source;

/// Who holds the records of a customer in the other run.
#[derive(Debug, Default)]
pub struct Moves {
    /// Of each customer that only the first run has the customers of the second.
    ended: BTreeMap<Id, Vec<Id>>,
    /// Of each customer that only the second run has the customers of the first.
    begun: BTreeMap<Id, Vec<Id>>,
}

impl Moves {
    /// Why a customer is not there any more.
    #[must_use]
    pub fn ended(&self, id: Id) -> Reason {
        match self.ended.get(&id).map_or(&[][..], Vec::as_slice) {
            [] => Reason::GoneCustomer,
            [_] => Reason::Merged,
            _ => Reason::Unmerged,
        }
    }

    /// Why a customer was not there before.
    #[must_use]
    pub fn begun(&self, id: Id) -> Reason {
        match self.begun.get(&id).map_or(&[][..], Vec::as_slice) {
            [] => Reason::NewCustomer,
            [_] => Reason::Unmerged,
            _ => Reason::Merged,
        }
    }

    /// The customer of the first run whose records this one of the second has: all of them, and no
    /// others. It has only another id.
    #[must_use]
    pub fn same_as_before(&self, id: Id) -> Option<Id> {
        match self.begun.get(&id)?.as_slice() {
            [old] if self.ended.get(old).is_some_and(|now| now.as_slice() == [id]) => Some(*old),
            _ => None,
        }
    }

    /// True of a customer of the first run that has only another id now.
    #[must_use]
    pub fn is_renamed(&self, id: Id) -> bool {
        match self.ended.get(&id).map(Vec::as_slice) {
            Some([new]) => self.same_as_before(*new) == Some(id),
            _ => false,
        }
    }

    /// The customers of the other run.
    #[must_use]
    pub fn others(&self, id: Id) -> &[Id] {
        self.ended.get(&id).or_else(|| self.begun.get(&id)).map_or(&[], Vec::as_slice)
    }
}

/// Finds out where records went, if somebody's did; and what cannot be told.
///
/// # Errors
/// A table that is not what the run wrote.
pub fn moves(
    from: &PastRun,
    to: &PastRun,
    ended: &BTreeSet<Id>,
    begun: &BTreeSet<Id>,
) -> Outcome<(Moves, Vec<String>)> {
    if ended.is_empty() && begun.is_empty() {
        return Ok((Moves::default(), Vec::new()));
    }
    if let (Some(first), Some(second)) = (from.table("identity")?, to.table("identity")?) {
        return Ok((by_records(&first, &second, ended, begun)?, Vec::new()));
    }
    if let Some(profiles) = to.table("profiles")?
        && profiles.columns.iter().any(|column| column.name == "previous_customer_ids")
    {
        return Ok((by_previous_ids(&profiles, ended, begun)?, Vec::new()));
    }
    let words = "not both runs wrote an identity table: customers who were merged or parted are told as \
                 gone and new";
    Ok((Moves::default(), vec![words.to_owned()]))
}

/// Adds one to many, each once.
fn add(to: &mut BTreeMap<Id, Vec<Id>>, key: Id, value: Id) {
    let all = to.entry(key).or_default();
    if let Err(at) = all.binary_search(&value) {
        all.insert(at, value);
    }
}

/// Gives the digest of each record's name, and its customer.
fn visit_records(table: &Source, mut take: impl FnMut(u128, Id)) -> Outcome<()> {
    let wanted = ["namespace", "id", "customer_id"];
    visit_columns(table, &wanted, |rows, cells| {
        for row in 0..rows {
            let [namespace, id, customer] = [0, 1, 2].map(|column| cells[column].text(row));
            let customer = customer.and_then(|text| id_of(&text));
            let (Some(namespace), Some(id), Some(customer)) = (namespace, id, customer) else {
                return Err(no_table(table).into());
            };
            take(xxh3_128(format!("{namespace}\u{1f}{id}").as_bytes()), customer);
        }
        Ok(())
    })
}

/// By the identity tables: whose records are whose.
fn by_records(
    first: &Source,
    second: &Source,
    ended: &BTreeSet<Id>,
    begun: &BTreeSet<Id>,
) -> Outcome<Moves> {
    // Only the records of those who are in one run are kept.
    let (mut of_ended, mut of_begun) = (HashMap::new(), HashMap::new());
    visit_records(first, |record, customer| {
        if ended.contains(&customer) {
            of_ended.insert(record, customer);
        }
    })?;
    let mut moves = Moves::default();
    visit_records(second, |record, customer| {
        if begun.contains(&customer) {
            of_begun.insert(record, customer);
        }
        if let Some(old) = of_ended.get(&record) {
            add(&mut moves.ended, *old, customer);
        }
    })?;
    visit_records(first, |record, customer| {
        if let Some(new) = of_begun.get(&record) {
            add(&mut moves.begun, *new, customer);
        }
    })?;
    Ok(moves)
}

/// By the ids that customers of the second run had before.
fn by_previous_ids(
    profiles: &Source,
    ended: &BTreeSet<Id>,
    begun: &BTreeSet<Id>,
) -> Outcome<Moves> {
    let mut moves = Moves::default();
    let wanted = ["customer_id", "previous_customer_ids"];
    visit_columns(profiles, &wanted, |rows, cells| {
        for row in 0..rows {
            let Some(id) = cells[0].text(row).and_then(|text| id_of(&text)) else {
                return Err(no_table(profiles).into());
            };
            let previous = cells[1].text(row).unwrap_or_default();
            for old in previous.split(' ').filter_map(id_of) {
                if ended.contains(&old) {
                    add(&mut moves.ended, old, id);
                }
                if begun.contains(&id) {
                    add(&mut moves.begun, id, old);
                }
            }
        }
        Ok(())
    })?;
    Ok(moves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_the_records_tells_what_became_of_a_customer() {
        let mut moves = Moves::default();
        // 1 is 11 now; 2 and 3 are in 4, which stays; 5 is parted into 15 and 16; 4 gave records to 17.
        for (old, new) in [(1, 11), (2, 4), (3, 4), (5, 15), (5, 16)] {
            add(&mut moves.ended, old, new);
        }
        for (new, old) in [(11, 1), (15, 5), (16, 5), (17, 4), (18, 4), (18, 6)] {
            add(&mut moves.begun, new, old);
        }
        assert_eq!((moves.same_as_before(11), moves.is_renamed(1)), (Some(1), true));
        assert_eq!(
            [2, 3, 5, 7].map(|id| moves.ended(id)),
            [Reason::Merged, Reason::Merged, Reason::Unmerged, Reason::GoneCustomer]
        );
        assert_eq!(
            [15, 16, 17, 18, 19].map(|id| moves.begun(id)),
            [
                Reason::Unmerged,
                Reason::Unmerged,
                Reason::Unmerged,
                Reason::Merged,
                Reason::NewCustomer
            ]
        );
        assert_eq!(moves.same_as_before(15), None);
        assert!(!moves.is_renamed(2) && !moves.is_renamed(5));
        assert_eq!(moves.others(5), [15, 16]);
    }
}
