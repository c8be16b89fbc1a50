//! Looser denials (section 6), from the keys and how they were read.
//!
//! Written apart from the product's own loose forms, which is the point: a denial that fails to
//! reach an address there must not fail here as well.

use optin::normalize::{Kind, Region};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};
use sha2::{Digest as _, Sha256};

/// The key of a value.
#[derive(Clone, Debug)]
pub struct Key {
    pub text: String,
    /// For phones: see [`is_guessed`]. How a number was read is no part of what it is equal to.
    pub is_guessed: bool,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// True where a denial or suppression on the key `denied` holds for the key `shown`, both keys of
/// one field. Equal keys always match.
pub fn denial_reaches(kind: Kind, denied: &Key, shown: &Key) -> bool {
    if denied.text == shown.text {
        return true;
    }
    match kind {
        Kind::Mail => bare_mail(&denied.text) == bare_mail(&shown.text),
        Kind::Phone => phones_match(denied, shown),
        Kind::Text => false,
    }
}

/// An id as a denial reads it: without blanks at its ends and, of a whole number, without plus sign,
/// leading zeros and a fraction of zeros.
pub fn plain_id(id: &str) -> String {
    let id: String = id.trim().chars().filter(|c| !"\u{200b}\u{feff}".contains(*c)).collect();
    let mut number = id.trim_start_matches('+').to_owned();
    if number.contains('.') && number.split('.').count() == 2 {
        let whole = number.split('.').next().unwrap_or_default().to_owned();
        if number.chars().skip(whole.chars().count() + 1).all(|digit| digit == '0') {
            number = whole;
        }
    }
    if number.is_empty() || number.chars().any(|digit| !digit.is_ascii_digit()) {
        return id;
    }
    while number.len() > 1 && number.starts_with('0') {
        number.remove(0);
    }
    number
}

/// The digests in a list that hold for the key `shown` (section 9).
pub fn digested(kind: Kind, shown: &Key) -> Vec<String> {
    let mut texts = vec![shown.text.clone()];
    match kind {
        Kind::Mail => texts.push(bare_mail(&shown.text)),
        Kind::Phone => {
            texts.extend(national_number(shown).map(|number| format!("c{number}")));
            texts.extend(local_number(shown).map(|number| format!("l{number}")));
        }
        Kind::Text => {}
    }
    texts.iter().map(|text| optin::plan::hex(&Sha256::digest(text.as_bytes()))).collect()
}

/// A mail without what a denial does not look at.
fn bare_mail(key: &str) -> String {
    let Some((local, domain)) = key.rsplit_once('@') else {
        return key.to_owned();
    };
    let untagged = match local.split_once('+') {
        Some((name, _tag)) => name,
        None => local,
    };
    let domain = if domain == "googlemail.com" { "gmail.com" } else { domain };
    if domain == "gmail.com" {
        format!("{}@{domain}", untagged.replace('.', ""))
    } else {
        format!("{untagged}@{domain}")
    }
}

/// A number has a country code, or has none, or (where it was only taken for an international one)
/// counts both ways.
fn phones_match(a: &Key, b: &Key) -> bool {
    let meets = |local: Option<String>, other: &Key| {
        local.is_some_and(|local| {
            let others = [national_number(other), local_number(other)];
            others.into_iter().flatten().any(|number| number == local)
        })
    };
    meets(local_number(a), b) || meets(local_number(b), a)
}

fn has_country_code(key: &Key) -> bool {
    key.text.starts_with('+')
}

/// Digits after the country code, without leading zeros.
fn national_number(key: &Key) -> Option<String> {
    if !has_country_code(key) {
        return None;
    }
    let number = PHONE_NUMBER_UTIL.parse(&key.text, None).ok()?;
    Some(number.national_number.to_string())
}

/// All digits without leading zeros, of a number that has no country code or only may have one.
fn local_number(key: &Key) -> Option<String> {
    let is_local = key.is_guessed || !has_country_code(key);
    is_local.then(|| key.text.trim_start_matches(['+', '0']).to_owned())
}

/// True where a number was taken for an international one although no country code is marked: it
/// has a key with a country code, and neither a `+` nor its region gave it that.
pub fn is_guessed(written: &str, region: Option<Region>, key: &str) -> bool {
    if !key.starts_with('+') {
        return false;
    }
    let region = region.and_then(|region| rlibphonenumber::Region::try_from(region.as_str()).ok());
    let read = |text: &str| region.map(|region| PHONE_NUMBER_UTIL.parse(text, Some(region)));
    let number = written.trim_start_matches(|char: char| char != '+' && !char.is_ascii_digit());
    if let Some(digits) = number.strip_prefix('+') {
        // Zeros directly after the `+`: the region may know the number without it, else the zeros
        // were dropped.
        let in_region = read(digits).and_then(Result::ok);
        let known = in_region.is_some_and(|number| PHONE_NUMBER_UTIL.is_valid_number(&number));
        return digits.starts_with('0') && !known;
    }
    match read(number) {
        None => true,
        Some(Err(_)) => false,
        Some(Ok(number)) => {
            let own = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164);
            !PHONE_NUMBER_UTIL.is_possible_number(&number) && own != key
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use optin::normalize::{Chain, EmailOptions, Step};

    use super::*;

    fn reach(kind: Kind, a: &str, b: &str) -> bool {
        let key = |text: &str| Key { text: text.to_owned(), is_guessed: false };
        let (there, back) = (key(a), key(b));
        assert_eq!(denial_reaches(kind, &there, &back), denial_reaches(kind, &back, &there));
        denial_reaches(kind, &there, &back)
    }

    #[test]
    fn mails_match_without_tag_and_gmail_without_dots() {
        let reach = |a, b| reach(Kind::Mail, a, b);
        assert!(reach("jane+shop@example.com", "jane@example.com"));
        assert!(reach("jane@example.com", "jane+shop+2@example.com"));
        assert!(reach("jane.doe+nyc@googlemail.com", "janedoe@gmail.com"));
        assert!(!reach("jane.doe@example.com", "janedoe@example.com"));
        assert!(!reach("jane@example.com", "jane@example.org"));
        assert!(!reach("jane@example.com", "jan@example.com"));
    }

    #[test]
    fn phones_match_nationally_only_where_one_has_no_country_code() {
        let reach = |a, b| reach(Kind::Phone, a, b);
        assert!(reach("+493012345678", "03012345678"));
        assert!(reach("03012345678", "3012345678"));
        assert!(reach("4255551212", "+14255551212"));
        assert!(reach("+390669812345", "0669812345"), "an Italian number keeps its zero");
        assert!(!reach("+493012345678", "+433012345678"), "two countries");
        assert!(!reach("+14255551212", "14255551212"), "14255551212 is no national number");
    }

    #[test]
    fn a_guessed_number_counts_both_ways() {
        let guessed = Key { text: "+14255551212".to_owned(), is_guessed: true };
        let reach = |other: &str| {
            let other = Key { text: other.to_owned(), is_guessed: false };
            denial_reaches(Kind::Phone, &guessed, &other)
        };
        assert!(reach("+14255551212"));
        assert!(reach("4255551212"), "as one with a country code");
        assert!(reach("014255551212"), "as one without");
        assert!(reach("+4914255551212"), "as one without, by the national number");
        assert!(!reach("+444255551212"));
    }

    #[test]
    fn numbers_are_guessed_where_nothing_marks_a_country_code() {
        let guessed = |written: &str, region: &str, key: &str| {
            is_guessed(written, Region::parse(region), key)
        };
        assert!(guessed("1 (425) 555-1212", "", "+14255551212"));
        assert!(guessed("0049 151 23456789", "", "+4915123456789"));
        assert!(guessed("+01 425.555.1212", "", "+14255551212"));
        assert!(guessed("4915123456789", "US", "+4915123456789"));
        assert!(!guessed("+1 425 555 1212", "", "+14255551212"));
        assert!(!guessed("1 (425) 555-1212", "US", "+14255551212"));
        assert!(!guessed("0049 151 23456789", "DE", "+4915123456789"));
        assert!(!guessed("+0151 23456789", "DE", "+4915123456789"));
        assert!(!guessed("0151 23456789", "", "015123456789"));
    }

    /// The product's looser forms, which the engine joins on, against the rule as it is written
    /// here: on whatever stands in random cases, each read as a mail and as a phone in some region.
    #[test]
    fn the_products_forms_reach_as_far() {
        let regions = [None, Region::parse("DE"), Region::parse("US"), Region::parse("IT")];
        let chains =
            [Step::Email(EmailOptions::default()), Step::Phone].map(|step| Chain::new(vec![step]));
        for seed in 0..40 {
            let tables = crate::cases::generate(seed).tables;
            let cells: BTreeSet<String> =
                tables.into_values().flat_map(|t| t.rows).flatten().flatten().collect();
            for chain in &chains {
                let phone = chain.kind() == Kind::Phone;
                let mut read = Vec::new();
                for cell in &cells {
                    for region in &regions[..if phone { 4 } else { 1 }] {
                        let Some(key) = chain.apply(cell, *region) else { continue };
                        let is_guessed = phone && is_guessed(cell, *region, &key);
                        let forms = chain.apply_loose(cell, *region).expect("it has a key");
                        let key = Key { text: key.into_owned(), is_guessed };
                        read.push((cell, region, key, forms));
                    }
                }
                for (cell, region, key, forms) in &read {
                    for (other_cell, other_region, other_key, other_forms) in &read {
                        assert_eq!(
                            forms.reaches(other_forms),
                            denial_reaches(chain.kind(), key, other_key),
                            "seed {seed}: {cell:?} in {region:?} and {other_cell:?} in \
                             {other_region:?}, {key:?} and {other_key:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn texts_match_only_when_equal() {
        assert!(reach(Kind::Text, "a+b@x.de", "a+b@x.de"));
        assert!(!reach(Kind::Text, "a+b@x.de", "a@x.de"));
    }
}
