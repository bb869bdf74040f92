//! Where in a file an option is defined, as far as its text tells: Nix names the file alone.

/// Line and column, from 1, of the definition of `option` in the text of a module. `None`
/// where there is none, or where several could be meant.
pub(super) fn find(text: &str, option: &str) -> Option<(usize, usize)> {
    let parts: Vec<&str> = option.split('.').collect();
    // The longest way to write it first: `a.b.c =`, then `b.c =` and `c =` in a set.
    for start in 0..parts.len() {
        let path = parts[start..].join(".");
        let found: Vec<(usize, usize)> = text
            .lines()
            .enumerate()
            .filter_map(|(number, line)| Some((number + 1, defines(line, &path)?)))
            .collect();
        match (found.as_slice(), start) {
            ([], _) => {}
            ([only], _) => return Some(*only),
            (_, 0) => return None,
            // The one behind the name of the set that it is in.
            (several, _) => {
                let set = text
                    .lines()
                    .position(|line| word(line, parts[start - 1]).is_some())?;
                return several.iter().find(|(line, _)| *line > set).copied();
            }
        }
    }
    None
}

/// The column at which `line` defines `path`.
fn defines(line: &str, path: &str) -> Option<usize> {
    let place = word(line, path)?;
    let behind = line[place + path.len()..].trim_start();
    let is_definition = behind.starts_with('=') && !behind.starts_with("==");
    (is_definition && !line.trim_start().starts_with('#'))
        .then(|| line[..place].chars().count() + 1)
}

/// Where `word` stands in `line` as a name of its own.
fn word(line: &str, word: &str) -> Option<usize> {
    let is_part = |character: char| character.is_alphanumeric() || "_-'.\"".contains(character);
    line.match_indices(word)
        .map(|(place, _)| place)
        .find(|&place| {
            let before = line[..place].chars().next_back();
            let after = line[place + word.len()..].chars().next();
            !before.is_some_and(is_part) && !after.is_some_and(|next| next != '.' && is_part(next))
        })
}

/// Line and column, from 1, of the one line that names `name`, comments aside. An error
/// that names a package or a file, and no place, comes from there.
#[must_use]
pub(super) fn mention(text: &str, name: &str) -> Option<(usize, usize)> {
    let is_part = |character: char| character.is_alphanumeric() || "_-".contains(character);
    let mut found = text.lines().enumerate().filter_map(|(number, line)| {
        let code = line.split(" #").next().unwrap_or_default();
        let is_comment = code.trim_start().starts_with('#');
        let place = code
            .match_indices(name)
            .map(|(place, _)| place)
            .find(|&place| {
                let before = code[..place].chars().next_back();
                let after = code[place + name.len()..].chars().next();
                !before.is_some_and(is_part) && !after.is_some_and(is_part)
            })?;
        (!is_comment).then(|| (number + 1, code[..place].chars().count() + 1))
    });
    let only = found.next()?;
    found.next().is_none().then_some(only)
}

/// The lines around a place in the form that Nix gives them.
pub(super) fn excerpt(text: &str, line: usize, column: usize) -> Vec<String> {
    let width = (line + 1).to_string().len();
    let mut lines = Vec::new();
    let first = line.saturating_sub(2);
    for (number, code) in text.lines().enumerate().skip(first).take(line + 1 - first) {
        let number = number + 1;
        lines.push(format!("{number:>width$}| {code}").trim_end().to_owned());
        if number == line {
            let caret = " ".repeat(column.saturating_sub(1));
            lines.push(format!("{:width$}| {caret}^", ""));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_found_however_they_are_written() {
        let text = "{\n  a.b.c = 1;\n  x = {\n    enable = true;\n  };\n  y = {\n    enable = x == y;\n    \
                    # z = 1;\n    my-z = 2;\n  };\n}\n";
        assert_eq!(find(text, "a.b.c"), Some((2, 3)));
        assert_eq!(find(text, "o.a.b.c"), Some((2, 3)));
        assert_eq!(find(text, "services.x.enable"), Some((4, 5)));
        assert_eq!(find(text, "services.y.enable"), Some((7, 5)));
        assert_eq!(
            find(text, "services.w.enable"),
            None,
            "either could be meant"
        );
        assert_eq!(find(text, "y.z"), None);
        assert_eq!(find("", "a"), None);
    }

    #[test]
    fn one_mention_is_a_place_and_two_are_none() {
        let text = "[ pkgs.terraform ] # terraform\n# terraform\n[ my-terraform terraforms ]\n";
        assert_eq!(mention(text, "terraform"), Some((1, 8)));
        assert_eq!(mention("a\na", "a"), None);
        assert_eq!(mention("./local.nix", "local.nix"), Some((1, 3)));
    }

    #[test]
    fn excerpts_look_like_those_of_nix() {
        let text = "{\n  a = 1;\n}\n";
        assert_eq!(
            excerpt(text, 2, 3),
            ["1| {", "2|   a = 1;", " |   ^", "3| }"]
        );
        assert_eq!(excerpt("a = 1;", 1, 1), ["1| a = 1;", " | ^"]);
    }
}
