//! The closed vocabulary of decisions.

use crate::plan::{DENIED, GRANTED, Words};

/// What a cell of a consent table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Null or blank.
    NoDecision,
    /// A word that grants.
    Granted,
    /// A word that denies.
    Denied,
    /// Any other word: it neither grants nor denies.
    Unrecognized,
}

/// A text without blanks at its ends, invisible ones too: they must not hide a denial.
#[must_use]
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| {
        c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    })
}

/// Reads a cell: trimmed, without case; a table's own words win.
#[must_use]
pub fn read(text: &str, own: &Words) -> Reading {
    let text = trimmed(text);
    if text.is_empty() {
        return Reading::NoDecision;
    }
    if !own.granted.is_empty() || !own.denied.is_empty() {
        let lower = text.to_lowercase();
        if own.denied.contains(&lower) {
            return Reading::Denied;
        }
        if own.granted.contains(&lower) {
            return Reading::Granted;
        }
    }
    // The vocabulary is ASCII, so folding ASCII is folding it all.
    if DENIED.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        Reading::Denied
    } else if GRANTED.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        Reading::Granted
    } else {
        Reading::Unrecognized
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vocabulary_is_closed_and_case_blind() {
        let none = Words::default();
        assert_eq!(read(" True ", &none), Reading::Granted);
        assert_eq!(read("DO NOT ALLOW", &none), Reading::Denied);
        assert_eq!(read("\u{200b}no\u{feff}", &none), Reading::Denied);
        assert_eq!(read("", &none), Reading::NoDecision);
        assert_eq!(read("  ", &none), Reading::NoDecision);
        assert_eq!(read("maybe", &none), Reading::Unrecognized);
        assert_eq!(read("yes please", &none), Reading::Unrecognized);
    }

    #[test]
    fn own_words_win() {
        let own = Words { granted: vec!["ja".into()], denied: vec!["nein".into(), "y".into()] };
        assert_eq!(read("JA", &own), Reading::Granted);
        assert_eq!(read("Y", &own), Reading::Denied);
        assert_eq!(read("no", &own), Reading::Denied);
    }
}
