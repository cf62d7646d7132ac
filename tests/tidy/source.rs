//! The files of `src/`, with comments, strings and test code blanked.

use std::fs;
use std::path::{Path, PathBuf};

/// One file of the program.
pub struct Source {
    /// Its path from the root of the repository, with `/`.
    pub path: String,
    /// The room it belongs to: the first name below `src/`.
    pub room: String,
    /// All of it.
    pub text: String,
    code: String,
    /// How many `super::` lead from its top level to the crate's root.
    depth: usize,
}

/// Every file of `src/`, but those that exist for tests only.
pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join("src"), &mut paths);
    paths.sort();
    assert!(paths.len() > 20, "src/ is not where this test looks");
    let all: Vec<_> = paths.iter().map(|path| Source::read(root, path)).collect();
    let test_only: Vec<_> = all.iter().flat_map(Source::test_modules).collect();
    let is_test =
        |path: &str| test_only.iter().any(|stem| path == format!("{stem}.rs") || path.starts_with(&format!("{stem}/")));
    all.into_iter().filter(|source| !is_test(&source.path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src/ can be read") {
        let path = entry.expect("src/ can be read").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

impl Source {
    fn read(root: &Path, file: &Path) -> Self {
        let text = fs::read_to_string(file).expect("a source file is text");
        let path = file.strip_prefix(root).expect("the file was found below the root");
        Self::of(&path.to_string_lossy().replace('\\', "/"), text)
    }

    fn of(path: &str, text: String) -> Self {
        let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
        let names: Vec<_> = inside.split('/').filter(|name| *name != "mod").collect();
        let code = without_tests(&without_prose(&text));
        Self { path: path.to_owned(), room: names[0].to_owned(), depth: names.len(), text, code }
    }

    /// Its lines of code with their numbers; comments, strings and tests are blank.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The rooms that it names, with the lines where it does.
    pub fn imports(&self) -> Vec<(usize, String)> {
        let to_root = "super::".repeat(self.depth);
        let mut found = Vec::new();
        for root in ["crate::", "narrowgate::", to_root.as_str()] {
            for (at, _) in self.code.match_indices(root) {
                let before = self.code[..at].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                    continue;
                }
                let line = self.code[..at].matches('\n').count() + 1;
                found.extend(first_names(&self.code[at + root.len()..]).into_iter().map(|name| (line, name)));
            }
        }
        found
    }

    /// The paths, without `.rs`, of modules that it declares for tests only.
    fn test_modules(&self) -> Vec<String> {
        let folder = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        let folder = if matches!(self.path.as_str(), "src/lib.rs" | "src/main.rs") { "src" } else { folder };
        let lines: Vec<_> = self.text.lines().map(str::trim).collect();
        let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]" && pair[1].ends_with(';'));
        declared
            .filter_map(|pair| pair[1].trim_end_matches(';').split_once("mod "))
            .map(|(_, name)| format!("{folder}/{name}"))
            .collect()
    }
}

/// The first names behind a `crate::`: one, or those of a group.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else {
        return Some(name(rest)).filter(|name| !name.is_empty()).into_iter().collect();
    };
    let mut depth = 1;
    let mut member = String::new();
    let mut names = Vec::new();
    for c in group.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth == 0 || (depth == 1 && c == ',') {
            names.push(name(member.trim_start()));
            member.clear();
        } else {
            member.push(c);
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The same text with comments and the insides of literals as blanks; every line keeps its number.
fn without_prose(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = prose_length(rest, code.chars().next_back());
        if length == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    code
}

/// How many bytes of a comment or a literal stand at the front of `rest`.
fn prose_length(rest: &str, before: Option<char>) -> usize {
    let in_name = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let until = |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until("*/", 2);
    }
    if rest.starts_with('"') {
        return quoted_length(rest);
    }
    if !in_name && (rest.starts_with("r\"") || rest.starts_with("r#") || rest.starts_with("br")) {
        let body = rest.trim_start_matches('b').trim_start_matches('r');
        let hashes = body.len() - body.trim_start_matches('#').len();
        if body[hashes..].starts_with('"') {
            return until(&format!("\"{}", "#".repeat(hashes)), rest.len() - body.len() + hashes + 1);
        }
    }
    if rest.starts_with('\'') {
        // A character, and no lifetime: `'x'`, `'\n'`, `'\u{7f}'`.
        let mut chars = rest.char_indices().skip(1);
        return match (chars.next(), chars.next()) {
            (Some((_, '\\')), Some((at, escaped))) => until("'", at + escaped.len_utf8()),
            (Some(_), Some((at, '\''))) => at + 1,
            _ => 0,
        };
    }
    0
}

fn quoted_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The same code with every item behind `#[cfg(test)]` as blanks.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        let item = &rest[at..];
        let length = item_length(item);
        kept.extend(item[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &item[length..];
    }
    kept + rest
}

/// An item ends with its `;`, or with the brace that closes its body.
fn item_length(item: &str) -> usize {
    let mut depth = 0;
    for (at, c) in item.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    item.len()
}

#[test]
fn the_scanner_sees_code_and_nothing_else() {
    let imports = |path, text: &str| {
        let names =
            Source::of(path, text.to_owned()).imports().into_iter().map(|(line, name)| format!("{line} {name}"));
        names.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(
        imports("src/guard/a.rs", "use crate::token::Key;\nuse crate::{\n  oauth::{Scope, x::Y},\n  route\n};"),
        "1 token, 2 oauth, 2 route"
    );
    assert_eq!(imports("src/guard/a.rs", "use super::Gate;\nuse super::super::config::Config;"), "2 config");
    assert_eq!(imports("src/guard.rs", "fn f() { super::config::g() }"), "1 config");
    assert_eq!(imports("src/main.rs", "fn main() { narrowgate::cli::main() }"), "1 cli");
    assert_eq!(
        imports("src/a.rs", "// crate::b\n/* crate::c */ let d = \"crate::d \\\" crate::e\"; let f = '\"'; crate::g;"),
        "2 g"
    );
    assert_eq!(imports("src/a.rs", "fn f<'a>(s: &'a str) { r#\"crate::\"b\"# } use crate::c;"), "1 c");
    assert_eq!(imports("src/a.rs", "#[cfg(test)]\nmod tests { use crate::b; fn f() {} }\nuse crate::c;"), "3 c");
}
