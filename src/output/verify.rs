//! What `verify` tells people.

use std::fmt::Write as _;

use slowpath_advisor::verify::{Interval, Verified};

use super::text::{Style, escaped, seconds, wrap};

/// Width of the labels on the left.
const LABEL: usize = 11;

/// The whole text.
pub(crate) fn render(result: &Verified, style: Style) -> String {
    let clock = if result.clock == "wall" { "time" } else { "processor time" };
    let verdict = match (result.verdict.as_str(), &result.reason) {
        ("faster", _) => style.good(&format!("saves {} of the {clock}", interval(result.measured))),
        ("slower", _) => style.bad(&format!("costs {} of the {clock}", interval(turned(result.measured)))),
        (_, None) => style.warn("saves nothing worth a change"),
        (_, Some(_)) => style.warn("cannot tell"),
    };
    let mut out = format!("{} {verdict}\n", style.strong(&escaped(&result.finding)));
    let mut line = |label: &str, text: &str| {
        let text = wrap(&escaped(text), style.width.saturating_sub(LABEL + 2), LABEL + 2);
        let _ = writeln!(out, "  {}{text}", style.faint(&format!("{label:LABEL$}")));
    };
    line("finding", &result.title);
    line("change", &result.change);
    if let Some(reason) = &result.reason {
        line("why", reason);
    }
    if result.blocks.is_empty() {
        return out;
    }
    line("predicted", &format!("{}; {}", interval(result.predicted), agreement(result)));
    line("measured", &interval(result.measured));
    line("control", &format!("{}: what the same program seems to save", interval(result.control)));
    let pairs = result.blocks.len() * 2;
    let (before, after) = (seconds(result.before_s), seconds(result.after_s));
    line("runs", &format!("{pairs} pairs in turn; {before} before, {after} after (median)"));
    let output = if result.output_compared { "the same in all runs" } else { "not compared" };
    line("output", output);
    out
}

fn agreement(result: &Verified) -> String {
    if result.is_covered {
        return "what was measured lies within".into();
    }
    let side = if result.measured.value > result.predicted.value { "more" } else { "less" };
    format!("what was measured is {side}")
}

/// What a negative saving costs.
fn turned(it: Interval) -> Interval {
    Interval { value: -it.value, low: -it.high, high: -it.low }
}

/// `8.4% [7.0, 9.7]`
pub(crate) fn interval(it: Interval) -> String {
    format!("{:.1}% [{:.1}, {:.1}]", it.value * 100.0, it.low * 100.0, it.high * 100.0)
}

#[cfg(test)]
mod tests {
    use slowpath_advisor::verify::Block;

    use super::*;

    const PLAIN: Style = Style { color: false, width: 80 };

    fn result() -> Verified {
        let interval = |low, value, high| Interval { value, low, high };
        Verified {
            finding: "SP301-7c1e".into(),
            title: "class Model modified 1000+ times: \u{1b}[31mits attributes are not cached".into(),
            change: "--patch fix.diff".into(),
            clock: "cpu".into(),
            verdict: "faster".into(),
            predicted: interval(0.07, 0.084, 0.097),
            measured: interval(0.101, 0.121, 0.139),
            control: interval(-0.004, 0.002, 0.009),
            before_s: 1.234,
            after_s: 1.085,
            blocks: vec![Block::default(); 6],
            output_compared: true,
            ..Verified::default()
        }
    }

    #[test]
    fn a_gain() {
        insta::assert_snapshot!(render(&result(), PLAIN));
    }

    #[test]
    fn a_loss_nothing_and_no_verdict() {
        let slower = Verified {
            verdict: "slower".into(),
            measured: Interval { value: -0.2, low: -0.22, high: -0.19 },
            ..result()
        };
        let none = Verified {
            verdict: "no gain".into(),
            measured: Interval { value: 0.001, low: -0.003, high: 0.005 },
            output_compared: false,
            ..result()
        };
        let unclear = Verified {
            verdict: "cannot tell".into(),
            reason: Some("0 pairs of runs were made, and 10 are needed".into()),
            blocks: Vec::new(),
            ..result()
        };
        let texts = [slower, none, unclear].map(|it| render(&it, PLAIN));
        insta::assert_snapshot!(texts.join("\n"));
    }
}
