//! Whose customer has a key: a table from digests to profiles that is only read, by all threads.

use rayon::prelude::*;

use crate::diagnostics::Outcome;
use crate::engine::digest::Digest;
use crate::engine::identity::{Clusters, Fate};
use crate::engine::memory::unreadable;
use crate::engine::partition::{PARTITIONS, Stored as _, Tag, partition_of, scatter};
use crate::engine::records::Record;

/// Whom a key finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'t> {
    /// No record has it.
    Nobody,
    /// Only records that stand in no profile.
    Aside,
    /// One profile.
    One(u32),
    /// Several, ascending.
    Several(&'t [u32]),
}

/// A place of a partition's table.
#[derive(Clone, Copy, Debug)]
struct Place {
    tag: Tag,
    /// A profile, or one of the values below.
    to: u32,
}

/// No key stands here.
const FREE: u32 = u32::MAX;
/// Records in no profile alone.
const ASIDE: u32 = u32::MAX - 1;
/// In this bit: not a profile, but the number of a list of them.
const LIST: u32 = 1 << 31;

/// The keys of one partition.
#[derive(Debug, Default)]
struct Part {
    places: Vec<Place>,
    lists: Vec<Vec<u32>>,
}

/// From keys to profiles.
#[derive(Debug)]
pub struct Targets {
    parts: Vec<Part>,
}

impl Targets {
    /// The profiles by the keys of their records, of which `digest` tells each; 0 is none.
    ///
    /// # Errors
    /// Those of the machinery of partitions.
    pub fn new(
        clusters: &Clusters,
        records: usize,
        digest: impl Fn(Record) -> Digest + Sync,
    ) -> Outcome<Self> {
        let held = scatter(records, digest);
        let part = |partition: usize| {
            let mut entries = Vec::new();
            held.gather(partition, 1, &mut entries).map_err(unreadable)?;
            let mut part = Part::with_room(held.part_len(partition));
            for held in entries.iter().flatten() {
                let to = match clusters.fate(held.record) {
                    Fate::Profile(profile) => profile,
                    Fate::NoId | Fate::TooLarge | Fate::Dropped => ASIDE,
                };
                part.put(held.tag(), to);
            }
            part.lists.iter_mut().for_each(|list| list.sort_unstable());
            Ok(part)
        };
        let parts: Outcome<Vec<Part>> = (0..PARTITIONS).into_par_iter().map(part).collect();
        Ok(Self { parts: parts? })
    }

    /// Whom a key finds; it is not 0.
    pub fn find(&self, digest: Digest) -> Found<'_> {
        self.parts[partition_of(digest)].find(Tag::of(digest))
    }
}

impl Part {
    /// Room for so many keys: a quarter of the places stays free.
    fn with_room(keys: usize) -> Self {
        let free = Place { tag: Tag { low: 0, middle: 0 }, to: FREE };
        Self { places: vec![free; keys + keys / 3 + 1], lists: Vec::new() }
    }

    /// Where a tag is looked for first: its low half as a share of all places.
    fn first(&self, tag: Tag) -> usize {
        let share = u128::from(tag.low) * self.places.len() as u128;
        usize::try_from(share >> 64).unwrap_or(0)
    }

    /// The place of a tag, or the free one where it would stand.
    fn place(&self, tag: Tag) -> usize {
        let mut at = self.first(tag);
        loop {
            let place = &self.places[at];
            if place.to == FREE || place.tag == tag {
                return at;
            }
            at = if at + 1 == self.places.len() { 0 } else { at + 1 };
        }
    }

    fn put(&mut self, tag: Tag, to: u32) {
        let at = self.place(tag);
        let place = &mut self.places[at];
        if place.to == FREE || place.to == ASIDE {
            *place = Place { tag, to };
        } else if to != ASIDE && place.to != to {
            if place.to & LIST == 0 {
                let number = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
                self.lists.push(vec![place.to]);
                place.to = LIST | number;
            }
            let list = &mut self.lists[(place.to & !LIST) as usize];
            if !list.contains(&to) {
                list.push(to);
            }
        }
    }

    fn find(&self, tag: Tag) -> Found<'_> {
        match self.places[self.place(tag)].to {
            FREE => Found::Nobody,
            ASIDE => Found::Aside,
            list if list & LIST != 0 => Found::Several(&self.lists[(list & !LIST) as usize]),
            profile => Found::One(profile),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::digest::digest;

    #[test]
    fn a_key_finds_all_who_have_it() {
        let tag = |text: &str| Tag::of(digest(text.as_bytes()));
        let mut part = Part::with_room(6);
        for (text, to) in [("a", 7), ("b", ASIDE), ("c", 3), ("c", ASIDE), ("c", 9), ("c", 3)] {
            part.put(tag(text), to);
        }
        assert_eq!(part.find(tag("a")), Found::One(7));
        assert_eq!(part.find(tag("b")), Found::Aside);
        assert_eq!(part.find(tag("c")), Found::Several(&[3, 9]));
        assert_eq!(part.find(tag("d")), Found::Nobody);
        part.put(tag("b"), 5);
        assert_eq!(part.find(tag("b")), Found::One(5));
        assert_eq!(Part::with_room(0).find(tag("a")), Found::Nobody);
    }

    #[test]
    fn equal_low_halves_do_not_meet() {
        let mut part = Part::with_room(3);
        for middle in 0..3 {
            part.put(Tag { low: u64::MAX, middle }, middle);
        }
        for middle in 0..3 {
            assert_eq!(part.find(Tag { low: u64::MAX, middle }), Found::One(middle));
        }
    }
}
