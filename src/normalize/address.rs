//! The normalizer `address`: lines of a street address.
//!
//! The words of an address are compared, not understood: nothing says which of them is the street.
//! So one word has one key wherever it stands, and what may be two things is one key for both: `St`
//! is street and saint, so `saint` is `st` too. The words are those of `lists/address.csv`, in
//! English, German, French, Spanish, Dutch and Italian.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use super::words::{self, Stops};
use super::{Documented, Example, Step};

pub(super) const ADDRESS: Documented = Documented {
    name: "address",
    step: Step::Address,
    summary: "Compares lines of a street address without case, accents and symbols. Words that \
              are commonly shortened equal their short form: kinds of streets (`street` equals \
              `st`, and `Hauptstraße` equals `Hauptstr.`), directions (`northwest` equals `N.W.`), \
              units (`apartment` equals `apt`). `saint` equals `st` too. The order of the words \
              counts, and a number equals only itself.",
    options: &[],
    examples: &[
        Example::new("street", Some("st")),
        Example::new("st", Some("st")),
        Example::new("northwest", Some("nw")),
        Example::new("nw", Some("nw")),
        Example::new("5000 15th Street N.W., Suite #950", Some("5000 15th st nw ste 950")),
        Example::new("5000 15TH ST NORTH WEST STE 950", Some("5000 15th st nw ste 950")),
        Example::new("200 Cedar Springs Rd", Some("200 cedar springs rd")),
        Example::new("1 Av. Foch", Some("1 ave foch")),
        Example::new("Hauptstraße 12/3", Some("hauptstr 12 3")),
        Example::new("HAUPTSTR.12/3", Some("hauptstr 12 3")),
        Example::new("Berliner Straße 5", Some("berliner st 5")),
        Example::new("Berliner Str. 5", Some("berliner st 5")),
        Example::new("bd. Saint-Germain", Some("blvd st germain")),
        Example::new("C/ Mayor, 3", Some("calle mayor 3")),
        Example::new("P.O. Box 7", Some("po box 7")),
        Example::new("Post Office Box 7", Some("po box 7")),
        Example::new("King's Road", Some("kings rd")),
        Example::new("#", None),
    ],
};

struct Lists {
    words: HashMap<&'static str, &'static str>,
    /// Ends of words, and what they become.
    ends: Vec<(&'static str, &'static str)>,
    /// Several words, as they are once each has its own key, and what they become together.
    phrases: Vec<(Vec<&'static str>, &'static str)>,
}

/// The forms. A line that does not read as one is left out; a test holds that none is.
static LISTS: LazyLock<Lists> = LazyLock::new(|| {
    let mut lists = Lists { words: HashMap::new(), ends: Vec::new(), phrases: Vec::new() };
    for line in include_str!("lists/address.csv").lines().skip(1) {
        let Some((form, key)) = line.split_once(',') else { continue };
        if let (Some(end), Some(key)) = (form.strip_prefix('-'), key.strip_prefix('-')) {
            lists.ends.push((end, key));
        } else if form.contains(' ') {
            lists.phrases.push((form.split(' ').collect(), key));
        } else {
            lists.words.insert(form, key);
        }
    }
    lists
});

/// The key of a line of an address.
pub(super) fn address(text: &str) -> Cow<'_, str> {
    let plain = words::plain(text, Stops::Initials);
    let lists = &*LISTS;
    let mut keys = String::with_capacity(plain.len() + 8);
    let mut phrase = false;
    for word in plain.split(' ') {
        if !keys.is_empty() {
            keys.push(' ');
        }
        if let Some(key) = lists.words.get(word) {
            phrase |= lists.starts_phrase(key);
            keys.push_str(key);
        } else if let Some((stem, end)) = lists.end(word) {
            keys.push_str(stem);
            keys.push_str(end);
        } else {
            phrase |= lists.starts_phrase(word);
            keys.push_str(word);
        }
    }
    if phrase && let Some(joined) = lists.join_phrases(&keys) {
        keys = joined;
    }
    if keys == *plain { plain } else { Cow::Owned(keys) }
}

impl Lists {
    /// The stem of a word, and the key of its end.
    fn end<'a>(&self, word: &'a str) -> Option<(&'a str, &'static str)> {
        // The shortest end has four letters.
        let ends = if word.len() > 5 { self.ends.as_slice() } else { &[] };
        let (end, key) = ends.iter().find(|(end, _)| word.ends_with(end))?;
        let stem = &word[..word.len() - end.len()];
        (stem.chars().nth(1).is_some()).then_some((stem, key))
    }

    fn starts_phrase(&self, word: &str) -> bool {
        self.phrases.iter().any(|(phrase, _)| phrase[0] == word)
    }

    /// The text with its phrases joined, if it has any.
    fn join_phrases(&self, text: &str) -> Option<String> {
        let words: Vec<&str> = text.split(' ').collect();
        let mut joined = String::with_capacity(text.len());
        let (mut at, mut found) = (0, false);
        while let Some(word) = words.get(at) {
            if at > 0 {
                joined.push(' ');
            }
            let rest = &words[at..];
            if let Some((phrase, key)) = self.phrases.iter().find(|(p, _)| rest.starts_with(p)) {
                joined.push_str(key);
                at += phrase.len();
                found = true;
            } else {
                joined.push_str(word);
                at += 1;
            }
        }
        found.then_some(joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_plain_and_without_chains() {
        let lines: Vec<_> = include_str!("lists/address.csv").lines().skip(1).collect();
        assert!(lines.is_sorted_by(|a, b| a.split(',').next() < b.split(',').next()));
        for line in lines {
            let (form, key) = line.split_once(',').expect("a form and its key");
            let form = form.replace('-', "haupt");
            let key = key.replace('-', "haupt");
            assert!(form.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' '), "{line}");
            assert_eq!(address(&form), key);
            assert_eq!(address(&key), key);
            assert!(key.split(' ').all(|word| !LISTS.words.contains_key(word)), "{line}");
        }
        // What an end becomes has four letters or more before it and is no other form.
        for (end, key) in &LISTS.ends {
            assert!(end.len() > 3, "{end}");
            for form in LISTS.words.keys().filter(|form| form.len() > key.len() + 1) {
                assert!(!form.ends_with(key), "{form} may be {end} cut short");
            }
        }
    }

    #[test]
    fn any_words_of_the_list_in_any_order() {
        let forms = include_str!("lists/address.csv").lines().skip(1);
        let mut words: Vec<_> =
            forms.flat_map(|line| line.split([',', ' ']).filter(|form| form.len() < 4)).collect();
        words.extend(["post", "office", "north", "west", "haupt-strasse", "n.", "7"]);
        words.sort_unstable();
        words.dedup();
        for one in &words {
            for other in &words {
                for third in &words {
                    let value = format!("{one} {other} {third}");
                    let key = address(&value);
                    assert_eq!(address(&key), key, "{value}");
                }
            }
        }
    }
}
