//! When a grant ends, and in how many days it will.

use crate::plan::{DAY, Instant, Period};
use crate::planted;

/// No time.
pub const NEVER: i64 = i64::MIN;

/// How long a grant that holds will go on to do so, counted from the run's date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Lasting {
    /// It ends within 30 days.
    Days30,
    /// Later, within 60 days.
    Days60,
    /// Later, within 90 days.
    Days90,
    /// Longer, or for ever.
    Longer,
}

impl Lasting {
    /// How many there are.
    pub const COUNT: u8 = 4;
    /// All of them, the shortest first.
    pub const ALL: [Self; 4] = [Self::Days30, Self::Days60, Self::Days90, Self::Longer];
    /// The last days of those that end.
    const DAYS: [i64; 3] = [30, 60, 90];
}

/// Whether a grant has ended at one date, mostly without the calendar.
struct Ended {
    at: Instant,
    /// What was granted up to then has ended; what was granted from the other on has not.
    sure: (i64, i64),
}

impl Ended {
    fn new(after: Period, at: Instant) -> Self {
        Self { at, sure: after.surely_ended(at) }
    }

    fn is(&self, after: Period, granted: i64) -> bool {
        if granted <= self.sure.0 {
            true
        } else if granted >= self.sure.1 {
            false
        } else {
            after.has_ended(Instant(granted), self.at)
        }
    }
}

/// Whether grants of a purpose have ended at the run's date, and which will soon.
pub struct Expiry {
    /// None where grants never end.
    after: Option<(Period, [Ended; 4])>,
}

impl Expiry {
    /// Of grants that end `after` a period, seen from `as_of`.
    #[must_use]
    pub fn new(after: Option<Period>, as_of: Instant) -> Self {
        let dates = |after| {
            let [first, second, third] = Lasting::DAYS
                .map(|days| Ended::new(after, Instant(as_of.0.saturating_add(days * DAY))));
            (after, [Ended::new(after, as_of), first, second, third])
        };
        Self { after: after.map(dates) }
    }

    /// True if grants end at all.
    #[must_use]
    pub const fn ends(&self) -> bool {
        self.after.is_some()
    }

    /// How long a grant will hold; none if it has ended.
    #[must_use]
    pub fn lasting(&self, granted: i64) -> Option<Lasting> {
        let Some((after, [now, soon @ .., last])) = &self.after else {
            return Some(Lasting::Longer);
        };
        // Most grants last.
        if granted >= last.sure.1 {
            return Some(Lasting::Longer);
        }
        if now.is(*after, granted) {
            if planted::fault("expiry-ignored") {
                return Some(Lasting::Longer);
            }
            return None;
        }
        let ends = soon.iter().chain([last]).position(|date| date.is(*after, granted));
        Some(ends.map_or(Lasting::Longer, |at| Lasting::ALL[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::PeriodUnit;

    #[test]
    fn a_grant_ends_now_soon_or_later() {
        let period = Period { count: 100, unit: PeriodUnit::Days };
        let expiry = Expiry::new(Some(period), Instant(1000 * DAY));
        let lasting = |days_ago: i64| expiry.lasting((1000 - days_ago) * DAY);
        for (days_ago, wanted) in [
            (101, None),
            (100, None),
            (99, Some(Lasting::Days30)),
            (70, Some(Lasting::Days30)),
            (69, Some(Lasting::Days60)),
            (40, Some(Lasting::Days60)),
            (39, Some(Lasting::Days90)),
            (10, Some(Lasting::Days90)),
            (9, Some(Lasting::Longer)),
            (-5, Some(Lasting::Longer)),
        ] {
            assert_eq!(lasting(days_ago), wanted, "granted {days_ago} days ago");
        }
        let never = Expiry::new(None, Instant(0));
        assert_eq!((never.ends(), never.lasting(NEVER + 1)), (false, Some(Lasting::Longer)));
    }
}
