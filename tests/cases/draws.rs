//! Limits and control groups of segments.

use super::draft::Ground;
use super::rng::Rng;

/// The keys of a segment that draw: often none, small limits, and shares that are drawn now and then.
/// `seed` is the case's. Other parts of the case are as they are without.
pub fn keys(seed: u64, ground: &Ground, at: usize) -> Vec<String> {
    let mut rng = Rng::new(seed ^ 0x5EED_D0A3 ^ ((at as u64 + 1) << 40));
    let mut keys = Vec::new();
    if rng.chance(18) {
        let share = rng.word(&["10%", "25%", "50%", "90%", "33.3333%"]);
        keys.push(match rng.below(3) {
            0 => format!("control: {share}"),
            1 => format!("control: {{ share: {share} }}"),
            _ => format!("control: {{ share: {share}, seed: {} }}", rng.word(&["7", "spring"])),
        });
    }
    if rng.chance(22) {
        let count = rng.between(1, 5);
        let ordered = ground
            .fields
            .iter()
            .filter(|field| matches!(field.ty, "int" | "float" | "date" | "datetime"));
        let ordered: Vec<&str> = ordered.map(|field| field.name).collect();
        let seed = match rng.below(3) {
            0 => ", seed: spring",
            1 => ", seed: 7",
            _ => "",
        };
        keys.push(match rng.below(4) {
            0 => format!("limit: {count}"),
            1 => format!("limit: {{ count: {count}{seed} }}"),
            _ if ordered.is_empty() => format!("limit: {{ count: {count}{seed} }}"),
            _ => {
                let (field, way) = (rng.one_of(&ordered), rng.word(&["", " desc", " asc", " ASC"]));
                format!("limit: {{ count: {count}, top_by: {field}{way}{seed} }}")
            }
        });
    }
    keys
}
