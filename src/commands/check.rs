//! `slowpath check FILE`, `slowpath check -- CMD ARGS…`: fails for what is new, founded and costly.

mod repository;
pub(super) mod watch;

use std::time::{SystemTime, UNIX_EPOCH};

use slowpath_advisor::baseline::{Baseline, Changes};
use slowpath_advisor::gate::{Context, Decision, Limits, Outcome, decide};
use slowpath_advisor::ignore::{Date, Ignore};
use slowpath_advisor::output::Report;
use slowpath_profile::finding::Findings;

use self::repository::Repository;
use self::watch::Watched;
use crate::args::{CheckArgs, Global};
use crate::failure::Failure;
use crate::forms::Forms;
use crate::output::text::{Style, escaped};
use crate::output::{check as text, print, tell};
use crate::program::Program;

pub(super) fn execute(args: &CheckArgs, global: Global) -> Result<u8, Failure> {
    if !args.sampling.advice() {
        return Err(Failure::usage(
            "--no-advice leaves nothing to check",
            "findings come from the state of hot code",
            "leave --no-advice out",
        ));
    }
    let runs = !args.command.is_empty();
    if args.gate.insists_on_second_run() && !runs {
        return Err(Failure::usage(
            "--confirm needs a program to run again",
            "a file holds one run",
            "slowpath check --confirm -- CMD",
        ));
    }
    let forms = Forms::open(&args.forms, !runs)?;
    let repository = Repository::here(&args.gate)?;
    let mut baseline = repository.load(&args.gate)?;
    let first = match &args.file {
        Some(file) => watch::file(file, global)?,
        None => program(args, global)?,
    };
    let ignores = repository.ignores(&first.files);
    let check = Check { args, global, repository: &repository, first: &first, ignores: &ignores };
    let mut decision = check.decide(&baseline)?;
    let changes = check.update(&mut baseline, &mut decision)?;
    check.tell(&decision, changes, forms)?;
    Ok(decision.outcome.exit_code())
}

struct Check<'a> {
    args: &'a CheckArgs,
    global: Global,
    repository: &'a Repository,
    first: &'a Watched,
    ignores: &'a [Ignore],
}

impl Check<'_> {
    fn findings(&self) -> &Findings {
        &self.first.findings
    }

    /// Decides from the first run, and from a second one if it would fail.
    fn decide(&self, baseline: &Baseline) -> Result<Decision, Failure> {
        let mut decision = self.decide_once(baseline);
        if self.first.exit_code != 0 {
            decision.distrust(failed_program(self.first.exit_code));
            return Ok(decision);
        }
        let can_repeat = !self.args.command.is_empty() && self.args.gate.confirm() && !self.args.gate.accept;
        if decision.wants_second_run() && can_repeat {
            if !self.global.quiet {
                let style = Style::of_stderr(self.global);
                tell(&format!("{} running it again before failing\n", style.warn("slowpath:")));
            }
            let second = program(self.args, self.global)?;
            if second.exit_code == 0 {
                decision.confirm(self.findings(), &second.findings);
            } else {
                decision.distrust(failed_program(second.exit_code));
            }
        }
        Ok(decision)
    }

    fn decide_once(&self, baseline: &Baseline) -> Decision {
        let context = Context {
            baseline,
            ignores: self.ignores,
            paths: &self.repository.paths,
            today: today(),
            exists: &|file| self.repository.has(file),
        };
        decide(self.findings(), context, Limits { fail_over: self.args.gate.fail_over })
    }

    /// Updates the baseline if that was asked for, and something can be concluded.
    fn update(&self, baseline: &mut Baseline, decision: &mut Decision) -> Result<Option<Changes>, Failure> {
        let is_conclusive = !matches!(decision.outcome, Outcome::Inconclusive(_));
        if !self.args.gate.update_baseline || !is_conclusive {
            return Ok(None);
        }
        let (paths, accept) = (&self.repository.paths, self.args.gate.accept);
        let changes = baseline.update(self.findings(), decision, paths, accept);
        self.repository.save(baseline)?;
        if accept {
            *decision = self.decide_once(baseline);
        }
        Ok(Some(changes))
    }

    /// Writes all forms, and the text for people.
    fn tell(&self, decision: &Decision, changes: Option<Changes>, forms: Forms) -> Result<(), Failure> {
        let paths = &self.repository.paths;
        let report = Report { findings: self.findings(), decision: Some(decision), paths };
        let told = |style| text::render(&report, decision, changes, style);
        let (has_text, use_stdout) = (forms.have_text_on_terminal(), forms.use_stdout());
        let plain = Style { color: false, width: 100 };
        let written = forms.write(|form, out| match form.format() {
            Some(format) => format.write(&report, out),
            None => out.write_all(told(plain).as_bytes()),
        })?;
        if has_text || self.global.quiet {
            return Ok(());
        }
        if self.args.command.is_empty() && !use_stdout {
            print(&told(Style::of_stdout(self.global)))?;
        } else {
            tell(&told(Style::of_stderr(self.global)));
        }
        for (path, form) in written.iter().filter(|(path, _)| path != std::path::Path::new("-")) {
            tell(&format!("wrote {} ({})\n", escaped(&path.display().to_string()), form.name()));
        }
        Ok(())
    }
}

fn program(args: &CheckArgs, global: Global) -> Result<Watched, Failure> {
    watch::program(Program::start(&args.command)?, &args.sampling.options(), global)
}

fn failed_program(code: i32) -> String {
    format!("the program ended with exit code {code}, so it may not have done what it does")
}

/// Today in UTC. A clock before 1970 is as good as none: nothing has ended then.
fn today() -> Date {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Date::of_unix_time(now.as_secs())
}
