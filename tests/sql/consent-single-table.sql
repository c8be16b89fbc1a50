-- consent-single-table as SQL for DuckDB 2.0, made by optin 0.1.0 of consent-single-table.yaml.
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
-- a text that a spreadsheet would run gets an apostrophe; phones and plain mails in their columns do not
CREATE TEMP MACRO optin_formula(v, phone, mail) AS CASE WHEN left(v, 1) IN ('=', '+', '-', '@', chr(9), chr(13)) AND NOT (phone AND regexp_full_match(v, '\+[0-9 ().\-/]*[0-9][0-9 ().\-/]*')) AND NOT (mail AND regexp_full_match(v, '[A-Za-z0-9._+-]+@[A-Za-z0-9._-]*')) THEN '''' || v ELSE v END;
-- what customers have their ids of: the first table, and the first id in it
CREATE TEMP MACRO optin_anchor(t, i) AS {'tab': t, 'id': i};
-- an id as a denial reads it: 007 and 7.0 are 7
CREATE TEMP MACRO optin_loose_id(v) AS optin_loose_number(regexp_replace(v, '^[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{200b}-\x{200f}\x{feff}]+|[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{200b}-\x{200f}\x{feff}]+$', '', 'g'));
-- a word of a consent table or the name of a purpose: without blanks at its ends; of ASCII without case
CREATE TEMP MACRO optin_word(v) AS optin_caseless(regexp_replace(v, '^[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{ad}\x{200b}-\x{200f}\x{2060}\x{feff}]+|[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{ad}\x{200b}-\x{200f}\x{2060}\x{feff}]+$', '', 'g'));

-- The date as of which consent is judged
-- --------------------------------------
SET VARIABLE as_of = CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP);

-- Sources: every column in use, of its declared type
-- --------------------------------------------------
-- source customers (consent-single-table.yaml:14)
CREATE TEMP TABLE "source customers" AS
SELECT row_number() OVER () AS "row",
  r."CustomerId" AS "CustomerId",
  r."FirstName" AS "FirstName",
  r."LastName" AS "LastName",
  r."Email" AS "Email",
  r."City" AS "City"
FROM (SELECT nullif("CustomerId", '') AS "CustomerId", nullif("FirstName", '') AS "FirstName", nullif("LastName", '') AS "LastName", nullif("Email", '') AS "Email", nullif("City", '') AS "City"
  FROM read_csv(['pipelines/../data/consent-examples/customers.csv'], auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
    nullstr = chr(1), compression = 'none', strict_mode = true, parallel = false, max_line_size = 100000000,
    columns = {'CustomerId': 'VARCHAR', 'FirstName': 'VARCHAR', 'LastName': 'VARCHAR', 'Email': 'VARCHAR', 'City': 'VARCHAR'})) r;
-- source consent (consent-single-table.yaml:16)
CREATE TEMP TABLE "source consent" AS
SELECT row_number() OVER () AS "row",
  r."Email" AS "Email",
  r."Newsletter consent" AS "Newsletter consent",
  r."Product update consent" AS "Product update consent"
FROM (SELECT nullif("Consent Id", '') AS "Consent Id", nullif("Email", '') AS "Email", nullif("Newsletter consent", '') AS "Newsletter consent", nullif("Product update consent", '') AS "Product update consent"
  FROM read_csv(['pipelines/../data/consent-examples/consent.csv'], auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
    nullstr = chr(1), compression = 'none', strict_mode = true, parallel = false, max_line_size = 100000000,
    columns = {'Consent Id': 'VARCHAR', 'Email': 'VARCHAR', 'Newsletter consent': 'VARCHAR', 'Product update consent': 'VARCHAR'})) r;
SELECT CASE WHEN (SELECT count(*) FROM "source consent") > 0 THEN true ELSE error('optin: source consent holds no records, and consent depends on it') END AS guard;

-- Values: the rows of the customer tables
-- ---------------------------------------
CREATE TEMP TABLE "values" AS
SELECT row_number() OVER () AS record, v.* FROM (
-- customers (consent-single-table.yaml:24)
SELECT 0 AS "table", optin_id(s."CustomerId") AS id, s."Email" AS "field email", s."FirstName" AS "field first_name", s."LastName" AS "field last_name", s."City" AS "field city"
FROM "source customers" s
) v;

-- Keys: how values are compared
-- -----------------------------
-- email (consent-single-table.yaml:21)
CREATE TEMP TABLE "keys of email" AS
WITH given AS (SELECT DISTINCT value, region FROM (
    SELECT v."field email" AS value, CAST(NULL AS VARCHAR) AS region FROM "values" v
    UNION ALL SELECT s."Email", CAST(NULL AS VARCHAR) FROM "source consent" s) WHERE value IS NOT NULL),
stripped AS (SELECT *, optin_trim(value) AS t FROM given),
unnamed AS (SELECT value, region, optin_mail_inside(t) AS t FROM stripped),
bare AS (SELECT value, region, optin_mail_scheme(t) AS t FROM unnamed),
seen AS (SELECT value, region, optin_mail_odd(value, t) AS odd, lower(regexp_replace(t, '\.$', '')) AS t FROM bare),
checked AS (SELECT value, region, odd, optin_mail(t) AS t FROM seen),
keyed AS (SELECT value, region, CASE WHEN odd THEN error('optin: field email: a value whose key SQL cannot make; compile with key tables, made of these sources') ELSE t END AS key FROM checked),
looser AS (SELECT *, optin_gmail(optin_untagged(key)) AS loose FROM (SELECT *, true AS links, CAST(NULL AS VARCHAR[]) AS made_denies, CAST(NULL AS VARCHAR[]) AS made_found, false AS is_made FROM keyed))
SELECT value, region, key,
  CASE WHEN links THEN key END AS link,
  CASE WHEN key IS NULL THEN NULL WHEN is_made THEN made_denies ELSE [loose] END AS denies,
  CASE WHEN key IS NULL THEN NULL WHEN is_made THEN made_found ELSE [loose] END AS found
FROM looser;

-- Records: the values and their keys
-- ----------------------------------
CREATE TEMP TABLE "records" AS
SELECT v.*,
  -- email (consent-single-table.yaml:21)
  k0.key AS "key email",
  k0.link AS "link email",
  k0.found AS "found email",
  -- first_name (consent-single-table.yaml:28)
  nullif(optin_trim(v."field first_name"), '') AS "key first_name",
  -- last_name (consent-single-table.yaml:29)
  nullif(optin_trim(v."field last_name"), '') AS "key last_name",
  -- city (consent-single-table.yaml:30)
  nullif(optin_trim(v."field city"), '') AS "key city"
FROM "values" v
LEFT JOIN "keys of email" k0 ON k0.value = v."field email" AND k0.region IS NOT DISTINCT FROM CAST(NULL AS VARCHAR);

-- Links: who agrees with whom
-- ---------------------------
CREATE TEMP TABLE "agreements" AS
WITH all_agreements AS MATERIALIZED (
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
-- the order of records, best first, by each policy (consent-single-table.yaml:1)
-- gives: of the rows of one id the best alone gives values
CREATE TEMP TABLE "ranked" AS
SELECT m.cluster, r.*,
  row_number() OVER (PARTITION BY m.cluster ORDER BY CAST(r."key email" IS NOT NULL AS INTEGER) + CAST(r."key first_name" IS NOT NULL AS INTEGER) + CAST(r."key last_name" IS NOT NULL AS INTEGER) + CAST(r."key city" IS NOT NULL AS INTEGER) DESC, r."table", r.id DESC, CASE WHEN r."key email" IS NOT NULL THEN r."field email" END ASC NULLS LAST, CASE WHEN r."key first_name" IS NOT NULL THEN r."field first_name" END ASC NULLS LAST, CASE WHEN r."key last_name" IS NOT NULL THEN r."field last_name" END ASC NULLS LAST, CASE WHEN r."key city" IS NOT NULL THEN r."field city" END ASC NULLS LAST) AS "rank 0",
  row_number() OVER (PARTITION BY m.cluster, r."table", r.id ORDER BY CAST(r."key email" IS NOT NULL AS INTEGER) + CAST(r."key first_name" IS NOT NULL AS INTEGER) + CAST(r."key last_name" IS NOT NULL AS INTEGER) + CAST(r."key city" IS NOT NULL AS INTEGER) DESC, r."table", r.id DESC, CASE WHEN r."key email" IS NOT NULL THEN r."field email" END ASC NULLS LAST, CASE WHEN r."key first_name" IS NOT NULL THEN r."field first_name" END ASC NULLS LAST, CASE WHEN r."key last_name" IS NOT NULL THEN r."field last_name" END ASC NULLS LAST, CASE WHEN r."key city" IS NOT NULL THEN r."field city" END ASC NULLS LAST) = 1 AS gives
FROM reached m JOIN records r ON r.record = m.record WHERE NOT m.shadow;
CREATE TEMP TABLE "shown" AS
SELECT k.cluster,
  min(optin_anchor(k."table", k.id)) AS anchor,
  list_extract(arg_min([CASE WHEN k."key email" IS NOT NULL THEN k."field email" END], k."rank 0") FILTER (WHERE k.gives AND (k."key email" IS NOT NULL)), 1) AS "field email",
  list_extract(arg_min([CASE WHEN k."key email" IS NOT NULL THEN k."key email" END], k."rank 0") FILTER (WHERE k.gives AND (k."key email" IS NOT NULL)), 1) AS "key email",
  list_extract(arg_min([CASE WHEN k."key email" IS NOT NULL THEN k.record END], k."rank 0") FILTER (WHERE k.gives AND (k."key email" IS NOT NULL)), 1) AS "from email",
  list_extract(arg_min([CASE WHEN k."key first_name" IS NOT NULL THEN k."field first_name" END], k."rank 0") FILTER (WHERE k.gives AND (k."key first_name" IS NOT NULL)), 1) AS "field first_name",
  list_extract(arg_min([CASE WHEN k."key last_name" IS NOT NULL THEN k."field last_name" END], k."rank 0") FILTER (WHERE k.gives AND (k."key last_name" IS NOT NULL)), 1) AS "field last_name",
  list_extract(arg_min([CASE WHEN k."key city" IS NOT NULL THEN k."field city" END], k."rank 0") FILTER (WHERE k.gives AND (k."key city" IS NOT NULL)), 1) AS "field city"
FROM ranked k GROUP BY k.cluster;

-- Profiles: the customers that are not set aside, with their ids
-- --------------------------------------------------------------
-- customer_id: the first 128 bits of SHA-256 over namespace, the byte 0x1F and id of the first record
CREATE TEMP TABLE "profiles" AS
SELECT row_number() OVER (ORDER BY anchor_table, customer_id) AS position, q.*
FROM (SELECT s.anchor.tab AS anchor_table, left(sha256(CASE s.anchor.tab WHEN 0 THEN 'customers' END || chr(31) || s.anchor.id), 32) AS customer_id, s.*
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
SELECT record, 'record customers', id, [optin_loose_id(id)] FROM records WHERE id IS NOT NULL AND "table" = 0
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
);
-- what is set aside shows all its contact points, a profile those that survive
CREATE TEMP TABLE "shows" AS
SELECT DISTINCT c.cluster, c.subject, c.key FROM cluster_points c JOIN fates f ON f.cluster = c.cluster
WHERE c.role = 'shown' OR (f.aside AND c.role = 'other');

-- Decisions
-- ---------
-- consent table consent (consent-single-table.yaml:39)
CREATE TEMP TABLE "tied 0" AS
SELECT t.*,
  CAST(t."filled 0" AND t."key 0" IS NULL AS INTEGER) AS unusable,
  (t."key 0" IS NOT NULL) AS has_key,
  (false) AS has_record
FROM (SELECT s."row",
    CAST(NULL AS TIMESTAMP) AS starts,
    CAST(NULL AS TIMESTAMP) AS ends,
    k0.key AS "key 0",
    k0.denies AS "forms 0",
    s."Email" IS NOT NULL AS "filled 0"
  FROM "source consent" s
LEFT JOIN "keys of email" k0 ON k0.value = s."Email" AND k0.region IS NOT DISTINCT FROM CAST(NULL AS VARCHAR)) t;
CREATE TEMP TABLE "said 0" AS
SELECT "row", purpose, granted
FROM (SELECT *, CASE WHEN word IN ('false', 'f', 'no', 'n', '0', 'denied', 'deny', 'disallow', 'opt-out', 'opt_out', 'opt out', 'opted_out', 'opted-out', 'unsubscribed', 'withdrawn', 'revoked', 'do not allow') THEN false WHEN word IN ('true', 't', 'yes', 'y', '1', 'granted', 'allow', 'allowed', 'opt-in', 'opted_in', 'subscribed') THEN true END AS granted FROM (
SELECT s."row", 'newsletter' AS purpose, optin_word(s."Newsletter consent") AS word FROM "source consent" s
UNION ALL
SELECT s."row", 'product_update' AS purpose, optin_word(s."Product update consent") AS word FROM "source consent" s))
WHERE purpose IS NOT NULL AND granted IS NOT NULL;
SELECT CASE WHEN (SELECT count(*) FROM "said 0" d JOIN "tied 0" t ON t."row" = d."row" WHERE NOT d.granted AND NOT t.has_record AND (t.unusable > 0 OR NOT t.has_key)) = 0 THEN true ELSE error('optin: source consent: a denial can be matched to nobody') END AS guard;
-- a grant after the run's date is hidden; a denial never is
CREATE TEMP TABLE "decisions" AS
SELECT * FROM (
SELECT 0 AS set_number, d.purpose, d.granted, t.starts, CASE WHEN d.granted THEN t.starts ELSE t.ends END AS sorts, 'key email' AS subject, t."key 0" AS key, t."forms 0" AS forms
FROM "said 0" d JOIN "tied 0" t ON t."row" = d."row" WHERE t."key 0" IS NOT NULL
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
FROM (SELECT *, false AS ended FROM sets) GROUP BY point, purpose;

-- States: what holds for each customer and purpose
-- ------------------------------------------------
-- purpose newsletter (consent-single-table.yaml:36)
-- purpose product_update (consent-single-table.yaml:37)
CREATE TEMP TABLE "purposes" AS
SELECT * FROM (VALUES ('newsletter', 'key email', 0), ('product_update', 'key email', 1)) p(purpose, via, number);
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
CREATE TEMP TABLE "entries" AS
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
SELECT cluster FROM hits WHERE list IN (-1)
UNION SELECT s.cluster FROM hits h JOIN shows o ON o.cluster = h.cluster JOIN shows s ON s.subject = o.subject AND s.key = o.key
WHERE h.list IN (-1) AND s.subject IN ('key email');
CREATE TEMP TABLE "judged" AS
SELECT q.*,
  q."state newsletter" IN ('granted') AND NOT q."suppressed email" AS "passes newsletter",
  q."state product_update" IN ('granted') AND NOT q."suppressed email" AS "passes product_update"
FROM (SELECT p.*,
    x0.cluster IS NOT NULL AS "suppressed email",
    s0.state AS "state newsletter",
    s1.state AS "state product_update"
  FROM profiles p
  LEFT JOIN "suppressed email" x0 ON x0.cluster = p.cluster
  JOIN states s0 ON s0.cluster = p.cluster AND s0.purpose = 'newsletter'
  JOIN states s1 ON s1.cluster = p.cluster AND s1.purpose = 'product_update') q;

-- Segments: the first verdict that applies
-- ----------------------------------------
-- segment newsletter (consent-single-table.yaml:48)
CREATE TEMP TABLE "segment newsletter" AS
SELECT cluster, CASE WHEN gate IS NOT NULL THEN gate WHEN NOT rule THEN 'rule_false' WHEN rule IS NULL THEN 'rule_unknown' WHEN NOT belongs THEN 'set_operation' ELSE 'in_segment' END AS verdict
FROM (SELECT g.cluster, g.gate, g.belongs, CASE WHEN g.gate IS NULL THEN true END AS rule
  FROM (SELECT j.cluster, CASE WHEN j."suppressed email" THEN 'suppressed' WHEN j."state newsletter" = 'denied' THEN 'denied' WHEN j."state newsletter" = 'expired' THEN 'expired' WHEN j."state newsletter" = 'unknown' THEN 'unknown' WHEN j."state newsletter" = 'no_contact_point' THEN 'no_contact_point' END AS gate, true AS belongs FROM judged j) g
  JOIN judged j ON j.cluster = g.cluster);
-- segment product_update (consent-single-table.yaml:50)
CREATE TEMP TABLE "segment product_update" AS
SELECT cluster, CASE WHEN gate IS NOT NULL THEN gate WHEN NOT rule THEN 'rule_false' WHEN rule IS NULL THEN 'rule_unknown' WHEN NOT belongs THEN 'set_operation' ELSE 'in_segment' END AS verdict
FROM (SELECT g.cluster, g.gate, g.belongs, CASE WHEN g.gate IS NULL THEN true END AS rule
  FROM (SELECT j.cluster, CASE WHEN j."suppressed email" THEN 'suppressed' WHEN j."state product_update" = 'denied' THEN 'denied' WHEN j."state product_update" = 'expired' THEN 'expired' WHEN j."state product_update" = 'unknown' THEN 'unknown' WHEN j."state product_update" = 'no_contact_point' THEN 'no_contact_point' END AS gate, true AS belongs FROM judged j) g
  JOIN judged j ON j.cluster = g.cluster);

-- Exports
-- -------
-- export of newsletter (consent-single-table.yaml:54)
-- of those who show one contact point the first
CREATE TEMP TABLE "leaving 0" AS
SELECT * FROM (SELECT j.*, row_number() OVER (PARTITION BY j."key email" ORDER BY j.position) AS turn
FROM (SELECT j.* FROM judged j JOIN "segment newsletter" v ON v.cluster = j.cluster WHERE v.verdict = 'in_segment') j) j
WHERE j."key email" IS NULL OR j.turn = 1;
COPY (
SELECT j.customer_id AS "customer_id", optin_formula(j."field email", false, true) AS "email", optin_formula(j."field first_name", false, false) AS "first_name" FROM "leaving 0" j ORDER BY j.position
) TO 'pipelines/../out/consent-single-table/newsletter.csv' (FORMAT csv, HEADER true, DELIMITER ',');
-- export of product_update (consent-single-table.yaml:57)
-- of those who show one contact point the first
CREATE TEMP TABLE "leaving 1" AS
SELECT * FROM (SELECT j.*, row_number() OVER (PARTITION BY j."key email" ORDER BY j.position) AS turn
FROM (SELECT j.* FROM judged j JOIN "segment product_update" v ON v.cluster = j.cluster WHERE v.verdict = 'in_segment') j) j
WHERE j."key email" IS NULL OR j.turn = 1;
COPY (
SELECT j.customer_id AS "customer_id", optin_formula(j."field email", false, true) AS "email", optin_formula(j."field first_name", false, false) AS "first_name" FROM "leaving 1" j ORDER BY j.position
) TO 'pipelines/../out/consent-single-table/product_update.csv' (FORMAT csv, HEADER true, DELIMITER ',');

COMMIT;
