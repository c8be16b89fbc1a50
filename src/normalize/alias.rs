//! The normalizer `alias`: texts that a file says are the same value.
//!
//! The pairs come from outside: this room reads no file. Sameness is transitive, so the pairs
//! `MSFT,Microsoft` and `Microsoft,Microsoft Corp` make one class of three texts, and the key of a
//! class is its smallest text. So the key depends neither on the order of the pairs nor on which of
//! two texts stands first.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;

use super::{Documented, Example, Step};

pub(super) const ALIAS: Documented = Documented {
    name: "alias",
    step: Step::Alias(Alias::NONE),
    summary: "Compares texts that a file says are the same value: the file has two columns, and \
              the two texts of a row are the same. So are those that a chain of rows connects. \
              Both the value and the texts of the file pass the normalizers before this one \
              first. A text that is not in the file stays itself.",
    options: &[("file", "the file of pairs")],
    examples: &[
        Example {
            input: "Microsoft",
            region: None,
            options: &[("file", "aliases.csv")],
            output: Some("MSFT"),
        },
        Example {
            input: "MSFT",
            region: None,
            options: &[("file", "aliases.csv")],
            output: Some("MSFT"),
        },
        Example {
            input: "Contoso",
            region: None,
            options: &[("file", "aliases.csv")],
            output: Some("Contoso"),
        },
    ],
};

/// Classes of texts that are the same value.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Alias {
    /// The file, as named in the pipeline file.
    pub file: String,
    /// How many pairs it has.
    pub pairs: usize,
    /// The key of each text that is not its own key. None: there are no pairs.
    #[serde(skip)]
    forms: Option<Arc<HashMap<Box<str>, Box<str>>>>,
}

impl Alias {
    /// No pairs: every text is itself.
    const NONE: Self = Self { file: String::new(), pairs: 0, forms: None };

    /// The classes that these pairs make. Their texts have passed the normalizers that stand before
    /// this one. An empty text is no value, so a pair with one says nothing.
    #[must_use]
    pub fn new(file: String, pairs: impl Iterator<Item = (String, String)>) -> Self {
        let mut classes = Classes::default();
        let mut count = 0;
        for (one, other) in pairs {
            count += 1;
            if !one.is_empty() && !other.is_empty() {
                classes.join(one, other);
            }
        }
        let forms = classes.forms();
        let forms = (!forms.is_empty()).then(|| Arc::new(forms));
        Self { file, pairs: count, forms }
    }

    /// The key of a text.
    #[must_use]
    pub fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.forms.as_ref().and_then(|forms| forms.get(text)) {
            Some(form) => Cow::Owned(form.to_string()),
            None => Cow::Borrowed(text),
        }
    }
}

/// Union-find over texts.
#[derive(Default)]
struct Classes {
    numbers: BTreeMap<String, usize>,
    parents: Vec<usize>,
}

impl Classes {
    fn join(&mut self, one: String, other: String) {
        let (one, other) = (self.number(one), self.number(other));
        let (one, other) = (self.root(one), self.root(other));
        self.parents[other] = one;
    }

    fn number(&mut self, text: String) -> usize {
        *self.numbers.entry(text).or_insert_with(|| {
            self.parents.push(self.parents.len());
            self.parents.len() - 1
        })
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.parents[at] != at {
            // Halves the way for the next one.
            self.parents[at] = self.parents[self.parents[at]];
            at = self.parents[at];
        }
        at
    }

    /// The smallest text of its class, for all texts but these.
    fn forms(mut self) -> HashMap<Box<str>, Box<str>> {
        let mut smallest: Vec<Option<Box<str>>> = vec![None; self.parents.len()];
        let mut forms = HashMap::new();
        // In order, so the first text of a class is its smallest.
        for (text, number) in std::mem::take(&mut self.numbers) {
            let class = &mut smallest[self.root(number)];
            match class {
                Some(form) => {
                    forms.insert(text.into_boxed_str(), form.clone());
                }
                None => *class = Some(text.into_boxed_str()),
            }
        }
        forms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(pairs: &[(&str, &str)]) -> Alias {
        let pairs = pairs.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned()));
        Alias::new("aliases.csv".to_owned(), pairs)
    }

    #[test]
    fn classes_are_transitive_and_the_order_of_pairs_does_not_matter() {
        let pairs = [("d", "c"), ("b", "a"), ("x", "y"), ("c", "b"), ("a", "a"), ("", "z")];
        let one = alias(&pairs);
        let mut turned = pairs.map(|(one, other)| (other, one));
        turned.reverse();
        let other = alias(&turned);
        assert_eq!(one, other);
        assert_eq!(one.pairs, 6);
        for (text, key) in
            [("a", "a"), ("b", "a"), ("c", "a"), ("d", "a"), ("y", "x"), ("z", "z"), ("", "")]
        {
            assert_eq!(one.apply(text), key, "{text}");
        }
        assert!(matches!(one.apply("a"), Cow::Borrowed("a")));
        assert_eq!(alias(&[]).apply("a"), "a");
        assert_eq!(Alias::default(), Alias::NONE);
    }

    #[test]
    fn a_long_chain_is_one_class() {
        let texts: Vec<_> = (0..20_000).map(|at| format!("{at:05}")).collect();
        let pairs = texts.windows(2).map(|pair| (pair[1].clone(), pair[0].clone()));
        let alias = Alias::new(String::new(), pairs);
        assert!(texts.iter().all(|text| alias.apply(text) == "00000"));
    }
}
