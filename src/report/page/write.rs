//! A small writer of HTML: every text and every attribute is escaped, and what is opened is closed.

use std::fmt::Write as _;

use super::facts::Figure;

/// Attributes: name and value.
pub type Attributes<'a> = &'a [(&'a str, &'a str)];

/// HTML as it grows.
#[derive(Debug, Default)]
pub struct Html(String);

impl Html {
    /// All that was written.
    #[must_use]
    pub fn done(self) -> String {
        self.0
    }

    /// Text, escaped.
    pub fn text(&mut self, text: &str) {
        escape(&mut self.0, text);
    }

    /// An element with what `inside` writes into it.
    pub fn tag(&mut self, name: &str, attributes: Attributes<'_>, inside: impl FnOnce(&mut Self)) {
        self.begin(name, attributes);
        inside(self);
        let _ = write!(self.0, "</{name}>");
    }

    /// An element that holds a text.
    pub fn leaf(&mut self, name: &str, attributes: Attributes<'_>, text: &str) {
        self.tag(name, attributes, |html| html.text(text));
    }

    /// An element that holds nothing and is not closed, such as `meta`.
    pub fn void(&mut self, name: &str, attributes: Attributes<'_>) {
        self.begin(name, attributes);
    }

    /// An element that holds a figure, and says of which figures of the run record it is made.
    pub fn figure(&mut self, name: &str, attributes: Attributes<'_>, figure: &Figure) {
        let mut all = attributes.to_vec();
        all.push(("data-of", &figure.of));
        self.leaf(name, &all, &figure.text());
    }

    /// What a browser must not read as text: our own style sheet, which quotes nothing.
    pub fn style(&mut self, css: &str) {
        let _ = write!(self.0, "<style>{css}</style>");
    }

    /// What comes before all elements.
    pub fn doctype(&mut self) {
        self.0.push_str("<!doctype html>\n");
    }

    /// A line break in the file, for those who read it as text.
    pub fn line(&mut self) {
        self.0.push('\n');
    }

    fn begin(&mut self, name: &str, attributes: Attributes<'_>) {
        let _ = write!(self.0, "<{name}");
        for (name, value) in attributes {
            let _ = write!(self.0, " {name}=\"");
            escape(&mut self.0, value);
            self.0.push('"');
        }
        self.0.push('>');
    }
}

fn escape(to: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            '\'' => to.push_str("&#39;"),
            // A page may not hold other control characters, nor what turns the direction of a text.
            '\n' | '\t' => to.push(c),
            _ if c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                to.push('\u{fffd}');
            }
            _ => to.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_name_holds_is_text() {
        let mut html = Html::default();
        html.tag("p", &[("title", "\"><script>")], |html| html.text("<b>&'\u{0}\u{202e}"));
        assert_eq!(
            html.done(),
            "<p title=\"&quot;&gt;&lt;script&gt;\">&lt;b&gt;&amp;&#39;\u{fffd}\u{fffd}</p>"
        );
    }
}
