//! SP701: time in the garbage collector.

use slowpath_profile::evidence::{ExactFacts, GcFacts, GcTotal};
use slowpath_profile::finding::{EvidenceLevel, Place};
use slowpath_profile::text::{pause, thousands};

use crate::context::Context;
use crate::costs::Ratio;
use crate::rule::{Charge, Cost, Draft, Page, Rule, Verdict, everywhere, fix};
use crate::weight::Extent;

/// A smaller share is the normal price of having a collector: with less, the advice saved nothing that
/// could be measured in real programs.
const NORMAL: f64 = 0.1;
/// Freezing or rarer collections avoid between two thirds and nearly all of it.
const AVOIDABLE: Ratio = Ratio::new(5.0, 2.5, 20.0);

pub(super) const RULE: Rule = Rule {
    code: "SP701",
    name: "time goes into the garbage collector",
    page: Page {
        plain: "Python looks for garbage that refers to itself after every so many new objects. If the program \
                holds many old objects that it will never drop, such as a cache or loaded data, they are looked \
                at again and again for nothing.",
        mechanism: "Reference counts free most objects at once; the cyclic collector walks containers. A \
                    collection of the oldest generation walks all of them. gc.freeze() takes everything that \
                    exists out of its sight.",
        versions: "All versions; 3.14 collects in increments, which spreads the time and does not remove it.",
        cost: "1.9 to 3.6 times for a loop that allocates beside 300,000 old containers.",
        slow: "CACHE = load()          # a million objects\nserve()",
        fast: "CACHE = load()\ngc.collect()\ngc.freeze()             # they are never looked at again\nserve()",
        fix: "Call gc.freeze() when everything long-lived is loaded (before fork, for workers); raise the first \
              threshold, gc.set_threshold(50_000, 20, 100), where many objects live for a short time; make \
              fewer objects that refer to each other.",
    },
    holds: everywhere,
    check,
};

fn check(context: &Context<'_>) -> Verdict {
    let samples = context.samples(&Extent::Collecting);
    if context.weight.share(samples) < NORMAL {
        return Verdict::Clear;
    }
    let mut draft = Draft {
        about: "garbage collector".into(),
        title: format!(
            "{:.0}% of the time goes into the garbage collector",
            context.weight.share(samples) * 100.0
        ),
        level: EvidenceLevel::State,
        applies: "all versions".into(),
        fix: fix(
            "Freeze what was loaded for good, or collect less often.",
            &[
                "+    gc.collect()",
                "+    gc.freeze()             # after start-up, before fork",
                "+    gc.set_threshold(50_000, 20, 100)",
            ],
            "Garbage in cycles among frozen objects is never freed; higher thresholds need more memory.",
        ),
        ..Draft::default()
    };
    draft.because(EvidenceLevel::State, format!("in {samples} samples the collector ran"));
    if let Some(gc) = &context.evidence.runtime.gc {
        generations(&mut draft, gc);
    }
    if let Some(exact) = context.evidence.exact.as_ref().filter(|exact| !exact.collections.is_empty()) {
        pauses(&mut draft, exact);
    }
    draft.charges.push(Charge {
        extent: Extent::Collecting,
        cost: Cost::Given(AVOIDABLE, "samples in the collector, of which freezing avoids 60-95%"),
        weight: 1.0,
        place: Place::default(),
        expression: "garbage collection".into(),
        state: "walks containers".into(),
    });
    Verdict::Found(vec![draft])
}

/// What hooks in the process timed.
fn pauses(draft: &mut Draft, exact: &ExactFacts) {
    let of = |(generation, total): (u32, &GcTotal)| {
        let times = thousands(total.times);
        let [all, longest] = [total.duration_ns, exact.longest_pause_ns(generation)].map(pause);
        format!("generation {generation} {times} times, {all} together, {longest} at most")
    };
    let totals = (0u32..).zip(&exact.collected).filter(|(_, total)| total.times > 0);
    let text: Vec<String> = totals.map(of).collect();
    draft.level = EvidenceLevel::Writer;
    draft.because(EvidenceLevel::Writer, format!("timed inside of the process: {}", text.join("; ")));
}

fn generations(draft: &mut Draft, gc: &GcFacts) {
    let thresholds: Vec<String> =
        gc.generations.iter().map(|generation| generation.threshold.to_string()).collect();
    if !thresholds.is_empty() {
        draft.because(EvidenceLevel::State, format!("its thresholds are {}", thresholds.join(", ")));
    }
    if gc.during.iter().sum::<u64>() > 0 {
        let counts: Vec<String> = gc.during.iter().map(u64::to_string).collect();
        draft.level = EvidenceLevel::Dynamics;
        draft.because(
            EvidenceLevel::Dynamics,
            format!("collections while it was watched, the youngest generation first: {}", counts.join(", ")),
        );
    }
}
