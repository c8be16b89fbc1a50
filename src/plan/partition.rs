//! How folders are named that stand for the values of columns: `country=AT`, as Hive and Spark do.
//!
//! Source: Apache Spark 4, `ExternalCatalogUtils`: `escapePathName`, `unescapePathName`,
//! `DEFAULT_PARTITION_NAME`.

use std::fmt::Write as _;

/// The most partitions of an export: each is a file that readers open.
pub const MOST: usize = 1000;
/// The file of a partition.
pub const FILE: &str = "part-0.parquet";
/// What stands for null, and for the empty text.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// The most bytes of a name on the file systems of Linux: `NAME_MAX`.
const NAME: usize = 255;

/// The folder of a value of a column; the empty text is null there. None if the value has no name: it is
/// too long, or the very text that stands for null.
#[must_use]
pub fn folder(column: &str, value: Option<&str>) -> Option<String> {
    let value = match value.filter(|value| !value.is_empty()) {
        None => NULL.to_owned(),
        Some(NULL) => return None,
        Some(value) => escaped(value),
    };
    let name = format!("{}={value}", escaped(column));
    (name.len() <= NAME).then_some(name)
}

/// The column and the value that a folder stands for; none for one that is not named so.
#[must_use]
pub fn read(folder: &str) -> Option<(String, Option<String>)> {
    let (column, value) = folder.split_once('=')?;
    let value = match value {
        NULL => None,
        value => Some(plain(value).filter(|value| !value.is_empty())?),
    };
    Some((plain(column)?, value))
}

/// The values that a file stands for, by its path in the whole folder: of these columns, in their order.
#[must_use]
pub fn values(path: &str, columns: &[String]) -> Option<Vec<Option<String>>> {
    let (folders, file) = path.rsplit_once('/')?;
    let folders: Vec<&str> = folders.split('/').collect();
    if file != FILE || folders.len() != columns.len() {
        return None;
    }
    let pairs = folders.iter().zip(columns);
    pairs.map(|(folder, due)| read(folder).filter(|(name, _)| name == due).map(|of| of.1)).collect()
}

fn escaped(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for letter in text.chars() {
        let special = letter.is_ascii_control()
            || matches!(
                letter,
                '"' | '#' | '%' | '\'' | '*' | '/' | ':' | '=' | '?' | '\\' | '{' | '[' | ']' | '^'
            );
        if special {
            let _ = write!(name, "%{:02X}", u32::from(letter));
        } else {
            name.push(letter);
        }
    }
    name
}

/// None where a `%` is not followed by two digits, or the bytes are no text.
fn plain(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{folder, read, values};

    #[test]
    fn values_are_named_as_spark_names_them() {
        let name = |value| folder("country", value);
        assert_eq!(name(Some("AT")).as_deref(), Some("country=AT"));
        assert_eq!(name(Some("a/b: 50% [x]")).as_deref(), Some("country=a%2Fb%3A 50%25 %5Bx%5D"));
        assert_eq!(name(Some("Côte d'Ivoire")).as_deref(), Some("country=Côte d%27Ivoire"));
        assert_eq!(name(Some("\n\u{7f}\0")).as_deref(), Some("country=%0A%7F%00"));
        let null = "country=__HIVE_DEFAULT_PARTITION__";
        assert_eq!(name(None).as_deref(), Some(null));
        assert_eq!(name(Some("")).as_deref(), Some(null));
        assert_eq!(name(Some("__HIVE_DEFAULT_PARTITION__")), None);
        let long = "x".repeat(248);
        assert_eq!(name(Some(&long[1..])).map(|name| name.len()), Some(255));
        assert_eq!(name(Some(&long)), None);
    }

    #[test]
    fn names_are_read_as_they_were_written() {
        for value in ["AT", "..", ".", " ", "50%25", "a=b", "ä/ö", "\u{1}\u{1f}", "+", "日本", "%"]
        {
            let name = folder("the = field", Some(value)).expect("a name");
            assert!(!name.contains('/'), "{name}");
            assert_eq!(read(&name), Some(("the = field".to_owned(), Some(value.to_owned()))));
        }
        assert_eq!(read("c=__HIVE_DEFAULT_PARTITION__"), Some(("c".to_owned(), None)));
        for not in ["c", "c=", "c=%", "c=%2", "c=%zz", "c=%ff"] {
            assert_eq!(read(not), None, "{not}");
        }
    }

    #[test]
    fn a_file_stands_for_the_values_of_all_columns() {
        let columns = ["a".to_owned(), "b".to_owned()];
        let read = |path| values(path, &columns);
        assert_eq!(read("a=1/b=x/part-0.parquet"), Some(vec![Some("1".into()), Some("x".into())]));
        for not in [
            "a=1/part-0.parquet",
            "b=1/a=x/part-0.parquet",
            "a=1/b=x/part-1.parquet",
            "part-0.parquet",
            "a=1/b=x/c=2/part-0.parquet",
        ] {
            assert_eq!(read(not), None, "{not}");
        }
    }
}
