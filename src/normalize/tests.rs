//! Tests of all normalizers: the known answers of the registry, and what holds for every input.

use super::*;

fn chain(step: Step) -> Chain {
    Chain::new(vec![step])
}

/// The step of an example, with its options.
fn step_of(documented: &Documented, example: &Example) -> Step {
    let mut step = documented.step.clone();
    for option in example.options {
        match (&mut step, *option) {
            (Step::Email(options), ("plus_tag", "drop")) => options.drop_plus_tag = true,
            (Step::Email(options), ("gmail_dots", "drop")) => options.drop_gmail_dots = true,
            (Step::Alias(alias), ("file", file)) => *alias = microsoft(file),
            _ => panic!("{}: no option {option:?}", documented.name),
        }
    }
    step
}

/// What the examples of `alias` take their file to say.
fn microsoft(file: &str) -> Alias {
    let pair = ("MSFT".to_owned(), "Microsoft".to_owned());
    Alias::new(file.to_owned(), std::iter::once(pair))
}

fn region_of(text: Option<&str>) -> Option<Region> {
    text.map(|text| Region::parse(text).expect("a region"))
}

#[test]
fn known_answers() {
    for documented in NORMALIZERS {
        assert!(!documented.examples.is_empty(), "{}", documented.name);
        for example in documented.examples {
            let chain = chain(step_of(documented, example));
            let region = region_of(example.region);
            assert_eq!(
                chain.apply(example.input, region).as_deref(),
                example.output,
                "{}: {example:?}",
                documented.name
            );
            if let Some(key) = example.output {
                assert_eq!(chain.apply(key, region).as_deref(), Some(key), "again: {example:?}");
            }
        }
    }
}

#[test]
fn names_are_unique_and_cover_all_steps() {
    let mut names: Vec<_> = NORMALIZERS.iter().map(|documented| documented.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 12);
    assert_eq!(names.len(), NORMALIZERS.len());
    assert_eq!(normalizer("numerals").map(|found| &found.step), Some(&Step::Numerals));
    assert_eq!(normalizer("soundex"), None);
}

#[test]
fn kinds() {
    let mail = Step::Email(EmailOptions::default());
    assert_eq!(Chain::new(vec![]).kind(), Kind::Text);
    assert_eq!(Chain::default_trim().kind(), Kind::Text);
    assert_eq!(Chain::new(vec![Step::Lower, mail.clone(), Step::Trim]).kind(), Kind::Mail);
    assert_eq!(Chain::new(vec![Step::Trim, Step::Phone]).kind(), Kind::Phone);
    assert_eq!(Chain::new(vec![Step::Phone, mail]).kind(), Kind::Mail);
}

#[test]
fn chains_pass_on_what_is_borrowed() {
    let names = Chain::new(vec![Step::Trim, Step::Lower, Step::Unaccent, Step::StripSymbols]);
    assert!(matches!(names.apply(" smith ", None), Some(Cow::Borrowed("smith"))));
    assert_eq!(names.apply(" Müller-Lüdenscheidt ", None).as_deref(), Some("mullerludenscheidt"));
    assert_eq!(names.apply(" - ", None), None);
    assert_eq!(Chain::new(vec![]).apply("", None), None);
    let mail = chain(Step::Email(EmailOptions::default()));
    let loose = mail.apply_loose("holly@contoso.com", None).expect("an address");
    assert!(loose.own && loose.target.iter().all(Option::is_none));
    assert!(matches!(loose.key, Cow::Borrowed(_)));
    let phone = chain(Step::Phone);
    assert!(matches!(phone.apply("+4915123456789", None), Some(Cow::Borrowed(_))));
}

#[test]
fn serialized_as_plain_data() {
    let steps = vec![Step::Trim, Step::Email(EmailOptions::default()), Step::StripSymbols];
    let email = r#"{"email":{"drop_plus_tag":false,"drop_gmail_dots":false}}"#;
    assert_eq!(
        serde_json::to_string(&Chain::new(steps)).expect("JSON"),
        format!(r#"["trim",{email},"strip_symbols"]"#)
    );
    assert_eq!(serde_json::to_string(&Region::parse("de")).expect("JSON"), r#""DE""#);
}

/// Does a denial of `denial` reach `target`?
fn reaches(chain: &Chain, denial: (&str, Option<&str>), target: (&str, Option<&str>)) -> bool {
    let denial = chain.apply_loose(denial.0, region_of(denial.1)).expect("a denial");
    let target = chain.apply_loose(target.0, region_of(target.1)).expect("a target");
    denial.reaches(&target)
}

#[test]
fn loose_mails() {
    let mail = chain(Step::Email(EmailOptions::default()));
    let both = |a, b| {
        let there = reaches(&mail, (a, None), (b, None));
        assert_eq!(there, reaches(&mail, (b, None), (a, None)));
        there
    };
    assert!(both("a@x.com", "A@x.com"));
    assert!(both("a+shop@x.com", "a@x.com"));
    assert!(both("a+shop@x.com", "a+news@x.com"));
    assert!(both("a.b+shop@googlemail.com", "ab@gmail.com"));
    assert!(!both("a.b@x.com", "ab@x.com"));
    assert!(!both("a@x.com", "b@x.com"));
    assert!(!both("a@x.com", "a@y.com"));
}

#[test]
fn loose_phones() {
    let phone = chain(Step::Phone);
    let both = |a: (&str, Option<&str>), b: (&str, Option<&str>)| {
        let there = reaches(&phone, a, b);
        assert_eq!(there, reaches(&phone, b, a), "{a:?} {b:?}");
        there
    };
    let (de, us) = (Some("DE"), Some("US"));
    // With and with a country code: only the equal number.
    assert!(both(("0151 23456789", de), ("+49 151 23456789", None)));
    assert!(!both(("+49 425 5551212", None), ("+1 425 5551212", None)));
    assert!(!both(("425 5551212", de), ("425 5551212", us)));
    // One without: the national number.
    assert!(both(("0151 23456789", None), ("+49 151 23456789", None)));
    assert!(both(("0151 23456789 x12", None), ("0151 23456789", de)));
    assert!(both(("(425) 555-1212", None), ("+1 425 555 1212", None)));
    assert!(both(("06 6982", None), ("+39 06 6982", None)));
    assert!(!both(("(425) 555-1213", None), ("+1 425 555 1212", None)));
    // Both without.
    assert!(both(("0151 23456789", None), ("151 23456789", None)));
    assert!(!both(("0151 23456789", None), ("0151 23456780", None)));
    // A guess goes both ways.
    assert!(both(("1 (425) 555-1212", None), ("+1 425 555 1212", None)));
    assert!(both(("1 (425) 555-1212", None), ("(425) 555-1212", None)));
    assert!(both(("1 (425) 555-1212", None), ("(425) 555-1212", us)));
    assert!(both(("1 (425) 555-1212", None), ("1 425 555 1212", None)));
    assert!(both(("0049 151 23456789", None), ("0151 23456789", None)));
    assert!(both(("0049 151 23456789", None), ("4915123456789", None)));
    assert!(both(("0049 151 23456789", None), ("0151 23456789", de)));
    // Zeros after the plus leave in doubt which of the two is wrong.
    assert!(both(("+0151 23456789", None), ("0151 23456789", de)));
    assert!(both(("+01 425 555 1212", None), ("+1 425 555 1212", None)));
    assert!(both(("+01 425 555 1212", None), ("425 555 1212", None)));
    // Maryland by its digits, but it may be Chinese.
    assert!(both(("130 1234 5678", None), ("130 1234 5678", Some("CN"))));
    assert!(both(("130 1234 5678", None), ("+1 301 234 5678", None)));
    assert!(both(("130 1234 5678", None), ("0 130 1234 5678", None)));
    assert!(!both(("130 1234 5678", None), ("+49 130 1234 567", None)));
}

#[test]
fn loose_text_is_exact() {
    let chain = Chain::new(vec![Step::Trim, Step::Lower]);
    assert!(reaches(&chain, ("A ", None), ("a", None)));
    assert!(!reaches(&chain, ("a+b@x.com", None), ("a@x.com", None)));
    assert_eq!(chain.apply_loose(" ", None), None);
}

#[test]
fn loose_forms_survive_later_steps() {
    let mail = Chain::new(vec![Step::Email(EmailOptions::default()), Step::StripSymbols]);
    // Equal keys, but the reduced forms are `axcom` and `abxcom`.
    assert!(reaches(&mail, ("a+b@x.com", None), ("ab@x.com", None)));
    let accents = Chain::new(vec![Step::Email(EmailOptions::default()), Step::Unaccent]);
    assert!(reaches(&accents, ("josé+x@x.com", None), ("jose@x.com", None)));
    let phone = Chain::new(vec![Step::Phone, Step::StripSymbols]);
    assert!(reaches(&phone, ("+999 12345", None), ("99912345", None)));
    assert!(reaches(&phone, ("+49 151 23456789", None), ("0151 23456789", Some("DE"))));
}

struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % below
    }

    fn char(&mut self) -> char {
        const HARD: &[char] = &[
            '\0',
            '\n',
            '\r',
            '"',
            '\\',
            '<',
            '>',
            '@',
            '.',
            '+',
            '-',
            '0',
            '1',
            '4',
            '9',
            'x',
            '#',
            ';',
            ',',
            '(',
            ')',
            '/',
            'ß',
            'ẞ',
            'İ',
            'ı',
            'ŉ',
            'ǰ',
            'ΐ',
            'ᾳ',
            'ς',
            'Σ',
            '\u{345}',
            '\u{301}',
            '\u{307}',
            '\u{323}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{feff}',
            '\u{ad}',
            '\u{a0}',
            '\u{3000}',
            '＠',
            '．',
            '。',
            '＋',
            '０',
            '٣',
            'Ⅷ',
            'Ⅹ',
            '❽',
            '½',
            'ﬃ',
            '㎏',
            '한',
            'ᄒ',
            'が',
            '\u{3099}',
            'ا',
            'א',
            '\u{94d}',
            '\u{fdfa}',
            '\u{1f3f4}',
            '\u{e000}',
            '\u{378}',
            '\u{10ffff}',
            '\u{ffff}',
            '\u{fffd}',
            '￰',
            '\u{1160}',
        ];
        match self.next(4) {
            0 => HARD[self.next(HARD.len())],
            1 => char::from(u8::try_from(self.next(128)).unwrap_or(0)),
            2 => char::from_u32(u32::try_from(self.next(0x3000)).unwrap_or(0)).unwrap_or('a'),
            _ => char::from_u32(u32::try_from(self.next(0x11_0000)).unwrap_or(0)).unwrap_or('b'),
        }
    }

    fn value(&mut self) -> String {
        const PARTS: &[&str] = &[
            "holly",
            "Holly.Dickson",
            "+tag",
            "@",
            "@",
            "x.com",
            "@Gmail.com",
            "@googlemail.com",
            "@bücher.de",
            "@xn--bcher-kva.de",
            "xn--",
            "straße",
            "Straße",
            "Dr. ",
            " Jr.",
            "bob",
            " N. W. ",
            "P.O. Box",
            " GmbH & Co.",
            "the ",
            " & ",
            " S. A.",
            "'",
            "´",
            "MSFT",
            "<",
            ">",
            "mailto:",
            " ",
            "+49",
            "+1",
            "0049",
            "+01 ",
            "0151",
            "425",
            "5551212",
            "23456789",
            "555-1212",
            "130 1234 5678",
            " ext. 12",
            "x12",
            ";ext=7",
            "tel:",
            ";phone-context=+49",
            " (mobil)",
            "FLOWERS",
            "ⅩⅢ",
            "Ⅽↈ",
            "Ä",
            "Ｏ",
        ];
        let count = self.next(7);
        let mut value = String::new();
        for _ in 0..count {
            if self.next(3) == 0 {
                value.push(self.char());
            } else {
                value.push_str(PARTS[self.next(PARTS.len())]);
            }
        }
        value
    }
}

fn all_steps() -> Vec<Step> {
    let mut steps: Vec<_> = NORMALIZERS.iter().map(|documented| documented.step.clone()).collect();
    steps.push(Step::Alias(microsoft("aliases.csv")));
    steps.push(Step::Email(EmailOptions { drop_plus_tag: true, drop_gmail_dots: false }));
    steps.push(Step::Email(EmailOptions { drop_plus_tag: false, drop_gmail_dots: true }));
    steps.push(Step::Email(EmailOptions { drop_plus_tag: true, drop_gmail_dots: true }));
    steps
}

fn assert_stable(step: &Step, value: &str, region: Option<Region>) {
    let chain = chain(step.clone());
    let Some(key) = chain.apply(value, region) else { return };
    assert!(!key.is_empty(), "{step:?} {value:?}");
    let again = chain.apply(&key, region);
    assert_eq!(again.as_deref(), Some(&*key), "{step:?} {value:?} in {region:?}");
}

#[test]
fn a_key_is_its_own_key() {
    let regions = ["DE", "US", "IT", "CN", "AR", "RU", "BR", "GB"].map(Region::parse);
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for _ in 0..30_000 {
        let value = random.value();
        let region = if random.next(2) == 0 { None } else { regions[random.next(regions.len())] };
        for step in all_steps() {
            assert_stable(&step, &value, region);
        }
    }
}

#[test]
fn every_character_alone_and_in_a_word() {
    for c in ('\0'..=char::MAX).filter(|c| u32::from(*c) < 0x3_0000 || u32::from(*c) > 0xd_ffff) {
        for step in all_steps().iter().filter(|step| step.kind() == Kind::Text) {
            assert_stable(step, c.encode_utf8(&mut [0; 4]), None);
            assert_stable(step, &format!("a{c}\u{301}"), None);
        }
        let mail = Step::Email(EmailOptions::default());
        assert_stable(&mail, &format!("a{c}@x.com"), None);
        assert_stable(&mail, &format!("{c}a@a{c}b.com"), None);
    }
}

#[test]
fn keys_and_loose_forms_agree() {
    let mut chains: Vec<Chain> = all_steps().into_iter().map(chain).collect();
    for after in [Step::StripSymbols, Step::Unaccent, Step::Lower, Step::Numerals] {
        chains.push(Chain::new(vec![Step::Email(EmailOptions::default()), after.clone()]));
        chains.push(Chain::new(vec![Step::Trim, Step::Phone, after.clone()]));
        chains.push(Chain::new(vec![Step::Phone, Step::Email(EmailOptions::default()), after]));
    }
    let mut random = Random(0x0dd0_5eed);
    let regions = [None, Region::parse("DE"), Region::parse("US")];
    for _ in 0..3_000 {
        let (a, b) = (random.value(), random.value());
        let (region, other) = (regions[random.next(3)], regions[random.next(3)]);
        for chain in &chains {
            let key = chain.apply(&a, region);
            assert_eq!(chain.has_key(&a, region), key.is_some(), "{chain:?} {a:?}");
            let loose = chain.apply_loose(&a, region);
            assert_eq!(key, loose.as_ref().map(|loose| loose.key.clone()), "{chain:?} {a:?}");
            let (Some(a), Some(b)) = (loose, chain.apply_loose(&b, other)) else { continue };
            assert!(a.reaches(&a), "{a:?}");
            assert!(a.key != b.key || (a.reaches(&b) && b.reaches(&a)), "{a:?} {b:?}");
        }
    }
}

/// What docs/semantics.md says about phones, row by row, for numbers that are no guesses.
#[test]
fn loose_phones_as_the_semantics_say() {
    let phone = chain(Step::Phone);
    let mut random = Random(77);
    let spellings = ["+49 ", "0", "", "+1 ", "+39 0"];
    for _ in 0..5_000 {
        let mut number = || {
            let number = format!("{}30{}", spellings[random.next(5)], 10_000 + random.next(3));
            let region = [None, Some("DE"), Some("US")][random.next(3)];
            (number, region)
        };
        let (one, other) = (number(), number());
        let a = phone.apply_loose(&one.0, region_of(one.1)).expect("a number");
        let b = phone.apply_loose(&other.0, region_of(other.1)).expect("a number");
        let full = |loose: &Loose<'_>| loose.key.starts_with('+');
        let national = |loose: &Loose<'_>| {
            let key = loose.key.strip_prefix("+49").or_else(|| loose.key.strip_prefix("+39"));
            let key = key.or_else(|| loose.key.strip_prefix("+1")).unwrap_or(&loose.key);
            key.trim_start_matches('0').to_owned()
        };
        let expected = a.key == b.key || (!(full(&a) && full(&b)) && national(&a) == national(&b));
        assert_eq!(a.reaches(&b), expected, "{one:?} {other:?}");
    }
}

#[test]
fn long_values_end() {
    for step in all_steps() {
        for part in ["a", "1", "+", "@", "\u{301}", "<", "xn--", "Ⅹ", "é.", "\"", " ", "a@", "00"]
        {
            let value = part.repeat(100_000);
            let _ = chain(step.clone()).apply(&value, Region::parse("US"));
            let _ = chain(step.clone()).apply_loose(&format!("a@{value}.com"), None);
        }
    }
}

/// Numbers are known to have a key without being read; so they must be if they are read.
#[test]
fn plain_numbers_have_a_key() {
    let phone = chain(Step::Phone);
    let mut random = Random(0xca11);
    let regions = [None, Region::parse("DE"), Region::parse("US"), Region::parse("IT")];
    let marks = b"0123456789 +-./()00";
    for _ in 0..200_000 {
        let length = random.next(22);
        let value: String = (0..length).map(|_| char::from(marks[random.next(19)])).collect();
        let region = regions[random.next(4)];
        let has_key = phone.apply(&value, region).is_some();
        assert_eq!(phone.has_key(&value, region), has_key, "{value:?} {region:?}");
    }
}
