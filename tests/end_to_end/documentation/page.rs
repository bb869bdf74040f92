//! A page of the documentation, taken apart: its blocks, headings and links.

use std::fs;

use regex::Regex;

use crate::support::place::top;

/// A Markdown file of this repository.
#[derive(Debug)]
pub(super) struct Page {
    /// From the top of the repository.
    pub(super) path: String,
    text: String,
}

/// Lines that are not prose.
#[derive(Debug)]
pub(super) struct Block {
    /// The line of the page that its first line is, from 1.
    pub(super) line: usize,
    /// What stands behind the fence; empty for lines that are only indented.
    pub(super) language: String,
    pub(super) text: String,
}

impl Page {
    pub(super) fn read(path: &str) -> Self {
        let text = fs::read_to_string(top().join(path));
        Self {
            path: path.to_owned(),
            text: text.unwrap_or_else(|error| panic!("{path}: {error}")),
        }
    }

    /// Its fences and its indented code, in order.
    pub(super) fn blocks(&self) -> Vec<Block> {
        self.parts().1
    }

    /// What a link behind `#` may name: a word for each heading, made as GitHub does.
    pub(super) fn anchors(&self) -> Vec<String> {
        let headings = self.prose().into_iter().filter_map(|(_, line)| {
            let text = line.trim_start_matches('#');
            (text.len() < line.len()).then(|| anchor(text.trim()))
        });
        headings.collect()
    }

    /// The links and pictures with their lines; those to other places are left out.
    pub(super) fn links(&self) -> Vec<(usize, String)> {
        let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
        let code = Regex::new("`[^`]*`").unwrap();
        let mut links = Vec::new();
        for (number, line) in self.prose() {
            // What looks like a link inside of code is none; a link's words may be code.
            let line = code.replace_all(line, "code");
            let targets = link
                .captures_iter(&line)
                .map(|found| (number, found[1].to_owned()));
            links.extend(targets.filter(|(_, target)| !target.contains("://")));
        }
        links
    }

    /// The first cells of the rows of tables whose first column has this name.
    pub(super) fn column(&self, name: &str) -> Vec<String> {
        let mut cells = Vec::new();
        let mut is_wanted = false;
        let mut is_table = false;
        for (_, line) in self.prose() {
            let first = line
                .strip_prefix("| ")
                .and_then(|rest| rest.split(" | ").next());
            match first {
                None if !line.starts_with('|') => is_table = false,
                Some(first) if !is_table => {
                    is_table = true;
                    is_wanted = first == name;
                }
                Some(first) if is_wanted => cells.push(first.to_owned()),
                _ => {}
            }
        }
        cells
    }

    /// The lines outside of blocks, with their numbers.
    fn prose(&self) -> Vec<(usize, &str)> {
        self.parts().0
    }

    fn parts(&self) -> (Vec<(usize, &str)>, Vec<Block>) {
        let (mut prose, mut blocks) = (Vec::new(), Vec::<Block>::new());
        let mut is_fenced = false;
        // Indented code begins behind an empty line, or goes on.
        let mut may_be_indented = true;
        for (number, line) in (1..).zip(self.text.lines()) {
            if let Some(language) = line.strip_prefix("```") {
                is_fenced = !is_fenced;
                if is_fenced {
                    blocks.push(Block {
                        line: number + 1,
                        language: language.to_owned(),
                        text: String::new(),
                    });
                }
            } else if is_fenced {
                let block = blocks.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            } else if may_be_indented && (line.starts_with("    ") || line.starts_with('\t')) {
                blocks.push(Block {
                    line: number,
                    language: String::new(),
                    text: format!("{line}\n"),
                });
            } else {
                prose.push((number, line));
                may_be_indented = line.trim().is_empty();
            }
        }
        assert!(!is_fenced, "{}: the last block has no end", self.path);
        (prose, blocks)
    }
}

impl Block {
    /// Where it stands, for a message.
    pub(super) fn place(&self, page: &Page) -> String {
        format!("{}:{}", page.path, self.line)
    }
}

/// The words of a heading as GitHub makes an anchor of them.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
