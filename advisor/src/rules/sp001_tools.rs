//! SP001: a tracer, profiler or monitoring tool watches the program.

use slowpath_profile::evidence::{Tool, ToolKind};
use slowpath_profile::finding::{EvidenceLevel, Place};

use crate::context::{Context, HotSite};
use crate::rule::{Charge, Cost, Draft, Page, Rule, Verdict, everywhere, fix};
use crate::weight::Extent;

/// Hot instructions without a trace of a tool that tell that it is told of nothing.
const ENOUGH_SITES: usize = 4;

pub(super) const RULE: Rule = Rule {
    code: "SP001",
    name: "a tracer, profiler or monitoring tool is active",
    page: Page {
        plain: "Something inside the program is told of every call or every line that runs: a debugger, a \
                coverage tool, a profiler, a test helper. Each notice costs many times what the line itself does.\n\n\
                It is often there by accident: coverage switched on for a benchmark, a debugger of the editor \
                that stays attached, a profiler that nobody stopped.",
        mechanism: "sys.settrace and sys.setprofile call a function for each event. Since 3.12 events are put \
                    into the bytecode as instrumented instructions (PEP 669), which replace specialised ones; a \
                    sys.monitoring callback that returns DISABLE removes its instruction again and costs nothing \
                    from then on, which is why a registered tool without active events is no finding.",
        versions: "All versions. sys.monitoring exists since 3.12.",
        cost: "Time relative to a plain run: tracing lines 4 to 7 times, a profile function 3 to 5, cProfile \
               2 before 3.11 and 3.5 to 5 since, a monitoring callback for each line 2.4 to 4, tracing of \
               single instructions 9 to 35.",
        slow: "import sys\n\ndef trace(frame, event, arg):\n    return trace\n\nsys.settrace(trace)      # left behind\nmain()",
        fast: "import sys\n\nsys.settrace(None)\nmain()",
        fix: "Measure and run in production without it. If coverage is wanted, use a tool that asks \
              sys.monitoring and disables each place after it was seen (coverage with COVERAGE_CORE=sysmon on \
              3.12 and later). A profiler from outside, such as this one, needs no hook.",
    },
    holds: everywhere,
    check,
};

fn check(context: &Context<'_>) -> Verdict {
    if !context.has_evidence() {
        return Verdict::CannotTell("the state of the interpreter was not recorded".into());
    }
    let looks = context.evidence.looks;
    let tools = context.evidence.runtime.tools.iter();
    let lasting =
        tools.filter(|tool| tool.looks * 10 >= looks && is_told_of_much(tool) && !is_done(context, tool));
    Verdict::of(lasting.map(|tool| draft(context, tool)).collect())
}

/// Events that come with every call or line; of rare ones nothing is felt.
fn is_told_of_much(tool: &Tool) -> bool {
    const FREQUENT: [&str; 9] =
        ["PY_START", "PY_RESUME", "PY_RETURN", "PY_YIELD", "CALL", "LINE", "INSTRUCTION", "JUMP", "BRANCH"];
    tool.kind != ToolKind::Monitoring
        || tool.events.iter().any(|event| FREQUENT.iter().any(|known| event.starts_with(known)))
}

/// Whether the tool has answered DISABLE for all that is hot: of such events the bytecode shows which
/// instructions still report.
fn is_done(context: &Context<'_>, tool: &Tool) -> bool {
    const SHOWN: [&str; 4] = ["LINE", "INSTRUCTION", "PY_START", "CALL"];
    let is_shown = tool.events.iter().all(|event| SHOWN.contains(&event.as_str()));
    // Lines that do not run keep reporting: only those with samples tell. What stands behind them in the
    // same line, such as the end of a loop, may never have run.
    let on_line = |hot: &HotSite<'_>| {
        let mut there = hot
            .code
            .sites
            .iter()
            .filter(|site| site.span.line == hot.site.span.line && site.offset <= hot.site.offset);
        there.any(|site| site.form().starts_with("INSTRUMENTED_"))
    };
    tool.kind == ToolKind::Monitoring
        && is_shown
        && context.sites.len() >= ENOUGH_SITES
        && !context.sites.iter().any(on_line)
}

fn key(tool: &Tool) -> &'static str {
    let told_of = |name: &str| tool.events.iter().any(|event| event == name);
    match tool.kind {
        ToolKind::Trace if told_of("INSTRUCTION") => "tool.trace_opcodes",
        ToolKind::Trace => "tool.trace",
        ToolKind::Profile if is_c_profile(tool) => "tool.cprofile",
        ToolKind::Profile => "tool.profile",
        ToolKind::Monitoring if told_of("INSTRUCTION") => "tool.monitor_instruction",
        ToolKind::Monitoring if told_of("LINE") => "tool.monitor_line",
        ToolKind::Monitoring if told_of("CALL") => "tool.monitor_call",
        ToolKind::Monitoring if is_c_profile(tool) => "tool.cprofile",
        ToolKind::Monitoring => "tool.monitor_start",
    }
}

fn is_c_profile(tool: &Tool) -> bool {
    let name = tool.name.to_ascii_lowercase();
    name.contains("cprofile") || name.contains("lsprof") || name == "_lsprof.profiler"
}

fn draft(context: &Context<'_>, tool: &Tool) -> Draft {
    let way = match tool.kind {
        ToolKind::Trace => "sys.settrace",
        ToolKind::Profile => "sys.setprofile",
        ToolKind::Monitoring => "sys.monitoring",
    };
    let name = if tool.name.is_empty() { String::new() } else { format!(" ({})", tool.name) };
    let what = match tool.kind {
        ToolKind::Trace => "a trace function runs for every line",
        ToolKind::Profile => "a profile function runs for every call",
        ToolKind::Monitoring => "a monitoring tool is told of what the program does",
    };
    let mut draft = Draft {
        about: format!("{way}{name}"),
        title: format!("{what}{name}"),
        level: EvidenceLevel::Dynamics,
        applies: format!("all versions; {}", context.target.name()),
        fix: fix(
            format!("Run without it. Whoever calls {way} must undo it when done."),
            match tool.kind {
                ToolKind::Trace => &["+sys.settrace(None)", "+threading.settrace(None)"],
                ToolKind::Profile => &["+sys.setprofile(None)", "+threading.setprofile(None)"],
                ToolKind::Monitoring => &["+sys.monitoring.set_events(tool_id, 0)"],
            },
            "The debugger, coverage tool or profiler no longer sees the program.",
        ),
        ..Draft::default()
    };
    let events = match tool.events.as_slice() {
        [] => String::new(),
        events => format!(", for {}", events.join(", ")),
    };
    let threads = if tool.threads > 1 { format!(" in {} threads", tool.threads) } else { String::new() };
    draft.because(
        EvidenceLevel::Dynamics,
        format!(
            "{way}{name} was active in {} of {} looks{threads}{events}",
            tool.looks, context.evidence.looks
        ),
    );
    draft.charges.push(Charge {
        extent: Extent::Running,
        cost: Cost::Key(key(tool)),
        weight: (f64::from(tool.looks) / f64::from(context.evidence.looks.max(1))).min(1.0),
        place: Place::default(),
        expression: "all Python code".into(),
        state: format!("watched through {way}"),
    });
    draft
}
