//! Figures of a run record, each with where in the record it stands.
//!
//! The page is made of the record as its file has it, so that whoever doubts a figure can look it up:
//! `data-of` holds a JSON pointer, or several that are added.

use serde_json::Value as Json;

use crate::report::layout::{number, size};

/// How a figure is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Count,
    Bytes,
    Milliseconds,
}

/// A figure, and of which figures of the record it is made.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The figure itself.
    pub value: u64,
    /// JSON pointers, with ` + ` between them.
    pub of: String,
    unit: Unit,
}

impl Figure {
    /// As people read it.
    #[must_use]
    pub fn text(&self) -> String {
        match self.unit {
            Unit::Count => number(self.value),
            Unit::Bytes => size(self.value),
            Unit::Milliseconds if self.value < 1000 => format!("{} ms", self.value),
            Unit::Milliseconds => {
                format!("{}.{:02} s", self.value / 1000, self.value % 1000 / 10)
            }
        }
    }

    /// As a number of bytes.
    #[must_use]
    pub fn bytes(self) -> Self {
        Self { unit: Unit::Bytes, ..self }
    }

    /// As a time in milliseconds.
    #[must_use]
    pub fn milliseconds(self) -> Self {
        Self { unit: Unit::Milliseconds, ..self }
    }

    /// Its share of a whole, in per mille; of nothing it is none.
    #[must_use]
    pub fn per_mille(&self, whole: &Self) -> u64 {
        self.value.saturating_mul(1000).checked_div(whole.value).unwrap_or(0)
    }

    /// Its share of a whole in words, such as `12.3 %`.
    #[must_use]
    pub fn share(&self, whole: &Self) -> String {
        let share = self.per_mille(whole);
        match (share, self.value) {
            (0, 1..) => "< 0.1 %".to_owned(),
            _ => format!("{}.{} %", share / 10, share % 10),
        }
    }
}

/// A part of a run record.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    root: &'a Json,
    pointer: String,
}

impl<'a> Facts<'a> {
    /// A whole record.
    #[must_use]
    pub const fn new(root: &'a Json) -> Self {
        Self { root, pointer: String::new() }
    }

    fn value(&self, name: &str) -> Option<&'a Json> {
        self.root.pointer(&self.pointer_of(name))
    }

    /// Where in the record a part stands, as a JSON pointer.
    #[must_use]
    pub fn pointer_of(&self, name: &str) -> String {
        format!("{}/{name}", self.pointer)
    }

    /// A part by its name; names of parts in parts are joined by `/`.
    #[must_use]
    pub fn part(&self, name: &str) -> Self {
        Self { root: self.root, pointer: self.pointer_of(name) }
    }

    /// The entries of a list; none where it is not there.
    pub fn list(&self, name: &str) -> impl Iterator<Item = Self> + use<'a> {
        let count = self.value(name).and_then(Json::as_array).map_or(0, Vec::len);
        let list = self.part(name);
        (0..count).map(move |at| list.part(&at.to_string()))
    }

    /// True if such a part is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// True if such a list has entries.
    #[must_use]
    pub fn has_entries(&self, name: &str) -> bool {
        self.list(name).next().is_some()
    }

    /// A word; nothing where there is none.
    #[must_use]
    pub fn word(&self, name: &str) -> &'a str {
        self.value(name).and_then(Json::as_str).unwrap_or_default()
    }

    /// Whatever stands there; null where there is nothing.
    #[must_use]
    pub fn cell(&self, name: &str) -> &'a Json {
        self.value(name).unwrap_or(&Json::Null)
    }

    /// The words of a list.
    #[must_use]
    pub fn words(&self, name: &str) -> Vec<&'a str> {
        let list = self.value(name).and_then(Json::as_array);
        list.into_iter().flatten().filter_map(Json::as_str).collect()
    }

    /// True where the record says so.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        self.value(name).and_then(Json::as_bool).unwrap_or(false)
    }

    /// A figure; nothing where there is none.
    #[must_use]
    pub fn count(&self, name: &str) -> Figure {
        let value = self.value(name).and_then(Json::as_u64).unwrap_or(0);
        Figure { value, of: self.pointer_of(name), unit: Unit::Count }
    }

    /// Several figures of this part together.
    #[must_use]
    pub fn sum(&self, names: &[&str]) -> Figure {
        total(names.iter().map(|name| self.count(name)))
    }
}

/// Several figures together.
pub fn total(figures: impl Iterator<Item = Figure>) -> Figure {
    let mut sum = Figure { value: 0, of: String::new(), unit: Unit::Count };
    for figure in figures {
        sum.value = sum.value.saturating_add(figure.value);
        if !sum.of.is_empty() {
            sum.of.push_str(" + ");
        }
        sum.of.push_str(&figure.of);
        sum.unit = figure.unit;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_know_of_what_they_are_made() {
        let record = serde_json::json!({ "a": [{ "b": 1500, "c": 2 }], "t": 1239 });
        let facts = Facts::new(&record);
        let first = facts.list("a").next().expect("an entry");
        let sum = first.sum(&["b", "c"]);
        assert_eq!((sum.text().as_str(), sum.of.as_str()), ("1,502", "/a/0/b + /a/0/c"));
        assert_eq!(facts.count("t").milliseconds().text(), "1.23 s");
        assert_eq!(first.count("c").milliseconds().text(), "2 ms");
        assert_eq!(first.count("c").share(&first.count("b")), "0.1 %");
        assert_eq!(facts.count("none").share(&facts.count("none")), "0.0 %");
    }
}
