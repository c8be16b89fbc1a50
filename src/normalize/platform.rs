//! How advertising platforms want the people of an audience: each column's normal form, made of the
//! value as it stands in a source, and its SHA-256.
//!
//! A key of this program is never hashed: platforms compare digests, so each digest must be made of
//! exactly the text that the platform makes of the same value. Nothing is made of nothing: what has no
//! normal form is an empty cell.
//!
//! Sources: Google Ads API, "Customer Match considerations"; Meta Marketing API, "Customer file custom
//! audiences" and "Advanced matching".

use serde::Serialize;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::hashed::{Sha, read_sha, sha};
use super::phone::{self, Region};

/// An advertising platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Google Customer Match.
    GoogleCustomerMatch,
    /// Meta custom audiences.
    MetaCustomAudience,
}

/// What a column of a platform's file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trait {
    /// A mail address.
    Mail,
    /// A phone number.
    Phone,
    /// A first name.
    FirstName,
    /// A last name.
    LastName,
    /// A city.
    City,
    /// A state or region.
    State,
    /// A postal code.
    Zip,
    /// A country, ISO 3166 alpha-2.
    Country,
    /// A date of birth.
    Birth,
    /// A gender.
    Gender,
    /// An id of the advertiser's own.
    ExternalId,
}

/// Why a value became an empty cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftEmpty {
    /// A number without `+` where no region says how it is read, or no number at all.
    NoCountryCode,
    /// Not one plain mail address.
    NoMailAddress,
    /// Not a country code of two letters.
    NoCountryCodeOfTwoLetters,
    /// Not a date.
    NoDate,
    /// Neither female nor male.
    NoGender,
    /// Nothing is left of it in the normal form.
    NothingLeft,
}

impl LeftEmpty {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoCountryCode => "numbers without a country code",
            Self::NoMailAddress => "values that are no mail address",
            Self::NoCountryCodeOfTwoLetters => "countries that are no code of two letters",
            Self::NoDate => "values that are no date",
            Self::NoGender => "values that are neither female nor male",
            Self::NothingLeft => "values of which nothing is left",
        }
    }
}

const GOOGLE: &[(&str, Trait)] = &[
    ("Email", Trait::Mail),
    ("Phone", Trait::Phone),
    ("First Name", Trait::FirstName),
    ("Last Name", Trait::LastName),
    ("Country", Trait::Country),
    ("Zip", Trait::Zip),
];

const META: &[(&str, Trait)] = &[
    ("email", Trait::Mail),
    ("phone", Trait::Phone),
    ("fn", Trait::FirstName),
    ("ln", Trait::LastName),
    ("ct", Trait::City),
    ("st", Trait::State),
    ("zip", Trait::Zip),
    ("country", Trait::Country),
    ("dob", Trait::Birth),
    ("gen", Trait::Gender),
    ("extern_id", Trait::ExternalId),
];

impl Platform {
    /// As it is written in pipeline files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GoogleCustomerMatch => "google_customer_match",
            Self::MetaCustomAudience => "meta_custom_audience",
        }
    }

    /// The columns of its files, in order, with what they hold.
    #[must_use]
    pub const fn columns(self) -> &'static [(&'static str, Trait)] {
        match self {
            Self::GoogleCustomerMatch => GOOGLE,
            Self::MetaCustomAudience => META,
        }
    }

    /// The name of a column.
    #[must_use]
    pub fn column(self, of: Trait) -> &'static str {
        let found = self.columns().iter().find(|(_, held)| *held == of);
        found.map_or("", |(name, _)| name)
    }

    /// True if a column leaves as a digest, false if as it is.
    #[must_use]
    pub const fn hashes(self, of: Trait) -> bool {
        match self {
            Self::GoogleCustomerMatch => !matches!(of, Trait::Country | Trait::Zip),
            Self::MetaCustomAudience => true,
        }
    }

    /// The normal form of a value; `region` is that in which a number without `+` is read.
    ///
    /// # Errors
    /// Why the cell is to be empty.
    pub fn normal(
        self,
        of: Trait,
        value: &str,
        region: Option<Region>,
    ) -> Result<String, LeftEmpty> {
        let google = self == Self::GoogleCustomerMatch;
        let normal = match of {
            Trait::Mail if google => google_mail(value)?,
            Trait::Mail => plain_mail(value.trim().to_lowercase())?,
            Trait::Phone => {
                let number = international(value, region).ok_or(LeftEmpty::NoCountryCode)?;
                if google { number } else { number.trim_start_matches(['+', '0']).to_owned() }
            }
            Trait::FirstName | Trait::LastName if google => value.trim().to_lowercase(),
            Trait::FirstName | Trait::LastName => without_punctuation(value, true),
            Trait::City | Trait::State => without_punctuation(value, false),
            Trait::Zip if google => value.trim().to_owned(),
            Trait::Zip => zip(value),
            Trait::Country => {
                let code = value.trim();
                if code.len() != 2 || !code.bytes().all(|b| b.is_ascii_alphabetic()) {
                    return Err(LeftEmpty::NoCountryCodeOfTwoLetters);
                }
                if google { code.to_ascii_uppercase() } else { code.to_ascii_lowercase() }
            }
            Trait::Birth => birth(value).ok_or(LeftEmpty::NoDate)?,
            Trait::Gender => match value.trim().to_lowercase().as_str() {
                "f" | "female" => "f".to_owned(),
                "m" | "male" => "m".to_owned(),
                _ => return Err(LeftEmpty::NoGender),
            },
            Trait::ExternalId => value.trim().to_owned(),
        };
        if normal.is_empty() { Err(LeftEmpty::NothingLeft) } else { Ok(normal) }
    }

    /// The digest of a value's normal form; none where it has none.
    #[must_use]
    pub fn digest(self, of: Trait, value: &str, region: Option<Region>) -> Option<Sha> {
        self.normal(of, value, region).ok().map(|normal| sha(&normal))
    }
}

/// True of 64 hexadecimal digits: a SHA-256 already, which must not be hashed again.
#[must_use]
pub fn is_digest(value: &str) -> bool {
    read_sha(value).is_some()
}

/// Lower-case, without blanks; of Google's own mailboxes also without dots and tag.
fn google_mail(value: &str) -> Result<String, LeftEmpty> {
    let bare: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    let mail = plain_mail(bare.to_lowercase())?;
    let (local, domain) = mail.split_once('@').unwrap_or_default();
    if !matches!(domain, "gmail.com" | "googlemail.com") {
        return Ok(mail);
    }
    let untagged = local.split('+').next().unwrap_or_default();
    let local: String = untagged.chars().filter(|c| *c != '.').collect();
    if local.is_empty() { Err(LeftEmpty::NoMailAddress) } else { Ok(format!("{local}@{domain}")) }
}

/// The address, if it is one and nothing beside it. No platform knows somebody by `Ann <ann@x.org>`.
fn plain_mail(mail: String) -> Result<String, LeftEmpty> {
    let is_plain = mail.split_once('@').is_some_and(|(local, domain)| {
        let odd = |c: char| c.is_whitespace() || c.is_control() || "<>()[],;:\"\\@".contains(c);
        !local.is_empty()
            && !local.contains(odd)
            && !domain.contains(odd)
            && domain.split('.').count() > 1
            && domain.split('.').all(|part| !part.is_empty())
    });
    if is_plain { Ok(mail) } else { Err(LeftEmpty::NoMailAddress) }
}

/// E.164, where the country code is known and not guessed.
fn international(value: &str, region: Option<Region>) -> Option<String> {
    let number = phone::read(value, region)?;
    let sure = number.with_code.is_some() && number.without_code.is_none();
    (sure && number.key.starts_with('+')).then_some(number.key)
}

/// Lower-case, without punctuation and symbols; accents stay, composed (NFC). Blanks inside stay if asked.
fn without_punctuation(value: &str, blanks: bool) -> String {
    let composed: String = value.nfc().collect::<String>().to_lowercase();
    let stays = |c: &char| {
        c.is_alphanumeric()
            || is_combining_mark(*c)
            // They join letters, or keep them apart, inside a word.
            || matches!(c, '\u{200c}' | '\u{200d}')
            || (blanks && c.is_whitespace())
    };
    let kept: String = composed.chars().filter(stays).collect();
    kept.trim().nfc().collect()
}

/// Lower-case, without blanks and dashes; of a United States ZIP+4 the first five digits.
fn zip(value: &str) -> String {
    let bare: String = value.trim().to_lowercase();
    if let Some((five, four)) = bare.split_once('-') {
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if five.len() == 5 && four.len() == 4 && digits(five) && digits(four) {
            return five.to_owned();
        }
    }
    bare.chars().filter(|c| !c.is_whitespace() && *c != '-').collect()
}

/// `YYYYMMDD` of a date as the engine shows dates, `YYYY-MM-DD`.
fn birth(value: &str) -> Option<String> {
    let date: jiff::civil::Date = value.trim().parse().ok()?;
    Some(date.strftime("%Y%m%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const G: Platform = Platform::GoogleCustomerMatch;
    const M: Platform = Platform::MetaCustomAudience;

    fn hex(digest: Option<Sha>) -> String {
        let digest = digest.expect("a digest");
        digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    /// The digests that the platforms publish.
    #[test]
    fn published_digests() {
        let us = Region::parse("US");
        let known = [
            (
                Trait::Mail,
                "John_Smith@gmail.com",
                "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f",
            ),
            (
                Trait::Phone,
                "(650)555-1212",
                "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176",
            ),
            (
                Trait::FirstName,
                "Mary",
                "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec",
            ),
            (
                Trait::FirstName,
                "Valéry",
                "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c",
            ),
            // The same, decomposed.
            (
                Trait::FirstName,
                "Vale\u{301}ry",
                "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c",
            ),
        ];
        for (of, value, digest) in known {
            assert_eq!(hex(M.digest(of, value, us)), digest, "{value}");
        }
        assert_eq!(M.normal(Trait::Phone, "(650)555-1212", us).as_deref(), Ok("16505551212"));
    }

    #[test]
    fn mails() {
        let google = |value| G.normal(Trait::Mail, value, None);
        assert_eq!(
            google("Jane.Doe+Shopping@googlemail.com").as_deref(),
            Ok("janedoe@googlemail.com")
        );
        assert_eq!(google("user.name+NYC@Example.com").as_deref(), Ok("user.name+nyc@example.com"));
        assert_eq!(google(" a nn @Gmail.com ").as_deref(), Ok("ann@gmail.com"));
        let meta = |value| M.normal(Trait::Mail, value, None);
        assert_eq!(
            meta(" Jane.Doe+Shopping@gmail.com").as_deref(),
            Ok("jane.doe+shopping@gmail.com")
        );
        for none in
            ["", "n/a", "Ann <ann@x.org>", "a@b@c.org", "ann@localhost", "ann@x..org", "@x.org"]
        {
            assert_eq!(google(none), Err(LeftEmpty::NoMailAddress), "{none}");
            assert_eq!(meta(none), Err(LeftEmpty::NoMailAddress), "{none}");
        }
        assert_eq!(google("+tag@gmail.com"), Err(LeftEmpty::NoMailAddress));
    }

    #[test]
    fn a_number_needs_a_country_code_that_is_known() {
        let de = Region::parse("DE");
        let google = |value, region| G.normal(Trait::Phone, value, region);
        assert_eq!(google("0151 23456789", de).as_deref(), Ok("+4915123456789"));
        assert_eq!(google("+49 (0)151 23456789", None).as_deref(), Ok("+4915123456789"));
        assert_eq!(
            M.normal(Trait::Phone, "+49 151 23456789", None).as_deref(),
            Ok("4915123456789")
        );
        // Without `+` and region it is one number in one country and another in the next.
        for unsure in ["0151 23456789", "49 151 23456789", "0049 151 23456789", "none"] {
            assert_eq!(google(unsure, None), Err(LeftEmpty::NoCountryCode), "{unsure}");
        }
    }

    #[test]
    fn names_and_places() {
        let meta = |of, value| M.normal(of, value, None);
        assert_eq!(meta(Trait::LastName, " O'Neil-Smith, Jr.").as_deref(), Ok("oneilsmith jr"));
        assert_eq!(G.normal(Trait::LastName, " O'Neil ", None).as_deref(), Ok("o'neil"));
        assert_eq!(meta(Trait::LastName, "--"), Err(LeftEmpty::NothingLeft));
        assert_eq!(meta(Trait::City, "St. Gallen").as_deref(), Ok("stgallen"));
        assert_eq!(meta(Trait::Zip, "94035-1234").as_deref(), Ok("94035"));
        assert_eq!(meta(Trait::Zip, "SW1A 1AA").as_deref(), Ok("sw1a1aa"));
        assert_eq!(G.normal(Trait::Zip, " 94035-1234 ", None).as_deref(), Ok("94035-1234"));
        assert_eq!(meta(Trait::Country, "DE").as_deref(), Ok("de"));
        assert_eq!(G.normal(Trait::Country, " de", None).as_deref(), Ok("DE"));
        assert_eq!(
            G.normal(Trait::Country, "Germany", None),
            Err(LeftEmpty::NoCountryCodeOfTwoLetters)
        );
        assert_eq!(meta(Trait::Birth, "1990-02-03").as_deref(), Ok("19900203"));
        assert_eq!(meta(Trait::Gender, "Female").as_deref(), Ok("f"));
        assert_eq!(meta(Trait::Gender, "unknown"), Err(LeftEmpty::NoGender));
    }

    /// Nothing is never hashed, whatever the column.
    #[test]
    fn nothing_has_no_digest() {
        for platform in [G, M] {
            for (name, of) in platform.columns() {
                for nothing in ["", " ", "\t\u{a0}"] {
                    assert_eq!(platform.digest(*of, nothing, None), None, "{name}");
                }
            }
        }
    }

    #[test]
    fn a_digest_is_known() {
        assert!(is_digest("E323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176 "));
        assert!(!is_digest("e323ec626319ca94"));
        assert!(!is_digest(&"g".repeat(64)));
    }
}
