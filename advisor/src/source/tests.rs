//! Texts as they are written, and as nobody should write them.

use slowpath_profile::finding::Place;
use slowpath_profile::{Profile, Tables};

use super::*;
use crate::testing::function;

const SHOP: &str = r#"
import functools


def traced(function):
    return function


class Model:
    created = 0
    size: int = 1; unit, scale = "m", 2
    declared: int

    def __init__(self, name):
        type(self).created = type(self).created \
            + len(
                name,  # never empty
            )
        self.__secret = name; self.name = name

    @traced
    @functools.cached_property
    def total(self):
        return sum(map(lambda it:
            it.price, self.rows))

    class Inner:
        limit = 3

        def get(self):
            for row in self.rows: self.last = row
            Model.last = 1; Model.last = 2


def outer():
    def inner():
        setattr(Model, "last",
                None)
    return inner
"#;

/// Tables of a program that ran these functions: qualified name and first line.
fn ran(functions: &[(&str, u32)]) -> Profile {
    let mut profile = Profile::default();
    for (qualname, first_line) in functions {
        let tables = &mut profile.tables;
        let name = tables.strings.intern_str(qualname.rsplit('.').next().unwrap_or_default());
        let file = tables.strings.intern_str("shop.py");
        let qualname = tables.strings.intern_str(qualname);
        let kind = FunctionKind::Python;
        tables.functions.intern(Function { name, qualname, file, first_line: *first_line, kind });
    }
    profile
}

const ALL: [(&str, u32); 6] = [
    ("<module>", 1),
    ("Model.__init__", 14),
    ("Model.total", 21),
    ("Model.Inner.get", 30),
    ("outer", 35),
    ("outer.<locals>.inner", 36),
];

fn cause(function: &str, line: u32, statement: &str) -> Cause {
    let place =
        Place { file: "shop.py".into(), line: Some(line), function: function.into(), ..Place::default() };
    Cause { place, statement: statement.into(), ..Cause::default() }
}

/// What becomes of a statement if this is the text.
fn told(tables: &Tables, text: &[u8], mut cause: Cause) -> (String, Option<String>) {
    let read = |file: &str| (file == "shop.py").then(|| text.to_vec());
    Sources::new(tables, Some(&read)).complete(&mut cause);
    (cause.statement, cause.compiled)
}

#[test]
fn a_statement_is_shown_as_it_is_written() {
    let profile = ran(&ALL);
    let whole = "type(self).created = type(self).created + len(name,)";
    for (function, line, compiled, wanted) in [
        ("Model.__init__", 15, "type(self).created = …", whole),
        ("Model.__init__", 17, "type(self).created = …", whole),
        ("__init__", 15, "type(self).created = …", whole),
        ("Model.__init__", 19, "self._Model__secret = …", "self.__secret = name"),
        ("Model.total.<locals>.<lambda>", 25, "", "return sum(map(lambda it: it.price, self.rows))"),
        ("Model.total", 21, "def Model.total", "def total(self)"),
        ("Model.Inner.get", 31, "self.last = …", "self.last = row"),
        ("outer.<locals>.inner", 37, "setattr(Model, 'last', …)", r#"setattr(Model, "last", None)"#),
        ("<module>", 2, "import …", "import functools"),
    ] {
        let wanted = (wanted.to_owned(), Some(compiled.to_owned()));
        assert_eq!(told(&profile.tables, SHOP.as_bytes(), cause(function, line, compiled)), wanted);
    }
}

#[test]
fn less_is_said_where_it_is_not_sure() {
    let profile = ran(&ALL);
    for (function, line, compiled, why) in [
        ("Model.__init__", 15, "type(self).count = …", "another name"),
        ("Model.save", 15, "type(self).created = …", "another function"),
        ("Model.Inner.get", 15, "type(self).created = …", "another function, with its own line"),
        ("Model.Inner.get", 32, "Model.last = …", "two of them"),
        ("Model.__init__", 19, "self.name = …", "two of them that hold these words"),
        ("Model.total", 99, "", "no such line"),
        ("Model.total", 22, "def Model.total", "the line of another decorator"),
    ] {
        let wanted = (compiled.to_owned(), None);
        assert_eq!(told(&profile.tables, SHOP.as_bytes(), cause(function, line, compiled)), wanted, "{why}");
    }
    let mut second = cause("Model.Inner.get", 32, "Model.last = …");
    second.place.column = Some(29);
    assert_eq!(told(&profile.tables, SHOP.as_bytes(), second).0, "Model.last = 2", "the column tells");
}

#[test]
fn another_version_of_the_file_is_not_believed() {
    let profile = ran(&ALL);
    let moved = format!("# a line more\n{SHOP}");
    let broken = format!("{SHOP}\n)");
    let mut latin = SHOP.as_bytes().to_vec();
    latin.extend(b"# \xe9\n");
    let compiled = "type(self).created = …";
    for text in [moved.as_bytes(), broken.as_bytes(), &latin, b"", b"\0", b"\xff\xfe"] {
        for line in 15..=16 {
            let cause = cause("Model.__init__", line, compiled);
            assert_eq!(told(&profile.tables, text, cause), (compiled.to_owned(), None));
        }
    }
    let with_mark = format!("\u{feff}{SHOP}");
    let told = told(&profile.tables, with_mark.as_bytes(), cause("Model.__init__", 15, compiled));
    assert!(told.1.is_some(), "a byte order mark is no change");
}

#[test]
fn without_words_and_without_functions_nothing_tells_that_it_is_the_text() {
    let line = cause("<module>", 2, "");
    let text = SHOP.as_bytes();
    assert_eq!(told(&ran(&ALL[..1]).tables, text, line.clone()), (String::new(), None));
    assert_eq!(told(&ran(&ALL).tables, text, line).0, "import functools");
}

#[test]
fn members_of_class_bodies_have_lines() {
    let profile = ran(&ALL);
    let read = |_: &str| Some(SHOP.as_bytes().to_vec());
    let sources = Sources::new(&profile.tables, Some(&read));
    let init = function(&profile.tables, "Model.__init__");
    let member = |class: &str, name: &str, decorator: &str| {
        sources.member(class, init, name, decorator).map(|it| (it.line, it.statement))
    };
    let at = |line: u32, statement: &str| Some((line, statement.to_owned()));
    assert_eq!(member("Model", "created", ""), at(10, "created = 0"));
    assert_eq!(member("Model", "size", ""), at(11, "size: int = 1"));
    assert_eq!(member("Model", "scale", ""), at(11, r#"unit, scale = "m", 2"#));
    assert_eq!(member("Model", "declared", ""), None, "an annotation gives no value");
    assert_eq!(member("Model", "total", "cached_property"), at(22, "@functools.cached_property"));
    assert_eq!(member("Model", "total", ""), at(23, "def total(self)"));
    assert_eq!(member("Model.Inner", "limit", ""), at(28, "limit = 3"));
    assert_eq!(member("Model", "limit", ""), None);
    assert_eq!(member("Cart", "created", ""), None);
    assert_eq!(sources.class_head("Model.Inner", init).map(|it| it.line), Some(27));
}

#[test]
fn of_classes_of_one_name_the_method_tells_which() {
    let text = "if new:\n    class A:\n        x = 1\n        def f(self): ...\nelse:\n    class A:\n        x = 2\n        def f(self): ...\n";
    let read = |_: &str| Some(text.as_bytes().to_vec());
    for (first_line, wanted) in [(4, 3), (8, 7)] {
        let profile = ran(&[("A.f", first_line)]);
        let sources = Sources::new(&profile.tables, Some(&read));
        let member = sources.member("A", function(&profile.tables, "A.f"), "x", "");
        assert_eq!(member.map(|it| it.line), Some(wanted));
    }
}

/// Texts that are made to exhaust a parser. Threads of tests have 2 MB of stack.
#[test]
fn hostile_texts_neither_panic_nor_overflow() {
    let n = 400_000;
    let mut texts: Vec<String> = [
        "(",
        "[",
        "{",
        "-",
        "not ",
        "x.",
        "x+",
        "x if y else ",
        "lambda: ",
        "lambda x=",
        "await ",
        "f'{",
        "f'{x:{",
        "*",
        "**",
        "@",
        "if x:\n ",
        "x = ",
        "x[",
        "x(",
        "print(f\"{",
        "{x:",
        "class A(",
        "def f(x=",
        "with (",
        "match (",
        "case (",
        "for x in ",
        "a and ",
        "a < ",
        "yield ",
        "x := (",
        "'' ",
        "a,",
        ";",
        "\\\n",
        "\u{c}",
        "type X[T: ",
        "lazy ",
        "try:\n ",
        "else if ",
        "`",
        "$",
        "\0",
    ]
    .iter()
    .map(|part| part.repeat(n / part.len()))
    .collect();
    texts.push((0..800).map(|depth| format!("{}if x:\n", " ".repeat(depth))).collect());
    texts.push(format!("x = {}1{}", "(".repeat(n), ")".repeat(n)));
    texts.push(format!("match x:\n case {}", "[".repeat(900)));
    texts.push("x = 1\n".repeat(2_000_000));
    let profile = ran(&[]);
    for text in &texts {
        for part in ["", "x = 1\n"] {
            let text = format!("{part}{text}");
            let cause = cause("<module>", 1, "x = …");
            drop(told(&profile.tables, text.as_bytes(), cause));
            drop((comments(&text), normalised(&text)));
        }
    }
}

/// As deep as it may be, in each way: what is not refused must be parsed and dropped on a small stack.
#[test]
fn what_is_just_shallow_enough_is_read() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("-", ""),
        ("not ", ""),
        ("x+", ""),
        ("x.", ""),
        ("lambda: ", ""),
        ("x(", ")"),
        ("{1: ", "}"),
        ("x if y else ", ""),
        ("await ", ""),
        ("x**", ""),
        ("f(x)(", ")"),
        ("x[", "]"),
    ] {
        for depth in [80, 320, 990] {
            let text = format!("x = {}y{}\n", open.repeat(depth), close.repeat(depth));
            drop(normalised(&text));
            drop(File::parse(&text));
        }
    }
    assert!(File::parse(&format!("x = {}y{}\n", "(".repeat(190), ")".repeat(190))).is_some());
    let table: String = (0..50_000).map(|n| format!("    ({n}, 'x', [1, 2]),\n")).collect();
    assert!(File::parse(&format!("TABLE = [\n{table}]\n")).is_some(), "wide is not deep");
}
