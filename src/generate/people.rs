//! Synthetic people, and the cells that systems hold about them.
//!
//! A person is a number: everything about them follows from the seed and that number, so any table
//! can speak of any person without a list of them in memory. What goes wrong in a cell (other case,
//! blanks, another form of a phone number) follows from the row it stands in.

use super::pools::{COUNTRIES, City, Country, DOMAINS, Name, Range};

/// Steps the state of splitmix64 (Steele, Lea and Flood 2014).
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// The last day of the data, 2026-11-23, in days since 1970-01-01.
pub const LAST_DAY: u64 = 20_780;

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Dice for one row: they depend on the seed, the stream and the row's number, and nothing else.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice for row `row` of the stream `stream`.
    #[must_use]
    pub fn new(seed: u64, stream: u64, row: u64) -> Self {
        let table = mix(seed.wrapping_add(GAMMA.wrapping_mul(stream + 1)));
        Self(mix(table.wrapping_add(GAMMA.wrapping_mul(row))))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        let wide = (u128::from(self.next()) * u128::from(n)) >> 64;
        u64::try_from(wide).unwrap_or(0)
    }

    /// True in `n` of 1,000 throws.
    pub fn in_thousand(&mut self, n: u64) -> bool {
        self.below(1000) < n
    }

    /// One of the items, which must not be none.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[usize::try_from(self.below(items.len() as u64)).unwrap_or(0)]
    }
}

/// A person.
#[derive(Debug)]
pub struct Person {
    number: u64,
    country: &'static Country,
    first: Name,
    last: Name,
    city: City,
    street: &'static str,
    house: u64,
    zip: u64,
    phone: Option<(Range, u64)>,
    domain: &'static str,
    separator: &'static [u8],
    /// Day of birth, in days since 1940-01-01.
    born: u64,
}

impl Person {
    /// The person of this number.
    #[must_use]
    pub fn new(mut dice: Dice, number: u64) -> Self {
        let country = weighted(dice.below(100), &COUNTRIES, |country| country.share);
        let city = dice.pick(country.cities);
        let domain = weighted(dice.below(100), &DOMAINS, |domain| domain.1).0;
        Self {
            number,
            country,
            first: dice.pick(country.first),
            last: dice.pick(country.last),
            city,
            street: dice.pick(country.streets),
            house: 1 + dice.below(190),
            zip: dice.below(power(city.2)),
            phone: (!country.phones.is_empty()).then(|| {
                let range = dice.pick(country.phones);
                (range, dice.below(power(range.2)))
            }),
            domain,
            separator: dice.pick(&[b"." as &[u8], b".", b"_", b""]),
            born: dice.below(24_800),
        }
    }

    /// First name.
    pub fn first(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.first.0.as_bytes());
    }

    /// Last name.
    pub fn last(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.last.0.as_bytes());
    }

    /// ISO code of the country.
    pub fn country(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.country.code.as_bytes());
    }

    /// City.
    pub fn city(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.city.0.as_bytes());
    }

    /// Postal code, with its leading zeros.
    pub fn zip(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.city.1.as_bytes());
        if self.country.code == "GB" {
            digits(out, self.zip % 10, 1);
            for letter in [self.zip / 10, self.zip / 100] {
                out.push(b"ABDEFGHJLN"[usize::try_from(letter % 10).unwrap_or(0)]);
            }
        } else {
            digits(out, self.zip, self.city.2);
        }
    }

    /// Street and house number.
    pub fn street(&self, out: &mut Vec<u8>) {
        let street = self.street.as_bytes();
        if self.country.code == "FR" {
            out.push(b'"');
            digits(out, self.house, 1);
            out.extend_from_slice(b", ");
            out.extend_from_slice(street);
            out.push(b'"');
        } else if self.country.number_first {
            digits(out, self.house, 1);
            out.push(b' ');
            out.extend_from_slice(street);
        } else {
            out.extend_from_slice(street);
            out.push(b' ');
            digits(out, self.house, 1);
        }
    }

    /// Birth date, ISO.
    pub fn birth_date(&self, out: &mut Vec<u8>) {
        // 1940-01-01 lies 10,958 days before 1970-01-01.
        const DAYS_1940_TO_1970: u64 = 10_958;
        date_after_era(out, DAYS_BEFORE_1970 - DAYS_1940_TO_1970 + self.born);
    }

    /// The mail address as the person writes it. No two people have the same one.
    pub fn mail(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.first.1.as_bytes());
        out.extend_from_slice(self.separator);
        out.extend_from_slice(self.last.1.as_bytes());
        if self.domain == "gmail.com" {
            out.push(b'_');
        }
        digits(out, self.number, 1);
        out.push(b'@');
        out.extend_from_slice(self.domain.as_bytes());
    }

    /// The mail address as typed into a system: at times in other case, or with blanks around it.
    pub fn typed_mail(&self, out: &mut Vec<u8>, dice: &mut Dice) {
        let start = out.len();
        match dice.below(100) {
            0..4 => {
                self.mail(out);
                out[start..].make_ascii_uppercase();
            }
            4..7 => {
                self.mail(out);
                out[start..=start].make_ascii_uppercase();
            }
            7 => {
                out.push(b' ');
                self.mail(out);
            }
            8 => {
                self.mail(out);
                out.push(b' ');
            }
            _ => self.mail(out),
        }
    }

    /// The phone number in one of the forms people use; nothing if there is none. All of them are
    /// one number once the region is known.
    pub fn typed_phone(&self, out: &mut Vec<u8>, dice: &mut Dice) {
        let Some(((area, head, width), line)) = self.phone else { return };
        let american = self.country.dial == "1";
        let form = dice.below(10);
        match form {
            0..4 => {
                out.push(b'+');
                out.extend_from_slice(self.country.dial.as_bytes());
                out.extend_from_slice(area.as_bytes());
            }
            4..6 => {
                out.push(b'+');
                out.extend_from_slice(self.country.dial.as_bytes());
                out.push(b' ');
                out.extend_from_slice(area.as_bytes());
                out.push(b' ');
            }
            _ if american => {
                out.push(b'(');
                out.extend_from_slice(area.as_bytes());
                out.extend_from_slice(b") ");
            }
            _ => {
                out.push(b'0');
                out.extend_from_slice(area.as_bytes());
                out.push(if form == 9 { b'/' } else { b' ' });
            }
        }
        out.extend_from_slice(head.as_bytes());
        if american && form >= 4 {
            out.push(b'-');
        }
        digits(out, line, width);
    }
}

fn weighted<T>(mut at: u64, items: &[T], weight: impl Fn(&T) -> u64) -> &T {
    for item in items {
        let weight = weight(item);
        if at < weight {
            return item;
        }
        at -= weight;
    }
    &items[0]
}

fn power(digits: usize) -> u64 {
    10_u64.pow(u32::try_from(digits).unwrap_or(0))
}

/// Pushes a number with at least `width` digits.
pub fn digits(out: &mut Vec<u8>, mut number: u64, width: usize) {
    const LONGEST: usize = 20;
    let mut text = [b'0'; LONGEST];
    let mut at = LONGEST;
    while number > 0 {
        at -= 1;
        text[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
    at = at.min(LONGEST - width.min(LONGEST));
    out.extend_from_slice(&text[at..]);
}

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_1970: u64 = 719_468;

/// Pushes an ISO date, given in days since 1970-01-01.
fn date(out: &mut Vec<u8>, days: u64) {
    date_after_era(out, days + DAYS_BEFORE_1970);
}

/// Pushes an ISO date, given in days since 0000-03-01 (Howard Hinnant's `civil_from_days`).
fn date_after_era(out: &mut Vec<u8>, days: u64) {
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = days / 146_097 * 400 + year_of_era + u64::from(month <= 2);
    digits(out, year, 4);
    out.push(b'-');
    digits(out, month, 2);
    out.push(b'-');
    digits(out, day, 2);
}

/// Pushes a moment of that day, ISO, UTC.
pub fn moment(out: &mut Vec<u8>, days: u64, dice: &mut Dice) {
    let second = dice.below(86_400);
    date(out, days);
    out.push(b'T');
    digits(out, second / 3_600, 2);
    out.push(b':');
    digits(out, second / 60 % 60, 2);
    out.push(b':');
    digits(out, second % 60, 2);
    out.push(b'Z');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_are_the_calendar_s() {
        assert_eq!(text(|out| date(out, 0)), "1970-01-01");
        assert_eq!(text(|out| date(out, 11_016)), "2000-02-29");
        assert_eq!(text(|out| date(out, LAST_DAY)), "2026-11-23");
        assert_eq!(text(|out| digits(out, 7, 3)), "007");
        assert_eq!(text(|out| digits(out, 0, 1)), "0");
        assert_eq!(text(|out| digits(out, u64::MAX, 1)), u64::MAX.to_string());
    }

    #[test]
    fn shares_and_weights_sum_to_a_hundred() {
        assert_eq!(COUNTRIES.iter().map(|country| country.share).sum::<u64>(), 100);
        assert_eq!(DOMAINS.iter().map(|domain| domain.1).sum::<u64>(), 100);
    }

    #[test]
    fn names_in_mails_are_plain() {
        for (_, plain) in
            COUNTRIES.iter().flat_map(|country| country.first.iter().chain(country.last))
        {
            assert!(plain.bytes().all(|byte| byte.is_ascii_lowercase()), "{plain}");
        }
    }

    #[test]
    fn no_two_people_share_a_mail() {
        let mut mails: Vec<_> = (0..5_000)
            .map(|number| text(|out| Person::new(Dice::new(3, 0, number), number).mail(out)))
            .collect();
        mails.sort_unstable();
        mails.dedup();
        assert_eq!(mails.len(), 5_000);
    }

    #[test]
    fn a_phone_is_the_same_digits_in_every_form() {
        let person = (0..1_000)
            .map(|number| Person::new(Dice::new(1, 0, number), number))
            .find(|person| person.country.code == "US")
            .unwrap();
        let mut forms: Vec<_> = (0..200)
            .map(|row| text(|out| person.typed_phone(out, &mut Dice::new(1, 1, row))))
            .map(|form| form.chars().filter(char::is_ascii_digit).collect::<String>())
            .map(|form| form[form.len() - 10..].to_owned())
            .collect();
        forms.dedup();
        assert_eq!(forms.len(), 1);
    }
}
