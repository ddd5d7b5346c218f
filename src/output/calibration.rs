//! What `calibrate` tells people.

use std::fmt::Write as _;

use slowpath_advisor::costs::bench::Measured;
use slowpath_advisor::costs::{Costs, Table};

use super::text::{Style, counted, escaped};

/// A ratio that differs by this factor from the built-in one is worth a line.
const DIFFERS: f64 = 1.25;
/// Lines at most.
const SHOWN: usize = 8;

/// What was measured, and where it differs most from the built-in table.
pub(crate) fn render(off: &Measured, table: &Table, known: &dyn Fn(bool) -> Costs, style: Style) -> String {
    let [major, minor, micro] = off.version;
    let measured = counted((table.off.len() + table.jit.len()) as u64, "cost");
    let title = format!("{measured} measured on CPython {major}.{minor}.{micro}");
    let mut out = format!("{}\n", style.strong(&title));
    let mut rows = Vec::new();
    for (jit, part) in [(false, &table.off), (true, &table.jit)] {
        let costs = known(jit);
        for (key, [here, _, _]) in part {
            let Some(there) = costs.ratio(key).map(|it| it.median) else { continue };
            let factor = (here / there).max(there / here);
            if factor >= DIFFERS {
                rows.push((factor, format!("{key}{}", if jit { " (JIT)" } else { "" }), *here, there));
            }
        }
    }
    rows.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    out += &match rows.len() {
        0 => "none differs by a quarter or more from the built-in table\n".to_owned(),
        1 => "1 differs by a quarter or more from the built-in table:\n".into(),
        n => format!("{n} differ by a quarter or more from the built-in table:\n"),
    };
    for (_, key, here, there) in rows.iter().take(SHOWN) {
        let _ = writeln!(out, "  {:32} {here:6.2} here, {there:6.2} there", escaped(key));
    }
    if rows.len() > SHOWN {
        let _ = writeln!(out, "  and {} more", rows.len() - SHOWN);
    }
    for failed in &off.failed {
        let _ = writeln!(out, "{} {}", style.warn("not measured:"), escaped(failed));
    }
    out
}

#[cfg(test)]
mod tests {
    use slowpath_advisor::target::Target;

    use super::*;

    #[test]
    fn what_differs_most_comes_first() {
        let off = Measured::parse(
            br#"{"version": [3, 13, 5], "machine": "x86_64", "pgo": true, "jit": false, "failed": ["x\u001b: y"],
                "cases": []}"#,
        )
        .expect("as bench.py prints it");
        let known = |jit| Costs::of(Target { version: (3, 13), jit, ..Target::default() });
        let same = known(false).ratio("attr.out_of_versions").expect("it costs something").median;
        let mut table = Table::default();
        table.off.insert("attr.out_of_versions".into(), [same; 3]);
        let plain = Style { color: false, width: 80 };
        let text = render(&off, &table, &known, plain);
        assert!(
            text.contains("1 cost measured on CPython 3.13.5") && text.contains("none differs"),
            "{text}"
        );
        table.off.insert("attr.out_of_versions".into(), [same * 1.5; 3]);
        table.off.insert("load_attr.types".into(), [1.0; 3]);
        table.off.insert("no.such.cost".into(), [99.0; 3]);
        let text = render(&off, &table, &known, plain);
        assert!(text.contains("2 differ") && text.contains("not measured: x\\x1b: y"), "{text}");
        let at = |word: &str| text.find(word).unwrap_or(usize::MAX);
        assert!(at("load_attr.types") < at("attr.out_of_versions"), "{text}");
    }
}
