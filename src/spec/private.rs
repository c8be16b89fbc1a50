//! Where in a pipeline file values of persons stand by the meaning of their place.
//!
//! In comes the text of a file, out go byte ranges in it: the values under `never` of a key, and in a
//! rule that speaks of a field by which people are linked or compared all texts in quotes. Whoever
//! shows the file to others leaves them out.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Pipeline, load};

/// The ranges, in no order; of a text that is no pipeline all of it.
#[must_use]
pub fn private_places(source: &str) -> Vec<Range<usize>> {
    let Ok(pipeline) = load(source) else {
        return std::iter::once(0..source.len()).collect();
    };
    let keys = pipeline.keys.as_deref().unwrap_or_default();
    let values = keys.iter().flat_map(|key| key.never.as_deref().unwrap_or_default());
    let mut places: Vec<Range<usize>> =
        values.map(|value| value.span.start..value.span.end).collect();
    let fields = fields_of_persons(&pipeline);
    let segments = pipeline.segments.iter().flatten().filter_map(|segment| segment.rule.as_ref());
    let measures = pipeline.measures.iter().flatten().filter_map(|measure| measure.rule.as_ref());
    for rule in segments.chain(measures) {
        let words = rule.value.split(|c: char| !c.is_alphanumeric() && c != '_');
        if words.into_iter().any(|word| fields.contains(&word.to_lowercase())) {
            places.extend(quoted(source, rule.span.start..rule.span.end));
        }
    }
    places
}

/// Fields with a key of their own, and those of link rules; in lower case.
fn fields_of_persons(pipeline: &Pipeline) -> BTreeSet<String> {
    let keys = pipeline.keys.as_deref().unwrap_or_default();
    let rules = pipeline.identity.as_ref().and_then(|identity| identity.link_on.as_deref());
    let conditions = rules.unwrap_or_default().iter().flat_map(|rule| &rule.value.on);
    let compared = keys.iter().map(|key| &key.field);
    let fields = compared.chain(conditions.map(|condition| &condition.field));
    fields.map(|field| field.value.to_lowercase()).collect()
}

/// The texts between single quotes in a part of the file; a quote that is never closed goes to its end.
fn quoted(source: &str, part: Range<usize>) -> Vec<Range<usize>> {
    let text = source.get(part.clone()).unwrap_or_default();
    let quotes: Vec<usize> = text.match_indices('\'').map(|(at, _)| part.start + at).collect();
    let texts = quotes.chunks(2);
    texts.map(|pair| pair[0] + 1..pair.get(1).copied().unwrap_or(part.end)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_persons_are_found() {
        let text = "version: 1
name: t
sources: [{ name: c, path: c.csv }]
keys:
  - { field: email, normalize: email, never: [\"nobody here\", 'x'] }
  - field: Name
    normalize: lower
    never:
      - Max Mustermann
      - >-
        Erika
        Musterfrau
customers: [{ source: c, id: id, fields: { email: m, Name: n, city: t } }]
segments:
  - { name: a, consent: none, because: b, where: city = 'Bern' }
  - { name: b, consent: none, because: b, where: \"city = 'Bern' OR Name = 'Kestrelova'\" }
  - name: c
    consent: none
    because: b
    where: >
      lower(name) IN ('quillfeather',
        'ottavianus')
measures:
  - { name: d, compute: { n: count }, where: name <> 'Quillon' }
";
        let places = private_places(text);
        let mut left = text.to_owned();
        let mut all: Vec<_> = places.into_iter().collect();
        all.sort_by_key(|place| std::cmp::Reverse(place.start));
        for place in all {
            left.replace_range(place, "…");
        }
        let people = [
            "Quillon",
            "nobody",
            "'x'",
            "Mustermann",
            "Erika",
            "Musterfrau",
            "Kestrel",
            "quill",
            "ottav",
        ];
        for word in people {
            assert!(!left.contains(word), "{word} is still there:\n{left}");
        }
        assert!(left.contains("where: city = 'Bern' }"), "{left}");
        assert_eq!(private_places("no: [pipeline").len(), 1);
    }
}
