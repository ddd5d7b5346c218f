//! The end of `run`, `attach` and `report`: what was measured, the hottest functions, how far to
//! trust it.

use std::fmt::Write as _;

use slowpath_profile::file::FileError;
use slowpath_profile::view::{Filter, Split, Weights};
use slowpath_profile::{BuildFlags, Mode, Process, Source};

use super::table;
use super::text::{Style, bytes, counted, cut_end, escaped, hertz, percent, seconds, thousands, wrap};

/// The whole text.
pub(crate) fn render(
    source: &mut dyn Source,
    filter: &Filter,
    style: Style,
    verbose: bool,
) -> Result<String, FileError> {
    let weights = Weights::collect(source, filter)?;
    let mut out = String::new();
    target(&mut out, source, style);
    recording(&mut out, source, &weights, style);
    table::render(&mut out, &weights, source.tables(), style);
    trust(&mut out, source, &weights, style);
    if verbose {
        costs(&mut out, source, style);
    }
    Ok(out)
}

/// `CPython 3.14.2 (debug), pid 4242: python app.py`, one line per process.
fn target(out: &mut String, source: &dyn Source, style: Style) {
    const SHOWN: usize = 4;
    for process in source.processes().iter().take(SHOWN) {
        let line = format!(
            "{}{}{}, pid {}: {}",
            escaped(&process.interpreter_name()),
            flags(process.build),
            if is_stacks_only(&process.python) { ", stacks only" } else { "" },
            process.pid,
            escaped(&process.command)
        );
        let _ = writeln!(out, "{}", style.strong(&cut_end(&line, style.width)));
    }
    let more = source.processes().len().saturating_sub(SHOWN);
    if more > 0 {
        let _ = writeln!(out, "and {} more", counted(more as u64, "process").replace("ss", "sses"));
    }
}

/// Versions before 3.8 are read by `py-spy`, which knows no columns, instructions or GIL waits.
fn is_stacks_only(python: &str) -> bool {
    let mut numbers = python.split('.').map_while(|number| number.parse::<u32>().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) < (3, 8))
}

/// Build flags in parentheses, if any matters.
pub(crate) fn flags(build: BuildFlags) -> String {
    let set = build.names();
    if set.is_empty() { String::new() } else { format!(" ({})", set.join(", ")) }
}

fn recording(out: &mut String, source: &dyn Source, weights: &Weights, style: Style) {
    let (meta, stats) = (source.meta(), source.stats());
    let Split { running, waiting_for_gil, idle } = weights.base.weight;
    let all = weights.base.weight.sum();
    let mode = match meta.mode {
        Mode::Wall => "wall time",
        Mode::Cpu => "CPU time",
        Mode::Gil => "GIL holders",
    };
    let wanted = match meta.rate_wanted_mhz {
        0 => "as fast as possible".to_owned(),
        rate => format!("{} wanted", hertz(rate as f64 / 1000.0)),
    };
    let mut line = format!(
        "{mode}, {wanted}, {} achieved, {}, {} of {}",
        hertz(stats.rate_achieved_hz),
        seconds(stats.duration_s),
        counted(all + weights.base.dropped, "sample"),
        counted(source.threads().len() as u64, "thread"),
    );
    if meta.blocking {
        line += ", pausing";
    }
    let _ = writeln!(out, "{}", wrap(&line, style.width, 2));
    if all + weights.base.dropped == 0 {
        *out += "nothing was sampled\n";
    }
    if waiting_for_gil + idle > 0 {
        let line = format!(
            "running {}%, waiting for the GIL {}%, idle {}%",
            percent(running, all),
            percent(waiting_for_gil, all),
            percent(idle, all),
        );
        let _ = writeln!(out, "{}", wrap(&line, style.width, 2));
    }
}

/// `trust 99.8%: …` and, when it is poor, what to do about it.
fn trust(out: &mut String, source: &dyn Source, weights: &Weights, style: Style) {
    let stats = source.stats();
    let wanted = stats.samples + stats.missed;
    if wanted == 0 {
        return;
    }
    // Cut, not rounded: only a whole reads as 100.
    let score = format!("trust {:.1}%", (stats.trust() * 1000.0).floor() / 10.0);
    let colored = match stats.trust() {
        t if t >= 0.99 => style.good(&score),
        t if t >= 0.95 => style.warn(&score),
        _ => style.bad(&score),
    };
    let counts = [
        (stats.dropped, "dropped"),
        (stats.missed, "missed"),
        (stats.retried, "read again"),
        (weights.truncated, "truncated"),
    ];
    let counts: Vec<_> =
        counts.iter().filter(|(n, _)| *n > 0).map(|(n, w)| format!("{} {w}", thousands(*n))).collect();
    let counts = if counts.is_empty() { "nothing lost".into() } else { counts.join(", ") };
    let valid = thousands(stats.stacks_valid);
    let line =
        format!("{score}: {valid} of {} wanted samples have a consistent stack; {counts}", thousands(wanted));
    // Colours have no width: they are added when the lines are broken.
    let _ = writeln!(out, "\n{}", wrap(&line, style.width, 2).replacen(&score, &colored, 1));
    if let Some(remedy) = remedy(source) {
        let _ = writeln!(out, "{}", wrap(&remedy, style.width, 2));
    }
}

/// What would make the result better, unless it was done already.
fn remedy(source: &dyn Source) -> Option<String> {
    let (meta, stats) = (source.meta(), source.stats());
    if stats.trust() >= 0.99 {
        return None;
    }
    if stats.missed > stats.dropped {
        let rate = (stats.rate_achieved_hz * 0.8).max(1.0).round();
        return Some(format!(
            "slowpath came too late for many ticks: the machine is busy, or this is too much; ask for less with -r {rate:.0}"
        ));
    }
    (!meta.blocking).then(|| {
        "stacks that changed while they were read were dropped: --blocking pauses the target for each read".into()
    })
}

fn costs(out: &mut String, source: &dyn Source, style: Style) {
    let stats = source.stats();
    let share = stats.profiler_cpu_s * 100.0 / stats.duration_s.max(0.001);
    let line = format!(
        "cost: {} of CPU ({share:.1}% of a core), {:.1} us per tick (99%: {:.1} us, longest {:.1} us), \
         {:.2} reads per sample, {} written",
        seconds(stats.profiler_cpu_s),
        stats.sample_us.p50,
        stats.sample_us.p99,
        stats.sample_us.max,
        stats.reads_per_sample,
        bytes(stats.bytes_written),
    );
    let _ = writeln!(out, "{}", style.faint(&wrap(&line, style.width, 2)));
}

/// The name of a process for a title.
pub(crate) fn title(processes: &[Process]) -> String {
    let first = processes.first();
    first.map_or_else(|| "slowpath".into(), |process| escaped(&process.command).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use slowpath_profile::Profile;
    use slowpath_profile::ThreadState::{Idle, Running, WaitingForGil};
    use slowpath_profile::testing::ProfileBuilder;

    fn shop() -> ProfileBuilder {
        ProfileBuilder::new()
            .thread("MainThread")
            .sample(&["<module>", "serve", "shop/cart.py:Cart.total:12"], Running, 820)
            .sample(&["<module>", "serve", "shop/cart.py:Cart.total:13"], Running, 30)
            .sample(
                &["<module>", "serve", "/usr/lib/python3.14/json/decoder.py:JSONDecoder.decode"],
                Running,
                120,
            )
            .sample(&["<module>", "serve"], WaitingForGil, 30)
    }

    fn with_threads() -> Profile {
        let mut profile = shop()
            .thread("worker-1")
            .sample(&["run", "/usr/lib/python3.14/threading.py:Condition.wait"], Idle, 900)
            .sample(&["run", "f\x1b[31m\u{202e}name_日本"], Running, 80)
            .sample(&[], Running, 10)
            .dropped(10)
            .build();
        profile.stats.missed = 120;
        profile
    }

    fn text(mut profile: Profile, width: usize) -> String {
        render(&mut profile, &Filter::default(), Style { color: false, width }, false).unwrap()
    }

    #[test]
    fn one_thread() {
        insta::assert_snapshot!(text(shop().build(), 100));
    }

    #[test]
    fn threads_that_wait() {
        insta::assert_snapshot!(text(with_threads(), 100));
    }

    #[test]
    fn a_narrow_terminal() {
        let text = text(with_threads(), 40);
        assert!(text.lines().all(|line| super::super::text::columns(line) <= 40), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn costs_are_shown_on_demand() {
        let mut profile = shop().build();
        insta::assert_snapshot!(
            render(&mut profile, &Filter::default(), Style { color: true, width: 100 }, true).unwrap()
        );
    }

    #[test]
    fn versions_that_are_read_in_part_are_marked() {
        assert!(is_stacks_only("2.7.18") && is_stacks_only("3.7.16"));
        assert!(!is_stacks_only("3.8.0") && !is_stacks_only("3.14.2") && !is_stacks_only(""));
    }

    #[test]
    fn nothing_was_sampled() {
        insta::assert_snapshot!(text(ProfileBuilder::new().build(), 80));
    }
}
