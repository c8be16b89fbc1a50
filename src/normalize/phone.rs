//! The normalizer `phone`: numbers to E.164 with libphonenumber (its Rust port, with its metadata).
//!
//! A number is read in one of three ways:
//!
//! - *With a country code*: it is written with `+`, or libphonenumber can read it in the region
//!   that is given. Its key is E.164, such as `+14255551212`.
//! - *Without a country code*: no `+` and no region, or libphonenumber can make nothing of it. Its
//!   key is its digits, so it equals only itself.
//! - *Taken for one with a country code*, where the digits are a valid number of the world:
//!   - written without `+` in a cell without region, or not possible in its region: eleven or more
//!     digits that do not start with zero, such as `1 (425) 555-1212`, or eight or more after `00`,
//!     the international prefix that the ITU recommends;
//!   - written with zeros directly after `+`, such as `+01 425.555.1212`, and not valid in the
//!     region without the `+`: the zeros are dropped.
//!
//!   Its key is E.164.
//!
//! The third way is a guess, made because the published example asks for it: `13012345678` may be a
//! number of Maryland or of China. A wrong guess can give a grant only to the one who has these
//! very digits behind a `+`. A denial must not depend on it, so a guessed number is treated as
//! both: it reaches, and is reached, with and without its country code.
//!
//! Nothing here checks that a number with a country code is valid: numbers that are not in the
//! metadata yet are compared all the same.

use std::borrow::Cow;
use std::fmt;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat};
use serde::{Serialize, Serializer};

use super::{Documented, Example, Step, numerals::digit};

pub(super) const PHONE: Documented = Documented {
    name: "phone",
    step: Step::Phone,
    summary: "To E.164 with libphonenumber, without extension. A number without `+` is read in its \
              region. Without a region it equals only itself, by its digits; except that eleven \
              or more digits (or eight or more after 00) that are a valid international number are \
              read as such. Zeros directly after `+` are dropped if that makes the number valid. \
              Words beside a number are dropped, letters in it are read as on a keypad. Fewer than \
              3 or more than 17 digits, zeros alone, or anything with an `@` are not a number and \
              normalize to nothing.",
    options: &[
        ("region", "ISO 3166 code of the country in which numbers without `+` are read"),
        ("region_field", "the field that holds this code"),
    ],
    examples: &[
        Example::new("+01 425.555.1212", Some("+14255551212")),
        Example::new("1 (425) 555-1212", Some("+14255551212")),
        Example::new("(425) 555-1212", Some("4255551212")),
        Example::of("US", "(425) 555-1212", Some("+14255551212")),
        Example::of("US", "+01 425.555.1212", Some("+14255551212")),
        Example::of("US", "1 (425) 555-1212", Some("+14255551212")),
        Example::of("US", "425-555-1212 x12", Some("+14255551212")),
        Example::of("US", "425-555-1212 ext. 12", Some("+14255551212")),
        Example::new("+1-425-555-1212;ext=12", Some("+14255551212")),
        Example::new("(425) 555-1212 ext. 12", Some("4255551212")),
        Example::of("DE", "0151 23456789", Some("+4915123456789")),
        Example::of("DE", "+49 (0)151 23456789", Some("+4915123456789")),
        Example::of("DE", "0049 151 23456789", Some("+4915123456789")),
        Example::of("DE", "0151 23456789 (mobil)", Some("+4915123456789")),
        Example::of("US", "4915123456789", Some("+4915123456789")),
        Example::new("0049 151 23456789", Some("+4915123456789")),
        Example::new("49 151 23456789", Some("+4915123456789")),
        Example::new("0151 23456789", Some("015123456789")),
        Example::of("IT", "06 6982", Some("+39066982")),
        Example::of("EG", "٠١٠ ٠١٢٣ ٤٥٦٧", Some("+201001234567")),
        Example::of("US", "1-800-FLOWERS", Some("+18003569377")),
        Example::new("tel:151-23456789;phone-context=+49", Some("+4915123456789")),
        Example::new("+999 123 456", Some("999123456")),
        Example::of("DE", "+0151 23456789", Some("+4915123456789")),
        Example::new("unknown", None),
        Example::new("holly1234@contoso.com", None),
        Example::new("12", None),
        Example::new("000 0000", None),
        Example::of("DE", "0151 23456789 / 0160 98765432", None),
    ],
};

/// The fewest digits that can be a number.
const FEWEST_DIGITS: usize = 3;
/// The most digits that can be a number: libphonenumber's longest national number.
const MOST_DIGITS: usize = 17;
/// The most digits of an international number (ITU-T E.164, section 6).
const MOST_INTERNATIONAL: usize = 15;
/// The fewest digits without `+` that are read as international: country code 1 and a number.
const FEWEST_GUESSED: usize = 11;
/// The same after `00`, which says so itself.
const FEWEST_AFTER_PREFIX: usize = 8;
/// Digits after a word beside a number: an extension at most, no second number.
const MOST_BESIDE: usize = 6;
/// Digits before a word that are a number for sure where there is no region to ask.
const FEWEST_BEFORE_WORD: usize = 8;

/// RFC 3966: what a local number is to be read behind.
const CONTEXT: &str = ";phone-context=";

/// A region that libphonenumber knows, by its ISO 3166 alpha-2 code.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Region {
    code: rlibphonenumber::Region,
    letters: [u8; 2],
}

impl Region {
    /// The region of a code, in any case, trimmed. `None` if libphonenumber does not support it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let letters =
            <[u8; 2]>::try_from(text.trim().as_bytes()).ok()?.map(|b| b.to_ascii_uppercase());
        let code = rlibphonenumber::Region::try_from(std::str::from_utf8(&letters).ok()?).ok()?;
        PHONE_NUMBER_UTIL.get_country_code_for_region(code)?;
        Some(Self { code, letters })
    }

    /// True if a number without country code is a valid one of this region: a sign that it was written
    /// there, no more.
    #[must_use]
    pub fn fits(self, value: &str) -> bool {
        valid(value, Some(self)).is_some()
    }

    /// Two capital letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // ASCII letters: `parse` saw them as text.
        std::str::from_utf8(&self.letters).unwrap_or_default()
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Region").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Region {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Example {
    /// A known answer in a region.
    const fn of(region: &'static str, input: &'static str, output: Option<&'static str>) -> Self {
        Self { input, region: Some(region), options: &[], output }
    }
}

/// A number as it was read. At least one of the last two is set; both for a guess.
pub(super) struct Number {
    /// E.164 or digits.
    pub(super) key: String,
    /// The national number, if it has a country code.
    pub(super) with_code: Option<String>,
    /// The national number, if it may have none.
    pub(super) without_code: Option<String>,
}

/// The key of a number.
pub(super) fn key(value: &str, region: Option<Region>) -> Option<Cow<'_, str>> {
    let key = read(value, region)?.key;
    Some(if key == value { Cow::Borrowed(value) } else { Cow::Owned(key) })
}

/// True where the value has a key. Numbers as most people write them need not be read for that:
/// whatever libphonenumber makes of them, their digits are a key.
pub(super) fn has_key(value: &str, region: Option<Region>) -> bool {
    let plain = |b: u8| b.is_ascii_digit() || b" +-./()".contains(&b);
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    if (FEWEST_DIGITS..=MOST_DIGITS).contains(&digits)
        && value.bytes().all(plain)
        && value.bytes().any(|b| matches!(b, b'1'..=b'9'))
    {
        return true;
    }
    read(value, region).is_some()
}

/// Reads a number.
pub(super) fn read(value: &str, region: Option<Region>) -> Option<Number> {
    if value.contains('@') {
        // A mail address in the wrong column.
        return None;
    }
    let mut text = &value[value.find(|c| is_plus(c) || digit(c).is_some())?..];
    let whole;
    if let Some((number, context)) = text.split_once(CONTEXT) {
        whole = with_context(number, context);
        text = &whole;
    }
    if text.chars().filter(|&c| digit(c).is_some()).take(FEWEST_DIGITS).count() < FEWEST_DIGITS {
        return None;
    }
    let mut plus = text.starts_with(is_plus);
    let bare = &text[text.find(|c| digit(c).is_some())?..];
    if plus && bare.starts_with(|c| digit(c) == Some(0)) {
        // No country code starts with zero: either the zeros or the plus do not belong there.
        if let Some(number) = region.and_then(|_| valid(bare, region)) {
            return Some(with_code(&number));
        }
        let zeroless = bare.trim_start_matches(|c| digit(c) == Some(0) || is_separator(c));
        if let Some(number) = valid(&format!("+{zeroless}"), None) {
            return Some(Number { without_code: Some(digits(zeroless)), ..with_code(&number) });
        }
        text = bare;
        plus = false;
    }
    if !plus && region.is_none() {
        let digits = digits(text);
        return guess(&digits).or_else(|| without_code(digits));
    }
    if let Some(number) = parse(text, region) {
        let guessed = if plus || PHONE_NUMBER_UTIL.is_possible_number(&number) {
            None
        } else {
            guess(&digits(text))
        };
        return Some(guessed.unwrap_or_else(|| with_code(&number)));
    }
    // libphonenumber refuses a cell for any character that is unusual in numbers; not its digits.
    let digits = digits(text);
    plus.then(|| format!("+{digits}"))
        .and_then(|text| library(&text, region))
        .or_else(|| library(&digits, region))
        .map(|number| with_code(&number))
        .or_else(|| without_code(digits))
}

/// A number with the context that RFC 3966 allows behind it. libphonenumber does the same, but its
/// port panics at some contexts (2.2.15), so it is never shown one.
fn with_context(number: &str, context: &str) -> String {
    let context = context.split(';').next().unwrap_or_default();
    // A domain as context says nothing about the number.
    if context.starts_with('+') { format!("{context}{number}") } else { number.to_owned() }
}

fn with_code(number: &PhoneNumber) -> Number {
    Number {
        key: e164(number),
        with_code: Some(number.national_number.to_string()),
        without_code: None,
    }
}

fn without_code(digits: String) -> Option<Number> {
    let national = digits.trim_start_matches('0').to_owned();
    let is_number = (FEWEST_DIGITS..=MOST_DIGITS).contains(&digits.len()) && !national.is_empty();
    is_number.then_some(Number { key: digits, with_code: None, without_code: Some(national) })
}

/// Digits that are a valid international number, although no `+` says so.
fn guess(digits: &str) -> Option<Number> {
    let (international, fewest) = match digits.strip_prefix("00") {
        Some(rest) => (rest, FEWEST_AFTER_PREFIX),
        None => (digits, FEWEST_GUESSED),
    };
    let fits = (fewest..=MOST_INTERNATIONAL).contains(&international.len());
    if !fits || international.starts_with('0') {
        return None;
    }
    let number = valid(&format!("+{international}"), None)?;
    Some(Number { without_code: Some(international.to_owned()), ..with_code(&number) })
}

fn valid(text: &str, region: Option<Region>) -> Option<PhoneNumber> {
    library(text, region).filter(|number| PHONE_NUMBER_UTIL.is_valid_number(number))
}

/// Reads a number that may have a word beside it.
fn parse(text: &str, region: Option<Region>) -> Option<PhoneNumber> {
    word_beside(text).and_then(|before| valid(before, region)).or_else(|| library(text, region))
}

/// What stands before the first letter, unless a second number follows.
fn word_beside(text: &str) -> Option<&str> {
    let (before, after) = text.split_at(text.find(char::is_alphabetic)?);
    (count_digits(after) <= MOST_BESIDE).then_some(before)
}

/// libphonenumber's reading, if it reads its own E.164 as the same number.
///
/// Of some numbers that are not valid it drops the national prefix each time it reads them, so they
/// are read until nothing changes. Valid numbers never change (600,000 random ones tried).
fn library(text: &str, region: Option<Region>) -> Option<PhoneNumber> {
    let mut number = PHONE_NUMBER_UTIL.parse(text, region.map(|region| region.code)).ok()?;
    for _ in 0..MOST_DIGITS {
        if number.national_number == 0 {
            return None;
        }
        if PHONE_NUMBER_UTIL.is_valid_number(&number) {
            return Some(number);
        }
        let key = e164(&number);
        let again = PHONE_NUMBER_UTIL.parse(&key, None).ok()?;
        if e164(&again) == key {
            return Some(number);
        }
        number = again;
    }
    None
}

fn e164(number: &PhoneNumber) -> String {
    PHONE_NUMBER_UTIL.format(number, PhoneNumberFormat::E164).into_owned()
}

/// The digits of a number, without extension and word beside it.
fn digits(text: &str) -> String {
    let text = without_extension(text);
    let text = match word_beside(text) {
        Some(before) if count_digits(before) >= FEWEST_BEFORE_WORD => before,
        _ => text,
    };
    // Three letters, as libphonenumber has it, are meant to be dialled.
    let dialled = text.chars().filter(char::is_ascii_alphabetic).take(3).count() == 3;
    text.chars()
        .filter_map(|c| digit(c).or_else(|| dialled.then(|| keypad(c)).flatten()))
        .filter_map(|digit| char::from_digit(digit, 10))
        .collect()
}

/// The key of a letter on a telephone (ITU-T E.161).
fn keypad(c: char) -> Option<u32> {
    Some(match c.to_ascii_uppercase() {
        'A'..='C' => 2,
        'D'..='F' => 3,
        'G'..='I' => 4,
        'J'..='L' => 5,
        'M'..='O' => 6,
        'P'..='S' => 7,
        'T'..='V' => 8,
        'W'..='Z' => 9,
        _ => return None,
    })
}

/// Drops what libphonenumber takes for an extension (`create_extn_pattern`).
fn without_extension(text: &str) -> &str {
    /// Labels, and the most digits after them.
    const LABELS: &[(&str, usize)] = &[
        ("extension", 20),
        ("extensión", 20),
        ("extensio\u{301}n", 20),
        ("extn", 20),
        ("xtn", 20),
        ("ext", 20),
        ("xt", 20),
        ("anexo", 20),
        ("доб", 20),
        ("int", 9),
        ("x", 9),
        ("#", 9),
        ("~", 9),
        (";", 15),
        (",", 9),
    ];
    let ends = text.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '#');
    let (number, hash) = match ends.strip_suffix('#') {
        Some(number) => (number, true),
        None => (ends, false),
    };
    let before = number.trim_end_matches(|c| digit(c).is_some());
    let extension = count_digits(&number[before.len()..]);
    let label = before.trim_end_matches([' ', '\u{a0}', '\t', '-']);
    if extension == 0 {
        return text;
    }
    if hash && extension <= 6 && label.len() < before.len() && is_number(label) {
        return label;
    }
    let label = label.strip_suffix([':', '.', '\u{ff0e}', '=']).unwrap_or(label);
    for (name, most) in LABELS {
        if extension <= *most
            && let Some(head) = strip_label(label, name)
            && !head.ends_with(char::is_alphabetic)
            && is_number(head)
        {
            return head;
        }
    }
    text
}

/// Drops a label from the end, in any case.
fn strip_label<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let mut rest = text;
    for wanted in label.chars().rev() {
        let last = rest.chars().next_back()?;
        if !last.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
        rest = &rest[..rest.len() - last.len_utf8()];
    }
    Some(rest)
}

fn is_number(text: &str) -> bool {
    count_digits(text) >= FEWEST_DIGITS
}

fn count_digits(text: &str) -> usize {
    text.chars().filter(|&c| digit(c).is_some()).count()
}

fn is_plus(c: char) -> bool {
    matches!(c, '+' | '\u{ff0b}')
}

fn is_separator(c: char) -> bool {
    super::text::is_blank(c) || matches!(c, '(' | ')' | '-' | '.' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(text: &str) -> Option<Region> {
        Region::parse(text)
    }

    #[test]
    fn regions() {
        assert_eq!(region(" de ").map(|region| region.as_str().to_owned()), Some("DE".to_owned()));
        for text in ["", "D", "DEU", "UK", "XX", "001", "é", "d ", "ZZ"] {
            assert_eq!(region(text), None, "{text}");
        }
    }

    #[test]
    fn extensions_as_libphonenumber_sees_them() {
        let numbers = ["425-555-1212", "+1 425 555 1212", "(425) 555.1212", "4255551212"];
        let extensions = [
            "x12",
            " x12",
            " X 12",
            "x.12",
            " ext 12",
            " ext. 12",
            " EXT:12",
            ", ext 12",
            " extn. 12",
            " extension 12",
            " extensión 12",
            " anexo 12",
            " int 12",
            " int. 12",
            "#12",
            " # 12",
            "~12",
            ";ext=12",
            ";12",
            ",,12",
            ", 12",
            ",12#",
            " - 12#",
            " x12#",
            " доб. 12",
            " xtn 12",
            "x123456789",
            " ext 12345678901234567890",
            "",
            " 12",
            "-12",
            " y12",
            " x",
            "#",
            " Fax 12",
        ];
        for number in numbers {
            for extension in extensions {
                let text = format!("{number}{extension}");
                let parsed = PHONE_NUMBER_UTIL.parse(&text, region("US").map(|region| region.code));
                let theirs = parsed.ok().and_then(|number| number.extension).unwrap_or_default();
                let all = count_digits(&text);
                let ours = all - count_digits(without_extension(&text));
                if extension != " Fax 12" {
                    assert_eq!(ours, theirs.len(), "{text:?}: {theirs:?}");
                }
            }
        }
    }
}
