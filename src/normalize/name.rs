//! The normalizer `name`: names of persons.
//!
//! A key needs an equivalence relation, and a list of nicknames is none: `al` is said for Alan,
//! Albert and Alfred, and formal names are said for each other. To link two persons is worse than
//! to miss one, so `lists/nicknames.csv` holds few lines, and each gives one word one formal name:
//!
//! - A spelling variant becomes the common spelling (`kathryn`, `catherine` become `katherine`).
//!   Both names are in the source and share a nickname there, or are said alike. Names that are
//!   said differently stay apart though they share nicknames (`christine`, `christina`).
//! - A nickname becomes the formal name that claims it in the source, if that one is nearly always
//!   meant. Where two are (`alex sam chris pat jack ted kathy`), and where the nickname is a given
//!   name of its own today (`harry max lisa kim`), it stays itself.
//!
//! No formal name is itself changed, so there are no chains. How the lines were chosen is told in
//! `lists/README.md`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use super::words::{self, Stops};
use super::{Documented, Example, Step};

pub(super) const NAME: Documented = Documented {
    name: "name",
    step: Step::Name,
    summary: "Compares names of persons without case, accents and symbols: an apostrophe is \
              dropped, a hyphen is a blank. Titles and suffixes (`Dr.`, `Frau`, `Jr.`, `PhD`) do \
              not count. A nickname equals its formal name where nearly always that one is meant \
              (`debby` equals `deborah`), and so do spellings of one name (`kathryn` equals \
              `katherine`); the nicknames are English ones. The order of the words counts.",
    options: &[],
    examples: &[
        Example::new("deborah", Some("deborah")),
        Example::new("debby", Some("deborah")),
        Example::new("Debra", Some("deborah")),
        Example::new("Dr. Bob O’Brien-Smith, Jr.", Some("robert obrien smith")),
        Example::new("Bill", Some("william")),
        Example::new("  José  NÚÑEZ ", Some("jose nunez")),
        Example::new("Frau Prof. Dr. Müller", Some("muller")),
        Example::new("Mr. Mike Smith III, Ph.D.", Some("michael smith")),
        Example::new("Alex Herr", Some("alex herr")),
        Example::new("Amartya Sen", Some("amartya sen")),
        Example::new("Hans Meier sen.", Some("hans meier")),
        Example::new("Dr. Jr.", Some("dr jr")),
        Example::new("王小明", Some("王小明")),
        Example::new("-", None),
    ],
};

/// What a listed word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// A nickname or a variant, and its formal name.
    For(&'static str),
    Title(Place),
    /// The first of the two words of a title.
    First,
}

/// Where a title is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Any,
    Before,
    After,
    /// After the name, if that still has two words: `Sen` is a family name too.
    Last,
}

struct Lists {
    words: HashMap<&'static str, Word>,
    pairs: Vec<([&'static str; 2], Place)>,
}

/// Nicknames and titles. A line that does not read as one is left out; a test holds that none is.
static LISTS: LazyLock<Lists> = LazyLock::new(|| {
    let mut lists = Lists { words: HashMap::new(), pairs: Vec::new() };
    let names = include_str!("lists/nicknames.csv").lines().skip(1);
    lists.words.extend(names.filter_map(|line| {
        let (name, formal) = line.split_once(',')?;
        Some((name, Word::For(formal)))
    }));
    for line in include_str!("lists/titles.txt").lines() {
        let Some((place, title)) = line.split_once(' ') else { continue };
        let place = match place {
            "any" => Place::Any,
            "before" => Place::Before,
            "after" => Place::After,
            "last" => Place::Last,
            _ => continue,
        };
        if let Some((first, second)) = title.split_once(' ') {
            lists.words.entry(first).or_insert(Word::First);
            lists.pairs.push(([first, second], place));
        } else if lists.words.get(title) == Some(&Word::Title(Place::Before)) {
            // `Sr.` is señor before a name, and senior after it.
            lists.words.insert(title, Word::Title(Place::Any));
        } else {
            lists.words.insert(title, Word::Title(place));
        }
    }
    lists
});

/// The key of a name of a person.
pub(super) fn name(text: &str) -> Cow<'_, str> {
    let plain = words::plain(text, Stops::Blank);
    let lists = &*LISTS;
    if !plain.split(' ').any(|word| lists.words.contains_key(word)) {
        return plain;
    }
    let all: Vec<&str> = plain.split(' ').collect();
    let mut left = all.clone();
    lists.drop_titles(&mut left);
    if left.is_empty() {
        // Nothing but titles: then they are all there is to compare.
        left = all;
    }
    let mut key = String::with_capacity(plain.len() + 8);
    for word in left {
        if !key.is_empty() {
            key.push(' ');
        }
        key.push_str(match lists.words.get(word) {
            Some(Word::For(formal)) => formal,
            _ => word,
        });
    }
    if key == *plain { plain } else { Cow::Owned(key) }
}

impl Lists {
    /// Drops titles until there is none, or nothing at all.
    fn drop_titles(&self, words: &mut Vec<&str>) {
        loop {
            let count = words.len();
            words.retain(|word| self.place(word) != Some(Place::Any));
            let before = self.before(words);
            words.drain(..before);
            let after = self.after(words);
            words.truncate(words.len() - after);
            if words.len() == count || words.is_empty() {
                return;
            }
        }
    }

    fn place(&self, word: &str) -> Option<Place> {
        match self.words.get(word) {
            Some(Word::Title(place)) => Some(*place),
            _ => None,
        }
    }

    /// How many words of a title stand in front.
    fn before(&self, words: &[&str]) -> usize {
        if let [first, second, ..] = words
            && self.pairs.contains(&([first, second], Place::Before))
        {
            return 2;
        }
        words.first().is_some_and(|word| self.place(word) == Some(Place::Before)).into()
    }

    /// How many words of a title stand at the end.
    fn after(&self, words: &[&str]) -> usize {
        if let [rest @ .., first, second] = words
            && (self.pairs.contains(&([first, second], Place::After))
                || (rest.len() > 1 && self.pairs.contains(&([first, second], Place::Last))))
        {
            return 2;
        }
        let Some((word, rest)) = words.split_last() else { return 0 };
        match self.place(word) {
            Some(Place::After) => 1,
            Some(Place::Last) if rest.len() > 1 => 1,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_plain_and_without_chains() {
        let names: Vec<_> = include_str!("lists/nicknames.csv").lines().skip(1).collect();
        assert!(names.is_sorted_by(|a, b| a.split(',').next() < b.split(',').next()));
        for line in names {
            let (nickname, formal) = line.split_once(',').expect("two names");
            assert!(line.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b','), "{line}");
            assert_eq!(name(nickname), formal);
            assert!(!LISTS.words.contains_key(formal), "{line}");
        }
        for line in include_str!("lists/titles.txt").lines() {
            let words: Vec<_> = line.split(' ').collect();
            assert!(matches!(words.as_slice(), [_, _] | [_, _, _]), "{line}");
            assert!(["any", "before", "after", "last"].contains(&words[0]), "{line}");
            for title in &words[1..] {
                assert!(!matches!(LISTS.words.get(title), Some(Word::For(_))), "{line}");
            }
        }
    }

    #[test]
    fn well_known_nicknames() {
        for pairs in [
            "bob robert, bill william, liz elizabeth, mike michael, tom thomas, jim james",
            "kate katherine, peggy margaret, dick richard, dave david, joe joseph, beth elizabeth",
            "steve stephen, chuck charles, tony anthony, jenny jennifer, betty elizabeth",
        ] {
            for pair in pairs.split(", ") {
                let (nickname, formal) = pair.split_once(' ').expect("two names");
                assert_eq!(name(nickname), formal);
            }
        }
        for own in ["al", "alex", "sam", "chris", "pat", "jack", "harry", "max", "erin", "leah"] {
            assert!(matches!(name(own), Cow::Borrowed(same) if same == own));
        }
        assert_ne!(name("christine"), name("christina"));
        assert_ne!(name("caroline"), name("carolyn"));
    }

    #[test]
    fn any_words_of_the_lists_in_any_order() {
        let mut words: Vec<_> = LISTS.pairs.iter().flat_map(|(pair, _)| *pair).collect();
        let titles = include_str!("lists/titles.txt").lines();
        words.extend(titles.filter_map(|line| line.split(' ').nth(1)));
        words.extend(["bob", "smith", "o"]);
        for one in &words {
            for other in &words {
                for third in &words {
                    let value = format!("{one} {other} {third}");
                    let key = name(&value);
                    assert!(!key.is_empty(), "{value}");
                    assert_eq!(name(&key), key, "{value}");
                }
            }
        }
    }
}
