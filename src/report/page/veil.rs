//! What may be of a person is not shown: a page is sent to people who may not see it.
//!
//! A pipeline file can hold values of persons: under `never`, in a rule, in a comment. Its author says
//! where some of them stand; the others are told by their looks, as mail addresses and numbers are.

use std::ops::Range;

/// What stands in place of a value.
const VEIL: &str = "•••";
/// A number of so many digits may be that of a phone, an account, a person.
const DIGITS: usize = 7;

/// A text without the values in the given places, and without what looks like a mail address or a long
/// number anywhere.
#[must_use]
pub fn veiled(text: &str, places: &[Range<usize>]) -> String {
    let mut hidden: Vec<Range<usize>> = places.to_vec();
    hidden.extend(mails(text));
    hidden.extend(numbers(text));
    hidden.sort_by_key(|place| (place.start, place.end));
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    for place in hidden {
        if place.end <= at || place.is_empty() {
            continue;
        }
        if place.start >= at {
            shown.push_str(text.get(at..place.start).unwrap_or_default());
            shown.push_str(VEIL);
        }
        at = place.end;
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    shown
}

/// Words with an `@` between two others.
fn mails(text: &str) -> Vec<Range<usize>> {
    let is_part = |c: char| !c.is_whitespace() && !"\"'`,;:()[]{}<>=#|".contains(c);
    text.match_indices('@')
        .filter_map(|(at, _)| {
            let start = at
                - text[..at]
                    .chars()
                    .rev()
                    .take_while(|c| is_part(*c))
                    .map(char::len_utf8)
                    .sum::<usize>();
            let long =
                text[at..].chars().take_while(|c| is_part(*c)).map(char::len_utf8).sum::<usize>();
            (start < at && long > 1).then_some(start..at + long)
        })
        .collect()
}

/// Runs of digits, with what people write between them, that are no date and no time.
fn numbers(text: &str) -> Vec<Range<usize>> {
    let is_part = |c: char| c.is_ascii_digit() || " +()/.-\u{a0}".contains(c);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(|c: char| c.is_ascii_digit() || c == '+') {
        let start = at + start;
        let long: usize =
            text[start..].chars().take_while(|c| is_part(*c)).map(char::len_utf8).sum();
        let long =
            text[start..start + long].trim_end_matches(|c: char| !c.is_ascii_digit()).len().max(1);
        let run = &text[start..start + long];
        at = start + long;
        let digits = run.chars().filter(char::is_ascii_digit).count();
        if digits >= DIGITS && !is_date(run) {
            found.push(start..at);
        }
    }
    found
}

/// True for dates such as `2026-11-24`, `24.11.2026` and `24/11/2026`, and the hour behind one.
fn is_date(run: &str) -> bool {
    let is_day = |word: &str| {
        let parts: Vec<&str> = word.split(['-', '.', '/']).collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()))
            && matches!(lengths.as_slice(), [4, 1 | 2, 1 | 2] | [1 | 2, 1 | 2, 4])
    };
    let mut words = run.split(' ');
    words.next().is_some_and(is_day) && words.all(|word| word.len() <= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_and_numbers_are_not_shown_dates_and_names_are() {
        for (text, shown) in [
            ("never: [ann@example.com]", "never: [•••]"),
            ("# ask Ann.B+x@example.co.uk, or so", "# ask •••, or so"),
            ("phone = '+49 (30) 2312-5071'", "phone = '•••'"),
            ("# 089 99998123 is a number in Munich", "# ••• is a number in Munich"),
            ("0041 0004 8271 = 0041-0004-8271", "••• = •••"),
            ("id = 12345678", "id = •••"),
            ("as_of: 2026-11-24T00:00:00Z", "as_of: 2026-11-24T00:00:00Z"),
            ("last_order < DATE '2026-05-24'", "last_order < DATE '2026-05-24'"),
            ("{ date: \"%d.%m.%Y\" } 24.12.2026", "{ date: \"%d.%m.%Y\" } 24.12.2026"),
            ("2026-11-24 10:30:00, 2026-11-24 12345678", "2026-11-24 10:30:00, •••"),
            ("06 12 34 56 78", "•••"),
            ("expires_after: 24 months", "expires_after: 24 months"),
            ("revenue >= 100 OR points >= 500", "revenue >= 100 OR points >= 500"),
            ("GDPR Art. 6(1)(b)", "GDPR Art. 6(1)(b)"),
            ("a @ b, @, user@", "a @ b, @, user@"),
        ] {
            assert_eq!(veiled(text, &[]), shown);
        }
    }

    #[test]
    fn places_are_not_shown_whatever_stands_there() {
        assert_eq!(veiled("never: [Ann, Bob] # Zoë", &[8..11, 13..16]), "never: [•••, •••] # Zoë");
        // Places that meet, and one that is a mail too.
        assert_eq!(veiled("x ann@example.com y", &[2..5, 3..9]), "x ••• y");
        assert_eq!(veiled("ab", &[0..2, 0..1]), "•••");
    }
}
