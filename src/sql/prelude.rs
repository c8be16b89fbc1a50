//! Macros that jobs are written in: what DuckDB has no function for, or another one.
//!
//! A job holds those that it uses. Each is exact for every value, or ends the job with `error()` on
//! a value that it cannot say; none guesses.

use std::fmt::Write as _;

/// White space (Unicode's property), as a part of a character class.
const WHITE: &str = r"\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}";

/// What has no glyph: the ranges of `normalize::text::is_invisible`.
const INVISIBLE: &str = r"\x{ad}\x{34f}\x{61c}\x{115f}-\x{1160}\x{17b4}-\x{17b5}\x{180b}-\x{180f}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}\x{3164}\x{fe00}-\x{fe0f}\x{feff}\x{ffa0}\x{fff0}-\x{fff8}\x{1bca0}-\x{1bca3}\x{1d173}-\x{1d17a}\x{e0000}-\x{e0fff}";

/// A macro. In DuckDB it is one; a job for another engine holds its body in the place of each call.
#[derive(Clone, Copy)]
struct Macro {
    name: &'static str,
    says: &'static str,
    head: &'static str,
    /// `{white}` and `{invisible}` stand for the classes above.
    body: &'static str,
    /// The body where DuckDB's is not understood.
    spark: Option<&'static str>,
}

const MACROS: &[Macro] = &[
    Macro {
        name: "optin_ascii",
        says: "true for a text of ASCII characters alone",
        head: "(v)",
        body: "strlen(v) = length(v)",
        spark: Some("octet_length(v) = length(v)"),
    },
    Macro {
        name: "optin_trim",
        says: "normalizer trim: no white space and invisible characters at the ends",
        head: "(v)",
        body: r"regexp_replace(v, '^[{white}{invisible}]+|[{white}{invisible}]+$', '', 'g')",
        spark: None,
    },
    Macro {
        name: "optin_strip",
        says: "a text without white space at its ends",
        head: "(v)",
        body: r"regexp_replace(v, '^[{white}]+|[{white}]+$', '', 'g')",
        spark: None,
    },
    Macro {
        name: "optin_squeeze",
        says: "normalizer strip_whitespace: no white space and invisible characters anywhere",
        head: "(v)",
        body: r"regexp_replace(v, '[{white}{invisible}]', '', 'g')",
        spark: None,
    },
    Macro {
        name: "optin_no_symbols",
        says: "normalizer strip_symbols, for ASCII",
        head: "(v)",
        body: r"regexp_replace(v, '[^A-Za-z0-9\t\n\x0b\f\r ]', '', 'g')",
        spark: None,
    },
    Macro {
        name: "optin_mail_inside",
        says: "what stands between the last < and > at the end",
        head: "(v)",
        body: r"CASE WHEN regexp_full_match(v, '(?s).*<.*>') THEN optin_trim(regexp_extract(v, '(?s)^.*<(.*)>$', 1)) ELSE v END",
        spark: None,
    },
    Macro {
        name: "optin_mail_scheme",
        says: "what follows mailto:, up to a question mark",
        head: "(v)",
        body: "CASE WHEN lower(left(v, 7)) = 'mailto:' THEN optin_trim(split_part(substr(v, 8), '?', 1)) ELSE v END",
        spark: None,
    },
    Macro {
        name: "optin_mail_odd",
        says: "true for a value, whose bare address is given, that must be read in a way that SQL has not: beyond ASCII, quoted, or with an IDNA label",
        head: "(v, bare)",
        body: r#"NOT optin_ascii(v) OR regexp_matches(bare, '(?s)".*@[^@]*$') OR regexp_matches(bare, '(?i)(@|\.)xn--[^@]*$')"#,
        spark: None,
    },
    Macro {
        name: "optin_mail",
        says: "a bare address in lower case, if it is one: a local part, @, and a domain of two labels or more",
        head: "(v)",
        body: r"CASE WHEN regexp_full_match(v, '[a-z0-9!#$%&''*+/=?^_`{|}~.-]+@([a-z0-9_-]{1,63}\.)+[a-z0-9_-]{1,63}') AND length(v) - strpos(v, '@') <= 253 THEN v END",
        spark: Some(
            r"CASE WHEN regexp_full_match(v, '[a-z0-9!#$%&''*+/=?^_`{|}~.-]+@([a-z0-9_-]{1,63}\.)+[a-z0-9_-]{1,63}') AND length(v) - instr(v, '@') <= 253 THEN v END",
        ),
    },
    Macro {
        name: "optin_untagged",
        says: "an address without a +tag in its local part",
        head: "(k)",
        body: r"regexp_replace(k, '^([^+@]+)\+[^@]*(@.*)$', '\1\2')",
        spark: None,
    },
    Macro {
        name: "optin_gmail",
        says: "gmail.com and googlemail.com are one, and dots in their local parts do not count",
        head: "(k)",
        body: r"CASE WHEN regexp_full_match(k, '[.]+@(gmail|googlemail)\.com') THEN split_part(k, '@', 1) || '@gmail.com' WHEN regexp_full_match(k, '[^@]*@(gmail|googlemail)\.com') THEN replace(split_part(k, '@', 1), '.', '') || '@gmail.com' ELSE k END",
        spark: None,
    },
    Macro {
        name: "optin_id",
        says: "an id as it stands; null where it is blank",
        head: "(v)",
        body: r"CASE WHEN regexp_full_match(v, '[{white}]*') THEN NULL ELSE v END",
        spark: None,
    },
    Macro {
        name: "optin_loose_id",
        says: "an id as a denial reads it: 007 and 7.0 are 7",
        head: "(v)",
        body: r"optin_loose_number(regexp_replace(v, '^[{white}\x{200b}-\x{200f}\x{feff}]+|[{white}\x{200b}-\x{200f}\x{feff}]+$', '', 'g'))",
        spark: None,
    },
    Macro {
        name: "optin_loose_number",
        says: "a whole number without sign, leading zeros and a fraction of zeros; another text as it is",
        head: "(v)",
        body: r"CASE WHEN regexp_full_match(v, '\+?[0-9]+(\.0*)?') THEN coalesce(nullif(trim(LEADING '0' FROM split_part(trim(LEADING '+' FROM v), '.', 1)), ''), '0') ELSE v END",
        spark: None,
    },
    Macro {
        name: "optin_word",
        says: "a word of a consent table or the name of a purpose: without blanks at its ends; of ASCII without case",
        head: "(v)",
        body: r"optin_caseless(regexp_replace(v, '^[{white}\x{ad}\x{200b}-\x{200f}\x{2060}\x{feff}]+|[{white}\x{ad}\x{200b}-\x{200f}\x{2060}\x{feff}]+$', '', 'g'))",
        spark: None,
    },
    Macro {
        name: "optin_caseless",
        says: "lower case of ASCII; another text as it is",
        head: "(v)",
        body: "CASE WHEN optin_ascii(v) THEN lower(v) ELSE v END",
        spark: None,
    },
    Macro {
        name: "optin_bool",
        says: "a bool: true or false in any case, 1 or 0",
        head: "(v, fault)",
        body: r"CASE WHEN v IS NULL OR regexp_full_match(v, '[{white}]*') THEN NULL WHEN regexp_full_match(trim(v), '(?i)true|1') THEN true WHEN regexp_full_match(trim(v), '(?i)false|0') THEN false ELSE error(fault) END",
        spark: None,
    },
    Macro {
        name: "optin_int",
        says: "a whole number of 64 bits",
        head: "(v, fault)",
        body: r"CASE WHEN v IS NULL OR regexp_full_match(v, '[{white}]*') THEN NULL WHEN regexp_full_match(trim(v), '[+-]?[0-9]+') AND TRY_CAST(trim(LEADING '+' FROM trim(v)) AS BIGINT) IS NOT NULL THEN TRY_CAST(trim(LEADING '+' FROM trim(v)) AS BIGINT) ELSE error(fault) END",
        spark: None,
    },
    Macro {
        name: "optin_float",
        says: "a number with a point",
        head: "(v, fault)",
        body: r"CASE WHEN v IS NULL OR regexp_full_match(v, '[{white}]*') THEN NULL WHEN regexp_full_match(trim(v), '[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?') AND isfinite(TRY_CAST(trim(LEADING '+' FROM trim(v)) AS DOUBLE)) THEN TRY_CAST(trim(LEADING '+' FROM trim(v)) AS DOUBLE) ELSE error(fault) END",
        spark: Some(
            r"CASE WHEN v IS NULL OR regexp_full_match(v, '[{white}]*') THEN NULL WHEN regexp_full_match(trim(v), '[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?') AND abs(TRY_CAST(trim(LEADING '+' FROM trim(v)) AS DOUBLE)) < CAST('Infinity' AS DOUBLE) THEN TRY_CAST(trim(LEADING '+' FROM trim(v)) AS DOUBLE) ELSE error(fault) END",
        ),
    },
    Macro {
        name: "optin_date",
        says: "a date YYYY-MM-DD",
        head: "(v, fault)",
        body: r"CASE WHEN v IS NULL OR regexp_full_match(v, '[{white}]*') THEN NULL ELSE optin_day(trim(v), fault) END",
        spark: None,
    },
    Macro {
        name: "optin_day",
        says: "a date of ten characters; of the year 0 none",
        head: "(v, fault)",
        body: r"CASE WHEN regexp_full_match(v, '[0-9]{4}-[0-9]{2}-[0-9]{2}') AND left(v, 4) <> '0000' AND TRY_CAST(v AS DATE) IS NOT NULL THEN TRY_CAST(v AS DATE) ELSE error(fault) END",
        spark: None,
    },
    Macro {
        name: "optin_moment",
        says: "the parts of a datetime: day, clock, fraction, offset; null for null",
        head: "(v, fault)",
        body: r"CASE WHEN v IS NULL OR regexp_full_match(v, '[{white}]*') THEN NULL WHEN regexp_full_match(trim(v), '[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.,][0-9]{1,9})?)? ?([Zz]|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?)?') THEN {'day': optin_day(left(trim(v), 10), fault), 'clock': nullif(regexp_extract(trim(v), '^.{10}.([0-9:]{5,8})', 1), ''), 'fraction': nullif(regexp_extract(trim(v), '[.,]([0-9]+)', 1), ''), 'zone': nullif(regexp_extract(trim(v), '^.{11}[0-9:.,]+ ?([Zz]|[+-][0-9:]+)$', 1), '')} ELSE error(fault) END",
        spark: Some(
            "CASE WHEN v IS NULL OR regexp_full_match(v, '[{white}]*') THEN NULL WHEN regexp_full_match(trim(v), '[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.,][0-9]{1,9})?)? ?([Zz]|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?)?') THEN named_struct('day', optin_day(left(trim(v), 10), fault), 'clock', nullif(regexp_extract(trim(v), '^.{10}.([0-9:]{5,8})', 1), ''), 'fraction', nullif(regexp_extract(trim(v), '[.,]([0-9]+)', 1), ''), 'zone', nullif(regexp_extract(trim(v), '^.{11}[0-9:.,]+ ?([Zz]|[+-][0-9:]+)$', 1), '')) ELSE error(fault) END",
        ),
    },
    Macro {
        name: "optin_clock",
        says: "the reading of a clock on a calendar",
        head: "(p)",
        body: "p.day + CAST(CASE WHEN length(p.clock) = 5 THEN p.clock || ':00' ELSE p.clock END AS TIME) + to_microseconds(CAST(left(rpad(coalesce(p.fraction, '0'), 6, '0'), 6) AS BIGINT))",
        spark: Some(
            "CAST(CAST(p.day AS VARCHAR) || ' ' || p.clock || CASE WHEN length(p.clock) = 5 THEN ':00.' ELSE '.' END || left(rpad(coalesce(p.fraction, '0'), 6, '0'), 6) AS TIMESTAMP)",
        ),
    },
    Macro {
        name: "optin_offset",
        says: "the offset in seconds that is written behind a datetime; null if there is none",
        head: "(p)",
        body: "CASE WHEN p.zone IS NULL THEN NULL WHEN p.zone IN ('Z', 'z') THEN 0 ELSE CASE WHEN left(p.zone, 1) = '-' THEN -60 ELSE 60 END * (CAST(substr(p.zone, 2, 2) AS BIGINT) * 60 + CAST(coalesce(nullif(right(replace(p.zone, ':', ''), -3), ''), '0') AS BIGINT)) END",
        spark: Some(
            "CASE WHEN p.zone IS NULL THEN NULL WHEN p.zone IN ('Z', 'z') THEN 0 ELSE CASE WHEN left(p.zone, 1) = '-' THEN -60 ELSE 60 END * (CAST(substr(p.zone, 2, 2) AS BIGINT) * 60 + CAST(coalesce(nullif(substr(replace(p.zone, ':', ''), 4), ''), '0') AS BIGINT)) END",
        ),
    },
    Macro {
        name: "optin_datetime_text",
        says: "a datetime as text: RFC 3339, with a fraction only if there is one",
        head: "(t)",
        body: r"strftime(t, '%Y-%m-%dT%H:%M:%S') || regexp_replace(CASE WHEN microsecond(t) % 1000000 = 0 THEN '' ELSE '.' || lpad(CAST(microsecond(t) % 1000000 AS VARCHAR), 6, '0') END, '0+$', '') || 'Z'",
        spark: Some("replace(CAST(t AS VARCHAR), ' ', 'T') || 'Z'"),
    },
    Macro {
        name: "optin_plain",
        says: "a text of ASCII, which alone has one lower and one upper case here",
        head: "(v)",
        body: "CASE WHEN v IS NULL OR optin_ascii(v) THEN v ELSE error('optin: a rule changes or ignores the case of a text beyond ASCII') END",
        spark: None,
    },
    Macro {
        name: "optin_formula",
        says: "a text that a spreadsheet would run gets an apostrophe; phones and plain mails in their columns do not",
        head: "(v, phone, mail)",
        body: r"CASE WHEN left(v, 1) IN ('=', '+', '-', '@', chr(9), chr(13)) AND NOT (phone AND regexp_full_match(v, '\+[0-9 ().\-/]*[0-9][0-9 ().\-/]*')) AND NOT (mail AND regexp_full_match(v, '[A-Za-z0-9._+-]+@[A-Za-z0-9._-]*')) THEN '''' || v ELSE v END",
        spark: None,
    },
    Macro {
        name: "optin_number",
        says: "a float; null where it is no number",
        head: "(x)",
        body: "CASE WHEN isnan(x) THEN NULL ELSE x END",
        spark: Some("nanvl(x, CAST(NULL AS DOUBLE))"),
    },
    Macro {
        name: "optin_json",
        says: "a member of an object, as it is written there; a text without its quotes and escapes",
        head: "(v, plain, fault)",
        body: r#"CASE WHEN v IN ('', 'null') THEN NULL WHEN left(v, 1) = '"' AND NOT contains(v, '\') THEN substr(v, 2, length(v) - 2) WHEN left(v, 1) = '"' THEN get_json_object('{"v":' || v || '}', '$.v') WHEN regexp_full_match(v, plain) THEN v ELSE error(fault) END"#,
        spark: None,
    },
    Macro {
        name: "optin_kelvin",
        says: "true for a word with the Kelvin sign, which alone beyond ASCII has a lower case in ASCII",
        head: "(v)",
        body: "contains(v, chr(8490))",
        spark: Some("contains(v, '\u{212a}')"),
    },
    Macro {
        name: "optin_replaced",
        says: "true for a cell with the sign that stands for what cannot be decoded",
        head: "(v)",
        body: "contains(v, chr(65533))",
        spark: Some("contains(v, '\u{fffd}')"),
    },
    Macro {
        name: "optin_anchor",
        says: "what customers have their ids of: the first table, and the first id in it",
        head: "(t, i)",
        body: "{'tab': t, 'id': i}",
        spark: Some("named_struct('tab', t, 'id', i)"),
    },
    Macro {
        name: "optin_part",
        says: "a text with its length before it",
        head: "(v)",
        body: "CAST(length(v) AS VARCHAR) || ':' || v",
        spark: None,
    },
    Macro {
        name: "optin_instant",
        says: "microseconds since 1970 as a datetime",
        head: "(n)",
        body: "make_timestamp(n)",
        spark: Some("timestamp_micros(n)"),
    },
    Macro {
        name: "optin_midnight",
        says: "the beginning of a day, or of one some days later",
        head: "(d, n)",
        body: "CAST(d + n AS TIMESTAMP)",
        spark: Some("CAST(date_add(d, n) AS TIMESTAMP)"),
    },
    Macro {
        name: "optin_days",
        says: "the days from a date to another",
        head: "(a, b)",
        body: "CAST(b - a AS BIGINT)",
        spark: Some("CAST(datediff(b, a) AS BIGINT)"),
    },
    Macro {
        name: "optin_plus_micros",
        says: "a datetime so many microseconds later",
        head: "(t, n)",
        body: "t + to_microseconds(n)",
        spark: Some("timestamp_micros(unix_micros(t) + CAST(n AS BIGINT))"),
    },
    Macro {
        name: "optin_plus_hours",
        says: "a datetime so many hours later",
        head: "(t, n)",
        body: "t + to_hours(n)",
        spark: Some("timestamp_micros(unix_micros(t) + CAST(n AS BIGINT) * 3600000000)"),
    },
    Macro {
        name: "optin_plus_months",
        says: "a datetime so many months later, at most at the end of the month",
        head: "(t, n)",
        body: "t + to_months(n)",
        spark: Some(
            "timestamp_micros(unix_micros(t) + CAST(datediff(add_months(CAST(t AS DATE), n), CAST(t AS DATE)) AS BIGINT) * 86400000000)",
        ),
    },
    Macro {
        name: "optin_minus_seconds",
        says: "a datetime so many seconds before",
        head: "(t, n)",
        body: "t - to_seconds(n)",
        spark: Some("timestamp_micros(unix_micros(t) - CAST(n AS BIGINT) * 1000000)"),
    },
    Macro {
        name: "optin_stored_time",
        says: "a stored datetime in microseconds; one in nanoseconds would be rounded in another way",
        head: "(v, fault)",
        body: "CASE WHEN typeof(v) = 'TIMESTAMP_NS' THEN error(fault) ELSE CAST(v AS TIMESTAMP) END",
        spark: Some("CAST(v AS TIMESTAMP)"),
    },
];

/// The parameters of a macro, and its body where DuckDB's macros are not known.
pub fn inline(name: &str) -> Option<(Vec<&'static str>, String)> {
    let item = MACROS.iter().find(|item| item.name == name)?;
    let head = item.head.trim_matches(['(', ')']).split(", ").collect();
    let body = item.spark.unwrap_or(item.body);
    Some((head, body.replace("{white}", WHITE).replace("{invisible}", INVISIBLE)))
}

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
    let mut text = String::new();
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
            let _ = writeln!(
                text,
                "-- {}\nCREATE TEMP MACRO {}{} AS {body};",
                item.says, item.name, item.head
            );
        }
        if written.len() == before {
            break;
        }
    }
    text
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
