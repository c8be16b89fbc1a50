//! Normalizers of plain text: case, white space, symbols. The names follow the options of Dynamics
//! 365 Customer Insights.

use std::borrow::Cow;

use caseless::Caseless;
use unicode_normalization::char::{is_combining_mark, is_public_assigned};

use super::{Documented, Example, Step};

pub(super) const LOWER: Documented = Documented {
    name: "lower",
    step: Step::Lower,
    summary: "Compares without case: Unicode default case folding, so `ß` equals `ss` and all \
              forms of sigma are one.",
    options: &[],
    examples: &[
        Example::new("THIS Is aN EXamplE", Some("this is an example")),
        Example::new("Straße", Some("strasse")),
        Example::new("ΟΔΥΣΣΕΥΣ", Some("οδυσσευσ")),
        Example::new("οδυσσευς", Some("οδυσσευσ")),
        Example::new("", None),
    ],
};

pub(super) const TRIM: Documented = Documented {
    name: "trim",
    step: Step::Trim,
    summary: "Drops white space and invisible characters (zero-width space, byte order mark, soft \
              hyphen) at both ends. A field without normalizers has this one.",
    options: &[],
    examples: &[
        Example::new("  a  b\t", Some("a  b")),
        Example::new("\u{a0}\u{feff}a\u{200b}", Some("a")),
        Example::new(" \u{3000} ", None),
    ],
};

pub(super) const STRIP_SYMBOLS: Documented = Documented {
    name: "strip_symbols",
    step: Step::StripSymbols,
    summary: "Drops punctuation, symbols, control and invisible characters; keeps letters, \
              accents, numbers and white space. An apostrophe is dropped in all its forms.",
    options: &[],
    examples: &[
        Example::new("O'Brien-Smith", Some("OBrienSmith")),
        Example::new("O’Brien", Some("OBrien")),
        Example::new("a!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~\\b", Some("ab")),
        Example::new("Größe 5 €", Some("Größe 5 ")),
        Example::new("?!", None),
    ],
};

pub(super) const STRIP_WHITESPACE: Documented = Documented {
    name: "strip_whitespace",
    step: Step::StripWhitespace,
    summary: "Drops white space and invisible characters everywhere.",
    options: &[],
    examples: &[
        Example::new(" 1010 AB\tAmsterdam ", Some("1010ABAmsterdam")),
        Example::new("a\u{2003}b\u{200b}c", Some("abc")),
        Example::new(" \n ", None),
    ],
};

/// Compares without case.
pub(super) fn lower(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        }
    } else if text.chars().default_case_fold().eq(text.chars()) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().default_case_fold().collect())
    }
}

/// Drops what cannot be seen at both ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// Drops punctuation and symbols.
pub(super) fn strip_symbols(text: &str) -> Cow<'_, str> {
    without(text, is_symbol)
}

/// Drops white space.
pub(super) fn strip_whitespace(text: &str) -> Cow<'_, str> {
    without(text, is_blank)
}

fn without(text: &str, drop: fn(char) -> bool) -> Cow<'_, str> {
    match text.find(drop) {
        None => Cow::Borrowed(text),
        Some(at) => {
            let mut kept = String::with_capacity(text.len());
            kept.push_str(&text[..at]);
            kept.extend(text[at..].chars().filter(|&c| !drop(c)));
            Cow::Owned(kept)
        }
    }
}

/// White space, or nothing to see at all.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

/// Neither letter, number, accent nor white space. What Unicode has not assigned, or leaves to
/// private use, is kept: nobody knows what it is.
pub(super) fn is_symbol(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_alphanumeric() && !c.is_whitespace();
    }
    match c {
        // Letters to Unicode, but written for apostrophes: okina and modifier apostrophe.
        '\u{2bb}' | '\u{2bc}' => true,
        _ if is_invisible(c) => true,
        _ => {
            !c.is_alphanumeric()
                && !c.is_whitespace()
                && !is_combining_mark(c)
                && is_public_assigned(c)
        }
    }
}

/// Unicode's property `Default_Ignorable_Code_Point`: has no glyph of its own, such as zero-width
/// space and joiner, soft hyphen, byte order mark, marks of direction, variation selectors.
/// Source: `DerivedCoreProperties.txt`, Unicode 16.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}
