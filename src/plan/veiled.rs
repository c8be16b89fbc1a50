//! Values of persons that stand in the pipeline file.

use serde::{Serialize, Serializer};

/// Values of persons, such as those of `never`. Whoever prints a plan sees how many there are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Veiled(Vec<String>);

impl Veiled {
    /// Adds one.
    pub fn push(&mut self, value: String) {
        self.0.push(value);
    }

    /// True if there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// The values, for comparing.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl std::fmt::Debug for Veiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} values, not shown", self.0.len())
    }
}

impl Serialize for Veiled {
    /// Only how many there are.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.len().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_neither_printed_nor_serialized() {
        let mut veiled = Veiled::default();
        veiled.push("ann@example.com".to_owned());
        assert_eq!(format!("{veiled:?}"), "1 values, not shown");
        assert_eq!(serde_json::to_string(&veiled).expect("JSON"), "1");
        assert!(veiled.values().eq(["ann@example.com"]));
    }
}
