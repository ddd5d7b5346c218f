//! SP601: exceptions as the normal way out.

use slowpath_profile::evidence::OpFamily;
use slowpath_profile::finding::{Cause, EvidenceLevel};

use super::common::need_sites;
use super::sp303_hooks::is_library;
use crate::context::{Context, HotSite};
use crate::rule::{Charge, Draft, Page, Rule, Verdict, everywhere, fix};

pub(super) const RULE: Rule = Rule {
    code: "SP601",
    name: "exceptions raised as the normal case",
    page: Page {
        plain: "A try statement costs nothing while no exception is raised. Raising one does: an object with a \
                traceback is made, handlers are searched frame by frame, and all is thrown away again. Where the \
                exception is what usually happens, asking first is faster.",
        mechanism: "Since 3.11 handlers are found through a table, which makes try free and raising dearer. Each \
                    frame between raise and handler is unwound and gets an entry in the traceback.",
        versions: "All versions.",
        cost: "5 to 7 times a look-up with a default; with five frames in between 2 to 5 times a return value.",
        slow: "try:\n    count = known[word]\nexcept KeyError:         # nearly always\n    count = 0",
        fast: "count = known.get(word, 0)",
        fix: "Use get() with a default, getattr() with a default, or a return value. Keep exceptions for what is \
              rare.",
    },
    holds: everywhere,
    check,
};

fn check(context: &Context<'_>) -> Verdict {
    if let Some(verdict) = need_sites(context) {
        return verdict;
    }
    let sites = context.sites_of(&[OpFamily::Raise]).filter(|hot| {
        let function = context.function(hot.code.function);
        !function.is_some_and(|function| is_library(context.tables.text(function.file)))
    });
    Verdict::of(sites.map(|hot| draft(context, hot)).collect())
}

fn draft(context: &Context<'_>, hot: &HotSite<'_>) -> Draft {
    let place = context.place(hot.code.function, hot.site.span);
    let mut draft = Draft {
        about: format!("exceptions of {} in {}", place.function, place.file),
        title: format!("{} raises exceptions all the time", place.function),
        level: EvidenceLevel::State,
        charges: vec![Charge::of_site(context, hot, "idiom.exception").in_state("raises")],
        applies: "all versions".into(),
        fix: fix(
            "Ask first, or return a value that means 'none'.",
            &[
                "-    try:",
                "-        count = known[word]",
                "-    except KeyError:",
                "-        count = 0",
                "+    count = known.get(word, 0)",
            ],
            "Callers that catch the exception must look at the value.",
        ),
        ..Draft::default()
    };
    draft.because(EvidenceLevel::State, format!("{} samples stand at the raise itself", hot.samples));
    draft.causes.push(Cause {
        place,
        statement: "raise …".into(),
        how: "it raises".into(),
        ..Cause::default()
    });
    draft
}
