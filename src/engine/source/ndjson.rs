//! NDJSON: one JSON object a line, read by `serde_json`, only the members that are asked for.
//!
//! The engine's own reader infers a schema from the first rows and drops a member first seen
//! later without a word; here every line is read for exactly the members in use, as text.

use std::fmt;

use rayon::prelude::*;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::text::Fault;
use crate::diagnostics::Code;

/// Names of the members of the objects in the first lines, in order of appearance.
#[must_use]
pub fn member_names(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let Ok(serde_json::Value::Object(object)) = serde_json::from_str(line) else { break };
        for name in object.keys() {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    names
}

/// The wanted members of every line as text, one vector a member; JSON null and absence are none.
///
/// # Errors
/// The first line that is not an object, or holds a list or object where a value is wanted.
pub fn read(
    text: &str,
    wanted: &[&str],
    nulls: &[String],
) -> Result<Vec<Vec<Option<String>>>, Fault> {
    let lines: Vec<(usize, &str)> =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).collect();
    let rows: Result<Vec<Vec<Option<String>>>, Fault> = lines
        .par_iter()
        .enumerate()
        .with_min_len(512)
        .map(|(record, (at, line))| {
            let mut reader = serde_json::Deserializer::from_str(line);
            let row = Members { wanted, nulls }.deserialize(&mut reader).and_then(|row| {
                reader.end()?;
                Ok(row)
            });
            row.map_err(|error| Fault {
                code: Code::JsonLine,
                message: if error.is_data() {
                    "a member in use is a list or an object, stands twice, or is a number of more digits than can be read exactly"
                        .to_owned()
                } else {
                    format!("the line is no JSON object, at character {}", error.column())
                },
                help: Some("each line must be one object with plain values; write long numbers as text"),
                record: Some(record as u64 + 1),
                line: Some(*at as u64 + 1),
            })
        })
        .collect();
    let rows = rows?;
    let mut columns: Vec<Vec<Option<String>>> =
        wanted.iter().map(|_| Vec::with_capacity(rows.len())).collect();
    for row in rows {
        for (column, cell) in columns.iter_mut().zip(row) {
            column.push(cell);
        }
    }
    Ok(columns)
}

struct Members<'a> {
    wanted: &'a [&'a str],
    nulls: &'a [String],
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = Vec<Option<String>>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Vec<Option<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut row = vec![None; self.wanted.len()];
        let mut seen = vec![false; self.wanted.len()];
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match self.wanted.iter().position(|wanted| *wanted == name) {
                Some(at) => {
                    if std::mem::replace(&mut seen[at], true) {
                        return Err(serde::de::Error::custom("twice"));
                    }
                    row[at] = map.next_value_seed(Cell { nulls: self.nulls })?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(row)
    }
}

/// A plain value as text; strings that mean null are none.
struct Cell<'a> {
    nulls: &'a [String],
}

impl<'de> DeserializeSeed<'de> for Cell<'_> {
    type Value = Option<String>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Cell<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Self::Value, E> {
        // 2^53: from there on whole numbers are no longer exact, and two ids could become one.
        if value.abs() >= 9_007_199_254_740_992.0 {
            return Err(E::custom("not exact"));
        }
        Ok(Some(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        let null = self.nulls.iter().any(|null| null == value);
        Ok((!null).then(|| value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_comes_late_is_read() {
        let text = "{\"a\":1}\n\n{\"a\":\"x\",\"b\":true,\"c\":{\"d\":1}}\n{\"a\":null}\n";
        let columns = read(text, &["b", "a"], &[]).expect("columns");
        assert_eq!(columns[0], [None, Some("true".to_owned()), None]);
        assert_eq!(columns[1], [Some("1".to_owned()), Some("x".to_owned()), None]);
    }

    #[test]
    fn faults_have_their_line_and_no_cell() {
        for text in [
            "{\"a\":1}\n[1]\n",
            "{\"a\":1}\n{\"a\":[1]}\n",
            "{\"a\":1}\n{\"a\":1,\"a\":2}\n",
            "{\"a\":1}\n{\"a\":\n",
            "{\"a\":1}\n{\"a\":1} x\n",
            "{\"a\":1}\n{\"a\":123456789012345678901234}\n",
        ] {
            let fault = read(text, &["a"], &[]).expect_err(text);
            assert_eq!((fault.code, fault.record, fault.line), (Code::JsonLine, Some(2), Some(2)));
        }
    }
}
