-- contoso as SQL for DuckDB 2.0, made by optin 0.1.0 of contoso.yaml.
-- Run it where the pipeline's paths are seen from. The folders of its outputs must be there.
-- All of it is one transaction: an error ends it, and nothing is written after one.

BEGIN TRANSACTION;
SET TimeZone = 'UTC';

-- Macros
-- ------
-- true for a text of ASCII characters alone
CREATE TEMP MACRO optin_ascii(v) AS strlen(v) = length(v);
-- normalizer trim: no white space and invisible characters at the ends
CREATE TEMP MACRO optin_trim(v) AS regexp_replace(v, '^[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{ad}\x{34f}\x{61c}\x{115f}-\x{1160}\x{17b4}-\x{17b5}\x{180b}-\x{180f}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}\x{3164}\x{fe00}-\x{fe0f}\x{feff}\x{ffa0}\x{fff0}-\x{fff8}\x{1bca0}-\x{1bca3}\x{1d173}-\x{1d17a}\x{e0000}-\x{e0fff}]+|[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{ad}\x{34f}\x{61c}\x{115f}-\x{1160}\x{17b4}-\x{17b5}\x{180b}-\x{180f}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}\x{3164}\x{fe00}-\x{fe0f}\x{feff}\x{ffa0}\x{fff0}-\x{fff8}\x{1bca0}-\x{1bca3}\x{1d173}-\x{1d17a}\x{e0000}-\x{e0fff}]+$', '', 'g');
-- normalizer strip_whitespace: no white space and invisible characters anywhere
CREATE TEMP MACRO optin_squeeze(v) AS regexp_replace(v, '[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{ad}\x{34f}\x{61c}\x{115f}-\x{1160}\x{17b4}-\x{17b5}\x{180b}-\x{180f}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}\x{3164}\x{fe00}-\x{fe0f}\x{feff}\x{ffa0}\x{fff0}-\x{fff8}\x{1bca0}-\x{1bca3}\x{1d173}-\x{1d17a}\x{e0000}-\x{e0fff}]', '', 'g');
-- normalizer strip_symbols, for ASCII
CREATE TEMP MACRO optin_no_symbols(v) AS regexp_replace(v, '[^A-Za-z0-9\t\n\x0b\f\r ]', '', 'g');
-- what stands between the last < and > at the end
CREATE TEMP MACRO optin_mail_inside(v) AS CASE WHEN regexp_full_match(v, '(?s).*<.*>') THEN optin_trim(regexp_extract(v, '(?s)^.*<(.*)>$', 1)) ELSE v END;
-- what follows mailto:, up to a question mark
CREATE TEMP MACRO optin_mail_scheme(v) AS CASE WHEN lower(left(v, 7)) = 'mailto:' THEN optin_trim(split_part(substr(v, 8), '?', 1)) ELSE v END;
-- true for a value, whose bare address is given, that must be read in a way that SQL has not: beyond ASCII, quoted, or with an IDNA label
CREATE TEMP MACRO optin_mail_odd(v, bare) AS NOT optin_ascii(v) OR regexp_matches(bare, '(?s)".*@[^@]*$') OR regexp_matches(bare, '(?i)(@|\.)xn--[^@]*$');
-- a bare address in lower case, if it is one: a local part, @, and a domain of two labels or more
CREATE TEMP MACRO optin_mail(v) AS CASE WHEN regexp_full_match(v, '[a-z0-9!#$%&''*+/=?^_`{|}~.-]+@([a-z0-9_-]{1,63}\.)+[a-z0-9_-]{1,63}') AND length(v) - strpos(v, '@') <= 253 THEN v END;
-- an address without a +tag in its local part
CREATE TEMP MACRO optin_untagged(k) AS regexp_replace(k, '^([^+@]+)\+[^@]*(@.*)$', '\1\2');
-- gmail.com and googlemail.com are one, and dots in their local parts do not count
CREATE TEMP MACRO optin_gmail(k) AS CASE WHEN regexp_full_match(k, '[.]+@(gmail|googlemail)\.com') THEN split_part(k, '@', 1) || '@gmail.com' WHEN regexp_full_match(k, '[^@]*@(gmail|googlemail)\.com') THEN replace(split_part(k, '@', 1), '.', '') || '@gmail.com' ELSE k END;
-- an id as it stands; null where it is blank
CREATE TEMP MACRO optin_id(v) AS CASE WHEN regexp_full_match(v, '[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]*') THEN NULL ELSE v END;
-- a whole number without sign, leading zeros and a fraction of zeros; another text as it is
CREATE TEMP MACRO optin_loose_number(v) AS CASE WHEN regexp_full_match(v, '\+?[0-9]+(\.0*)?') THEN coalesce(nullif(trim(LEADING '0' FROM split_part(trim(LEADING '+' FROM v), '.', 1)), ''), '0') ELSE v END;
-- lower case of ASCII; another text as it is
CREATE TEMP MACRO optin_caseless(v) AS CASE WHEN optin_ascii(v) THEN lower(v) ELSE v END;
-- a bool: true or false in any case, 1 or 0
CREATE TEMP MACRO optin_bool(v, fault) AS CASE WHEN v IS NULL OR regexp_full_match(v, '[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]*') THEN NULL WHEN regexp_full_match(trim(v), '(?i)true|1') THEN true WHEN regexp_full_match(trim(v), '(?i)false|0') THEN false ELSE error(fault) END;
-- a whole number of 64 bits
CREATE TEMP MACRO optin_int(v, fault) AS CASE WHEN v IS NULL OR regexp_full_match(v, '[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]*') THEN NULL WHEN regexp_full_match(trim(v), '[+-]?[0-9]+') AND TRY_CAST(trim(LEADING '+' FROM trim(v)) AS BIGINT) IS NOT NULL THEN TRY_CAST(trim(LEADING '+' FROM trim(v)) AS BIGINT) ELSE error(fault) END;
-- a date of ten characters; of the year 0 none
CREATE TEMP MACRO optin_day(v, fault) AS CASE WHEN regexp_full_match(v, '[0-9]{4}-[0-9]{2}-[0-9]{2}') AND left(v, 4) <> '0000' AND TRY_CAST(v AS DATE) IS NOT NULL THEN TRY_CAST(v AS DATE) ELSE error(fault) END;
-- the parts of a datetime: day, clock, fraction, offset; null for null
CREATE TEMP MACRO optin_moment(v, fault) AS CASE WHEN v IS NULL OR regexp_full_match(v, '[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]*') THEN NULL WHEN regexp_full_match(trim(v), '[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.,][0-9]{1,9})?)? ?([Zz]|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?)?') THEN {'day': optin_day(left(trim(v), 10), fault), 'clock': nullif(regexp_extract(trim(v), '^.{10}.([0-9:]{5,8})', 1), ''), 'fraction': nullif(regexp_extract(trim(v), '[.,]([0-9]+)', 1), ''), 'zone': nullif(regexp_extract(trim(v), '^.{11}[0-9:.,]+ ?([Zz]|[+-][0-9:]+)$', 1), '')} ELSE error(fault) END;
-- the reading of a clock on a calendar
CREATE TEMP MACRO optin_clock(p) AS p.day + CAST(CASE WHEN length(p.clock) = 5 THEN p.clock || ':00' ELSE p.clock END AS TIME) + to_microseconds(CAST(left(rpad(coalesce(p.fraction, '0'), 6, '0'), 6) AS BIGINT));
-- the offset in seconds that is written behind a datetime; null if there is none
CREATE TEMP MACRO optin_offset(p) AS CASE WHEN p.zone IS NULL THEN NULL WHEN p.zone IN ('Z', 'z') THEN 0 ELSE CASE WHEN left(p.zone, 1) = '-' THEN -60 ELSE 60 END * (CAST(substr(p.zone, 2, 2) AS BIGINT) * 60 + CAST(coalesce(nullif(right(replace(p.zone, ':', ''), -3), ''), '0') AS BIGINT)) END;
-- a text of ASCII, which alone has one lower and one upper case here
CREATE TEMP MACRO optin_plain(v) AS CASE WHEN v IS NULL OR optin_ascii(v) THEN v ELSE error('optin: a rule changes or ignores the case of a text beyond ASCII') END;
-- a text that a spreadsheet would run gets an apostrophe; phones and plain mails in their columns do not
CREATE TEMP MACRO optin_formula(v, phone, mail) AS CASE WHEN left(v, 1) IN ('=', '+', '-', '@', chr(9), chr(13)) AND NOT (phone AND regexp_full_match(v, '\+[0-9 ().\-/]*[0-9][0-9 ().\-/]*')) AND NOT (mail AND regexp_full_match(v, '[A-Za-z0-9._+-]+@[A-Za-z0-9._-]*')) THEN '''' || v ELSE v END;
-- true for a word with the Kelvin sign, which alone beyond ASCII has a lower case in ASCII
CREATE TEMP MACRO optin_kelvin(v) AS contains(v, chr(8490));
-- what customers have their ids of: the first table, and the first id in it
CREATE TEMP MACRO optin_anchor(t, i) AS {'tab': t, 'id': i};
-- microseconds since 1970 as a datetime
CREATE TEMP MACRO optin_instant(n) AS make_timestamp(n);
-- the beginning of a day, or of one some days later
CREATE TEMP MACRO optin_midnight(d, n) AS CAST(d + n AS TIMESTAMP);
-- a datetime so many microseconds later
CREATE TEMP MACRO optin_plus_micros(t, n) AS t + to_microseconds(n);
-- a datetime so many months later, at most at the end of the month
CREATE TEMP MACRO optin_plus_months(t, n) AS t + to_months(n);
-- a datetime so many seconds before
CREATE TEMP MACRO optin_minus_seconds(t, n) AS t - to_seconds(n);
-- an id as a denial reads it: 007 and 7.0 are 7
CREATE TEMP MACRO optin_loose_id(v) AS optin_loose_number(regexp_replace(v, '^[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{200b}-\x{200f}\x{feff}]+|[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{200b}-\x{200f}\x{feff}]+$', '', 'g'));
-- a word of a consent table or the name of a purpose: without blanks at its ends; of ASCII without case
CREATE TEMP MACRO optin_word(v) AS optin_caseless(regexp_replace(v, '^[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{ad}\x{200b}-\x{200f}\x{2060}\x{feff}]+|[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{ad}\x{200b}-\x{200f}\x{2060}\x{feff}]+$', '', 'g'));
-- a date YYYY-MM-DD
CREATE TEMP MACRO optin_date(v, fault) AS CASE WHEN v IS NULL OR regexp_full_match(v, '[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]*') THEN NULL ELSE optin_day(trim(v), fault) END;

-- The date as of which consent is judged
-- --------------------------------------
SET VARIABLE as_of = optin_instant(1795478400000000);

-- Sources: every column in use, of its declared type
-- --------------------------------------------------
-- Europe/Berlin: from which reading of its clock on which offset holds, 1970 to 2100
CREATE TEMP TABLE "zone Europe/Berlin" AS
SELECT * FROM (VALUES
  (TIMESTAMP '1970-01-02 00:00:00', 3600), (TIMESTAMP '1980-04-06 03:00:00', 7200), (TIMESTAMP '1980-09-28 03:00:00', 3600), (TIMESTAMP '1981-03-29 03:00:00', 7200),
  (TIMESTAMP '1981-09-27 03:00:00', 3600), (TIMESTAMP '1982-03-28 03:00:00', 7200), (TIMESTAMP '1982-09-26 03:00:00', 3600), (TIMESTAMP '1983-03-27 03:00:00', 7200),
  (TIMESTAMP '1983-09-25 03:00:00', 3600), (TIMESTAMP '1984-03-25 03:00:00', 7200), (TIMESTAMP '1984-09-30 03:00:00', 3600), (TIMESTAMP '1985-03-31 03:00:00', 7200),
  (TIMESTAMP '1985-09-29 03:00:00', 3600), (TIMESTAMP '1986-03-30 03:00:00', 7200), (TIMESTAMP '1986-09-28 03:00:00', 3600), (TIMESTAMP '1987-03-29 03:00:00', 7200),
  (TIMESTAMP '1987-09-27 03:00:00', 3600), (TIMESTAMP '1988-03-27 03:00:00', 7200), (TIMESTAMP '1988-09-25 03:00:00', 3600), (TIMESTAMP '1989-03-26 03:00:00', 7200),
  (TIMESTAMP '1989-09-24 03:00:00', 3600), (TIMESTAMP '1990-03-25 03:00:00', 7200), (TIMESTAMP '1990-09-30 03:00:00', 3600), (TIMESTAMP '1991-03-31 03:00:00', 7200),
  (TIMESTAMP '1991-09-29 03:00:00', 3600), (TIMESTAMP '1992-03-29 03:00:00', 7200), (TIMESTAMP '1992-09-27 03:00:00', 3600), (TIMESTAMP '1993-03-28 03:00:00', 7200),
  (TIMESTAMP '1993-09-26 03:00:00', 3600), (TIMESTAMP '1994-03-27 03:00:00', 7200), (TIMESTAMP '1994-09-25 03:00:00', 3600), (TIMESTAMP '1995-03-26 03:00:00', 7200),
  (TIMESTAMP '1995-09-24 03:00:00', 3600), (TIMESTAMP '1996-03-31 03:00:00', 7200), (TIMESTAMP '1996-10-27 03:00:00', 3600), (TIMESTAMP '1997-03-30 03:00:00', 7200),
  (TIMESTAMP '1997-10-26 03:00:00', 3600), (TIMESTAMP '1998-03-29 03:00:00', 7200), (TIMESTAMP '1998-10-25 03:00:00', 3600), (TIMESTAMP '1999-03-28 03:00:00', 7200),
  (TIMESTAMP '1999-10-31 03:00:00', 3600), (TIMESTAMP '2000-03-26 03:00:00', 7200), (TIMESTAMP '2000-10-29 03:00:00', 3600), (TIMESTAMP '2001-03-25 03:00:00', 7200),
  (TIMESTAMP '2001-10-28 03:00:00', 3600), (TIMESTAMP '2002-03-31 03:00:00', 7200), (TIMESTAMP '2002-10-27 03:00:00', 3600), (TIMESTAMP '2003-03-30 03:00:00', 7200),
  (TIMESTAMP '2003-10-26 03:00:00', 3600), (TIMESTAMP '2004-03-28 03:00:00', 7200), (TIMESTAMP '2004-10-31 03:00:00', 3600), (TIMESTAMP '2005-03-27 03:00:00', 7200),
  (TIMESTAMP '2005-10-30 03:00:00', 3600), (TIMESTAMP '2006-03-26 03:00:00', 7200), (TIMESTAMP '2006-10-29 03:00:00', 3600), (TIMESTAMP '2007-03-25 03:00:00', 7200),
  (TIMESTAMP '2007-10-28 03:00:00', 3600), (TIMESTAMP '2008-03-30 03:00:00', 7200), (TIMESTAMP '2008-10-26 03:00:00', 3600), (TIMESTAMP '2009-03-29 03:00:00', 7200),
  (TIMESTAMP '2009-10-25 03:00:00', 3600), (TIMESTAMP '2010-03-28 03:00:00', 7200), (TIMESTAMP '2010-10-31 03:00:00', 3600), (TIMESTAMP '2011-03-27 03:00:00', 7200),
  (TIMESTAMP '2011-10-30 03:00:00', 3600), (TIMESTAMP '2012-03-25 03:00:00', 7200), (TIMESTAMP '2012-10-28 03:00:00', 3600), (TIMESTAMP '2013-03-31 03:00:00', 7200),
  (TIMESTAMP '2013-10-27 03:00:00', 3600), (TIMESTAMP '2014-03-30 03:00:00', 7200), (TIMESTAMP '2014-10-26 03:00:00', 3600), (TIMESTAMP '2015-03-29 03:00:00', 7200),
  (TIMESTAMP '2015-10-25 03:00:00', 3600), (TIMESTAMP '2016-03-27 03:00:00', 7200), (TIMESTAMP '2016-10-30 03:00:00', 3600), (TIMESTAMP '2017-03-26 03:00:00', 7200),
  (TIMESTAMP '2017-10-29 03:00:00', 3600), (TIMESTAMP '2018-03-25 03:00:00', 7200), (TIMESTAMP '2018-10-28 03:00:00', 3600), (TIMESTAMP '2019-03-31 03:00:00', 7200),
  (TIMESTAMP '2019-10-27 03:00:00', 3600), (TIMESTAMP '2020-03-29 03:00:00', 7200), (TIMESTAMP '2020-10-25 03:00:00', 3600), (TIMESTAMP '2021-03-28 03:00:00', 7200),
  (TIMESTAMP '2021-10-31 03:00:00', 3600), (TIMESTAMP '2022-03-27 03:00:00', 7200), (TIMESTAMP '2022-10-30 03:00:00', 3600), (TIMESTAMP '2023-03-26 03:00:00', 7200),
  (TIMESTAMP '2023-10-29 03:00:00', 3600), (TIMESTAMP '2024-03-31 03:00:00', 7200), (TIMESTAMP '2024-10-27 03:00:00', 3600), (TIMESTAMP '2025-03-30 03:00:00', 7200),
  (TIMESTAMP '2025-10-26 03:00:00', 3600), (TIMESTAMP '2026-03-29 03:00:00', 7200), (TIMESTAMP '2026-10-25 03:00:00', 3600), (TIMESTAMP '2027-03-28 03:00:00', 7200),
  (TIMESTAMP '2027-10-31 03:00:00', 3600), (TIMESTAMP '2028-03-26 03:00:00', 7200), (TIMESTAMP '2028-10-29 03:00:00', 3600), (TIMESTAMP '2029-03-25 03:00:00', 7200),
  (TIMESTAMP '2029-10-28 03:00:00', 3600), (TIMESTAMP '2030-03-31 03:00:00', 7200), (TIMESTAMP '2030-10-27 03:00:00', 3600), (TIMESTAMP '2031-03-30 03:00:00', 7200),
  (TIMESTAMP '2031-10-26 03:00:00', 3600), (TIMESTAMP '2032-03-28 03:00:00', 7200), (TIMESTAMP '2032-10-31 03:00:00', 3600), (TIMESTAMP '2033-03-27 03:00:00', 7200),
  (TIMESTAMP '2033-10-30 03:00:00', 3600), (TIMESTAMP '2034-03-26 03:00:00', 7200), (TIMESTAMP '2034-10-29 03:00:00', 3600), (TIMESTAMP '2035-03-25 03:00:00', 7200),
  (TIMESTAMP '2035-10-28 03:00:00', 3600), (TIMESTAMP '2036-03-30 03:00:00', 7200), (TIMESTAMP '2036-10-26 03:00:00', 3600), (TIMESTAMP '2037-03-29 03:00:00', 7200),
  (TIMESTAMP '2037-10-25 03:00:00', 3600), (TIMESTAMP '2038-03-28 03:00:00', 7200), (TIMESTAMP '2038-10-31 03:00:00', 3600), (TIMESTAMP '2039-03-27 03:00:00', 7200),
  (TIMESTAMP '2039-10-30 03:00:00', 3600), (TIMESTAMP '2040-03-25 03:00:00', 7200), (TIMESTAMP '2040-10-28 03:00:00', 3600), (TIMESTAMP '2041-03-31 03:00:00', 7200),
  (TIMESTAMP '2041-10-27 03:00:00', 3600), (TIMESTAMP '2042-03-30 03:00:00', 7200), (TIMESTAMP '2042-10-26 03:00:00', 3600), (TIMESTAMP '2043-03-29 03:00:00', 7200),
  (TIMESTAMP '2043-10-25 03:00:00', 3600), (TIMESTAMP '2044-03-27 03:00:00', 7200), (TIMESTAMP '2044-10-30 03:00:00', 3600), (TIMESTAMP '2045-03-26 03:00:00', 7200),
  (TIMESTAMP '2045-10-29 03:00:00', 3600), (TIMESTAMP '2046-03-25 03:00:00', 7200), (TIMESTAMP '2046-10-28 03:00:00', 3600), (TIMESTAMP '2047-03-31 03:00:00', 7200),
  (TIMESTAMP '2047-10-27 03:00:00', 3600), (TIMESTAMP '2048-03-29 03:00:00', 7200), (TIMESTAMP '2048-10-25 03:00:00', 3600), (TIMESTAMP '2049-03-28 03:00:00', 7200),
  (TIMESTAMP '2049-10-31 03:00:00', 3600), (TIMESTAMP '2050-03-27 03:00:00', 7200), (TIMESTAMP '2050-10-30 03:00:00', 3600), (TIMESTAMP '2051-03-26 03:00:00', 7200),
  (TIMESTAMP '2051-10-29 03:00:00', 3600), (TIMESTAMP '2052-03-31 03:00:00', 7200), (TIMESTAMP '2052-10-27 03:00:00', 3600), (TIMESTAMP '2053-03-30 03:00:00', 7200),
  (TIMESTAMP '2053-10-26 03:00:00', 3600), (TIMESTAMP '2054-03-29 03:00:00', 7200), (TIMESTAMP '2054-10-25 03:00:00', 3600), (TIMESTAMP '2055-03-28 03:00:00', 7200),
  (TIMESTAMP '2055-10-31 03:00:00', 3600), (TIMESTAMP '2056-03-26 03:00:00', 7200), (TIMESTAMP '2056-10-29 03:00:00', 3600), (TIMESTAMP '2057-03-25 03:00:00', 7200),
  (TIMESTAMP '2057-10-28 03:00:00', 3600), (TIMESTAMP '2058-03-31 03:00:00', 7200), (TIMESTAMP '2058-10-27 03:00:00', 3600), (TIMESTAMP '2059-03-30 03:00:00', 7200),
  (TIMESTAMP '2059-10-26 03:00:00', 3600), (TIMESTAMP '2060-03-28 03:00:00', 7200), (TIMESTAMP '2060-10-31 03:00:00', 3600), (TIMESTAMP '2061-03-27 03:00:00', 7200),
  (TIMESTAMP '2061-10-30 03:00:00', 3600), (TIMESTAMP '2062-03-26 03:00:00', 7200), (TIMESTAMP '2062-10-29 03:00:00', 3600), (TIMESTAMP '2063-03-25 03:00:00', 7200),
  (TIMESTAMP '2063-10-28 03:00:00', 3600), (TIMESTAMP '2064-03-30 03:00:00', 7200), (TIMESTAMP '2064-10-26 03:00:00', 3600), (TIMESTAMP '2065-03-29 03:00:00', 7200),
  (TIMESTAMP '2065-10-25 03:00:00', 3600), (TIMESTAMP '2066-03-28 03:00:00', 7200), (TIMESTAMP '2066-10-31 03:00:00', 3600), (TIMESTAMP '2067-03-27 03:00:00', 7200),
  (TIMESTAMP '2067-10-30 03:00:00', 3600), (TIMESTAMP '2068-03-25 03:00:00', 7200), (TIMESTAMP '2068-10-28 03:00:00', 3600), (TIMESTAMP '2069-03-31 03:00:00', 7200),
  (TIMESTAMP '2069-10-27 03:00:00', 3600), (TIMESTAMP '2070-03-30 03:00:00', 7200), (TIMESTAMP '2070-10-26 03:00:00', 3600), (TIMESTAMP '2071-03-29 03:00:00', 7200),
  (TIMESTAMP '2071-10-25 03:00:00', 3600), (TIMESTAMP '2072-03-27 03:00:00', 7200), (TIMESTAMP '2072-10-30 03:00:00', 3600), (TIMESTAMP '2073-03-26 03:00:00', 7200),
  (TIMESTAMP '2073-10-29 03:00:00', 3600), (TIMESTAMP '2074-03-25 03:00:00', 7200), (TIMESTAMP '2074-10-28 03:00:00', 3600), (TIMESTAMP '2075-03-31 03:00:00', 7200),
  (TIMESTAMP '2075-10-27 03:00:00', 3600), (TIMESTAMP '2076-03-29 03:00:00', 7200), (TIMESTAMP '2076-10-25 03:00:00', 3600), (TIMESTAMP '2077-03-28 03:00:00', 7200),
  (TIMESTAMP '2077-10-31 03:00:00', 3600), (TIMESTAMP '2078-03-27 03:00:00', 7200), (TIMESTAMP '2078-10-30 03:00:00', 3600), (TIMESTAMP '2079-03-26 03:00:00', 7200),
  (TIMESTAMP '2079-10-29 03:00:00', 3600), (TIMESTAMP '2080-03-31 03:00:00', 7200), (TIMESTAMP '2080-10-27 03:00:00', 3600), (TIMESTAMP '2081-03-30 03:00:00', 7200),
  (TIMESTAMP '2081-10-26 03:00:00', 3600), (TIMESTAMP '2082-03-29 03:00:00', 7200), (TIMESTAMP '2082-10-25 03:00:00', 3600), (TIMESTAMP '2083-03-28 03:00:00', 7200),
  (TIMESTAMP '2083-10-31 03:00:00', 3600), (TIMESTAMP '2084-03-26 03:00:00', 7200), (TIMESTAMP '2084-10-29 03:00:00', 3600), (TIMESTAMP '2085-03-25 03:00:00', 7200),
  (TIMESTAMP '2085-10-28 03:00:00', 3600), (TIMESTAMP '2086-03-31 03:00:00', 7200), (TIMESTAMP '2086-10-27 03:00:00', 3600), (TIMESTAMP '2087-03-30 03:00:00', 7200),
  (TIMESTAMP '2087-10-26 03:00:00', 3600), (TIMESTAMP '2088-03-28 03:00:00', 7200), (TIMESTAMP '2088-10-31 03:00:00', 3600), (TIMESTAMP '2089-03-27 03:00:00', 7200),
  (TIMESTAMP '2089-10-30 03:00:00', 3600), (TIMESTAMP '2090-03-26 03:00:00', 7200), (TIMESTAMP '2090-10-29 03:00:00', 3600), (TIMESTAMP '2091-03-25 03:00:00', 7200),
  (TIMESTAMP '2091-10-28 03:00:00', 3600), (TIMESTAMP '2092-03-30 03:00:00', 7200), (TIMESTAMP '2092-10-26 03:00:00', 3600), (TIMESTAMP '2093-03-29 03:00:00', 7200),
  (TIMESTAMP '2093-10-25 03:00:00', 3600), (TIMESTAMP '2094-03-28 03:00:00', 7200), (TIMESTAMP '2094-10-31 03:00:00', 3600), (TIMESTAMP '2095-03-27 03:00:00', 7200),
  (TIMESTAMP '2095-10-30 03:00:00', 3600), (TIMESTAMP '2096-03-25 03:00:00', 7200), (TIMESTAMP '2096-10-28 03:00:00', 3600), (TIMESTAMP '2097-03-31 03:00:00', 7200),
  (TIMESTAMP '2097-10-27 03:00:00', 3600), (TIMESTAMP '2098-03-30 03:00:00', 7200), (TIMESTAMP '2098-10-26 03:00:00', 3600), (TIMESTAMP '2099-03-29 03:00:00', 7200),
  (TIMESTAMP '2099-10-25 03:00:00', 3600)) z(starts, seconds);
-- source shop (contoso.yaml:16)
CREATE TEMP TABLE "source shop" AS
SELECT row_number() OVER () AS "row",
  r."CustomerNo" AS "CustomerNo",
  r."FirstName" AS "FirstName",
  r."LastName" AS "LastName",
  r."Email" AS "Email",
  r."Phone" AS "Phone",
  CASE WHEN r."BirthDate" IS NULL OR trim(r."BirthDate") = '' THEN NULL ELSE optin_day(regexp_replace(trim(r."BirthDate"), '^([0-9]{2})\.([0-9]{2})\.([0-9]{4})$', '\3-\2-\1'), 'optin: source shop, column BirthDate: a value does not read as date') END AS "BirthDate",
  r."Street" AS "Street",
  r."Zip" AS "Zip",
  r."City" AS "City",
  r."Country" AS "Country",
  r."LoyaltyCard" AS "LoyaltyCard",
  CASE WHEN r."Revenue" IS NULL OR trim(r."Revenue") = '' THEN NULL WHEN regexp_full_match(trim(LEADING '+' FROM trim(r."Revenue")), '-?([0-9]{1,36}(\.[0-9]{0,2}0*)?|\.[0-9]{1,2}0*)') THEN CAST(trim(LEADING '+' FROM trim(r."Revenue")) AS DECIMAL(38, 2)) ELSE error('optin: source shop, column Revenue: a value does not read as decimal') END AS "Revenue",
  optin_date(r."LastOrder", 'optin: source shop, column LastOrder: a value does not read as date') AS "LastOrder",
  CASE WHEN r."clock of ModifiedOn" IS NULL THEN CAST(r."parts of ModifiedOn".day AS TIMESTAMP) ELSE CASE WHEN r."offset of ModifiedOn" IS NOT NULL THEN optin_minus_seconds(r."clock of ModifiedOn", r."offset of ModifiedOn") ELSE optin_minus_seconds(r."clock of ModifiedOn", CASE WHEN r."clock of ModifiedOn" < TIMESTAMP '1970-01-02' OR r."clock of ModifiedOn" >= TIMESTAMP '2099-12-31' THEN error('optin: a time of Europe/Berlin lies before 1970 or after 2099') ELSE (SELECT max_by(z.seconds, z.starts) FROM "zone Europe/Berlin" z WHERE z.starts <= r."clock of ModifiedOn") END) END END AS "ModifiedOn"
FROM (SELECT r.*, optin_clock(r."parts of ModifiedOn") AS "clock of ModifiedOn", optin_offset(r."parts of ModifiedOn") AS "offset of ModifiedOn"
FROM (SELECT r.*, optin_moment(r."ModifiedOn", 'optin: source shop, column ModifiedOn: a value does not read as datetime') AS "parts of ModifiedOn"
FROM (SELECT CASE WHEN "CustomerNo" IN ('', 'N/A') THEN NULL ELSE "CustomerNo" END AS "CustomerNo", CASE WHEN "FirstName" IN ('', 'N/A') THEN NULL ELSE "FirstName" END AS "FirstName", CASE WHEN "LastName" IN ('', 'N/A') THEN NULL ELSE "LastName" END AS "LastName", CASE WHEN "Email" IN ('', 'N/A') THEN NULL ELSE "Email" END AS "Email", CASE WHEN "Phone" IN ('', 'N/A') THEN NULL ELSE "Phone" END AS "Phone", CASE WHEN "BirthDate" IN ('', 'N/A') THEN NULL ELSE "BirthDate" END AS "BirthDate", CASE WHEN "Street" IN ('', 'N/A') THEN NULL ELSE "Street" END AS "Street", CASE WHEN "Zip" IN ('', 'N/A') THEN NULL ELSE "Zip" END AS "Zip", CASE WHEN "City" IN ('', 'N/A') THEN NULL ELSE "City" END AS "City", CASE WHEN "Country" IN ('', 'N/A') THEN NULL ELSE "Country" END AS "Country", CASE WHEN "LoyaltyCard" IN ('', 'N/A') THEN NULL ELSE "LoyaltyCard" END AS "LoyaltyCard", CASE WHEN "Revenue" IN ('', 'N/A') THEN NULL ELSE "Revenue" END AS "Revenue", CASE WHEN "LastOrder" IN ('', 'N/A') THEN NULL ELSE "LastOrder" END AS "LastOrder", CASE WHEN "ModifiedOn" IN ('', 'N/A') THEN NULL ELSE "ModifiedOn" END AS "ModifiedOn"
  FROM read_csv(['pipelines/../data/contoso/shop.csv'], auto_detect = false, header = true, delim = ';', quote = '"', escape = '"',
    nullstr = chr(1), compression = 'none', strict_mode = true, parallel = false, max_line_size = 100000000,
    columns = {'CustomerNo': 'VARCHAR', 'FirstName': 'VARCHAR', 'LastName': 'VARCHAR', 'Email': 'VARCHAR', 'Phone': 'VARCHAR', 'BirthDate': 'VARCHAR', 'Street': 'VARCHAR', 'Zip': 'VARCHAR', 'City': 'VARCHAR', 'Country': 'VARCHAR', 'LoyaltyCard': 'VARCHAR', 'Revenue': 'VARCHAR', 'LastOrder': 'VARCHAR', 'ModifiedOn': 'VARCHAR'})) r) r) r;
-- source loyalty (contoso.yaml:26)
CREATE TEMP TABLE "source loyalty" AS
SELECT row_number() OVER () AS "row",
  r."CardNo" AS "CardNo",
  r."FirstName" AS "FirstName",
  r."Surname" AS "Surname",
  r."EMail" AS "EMail",
  r."Phone" AS "Phone",
  r."Postcode" AS "Postcode",
  r."Country" AS "Country",
  r."Tier" AS "Tier",
  optin_int(r."Points", 'optin: source loyalty, column Points: a value does not read as int') AS "Points",
  optin_date(r."JoinedOn", 'optin: source loyalty, column JoinedOn: a value does not read as date') AS "JoinedOn",
  CASE WHEN r."clock of Changed" IS NULL THEN CAST(r."parts of Changed".day AS TIMESTAMP) ELSE CASE WHEN r."offset of Changed" IS NOT NULL THEN optin_minus_seconds(r."clock of Changed", r."offset of Changed") ELSE optin_minus_seconds(r."clock of Changed", CASE WHEN r."clock of Changed" < TIMESTAMP '1970-01-02' OR r."clock of Changed" >= TIMESTAMP '2099-12-31' THEN error('optin: a time of Europe/Berlin lies before 1970 or after 2099') ELSE (SELECT max_by(z.seconds, z.starts) FROM "zone Europe/Berlin" z WHERE z.starts <= r."clock of Changed") END) END END AS "Changed"
FROM (SELECT r.*, optin_clock(r."parts of Changed") AS "clock of Changed", optin_offset(r."parts of Changed") AS "offset of Changed"
FROM (SELECT r.*, optin_moment(r."Changed", 'optin: source loyalty, column Changed: a value does not read as datetime') AS "parts of Changed"
FROM (SELECT CASE WHEN "CardNo" IN ('', 'N/A') THEN NULL ELSE "CardNo" END AS "CardNo", CASE WHEN "FirstName" IN ('', 'N/A') THEN NULL ELSE "FirstName" END AS "FirstName", CASE WHEN "Surname" IN ('', 'N/A') THEN NULL ELSE "Surname" END AS "Surname", CASE WHEN "EMail" IN ('', 'N/A') THEN NULL ELSE "EMail" END AS "EMail", CASE WHEN "Phone" IN ('', 'N/A') THEN NULL ELSE "Phone" END AS "Phone", CASE WHEN "Postcode" IN ('', 'N/A') THEN NULL ELSE "Postcode" END AS "Postcode", CASE WHEN "Country" IN ('', 'N/A') THEN NULL ELSE "Country" END AS "Country", CASE WHEN "Tier" IN ('', 'N/A') THEN NULL ELSE "Tier" END AS "Tier", CASE WHEN "Points" IN ('', 'N/A') THEN NULL ELSE "Points" END AS "Points", CASE WHEN "JoinedOn" IN ('', 'N/A') THEN NULL ELSE "JoinedOn" END AS "JoinedOn", CASE WHEN "Changed" IN ('', 'N/A') THEN NULL ELSE "Changed" END AS "Changed"
  FROM read_csv(['pipelines/../data/contoso/loyalty.csv'], auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
    nullstr = chr(1), compression = 'none', strict_mode = true, parallel = false, max_line_size = 100000000,
    columns = {'CardNo': 'VARCHAR', 'FirstName': 'VARCHAR', 'Surname': 'VARCHAR', 'EMail': 'VARCHAR', 'Phone': 'VARCHAR', 'Postcode': 'VARCHAR', 'Country': 'VARCHAR', 'Tier': 'VARCHAR', 'Points': 'VARCHAR', 'JoinedOn': 'VARCHAR', 'Changed': 'VARCHAR'})) r) r) r;
-- source app (contoso.yaml:31)
CREATE TEMP TABLE "source app" AS
SELECT row_number() OVER () AS "row",
  r."user_id" AS "user_id",
  r."phone" AS "phone",
  r."given_name" AS "given_name",
  r."family_name" AS "family_name",
  r."country" AS "country",
  r."loyalty_card" AS "loyalty_card",
  optin_bool(r."product_updates", 'optin: source app, column product_updates: a value does not read as bool') AS "product_updates",
  CASE WHEN r."clock of last_seen" IS NULL THEN CAST(r."parts of last_seen".day AS TIMESTAMP) ELSE CASE WHEN r."offset of last_seen" IS NOT NULL THEN optin_minus_seconds(r."clock of last_seen", r."offset of last_seen") ELSE r."clock of last_seen" END END AS "last_seen",
  CASE WHEN r."clock of updated_at" IS NULL THEN CAST(r."parts of updated_at".day AS TIMESTAMP) ELSE CASE WHEN r."offset of updated_at" IS NOT NULL THEN optin_minus_seconds(r."clock of updated_at", r."offset of updated_at") ELSE r."clock of updated_at" END END AS "updated_at",
  r."mail" AS "mail",
  optin_date(r."birth_date", 'optin: source app, column birth_date: a value does not read as date') AS "birth_date"
FROM (SELECT r.*, optin_clock(r."parts of last_seen") AS "clock of last_seen", optin_offset(r."parts of last_seen") AS "offset of last_seen", optin_clock(r."parts of updated_at") AS "clock of updated_at", optin_offset(r."parts of updated_at") AS "offset of updated_at"
FROM (SELECT r.*, optin_moment(r."last_seen", 'optin: source app, column last_seen: a value does not read as datetime') AS "parts of last_seen", optin_moment(r."updated_at", 'optin: source app, column updated_at: a value does not read as datetime') AS "parts of updated_at"
FROM (SELECT CASE WHEN json_type(json, '/user_id') IS NULL OR json_type(json, '/user_id') = 'NULL' THEN NULL WHEN json_type(json, '/user_id') = 'VARCHAR' THEN nullif(json_extract_string(json, '/user_id'), '') WHEN json_type(json, '/user_id') IN ('BOOLEAN', 'BIGINT', 'UBIGINT') THEN json_extract_string(json, '/user_id') ELSE error('optin: source app, member user_id: a value that this job cannot read exactly') END AS "user_id",
    CASE WHEN json_type(json, '/phone') IS NULL OR json_type(json, '/phone') = 'NULL' THEN NULL WHEN json_type(json, '/phone') = 'VARCHAR' THEN nullif(json_extract_string(json, '/phone'), '') WHEN json_type(json, '/phone') IN ('BOOLEAN', 'BIGINT', 'UBIGINT') THEN json_extract_string(json, '/phone') ELSE error('optin: source app, member phone: a value that this job cannot read exactly') END AS "phone",
    CASE WHEN json_type(json, '/given_name') IS NULL OR json_type(json, '/given_name') = 'NULL' THEN NULL WHEN json_type(json, '/given_name') = 'VARCHAR' THEN nullif(json_extract_string(json, '/given_name'), '') WHEN json_type(json, '/given_name') IN ('BOOLEAN', 'BIGINT', 'UBIGINT') THEN json_extract_string(json, '/given_name') ELSE error('optin: source app, member given_name: a value that this job cannot read exactly') END AS "given_name",
    CASE WHEN json_type(json, '/family_name') IS NULL OR json_type(json, '/family_name') = 'NULL' THEN NULL WHEN json_type(json, '/family_name') = 'VARCHAR' THEN nullif(json_extract_string(json, '/family_name'), '') WHEN json_type(json, '/family_name') IN ('BOOLEAN', 'BIGINT', 'UBIGINT') THEN json_extract_string(json, '/family_name') ELSE error('optin: source app, member family_name: a value that this job cannot read exactly') END AS "family_name",
    CASE WHEN json_type(json, '/country') IS NULL OR json_type(json, '/country') = 'NULL' THEN NULL WHEN json_type(json, '/country') = 'VARCHAR' THEN nullif(json_extract_string(json, '/country'), '') WHEN json_type(json, '/country') IN ('BOOLEAN', 'BIGINT', 'UBIGINT') THEN json_extract_string(json, '/country') ELSE error('optin: source app, member country: a value that this job cannot read exactly') END AS "country",
    CASE WHEN json_type(json, '/loyalty_card') IS NULL OR json_type(json, '/loyalty_card') = 'NULL' THEN NULL WHEN json_type(json, '/loyalty_card') = 'VARCHAR' THEN nullif(json_extract_string(json, '/loyalty_card'), '') WHEN json_type(json, '/loyalty_card') IN ('BOOLEAN', 'BIGINT', 'UBIGINT') THEN json_extract_string(json, '/loyalty_card') ELSE error('optin: source app, member loyalty_card: a value that this job cannot read exactly') END AS "loyalty_card",
    CASE WHEN json_type(json, '/product_updates') IS NULL OR json_type(json, '/product_updates') = 'NULL' THEN NULL WHEN json_type(json, '/product_updates') = 'VARCHAR' THEN nullif(json_extract_string(json, '/product_updates'), '') WHEN json_type(json, '/product_updates') IN ('BOOLEAN', 'BIGINT', 'UBIGINT') THEN json_extract_string(json, '/product_updates') ELSE error('optin: source app, member product_updates: a value that this job cannot read exactly') END AS "product_updates",
    CASE WHEN json_type(json, '/app_version') IS NULL OR json_type(json, '/app_version') = 'NULL' THEN NULL WHEN json_type(json, '/app_version') = 'VARCHAR' THEN nullif(json_extract_string(json, '/app_version'), '') WHEN json_type(json, '/app_version') IN ('BOOLEAN', 'BIGINT', 'UBIGINT') THEN json_extract_string(json, '/app_version') ELSE error('optin: source app, member app_version: a value that this job cannot read exactly') END AS "app_version",
    CASE WHEN json_type(json, '/last_seen') IS NULL OR json_type(json, '/last_seen') = 'NULL' THEN NULL WHEN json_type(json, '/last_seen') = 'VARCHAR' THEN nullif(json_extract_string(json, '/last_seen'), '') WHEN json_type(json, '/last_seen') IN ('BOOLEAN', 'BIGINT', 'UBIGINT') THEN json_extract_string(json, '/last_seen') ELSE error('optin: source app, member last_seen: a value that this job cannot read exactly') END AS "last_seen",
    CASE WHEN json_type(json, '/updated_at') IS NULL OR json_type(json, '/updated_at') = 'NULL' THEN NULL WHEN json_type(json, '/updated_at') = 'VARCHAR' THEN nullif(json_extract_string(json, '/updated_at'), '') WHEN json_type(json, '/updated_at') IN ('BOOLEAN', 'BIGINT', 'UBIGINT') THEN json_extract_string(json, '/updated_at') ELSE error('optin: source app, member updated_at: a value that this job cannot read exactly') END AS "updated_at",
    CASE WHEN json_type(json, '/mail') IS NULL OR json_type(json, '/mail') = 'NULL' THEN NULL WHEN json_type(json, '/mail') = 'VARCHAR' THEN nullif(json_extract_string(json, '/mail'), '') WHEN json_type(json, '/mail') IN ('BOOLEAN', 'BIGINT', 'UBIGINT') THEN json_extract_string(json, '/mail') ELSE error('optin: source app, member mail: a value that this job cannot read exactly') END AS "mail",
    CASE WHEN json_type(json, '/birth_date') IS NULL OR json_type(json, '/birth_date') = 'NULL' THEN NULL WHEN json_type(json, '/birth_date') = 'VARCHAR' THEN nullif(json_extract_string(json, '/birth_date'), '') WHEN json_type(json, '/birth_date') IN ('BOOLEAN', 'BIGINT', 'UBIGINT') THEN json_extract_string(json, '/birth_date') ELSE error('optin: source app, member birth_date: a value that this job cannot read exactly') END AS "birth_date"
  FROM (SELECT CASE WHEN json_type(json) <> 'OBJECT' OR len(json_keys(json)) <> len(list_distinct(json_keys(json))) THEN error('optin: source app: a line is no object, or names a member twice') ELSE json END AS json
    FROM read_json_objects(['pipelines/../data/contoso/app_users.ndjson'], format = 'newline_delimited', compression = 'uncompressed', maximum_object_size = 100000000))) r) r) r;
SELECT CASE WHEN (SELECT count(*) FROM "source app") > 0 THEN true ELSE error('optin: source app holds no records, and consent depends on it') END AS guard;
-- source newsletter_consent (contoso.yaml:35)
CREATE TEMP TABLE "source newsletter_consent" AS
SELECT row_number() OVER () AS "row",
  r."Email" AS "Email",
  r."Newsletter" AS "Newsletter",
  r."Product updates" AS "Product updates",
  CASE WHEN r."clock of Recorded at" IS NULL THEN optin_minus_seconds(optin_midnight(r."parts of Recorded at".day, 0), CASE WHEN optin_midnight(r."parts of Recorded at".day, 0) < TIMESTAMP '1970-01-02' OR optin_midnight(r."parts of Recorded at".day, 0) >= TIMESTAMP '2099-12-31' THEN error('optin: a time of Europe/Berlin lies before 1970 or after 2099') ELSE (SELECT max_by(z.seconds, z.starts) FROM "zone Europe/Berlin" z WHERE z.starts <= optin_midnight(r."parts of Recorded at".day, 0)) END) ELSE CASE WHEN r."offset of Recorded at" IS NOT NULL THEN optin_minus_seconds(r."clock of Recorded at", r."offset of Recorded at") ELSE optin_minus_seconds(r."clock of Recorded at", CASE WHEN r."clock of Recorded at" < TIMESTAMP '1970-01-02' OR r."clock of Recorded at" >= TIMESTAMP '2099-12-31' THEN error('optin: a time of Europe/Berlin lies before 1970 or after 2099') ELSE (SELECT max_by(z.seconds, z.starts) FROM "zone Europe/Berlin" z WHERE z.starts <= r."clock of Recorded at") END) END END AS "Recorded at from",
  CASE WHEN r."clock of Recorded at" IS NULL THEN optin_plus_micros(optin_minus_seconds(optin_midnight(r."parts of Recorded at".day, 1), CASE WHEN optin_midnight(r."parts of Recorded at".day, 1) < TIMESTAMP '1970-01-02' OR optin_midnight(r."parts of Recorded at".day, 1) >= TIMESTAMP '2099-12-31' THEN error('optin: a time of Europe/Berlin lies before 1970 or after 2099') ELSE (SELECT max_by(z.seconds, z.starts) FROM "zone Europe/Berlin" z WHERE z.starts <= optin_midnight(r."parts of Recorded at".day, 1)) END), -1) ELSE CASE WHEN r."offset of Recorded at" IS NOT NULL THEN optin_minus_seconds(r."clock of Recorded at", r."offset of Recorded at") ELSE optin_minus_seconds(r."clock of Recorded at", CASE WHEN r."clock of Recorded at" < TIMESTAMP '1970-01-02' OR r."clock of Recorded at" >= TIMESTAMP '2099-12-31' THEN error('optin: a time of Europe/Berlin lies before 1970 or after 2099') ELSE (SELECT max_by(z.seconds, z.starts) FROM "zone Europe/Berlin" z WHERE z.starts <= r."clock of Recorded at") END) END END AS "Recorded at to"
FROM (SELECT r.*, optin_clock(r."parts of Recorded at") AS "clock of Recorded at", optin_offset(r."parts of Recorded at") AS "offset of Recorded at"
FROM (SELECT r.*, optin_moment(r."Recorded at", 'optin: source newsletter_consent, column Recorded at: a value does not read as datetime') AS "parts of Recorded at"
FROM (SELECT nullif("Email", '') AS "Email", nullif("Newsletter", '') AS "Newsletter", nullif("Product updates", '') AS "Product updates", nullif("Recorded at", '') AS "Recorded at"
  FROM read_csv(['pipelines/../data/contoso/newsletter_consent.csv'], auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
    nullstr = chr(1), compression = 'none', strict_mode = true, parallel = false, max_line_size = 100000000,
    columns = {'Email': 'VARCHAR', 'Newsletter': 'VARCHAR', 'Product updates': 'VARCHAR', 'Recorded at': 'VARCHAR'})) r) r) r;
SELECT CASE WHEN (SELECT count(*) FROM "source newsletter_consent") > 0 THEN true ELSE error('optin: source newsletter_consent holds no records, and consent depends on it') END AS guard;
-- source sms_consent (contoso.yaml:39)
CREATE TEMP TABLE "source sms_consent" AS
SELECT row_number() OVER () AS "row",
  r."Telefon" AS "Telefon",
  r."SMS-Angebote" AS "SMS-Angebote",
  optin_midnight(optin_date(r."Datum", 'optin: source sms_consent, column Datum: a value does not read as date'), 0) AS "Datum from",
  optin_plus_micros(optin_midnight(optin_date(r."Datum", 'optin: source sms_consent, column Datum: a value does not read as date'), 1), -1) AS "Datum to"
FROM (SELECT nullif("Telefon", '') AS "Telefon", nullif("SMS-Angebote", '') AS "SMS-Angebote", nullif("Datum", '') AS "Datum"
  FROM read_csv(['pipelines/../data/contoso/sms_consent.csv'], auto_detect = false, header = true, delim = ';', quote = '"', escape = '"',
    nullstr = chr(1), compression = 'none', strict_mode = true, parallel = false, max_line_size = 100000000,
    columns = {'Telefon': 'VARCHAR', 'SMS-Angebote': 'VARCHAR', 'Datum': 'VARCHAR'})) r;
SELECT CASE WHEN (SELECT count(*) FROM "source sms_consent") > 0 THEN true ELSE error('optin: source sms_consent holds no records, and consent depends on it') END AS guard;
-- source consent_events (contoso.yaml:43)
CREATE TEMP TABLE "source consent_events" AS
SELECT row_number() OVER () AS "row",
  CASE WHEN r."clock of ts" IS NULL THEN optin_midnight(r."parts of ts".day, 0) ELSE CASE WHEN r."offset of ts" IS NOT NULL THEN optin_minus_seconds(r."clock of ts", r."offset of ts") ELSE r."clock of ts" END END AS "ts from",
  CASE WHEN r."clock of ts" IS NULL THEN optin_plus_micros(optin_midnight(r."parts of ts".day, 1), -1) ELSE CASE WHEN r."offset of ts" IS NOT NULL THEN optin_minus_seconds(r."clock of ts", r."offset of ts") ELSE r."clock of ts" END END AS "ts to",
  r."address" AS "address",
  r."customer_no" AS "customer_no",
  r."purpose" AS "purpose",
  r."status" AS "status"
FROM (SELECT r.*, optin_clock(r."parts of ts") AS "clock of ts", optin_offset(r."parts of ts") AS "offset of ts"
FROM (SELECT r.*, optin_moment(r."ts", 'optin: source consent_events, column ts: a value does not read as datetime') AS "parts of ts"
FROM (SELECT nullif("event_id", '') AS "event_id", nullif("ts", '') AS "ts", nullif("address", '') AS "address", nullif("customer_no", '') AS "customer_no", nullif("purpose", '') AS "purpose", nullif("status", '') AS "status", nullif("channel", '') AS "channel"
  FROM read_csv(['pipelines/../data/contoso/consent_events.csv'], auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
    nullstr = chr(1), compression = 'none', strict_mode = true, parallel = false, max_line_size = 100000000,
    columns = {'event_id': 'VARCHAR', 'ts': 'VARCHAR', 'address': 'VARCHAR', 'customer_no': 'VARCHAR', 'purpose': 'VARCHAR', 'status': 'VARCHAR', 'channel': 'VARCHAR'})) r) r) r;
SELECT CASE WHEN (SELECT count(*) FROM "source consent_events") > 0 THEN true ELSE error('optin: source consent_events holds no records, and consent depends on it') END AS guard;
-- source bounces (contoso.yaml:46)
CREATE TEMP TABLE "source bounces" AS
SELECT row_number() OVER () AS "row",
  r."address" AS "address"
FROM (SELECT nullif("address", '') AS "address", nullif("bounced_on", '') AS "bounced_on", nullif("reason", '') AS "reason"
  FROM read_csv(['pipelines/../data/contoso/bounces.csv'], auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
    nullstr = chr(1), compression = 'none', strict_mode = true, parallel = false, max_line_size = 100000000,
    columns = {'address': 'VARCHAR', 'bounced_on': 'VARCHAR', 'reason': 'VARCHAR'})) r;
SELECT CASE WHEN (SELECT count(*) FROM "source bounces") > 0 THEN true ELSE error('optin: source bounces holds no records, and consent depends on it') END AS guard;
-- source do_not_contact (contoso.yaml:50)
CREATE TEMP TABLE "source do_not_contact" AS
SELECT row_number() OVER () AS "row",
  r."Nummer" AS "Nummer"
FROM (SELECT nullif("Nummer", '') AS "Nummer", nullif("Grund", '') AS "Grund", nullif("Seit", '') AS "Seit"
  FROM read_csv(['pipelines/../data/contoso/do_not_contact.csv'], auto_detect = false, header = true, delim = ';', quote = '"', escape = '"',
    nullstr = chr(1), compression = 'none', strict_mode = true, parallel = false, max_line_size = 100000000,
    columns = {'Nummer': 'VARCHAR', 'Grund': 'VARCHAR', 'Seit': 'VARCHAR'})) r;
SELECT CASE WHEN (SELECT count(*) FROM "source do_not_contact") > 0 THEN true ELSE error('optin: source do_not_contact holds no records, and consent depends on it') END AS guard;

-- Values: the rows of the customer tables
-- ---------------------------------------
CREATE TEMP TABLE "values" AS
SELECT row_number() OVER () AS record, v.* FROM (
-- shop (contoso.yaml:67)
SELECT 0 AS "table", optin_id(s."CustomerNo") AS id, s."Email" AS "field email", s."Phone" AS "field phone", s."FirstName" AS "field first_name", s."LastName" AS "field last_name", s."BirthDate" AS "field birth_date", s."Street" AS "field street", s."Zip" AS "field postal_code", s."City" AS "field city", s."Country" AS "field country", s."LoyaltyCard" AS "field card_no", s."Revenue" AS "field revenue", s."LastOrder" AS "field last_order", s."ModifiedOn" AS "field updated_at", CAST(NULL AS VARCHAR) AS "field tier", CAST(NULL AS BIGINT) AS "field points", CAST(NULL AS DATE) AS "field member_since", CAST(NULL AS TIMESTAMP) AS "field last_seen"
FROM "source shop" s
UNION ALL
-- loyalty (contoso.yaml:83)
SELECT 1 AS "table", optin_id(s."CardNo") AS id, s."EMail" AS "field email", s."Phone" AS "field phone", s."FirstName" AS "field first_name", s."Surname" AS "field last_name", CAST(NULL AS DATE) AS "field birth_date", CAST(NULL AS VARCHAR) AS "field street", s."Postcode" AS "field postal_code", CAST(NULL AS VARCHAR) AS "field city", s."Country" AS "field country", s."CardNo" AS "field card_no", CAST(NULL AS DECIMAL(38, 2)) AS "field revenue", CAST(NULL AS DATE) AS "field last_order", s."Changed" AS "field updated_at", s."Tier" AS "field tier", s."Points" AS "field points", s."JoinedOn" AS "field member_since", CAST(NULL AS TIMESTAMP) AS "field last_seen"
FROM "source loyalty" s
UNION ALL
-- app (contoso.yaml:97)
SELECT 2 AS "table", optin_id(s."user_id") AS id, s."mail" AS "field email", s."phone" AS "field phone", s."given_name" AS "field first_name", s."family_name" AS "field last_name", s."birth_date" AS "field birth_date", CAST(NULL AS VARCHAR) AS "field street", CAST(NULL AS VARCHAR) AS "field postal_code", CAST(NULL AS VARCHAR) AS "field city", s."country" AS "field country", s."loyalty_card" AS "field card_no", CAST(NULL AS DECIMAL(38, 2)) AS "field revenue", CAST(NULL AS DATE) AS "field last_order", s."updated_at" AS "field updated_at", CAST(NULL AS VARCHAR) AS "field tier", CAST(NULL AS BIGINT) AS "field points", CAST(NULL AS DATE) AS "field member_since", s."last_seen" AS "field last_seen"
FROM "source app" s
) v;

-- Keys: how values are compared
-- -----------------------------
-- email (contoso.yaml:57)
CREATE TEMP TABLE "keys of email" AS
WITH given AS (SELECT DISTINCT value, region FROM (
    SELECT v."field email" AS value, CAST(NULL AS VARCHAR) AS region FROM "values" v
    UNION ALL SELECT s."Email", CAST(NULL AS VARCHAR) FROM "source newsletter_consent" s
    UNION ALL SELECT s."address", CAST(NULL AS VARCHAR) FROM "source consent_events" s
    UNION ALL SELECT s."mail", CAST(NULL AS VARCHAR) FROM "source app" s
    UNION ALL SELECT s."address", CAST(NULL AS VARCHAR) FROM "source bounces" s) WHERE value IS NOT NULL),
stripped AS (SELECT *, optin_trim(value) AS t FROM given),
unnamed AS (SELECT value, region, optin_mail_inside(t) AS t FROM stripped),
bare AS (SELECT value, region, optin_mail_scheme(t) AS t FROM unnamed),
seen AS (SELECT value, region, optin_mail_odd(value, t) AS odd, lower(regexp_replace(t, '\.$', '')) AS t FROM bare),
checked AS (SELECT value, region, odd, optin_mail(t) AS t FROM seen),
made AS (SELECT * FROM read_json('keys/keys-0.ndjson', format = 'newline_delimited', columns = {value: 'VARCHAR', region: 'VARCHAR', key: 'VARCHAR', links: 'BOOLEAN', denies: 'VARCHAR[]', found: 'VARCHAR[]'})),
keyed AS (SELECT value, region, odd AS is_made, CASE WHEN odd THEN NULL ELSE t END AS key FROM checked),
looser AS (SELECT *, optin_gmail(optin_untagged(key)) AS loose FROM (SELECT k.value, k.region, CASE WHEN NOT k.is_made THEN k.key WHEN m.value IS NULL THEN error('optin: field email: a value whose key SQL cannot make; compile with key tables, made of these sources') ELSE m.key END AS key, coalesce(m.links, true) AS links, m.denies AS made_denies, m.found AS made_found, k.is_made
  FROM keyed k LEFT JOIN made m ON k.is_made AND m.value = k.value AND m.region IS NOT DISTINCT FROM k.region))
SELECT value, region, key,
  CASE WHEN links AND key NOT IN ('noreply@contoso.com') THEN key END AS link,
  CASE WHEN key IS NULL THEN NULL WHEN is_made THEN made_denies ELSE [loose] END AS denies,
  CASE WHEN key IS NULL THEN NULL WHEN is_made THEN made_found ELSE [loose] END AS found
FROM looser;
-- phone (contoso.yaml:59)
CREATE TEMP TABLE "keys of phone" AS
WITH given AS (SELECT DISTINCT value, region FROM (
    SELECT v."field phone" AS value, v."field country" AS region FROM "values" v
    UNION ALL SELECT s."Telefon", 'DE' FROM "source sms_consent" s
    UNION ALL SELECT s."Nummer", 'DE' FROM "source do_not_contact" s) WHERE value IS NOT NULL),
made AS (SELECT * FROM read_json('keys/keys-1.ndjson', format = 'newline_delimited', columns = {value: 'VARCHAR', region: 'VARCHAR', key: 'VARCHAR', links: 'BOOLEAN', denies: 'VARCHAR[]', found: 'VARCHAR[]'})),
keyed AS (SELECT value, region, true AS is_made, CASE WHEN true THEN NULL ELSE CAST(NULL AS VARCHAR) END AS key FROM given),
looser AS (SELECT *, key AS loose FROM (SELECT k.value, k.region, CASE WHEN NOT k.is_made THEN k.key WHEN m.value IS NULL THEN error('optin: field phone: a value whose key SQL cannot make; compile with key tables, made of these sources') ELSE m.key END AS key, coalesce(m.links, true) AS links, m.denies AS made_denies, m.found AS made_found, k.is_made
  FROM keyed k LEFT JOIN made m ON k.is_made AND m.value = k.value AND m.region IS NOT DISTINCT FROM k.region))
SELECT value, region, key,
  CASE WHEN links THEN key END AS link,
  CASE WHEN key IS NULL THEN NULL WHEN is_made THEN made_denies ELSE [loose] END AS denies,
  CASE WHEN key IS NULL THEN NULL WHEN is_made THEN made_found ELSE [loose] END AS found
FROM looser;
-- last_name (contoso.yaml:61)
CREATE TEMP TABLE "keys of last_name" AS
WITH given AS (SELECT DISTINCT value, region FROM (
    SELECT v."field last_name" AS value, CAST(NULL AS VARCHAR) AS region FROM "values" v) WHERE value IS NOT NULL),
stripped AS (SELECT *, nullif(optin_no_symbols(lower(lower(value))), '') AS t FROM given),
made AS (SELECT * FROM read_json('keys/keys-3.ndjson', format = 'newline_delimited', columns = {value: 'VARCHAR', region: 'VARCHAR', key: 'VARCHAR', links: 'BOOLEAN', denies: 'VARCHAR[]', found: 'VARCHAR[]'})),
keyed AS (SELECT value, region, NOT optin_ascii(value) AS is_made, CASE WHEN NOT optin_ascii(value) THEN NULL ELSE t END AS key FROM stripped),
looser AS (SELECT *, key AS loose FROM (SELECT k.value, k.region, CASE WHEN NOT k.is_made THEN k.key WHEN m.value IS NULL THEN error('optin: field last_name: a value whose key SQL cannot make; compile with key tables, made of these sources') ELSE m.key END AS key, coalesce(m.links, true) AS links, m.denies AS made_denies, m.found AS made_found, k.is_made
  FROM keyed k LEFT JOIN made m ON k.is_made AND m.value = k.value AND m.region IS NOT DISTINCT FROM k.region))
SELECT value, region, key,
  CASE WHEN links THEN key END AS link,
  CASE WHEN key IS NULL THEN NULL WHEN is_made THEN made_denies ELSE [loose] END AS denies,
  CASE WHEN key IS NULL THEN NULL WHEN is_made THEN made_found ELSE [loose] END AS found
FROM looser;
-- card_no (contoso.yaml:63)
CREATE TEMP TABLE "keys of card_no" AS
WITH given AS (SELECT DISTINCT value, region FROM (
    SELECT v."field card_no" AS value, CAST(NULL AS VARCHAR) AS region FROM "values" v) WHERE value IS NOT NULL),
stripped AS (SELECT *, nullif(optin_no_symbols(optin_squeeze(value)), '') AS t FROM given),
made AS (SELECT * FROM read_json('keys/keys-9.ndjson', format = 'newline_delimited', columns = {value: 'VARCHAR', region: 'VARCHAR', key: 'VARCHAR', links: 'BOOLEAN', denies: 'VARCHAR[]', found: 'VARCHAR[]'})),
keyed AS (SELECT value, region, NOT optin_ascii(value) AS is_made, CASE WHEN NOT optin_ascii(value) THEN NULL ELSE t END AS key FROM stripped),
looser AS (SELECT *, key AS loose FROM (SELECT k.value, k.region, CASE WHEN NOT k.is_made THEN k.key WHEN m.value IS NULL THEN error('optin: field card_no: a value whose key SQL cannot make; compile with key tables, made of these sources') ELSE m.key END AS key, coalesce(m.links, true) AS links, m.denies AS made_denies, m.found AS made_found, k.is_made
  FROM keyed k LEFT JOIN made m ON k.is_made AND m.value = k.value AND m.region IS NOT DISTINCT FROM k.region))
SELECT value, region, key,
  CASE WHEN links THEN key END AS link,
  CASE WHEN key IS NULL THEN NULL WHEN is_made THEN made_denies ELSE [loose] END AS denies,
  CASE WHEN key IS NULL THEN NULL WHEN is_made THEN made_found ELSE [loose] END AS found
FROM looser;

-- Records: the values and their keys
-- ----------------------------------
CREATE TEMP TABLE "records" AS
SELECT v.*,
  -- email (contoso.yaml:57)
  k0.key AS "key email",
  k0.link AS "link email",
  k0.found AS "found email",
  -- phone (contoso.yaml:59)
  k1.key AS "key phone",
  k1.link AS "link phone",
  k1.found AS "found phone",
  -- first_name (contoso.yaml:72)
  nullif(optin_trim(v."field first_name"), '') AS "key first_name",
  -- last_name (contoso.yaml:61)
  k3.key AS "key last_name",
  k3.link AS "link last_name",
  -- street (contoso.yaml:75)
  nullif(optin_trim(v."field street"), '') AS "key street",
  -- postal_code (contoso.yaml:76)
  nullif(optin_trim(v."field postal_code"), '') AS "key postal_code",
  -- city (contoso.yaml:77)
  nullif(optin_trim(v."field city"), '') AS "key city",
  -- country (contoso.yaml:78)
  nullif(optin_trim(v."field country"), '') AS "key country",
  -- card_no (contoso.yaml:63)
  k9.key AS "key card_no",
  k9.link AS "link card_no",
  -- tier (contoso.yaml:93)
  nullif(optin_trim(v."field tier"), '') AS "key tier",
  -- points (contoso.yaml:94)
  nullif(optin_trim(CAST(v."field points" AS VARCHAR)), '') AS "key points"
FROM "values" v
LEFT JOIN "keys of email" k0 ON k0.value = v."field email" AND k0.region IS NOT DISTINCT FROM CAST(NULL AS VARCHAR)
LEFT JOIN "keys of phone" k1 ON k1.value = v."field phone" AND k1.region IS NOT DISTINCT FROM v."field country"
LEFT JOIN "keys of last_name" k3 ON k3.value = v."field last_name" AND k3.region IS NOT DISTINCT FROM CAST(NULL AS VARCHAR)
LEFT JOIN "keys of card_no" k9 ON k9.value = v."field card_no" AND k9.region IS NOT DISTINCT FROM CAST(NULL AS VARCHAR);

-- Links: who agrees with whom
-- ---------------------------
CREATE TEMP TABLE "agreements" AS
WITH all_agreements AS MATERIALIZED (
-- email (contoso.yaml:113)
SELECT 0 AS rule, [r."link email"] AS keys, r.record, r."table", r.id
FROM records r WHERE r."link email" IS NOT NULL
UNION ALL
-- phone + last_name (contoso.yaml:114)
SELECT 1 AS rule, [r."link phone", r."link last_name"] AS keys, r.record, r."table", r.id
FROM records r WHERE r."link phone" IS NOT NULL AND r."link last_name" IS NOT NULL
UNION ALL
-- card_no (contoso.yaml:115)
SELECT 2 AS rule, [r."link card_no"] AS keys, r.record, r."table", r.id
FROM records r WHERE r."link card_no" IS NOT NULL
UNION ALL
SELECT -1 AS rule, CAST([''] AS VARCHAR[]) AS keys, record, "table", id FROM records WHERE false
)
SELECT g.* FROM all_agreements g;
CREATE TEMP TABLE "alike" AS
SELECT -1 AS rule, record AS a, id AS "id of a", record AS b, id AS "id of b" FROM records WHERE false;
CREATE TEMP TABLE "links" AS
SELECT DISTINCT a, b FROM (
SELECT record AS a, min(record) OVER (PARTITION BY "table", id) AS b FROM records WHERE id IS NOT NULL
UNION ALL
SELECT record, min(record) OVER (PARTITION BY rule, keys) FROM agreements WHERE id IS NOT NULL
UNION ALL
SELECT a, b FROM alike WHERE "id of a" IS NOT NULL AND "id of b" IS NOT NULL
) WHERE a <> b;

-- Clusters: the transitive closure of all links
-- ---------------------------------------------
-- Every record knows a record of its cluster, at first itself. In each round it learns of the
-- smallest that it, its neighbours and those that they know know of. When no round teaches
-- anybody anything, all of a cluster know its smallest record: rounds grow with the logarithm
-- of the longest chain, not with the chain.
CREATE TEMP TABLE "clusters" AS
WITH RECURSIVE known(record, cluster) USING KEY (record) AS (
  SELECT record, record FROM records WHERE id IS NOT NULL
  UNION (
    WITH now AS MATERIALIZED (SELECT record, cluster FROM recurring.known),
    ahead AS MATERIALIZED (
      SELECT n.record, n.cluster, m.cluster AS next FROM now n JOIN now m ON m.record = n.cluster),
    both_ways AS MATERIALIZED (SELECT a, b FROM links UNION ALL SELECT b, a FROM links),
    heard AS (
      SELECT record, next FROM ahead
      UNION ALL SELECT e.a, h.next FROM both_ways e JOIN ahead h ON h.record = e.b
      UNION ALL SELECT g.cluster, h.next FROM both_ways e JOIN ahead h ON h.record = e.b JOIN ahead g ON g.record = e.a),
    best AS (SELECT record, min(next) AS cluster FROM heard GROUP BY record)
    SELECT b.record, b.cluster FROM best b JOIN now n ON n.record = b.record WHERE b.cluster < n.cluster))
SELECT record, cluster FROM known;

-- What is set aside
-- -----------------
-- aside: quarantined as too large, or without a record of a table that keeps the unmatched
CREATE TEMP TABLE "fates" AS
SELECT cluster, large OR first_kept IS NULL AS aside, CASE WHEN large THEN NULL ELSE first_kept END AS first_kept
FROM (SELECT c.cluster, false AS large, min(r."table") AS first_kept
  FROM clusters c JOIN records r ON r.record = c.record GROUP BY c.cluster);
-- reached: members, and shadows: those that were dropped, and records without an id that agree
CREATE TEMP TABLE "reached" AS
SELECT c.cluster, c.record, f.first_kept IS NOT NULL AND r."table" < f.first_kept AS shadow
FROM clusters c JOIN records r ON r.record = c.record JOIN fates f ON f.cluster = c.cluster
UNION ALL
SELECT DISTINCT c.cluster, s.record, true
FROM (SELECT x.record, y.record AS member FROM agreements x JOIN agreements y ON y.rule = x.rule AND y.keys = x.keys
    WHERE x.id IS NULL AND y.id IS NOT NULL
  UNION ALL SELECT a, b FROM alike WHERE "id of a" IS NULL AND "id of b" IS NOT NULL
  UNION ALL SELECT b, a FROM alike WHERE "id of b" IS NULL AND "id of a" IS NOT NULL) s
JOIN clusters c ON c.record = s.member;

-- Survivorship: which value of several a customer shows
-- -----------------------------------------------------
-- the order of records, best first, by each policy (contoso.yaml:119)
-- gives: of the rows of one id the best alone gives values
CREATE TEMP TABLE "ranked" AS
SELECT m.cluster, r.*,
  row_number() OVER (PARTITION BY m.cluster ORDER BY CASE WHEN r."field updated_at" IS NOT NULL THEN r."field updated_at" END DESC NULLS LAST, r."table", r.id DESC, CASE WHEN r."key email" IS NOT NULL THEN r."field email" END ASC NULLS LAST, CASE WHEN r."key phone" IS NOT NULL THEN r."field phone" END ASC NULLS LAST, CASE WHEN r."key first_name" IS NOT NULL THEN r."field first_name" END ASC NULLS LAST, CASE WHEN r."key last_name" IS NOT NULL THEN r."field last_name" END ASC NULLS LAST, CASE WHEN r."field birth_date" IS NOT NULL THEN r."field birth_date" END ASC NULLS LAST, CASE WHEN r."key street" IS NOT NULL THEN r."field street" END ASC NULLS LAST, CASE WHEN r."key postal_code" IS NOT NULL THEN r."field postal_code" END ASC NULLS LAST, CASE WHEN r."key city" IS NOT NULL THEN r."field city" END ASC NULLS LAST, CASE WHEN r."key country" IS NOT NULL THEN r."field country" END ASC NULLS LAST, CASE WHEN r."key card_no" IS NOT NULL THEN r."field card_no" END ASC NULLS LAST, CASE WHEN r."field revenue" IS NOT NULL THEN r."field revenue" END ASC NULLS LAST, CASE WHEN r."field last_order" IS NOT NULL THEN r."field last_order" END ASC NULLS LAST, CASE WHEN r."field updated_at" IS NOT NULL THEN r."field updated_at" END ASC NULLS LAST, CASE WHEN r."key tier" IS NOT NULL THEN r."field tier" END ASC NULLS LAST, CASE WHEN r."key points" IS NOT NULL THEN r."field points" END ASC NULLS LAST, CASE WHEN r."field member_since" IS NOT NULL THEN r."field member_since" END ASC NULLS LAST, CASE WHEN r."field last_seen" IS NOT NULL THEN r."field last_seen" END ASC NULLS LAST) AS "rank 0",
  row_number() OVER (PARTITION BY m.cluster, r."table", r.id ORDER BY CASE WHEN r."field updated_at" IS NOT NULL THEN r."field updated_at" END DESC NULLS LAST, r."table", r.id DESC, CASE WHEN r."key email" IS NOT NULL THEN r."field email" END ASC NULLS LAST, CASE WHEN r."key phone" IS NOT NULL THEN r."field phone" END ASC NULLS LAST, CASE WHEN r."key first_name" IS NOT NULL THEN r."field first_name" END ASC NULLS LAST, CASE WHEN r."key last_name" IS NOT NULL THEN r."field last_name" END ASC NULLS LAST, CASE WHEN r."field birth_date" IS NOT NULL THEN r."field birth_date" END ASC NULLS LAST, CASE WHEN r."key street" IS NOT NULL THEN r."field street" END ASC NULLS LAST, CASE WHEN r."key postal_code" IS NOT NULL THEN r."field postal_code" END ASC NULLS LAST, CASE WHEN r."key city" IS NOT NULL THEN r."field city" END ASC NULLS LAST, CASE WHEN r."key country" IS NOT NULL THEN r."field country" END ASC NULLS LAST, CASE WHEN r."key card_no" IS NOT NULL THEN r."field card_no" END ASC NULLS LAST, CASE WHEN r."field revenue" IS NOT NULL THEN r."field revenue" END ASC NULLS LAST, CASE WHEN r."field last_order" IS NOT NULL THEN r."field last_order" END ASC NULLS LAST, CASE WHEN r."field updated_at" IS NOT NULL THEN r."field updated_at" END ASC NULLS LAST, CASE WHEN r."key tier" IS NOT NULL THEN r."field tier" END ASC NULLS LAST, CASE WHEN r."key points" IS NOT NULL THEN r."field points" END ASC NULLS LAST, CASE WHEN r."field member_since" IS NOT NULL THEN r."field member_since" END ASC NULLS LAST, CASE WHEN r."field last_seen" IS NOT NULL THEN r."field last_seen" END ASC NULLS LAST) = 1 AS gives
FROM reached m JOIN records r ON r.record = m.record WHERE NOT m.shadow;
CREATE TEMP TABLE "shown" AS
SELECT k.cluster,
  min(optin_anchor(k."table", k.id)) AS anchor,
  list_extract(arg_min([CASE WHEN k."key email" IS NOT NULL THEN k."field email" END], k."rank 0") FILTER (WHERE k.gives AND (k."key email" IS NOT NULL)), 1) AS "field email",
  list_extract(arg_min([CASE WHEN k."key email" IS NOT NULL THEN k."key email" END], k."rank 0") FILTER (WHERE k.gives AND (k."key email" IS NOT NULL)), 1) AS "key email",
  list_extract(arg_min([CASE WHEN k."key email" IS NOT NULL THEN k.record END], k."rank 0") FILTER (WHERE k.gives AND (k."key email" IS NOT NULL)), 1) AS "from email",
  list_extract(arg_min([CASE WHEN k."key phone" IS NOT NULL THEN k."field phone" END], k."rank 0") FILTER (WHERE k.gives AND (k."key phone" IS NOT NULL)), 1) AS "field phone",
  list_extract(arg_min([CASE WHEN k."key phone" IS NOT NULL THEN k."key phone" END], k."rank 0") FILTER (WHERE k.gives AND (k."key phone" IS NOT NULL)), 1) AS "key phone",
  list_extract(arg_min([CASE WHEN k."key phone" IS NOT NULL THEN k.record END], k."rank 0") FILTER (WHERE k.gives AND (k."key phone" IS NOT NULL)), 1) AS "from phone",
  list_extract(arg_min([CASE WHEN k."key first_name" IS NOT NULL THEN k."field first_name" END], k."rank 0") FILTER (WHERE k.gives AND (k."key first_name" IS NOT NULL)), 1) AS "field first_name",
  list_extract(arg_min([CASE WHEN k."key last_name" IS NOT NULL THEN k."field last_name" END], k."rank 0") FILTER (WHERE k.gives AND (k."key last_name" IS NOT NULL)), 1) AS "field last_name",
  list_extract(arg_min([CASE WHEN k."field birth_date" IS NOT NULL THEN k."field birth_date" END], k."rank 0") FILTER (WHERE k.gives AND (k."field birth_date" IS NOT NULL)), 1) AS "field birth_date",
  list_extract(arg_min([CASE WHEN k."key street" IS NOT NULL THEN k."field street" END], k."rank 0") FILTER (WHERE k.gives AND (k."key street" IS NOT NULL)), 1) AS "field street",
  list_extract(arg_min([CASE WHEN k."key postal_code" IS NOT NULL THEN k."field postal_code" END], k."rank 0") FILTER (WHERE k.gives AND (k."key postal_code" IS NOT NULL)), 1) AS "field postal_code",
  list_extract(arg_min([CASE WHEN k."key city" IS NOT NULL THEN k."field city" END], k."rank 0") FILTER (WHERE k.gives AND (k."key city" IS NOT NULL)), 1) AS "field city",
  list_extract(arg_min([CASE WHEN k."key country" IS NOT NULL THEN k."field country" END], k."rank 0") FILTER (WHERE k.gives AND (k."key country" IS NOT NULL)), 1) AS "field country",
  list_extract(arg_min([CASE WHEN k."key card_no" IS NOT NULL THEN k."field card_no" END], k."rank 0") FILTER (WHERE k.gives AND (k."key card_no" IS NOT NULL)), 1) AS "field card_no",
  list_extract(arg_min([CASE WHEN k."field revenue" IS NOT NULL THEN k."field revenue" END], k."rank 0") FILTER (WHERE k.gives AND (k."field revenue" IS NOT NULL)), 1) AS "field revenue",
  list_extract(arg_min([CASE WHEN k."field last_order" IS NOT NULL THEN k."field last_order" END], k."rank 0") FILTER (WHERE k.gives AND (k."field last_order" IS NOT NULL)), 1) AS "field last_order",
  list_extract(arg_min([CASE WHEN k."field updated_at" IS NOT NULL THEN k."field updated_at" END], k."rank 0") FILTER (WHERE k.gives AND (k."field updated_at" IS NOT NULL)), 1) AS "field updated_at",
  list_extract(arg_min([CASE WHEN k."key tier" IS NOT NULL THEN k."field tier" END], k."rank 0") FILTER (WHERE k.gives AND (k."key tier" IS NOT NULL)), 1) AS "field tier",
  list_extract(arg_min([CASE WHEN k."key points" IS NOT NULL THEN k."field points" END], k."rank 0") FILTER (WHERE k.gives AND (k."key points" IS NOT NULL)), 1) AS "field points",
  list_extract(arg_min([CASE WHEN k."field member_since" IS NOT NULL THEN k."field member_since" END], k."rank 0") FILTER (WHERE k.gives AND (k."field member_since" IS NOT NULL)), 1) AS "field member_since",
  list_extract(arg_min([CASE WHEN k."field last_seen" IS NOT NULL THEN k."field last_seen" END], k."rank 0") FILTER (WHERE k.gives AND (k."field last_seen" IS NOT NULL)), 1) AS "field last_seen"
FROM ranked k GROUP BY k.cluster;

-- Profiles: the customers that are not set aside, with their ids
-- --------------------------------------------------------------
-- customer_id: the first 128 bits of SHA-256 over namespace, the byte 0x1F and id of the first record
CREATE TEMP TABLE "profiles" AS
SELECT row_number() OVER (ORDER BY anchor_table, customer_id) AS position, q.*
FROM (SELECT s.anchor.tab AS anchor_table, left(sha256(CASE s.anchor.tab WHEN 0 THEN 'shop' WHEN 1 THEN 'loyalty' WHEN 2 THEN 'app' END || chr(31) || s.anchor.id), 32) AS customer_id, s.*
  FROM shown s JOIN fates f ON f.cluster = s.cluster WHERE NOT f.aside) q;

-- Contact points and records, on which decisions can stand
-- --------------------------------------------------------
-- point: equal keys that are found by the same forms are one
CREATE TEMP TABLE "record_points" AS
SELECT dense_rank() OVER (ORDER BY subject, key, found) AS point, q.*
FROM (
SELECT CAST(0 AS BIGINT) AS record, '' AS subject, '' AS key, CAST([''] AS VARCHAR[]) AS found WHERE false
UNION ALL
SELECT record, 'key email' AS subject, "key email" AS key, "found email" AS found FROM records WHERE "key email" IS NOT NULL
UNION ALL
SELECT record, 'key phone' AS subject, "key phone" AS key, "found phone" AS found FROM records WHERE "key phone" IS NOT NULL
UNION ALL
SELECT record, 'record shop', id, [optin_loose_id(id)] FROM records WHERE id IS NOT NULL AND "table" = 0
UNION ALL
SELECT record, 'record loyalty', id, [optin_loose_id(id)] FROM records WHERE id IS NOT NULL AND "table" = 1
UNION ALL
SELECT record, 'record app', id, [optin_loose_id(id)] FROM records WHERE id IS NOT NULL AND "table" = 2
) q;
CREATE TEMP TABLE "points" AS
SELECT DISTINCT point, subject, key, found FROM record_points;
CREATE TEMP TABLE "point_forms" AS
SELECT point, subject, unnest(found) AS form FROM points;
-- role: shown by the customer; a record of his; of one that left him; other
CREATE TEMP TABLE "cluster_points" AS
SELECT DISTINCT * FROM (
SELECT r.cluster, p.point, p.subject, p.key, CASE WHEN p.subject LIKE 'key %' THEN 'other' WHEN r.shadow THEN 'left' ELSE 'record' END AS role
FROM reached r JOIN record_points p ON p.record = r.record
UNION ALL
SELECT s.cluster, p.point, p.subject, p.key, 'shown' FROM shown s JOIN record_points p ON p.record = s."from email" AND p.subject = 'key email'
UNION ALL
SELECT s.cluster, p.point, p.subject, p.key, 'shown' FROM shown s JOIN record_points p ON p.record = s."from phone" AND p.subject = 'key phone'
);
-- what is set aside shows all its contact points, a profile those that survive
CREATE TEMP TABLE "shows" AS
SELECT DISTINCT c.cluster, c.subject, c.key FROM cluster_points c JOIN fates f ON f.cluster = c.cluster
WHERE c.role = 'shown' OR (f.aside AND c.role = 'other');

-- Decisions
-- ---------
-- consent table newsletter_consent (contoso.yaml:134)
CREATE TEMP TABLE "tied 0" AS
SELECT t.*,
  CAST(t."filled 0" AND t."key 0" IS NULL AS INTEGER) AS unusable,
  (t."key 0" IS NOT NULL) AS has_key,
  (false) AS has_record
FROM (SELECT s."row",
    s."Recorded at from" AS starts,
    s."Recorded at to" AS ends,
    k0.key AS "key 0",
    k0.denies AS "forms 0",
    s."Email" IS NOT NULL AS "filled 0"
  FROM "source newsletter_consent" s
LEFT JOIN "keys of email" k0 ON k0.value = s."Email" AND k0.region IS NOT DISTINCT FROM CAST(NULL AS VARCHAR)) t;
CREATE TEMP TABLE "said 0" AS
SELECT "row", purpose, granted
FROM (SELECT *, CASE WHEN word IN ('false', 'f', 'no', 'n', '0', 'denied', 'deny', 'disallow', 'opt-out', 'opt_out', 'opt out', 'opted_out', 'opted-out', 'unsubscribed', 'withdrawn', 'revoked', 'do not allow') THEN false WHEN word IN ('true', 't', 'yes', 'y', '1', 'granted', 'allow', 'allowed', 'opt-in', 'opted_in', 'subscribed') THEN true END AS granted FROM (
SELECT s."row", 'newsletter' AS purpose, optin_word(s."Newsletter") AS word FROM "source newsletter_consent" s
UNION ALL
SELECT s."row", 'product_update' AS purpose, optin_word(s."Product updates") AS word FROM "source newsletter_consent" s))
WHERE purpose IS NOT NULL AND granted IS NOT NULL;
-- consent table sms_consent (contoso.yaml:142)
CREATE TEMP TABLE "tied 1" AS
SELECT t.*,
  CAST(t."filled 0" AND t."key 0" IS NULL AS INTEGER) AS unusable,
  (t."key 0" IS NOT NULL) AS has_key,
  (false) AS has_record
FROM (SELECT s."row",
    s."Datum from" AS starts,
    s."Datum to" AS ends,
    k0.key AS "key 0",
    k0.denies AS "forms 0",
    s."Telefon" IS NOT NULL AS "filled 0"
  FROM "source sms_consent" s
LEFT JOIN "keys of phone" k0 ON k0.value = s."Telefon" AND k0.region IS NOT DISTINCT FROM 'DE') t;
CREATE TEMP TABLE "said 1" AS
SELECT "row", purpose, granted
FROM (SELECT *, CASE WHEN optin_kelvin(word) THEN error('optin: a word of a consent table beyond ASCII, whose case SQL may change in another way') WHEN word IN ('nein') THEN false WHEN word IN ('ja') THEN true WHEN word IN ('false', 'f', 'no', 'n', '0', 'denied', 'deny', 'disallow', 'opt-out', 'opt_out', 'opt out', 'opted_out', 'opted-out', 'unsubscribed', 'withdrawn', 'revoked', 'do not allow') THEN false WHEN word IN ('true', 't', 'yes', 'y', '1', 'granted', 'allow', 'allowed', 'opt-in', 'opted_in', 'subscribed') THEN true END AS granted FROM (
SELECT s."row", 'sms_offers' AS purpose, optin_word(s."SMS-Angebote") AS word FROM "source sms_consent" s))
WHERE purpose IS NOT NULL AND granted IS NOT NULL;
SELECT CASE WHEN (SELECT count(*) FROM "said 1" d JOIN "tied 1" t ON t."row" = d."row" WHERE NOT d.granted AND NOT t.has_record AND (t.unusable > 0 OR NOT t.has_key)) = 0 THEN true ELSE error('optin: source sms_consent: a denial can be matched to nobody') END AS guard;
-- consent table consent_events (contoso.yaml:150)
CREATE TEMP TABLE "tied 2" AS
SELECT t.*,
  CASE WHEN t."key 1" IS NOT NULL THEN [optin_loose_id(t."key 1")] END AS "forms 1",
  CAST(t."filled 0" AND t."key 0" IS NULL AS INTEGER) AS unusable,
  (t."key 0" IS NOT NULL) AS has_key,
  (t."key 1" IS NOT NULL) AS has_record
FROM (SELECT s."row",
    s."ts from" AS starts,
    s."ts to" AS ends,
    k0.key AS "key 0",
    k0.denies AS "forms 0",
    optin_id(s."customer_no") AS "key 1",
    s."address" IS NOT NULL AS "filled 0"
  FROM "source consent_events" s
LEFT JOIN "keys of email" k0 ON k0.value = s."address" AND k0.region IS NOT DISTINCT FROM CAST(NULL AS VARCHAR)) t;
CREATE TEMP TABLE "said 2" AS
SELECT "row", purpose, granted
FROM (SELECT *, CASE WHEN word IN ('false', 'f', 'no', 'n', '0', 'denied', 'deny', 'disallow', 'opt-out', 'opt_out', 'opt out', 'opted_out', 'opted-out', 'unsubscribed', 'withdrawn', 'revoked', 'do not allow') THEN false WHEN word IN ('true', 't', 'yes', 'y', '1', 'granted', 'allow', 'allowed', 'opt-in', 'opted_in', 'subscribed') THEN true END AS granted FROM (
SELECT n."row", CASE WHEN optin_kelvin(n.named) THEN error('optin: the name of a purpose beyond ASCII, whose case SQL may change in another way') WHEN n.named = 'newsletter' THEN 'newsletter' WHEN n.named = 'product_update' THEN 'product_update' WHEN n.named = 'sms_offers' THEN 'sms_offers' END AS purpose, n.word
FROM (SELECT s."row", optin_word(s."purpose") AS named, optin_word(s."status") AS word FROM "source consent_events" s) n))
WHERE purpose IS NOT NULL AND granted IS NOT NULL;
SELECT CASE WHEN (SELECT count(*) FROM "said 2" d JOIN "tied 2" t ON t."row" = d."row" WHERE NOT d.granted AND NOT t.has_record AND (t.unusable > 0 OR NOT t.has_key)) = 0 THEN true ELSE error('optin: source consent_events: a denial can be matched to nobody') END AS guard;
-- consent table app (contoso.yaml:158)
CREATE TEMP TABLE "tied 3" AS
SELECT t.*,
  CASE WHEN t."key 1" IS NOT NULL THEN [optin_loose_id(t."key 1")] END AS "forms 1",
  CAST(t."filled 0" AND t."key 0" IS NULL AS INTEGER) AS unusable,
  (t."key 0" IS NOT NULL) AS has_key,
  (t."key 1" IS NOT NULL) AS has_record
FROM (SELECT s."row",
    CAST(NULL AS TIMESTAMP) AS starts,
    CAST(NULL AS TIMESTAMP) AS ends,
    k0.key AS "key 0",
    k0.denies AS "forms 0",
    optin_id(s."user_id") AS "key 1",
    s."mail" IS NOT NULL AS "filled 0"
  FROM "source app" s
LEFT JOIN "keys of email" k0 ON k0.value = s."mail" AND k0.region IS NOT DISTINCT FROM CAST(NULL AS VARCHAR)) t;
CREATE TEMP TABLE "said 3" AS
SELECT "row", purpose, granted
FROM (SELECT *, CASE WHEN word IN ('false', 'f', 'no', 'n', '0', 'denied', 'deny', 'disallow', 'opt-out', 'opt_out', 'opt out', 'opted_out', 'opted-out', 'unsubscribed', 'withdrawn', 'revoked', 'do not allow') THEN false WHEN word IN ('true', 't', 'yes', 'y', '1', 'granted', 'allow', 'allowed', 'opt-in', 'opted_in', 'subscribed') THEN true END AS granted FROM (
SELECT s."row", 'product_update' AS purpose, optin_word(CAST(s."product_updates" AS VARCHAR)) AS word FROM "source app" s))
WHERE purpose IS NOT NULL AND granted IS NOT NULL;
SELECT CASE WHEN (SELECT count(*) FROM "said 3" d JOIN "tied 3" t ON t."row" = d."row" WHERE NOT d.granted AND NOT t.has_record AND (t.unusable > 0 OR NOT t.has_key)) = 0 THEN true ELSE error('optin: source app: a denial can be matched to nobody') END AS guard;
-- a grant after the run's date is hidden; a denial never is
CREATE TEMP TABLE "decisions" AS
SELECT * FROM (
SELECT 0 AS set_number, d.purpose, d.granted, t.starts, CASE WHEN d.granted THEN t.starts ELSE t.ends END AS sorts, 'key email' AS subject, t."key 0" AS key, t."forms 0" AS forms
FROM "said 0" d JOIN "tied 0" t ON t."row" = d."row" WHERE t."key 0" IS NOT NULL
UNION ALL
SELECT 1 AS set_number, d.purpose, d.granted, t.starts, CASE WHEN d.granted THEN t.starts ELSE t.ends END AS sorts, 'key phone' AS subject, t."key 0" AS key, t."forms 0" AS forms
FROM "said 1" d JOIN "tied 1" t ON t."row" = d."row" WHERE t."key 0" IS NOT NULL
UNION ALL
SELECT 2 AS set_number, d.purpose, d.granted, t.starts, CASE WHEN d.granted THEN t.starts ELSE t.ends END AS sorts, 'key email' AS subject, t."key 0" AS key, t."forms 0" AS forms
FROM "said 2" d JOIN "tied 2" t ON t."row" = d."row" WHERE t."key 0" IS NOT NULL
UNION ALL
SELECT 2 AS set_number, d.purpose, d.granted, t.starts, CASE WHEN d.granted THEN t.starts ELSE t.ends END AS sorts, 'record shop' AS subject, t."key 1" AS key, t."forms 1" AS forms
FROM "said 2" d JOIN "tied 2" t ON t."row" = d."row" WHERE t."key 1" IS NOT NULL
UNION ALL
SELECT 3 AS set_number, d.purpose, d.granted, t.starts, CASE WHEN d.granted THEN t.starts ELSE t.ends END AS sorts, 'key email' AS subject, t."key 0" AS key, t."forms 0" AS forms
FROM "said 3" d JOIN "tied 3" t ON t."row" = d."row" WHERE t."key 0" IS NOT NULL
UNION ALL
SELECT 3 AS set_number, d.purpose, d.granted, t.starts, CASE WHEN d.granted THEN t.starts ELSE t.ends END AS sorts, 'record app' AS subject, t."key 1" AS key, t."forms 1" AS forms
FROM "said 3" d JOIN "tied 3" t ON t."row" = d."row" WHERE t."key 1" IS NOT NULL
UNION ALL
SELECT 0 AS set_number, '' AS purpose, false AS granted, CAST(NULL AS TIMESTAMP) AS starts, CAST(NULL AS TIMESTAMP) AS sorts, '' AS subject, '' AS key, CAST([''] AS VARCHAR[]) AS forms WHERE false
)
WHERE NOT coalesce(granted AND starts > getvariable('as_of'), false);

-- The fold: what the decisions on one point come to
-- -------------------------------------------------
-- a grant holds for the equal key alone, a denial for all whom one of its forms finds
CREATE TEMP TABLE "heard" AS
SELECT p.point, d.purpose, d.set_number, d.granted, d.starts, d.sorts
FROM decisions d JOIN points p ON p.subject = d.subject AND p.key = d.key
UNION ALL
SELECT f.point, d.purpose, d.set_number, d.granted, d.starts, d.sorts
FROM (SELECT *, unnest(forms) AS form FROM decisions WHERE NOT granted) d
JOIN point_forms f ON f.subject = d.subject AND f.form = d.form;
-- within a set: an undated denial denies; else the newest counts, at equal times the denial
CREATE TEMP TABLE "sets" AS
SELECT point, purpose, set_number, denies, NOT denies AND (newest_grant IS NOT NULL OR undated_grant) AS grants, newest_grant AS granted_at
FROM (SELECT *, undated_denial OR coalesce(newest_denial >= newest_grant, newest_denial IS NOT NULL) AS denies
  FROM (SELECT point, purpose, set_number,
      coalesce(bool_or(NOT granted AND sorts IS NULL), false) AS undated_denial,
      coalesce(bool_or(granted AND sorts IS NULL), false) AS undated_grant,
      max(sorts) FILTER (WHERE NOT granted) AS newest_denial,
      max(sorts) FILTER (WHERE granted) AS newest_grant
    FROM heard GROUP BY point, purpose, set_number));
-- across sets: any denial; else a grant that has not ended; else one that has
CREATE TEMP TABLE "folds" AS
SELECT point, purpose, CASE WHEN bool_or(denies) THEN 'denied' WHEN bool_or(grants AND NOT ended) THEN 'granted' WHEN bool_or(grants) THEN 'expired' ELSE 'unknown' END AS state
FROM (SELECT *, CASE purpose WHEN 'newsletter' THEN coalesce(optin_plus_months(granted_at, 24) <= getvariable('as_of'), true) ELSE false END AS ended FROM sets) GROUP BY point, purpose;

-- States: what holds for each customer and purpose
-- ------------------------------------------------
-- purpose newsletter (contoso.yaml:126)
-- purpose product_update (contoso.yaml:127)
-- purpose sms_offers (contoso.yaml:130)
CREATE TEMP TABLE "purposes" AS
SELECT * FROM (VALUES ('newsletter', 'key email', 0), ('product_update', 'key email', 1), ('sms_offers', 'key phone', 2)) p(purpose, via, number);
-- own: what is shown, and the cluster's records; others can only deny
CREATE TEMP TABLE "own_states" AS
SELECT c.cluster, f.purpose,
  bool_or(f.state = 'denied' AND (c.role IN ('record', 'left') OR (c.role = 'shown' AND c.subject = p.via) OR c.role = 'other')) AS denied,
  bool_or(f.state = 'granted' AND (c.role = 'record' OR (c.role = 'shown' AND c.subject = p.via))) AS granted,
  bool_or(f.state = 'expired' AND (c.role = 'record' OR (c.role = 'shown' AND c.subject = p.via))) AS expired
FROM cluster_points c JOIN folds f ON f.point = c.point JOIN purposes p ON p.purpose = f.purpose
GROUP BY c.cluster, f.purpose;
-- who shows a contact point that a denied one shows is denied too, in one step
CREATE TEMP TABLE "denied_points" AS
SELECT DISTINCT o.purpose, s.subject, s.key FROM own_states o JOIN purposes p ON p.purpose = o.purpose
JOIN shows s ON s.cluster = o.cluster AND s.subject = p.via WHERE o.denied;
CREATE TEMP TABLE "states" AS
SELECT r.cluster, p.purpose, CASE
  WHEN coalesce(o.denied, false) OR d.key IS NOT NULL THEN 'denied'
  WHEN s.key IS NULL AND coalesce(o.expired, false) AND NOT coalesce(o.granted, false) THEN 'expired'
  WHEN s.key IS NULL THEN 'no_contact_point'
  WHEN coalesce(o.granted, false) THEN 'granted'
  WHEN coalesce(o.expired, false) THEN 'expired'
  ELSE 'unknown' END AS state
FROM profiles r CROSS JOIN purposes p
LEFT JOIN own_states o ON o.cluster = r.cluster AND o.purpose = p.purpose
LEFT JOIN shows s ON s.cluster = r.cluster AND s.subject = p.via
LEFT JOIN denied_points d ON d.purpose = p.purpose AND d.subject = s.subject AND d.key = s.key;

-- Suppression: who is never contacted
-- -----------------------------------
-- list bounces (contoso.yaml:164)
CREATE TEMP TABLE "listed 0" AS
SELECT t.*,
  CAST(t."filled 0" AND t."key 0" IS NULL AS INTEGER) AS unusable,
  (t."key 0" IS NOT NULL) AS has_key,
  (false) AS has_record
FROM (SELECT s."row",
    k0.key AS "key 0",
    k0.denies AS "forms 0",
    s."address" IS NOT NULL AS "filled 0"
  FROM "source bounces" s
LEFT JOIN "keys of email" k0 ON k0.value = s."address" AND k0.region IS NOT DISTINCT FROM CAST(NULL AS VARCHAR)) t;
SELECT CASE WHEN (SELECT count(*) FROM "listed 0" WHERE NOT has_record AND (unusable > 0 OR NOT has_key)) = 0 THEN true ELSE error('optin: source bounces: an entry can be matched to nobody') END AS guard;
-- list do_not_contact (contoso.yaml:167)
CREATE TEMP TABLE "listed 1" AS
SELECT t.*,
  CAST(t."filled 0" AND t."key 0" IS NULL AS INTEGER) AS unusable,
  (t."key 0" IS NOT NULL) AS has_key,
  (false) AS has_record
FROM (SELECT s."row",
    k0.key AS "key 0",
    k0.denies AS "forms 0",
    s."Nummer" IS NOT NULL AS "filled 0"
  FROM "source do_not_contact" s
LEFT JOIN "keys of phone" k0 ON k0.value = s."Nummer" AND k0.region IS NOT DISTINCT FROM 'DE') t;
SELECT CASE WHEN (SELECT count(*) FROM "listed 1" WHERE NOT has_record AND (unusable > 0 OR NOT has_key)) = 0 THEN true ELSE error('optin: source do_not_contact: an entry can be matched to nobody') END AS guard;
CREATE TEMP TABLE "entries" AS
SELECT 0 AS list, 'key email' AS subject, "key 0" AS key, "forms 0" AS forms FROM "listed 0" WHERE "key 0" IS NOT NULL
UNION ALL
SELECT 1 AS list, 'key phone' AS subject, "key 0" AS key, "forms 0" AS forms FROM "listed 1" WHERE "key 0" IS NOT NULL
UNION ALL
SELECT 0 AS list, '' AS subject, '' AS key, CAST([''] AS VARCHAR[]) AS forms WHERE false;
-- a list hits a customer through any contact point or record of his, equal or looser
CREATE TEMP TABLE "hits" AS
SELECT DISTINCT e.list, c.cluster FROM (
  SELECT e.list, p.point FROM entries e JOIN points p ON p.subject = e.subject AND p.key = e.key
  UNION SELECT e.list, f.point FROM (SELECT *, unnest(forms) AS form FROM entries) e
    JOIN point_forms f ON f.subject = e.subject AND f.form = e.form) e
JOIN cluster_points c ON c.point = e.point;

-- What segments ask of each profile
-- ---------------------------------
-- for what goes out through: email
CREATE TEMP TABLE "suppressed email" AS
SELECT cluster FROM hits WHERE list IN (0, 1)
UNION SELECT s.cluster FROM hits h JOIN shows o ON o.cluster = h.cluster JOIN shows s ON s.subject = o.subject AND s.key = o.key
WHERE h.list IN (0, 1) AND s.subject IN ('key email');
-- for what goes out through: phone
CREATE TEMP TABLE "suppressed phone" AS
SELECT cluster FROM hits WHERE list IN (1)
UNION SELECT s.cluster FROM hits h JOIN shows o ON o.cluster = h.cluster JOIN shows s ON s.subject = o.subject AND s.key = o.key
WHERE h.list IN (1) AND s.subject IN ('key phone');
CREATE TEMP TABLE "judged" AS
SELECT q.*,
  q."state newsletter" IN ('granted') AND NOT q."suppressed email" AS "passes newsletter",
  q."state product_update" IN ('granted') AND NOT q."suppressed email" AS "passes product_update",
  q."state sms_offers" IN ('granted') AND NOT q."suppressed phone" AS "passes sms_offers"
FROM (SELECT p.*,
    x0.cluster IS NOT NULL AS "suppressed email",
    x1.cluster IS NOT NULL AS "suppressed phone",
    s0.state AS "state newsletter",
    s1.state AS "state product_update",
    s2.state AS "state sms_offers"
  FROM profiles p
  LEFT JOIN "suppressed email" x0 ON x0.cluster = p.cluster
  LEFT JOIN "suppressed phone" x1 ON x1.cluster = p.cluster
  JOIN states s0 ON s0.cluster = p.cluster AND s0.purpose = 'newsletter'
  JOIN states s1 ON s1.cluster = p.cluster AND s1.purpose = 'product_update'
  JOIN states s2 ON s2.cluster = p.cluster AND s2.purpose = 'sms_offers') q;

-- Segments: the first verdict that applies
-- ----------------------------------------
-- segment newsletter_dach (contoso.yaml:172)
-- where: upper(country) IN ('DE', 'AT') AND (revenue >= 100 OR points >= 500)
CREATE TEMP TABLE "segment newsletter_dach" AS
SELECT cluster, CASE WHEN gate IS NOT NULL THEN gate WHEN NOT rule THEN 'rule_false' WHEN rule IS NULL THEN 'rule_unknown' WHEN NOT belongs THEN 'set_operation' ELSE 'in_segment' END AS verdict
FROM (SELECT g.cluster, g.gate, g.belongs, CASE WHEN g.gate IS NULL THEN ((upper(optin_plain(j."field country")) IN ('DE', 'AT')) AND ((CASE WHEN abs(j."field revenue") > 9999999999999 THEN error('optin: a rule computes with a decimal of more than 15 digits') ELSE CAST(j."field revenue" AS DOUBLE) END >= CAST('100.0' AS DOUBLE)) OR (j."field points" >= CAST('500' AS BIGINT)))) END AS rule
  FROM (SELECT j.cluster, CASE WHEN j."suppressed email" THEN 'suppressed' WHEN j."state newsletter" = 'denied' THEN 'denied' WHEN j."state newsletter" = 'expired' THEN 'expired' WHEN j."state newsletter" = 'unknown' THEN 'unknown' WHEN j."state newsletter" = 'no_contact_point' THEN 'no_contact_point' END AS gate, true AS belongs FROM judged j) g
  JOIN judged j ON j.cluster = g.cluster);
-- segment winback (contoso.yaml:178)
-- where: last_order < DATE '2026-05-24' AND last_order >= DATE '2023-01-01'
CREATE TEMP TABLE "segment winback" AS
SELECT cluster, CASE WHEN gate IS NOT NULL THEN gate WHEN NOT rule THEN 'rule_false' WHEN rule IS NULL THEN 'rule_unknown' WHEN NOT belongs THEN 'set_operation' ELSE 'in_segment' END AS verdict
FROM (SELECT g.cluster, g.gate, g.belongs, CASE WHEN g.gate IS NULL THEN ((j."field last_order" < CAST(optin_instant(1779580800000000) AS DATE)) AND (j."field last_order" >= CAST(optin_instant(1672531200000000) AS DATE))) END AS rule
  FROM (SELECT j.cluster, CASE WHEN j."suppressed email" THEN 'suppressed' WHEN j."state newsletter" = 'denied' THEN 'denied' WHEN j."state newsletter" = 'expired' THEN 'expired' WHEN j."state newsletter" = 'unknown' THEN 'unknown' WHEN j."state newsletter" = 'no_contact_point' THEN 'no_contact_point' END AS gate, NOT m0.verdict = 'in_segment' AS belongs FROM judged j
  JOIN "segment newsletter_dach" m0 ON m0.cluster = j.cluster) g
  JOIN judged j ON j.cluster = g.cluster);
-- segment product_fans (contoso.yaml:185)
-- where: tier IN ('gold', 'platinum') AND consent.newsletter = FALSE
CREATE TEMP TABLE "segment product_fans" AS
SELECT cluster, CASE WHEN gate IS NOT NULL THEN gate WHEN NOT rule THEN 'rule_false' WHEN rule IS NULL THEN 'rule_unknown' WHEN NOT belongs THEN 'set_operation' ELSE 'in_segment' END AS verdict
FROM (SELECT g.cluster, g.gate, g.belongs, CASE WHEN g.gate IS NULL THEN ((j."field tier" IN ('gold', 'platinum')) AND (j."passes newsletter" = false)) END AS rule
  FROM (SELECT j.cluster, CASE WHEN j."suppressed email" THEN 'suppressed' WHEN j."state product_update" = 'denied' THEN 'denied' WHEN j."state product_update" = 'expired' THEN 'expired' WHEN j."state product_update" = 'unknown' THEN 'unknown' WHEN j."state product_update" = 'no_contact_point' THEN 'no_contact_point' END AS gate, true AS belongs FROM judged j) g
  JOIN judged j ON j.cluster = g.cluster);
-- segment sms_munich (contoso.yaml:189)
-- where: postal_code LIKE '80___' OR postal_code LIKE '81___'
CREATE TEMP TABLE "segment sms_munich" AS
SELECT cluster, CASE WHEN gate IS NOT NULL THEN gate WHEN NOT rule THEN 'rule_false' WHEN rule IS NULL THEN 'rule_unknown' WHEN NOT belongs THEN 'set_operation' ELSE 'in_segment' END AS verdict
FROM (SELECT g.cluster, g.gate, g.belongs, CASE WHEN g.gate IS NULL THEN ((j."field postal_code" LIKE '80___' ESCAPE '\') OR (j."field postal_code" LIKE '81___' ESCAPE '\')) END AS rule
  FROM (SELECT j.cluster, CASE WHEN j."suppressed phone" THEN 'suppressed' WHEN j."state sms_offers" = 'denied' THEN 'denied' WHEN j."state sms_offers" = 'expired' THEN 'expired' WHEN j."state sms_offers" = 'unknown' THEN 'unknown' WHEN j."state sms_offers" = 'no_contact_point' THEN 'no_contact_point' END AS gate, true AS belongs FROM judged j) g
  JOIN judged j ON j.cluster = g.cluster);
-- segment launch (contoso.yaml:195)
CREATE TEMP TABLE "segment launch" AS
SELECT cluster, CASE WHEN gate IS NOT NULL THEN gate WHEN NOT rule THEN 'rule_false' WHEN rule IS NULL THEN 'rule_unknown' WHEN NOT belongs THEN 'set_operation' ELSE 'in_segment' END AS verdict
FROM (SELECT g.cluster, g.gate, g.belongs, CASE WHEN g.gate IS NULL THEN true END AS rule
  FROM (SELECT j.cluster, CASE WHEN j."suppressed email" THEN 'suppressed' WHEN j."state product_update" = 'denied' THEN 'denied' WHEN j."state product_update" = 'expired' THEN 'expired' WHEN j."state product_update" = 'unknown' THEN 'unknown' WHEN j."state product_update" = 'no_contact_point' THEN 'no_contact_point' END AS gate, (m0.verdict = 'in_segment' OR m2.verdict = 'in_segment') AS belongs FROM judged j
  JOIN "segment newsletter_dach" m0 ON m0.cluster = j.cluster
  JOIN "segment product_fans" m2 ON m2.cluster = j.cluster) g
  JOIN judged j ON j.cluster = g.cluster);
-- segment service_notice (contoso.yaml:200)
-- where: tier IS NOT NULL AND email IS NOT NULL
CREATE TEMP TABLE "segment service_notice" AS
SELECT cluster, CASE WHEN gate IS NOT NULL THEN gate WHEN NOT rule THEN 'rule_false' WHEN rule IS NULL THEN 'rule_unknown' WHEN NOT belongs THEN 'set_operation' ELSE 'in_segment' END AS verdict
FROM (SELECT g.cluster, g.gate, g.belongs, CASE WHEN g.gate IS NULL THEN ((NOT (j."field tier" IS NULL)) AND (NOT (j."field email" IS NULL))) END AS rule
  FROM (SELECT j.cluster, CASE WHEN j."suppressed email" THEN 'suppressed' END AS gate, true AS belongs FROM judged j) g
  JOIN judged j ON j.cluster = g.cluster);

-- Internal table: profiles
-- ------------------------
COPY (
SELECT j.customer_id AS "customer_id", j."field email" AS "email", j."field phone" AS "phone", j."field first_name" AS "first_name", j."field last_name" AS "last_name", j."field birth_date" AS "birth_date", j."field street" AS "street", j."field postal_code" AS "postal_code", j."field city" AS "city", j."field country" AS "country", j."field card_no" AS "card_no", j."field revenue" AS "revenue", j."field last_order" AS "last_order", j."field updated_at" AS "updated_at", j."field tier" AS "tier", j."field points" AS "points", j."field member_since" AS "member_since", j."field last_seen" AS "last_seen", j."state newsletter" AS "consent_newsletter", j."state product_update" AS "consent_product_update", j."state sms_offers" AS "consent_sms_offers"
FROM judged j ORDER BY j.position
) TO 'pipelines/../out/contoso/profiles.parquet' (FORMAT parquet, COMPRESSION zstd);
-- left out: the internal table identity (contoso.yaml:208)
-- left out: the internal table quarantine (contoso.yaml:209)

-- Internal table: segments
-- ------------------------
COPY (
SELECT j.customer_id, v0.verdict AS "newsletter_dach", v1.verdict AS "winback", v2.verdict AS "product_fans", v3.verdict AS "sms_munich", v4.verdict AS "launch", v5.verdict AS "service_notice"
FROM judged j
JOIN "segment newsletter_dach" v0 ON v0.cluster = j.cluster
JOIN "segment winback" v1 ON v1.cluster = j.cluster
JOIN "segment product_fans" v2 ON v2.cluster = j.cluster
JOIN "segment sms_munich" v3 ON v3.cluster = j.cluster
JOIN "segment launch" v4 ON v4.cluster = j.cluster
JOIN "segment service_notice" v5 ON v5.cluster = j.cluster ORDER BY j.position
) TO 'pipelines/../out/contoso/segments.csv' (FORMAT csv, HEADER true, DELIMITER ',');

-- Exports
-- -------
-- export of newsletter_dach (contoso.yaml:214)
-- of those who show one contact point the first
CREATE TEMP TABLE "leaving 0" AS
SELECT * FROM (SELECT j.*, row_number() OVER (PARTITION BY j."key email" ORDER BY j.position) AS turn
FROM (SELECT j.* FROM judged j JOIN "segment newsletter_dach" v ON v.cluster = j.cluster WHERE v.verdict = 'in_segment') j) j
WHERE j."key email" IS NULL OR j.turn = 1;
COPY (
SELECT j.customer_id AS "customer_id", optin_formula(j."field email", false, true) AS "email", optin_formula(j."field first_name", false, false) AS "first_name", optin_formula(j."field last_name", false, false) AS "last_name", optin_formula(j."field country", false, false) AS "country" FROM "leaving 0" j ORDER BY j.position
) TO 'pipelines/../out/contoso/newsletter_dach.csv' (FORMAT csv, HEADER true, DELIMITER ',');
-- export of winback (contoso.yaml:217)
-- of those who show one contact point the first
CREATE TEMP TABLE "leaving 1" AS
SELECT * FROM (SELECT j.*, row_number() OVER (PARTITION BY j."key email" ORDER BY j.position) AS turn
FROM (SELECT j.* FROM judged j JOIN "segment winback" v ON v.cluster = j.cluster WHERE v.verdict = 'in_segment') j) j
WHERE j."key email" IS NULL OR j.turn = 1;
COPY (
SELECT j.customer_id AS "customer_id", j."field email" AS "email", j."field first_name" AS "first_name", CAST(j."field last_order" AS VARCHAR) AS "last_order", CAST(j."field revenue" AS VARCHAR) AS "revenue" FROM "leaving 1" j ORDER BY j.position
) TO 'pipelines/../out/contoso/winback.ndjson' (FORMAT json);
-- export of product_fans (contoso.yaml:220)
-- of those who show one contact point the first
CREATE TEMP TABLE "leaving 2" AS
SELECT * FROM (SELECT j.*, row_number() OVER (PARTITION BY j."key email" ORDER BY j.position) AS turn
FROM (SELECT j.* FROM judged j JOIN "segment product_fans" v ON v.cluster = j.cluster WHERE v.verdict = 'in_segment') j) j
WHERE j."key email" IS NULL OR j.turn = 1;
COPY (
SELECT j.customer_id AS "customer_id", j."field email" AS "email", j."field first_name" AS "first_name", j."field tier" AS "tier", j."field points" AS "points", j."state newsletter" AS "consent_newsletter" FROM "leaving 2" j ORDER BY j.position
) TO 'pipelines/../out/contoso/product_fans.parquet' (FORMAT parquet, COMPRESSION zstd);
-- export of sms_munich (contoso.yaml:223)
-- of those who show one contact point the first
CREATE TEMP TABLE "leaving 3" AS
SELECT * FROM (SELECT j.*, row_number() OVER (PARTITION BY j."key phone" ORDER BY j.position) AS turn
FROM (SELECT j.* FROM judged j JOIN "segment sms_munich" v ON v.cluster = j.cluster WHERE v.verdict = 'in_segment') j) j
WHERE j."key phone" IS NULL OR j.turn = 1;
COPY (
SELECT j.customer_id AS "customer_id", optin_formula(j."field phone", true, false) AS "phone", optin_formula(j."field first_name", false, false) AS "first_name" FROM "leaving 3" j ORDER BY j.position
) TO 'pipelines/../out/contoso/sms_munich.csv' (FORMAT csv, HEADER true, DELIMITER ',');
-- export of launch (contoso.yaml:226)
-- of those who show one contact point the first
CREATE TEMP TABLE "leaving 4" AS
SELECT * FROM (SELECT j.*, row_number() OVER (PARTITION BY j."key email" ORDER BY j.position) AS turn
FROM (SELECT j.* FROM judged j JOIN "segment launch" v ON v.cluster = j.cluster WHERE v.verdict = 'in_segment') j) j
WHERE j."key email" IS NULL OR j.turn = 1;
COPY (
SELECT j.customer_id AS "customer_id", optin_formula(j."field email", false, true) AS "email", optin_formula(j."field first_name", false, false) AS "first_name" FROM "leaving 4" j ORDER BY j.position
) TO 'pipelines/../out/contoso/launch.csv' (FORMAT csv, HEADER true, DELIMITER ',');
-- export of service_notice (contoso.yaml:229)
-- of those who show one contact point the first
CREATE TEMP TABLE "leaving 5" AS
SELECT * FROM (SELECT j.*, row_number() OVER (PARTITION BY j."key email" ORDER BY j.position) AS turn
FROM (SELECT j.* FROM judged j JOIN "segment service_notice" v ON v.cluster = j.cluster WHERE v.verdict = 'in_segment') j) j
WHERE j."key email" IS NULL OR j.turn = 1;
COPY (
SELECT j.customer_id AS "customer_id", optin_formula(j."field email", false, true) AS "email", optin_formula(j."field first_name", false, false) AS "first_name", optin_formula(j."field last_name", false, false) AS "last_name", optin_formula(j."field tier", false, false) AS "tier", j."field points" AS "points" FROM "leaving 5" j ORDER BY j.position
) TO 'pipelines/../out/contoso/service_notice.csv' (FORMAT csv, HEADER true, DELIMITER ',');

COMMIT;
