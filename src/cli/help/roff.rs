//! Makes a manual page (man(7)) of a topic's Markdown.

use crate::cli::help::Topic;

/// The page, for section 7.
#[must_use]
pub fn page(topic: &Topic) -> String {
    let mut page = format!(
        ".TH \"BELLBOARD-{}\" 7\n.SH NAME\nbellboard\\-{} \\- {}\n",
        topic.name.to_uppercase(),
        escape(topic.name),
        escape(topic.about)
    );
    let mut in_code = false;
    let mut in_text = false;
    // The first line is the title, which the head says already.
    for line in topic.text.lines().skip(1) {
        if line.starts_with("```") {
            page.push_str(if in_code { ".fi\n.RE\n" } else { ".PP\n.RS 4\n.nf\n" });
            in_code = !in_code;
            in_text = false;
        } else if in_code {
            page.push_str(&protected(line));
        } else if let Some(heading) = line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')) {
            let heading = escape(&heading.to_uppercase()).replace('"', "\\(dq");
            page.extend([".SH \"", &heading, "\"\n"]);
            in_text = false;
        } else if line.starts_with('|') {
            page.push_str(&table_row(line));
            in_text = false;
        } else if line.is_empty() {
            in_text = false;
        } else {
            if !in_text {
                page.push_str(".PP\n");
            }
            in_text = true;
            page.push_str(&protected(&line.replace('`', "")));
        }
    }
    page
}

/// A row of a table as a term and what is said about it.
fn table_row(line: &str) -> String {
    let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    if cells.iter().all(|cell| cell.chars().all(|c| c == '-')) {
        return String::new();
    }
    let (term, rest) = cells.split_first().map_or(("", &[][..]), |(term, rest)| (term.as_str(), rest));
    format!(".TP\n{}{}", protected(term), protected(&rest.join("; ")))
}

/// A line of text that roff takes for no request.
fn protected(line: &str) -> String {
    let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
    format!("{guard}{}\n", escape(line))
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let text = "# Title\n\nSome `code`.\n.not a request\n\n## A part\n\n```sh\n'quoted' --option \\\n  x\n```\n\n| a | b |\n|---|---|\n| c | d |\n";
        let page = page(&Topic { name: "test", about: "a test", text });
        let expected = ".TH \"BELLBOARD-TEST\" 7\n.SH NAME\nbellboard\\-test \\- a test\n.PP\nSome code.\n\\&.not a request\n\
            .SH \"A PART\"\n.PP\n.RS 4\n.nf\n\\&'quoted' \\-\\-option \\e\n  x\n.fi\n.RE\n.TP\na\nb\n.TP\nc\nd\n";
        assert_eq!(page, expected);
    }
}
