//! Records, and which of them are one customer.

use super::dialect::Dialect;
use super::job::{Job, sql_type, text_of};
use super::keys;
use super::places::at;
use super::script::{Rounds, Step};
use super::text::{guard, literal, name};
use crate::plan::{FieldId, LinkRule, Match, Pairs, Type};

impl Job<'_> {
    /// True where keys of the field are compared, or tell whether its values are usable.
    pub fn is_compared(&self, field: FieldId) -> bool {
        let by_type = matches!(self.plan.fields[field.0].ty, Type::Text | Type::Int);
        by_type || self.is_key(field)
    }

    /// True where keys of the field link, or decisions and suppressions stand on them.
    pub fn is_key(&self, field: FieldId) -> bool {
        let identity = &self.plan.identity;
        let rules = identity.rules.iter().flat_map(LinkRule::fields);
        let mut fields = rules.chain(identity.unless_different.iter().copied());
        fields.any(|of| of == field) || self.is_contact_key(field)
    }

    /// True where decisions or suppressions stand on keys of the field, or people are contacted
    /// through it.
    pub fn is_contact_key(&self, field: FieldId) -> bool {
        let consent = &self.plan.consent;
        let tables = consent.tables.iter().flat_map(|table| &table.matches);
        let lists = consent.suppress.iter().flat_map(|list| &list.matches);
        let matched = tables
            .chain(lists)
            .any(|item| matches!(item, Match::Key { field: of, .. } if *of == field));
        matched
            || consent.purposes.iter().any(|purpose| purpose.via == field)
            || self.plan.exports.iter().any(|export| export.contacts.contains(&field))
            || self.plan.segments.iter().any(|segment| segment.channels.contains(&field))
    }

    /// The fields that [`Self::is_contact_key`] is true of.
    pub fn contact_keys(&self) -> Vec<FieldId> {
        let fields = (0..self.plan.fields.len()).map(FieldId);
        fields.filter(|field| self.is_contact_key(*field)).collect()
    }

    /// Whether a record's value of a field is usable, in SQL.
    pub fn usable(&self, alias: &str, field: FieldId) -> String {
        let kind = match self.plan.fields[field.0].ty {
            Type::Text | Type::Int => "key",
            _ => "field",
        };
        format!("{alias}.{} IS NOT NULL", self.column(kind, field))
    }
}

/// Writes the table of records as they stand in the customer tables.
pub fn write_values(job: &mut Job<'_>) {
    let plan = job.plan;
    job.script.heading("Values: the rows of the customer tables");
    let mut parts = Vec::new();
    for (number, table) in plan.tables.iter().enumerate() {
        let source = &job.tables[table.source.0];
        let column = |column: &str| format!("s.{}", source.column(column));
        let id = plan.sources[table.source.0].columns.iter().find(|known| known.name == table.id);
        let ty = id.and_then(|id| id.ty.usable()).unwrap_or(Type::Text);
        let id = text_of(&column(&table.id), ty).unwrap_or_else(|| "NULL".to_owned());
        let mut cells = vec![format!("{number} AS \"table\""), format!("optin_id({id}) AS id")];
        for (at, field) in plan.fields.iter().enumerate() {
            let mapped = table.mapping.iter().find(|(of, _)| of.0 == at);
            let cell = match mapped {
                Some((_, own)) => {
                    let known = plan.sources[table.source.0].columns.iter();
                    let ty = known.clone().find(|known| known.name == *own);
                    widened(&column(own), ty.and_then(|c| c.ty.usable()), field.ty)
                }
                None => format!("CAST(NULL AS {})", sql_type(field.ty)),
            };
            cells.push(format!("{cell} AS {}", job.column("field", FieldId(at))));
        }
        let place = job.places.line(at(&job.places.tables, number));
        parts.push(format!(
            "-- {}\nSELECT {}\nFROM {} s",
            super::text::remark(&format!("{} ({place})", plan.sources[table.source.0].name)),
            cells.join(", "),
            name(&source.table)
        ));
    }
    job.script.table(
        "values",
        &format!(
            "SELECT {} AS record, v.* FROM (\n{}\n) v",
            job.dialect.row_number(),
            parts.join("\nUNION ALL\n")
        ),
    );
}

/// Writes the table of records with their keys.
pub fn write_records(job: &mut Job<'_>) {
    let plan = job.plan;
    job.script.heading("Records: the values and their keys");
    let mut first = vec!["v.*".to_owned()];
    let mut joins = String::new();
    for (number, field) in plan.fields.iter().enumerate() {
        let id = FieldId(number);
        if !job.is_compared(id) {
            continue;
        }
        let value = format!("v.{}", job.column("field", id));
        let Some(text) = text_of(&value, field.ty) else { continue };
        let region = keys::region(&field.key.region, |of| {
            let value = format!("v.{}", job.column("field", *of));
            text_of(&value, plan.fields[of.0].ty).unwrap_or_else(|| "NULL".to_owned())
        });
        let key = keys::key(job, id, &text, &region, &format!("k{number}"));
        joins.push_str(&key.join);
        let place = job.places.line(job.field_span(id));
        first.push(format!(
            "-- {}\n  {} AS {}",
            super::text::remark(&format!("{} ({place})", field.name)),
            key.key,
            job.column("key", id)
        ));
        if job.is_key(id) {
            first.push(format!("{} AS {}", key.link, job.column("link", id)));
        }
        if job.is_contact_key(id) {
            first.push(format!("{} AS {}", key.found, job.column("found", id)));
        }
    }
    job.script
        .table("records", &format!("SELECT {}\nFROM \"values\" v{joins}", first.join(",\n  ")));
}

/// A value as the type of its field, where tables differ.
fn widened(value: &str, from: Option<Type>, to: Type) -> String {
    match (from, to) {
        (Some(from), to) if from == to => value.to_owned(),
        (Some(from), Type::Text) => text_of(value, from).unwrap_or_else(|| value.to_owned()),
        (_, to) => format!("CAST({value} AS {})", sql_type(to)),
    }
}

/// Writes who agrees with whom, the clusters, and what is set aside.
pub fn write_clusters(job: &mut Job<'_>) {
    let plan = job.plan;
    if plan.identity.previous.as_ref().is_some_and(|previous| previous.source.is_some()) {
        job.refuse(
            job.places.previous,
            "ids that are taken from an earlier run",
            "a job gives each customer the id of its first record; compile without `previous`",
        );
    }
    job.script.heading("Links: who agrees with whom");
    write_agreements(job);
    let mut edges = vec![
        "SELECT record AS a, min(record) OVER (PARTITION BY \"table\", id) AS b FROM records WHERE id IS NOT NULL".to_owned(),
        "SELECT record, min(record) OVER (PARTITION BY rule, keys) FROM agreements WHERE id IS NOT NULL".to_owned(),
        "SELECT a, b FROM alike WHERE \"id of a\" IS NOT NULL AND \"id of b\" IS NOT NULL".to_owned(),
    ];
    if !plan.identity.always.is_empty() {
        let query = pairs(job, &plan.identity.always);
        let place = job.places.line(job.places.pairs);
        job.script.comment(&format!("pairs that are one customer ({place})"));
        job.script.table("always", &query);
        edges.push("SELECT a, b FROM always".to_owned());
    }
    job.script.table(
        "links",
        &format!("SELECT DISTINCT a, b FROM (\n{}\n) WHERE a <> b", edges.join("\nUNION ALL\n")),
    );
    job.script.heading("Clusters: the transitive closure of all links");
    match job.dialect {
        Dialect::Duckdb => write_hearsay(job),
        Dialect::Spark => write_stars(job),
    }
    write_exceptions(job);
    write_aside(job);
}

/// The closure where rounds need a driver.
///
/// Source: Kiveris, Lattanzi, Mirrokni, Rastogi, Vassilvitskii, "Connected Components in `MapReduce`
/// and Beyond", 2014: large-star and small-star in turn, until all that is left are stars.
fn write_stars(job: &mut Job<'_>) {
    job.script.comment(
        "Links become stars round the smallest record of each cluster. In each round every record",
    );
    job.script.comment(
        "first ties all its larger neighbours to the smallest that it knows (large-star), and then",
    );
    job.script.comment("all its smaller ones and itself (small-star). Rounds grow with the square of the logarithm of");
    job.script.comment("the number of links at most, and mostly with the logarithm.");
    job.script.step(Step::Rounds(Rounds {
        table: "stars".to_owned(),
        start: "SELECT a, b FROM links".to_owned(),
        again: "WITH heard AS (
  SELECT u, v, least(u, min(v) OVER (PARTITION BY u)) AS m
  FROM (SELECT a AS u, b AS v FROM stars UNION ALL SELECT b, a FROM stars) e),
large AS (SELECT DISTINCT v AS a, m AS b FROM heard WHERE v > u),
small AS (SELECT a, b, min(b) OVER (PARTITION BY a) AS m FROM large)
SELECT a, m AS b FROM small
UNION SELECT b, m FROM small WHERE b <> m"
            .to_owned(),
        done: "(SELECT count(*) FROM stars) = (SELECT count(DISTINCT a) FROM stars) AND NOT EXISTS (SELECT 1 FROM stars x JOIN stars y ON x.b = y.a)".to_owned(),
    }));
    job.script.table(
        "clusters",
        "SELECT r.record, coalesce(s.b, r.record) AS cluster FROM records r LEFT JOIN stars s ON s.a = r.record WHERE r.id IS NOT NULL",
    );
}

/// The closure where a query can repeat itself.
fn write_hearsay(job: &mut Job<'_>) {
    job.script.comment("Every record knows a record of its cluster, at first itself. In each round it learns of the");
    job.script.comment(
        "smallest that it, its neighbours and those that they know know of. When no round teaches",
    );
    job.script.comment("anybody anything, all of a cluster know its smallest record: rounds grow with the logarithm");
    job.script.comment("of the longest chain, not with the chain.");
    job.script.table(
        "clusters",
        "WITH RECURSIVE known(record, cluster) USING KEY (record) AS (
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
SELECT record, cluster FROM known",
    );
}

/// The rules: `agreements` of records in all keys of a rule, and pairs that are `alike`.
fn write_agreements(job: &mut Job<'_>) {
    let plan = job.plan;
    let (mut exact, mut fuzzy) = (Vec::new(), Vec::new());
    for (number, rule) in plan.identity.rules.iter().enumerate() {
        let place = job.places.line(at(&job.places.rules, number));
        let says = super::text::remark(&format!("{} ({place})", rule.name));
        let only = |alias: &str| match &rule.only {
            None => String::new(),
            Some(tables) => {
                let tables: Vec<String> = tables.iter().map(|table| table.0.to_string()).collect();
                format!(" AND {alias}.\"table\" IN ({})", tables.join(", "))
            }
        };
        let link = |alias: &str, field: FieldId| format!("{alias}.{}", job.column("link", field));
        if rule.is_fuzzy() {
            let equal: Vec<String> = rule
                .exact_fields()
                .map(|field| format!("{} = {}", link("x", field), link("y", field)))
                .collect();
            let alike: Vec<String> = rule
                .similar_fields()
                .map(|(field, threshold)| similar(&link("x", field), &link("y", field), threshold))
                .collect();
            fuzzy.push(format!(
                "-- {says}\nSELECT {number} AS rule, x.record AS a, x.id AS \"id of a\", y.record AS b, y.id AS \"id of b\"\nFROM records x JOIN records y ON {} AND x.record < y.record{}{}\nWHERE {}",
                equal.join(" AND "),
                only("x"),
                only("y"),
                alike.join(" AND ")
            ));
        } else {
            let keys: Vec<String> = rule.fields().map(|field| link("r", field)).collect();
            let there: Vec<String> = keys.iter().map(|key| format!("{key} IS NOT NULL")).collect();
            exact.push(format!(
                "-- {says}\nSELECT {number} AS rule, [{}] AS keys, r.record, r.\"table\", r.id\nFROM records r WHERE {}{}",
                keys.join(", "),
                there.join(" AND "),
                only("r")
            ));
        }
    }
    exact.push(
        "SELECT -1 AS rule, CAST([''] AS VARCHAR[]) AS keys, record, \"table\", id FROM records WHERE false".to_owned(),
    );
    fuzzy.push("SELECT -1 AS rule, record AS a, id AS \"id of a\", record AS b, id AS \"id of b\" FROM records WHERE false".to_owned());
    let exact = exact.join("\nUNION ALL\n");
    let blocked = match plan.identity.max_shared {
        None => String::new(),
        Some(most) => format!(
            "\n-- max_shared\nWHERE NOT EXISTS (SELECT 1 FROM (SELECT rule, keys FROM all_agreements WHERE id IS NOT NULL GROUP BY rule, keys HAVING count(DISTINCT CAST(\"table\" AS VARCHAR) || ':' || id) > {most}) m WHERE m.rule = g.rule AND m.keys = g.keys)"
        ),
    };
    job.script.table(
        "agreements",
        &format!("WITH all_agreements AS MATERIALIZED (\n{exact}\n)\nSELECT g.* FROM all_agreements g{blocked}"),
    );
    job.script.table("alike", &fuzzy.join("\nUNION ALL\n"));
}

/// Whether two keys are alike: (longer length - Levenshtein distance) / longer length.
fn similar(x: &str, y: &str, threshold: f64) -> String {
    let fault =
        guard("a similarity of texts beyond ASCII, whose letters SQL may count in another way");
    let longer = format!("greatest(length({x}), length({y}))");
    format!(
        "CASE WHEN {x} IS NULL OR {y} IS NULL THEN false WHEN NOT optin_ascii({x}) OR NOT optin_ascii({y}) THEN error({fault}) ELSE CAST({longer} - levenshtein({x}, {y}) AS DOUBLE) / CAST({longer} AS DOUBLE) >= CAST('{threshold:?}' AS DOUBLE) END"
    )
}

/// Sources of pairs as a table of records `a` and `b`.
fn pairs(job: &Job<'_>, all: &[Pairs]) -> String {
    let plan = job.plan;
    let mut parts = Vec::new();
    for pairs in all {
        let source = &job.tables[pairs.source.0];
        let columns = &plan.sources[pairs.source.0].columns;
        let text = |column: &str| {
            let ty = columns.iter().find(|known| known.name == column);
            let ty = ty.and_then(|known| known.ty.usable()).unwrap_or(Type::Text);
            text_of(&format!("p.{}", source.column(column)), ty)
                .unwrap_or_else(|| "NULL".to_owned())
        };
        let table_of = |column: &str| {
            let cell = format!("optin_strip({})", text(column));
            let names = plan
                .tables
                .iter()
                .enumerate()
                .map(|(number, table)| (plan.sources[table.source.0].name.clone(), number));
            let spaces = plan
                .tables
                .iter()
                .enumerate()
                .map(|(number, table)| (table.namespace.clone(), number));
            let cases: Vec<String> = names
                .chain(spaces)
                .map(|(named, number)| format!("WHEN {} THEN {number}", literal(&named)))
                .collect();
            format!("CASE {cell} {} END", cases.join(" "))
        };
        let [(table_a, id_a), (table_b, id_b)] = &pairs.columns;
        parts.push(format!(
            "SELECT x.record AS a, y.record AS b FROM {} p\nJOIN records x ON x.\"table\" = {} AND x.id = optin_id({})\nJOIN records y ON y.\"table\" = {} AND y.id = optin_id({})\nWHERE NOT (x.\"table\" = y.\"table\" AND x.id = y.id)",
            name(&source.table),
            table_of(table_a),
            text(id_a),
            table_of(table_b),
            text(id_b)
        ));
    }
    parts.join("\nUNION ALL\n")
}

/// Closures that an exception would split end the job: how they are split depends on the order of
/// links, one after the other.
fn write_exceptions(job: &mut Job<'_>) {
    let plan = job.plan;
    if !plan.identity.has_exceptions() {
        return;
    }
    let place = job.places.line(job.places.exceptions);
    job.script.heading("Exceptions");
    job.script.comment(&format!("what {place} says: a closure that it would split ends the job"));
    for field in &plan.identity.unless_different {
        let link = job.column("link", *field);
        job.expect(
            &format!(
                "(SELECT count(*) FROM (SELECT c.cluster FROM clusters c JOIN records r ON r.record = c.record GROUP BY c.cluster HAVING count(DISTINCT r.{link}) > 1)) = 0"
            ),
            &format!(
                "unless_different: customers differ in {} and would be split",
                plan.fields[field.0].name
            ),
        );
    }
    if !plan.identity.never.is_empty() {
        let query = pairs(job, &plan.identity.never);
        job.script.table("never", &query);
        job.expect(
            "(SELECT count(*) FROM never n JOIN clusters a ON a.record = n.a JOIN clusters b ON b.record = n.b WHERE a.cluster = b.cluster) = 0",
            "never: customers hold two records that are never one, and would be split",
        );
    }
}

/// What is set aside, and which records count for which cluster.
fn write_aside(job: &mut Job<'_>) {
    let plan = job.plan;
    job.script.heading("What is set aside");
    let drops: Vec<String> = plan
        .tables
        .iter()
        .enumerate()
        .filter(|(_, table)| table.drop_unmatched)
        .map(|(number, _)| number.to_string())
        .collect();
    let keeps = match drops.as_slice() {
        [] => String::new(),
        some => format!(" FILTER (WHERE r.\"table\" NOT IN ({}))", some.join(", ")),
    };
    let large = match plan.identity.max_cluster {
        None => "false".to_owned(),
        Some(most) => {
            format!("count(DISTINCT CAST(r.\"table\" AS VARCHAR) || ':' || r.id) > {most}")
        }
    };
    job.script.comment(
        "aside: quarantined as too large, or without a record of a table that keeps the unmatched",
    );
    job.script.table(
        "fates",
        &format!(
            "SELECT cluster, large OR first_kept IS NULL AS aside, CASE WHEN large THEN NULL ELSE first_kept END AS first_kept\nFROM (SELECT c.cluster, {large} AS large, min(r.\"table\"){keeps} AS first_kept\n  FROM clusters c JOIN records r ON r.record = c.record GROUP BY c.cluster)"
        ),
    );
    job.script.comment("reached: members, and shadows: those that were dropped, and records without an id that agree");
    job.script.table(
        "reached",
        "SELECT c.cluster, c.record, f.first_kept IS NOT NULL AND r.\"table\" < f.first_kept AS shadow
FROM clusters c JOIN records r ON r.record = c.record JOIN fates f ON f.cluster = c.cluster
UNION ALL
SELECT DISTINCT c.cluster, s.record, true
FROM (SELECT x.record, y.record AS member FROM agreements x JOIN agreements y ON y.rule = x.rule AND y.keys = x.keys
    WHERE x.id IS NULL AND y.id IS NOT NULL
  UNION ALL SELECT a, b FROM alike WHERE \"id of a\" IS NULL AND \"id of b\" IS NOT NULL
  UNION ALL SELECT b, a FROM alike WHERE \"id of b\" IS NULL AND \"id of a\" IS NOT NULL) s
JOIN clusters c ON c.record = s.member",
    );
}
