//! Whether a text is a pipeline file at all.
//!
//! Who gives a data file by mistake must not see its lines in a fault: they hold persons. So faults show
//! lines only of what has the shape of a pipeline file.

/// The sections of a pipeline file. Words that other files have at their top as well, such as `name`,
/// are left out.
const SECTIONS: [&str; 10] = [
    "version",
    "sources",
    "keys",
    "customers",
    "identity",
    "profile",
    "consent",
    "segments",
    "outputs",
    "exports",
];

/// True if at least two of the sections stand at the top of the text; of a text in braces `version` and
/// `sources`, because a record of a person is one too.
#[must_use]
pub fn is_pipeline(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text.lines().filter(|line| {
        let line = line.trim();
        !(line.is_empty() || line.starts_with(['#', '%']) || line == "---")
    });
    let Some(first) = lines.next() else { return false };
    if first.trim_start().starts_with('{') {
        // A line of NDJSON after another is no pipeline.
        let found: Vec<&str> = text.split(['{', ',']).filter_map(section).collect();
        return !lines.any(|line| line.starts_with('{'))
            && ["version", "sources"].iter().all(|section| found.contains(section));
    }
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let top = indent(first);
    let at_top = lines.filter(|line| indent(line) == top);
    let found: Vec<&str> = std::iter::once(first).chain(at_top).filter_map(section).collect();
    SECTIONS.iter().filter(|section| found.contains(section)).count() >= 2
}

/// The name before the first colon.
fn section(entry: &str) -> Option<&str> {
    let (name, rest) = entry.split_once(':')?;
    let is_quoted = name.ends_with(['"', '\'']);
    let ends = is_quoted
        || rest.chars().next().is_none_or(|sign| sign.is_whitespace() || "[{\"'".contains(sign));
    ends.then(|| name.trim().trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::is_pipeline;

    #[test]
    fn pipelines_are_told_from_other_files() {
        for text in [
            "version: 1\nsources: []\n",
            "\u{feff}# mine\n---\nsources:\n  - x\nversion: 1\n",
            "  version: 1\n  sources: [\n",
            "{ version: 1, name: x, sources: [] }",
            "{\"version\":1,\"name\":\"x\",\n\"sources\":[]}",
            "{\n  \"version\": 1,\n  \"sources\": []\n}\n",
        ] {
            assert!(is_pipeline(text), "{text}");
        }
        for text in [
            "",
            "# nothing yet\n",
            "id,mail,consent\n1,ann@example.com,version:\n",
            "{\"id\":1,\"consent\":true,\"version\":2}\n{\"id\":2,\"consent\":true,\"version\":2}\n",
            "{\"id\":1,\"name\":\"Ann\",\"consent\":true,\"version\":1}\n",
            "TOKEN=abc\nPASSWORD=def\n",
            "version: \"3\"\nservices:\n  db: { password: hunter2 }\n",
            "- version: 1\n- sources: 2\n",
            "data:\n  version: 1\n  sources: x\n",
        ] {
            assert!(!is_pipeline(text), "{text}");
        }
    }
}
