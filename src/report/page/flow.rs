//! The way from sources to exports as one picture, with counts on it.
//!
//! On a wide page boxes stand in columns from left to right, with lines as thick as what flows is large;
//! on a narrow one the same boxes stand below each other.

use super::facts::{Facts, Figure, total};
use super::parts::{note, section};
use super::write::Html;

/// A box of the picture.
struct Node {
    title: String,
    count: Figure,
    words: String,
    class: &'static str,
}

/// What stands in one column.
struct Column {
    title: &'static str,
    nodes: Vec<Node>,
}

/// Width of a box, and from column to column.
const WIDTH: usize = 158;
const STEP: usize = 214;
/// Height of a box, from box to box, and above the first.
const HIGH: usize = 46;
const DOWN: usize = 58;
const TOP: usize = 34;
/// Width of a digit of a count, and of a letter beside it, in a wide font.
const FIGURE: usize = 9;
const LETTER: usize = 7;
/// Letters that fit into a box.
const LETTERS: usize = 20;

/// The picture.
pub fn flow(html: &mut Html, record: &Facts<'_>) {
    let columns = columns(record);
    section(html, "flow", "From sources to exports", |html| {
        note(
            html,
            "Customers pass the gate of a segment if its purposes allow and no suppression list hits; a rule \
             only narrows.",
        );
        html.tag("figure", &[("class", "flow wide")], |html| wide(html, record, &columns));
        html.tag("figure", &[("class", "flow narrow")], |html| narrow(html, &columns));
    });
}

fn columns(record: &Facts<'_>) -> Vec<Column> {
    let account = record.part("account");
    let node = |title: &str, count: Figure, words: &str, class| Node {
        title: title.to_owned(),
        count,
        words: words.to_owned(),
        class,
    };
    let named = |list: &str, name: &str, count: &str, words: &str, class| -> Vec<Node> {
        account.list(list).map(|of| node(of.word(name), of.count(count), words, class)).collect()
    };
    let mut sources = named("customers", "source", "read", "records", "b-people");
    let mut records = vec![node(
        "records",
        total(account.list("customers").map(|of| of.sum(&["kept", "merged"]))),
        "in use",
        "b-people",
    )];
    if account.has_entries("consent") {
        sources.extend(named("consent", "source", "read", "decisions", "b-consent"));
        let counted = account.list("consent").map(|of| of.sum(&["used", "folded"]));
        records.push(node("decisions", total(counted), "that count", "b-consent"));
    }
    if account.has_entries("suppression") {
        sources.extend(named("suppression", "source", "read", "entries", "b-never"));
        let used = account.list("suppression").map(|of| of.count("used"));
        records.push(node("suppressed", total(used), "entries", "b-never"));
    }
    let mut columns = vec![
        Column { title: "sources", nodes: sources },
        Column { title: "read", nodes: records },
        Column {
            title: "unified",
            nodes: vec![node("customers", account.count("profiles"), "", "b-people")],
        },
    ];
    let segments = named("segments", "segment", "in_segment", "in", "b-people");
    if !segments.is_empty() {
        columns.push(Column { title: "gate and rule", nodes: segments });
    }
    let exports = named("exports", "segment", "written", "rows", "b-out");
    if !exports.is_empty() {
        columns.push(Column { title: "exports", nodes: exports });
    }
    columns
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LETTERS {
        return text.to_owned();
    }
    text.chars().take(LETTERS - 1).chain(['…']).collect()
}

fn draw(html: &mut Html, node: &Node, (x, y): (usize, usize), width: usize) {
    html.tag("g", &[("class", node.class)], |html| {
        html.leaf("title", &[], &format!("{}: {} {}", node.title, node.count.text(), node.words));
        let [left, top, wide, high] = [x, y, width, HIGH].map(|number| number.to_string());
        let place = [("x", left.as_str()), ("y", &top), ("width", &wide), ("height", &high)];
        let mut all = vec![("class", "box"), ("rx", "5")];
        all.extend(place);
        html.leaf("rect", &all, "");
        let (left, name, figure) =
            ((x + 11).to_string(), (y + 18).to_string(), (y + 36).to_string());
        html.leaf("text", &[("x", &left), ("y", &name)], &shortened(&node.title));
        html.tag("text", &[("x", &left), ("y", &figure)], |html| {
            html.figure("tspan", &[("class", "n")], &node.count);
            // What has no room stands in the title.
            let figure = node.count.text().chars().count() * FIGURE;
            if figure + node.words.chars().count() * LETTER + 28 <= width {
                html.leaf("tspan", &[("class", "soft"), ("dx", "6")], &node.words);
            }
        });
    });
}

/// A line from box to box.
fn link(html: &mut Html, class: &str, from: (usize, usize), to: (usize, usize), thick: u64) {
    let middle = usize::midpoint(from.0, to.0);
    let path =
        format!("M{},{} C{middle},{} {middle},{} {},{}", from.0, from.1, from.1, to.1, to.0, to.1);
    let width = format!("{}.{}", thick / 10, thick % 10);
    html.leaf("path", &[("class", class), ("d", &path), ("stroke-width", &width)], "");
}

fn wide(html: &mut Html, record: &Facts<'_>, columns: &[Column]) {
    let most = columns.iter().map(|column| column.nodes.len()).max().unwrap_or(1).max(1);
    let height = TOP + most * DOWN;
    let width = (columns.len() - 1) * STEP + WIDTH;
    let centred = |column: usize, at: usize| {
        let free = (most - columns[column].nodes.len()) * DOWN / 2;
        TOP + free + at * DOWN
    };
    // What was read stands beside its sources, and customers beside their records, so that the lines of
    // consent pass below them.
    let beside_sources = |at: usize| {
        let nodes = columns[0].nodes.iter().enumerate();
        let of = nodes.filter(|(_, node)| node.class == columns[1].nodes[at].class);
        let heights: Vec<usize> = of.map(|(source, _)| centred(0, source)).collect();
        heights.iter().sum::<usize>() / heights.len().max(1)
    };
    let place = |column: usize, at: usize| {
        let y = match column {
            1 => beside_sources(at),
            2 => beside_sources(0),
            _ => centred(column, at),
        };
        (column * STEP, y)
    };
    let end = |column: usize, at: usize| {
        let (x, y) = place(column, at);
        (x + WIDTH, y + HIGH / 2)
    };
    let start = |column: usize, at: usize| {
        let (x, y) = place(column, at);
        (x, y + HIGH / 2)
    };
    let thick =
        |part: u64, whole: u64| 10 + part.saturating_mul(110).checked_div(whole).unwrap_or(0);
    let size = format!("-1 0 {} {height}", width + 2);
    html.tag("svg", &[("role", "img"), ("viewBox", &size)], |html| {
        html.leaf(
            "title",
            &[],
            "The flow from sources through records, customers and the gate to exports",
        );
        for (at, node) in columns[0].nodes.iter().enumerate() {
            let to = columns[1].nodes.iter().position(|of| of.class == node.class).unwrap_or(0);
            let whole = columns[0].nodes.iter().filter(|of| of.class == node.class);
            let whole = whole.map(|of| of.count.value).sum();
            let class = format!("flow-line {}", node.class);
            link(html, &class, end(0, at), start(1, to), thick(node.count.value, whole));
        }
        link(html, "flow-line b-people", end(1, 0), start(2, 0), 120);
        if columns.len() > 3 {
            gate(html, columns, (TOP, height), (&end, &start), &thick);
        }
        if columns.len() > 4 {
            let account = record.part("account");
            for (at, of) in account.list("exports").enumerate() {
                let same = |node: &Node| node.title == of.word("segment");
                let from = columns[3].nodes.iter().position(same).unwrap_or(0);
                let whole = columns[3].nodes[from].count.value;
                let class = "flow-line b-out";
                link(
                    html,
                    class,
                    end(3, from),
                    start(4, at),
                    thick(of.count("written").value, whole),
                );
            }
        }
        for (number, column) in columns.iter().enumerate() {
            let x = (number * STEP).to_string();
            html.leaf("text", &[("class", "head"), ("x", &x), ("y", "14")], column.title);
            for (at, node) in column.nodes.iter().enumerate() {
                draw(html, node, place(number, at), WIDTH);
            }
        }
    });
}

type Place<'a> = &'a dyn Fn(usize, usize) -> (usize, usize);

/// The gate before all segments, what comes to it, and who gets through.
fn gate(
    html: &mut Html,
    columns: &[Column],
    (top, height): (usize, usize),
    (end, start): (Place<'_>, Place<'_>),
    thick: &dyn Fn(u64, u64) -> u64,
) {
    let customers = columns[2].nodes[0].count.value;
    let x = 3 * STEP - 15;
    let (_, middle) = end(2, 0);
    link(html, "flow-line b-people", end(2, 0), (x, middle), 120);
    for (at, node) in columns[1].nodes.iter().enumerate().skip(1) {
        let from = end(1, at);
        let to = (x, from.1);
        link(html, &format!("flow-line dashed {}", node.class), from, to, 20);
    }
    for (at, node) in columns[3].nodes.iter().enumerate() {
        let (to, y) = start(3, at);
        link(html, "flow-line b-people", (x, y), (to, y), thick(node.count.value, customers));
    }
    let [x, y, high] = [x - 4, top - 6, height - top].map(|number| number.to_string());
    let bar =
        [("class", "gate-bar"), ("x", x.as_str()), ("y", &y), ("width", "8"), ("height", &high)];
    html.tag("rect", &bar, |html| html.leaf("title", &[], "The consent gate"));
}

fn narrow(html: &mut Html, columns: &[Column]) {
    /// Of a narrow page.
    const WIDE: usize = 340;
    let height: usize = columns.iter().map(|column| TOP + column.nodes.len() * (HIGH + 6)).sum();
    let size = format!("-1 0 {} {height}", WIDE + 2);
    html.tag("svg", &[("role", "img"), ("viewBox", &size)], |html| {
        html.leaf(
            "title",
            &[],
            "The flow from sources through records, customers and the gate to exports",
        );
        let mut y = 0;
        for (at, column) in columns.iter().enumerate() {
            let head = (y + 22).to_string();
            let arrow = if at == 0 { "" } else { "↓ " };
            let title = format!("{arrow}{}", column.title);
            html.leaf("text", &[("class", "head"), ("x", "0"), ("y", &head)], &title);
            y += TOP;
            for node in &column.nodes {
                draw(html, node, (0, y), WIDE);
                y += HIGH + 6;
            }
        }
    });
}
