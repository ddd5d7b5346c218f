//! SARIF 2.1.0 (OASIS Standard, 27 March 2020).
//!
//! A result lies where it can be solved: at the cause if it is known. Where it hurts are its related
//! locations, and the way from the one to the other is its code flow. Only what we use of the standard
//! is declared here.

use std::io::{self, Write};

use slowpath_profile::export::printable;
use slowpath_profile::finding::{Finding, Place};

use super::sarif_types::{
    ArtifactLocation, CodeFlow, Driver, Fingerprints, Invocation, Location, Log, LogicalLocation, Message,
    Notification, PhysicalLocation, Region, Reporting, ResultOut, ResultProperties, Rule, Run, Suppression,
    ThreadFlow, ThreadFlowLocation, Tool,
};
use super::{Report, Severity, paths, severity, solution_site, words};
use crate::gate::{Outcome, State};

/// GitHub shows no more of a result.
const MAX_RELATED: usize = 100;
/// What file names are relative to, by the convention of GitHub and Azure.
const ROOT: &str = "%SRCROOT%";

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    super::write_json(&log(report), out)
}

fn log<'a>(report: &Report<'a>) -> Log<'a> {
    let mut codes: Vec<&str> = Vec::new();
    for (finding, _) in report.all() {
        if !codes.contains(&finding.rule.as_str()) {
            codes.push(&finding.rule);
        }
    }
    let rules = codes.iter().map(|code| rule(report, code)).collect();
    let results = report.all().map(|(finding, state)| {
        let index = codes.iter().position(|code| *code == finding.rule).unwrap_or(0);
        result(report, finding, state, index)
    });
    let driver = Driver { name: "slowpath", version: &report.findings.slowpath, rules };
    let run = Run {
        tool: Tool { driver },
        column_kind: "unicodeCodePoints",
        invocations: [invocation(report)],
        results: results.collect(),
    };
    Log { schema: "https://json.schemastore.org/sarif-2.1.0.json", version: "2.1.0", runs: [run] }
}

fn rule<'a>(report: &Report<'a>, code: &'a str) -> Rule<'a> {
    let name = report.rule_name(code).unwrap_or(code);
    let known = crate::rules::find(code);
    let page = known.map(crate::rule::Rule::markdown);
    let help = page.map(|page| Message { text: page.clone(), markdown: Some(page) });
    Rule {
        id: code,
        short_description: Message::plain(name),
        // GitHub takes no rule without one.
        full_description: Message::plain(known.map_or(name, |rule| rule.page.plain.trim())),
        help: help.unwrap_or_else(|| Message::plain(&format!("slowpath explain {code}"))),
        default_configuration: Reporting { level: "warning" },
    }
}

fn result<'a>(
    report: &Report<'a>,
    finding: &'a Finding,
    state: Option<State>,
    rule_index: usize,
) -> ResultOut<'a> {
    let hurts = finding.hurts.iter().filter(|hurt| paths::is_file(&hurt.place.file));
    let hurts = hurts.take(MAX_RELATED).enumerate();
    let related = hurts.map(|(at, hurt)| {
        let text = format!("slow: {}", words::plain(words::hurt_parts(hurt, report.paths)));
        Location { id: Some(at + 1), ..location(report, &hurt.place, Some(&text)) }
    });
    let saving = &finding.saving;
    ResultOut {
        rule_id: &finding.rule,
        rule_index,
        level: match severity(finding, state) {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        },
        rank: finite(saving.low * 100.0).clamp(0.0, 100.0),
        message: message(report, finding, state),
        locations: [primary(report, finding)],
        related_locations: related.collect(),
        code_flows: code_flow(report, finding).into_iter().collect(),
        partial_fingerprints: Fingerprints { slowpath: &finding.fingerprint },
        baseline_state: state.map(|state| match state {
            State::New(_) => "new",
            State::Known | State::Ignored { .. } => "unchanged",
            State::Grown => "updated",
        }),
        suppressions: suppression(report, state).into_iter().collect(),
        properties: ResultProperties {
            evidence: finding.evidence.code(),
            confidence: finding.confidence.word(),
            saving: finite(saving.share),
            saving_low: finite(saving.low),
            saving_high: finite(saving.high),
            samples: finding.samples,
        },
    }
}

/// JSON has no other numbers, and the standard allows no `null` here.
fn finite(number: f64) -> f64 {
    if number.is_finite() { number } else { 0.0 }
}

fn message<'a>(report: &Report<'a>, finding: &Finding, state: Option<State>) -> Message {
    let mut text = words::summary(finding, state);
    for fact in words::facts(finding, report.paths) {
        text += &format!("\n{}: {}", fact.label, fact.plain());
    }
    Message::plain(&text)
}

fn suppression(report: &Report<'_>, state: Option<State>) -> Option<Suppression> {
    let Some(State::Ignored { by }) = state else { return None };
    let ignore = report.decision?.ignores.get(by)?;
    Some(Suppression { kind: "inSource", justification: printable(&ignore.reason).into_owned() })
}

/// Where the result is shown. GitHub refuses a whole file for one result without a path, so what is in
/// none gets a path that says so.
fn primary(report: &Report<'_>, finding: &Finding) -> Location {
    let mut place = solution_site(finding).map(|site| location(report, site, None)).unwrap_or_default();
    place.physical_location.get_or_insert_with(|| PhysicalLocation {
        artifact_location: ArtifactLocation { uri: super::NO_FILE.into(), uri_base_id: Some(ROOT) },
        region: Some(Region { start_line: 1, ..Region::default() }),
    });
    place
}

fn location(report: &Report<'_>, place: &Place, text: Option<&str>) -> Location {
    let function = printable(&place.function);
    let named = (!function.is_empty())
        .then(|| LogicalLocation { fully_qualified_name: function.clone().into_owned(), kind: "function" });
    Location {
        id: None,
        physical_location: physical(report, place),
        logical_locations: named.into_iter().collect(),
        message: text.map(Message::plain),
    }
}

/// `None` for code that lies in no file.
fn physical(report: &Report<'_>, place: &Place) -> Option<PhysicalLocation> {
    if !paths::is_file(&place.file) {
        return None;
    }
    let shown = report.paths.show(&place.file);
    let (prefix, base) = match (shown.is_inside, place.file.starts_with('/')) {
        (true, _) => ("", Some(ROOT)),
        (false, true) => ("file://", None),
        (false, false) => ("", None),
    };
    let uri = format!("{prefix}{}", percent_encoded(&shown.path));
    let region = place.line.filter(|line| *line > 0).map(|line| region(place, line));
    Some(PhysicalLocation { artifact_location: ArtifactLocation { uri, uri_base_id: base }, region })
}

/// Lines and columns are from 1 here as there; an end before its beginning is left out.
fn region(place: &Place, line: u32) -> Region {
    let end_line = place.end_line.filter(|end| *end >= line);
    let start_column = place.column.filter(|column| *column > 0);
    let is_behind = |end: &u32| end_line.unwrap_or(line) > line || start_column.is_some_and(|it| *end >= it);
    let end_column = place.end_column.filter(is_behind).filter(|end| *end > 0);
    Region { start_line: line, start_column, end_line, end_column }
}

/// From the cause through the reasons to where it hurts; `None` if there is no way to show.
fn code_flow(report: &Report<'_>, finding: &Finding) -> Option<CodeFlow> {
    let first = finding.hurts.first()?;
    let mut steps = Vec::new();
    let mut step = |place: &Place, text: String| {
        // A step without a path is an error to GitHub; the message has it all the same.
        if !paths::is_file(&place.file) {
            return;
        }
        steps.push(ThreadFlowLocation { location: location(report, place, Some(&text)) });
    };
    let cause = finding.causes.first();
    if let Some(cause) = cause {
        let text = words::plain(words::cause_parts(cause, report.paths));
        step(&cause.place, format!("cause ({}): {text}", cause.label()));
    }
    // What is known of the way lies at no line of its own.
    let between = cause.map_or(&first.place, |cause| &cause.place);
    for reason in &finding.why {
        step(between, format!("{}: {}", reason.level.code(), printable(&reason.text)));
    }
    for hurt in finding.hurts.iter().take(words::MAX_HURTS) {
        let text = words::plain(words::hurt_parts(hurt, report.paths));
        step(&hurt.place, format!("slow: {text}"));
    }
    (steps.len() > 1).then_some(CodeFlow { thread_flows: [ThreadFlow { locations: steps }] })
}

fn invocation<'a>(report: &Report<'a>) -> Invocation {
    let verdicts = report.findings.verdicts.iter();
    let silent = verdicts.filter(|it| it.verdict == slowpath_profile::finding::VerdictKind::CannotTell);
    let mut execution: Vec<Notification> = silent
        .map(|it| {
            let text = format!("{} cannot tell: {}", printable(&it.rule), printable(&it.reason));
            Notification::new("note", &text, None)
        })
        .collect();
    let Some(decision) = report.decision else {
        return Invocation { execution_successful: true, exit_code: None, execution, configuration: vec![] };
    };
    if let Outcome::Inconclusive(why) = &decision.outcome {
        execution.push(Notification::new("warning", &format!("inconclusive: {}", printable(why)), None));
    }
    for (entries, what) in [(&decision.fixed, "fixed"), (&decision.stale, "stale")] {
        execution.extend(entries.iter().map(|it| {
            let text = format!("{what} since the baseline: {} {}", printable(&it.rule), printable(&it.title));
            Notification::new("note", &text, None)
        }));
    }
    let notes = decision.notes.iter().filter_map(|note| {
        let ignore = decision.ignores.get(note.ignore)?;
        let place = Place { file: ignore.file.clone(), line: Some(ignore.line), ..Place::default() };
        let text = format!("{} ignore comment: {}", note.kind.name(), note.kind.words());
        Some(Notification::new("warning", &text, Some(location(report, &place, None))))
    });
    Invocation {
        execution_successful: true,
        exit_code: Some(decision.outcome.exit_code()),
        execution,
        configuration: notes.collect(),
    }
}

/// A path as part of a URI (RFC 3986).
fn percent_encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

impl Message {
    /// Plain text. `[text](1)` would be a link and `{0}` an argument in it: such are escaped as the
    /// standard says (3.11.5, 3.11.6), and brackets that cannot be mistaken stay as they are.
    fn plain(text: &str) -> Self {
        let mut text = std::borrow::Cow::from(text);
        if text.contains("](") {
            text = text.replace('[', "\\[").replace(']', "\\]").into();
        }
        let is_argument = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
        if text.split('{').skip(1).any(is_argument) {
            text = text.replace('{', "{{").replace('}', "}}").into();
        }
        Self { text: text.into_owned(), markdown: None }
    }
}

impl Notification {
    fn new(level: &'static str, text: &str, place: Option<Location>) -> Self {
        Self { level, message: Message::plain(text), locations: place.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::Format;
    use super::super::testing::{HOSTILE, class_out_of_tags, findings, named, two, written};
    use super::*;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn the_form_is_fixed() {
        insta::assert_snapshot!(written(Format::Sarif, &two()));
    }

    #[test]
    fn a_result_lies_at_its_cause_and_leads_to_where_it_hurts() {
        let log = read(&written(Format::Sarif, &two()));
        let result = &log["runs"][0]["results"][0];
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "shop/models.py");
        assert_eq!(place["region"]["startLine"], 41);
        assert_eq!(result["relatedLocations"].as_array().map(Vec::len), Some(2));
        let flow = result["codeFlows"][0]["threadFlows"][0]["locations"].as_array().expect("a flow");
        let lines = flow.iter().map(|it| it["location"]["physicalLocation"]["region"]["startLine"].as_u64());
        assert_eq!(lines.collect::<Vec<_>>(), [41, 41, 41, 88, 91].map(Some));
        // Without a known cause it lies where it hurts.
        let place = &log["runs"][0]["results"][1]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "shop/report.py");
    }

    #[test]
    fn code_in_no_file_is_in_an_unknown_one() {
        let mut finding = class_out_of_tags();
        finding.causes.clear();
        finding.hurts.truncate(1);
        finding.hurts[0].place.file = "<string>".into();
        let log = read(&written(Format::Sarif, &findings(vec![finding])));
        let place = &log["runs"][0]["results"][0]["locations"][0];
        assert_eq!(place["physicalLocation"]["artifactLocation"]["uri"], "unknown");
        assert_eq!(place["logicalLocations"][0]["fullyQualifiedName"], "Cart.total");
    }

    #[test]
    fn a_hostile_name_is_a_name() {
        let log = read(&written(Format::Sarif, &findings(vec![named(class_out_of_tags(), HOSTILE)])));
        let result = &log["runs"][0]["results"][0];
        let uri =
            result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().expect("a URI");
        assert!(
            uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"{}|\\^`[]".contains(&byte)),
            "{uri}"
        );
        let text = result["message"]["text"].as_str().expect("text");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
        assert!(text.contains("\\]\\](x)") && text.contains("{{0}}"), "{text}");
    }

    #[test]
    fn addresses_are_escaped_byte_by_byte() {
        assert_eq!(percent_encoded("a b/ü%#?.py"), "a%20b/%C3%BC%25%23%3F.py");
    }
}
