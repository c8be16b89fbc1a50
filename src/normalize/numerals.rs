//! The normalizer `numerals`: numbers in any script as ASCII digits.

use std::borrow::Cow;
use std::fmt::Write;

use super::{Documented, Example, Step};

pub(super) const NUMERALS: Documented = Documented {
    name: "numerals",
    step: Step::Numerals,
    summary: "Writes numbers in ASCII digits: the decimal digits of all scripts, superscripts and \
              subscripts, numbers in circles, brackets or with a full stop, and Unicode's Roman \
              numerals, of which a well-formed run is one number. Roman numerals in ordinary \
              letters stay letters.",
    options: &[],
    examples: &[
        Example::new("❽", Some("8")),
        Example::new("Ⅷ", Some("8")),
        Example::new("٣ ３ ³ ③ ⑶ ⒊", Some("3 3 3 3 3 3")),
        Example::new("ⅩⅬⅡ", Some("42")),
        Example::new("ⅰ ⅻ Ⅿ ㊿", Some("1 12 1000 50")),
        Example::new("Henry VIII", Some("Henry VIII")),
    ],
};

/// Zeros of the scripts' decimal digits; nine more digits follow each.
/// Source: `DerivedNumericType.txt`, Unicode 17, `Nd`.
#[rustfmt::skip]
const ZEROS: &[u32] = &[
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6,
    0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50,
    0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    0x104a0, 0x10d30, 0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0,
    0x11650, 0x116c0, 0x116d0, 0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50,
    0x11da0, 0x11de0, 0x11f50, 0x16130, 0x16a60, 0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce,
    0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0,
];

/// First and last character of a row of numbers, the first one's number, and the step.
/// Source: `UnicodeData.txt`, categories `No` and `Nl`.
#[rustfmt::skip]
const ROWS: &[(u32, u32, u32, u32)] = &[
    (0xb2, 0xb3, 2, 1), (0xb9, 0xb9, 1, 1), // superscript
    (0x2070, 0x2070, 0, 1), (0x2074, 0x2079, 4, 1), // superscript
    (0x2080, 0x2089, 0, 1), // subscript
    (0x2460, 0x2473, 1, 1), (0x24ea, 0x24ea, 0, 1), // circled
    (0x2474, 0x2487, 1, 1), // in brackets
    (0x2488, 0x249b, 1, 1), // with a full stop
    (0x24eb, 0x24f4, 11, 1), (0x24ff, 0x24ff, 0, 1), // negative circled
    (0x24f5, 0x24fe, 1, 1), // double circled
    (0x2776, 0x277f, 1, 1), (0x2780, 0x2789, 1, 1), (0x278a, 0x2793, 1, 1), // dingbats
    (0x3248, 0x324f, 10, 10), // circled on black
    (0x3251, 0x325f, 21, 1), (0x32b1, 0x32bf, 36, 1), // circled
    (0x1f100, 0x1f100, 0, 1), (0x1f101, 0x1f10a, 0, 1), // with a full stop, with a comma
    (0x1f10b, 0x1f10b, 0, 1), (0x1f10c, 0x1f10c, 0, 1), // dingbats
];

/// Roman numerals by their offset from U+2160 (capital) or U+2170 (small).
const ROMAN: [&str; 16] =
    ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "L", "C", "D", "M"];

/// Roman numerals that stand alone: archaic forms.
const ARCHAIC: &[(char, u32)] = &[
    ('\u{2180}', 1_000),
    ('\u{2181}', 5_000),
    ('\u{2182}', 10_000),
    ('\u{2185}', 6),
    ('\u{2186}', 50),
    ('\u{2187}', 50_000),
    ('\u{2188}', 100_000),
];

/// The value of a decimal digit of any script.
pub(super) fn digit(c: char) -> Option<u32> {
    if c.is_ascii() {
        return c.to_digit(10);
    }
    let code = u32::from(c);
    let at = ZEROS.partition_point(|&zero| zero <= code).checked_sub(1)?;
    let value = code - ZEROS[at];
    (value < 10).then_some(value)
}

/// Numbers as ASCII digits.
pub(super) fn numerals(text: &str) -> Cow<'_, str> {
    // No ASCII character stands for another number than its own.
    let Some(first) = text.find(|c: char| !c.is_ascii() && c.is_numeric()) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..first]);
    let mut rest = &text[first..];
    while let Some(c) = rest.chars().next() {
        if roman(c).is_some() {
            let run = rest.len() - rest.trim_start_matches(|c| roman(c).is_some()).len();
            push_roman(&mut out, &rest[..run]);
            rest = &rest[run..];
            continue;
        }
        match value(c) {
            Some(value) => push(&mut out, value),
            None => out.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

fn value(c: char) -> Option<u32> {
    let code = u32::from(c);
    digit(c).or_else(|| ARCHAIC.iter().find(|(letter, _)| *letter == c).map(|(_, n)| *n)).or_else(
        || {
            let row = ROWS.iter().find(|(from, to, ..)| (*from..=*to).contains(&code));
            row.map(|(from, _, first, step)| first + (code - from) * step)
        },
    )
}

fn roman(c: char) -> Option<&'static str> {
    let offset = u32::from(c).checked_sub(0x2160).filter(|offset| *offset < 0x20)?;
    ROMAN.get(offset as usize % 16).copied()
}

/// A run is one number if it is how that number is written; else each character is its own.
fn push_roman(out: &mut String, run: &str) {
    let letters: String = run.chars().filter_map(roman).collect();
    if let Some(number) = from_roman(&letters) {
        push(out, number);
    } else {
        for number in run.chars().filter_map(roman).filter_map(from_roman) {
            push(out, number);
        }
    }
}

/// The number that is written so, up to 3999; none if it would be written otherwise.
fn from_roman(letters: &str) -> Option<u32> {
    const PARTS: [(&str, u32); 13] = [
        ("M", 1000),
        ("CM", 900),
        ("D", 500),
        ("CD", 400),
        ("C", 100),
        ("XC", 90),
        ("L", 50),
        ("XL", 40),
        ("X", 10),
        ("IX", 9),
        ("V", 5),
        ("IV", 4),
        ("I", 1),
    ];
    let mut rest = letters;
    let mut number = 0;
    for (part, value) in PARTS {
        // Only powers of ten repeat, and three times at most.
        let most = if matches!(value, 1 | 10 | 100 | 1000) { 3 } else { 1 };
        for _ in 0..most {
            let Some(after) = rest.strip_prefix(part) else { break };
            rest = after;
            number += value;
        }
    }
    // "IXIV" passes the loop above; only the canonical spelling counts.
    let canonical = {
        let mut left = number;
        let mut text = String::new();
        for (part, value) in PARTS {
            while left >= value {
                left -= value;
                text.push_str(part);
            }
        }
        text
    };
    (number > 0 && rest.is_empty() && canonical == letters).then_some(number)
}

fn push(out: &mut String, number: u32) {
    // Writing into a String cannot fail.
    let _ = write!(out, "{number}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_all_scripts() {
        assert!(ZEROS.is_sorted_by(|a, b| a + 10 <= *b));
        for &zero in ZEROS {
            for value in 0..10 {
                let c = char::from_u32(zero + value).expect("a digit");
                assert!(c.is_numeric(), "{c:?} U+{:x}", zero + value);
                assert_eq!(digit(c), Some(value));
            }
        }
        assert_eq!(digit('a'), None);
        assert_eq!(digit('½'), None);
        assert_eq!(digit('\u{66a}'), None);
    }

    #[test]
    fn rows_are_numbers() {
        for &(from, to, ..) in ROWS {
            for code in from..=to {
                let c = char::from_u32(code).expect("a number");
                assert!(c.is_numeric() && digit(c).is_none() && roman(c).is_none(), "U+{code:x}");
            }
        }
    }

    #[test]
    fn roman_numbers() {
        for (letters, number) in [
            ("I", 1),
            ("IV", 4),
            ("XII", 12),
            ("XIII", 13),
            ("XCIX", 99),
            ("MCMXCIV", 1994),
            ("MMMCMXCIX", 3999),
        ] {
            assert_eq!(from_roman(letters), Some(number), "{letters}");
        }
        for letters in ["", "IIII", "VX", "IXIV", "VIIIVIII", "IC", "MMMM", "IXI", "CMC"] {
            assert_eq!(from_roman(letters), None, "{letters}");
        }
        assert_eq!(numerals("ⅨⅣ"), "94");
        assert_eq!(numerals("ⅩⅢ Ⅹ-Ⅲ"), "13 10-3");
        assert_eq!(numerals("ↈⅠ"), "1000001");
    }
}
