//! Macros that jobs are written in: what DuckDB has no function for, or another one.
//!
//! A job holds those that it uses. Each is exact for every value, or ends the job with `error()` on
//! a value that it cannot say; none guesses.

use super::text::Script;

/// White space (Unicode's property), as a part of a character class.
const WHITE: &str = r"\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}";

/// What has no glyph: the ranges of `normalize::text::is_invisible`.
const INVISIBLE: &str = r"\x{ad}\x{34f}\x{61c}\x{115f}-\x{1160}\x{17b4}-\x{17b5}\x{180b}-\x{180f}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}\x{3164}\x{fe00}-\x{fe0f}\x{feff}\x{ffa0}\x{fff0}-\x{fff8}\x{1bca0}-\x{1bca3}\x{1d173}-\x{1d17a}\x{e0000}-\x{e0fff}";

struct Macro {
    name: &'static str,
    says: &'static str,
    head: &'static str,
    /// `{white}` and `{invisible}` stand for the classes above.
    body: &'static str,
}

const MACROS: &[Macro] = &[
    Macro {
        name: "optin_ascii",
        says: "true for a text of ASCII characters alone",
        head: "(v)",
        body: "strlen(v) = length(v)",
    },
    Macro {
        name: "optin_trim",
        says: "normalizer trim: no white space and invisible characters at the ends",
        head: "(v)",
        body: r"regexp_replace(v, '^[{white}{invisible}]+|[{white}{invisible}]+$', '', 'g')",
    },
    Macro {
        name: "optin_strip",
        says: "a text without white space at its ends",
        head: "(v)",
        body: r"regexp_replace(v, '^[{white}]+|[{white}]+$', '', 'g')",
    },
    Macro {
        name: "optin_squeeze",
        says: "normalizer strip_whitespace: no white space and invisible characters anywhere",
        head: "(v)",
        body: r"regexp_replace(v, '[{white}{invisible}]', '', 'g')",
    },
    Macro {
        name: "optin_no_symbols",
        says: "normalizer strip_symbols, for ASCII",
        head: "(v)",
        body: r"regexp_replace(v, '[^A-Za-z0-9\t\n\x0b\f\r ]', '', 'g')",
    },
    Macro {
        name: "optin_mail_inside",
        says: "what stands between the last < and > at the end",
        head: "(v)",
        body: r"CASE WHEN regexp_full_match(v, '(?s).*<.*>') THEN optin_trim(regexp_extract(v, '(?s)^.*<(.*)>$', 1)) ELSE v END",
    },
    Macro {
        name: "optin_mail_scheme",
        says: "what follows mailto:, up to a question mark",
        head: "(v)",
        body: "CASE WHEN lower(left(v, 7)) = 'mailto:' THEN optin_trim(split_part(substr(v, 8), '?', 1)) ELSE v END",
    },
    Macro {
        name: "optin_mail_odd",
        says: "true for a value, whose bare address is given, that must be read in a way that SQL has not: beyond ASCII, quoted, or with an IDNA label",
        head: "(v, bare)",
        body: r#"NOT optin_ascii(v) OR regexp_matches(bare, '(?s)".*@[^@]*$') OR regexp_matches(bare, '(?i)(@|\.)xn--[^@]*$')"#,
    },
    Macro {
        name: "optin_mail",
        says: "a bare address in lower case, if it is one: a local part, @, and a domain of two labels or more",
        head: "(v)",
        body: r"CASE WHEN regexp_full_match(v, '[a-z0-9!#$%&''*+/=?^_`{|}~.-]+@([a-z0-9_-]{1,63}\.)+[a-z0-9_-]{1,63}') AND length(v) - strpos(v, '@') <= 253 THEN v END",
    },
    Macro {
        name: "optin_untagged",
        says: "an address without a +tag in its local part",
        head: "(k)",
        body: r"regexp_replace(k, '^([^+@]+)\+[^@]*(@.*)$', '\1\2')",
    },
    Macro {
        name: "optin_gmail",
        says: "gmail.com and googlemail.com are one, and dots in their local parts do not count",
        head: "(k)",
        body: r"CASE WHEN regexp_full_match(k, '[.]+@(gmail|googlemail)\.com') THEN split_part(k, '@', 1) || '@gmail.com' WHEN regexp_full_match(k, '[^@]*@(gmail|googlemail)\.com') THEN replace(split_part(k, '@', 1), '.', '') || '@gmail.com' ELSE k END",
    },
    Macro {
        name: "optin_id",
        says: "an id as it stands; null where it is blank",
        head: "(v)",
        body: r"CASE WHEN regexp_full_match(v, '[{white}]*') THEN NULL ELSE v END",
    },
    Macro {
        name: "optin_loose_id",
        says: "an id as a denial reads it: 007 and 7.0 are 7",
        head: "(v)",
        body: r"optin_loose_number(regexp_replace(v, '^[{white}\x{200b}-\x{200f}\x{feff}]+|[{white}\x{200b}-\x{200f}\x{feff}]+$', '', 'g'))",
    },
    Macro {
        name: "optin_loose_number",
        says: "a whole number without sign, leading zeros and a fraction of zeros; another text as it is",
        head: "(v)",
        body: r"CASE WHEN regexp_full_match(v, '\+?[0-9]+(\.0*)?') THEN coalesce(nullif(ltrim(split_part(ltrim(v, '+'), '.', 1), '0'), ''), '0') ELSE v END",
    },
    Macro {
        name: "optin_word",
        says: "a word of a consent table or the name of a purpose: without blanks at its ends; of ASCII without case",
        head: "(v)",
        body: r"optin_caseless(regexp_replace(v, '^[{white}\x{ad}\x{200b}-\x{200f}\x{2060}\x{feff}]+|[{white}\x{ad}\x{200b}-\x{200f}\x{2060}\x{feff}]+$', '', 'g'))",
    },
    Macro {
        name: "optin_caseless",
        says: "lower case of ASCII; another text as it is",
        head: "(v)",
        body: "CASE WHEN optin_ascii(v) THEN lower(v) ELSE v END",
    },
    Macro {
        name: "optin_bool",
        says: "a bool: true or false in any case, 1 or 0",
        head: "(v, fault)",
        body: r"CASE WHEN v IS NULL OR regexp_full_match(v, '[{white}]*') THEN NULL WHEN regexp_full_match(trim(v), '(?i)true|1') THEN true WHEN regexp_full_match(trim(v), '(?i)false|0') THEN false ELSE error(fault) END",
    },
    Macro {
        name: "optin_int",
        says: "a whole number of 64 bits",
        head: "(v, fault)",
        body: r"CASE WHEN v IS NULL OR regexp_full_match(v, '[{white}]*') THEN NULL WHEN regexp_full_match(trim(v), '[+-]?[0-9]+') AND TRY_CAST(ltrim(trim(v), '+') AS BIGINT) IS NOT NULL THEN TRY_CAST(ltrim(trim(v), '+') AS BIGINT) ELSE error(fault) END",
    },
    Macro {
        name: "optin_float",
        says: "a number with a point",
        head: "(v, fault)",
        body: r"CASE WHEN v IS NULL OR regexp_full_match(v, '[{white}]*') THEN NULL WHEN regexp_full_match(trim(v), '[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?') AND isfinite(TRY_CAST(ltrim(trim(v), '+') AS DOUBLE)) THEN TRY_CAST(ltrim(trim(v), '+') AS DOUBLE) ELSE error(fault) END",
    },
    Macro {
        name: "optin_date",
        says: "a date YYYY-MM-DD",
        head: "(v, fault)",
        body: r"CASE WHEN v IS NULL OR regexp_full_match(v, '[{white}]*') THEN NULL ELSE optin_day(trim(v), fault) END",
    },
    Macro {
        name: "optin_day",
        says: "a date of ten characters; of the year 0 none",
        head: "(v, fault)",
        body: r"CASE WHEN regexp_full_match(v, '[0-9]{4}-[0-9]{2}-[0-9]{2}') AND left(v, 4) <> '0000' AND TRY_CAST(v AS DATE) IS NOT NULL THEN TRY_CAST(v AS DATE) ELSE error(fault) END",
    },
    Macro {
        name: "optin_moment",
        says: "the parts of a datetime: day, clock, fraction, offset; null for null",
        head: "(v, fault)",
        body: r"CASE WHEN v IS NULL OR regexp_full_match(v, '[{white}]*') THEN NULL WHEN regexp_full_match(trim(v), '[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.,][0-9]{1,9})?)? ?([Zz]|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?)?') THEN {'day': optin_day(left(trim(v), 10), fault), 'clock': nullif(regexp_extract(trim(v), '^.{10}.([0-9:]{5,8})', 1), ''), 'fraction': nullif(regexp_extract(trim(v), '[.,]([0-9]+)', 1), ''), 'zone': nullif(regexp_extract(trim(v), '^.{11}[0-9:.,]+ ?([Zz]|[+-][0-9:]+)$', 1), '')} ELSE error(fault) END",
    },
    Macro {
        name: "optin_clock",
        says: "the reading of a clock on a calendar",
        head: "(p)",
        body: "p.day + CAST(CASE WHEN length(p.clock) = 5 THEN p.clock || ':00' ELSE p.clock END AS TIME) + to_microseconds(CAST(left(rpad(coalesce(p.fraction, '0'), 6, '0'), 6) AS BIGINT))",
    },
    Macro {
        name: "optin_offset",
        says: "the offset that is written behind a datetime; null if there is none",
        head: "(p)",
        body: "CASE WHEN p.zone IS NULL THEN NULL WHEN p.zone IN ('Z', 'z') THEN to_minutes(0) ELSE to_minutes(CAST(CASE WHEN left(p.zone, 1) = '-' THEN -1 ELSE 1 END * (CAST(substr(p.zone, 2, 2) AS BIGINT) * 60 + CAST(coalesce(nullif(right(replace(p.zone, ':', ''), -3), ''), '0') AS BIGINT)) AS BIGINT)) END",
    },
    Macro {
        name: "optin_datetime_text",
        says: "a datetime as text: RFC 3339, with a fraction only if there is one",
        head: "(t)",
        body: r"strftime(t, '%Y-%m-%dT%H:%M:%S') || regexp_replace(CASE WHEN microsecond(t) % 1000000 = 0 THEN '' ELSE '.' || lpad(CAST(microsecond(t) % 1000000 AS VARCHAR), 6, '0') END, '0+$', '') || 'Z'",
    },
    Macro {
        name: "optin_plain",
        says: "a text of ASCII, which alone has one lower and one upper case here",
        head: "(v)",
        body: "CASE WHEN v IS NULL OR optin_ascii(v) THEN v ELSE error('optin: a rule changes or ignores the case of a text beyond ASCII') END",
    },
    Macro {
        name: "optin_formula",
        says: "a text that a spreadsheet would run gets an apostrophe; phones and plain mails in their columns do not",
        head: "(v, phone, mail)",
        body: r"CASE WHEN left(v, 1) IN ('=', '+', '-', '@', chr(9), chr(13)) AND NOT (phone AND regexp_full_match(v, '\+[0-9 ().\-/]*[0-9][0-9 ().\-/]*')) AND NOT (mail AND regexp_full_match(v, '[A-Za-z0-9._+-]+@[A-Za-z0-9._-]*')) THEN '''' || v ELSE v END",
    },
    Macro {
        name: "optin_number",
        says: "a float; null where it is no number",
        head: "(x)",
        body: "CASE WHEN isnan(x) THEN NULL ELSE x END",
    },
];

/// The text of the macros that a job uses, those first that others use.
pub fn macros(job: &str) -> String {
    let mut used: Vec<bool> = vec![false; MACROS.len()];
    let calls = |text: &str, name: &str| text.contains(&format!("{name}("));
    loop {
        let mut grown = false;
        for at in 0..MACROS.len() {
            let name = MACROS[at].name;
            let by_other = MACROS.iter().zip(&used).any(|(m, used)| *used && calls(m.body, name));
            if !used[at] && (by_other || calls(job, name)) {
                used[at] = true;
                grown = true;
            }
        }
        if !grown {
            break;
        }
    }
    let mut script = Script::default();
    let mut written: Vec<&str> = Vec::new();
    while written.len() < used.iter().filter(|used| **used).count() {
        let before = written.len();
        for (item, _) in MACROS.iter().zip(&used).filter(|(_, used)| **used) {
            let waits = MACROS.iter().any(|other| {
                other.name != item.name
                    && !written.contains(&other.name)
                    && calls(item.body, other.name)
            });
            if written.contains(&item.name) || waits {
                continue;
            }
            written.push(item.name);
            let body = item.body.replace("{white}", WHITE).replace("{invisible}", INVISIBLE);
            script.comment(item.says);
            script.statement(&format!("CREATE TEMP MACRO {}{} AS {body}", item.name, item.head));
        }
        if written.len() == before {
            break;
        }
    }
    script.into_text()
}

#[cfg(test)]
mod tests {
    use super::macros;

    #[test]
    fn a_job_holds_what_it_uses_and_what_that_uses() {
        let text = macros("SELECT optin_mail_inside(x), optin_loose_id(x)");
        let at = |name: &str| text.find(&format!("MACRO {name}(")).expect(name);
        assert!(at("optin_trim") < at("optin_mail_inside"));
        assert!(at("optin_loose_number") < at("optin_loose_id"));
        assert!(!text.contains("optin_int"));
        assert_eq!(macros("SELECT 1"), "");
    }
}
