//! What all sections are made of: headings, tables, bars, legends.
//!
//! Every chart is inline SVG with a title, and beside it stands a table with the same figures. Bars are
//! as wide as their place: their lengths are percentages, so that texts keep their size on a phone.

use super::facts::Figure;
use super::write::Html;

/// A section of the page.
pub fn section(html: &mut Html, id: &str, title: &str, inside: impl FnOnce(&mut Html)) {
    html.line();
    html.tag("section", &[("id", id)], |html| {
        html.leaf("h2", &[], title);
        inside(html);
    });
}

/// A paragraph that explains.
pub fn note(html: &mut Html, text: &str) {
    html.leaf("p", &[("class", "note")], text);
}

/// A table. The first column names what the row is about; all others hold figures, but for those whose
/// heading begins with `<`, which hold words.
pub fn table(html: &mut Html, caption: &str, head: &[&str], rows: impl FnOnce(&mut Html)) {
    html.line();
    html.tag("div", &[("class", "scroll")], |html| {
        html.tag("table", &[], |html| {
            html.leaf("caption", &[], caption);
            html.tag("thead", &[], |html| {
                html.tag("tr", &[], |html| {
                    for (at, title) in head.iter().enumerate() {
                        let words = title.strip_prefix('<');
                        let class = if at > 0 && words.is_none() { "n" } else { "w" };
                        let title = words.unwrap_or(title);
                        html.leaf("th", &[("scope", "col"), ("class", class)], title);
                    }
                });
            });
            html.tag("tbody", &[], rows);
        });
    });
}

/// A row of a table.
pub fn row(html: &mut Html, name: &str, cells: impl FnOnce(&mut Html)) {
    html.tag("tr", &[], |html| {
        html.leaf("th", &[("scope", "row")], name);
        cells(html);
    });
}

/// A row that holds nothing but figures.
pub fn figures(html: &mut Html, name: &str, of: &[Figure]) {
    row(html, name, |html| {
        for figure in of {
            cell(html, figure);
        }
    });
}

/// A cell with a figure; nothing is written in grey.
pub fn cell(html: &mut Html, figure: &Figure) {
    let class = if figure.value == 0 { "n zero" } else { "n" };
    html.figure("td", &[("class", class)], figure);
}

/// A cell with words.
pub fn words(html: &mut Html, text: &str) {
    html.leaf("td", &[("class", "w")], text);
}

/// A figure's share of a whole, as an element.
pub fn share(html: &mut Html, name: &str, part: &Figure, whole: &Figure) {
    let of = format!("{} / {}", part.of, whole.of);
    html.leaf(name, &[("class", "n soft"), ("data-share", &of)], &part.share(whole));
}

/// Per mille as a length of SVG.
fn length(per_mille: u64) -> String {
    format!("{}.{}%", per_mille / 10, per_mille % 10)
}

/// A cell with a bar of its own: where it begins and how long it is, in per mille.
pub fn bar(html: &mut Html, title: &str, class: &str, (start, long): (u64, u64)) {
    html.tag("td", &[("class", "bar")], |html| {
        html.tag("svg", &[("role", "img"), ("width", "100%"), ("height", "10")], |html| {
            html.leaf("title", &[], title);
            let track = [("class", "track"), ("width", "100%"), ("height", "10"), ("rx", "2")];
            html.leaf("rect", &track, "");
            if long > 0 {
                let (x, width) = (length(start), length(long.max(3)));
                let place = [("x", x.as_str()), ("width", &width), ("height", "10"), ("rx", "2")];
                let mut all = vec![("class", class)];
                all.extend(place);
                html.leaf("rect", &all, "");
            }
        });
    });
}

/// A part of a stacked bar: its class, its name, its figure.
pub type Part = (&'static str, &'static str, Figure);

/// A stacked bar: its name, the whole, and the parts.
pub struct Stack {
    /// Of what.
    pub name: String,
    /// The whole.
    pub whole: Figure,
    /// Its parts.
    pub parts: Vec<Part>,
}

/// Stacked bars, as long as their wholes are large, and what their colours mean.
pub fn stacks(html: &mut Html, title: &str, stacks: &[Stack]) {
    /// Pixels from bar to bar.
    const STEP: usize = 42;
    let most = stacks.iter().map(|stack| stack.whole.value).max().unwrap_or(0).max(1);
    let per_mille = |value: u64| value.saturating_mul(1000) / most;
    let height = (stacks.len() * STEP).to_string();
    html.line();
    html.tag("figure", &[], |html| {
        let size = [("class", "chart"), ("role", "img"), ("width", "100%"), ("height", &height)];
        html.tag("svg", &size, |html| {
            html.leaf("title", &[], title);
            for (at, stack) in stacks.iter().enumerate() {
                let (words, bar) = ((at * STEP + 14).to_string(), (at * STEP + 21).to_string());
                html.leaf("text", &[("x", "0"), ("y", &words)], &stack.name);
                let end = [("class", "n"), ("x", "100%"), ("y", &words), ("text-anchor", "end")];
                html.figure("text", &end, &stack.whole);
                let mut before = 0;
                for (class, name, figure) in stack.parts.iter().filter(|part| part.2.value > 0) {
                    let (x, after) = (per_mille(before), per_mille(before + figure.value));
                    before += figure.value;
                    let (x, width) = (length(x), length((after - x).max(2)));
                    let place = [("x", x.as_str()), ("y", &bar), ("width", &width)];
                    let mut all = vec![("class", *class), ("height", "12")];
                    all.extend(place);
                    html.tag("rect", &all, |html| {
                        html.leaf("title", &[], &format!("{name}: {}", figure.text()));
                    });
                }
            }
        });
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for (class, name, figure) in stacks.iter().flat_map(|stack| &stack.parts) {
            if figure.value > 0 && !seen.contains(&(*class, *name)) {
                seen.push((*class, *name));
            }
        }
        html.tag("figcaption", &[("class", "legend")], |html| {
            for (class, name) in seen {
                html.tag("span", &[], |html| {
                    let swatch = [("class", "swatch"), ("width", "10"), ("height", "10")];
                    html.tag(
                        "svg",
                        &[swatch[0], swatch[1], swatch[2], ("aria-hidden", "true")],
                        |html| {
                            let square =
                                [("class", class), ("width", "10"), ("height", "10"), ("rx", "2")];
                            html.leaf("rect", &square, "");
                        },
                    );
                    html.text(name);
                });
            }
        });
    });
}
