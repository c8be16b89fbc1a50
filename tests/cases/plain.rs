//! Plain cases: what SQL can say of a case is drawn, and all of its texts become ASCII.

use super::draft::{Ground, PhoneRegion, Source};

/// Before tables are drawn: nobody has a phone, and few instants are left.
pub fn begin(ground: &mut Ground) {
    ground.phone_region = PhoneRegion::None;
    for person in &mut ground.people {
        person.phones.clear();
    }
    ground.times.keep(5);
}

/// When all is drawn: the cells of all sources become ASCII, those that are equal alike.
pub fn end(sources: &mut [Source]) {
    for source in sources {
        for cell in source.rows.iter_mut().flatten().flatten() {
            *cell = ascii(cell);
        }
    }
}

/// A text in ASCII; an internationalized domain too.
pub fn ascii(text: &str) -> String {
    let plain = text.chars().flat_map(|c| {
        let letters: &[char] = match c {
            _ if c.is_ascii() => return vec![c],
            'ä' | 'à' | 'á' => &['a'],
            'Ä' => &['A'],
            'ö' => &['o'],
            'ü' => &['u'],
            'Ü' => &['U'],
            'ë' | 'ễ' => &['e'],
            // Its normalizer makes it a small letter.
            'Ｅ' => &['E'],
            'ß' => &['s', 's'],
            _ => &['x'],
        };
        letters.to_vec()
    });
    plain.collect::<String>().replace("xn--bcher-kva", "bucher")
}

#[test]
fn plain_cases_are_ascii() {
    for seed in 0..50 {
        let case = super::generate_plain(seed);
        assert!(case.yaml.is_ascii(), "{}", case.yaml);
        let cells = case.tables.values().flat_map(|table| table.rows.iter().flatten().flatten());
        assert!(cells.clone().all(|cell| cell.is_ascii()), "seed {seed}");
        assert!(cells.count() > 0, "seed {seed}");
    }
}
