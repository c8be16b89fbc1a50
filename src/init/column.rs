//! What a column is, by its name and its values.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::tz::TimeZone;

use super::words::{self, DECISIONS, NULLS, Says};
use crate::engine::consent::vocabulary::{Reading, read, trimmed};
use crate::engine::source::values::{TimeReader, decimal, integer};
use crate::normalize::{Chain, EmailOptions, Step};
use crate::plan::catalog::Column;
use crate::plan::{Type, Words};

/// What a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Mail,
    Phone,
    FirstName,
    LastName,
    FullName,
    BirthDate,
    Updated,
    Created,
    PostalCode,
    Country,
    City,
    Street,
    /// A number or code that names something.
    Id,
    /// A decision on one purpose.
    Decision,
    /// The purpose of a decision that stands beside it.
    Purpose,
    Other,
}

/// How dates or times are written in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// True for points in time, false for dates alone.
    pub is_datetime: bool,
    /// How, if not as in RFC 3339.
    pub format: Option<&'static str>,
    /// True where a time of day is said without a zone.
    pub without_zone: bool,
}

/// A column and what was counted in it.
#[derive(Debug)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// The words of its name.
    pub words: Vec<String>,
    /// Its type, in a file of typed values.
    pub stored: Option<Type>,
    /// True if no pipeline can use it.
    pub unusable: bool,
    /// Values that are there.
    pub filled: usize,
    /// Different ones.
    pub distinct: usize,
    /// How often the commonest one stands there.
    pub most: usize,
    /// Values that read as mail addresses.
    pub mails: usize,
    /// Values that look like phone numbers.
    pub phones: usize,
    /// Of these, those with a `+`.
    pub plus: usize,
    /// Values that read as decisions: grants and denials.
    pub decisions: (usize, usize),
    /// Words of decisions that the closed vocabulary does not have, and whether they grant.
    pub own_words: BTreeSet<(&'static str, bool)>,
    /// How all its values are written, if they are dates or times.
    pub times: Option<Times>,
    /// True if they could be read with day and month either way round.
    pub ambiguous: bool,
    /// How many of the values read as dates or times in the form that most of them have.
    pub dates: usize,
    /// The type of its values, if all are numbers.
    pub number: Option<Type>,
    /// Texts that stand for null.
    pub nulls: BTreeSet<&'static str>,
    /// What it is.
    pub what: What,
}

/// Forms of dates and times, the likeliest first.
const DATES: [Option<&str>; 7] = [
    None,
    Some("%d.%m.%Y"),
    Some("%d/%m/%Y"),
    Some("%m/%d/%Y"),
    Some("%Y/%m/%d"),
    Some("%d-%m-%Y"),
    Some("%Y%m%d"),
];
const DATETIMES: [Option<&str>; 9] = [
    None,
    Some("%d.%m.%Y %H:%M:%S"),
    Some("%d.%m.%Y %H:%M"),
    Some("%d/%m/%Y %H:%M:%S"),
    Some("%d/%m/%Y %H:%M"),
    Some("%m/%d/%Y %H:%M:%S"),
    Some("%m/%d/%Y %H:%M"),
    Some("%Y/%m/%d %H:%M:%S"),
    Some("%Y/%m/%d %H:%M"),
];

impl Seen {
    /// Counts what stands in a column. `is_text` says that its file holds texts.
    pub fn new(column: &Column, cells: &[Option<String>], is_text: bool) -> Self {
        let words = words::words(&column.name);
        let mut nulls = BTreeSet::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for cell in cells.iter().flatten() {
            match NULLS.iter().find(|null| is_text && cell == *null) {
                Some(null) => {
                    nulls.insert(*null);
                }
                None if trimmed(cell).is_empty() => {}
                None => *counts.entry(trimmed(cell)).or_default() += 1,
            }
        }
        let mut seen = Self {
            name: column.name.clone(),
            stored: (!is_text).then(|| column.ty.usable()).flatten(),
            unusable: column.ty.usable().is_none(),
            filled: counts.values().sum(),
            distinct: counts.len(),
            most: counts.values().copied().max().unwrap_or(0),
            mails: 0,
            phones: 0,
            plus: 0,
            decisions: (0, 0),
            own_words: BTreeSet::new(),
            times: None,
            ambiguous: false,
            dates: 0,
            number: None,
            nulls,
            what: What::Other,
            words,
        };
        let is_texts = seen.stored.is_none_or(|ty| ty == Type::Text);
        if is_texts {
            seen.count_texts(&counts);
            seen.count_times(&counts);
            seen.find_number(&counts);
        } else {
            seen.number =
                seen.stored.filter(|ty| matches!(ty, Type::Int | Type::Float | Type::Decimal(_)));
            if let Some(Type::Date | Type::Datetime) = seen.stored {
                let is_datetime = seen.stored == Some(Type::Datetime);
                seen.times = Some(Times { is_datetime, format: None, without_zone: false });
                seen.dates = seen.filled;
            }
        }
        if seen.stored.is_none_or(|ty| matches!(ty, Type::Text | Type::Bool | Type::Int)) {
            seen.count_decisions(&counts);
        }
        seen.what = seen.is_what();
        seen
    }

    fn count_texts(&mut self, counts: &BTreeMap<&str, usize>) {
        let mail = Chain::new(vec![Step::Email(EmailOptions::default())]);
        for (value, count) in counts {
            if value.contains('@') {
                self.mails += usize::from(mail.apply(value, None).is_some()) * count;
            } else if looks_like_phone(value) {
                self.phones += count;
                self.plus += usize::from(value.starts_with('+')) * count;
            }
        }
    }

    fn count_decisions(&mut self, counts: &BTreeMap<&str, usize>) {
        let none = Words::default();
        for (value, count) in counts {
            let grants = match read(value, &none) {
                Reading::Granted => Some(true),
                Reading::Denied => Some(false),
                Reading::NoDecision | Reading::Unrecognized => {
                    let lower = value.to_lowercase();
                    let own = DECISIONS.iter().find(|(word, _)| *word == lower);
                    self.own_words.extend(own);
                    own.map(|(_, grants)| *grants)
                }
            };
            match grants {
                Some(true) => self.decisions.0 += count,
                Some(false) => self.decisions.1 += count,
                None => {}
            }
        }
    }

    fn count_times(&mut self, counts: &BTreeMap<&str, usize>) {
        let is_dated = words::any(&self.words, &["date", "datum", "dob"])
            || matches!(words::says(&self.words), Says::BirthDate | Says::Updated | Says::Created);
        let mut whole: Vec<Times> = Vec::new();
        let forms = DATES.map(|format| (false, format));
        for (is_datetime, format) in forms.into_iter().chain(DATETIMES.map(|format| (true, format)))
        {
            if format == Some("%Y%m%d") && !is_dated {
                continue;
            }
            let reader = TimeReader { format, zone: TimeZone::UTC };
            let reads = |value: &str| {
                if is_datetime {
                    reader.datetime(value).is_some()
                } else {
                    reader.date(value).is_some() && plausible(format, value)
                }
            };
            // Most columns hold no dates: a few values tell.
            if !counts.keys().take(20).any(|value| reads(value)) {
                continue;
            }
            let read: usize =
                counts.iter().filter(|(value, _)| reads(value)).map(|(_, count)| count).sum();
            self.dates = self.dates.max(read);
            if read == self.filled && read > 0 {
                let without_zone = is_datetime && counts.keys().any(|value| has_no_zone(value));
                whole.push(Times { is_datetime, format, without_zone });
            }
        }
        // A date alone reads as a datetime as well.
        self.ambiguous = whole.iter().filter(|times| !times.is_datetime).count() > 1
            || (whole.iter().all(|times| times.is_datetime) && whole.len() > 1);
        self.times = whole.first().copied();
    }

    fn find_number(&mut self, counts: &BTreeMap<&str, usize>) {
        let all = |reads: &dyn Fn(&str) -> bool| {
            self.filled > 0 && counts.keys().all(|value| reads(value) && !leads_with_zero(value))
        };
        self.number = if all(&|value| integer(value).is_some()) {
            Some(Type::Int)
        } else if all(&|value| decimal(value, 2).is_some()) {
            Some(Type::Decimal(2))
        } else {
            None
        };
    }

    fn is_what(&self) -> What {
        let says = words::says(&self.words);
        // Values of other types are no texts that could be compared as such.
        let is_textual = self.stored.is_none_or(|ty| matches!(ty, Type::Text | Type::Int));
        let is_dated = matches!(says, Says::BirthDate | Says::Updated | Says::Created);
        let says = if is_textual || is_dated { says } else { Says::Nothing };
        let of_consent = words::of_consent(&self.words);
        if self.filled > 0 && self.mails * 10 >= self.filled * 6 {
            return What::Mail;
        }
        if words::is_purpose(&self.words) && self.distinct <= 30 && !self.reads_as_decision() {
            return What::Purpose;
        }
        if of_consent && (self.filled == 0 || self.reads_as_decision()) {
            return What::Decision;
        }
        let mostly = |count: usize| self.filled == 0 || count * 10 >= self.filled * 6;
        match says {
            Says::Phone if mostly(self.phones) && !of_consent => What::Phone,
            Says::Mail if self.filled == 0 => What::Mail,
            Says::FirstName => What::FirstName,
            Says::LastName => What::LastName,
            Says::FullName => What::FullName,
            Says::BirthDate => What::BirthDate,
            Says::Updated if self.filled == 0 || self.times.is_some() => What::Updated,
            Says::Created if self.filled == 0 || self.times.is_some() => What::Created,
            Says::PostalCode => What::PostalCode,
            Says::Country => What::Country,
            Says::City => What::City,
            Says::Street => What::Street,
            _ if self.is_international_phone() => What::Phone,
            Says::Id => What::Id,
            _ => What::Other,
        }
    }

    /// Nothing but phone numbers, some of them with a `+`: no card or account is written so.
    fn is_international_phone(&self) -> bool {
        self.plus > 0 && self.phones * 20 >= self.filled * 19 && self.plus * 20 >= self.filled
    }

    /// True if a pipeline takes such a column for ids: fractions are none.
    pub fn may_be_id(&self) -> bool {
        !self.unusable && !matches!(self.stored, Some(Type::Float | Type::Decimal(_)))
    }

    /// True if nearly all values are words of decisions.
    pub fn reads_as_decision(&self) -> bool {
        let (granted, denied) = self.decisions;
        self.filled > 0 && (granted + denied) * 100 >= self.filled * 95 && self.distinct <= 16
    }

    /// True if hardly any value stands twice and hardly any is missing, of so many rows.
    pub fn is_key_of(&self, rows: usize) -> bool {
        rows == 0 || (self.filled * 100 >= rows * 95 && self.distinct * 100 >= self.filled * 95)
    }

    /// How many of the values are so, in words: `mail: 98 % of 1,000 values read as addresses`.
    pub fn share(&self, what: &str, count: usize, so: &str) -> String {
        if self.filled == 0 {
            return format!("{what}, by its name; no value yet");
        }
        let filled = crate::report::number(self.filled as u64);
        format!("{what}: {} % of {filled} values {so}", self.percent(count))
    }

    /// The share of the values that are so, in whole percent, rounded down.
    pub fn percent(&self, count: usize) -> usize {
        (count * 100).checked_div(self.filled).unwrap_or(0)
    }
}

/// Seven to seventeen digits with no more than marks between them, at least one of which says that a
/// number is meant: `+`, a leading zero, or marks.
fn looks_like_phone(value: &str) -> bool {
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let marks = |c: char| c.is_ascii_digit() || " +-./()".contains(c);
    let begins =
        value.starts_with(['+', '0', '(']) || value.contains([' ', '-', '/']) || digits >= 9;
    (7..=17).contains(&digits) && value.chars().all(marks) && begins
}

fn leads_with_zero(value: &str) -> bool {
    let digits = value.trim_start_matches(['-', '+']);
    digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.")
}

/// Eight digits are a date only between 1900 and 2100.
fn plausible(format: Option<&str>, value: &str) -> bool {
    format != Some("%Y%m%d") || (value.len() == 8 && matches!(value.get(..2), Some("19" | "20")))
}

/// True if a time of day stands there, and nothing behind it says where.
fn has_no_zone(value: &str) -> bool {
    let Some((_, time)) = value.split_once(['T', 't', ' ']) else { return false };
    !(time.ends_with(['Z', 'z']) || time.contains(['+', '-']))
}

/// The values of a column, compared without marks and blanks, with how often each stands there.
pub fn bare(cells: &[Option<String>]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for cell in cells.iter().flatten() {
        let bare: String =
            cell.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        if !bare.is_empty() {
            *counts.entry(bare).or_default() += 1;
        }
    }
    counts
}
