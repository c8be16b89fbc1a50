//! Near names.

/// The known name nearest to `name`, if it is near enough to be meant.
///
/// Case and separators are forgiven; else at most a third of the characters may differ.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |s: &str| s.to_lowercase().replace(['_', '-', ' '], "");
    let wanted = fold(name);
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        let folded = fold(candidate);
        let distance = strsim::damerau_levenshtein(&wanted, &folded);
        let length = wanted.chars().count().max(folded.chars().count());
        if distance * 3 <= length && best.is_none_or(|(d, _)| distance < d) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["email", "phone", "last_name"];
        assert_eq!(nearest("emial", known), Some("email"));
        assert_eq!(nearest("LastName", known), Some("last_name"));
        assert_eq!(nearest("street", known), None);
    }
}
