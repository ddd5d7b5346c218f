//! What sites of one function were over all looks.

use std::sync::Arc;

use slowpath_profile::evidence::{CodeEvidence, Counter, Loss, Seen, Site, SpecState, StateCounts};
use slowpath_profile::{FunctionId, Span};

use crate::layout::spec::CounterFormat;
use crate::read::caches::{CodeParts, SitePlan, SiteView};

/// Version tags of a site that are kept apart.
const MAX_VERSIONS: usize = 32;
/// Opcode names of a site that are kept apart; a family has fewer forms than this.
const MAX_FORMS: usize = 32;
/// Losses of a specialised form that are kept of a site; all are counted.
const MAX_LOSSES: usize = 16;

/// `co_flags`.
const CO_OPTIMIZED: u32 = 0x1;
const CO_VARARGS: u32 = 0x4;
const CO_VARKEYWORDS: u32 = 0x8;

/// The sites of a function over time.
#[derive(Debug)]
pub(super) struct CodeHistory {
    function: FunctionId,
    parts: Arc<CodeParts>,
    /// Samples with it on top.
    pub(super) samples: u64,
    looks: u32,
    /// Code objects of it that were seen.
    pub(super) copies: u32,
    sites: Vec<SiteHistory>,
}

impl CodeHistory {
    /// Nothing has been seen yet.
    pub(super) fn new(function: FunctionId, parts: Arc<CodeParts>, span: impl Fn(u32) -> Span) -> Self {
        let sites = parts.sites.iter().map(|site| SiteHistory::new(span(site.offset))).collect();
        Self { function, parts, samples: 0, looks: 0, copies: 0, sites }
    }

    /// Whether a code object has the same instructions.
    pub(super) fn is_of(&self, parts: &Arc<CodeParts>) -> bool {
        Arc::ptr_eq(&self.parts, parts)
            || self.parts.instructions.len() == parts.instructions.len() && self.parts.sites == parts.sites
    }

    /// Adds a look at one code object, so many nanoseconds after the session began. `last` is what this
    /// object was at the look before.
    pub(super) fn look(
        &mut self,
        last: &mut [LastView],
        views: &[SiteView],
        format: Option<CounterFormat>,
        now_ns: u64,
    ) {
        self.looks += 1;
        for ((site, last), view) in self.sites.iter_mut().zip(last).zip(views) {
            site.look(last, view, format, now_ns);
        }
    }

    /// Adds a pair of looks microseconds apart.
    pub(super) fn pair(&mut self, first: &[SiteView], second: &[SiteView]) {
        for ((site, first), second) in self.sites.iter_mut().zip(first).zip(second) {
            site.pair(first, second);
        }
    }

    /// Number of its sites.
    pub(super) fn sites(&self) -> usize {
        self.sites.len()
    }

    /// What was seen.
    pub(super) fn evidence(&self) -> CodeEvidence {
        let sites = self.sites.iter().zip(&self.parts.sites);
        CodeEvidence {
            function: self.function,
            looks: self.looks,
            copies: self.copies,
            uses_names: self.parts.flags & CO_OPTIMIZED == 0,
            takes_args: self.parts.flags & CO_VARARGS != 0,
            takes_kwargs: self.parts.flags & CO_VARKEYWORDS != 0,
            globals: None,
            sites: sites.map(|(site, plan)| site.evidence(plan)).collect(),
        }
    }
}

/// What one site of one code object was last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LastView {
    view: SiteView,
    /// The last tag, also if the form after it had none.
    tag: Option<u32>,
    /// Some look saw it specialised.
    was_specialised: bool,
}

#[derive(Debug)]
struct SiteHistory {
    span: Span,
    looks: u32,
    states: StateCounts,
    forms: Vec<(&'static str, u32)>,
    counter: Counter,
    versions: Vec<(u32, u32)>,
    version_changes: u32,
    given_up: u32,
    losses: Vec<(u64, &'static str)>,
}

impl SiteHistory {
    fn new(span: Span) -> Self {
        Self {
            span,
            looks: 0,
            states: StateCounts::default(),
            forms: Vec::new(),
            counter: Counter::default(),
            versions: Vec::new(),
            version_changes: 0,
            given_up: 0,
            losses: Vec::new(),
        }
    }

    fn look(&mut self, last: &mut LastView, view: &SiteView, format: Option<CounterFormat>, now_ns: u64) {
        if view.form.is_empty() {
            return;
        }
        self.looks += 1;
        count(&mut self.forms, view.form, MAX_FORMS);
        // What moves in a compiled loop is executed outside of it: there the state is of the present.
        let moves = !last.view.form.is_empty() && has_moved(&last.view, view);
        if view.in_compiled && !moves {
            self.states.add(SpecState::Compiled);
            last.view = *view;
            return;
        }
        let limit = format.map_or(0, |format| format.backoff_limit);
        self.states.add(state(last, view, limit));
        if last.view.state == SpecState::Specialised && is_general(view) {
            self.given_up += 1;
            if self.losses.len() < MAX_LOSSES {
                self.losses.push((now_ns, last.view.form));
            }
        }
        self.count(last, view, limit);
        self.version(last, view);
        last.was_specialised |= view.state == SpecState::Specialised;
        last.view = *view;
    }

    fn count(&mut self, last: &LastView, view: &SiteView, limit: u8) {
        let Some(counter) = view.counter else { return };
        self.counter.backoff_limit = limit;
        if view.state == SpecState::Specialised {
            self.counter.specialised += 1;
            self.counter.disturbed += u32::from(counter.disturbed);
            let before = last.view.counter.filter(|_| last.view.state == SpecState::Specialised);
            self.counter.moved += u32::from(before.is_some_and(|before| before.value != counter.value));
        } else {
            self.counter.backoff = self.counter.backoff.max(counter.backoff);
        }
    }

    fn version(&mut self, last: &mut LastView, view: &SiteView) {
        let Some(tag) = view.tag else { return };
        count(&mut self.versions, tag, MAX_VERSIONS);
        self.version_changes += u32::from(last.tag.is_some_and(|before| before != tag));
        last.tag = Some(tag);
    }

    fn pair(&mut self, first: &SiteView, second: &SiteView) {
        let both = [first, second].iter().all(|view| view.state == SpecState::Specialised);
        if !both || first.counter.is_none() || (first.in_compiled && !has_moved(first, second)) {
            return;
        }
        self.counter.pairs += 1;
        self.counter.pairs_moved += u32::from(has_moved(first, second));
    }

    fn evidence(&self, plan: &SitePlan) -> Site {
        Site {
            offset: plan.offset,
            span: self.span,
            family: plan.family,
            name: plan.name.clone(),
            looks: self.looks,
            states: self.states,
            forms: seen(&self.forms, str::to_owned),
            counter: self.counter,
            versions: seen(&self.versions, |version| version),
            version_changes: self.version_changes,
            given_up: self.given_up,
            losses: self
                .losses
                .iter()
                .map(|(time_ns, form)| Loss { time_ns: *time_ns, form: (*form).into() })
                .collect(),
            ..Site::default()
        }
    }
}

/// The state of a site, with what is known of its past: a general form that was specialised before has
/// been given up; when backing off has reached its limit, that past does not count any more.
fn state(last: &LastView, view: &SiteView, limit: u8) -> SpecState {
    let given_up = is_general(view)
        && last.was_specialised
        && view.counter.is_some_and(|counter| counter.backoff < limit);
    if given_up { SpecState::Deopted } else { view.state }
}

/// Whether a site runs in the general form of something that has faster ones.
fn is_general(view: &SiteView) -> bool {
    matches!(view.state, SpecState::Warming | SpecState::BackedOff)
}

/// Whether a site was executed between two views in a way that leaves a trace.
fn has_moved(before: &SiteView, now: &SiteView) -> bool {
    (before.form, before.counter, before.tag) != (now.form, now.counter, now.tag)
}

/// Counts a value among at most `max`; a new one then takes the place of the one seen least.
fn count<T: Copy + PartialEq>(counts: &mut Vec<(T, u32)>, value: T, max: usize) {
    if let Some((_, looks)) = counts.iter_mut().find(|(known, _)| *known == value) {
        *looks += 1;
    } else if counts.len() < max {
        counts.push((value, 1));
    } else if let Some(least) = counts.iter_mut().min_by_key(|(_, looks)| *looks) {
        *least = (value, 1);
    }
}

/// The most frequent first.
fn seen<T: Copy, U>(counts: &[(T, u32)], to: impl Fn(T) -> U) -> Vec<Seen<U>> {
    let mut sorted = counts.to_vec();
    sorted.sort_by_key(|(_, looks)| std::cmp::Reverse(*looks));
    sorted.into_iter().map(|(value, looks)| Seen { value: to(value), looks }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::forms::Forms;
    use crate::layout::spec_for;
    use crate::read::caches::CounterView;

    fn format() -> Option<CounterFormat> {
        Forms::new(spec_for(14).unwrap().headers(false)).counter
    }

    fn specialised(value: u16, tag: u32) -> SiteView {
        let counter = CounterView { value, backoff: 0, disturbed: value != 52 };
        let form = "LOAD_ATTR_INSTANCE_VALUE";
        let (counter, tag) = (Some(counter), Some(tag));
        SiteView { state: SpecState::Specialised, form, counter, tag, ..SiteView::default() }
    }

    fn general(backoff: u8) -> SiteView {
        let counter = Some(CounterView { value: 1, backoff, disturbed: false });
        let state = if backoff > 1 { SpecState::BackedOff } else { SpecState::Warming };
        SiteView { state, form: "LOAD_ATTR", counter, ..SiteView::default() }
    }

    /// One site over these looks at one code object.
    fn site(views: &[SiteView]) -> Site {
        let mut history = SiteHistory::new(Span::default());
        let mut last = LastView::default();
        (1..).zip(views).for_each(|(now_ns, view)| history.look(&mut last, view, format(), now_ns));
        let plan =
            SitePlan { offset: 8, family: Default::default(), name: "a".into(), oparg: 0, instruction: 0 };
        history.evidence(&plan)
    }

    #[test]
    fn misses_and_changing_versions_are_counted_between_looks() {
        let seen = site(&[specialised(52, 7), specialised(50, 7), specialised(50, 9), specialised(3, 7)]);
        let counter = seen.counter;
        assert_eq!((counter.specialised, counter.disturbed, counter.moved), (4, 3, 2));
        assert_eq!((seen.looks, seen.states.specialised, seen.version_changes), (4, 4, 2));
        assert_eq!(seen.versions, [Seen { value: 7, looks: 3 }, Seen { value: 9, looks: 1 }]);
    }

    #[test]
    fn a_form_that_was_given_up_is_not_one_that_never_was() {
        let never = site(&[general(1), general(4), general(12)]).states;
        assert_eq!((never.warming, never.backed_off, never.deopted), (1, 2, 0));
        let given_up = site(&[specialised(52, 7), general(1), general(5), general(12)]).states;
        assert_eq!((given_up.specialised, given_up.deopted, given_up.backed_off), (1, 2, 1));
    }

    #[test]
    fn each_loss_of_a_form_has_its_time() {
        let lost_twice = [specialised(52, 7), general(1), general(5), specialised(52, 7), general(1)];
        let seen = site(&lost_twice);
        let form = || "LOAD_ATTR_INSTANCE_VALUE".to_owned();
        let losses = [2, 5].map(|time_ns| Loss { time_ns, form: form() });
        assert_eq!((seen.given_up, &seen.losses[..]), (2, &losses[..]));
        let again: Vec<_> = (0..100).flat_map(|_| [specialised(52, 7), general(1)]).collect();
        assert_eq!((site(&again).given_up, site(&again).losses.len()), (100, MAX_LOSSES));
        assert_eq!(site(&[general(1), general(4), specialised(52, 7)]).given_up, 0);
    }

    #[test]
    fn what_a_compiled_loop_leaves_alone_is_of_the_past() {
        let compiled = |value| SiteView { in_compiled: true, ..specialised(value, 7) };
        let frozen = site(&[compiled(20), compiled(20), compiled(20)]);
        assert_eq!((frozen.states.compiled, frozen.counter.disturbed), (3, 0));
        let runs = site(&[compiled(20), compiled(19), compiled(18)]);
        assert_eq!((runs.states.compiled, runs.states.specialised, runs.counter.moved), (1, 2, 2));
    }

    #[test]
    fn a_site_that_is_not_executed_is_not_a_look() {
        assert_eq!(site(&[SiteView::default(), specialised(52, 7)]).looks, 1);
    }

    #[test]
    fn ever_new_versions_are_bounded() {
        let views: Vec<_> = (0..1000).map(|tag| specialised(52, tag)).collect();
        let seen = site(&views);
        assert_eq!((seen.versions.len(), seen.version_changes), (MAX_VERSIONS, 999));
    }
}
