//! In which country phone numbers without a country code were written.

use crate::normalize::Region;

/// Regions that are tried where no column names countries.
const TRIED: [&str; 24] = [
    "US", "DE", "GB", "FR", "ES", "IT", "NL", "AT", "CH", "BE", "PL", "SE", "DK", "NO", "FI", "IE",
    "PT", "CZ", "AU", "NZ", "IN", "BR", "JP", "ZA",
];

/// So many numbers are tried.
const MOST: usize = 400;

/// A guess.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// The region.
    pub region: String,
    /// Numbers without a country code, and how many of them are valid there.
    pub fits: (usize, usize),
}

/// The region in which most numbers are valid, of those that `known` countries name first; none if there
/// are no numbers without a country code, or if fewer than four fifths are valid anywhere.
pub fn guess(known: &[String], cells: &[Option<String>]) -> Option<Guess> {
    let national: Vec<&str> = cells
        .iter()
        .flatten()
        .map(|cell| cell.trim())
        .filter(|cell| {
            let digits = cell.chars().filter(char::is_ascii_digit).count();
            digits >= 7 && !cell.starts_with('+') && !cell.starts_with("00")
        })
        .take(MOST)
        .collect();
    let tried = TRIED.into_iter().map(str::to_owned);
    let mut best: Option<Guess> = None;
    for code in known.iter().cloned().chain(tried) {
        let Some(region) = Region::parse(&code) else { continue };
        let valid = national.iter().filter(|number| region.fits(number)).count();
        if best.as_ref().is_none_or(|best| valid > best.fits.1) {
            best =
                Some(Guess { region: region.as_str().to_owned(), fits: (national.len(), valid) });
        }
    }
    best.filter(|best| best.fits.1 * 5 >= best.fits.0 * 4 && best.fits.0 > 0)
}

/// The codes in a column of countries, the commonest first; none if fewer than nine tenths of its values
/// are codes of two letters that a phone number can be read with.
pub fn codes(cells: &[Option<String>]) -> Option<Vec<String>> {
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    let (mut filled, mut known) = (0, 0);
    for cell in cells.iter().flatten().filter(|cell| !cell.trim().is_empty()) {
        filled += 1;
        if let Some(region) = Region::parse(cell) {
            known += 1;
            *counts.entry(region.as_str().to_owned()).or_default() += 1;
        }
    }
    if filled == 0 || known * 10 < filled * 9 {
        return None;
    }
    let mut codes: Vec<(String, usize)> = counts.into_iter().collect();
    codes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Some(codes.into_iter().map(|(code, _)| code).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(values: &[&str]) -> Vec<Option<String>> {
        values.iter().map(|value| Some((*value).to_owned())).collect()
    }

    #[test]
    fn national_numbers_tell_where_they_were_written() {
        let german = cells(&["030 23125839", "0151 23456789", "+44 20 7946 0958"]);
        let found = guess(&["DE".to_owned()], &german).expect("a guess");
        assert_eq!((found.region.as_str(), found.fits), ("DE", (2, 2)));
        let american = cells(&["(425) 555-1212", "206-555-0100"]);
        assert_eq!(guess(&[], &american).expect("a guess").region, "US");
        assert_eq!(guess(&[], &cells(&["+49 30 23125839"])), None);
    }

    #[test]
    fn codes_of_countries_are_told_from_names() {
        assert_eq!(codes(&cells(&["de", "AT", "DE"])), Some(vec!["DE".into(), "AT".into()]));
        assert_eq!(codes(&cells(&["Germany", "AT"])), None);
        assert_eq!(codes(&[]), None);
    }
}
