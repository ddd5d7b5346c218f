//! Puts the modules of the page together into one, for pages that may not ask for a second file.
//!
//! A module is pasted behind those that it imports; the words `import` and `export` go. That is all, so
//! modules keep to what it needs: relative imports of plain names, exports in front of declarations,
//! names at the top that are unique among all modules, no text over several lines. Tests hold them to it.
//!
//! Comments that stand alone and indentation are left out, for the page travels with every report.

use std::collections::BTreeSet;

/// The modules of the page by file name.
pub(crate) type Modules<'a> = &'a [(&'a str, &'a str)];

/// The text of `entry` and of everything that it imports.
pub(crate) fn join(modules: Modules<'_>, entry: &str) -> Result<String, String> {
    let mut joined = Joined { modules, text: String::new(), done: BTreeSet::new(), names: BTreeSet::new() };
    joined.add(entry, &mut Vec::new())?;
    Ok(joined.text)
}

struct Joined<'a> {
    modules: Modules<'a>,
    text: String,
    done: BTreeSet<&'a str>,
    names: BTreeSet<&'a str>,
}

impl<'a> Joined<'a> {
    fn add(&mut self, name: &str, above: &mut Vec<&'a str>) -> Result<(), String> {
        let Some((name, text)) = self.modules.iter().find(|(known, _)| *known == name) else {
            return Err(format!("there is no module {name}"));
        };
        if above.contains(name) {
            return Err(format!("{name} imports itself by way of {}", above.join(", ")));
        }
        if !self.done.insert(name) {
            return Ok(());
        }
        above.push(name);
        let body = self.resolve(name, text, above)?;
        above.pop();
        self.text += &body;
        Ok(())
    }

    /// Adds what the module imports; its own text without imports and exports.
    fn resolve(&mut self, name: &str, text: &'a str, above: &mut Vec<&'a str>) -> Result<String, String> {
        let mut body = String::with_capacity(text.len());
        let (mut lines, mut comment) = (text.lines(), Comments::default());
        while let Some(line) = lines.next() {
            if line.starts_with("import ") || line.starts_with("import{") {
                let mut statement = line.to_owned();
                while !statement.trim_end().ends_with(';') {
                    statement += lines.next().ok_or_else(|| format!("{name}: an import has no end"))?;
                }
                let from = imported(&statement).ok_or_else(|| format!("{name}: {statement}"))?;
                self.add(from, above)?;
                continue;
            }
            let line = match line.strip_prefix("export ") {
                Some(rest) if declared(rest).is_none() => return Err(format!("{name}: {line}")),
                Some(rest) => rest,
                None => line,
            };
            if let Some(known) = declared(line)
                && !self.names.insert(known)
            {
                return Err(format!("{name}: {known} is the name of something else already"));
            }
            comment.push(line, &mut body);
        }
        Ok(body)
    }
}

/// Leaves comments out.
#[derive(Default)]
struct Comments {
    is_inside: bool,
}

impl Comments {
    fn push(&mut self, line: &str, body: &mut String) {
        let line = line.trim();
        let begins = line.starts_with("/*");
        if self.is_inside || (begins && !line.contains("*/")) {
            self.is_inside = !line.ends_with("*/");
        } else if !(line.is_empty() || line.starts_with("//") || (begins && line.ends_with("*/"))) {
            *body += line;
            body.push('\n');
        }
    }
}

/// The module of `import { a, b } from "./module.js";`.
fn imported(statement: &str) -> Option<&str> {
    let (names, from) = statement.strip_prefix("import")?.split_once(" from ")?;
    let names = names.trim().strip_prefix('{')?.strip_suffix('}')?;
    let plain = |name: &str| name.trim().chars().all(|c| c.is_ascii_alphanumeric() || "_$".contains(c));
    let from = from.trim().strip_suffix(';')?.trim().trim_matches(['"', '\'']);
    names.split(',').all(plain).then_some(from)?.strip_prefix("./")
}

/// The name that a line at the top of a module declares.
fn declared(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("async ").unwrap_or(line);
    let kinds = ["function* ", "function ", "class ", "const ", "let ", "var "];
    let rest = kinds.iter().find_map(|kind| rest.strip_prefix(kind))?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_$".contains(c))).unwrap_or(rest.len());
    Some(&rest[..end]).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_stands_behind_what_it_imports() {
        let modules = [
            ("main.js", "import { b } from './b.js';\nimport {\n  a,\n} from \"./a.js\";\nb(a);\n"),
            ("b.js", "// b\nimport { a } from \"./a.js\";\n\nexport function b(x) {\n  return x + a;\n}\n"),
            ("a.js", "/**\n * One.\n */\nexport const a = /** @type {any} */ (1);\n/** Two. */\n"),
        ];
        let joined = join(&modules, "main.js").expect("it is well made");
        assert_eq!(joined, "const a = /** @type {any} */ (1);\nfunction b(x) {\nreturn x + a;\n}\nb(a);\n");
    }

    #[test]
    fn what_it_cannot_join_it_names() {
        for (text, other, said) in [
            ("import * as a from './a.js';\n", "", "main.js: import * as a"),
            ("import { a as b } from './a.js';\n", "", "main.js: import { a as b }"),
            ("import { a } from './c.js';\n", "", "there is no module c.js"),
            ("import { a } from './a.js'", "", "main.js: an import has no end"),
            ("export default 1;\n", "", "main.js: export default"),
            ("import { a } from './a.js';\nlet b;\n", "const b = 1;\n", "main.js: b is the name"),
            ("import { a } from './a.js';\n", "import { m } from './main.js';\n", "main.js imports itself"),
        ] {
            let error = join(&[("main.js", text), ("a.js", other)], "main.js").expect_err(text);
            assert!(error.starts_with(said), "{error}");
        }
    }
}
