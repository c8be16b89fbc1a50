//! Points: the contact points and records that exports hold, by their texts, and the decisions that
//! reach them.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::diagnostics::Outcome;
use crate::engine::cells::Cells;
use crate::normalize::{Chain, Loose, PLAIN_ROOM, Region, Sha, sha};

/// Number of a point.
pub type Point = u32;

/// No point.
pub const NONE: Point = Point::MAX;

/// All points of one field, or all records.
pub struct Points {
    /// The keys of all points, behind each other, and where each ends.
    texts: String,
    ends: Vec<usize>,
    /// Points with the hashes of their keys: whom a grant reaches.
    keys: HashTable<(u64, Point)>,
    /// By form: whom a denial reaches, where this is another text than the key, or nobody's key alone.
    forms: HashMap<Box<str>, Vec<Point>>,
    /// The forms of each point that has any.
    own_forms: HashMap<Point, Vec<Box<str>>>,
    /// For each point whether a denial reaches it by its key.
    own: Vec<bool>,
    /// Tells of nearly every text that is none of all these that it is not: two bits in one word.
    filter: Vec<u64>,
    /// The same of forms alone.
    form_filter: Vec<u64>,
    /// Chosen anew in every run, so that nobody can prepare texts whose hashes collide.
    seed: u64,
}

impl Points {
    /// None yet; room for about so many.
    pub fn new(room: usize) -> Self {
        Self {
            texts: String::new(),
            ends: Vec::with_capacity(room),
            keys: HashTable::with_capacity(room),
            forms: HashMap::new(),
            own_forms: HashMap::new(),
            own: Vec::with_capacity(room),
            filter: vec![0; (room / 4).next_power_of_two().max(16)],
            form_filter: vec![0; (room / 16).next_power_of_two().max(16)],
            seed: RandomState::new().hash_one("optin"),
        }
    }

    /// The number of a point with this key; `forms` are the texts beside it by which denials find it.
    /// Two values of one key may differ in these: then they are two points.
    pub fn add<'f>(&mut self, key: &str, own: bool, forms: impl Iterator<Item = &'f str>) -> Point {
        let hash = self.hash(key);
        self.add_hashed(key, hash, own, forms)
    }

    fn add_hashed<'f>(
        &mut self,
        key: &str,
        hash: u64,
        own: bool,
        forms: impl Iterator<Item = &'f str>,
    ) -> Point {
        let forms: Vec<&str> = forms.collect();
        let is_same = |point: &Point| {
            let of_point = self.own_forms.get(point).map_or(&[][..], Vec::as_slice);
            self.own[*point as usize] == own
                && of_point.iter().map(AsRef::as_ref).eq(forms.iter().copied())
        };
        if let Some(known) = self.with_key(key, hash).find(is_same) {
            return known;
        }
        let point = Point::try_from(self.own.len()).unwrap_or(NONE);
        self.texts.push_str(key);
        self.ends.push(self.texts.len());
        self.own.push(own);
        self.keys.insert_unique(hash, (hash, point), |(hash, _)| *hash);
        note(&mut self.filter, hash);
        for form in &forms {
            let hash = self.hash(form);
            note(&mut self.filter, hash);
            note(&mut self.form_filter, hash);
            self.forms.entry((*form).into()).or_default().push(point);
        }
        if !forms.is_empty() {
            self.own_forms.insert(point, forms.into_iter().map(Into::into).collect());
        }
        point
    }

    /// The number of the point that a value is; none if it has no key.
    pub fn add_value(&mut self, chain: &Chain, text: &str, region: Option<Region>) -> Point {
        let mut room = [0; PLAIN_ROOM];
        if let Some(key) = plain(chain, text, &mut room) {
            return self.add(key, true, std::iter::empty());
        }
        let Some(loose) = chain.apply_loose(text, region) else { return NONE };
        self.add(&loose.key, loose.own, loose.target.iter().flatten().map(AsRef::as_ref))
    }

    /// The points of a part's cells, of which those that are no plain mail addresses are looked at by
    /// `closer`.
    ///
    /// # Errors
    /// Those of `closer`.
    pub fn add_prepared(
        &mut self,
        prepared: &Prepared,
        points: &mut Vec<Point>,
        mut closer: impl FnMut(&mut Self, usize) -> Outcome<Point>,
    ) -> Outcome<()> {
        let mut start = 0;
        for (row, cell) in prepared.cells.iter().enumerate() {
            points.push(match cell {
                Prepare::Null => NONE,
                Prepare::Closer => closer(self, row)?,
                Prepare::Plain { hash, end } => {
                    let key = &prepared.texts[start..*end];
                    start = *end;
                    self.add_hashed(key, *hash, true, std::iter::empty())
                }
            });
        }
        Ok(())
    }

    /// All points by the digests of their keys and of the forms by which denials find them.
    pub fn digests(&self) -> HashMap<Sha, Vec<Point>> {
        let mut all: HashMap<Sha, Vec<Point>> = HashMap::with_capacity(self.ends.len());
        for point in (0..).take(self.ends.len()) {
            let forms = self.own_forms.get(&point).into_iter().flatten().map(AsRef::as_ref);
            for text in std::iter::once(text_of(&self.texts, &self.ends, point)).chain(forms) {
                all.entry(sha(text)).or_default().push(point);
            }
        }
        all
    }

    /// By which texts are hashed here.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    fn hash(&self, text: &str) -> u64 {
        xxh3_64_with_seed(text.as_bytes(), self.seed)
    }

    /// All points with this key.
    fn with_key(&self, key: &str, hash: u64) -> impl Iterator<Item = Point> {
        let here = self.keys.iter_hash(hash).filter(move |(of, _)| *of == hash);
        here.map(|(_, point)| *point).filter(move |point| self.is(*point, key))
    }

    /// The point whose key has this hash; whether it is the key, [`is`](Self::is) tells.
    pub fn by_hash(&self, hash: u64) -> Option<Point> {
        self.keys.find(hash, |(of, _)| *of == hash).map(|(_, point)| *point)
    }

    /// True if this is the point's key.
    fn is(&self, point: Point, key: &str) -> bool {
        text_of(&self.texts, &self.ends, point) == key
    }

    /// False of nearly every text that nobody has, by its hash.
    pub fn may_hold(&self, hash: u64) -> bool {
        holds(&self.filter, hash)
    }

    /// The points that a grant of this key reaches.
    pub fn granted(&self, key: &str) -> Vec<Point> {
        let hash = self.hash(key);
        if self.may_hold(hash) { self.with_key(key, hash).collect() } else { Vec::new() }
    }

    /// The points that a denial reaches which looks for these texts, the key among them if it is
    /// `own`; each once.
    pub fn denied<'f>(
        &self,
        key: &'f str,
        own: bool,
        forms: impl Iterator<Item = &'f str>,
    ) -> Vec<Point> {
        let mut reached = Vec::new();
        for text in own.then_some(key).into_iter().chain(forms) {
            let hash = self.hash(text);
            if self.may_hold(hash) {
                let own = self.with_key(text, hash).filter(|point| self.own[*point as usize]);
                reached.extend(own);
                reached.extend(self.forms.get(text).into_iter().flatten());
            }
        }
        // Equal keys always reach each other.
        reached.extend(self.granted(key));
        reached.sort_unstable();
        reached.dedup();
        reached
    }

    /// The hash of a cell's key if the cell is a plain mail address.
    pub fn plain_hash(&self, chain: &Chain, text: &str) -> Option<u64> {
        let mut room = [0; PLAIN_ROOM];
        plain(chain, text, &mut room).map(|key| self.hash(key))
    }

    /// The keys of some points, fetched so that no load from memory waits for another.
    pub fn fetch(&self, points: impl Iterator<Item = Point>) -> Vec<Fetched<'_>> {
        let mut fetched: Vec<Fetched<'_>> = points
            .map(|point| Fetched { key: text_of(&self.texts, &self.ends, point), first: 0 })
            .collect();
        for fetched in &mut fetched {
            fetched.first = fetched.key.bytes().next().unwrap_or(0);
        }
        fetched
    }

    /// True of whom a denial may reach that looks for a plain mail address of this hash, beside those
    /// whose key it is.
    pub fn may_have_form(&self, hash: u64) -> bool {
        holds(&self.form_filter, hash)
    }

    /// Whom a cell of a source reaches: `None` if it has no key.
    pub fn reached(
        &self,
        chain: &Chain,
        text: &str,
        region: Option<Region>,
        granted: bool,
    ) -> Option<Vec<Point>> {
        let mut room = [0; PLAIN_ROOM];
        if let Some(key) = plain(chain, text, &mut room) {
            return Some(if granted {
                self.granted(key)
            } else {
                self.denied(key, true, std::iter::empty())
            });
        }
        let Loose { key, own, denial, .. } = chain.apply_loose(text, region)?;
        Some(if granted {
            self.granted(&key)
        } else {
            self.denied(&key, own, denial.iter().flatten().map(AsRef::as_ref))
        })
    }
}

/// The key of a point, of which the beginning is already in the cache.
pub struct Fetched<'p> {
    key: &'p str,
    first: u8,
}

impl Fetched<'_> {
    /// True if a plain mail address is this key. No other point has the same then.
    pub fn is_plain(&self, chain: &Chain, text: &str) -> bool {
        let mut room = [0; PLAIN_ROOM];
        plain(chain, text, &mut room)
            .is_some_and(|key| key.bytes().next() == Some(self.first) && key == self.key)
    }
}

/// The cells of a part, made ready for [`Points::add_prepared`] by the thread that decoded them.
pub struct Prepared {
    /// The keys of plain mail addresses, behind each other.
    texts: String,
    cells: Vec<Prepare>,
}

/// A cell, made ready.
#[derive(Clone, Copy)]
enum Prepare {
    Null,
    /// One must look closer.
    Closer,
    /// A plain mail address: the hash of its key, and where this ends.
    Plain {
        hash: u64,
        end: usize,
    },
}

impl Prepared {
    /// Of cells, hashed under a seed.
    pub fn new(chain: &Chain, cells: &Cells, rows: usize, seed: u64) -> Self {
        let mut texts = String::new();
        let mut room = [0; PLAIN_ROOM];
        let mut prepare = |row: usize| {
            let Some(text) = cells.text(row) else { return Prepare::Null };
            let Some(key) = plain(chain, &text, &mut room) else { return Prepare::Closer };
            texts.push_str(key);
            Prepare::Plain { hash: xxh3_64_with_seed(key.as_bytes(), seed), end: texts.len() }
        };
        let cells = (0..rows).map(&mut prepare).collect();
        Self { texts, cells }
    }
}

fn note(filter: &mut [u64], hash: u64) {
    let (word, bits) = place(filter, hash);
    filter[word] |= bits;
}

fn holds(filter: &[u64], hash: u64) -> bool {
    let (word, bits) = place(filter, hash);
    filter[word] & bits == bits
}

/// The word of a hash, and its two bits.
fn place(filter: &[u64], hash: u64) -> (usize, u64) {
    let word = usize::try_from(hash & (filter.len() as u64 - 1)).unwrap_or(0);
    (word, 1 << (hash >> 52 & 63) | 1 << (hash >> 58))
}

/// The key of a point.
fn text_of<'t>(texts: &'t str, ends: &[usize], point: Point) -> &'t str {
    let at = point as usize;
    let start = at.checked_sub(1).map_or(0, |before| ends[before]);
    &texts[start..ends[at]]
}

/// The key of a plain mail address, which has no looser form.
fn plain<'r>(chain: &Chain, text: &str, room: &'r mut [u8; PLAIN_ROOM]) -> Option<&'r str> {
    chain.plain_mail(text, room).and_then(|key| str::from_utf8(key).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::{EmailOptions, Step};

    #[test]
    fn grants_reach_equal_keys_and_denials_looser_ones() {
        let mail = Chain::new(vec![Step::Email(EmailOptions::default())]);
        let mut points = Points::new(2);
        let plain = points.add_value(&mail, "Ann@Example.com", None);
        let tagged = points.add_value(&mail, "ann+news@example.com", None);
        assert_eq!(points.add_value(&mail, "ann@example.com", None), plain);
        assert_eq!(points.add_value(&mail, "no mail", None), NONE);
        assert_eq!(points.own.len(), 2);
        let reached = |text, granted| points.reached(&mail, text, None, granted);
        assert_eq!(reached("ANN@example.com", true), Some(vec![plain]));
        assert_eq!(reached("ANN@example.com", false), Some(vec![plain, tagged]));
        assert_eq!(reached("ann+news@example.com", true), Some(vec![tagged]));
        assert_eq!(reached("ann+other@example.com", true), Some(Vec::new()));
        assert_eq!(reached("ann+other@example.com", false), Some(vec![plain, tagged]));
        assert_eq!(reached("bob@example.com", false), Some(Vec::new()));
        assert_eq!(reached("no mail", false), None);
    }

    /// One key, read with a country code and guessed: denials reach them differently.
    #[test]
    fn values_of_one_key_may_be_two_points() {
        let phone = Chain::new(vec![Step::Phone]);
        let mut points = Points::new(2);
        let marked = points.add_value(&phone, "+491701234567", None);
        let guessed = points.add_value(&phone, "491701234567", None);
        assert_ne!(marked, guessed);
        let reached = |text, granted| points.reached(&phone, text, None, granted);
        assert_eq!(reached("+49 170 1234567", true), Some(vec![marked, guessed]));
        assert_eq!(reached("+49 170 1234567", false), Some(vec![marked, guessed]));
        // A number without a country code reaches the guessed one by all its digits.
        assert_eq!(reached("0491701234567", false), Some(vec![guessed]));
    }
}
