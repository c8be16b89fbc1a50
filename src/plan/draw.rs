//! Who of those that a segment lets in is in it: the control group, and the limit.

use std::fmt;

use serde::Serialize;

use super::{FieldId, Plan, Segment};

/// A stable share of a segment that is kept out of it, to compare with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Control {
    /// How many of them.
    pub share: Share,
    /// Goes into the draw: equal seeds draw the same customers.
    pub seed: String,
}

/// A share above none and below all, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Share {
    millionths: u32,
}

impl Share {
    /// Reads a percentage with up to four digits after the point, above 0% and below 100%.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.trim().strip_suffix('%')?.trim();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |part: &str, most: usize| {
            (1..=most).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_digit())
        };
        if !is_number(whole, 2) || !is_number(fraction, 4) {
            return None;
        }
        let millionths: u32 = format!("{whole}{fraction:0<4}").parse().ok()?;
        (millionths > 0).then_some(Self { millionths })
    }

    /// Tickets below this one are drawn: the share of all 64-bit numbers, rounded down.
    #[must_use]
    pub fn end(self) -> u64 {
        let end = (u128::from(self.millionths) << 64) / 1_000_000;
        u64::try_from(end).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.millionths / 10_000, self.millionths % 10_000);
        if rest == 0 {
            return write!(f, "{whole}%");
        }
        write!(f, "{whole}.{}%", format!("{rest:04}").trim_end_matches('0'))
    }
}

/// How many customers may be in a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// The most that are in; at least 1.
    pub count: u64,
    /// Who comes first; none: a sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_by: Option<TopBy>,
    /// Goes into the draw that samples, and that decides between equal values.
    pub seed: String,
}

/// By which field customers come first; who has no value comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TopBy {
    /// A number, a date or a datetime.
    pub field: FieldId,
    /// True where the smallest value comes first.
    pub ascending: bool,
}

impl Segment {
    /// True where not all are in whom gate, rule and members let in.
    #[must_use]
    pub fn draws(&self) -> bool {
        self.control.is_some() || self.limit.is_some()
    }
}

impl Plan {
    /// True where some segment draws.
    #[must_use]
    pub fn draws(&self) -> bool {
        self.segments.iter().any(Segment::draws)
    }

    /// Who comes first under a limit, in words.
    #[must_use]
    pub fn order_of(&self, limit: &Limit) -> String {
        match limit.top_by {
            None => format!("a sample with the seed `{}`", limit.seed),
            Some(TopBy { field, ascending }) => {
                let first = if ascending { "smallest" } else { "greatest" };
                format!("by {}, {first} first", self.fields[field.0].name)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn shares_are_exact() {
        let share = |text: &str| Share::parse(text).map(|share| (share.to_string(), share.end()));
        assert_eq!(share("50%"), Some(("50%".to_owned(), 1 << 63)));
        assert_eq!(share(" 12.5 %"), Some(("12.5%".to_owned(), 1 << 61)));
        assert_eq!(share("0.0001%"), Some(("0.0001%".to_owned(), 18_446_744_073_709)));
        assert_eq!(share("99.9999%").map(|(text, _)| text).as_deref(), Some("99.9999%"));
        for text in
            ["0%", "0.0%", "100%", "-1%", "10", "%", "ten%", "1.23456%", "1e1%", ".5%", "5.%"]
        {
            assert_eq!(share(text), None, "{text}");
        }
    }
}
