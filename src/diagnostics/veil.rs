//! The values of `never` are values of persons, and passwords in addresses are nobody else's: no fault shows them.
//!
//! A fault shows lines of the pipeline file, and other things may stand on a line with `never`. So what
//! stands under it is replaced sign by sign before anything is shown: places stay what they are. This
//! goes by the text alone, because a file that is no YAML has no other shape; where it is in doubt it
//! hides too much.

use std::borrow::Cow;
use std::ops::Range;

/// Under this key of `keys` stand values of persons.
const KEY: &str = "never";

/// The key of the same name under `identity` has lists of sources, whose entries begin with one of these.
const PAIRS: [&str; 5] = ["source", "table1", "key1", "table2", "key2"];

/// The text without the values under `never` and without users and passwords in addresses, each sign in its place.
#[must_use]
pub fn veil(source: &str) -> Cow<'_, str> {
    let hidden = hidden(source);
    if hidden.is_empty() {
        return Cow::Borrowed(source);
    }
    let mut text = String::with_capacity(source.len());
    let mut ranges = hidden.into_iter().peekable();
    for (at, sign) in source.char_indices() {
        while ranges.next_if(|range| range.end <= at).is_some() {}
        let hides = ranges.peek().is_some_and(|range| range.contains(&at));
        text.push(if hides { instead(sign) } else { sign });
    }
    Cow::Owned(text)
}

/// True if a text quotes a value that stands under `never` in the source.
#[must_use]
pub fn quotes_veiled(source: &str, text: &str) -> bool {
    hidden(source).into_iter().any(|range| {
        let values =
            source[range].split(|sign: char| sign.is_whitespace() || ",[]{}'\"".contains(sign));
        // Shorter ones say nothing, and stand in any text.
        values.filter(|value| value.chars().count() > 2).any(|value| text.contains(value))
    })
}

/// A sign of as many bytes that says nothing.
const fn instead(sign: char) -> char {
    match (sign, sign.len_utf8()) {
        (' ' | '\t' | '\n' | '\r' | ',' | '[' | ']' | '"' | '\'', _) => sign,
        (_, 1) => '*',
        (_, 2) => '\u{b7}',
        (_, 3) => '\u{2022}',
        _ => '\u{10100}',
    }
}

/// Where values stand: ascending, and apart from each other.
fn hidden(source: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (colon, _) in source.match_indices(':') {
        if let Some(key) = key_before(source, colon) {
            value(source, colon + 1, key - line_of(source, key).start, &mut found);
        }
    }
    // What an alias stands for stands elsewhere.
    let mut seen = Vec::new();
    while let Some(name) = found
        .iter()
        .flat_map(|range: &Range<usize>| names(&source[range.clone()]))
        .find(|name| !seen.contains(name))
    {
        let anchor = format!("&{name}");
        for (at, _) in source.match_indices(&anchor) {
            let after = at + anchor.len();
            if source[after..].chars().next().is_none_or(char::is_whitespace) {
                let line = &source[line_of(source, at)];
                let content = line.trim_start_matches(['-', ' ', '\t']);
                value(source, after, line.len() - content.len(), &mut found);
            }
        }
        seen.push(name);
    }
    found.extend(passwords(source));
    found.retain(|range| !range.is_empty());
    found.sort_by_key(|range| range.start);
    found.dedup_by(|next, before| {
        let meets = next.start <= before.end;
        if meets {
            before.end = before.end.max(next.end);
        }
        meets
    });
    found
}

/// What stands between `://` and `@`, and behind a `?` of an address that is signed. The container before the host of
/// an account of Azure has no colon.
fn passwords(source: &str) -> impl Iterator<Item = Range<usize>> {
    source.match_indices("://").flat_map(|(at, sign)| {
        let start = at + sign.len();
        let rest = &source[start..];
        let line = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        let is_azure = ["abfs", "abfss"].iter().any(|scheme| source[..at].ends_with(scheme));
        // A password may hold a slash or an @; the host is behind the last one.
        let user = line.rfind('@').filter(|end| !is_azure || line[..*end].contains(':'));
        let signed = line.find('?').filter(|query| line[*query..].contains('='));
        let user = user.map(|end| start..start + end);
        let signed = signed.map(|query| start + query + 1..start + line.len());
        user.into_iter().chain(signed)
    })
}

/// The names behind the asterisks of a text.
fn names(text: &str) -> Vec<String> {
    let ends = |sign: char| sign.is_whitespace() || ",[]{}".contains(sign);
    let alias = |part: &str| part.strip_prefix('*').map(str::to_owned);
    text.split(ends).filter_map(alias).filter(|name| !name.is_empty()).collect()
}

/// Where the key before a colon begins, if it is this one; misspelt it has the same values.
fn key_before(source: &str, colon: usize) -> Option<usize> {
    let before = source[..colon].trim_end_matches(['"', '\'', ' ', '\t']);
    let is_end = |sign: char| !sign.is_alphanumeric() && sign != '_';
    let start = before
        .rfind(is_end)
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    let word = &before[start..];
    let is_it = word.len() <= KEY.len() + 2 && strsim::osa_distance(&word.to_lowercase(), KEY) <= 1;
    let sign = source[..start].chars().next_back();
    let begins = sign.is_none_or(|sign| sign.is_whitespace() || "\"'{,-?\u{feff}".contains(sign));
    (is_it && begins).then_some(start)
}

/// Adds where the value stands that begins behind `after`, of a key or anchor so far from the left.
fn value(source: &str, after: usize, depth: usize, found: &mut Vec<Range<usize>>) {
    let rest = &source[after..];
    let start = after + (rest.len() - rest.trim_start_matches([' ', '\t']).len());
    if source[start..].starts_with('[') {
        let end = flow_end(source, start);
        items(source, start + 1, end, found);
        return;
    }
    let end = line_of(source, start).end;
    if !source[start..end].trim_start().starts_with('#') && !is_pair(&source[start..end]) {
        found.push(start..end);
    }
    // The lines of a block list, or of a text over several lines. A list may stand as far to the left as
    // its key.
    let mut next = end + 1;
    while next < source.len() {
        let line = line_of(source, next);
        let text = &source[line.clone()];
        let content = text.trim_start_matches([' ', '\t']);
        let column = text.len() - content.len();
        let belongs = content.trim().is_empty()
            // Tabs indent nothing, but somebody meant it.
            || text[..column].contains('\t')
            || column > depth
            || (column == depth && content.starts_with('-'));
        if !belongs {
            break;
        }
        let item = content.trim_start_matches(['-', ' ']);
        if !is_pair(item) {
            found.push(line.end - item.len()..line.end);
        }
        next = line.end + 1;
    }
}

/// The line in which something stands, without its end.
fn line_of(source: &str, at: usize) -> Range<usize> {
    let start = source[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = source[at..].find('\n').map_or(source.len(), |end| at + end);
    start..end
}

/// The end of a list in brackets: where the bracket is closed, or the end of the text.
fn flow_end(source: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    let mut quote = None;
    // Quotes count where a value may begin; in the middle of one they are its own.
    let mut begins = true;
    for (at, sign) in source[start..].char_indices() {
        if let Some(open) = quote {
            quote = Some(open).filter(|open| *open != sign);
            continue;
        }
        match sign {
            '"' | '\'' if begins => quote = Some(sign),
            '[' | '{' => depth += 1,
            ']' | '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return start + at;
                }
            }
            _ => {}
        }
        begins = "[{,:".contains(sign) || (begins && sign.is_whitespace());
    }
    source.len()
}

/// Adds the entries of a list in brackets, but those that name a source.
fn items(source: &str, start: usize, end: usize, found: &mut Vec<Range<usize>>) {
    let mut depth = 0_usize;
    let mut begin = start;
    let text = source.get(start..end).unwrap_or_default();
    for (at, sign) in text.char_indices().chain([(text.len(), ',')]) {
        match sign {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 || start + at == end => {
                if !is_pair(&source[begin..start + at]) {
                    found.push(begin..start + at);
                }
                begin = (start + at + 1).min(end);
            }
            _ => {}
        }
    }
}

/// True of an entry that names a source of pairs.
fn is_pair(item: &str) -> bool {
    let item = item.trim_start_matches(|sign: char| sign.is_whitespace() || "-{".contains(sign));
    let key = item.split(':').next().unwrap_or_default().trim_matches(['"', '\'', ' ']);
    item.contains(':') && PAIRS.contains(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_hidden_wherever_they_stand() {
        for written in [
            "keys:\n  - { field: mail, never: [ann@x.org, 'Bob@x.org', \"c, d@x.org\"], normalize: email }\n",
            "keys:\n  - field: mail\n    never:\n      - ann@x.org\n      # Bob@x.org\n      - c, d@x.org\n    normalize: email\n",
            "keys:\n  - field: mail\n    never:\n    - ann@x.org\n    - 'Bob@x.org'\n    - \"c, d@x.org\"\n    normalize: email\n",
            "keys:\n  - { field: mail, never: [ann@x.org,\n      Bob@x.org, d@x.org], normalize: email }\n",
            "keys:\n  - { field: mail, never: [ann@x.org, Bob@x.org, d@x.org\n",
            "keys:\n  - never: ann@x.org Bob@x.org d@x.org\n    field: mail\n",
            "\"never\" : [ann@x.org, Bob@x.org, d@x.org]",
            "bad: &bad [ann@x.org, Bob@x.org, d@x.org]\nkeys: [{ field: mail, never: *bad }]\n",
            "bad:\n  - &a ann@x.org\n  - &b Bob@x.org\nkeys: [{ field: mail, never: [*a, *b, d@x.org] }]\n",
            "keys:\n  - { field: mail, nevr: [ann@x.org, Bob@x.org, d@x.org], normalize: email }\n",
            "keys:\n  - field: mail\n    Never:\n\t- ann@x.org\n\t- Bob@x.org\n\t- d@x.org\n",
            "keys: [{ field: mail, never: [ann@x.org, o'Bob@x.org, d@x.org], normalize: email }]\n",
            "never: |\n  ann@x.org\n  Bob@x.org\n\n  d@x.org\n",
        ] {
            let shown = veil(written);
            for value in ["ann", "Bob", "d@x.org", "x.org"] {
                assert!(!shown.contains(value), "{written}\n{shown}");
            }
            assert_eq!(shown.len(), written.len());
            assert_eq!(shown.contains("field: mail"), written.contains("field: mail"), "{shown}");
            let normalizes = written.contains("normalize: email") && written.contains(']');
            assert!(!normalizes || shown.contains("normalize: email"), "{shown}");
            assert!(quotes_veiled(written, "duplicate key: ann@x.org"), "{written}");
            assert!(!quotes_veiled(written, "a list is due"), "{written}");
        }
    }

    #[test]
    fn places_stay_what_they_are() {
        let written = "never: [zoë, 猫, 𝛼𝛽, x]\nname: zoë\n";
        let shown = veil(written);
        assert_eq!(shown, "never: [**\u{b7}, \u{2022}, \u{10100}\u{10100}, *]\nname: zoë\n");
        assert!(
            shown.char_indices().map(|(at, _)| at).eq(written.char_indices().map(|(at, _)| at))
        );
    }

    #[test]
    fn passwords_in_addresses_are_hidden() {
        let shown = veil(
            "  - { path: s3://KEY:SEC/R@ET@bucket/a.csv }\n  - path: abfss://c@a.net/b:c.csv\n",
        );
        let signed = veil("path: https://a.net/b.csv?sv=1&sig=SECRET\nquery: SELECT 1");
        assert_eq!(signed, "path: https://a.net/b.csv?***************\nquery: SELECT 1");
        assert_eq!(veil("path: s3://SECRET@b/c?.csv"), "path: s3://******@b/c?.csv");
        assert_eq!(
            shown,
            "  - { path: s3://************@bucket/a.csv }\n  - path: abfss://c@a.net/b:c.csv\n"
        );
    }

    #[test]
    fn what_is_no_value_of_a_person_is_shown() {
        for written in [
            "identity:\n  never: [{ source: pairs, key1: a }, { source: twins }]\n",
            "identity:\n  never:\n    - { source: pairs }\n    - source: twins\n      key1: a\n",
            "segments:\n  - { name: s, where: \"city = 'never'\" }\n",
            "# this never happens\nwhenever: [x]\nnever_seen: y\n",
        ] {
            assert_eq!(veil(written), written);
        }
    }
}
