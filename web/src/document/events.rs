//! What happened at one moment.

use serde::Serialize;
use slowpath_profile::evidence::{Loss, ProcessEvidence, Site};
use slowpath_profile::text::counted;
use slowpath_profile::view::slots::{Collection, Collections};
use slowpath_profile::{FunctionId, Source};

/// Losses of a specialised form that are listed; those of hot code come first.
const MOST_DEOPTS: usize = 1_000;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Event {
    time_ns: u64,
    /// None: it concerns all threads.
    thread: Option<u32>,
    kind: &'static str,
    text: String,
    /// Where in the source it happened; -1 for nowhere.
    function: i64,
    line: i64,
}

/// What is known to have happened since `begun_ns`, in the order of time.
pub(crate) fn events(collections: &Collections, source: &dyn Source, begun_ns: u64) -> Vec<Event> {
    let mut events = deopts(source, begun_ns);
    events.extend(collections.list().into_iter().map(collection));
    events.sort_by_key(|event| event.time_ns);
    events
}

fn collection(one: Collection) -> Event {
    Event {
        time_ns: one.time_ns,
        thread: Some(one.thread.0),
        kind: "gc",
        text: format!("garbage collection, seen by {}", counted(u64::from(one.samples), "sample")),
        function: -1,
        line: -1,
    }
}

/// Instructions that lost their specialised form between two looks.
fn deopts(source: &dyn Source, begun_ns: u64) -> Vec<Event> {
    let functions = source.tables().functions.len();
    let of = |evidence: &'_ ProcessEvidence| -> Vec<Event> {
        let code = evidence.code.iter().filter(|code| (code.function.0 as usize) < functions);
        let sites = code.flat_map(|code| code.sites.iter().map(|site| (code.function, site)));
        sites.flat_map(|(function, site)| deopts_of(source, function, site)).collect()
    };
    let all = source.evidence().iter().flat_map(of);
    all.filter(|event| event.time_ns >= begun_ns).take(MOST_DEOPTS).collect()
}

fn deopts_of(source: &dyn Source, function: FunctionId, site: &Site) -> Vec<Event> {
    let tables = source.tables();
    let in_function = tables.functions.get(function).map_or("?", |it| tables.text(it.qualname));
    let name = if site.name.is_empty() { String::new() } else { format!(" of {}", site.name) };
    let event = |loss: &Loss| Event {
        time_ns: loss.time_ns,
        thread: None,
        kind: "deopt",
        text: format!("{}{name} in {in_function} was given up", loss.form),
        function: i64::from(function.0),
        line: site.span.line.map_or(-1, i64::from),
    };
    site.losses.iter().map(event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use slowpath_profile::ThreadState::Running;
    use slowpath_profile::evidence::CodeEvidence;
    use slowpath_profile::testing::ProfileBuilder;
    use slowpath_profile::{Profile, Span};

    fn profile() -> Profile {
        let mut profile = ProfileBuilder::new().thread("MainThread").sample(&["area"], Running, 10).build();
        let loss = |time_ns| Loss { time_ns, form: "LOAD_ATTR_SLOT".into() };
        let site = Site {
            name: "x".into(),
            span: Span { line: Some(12), ..Span::default() },
            given_up: 3,
            losses: vec![loss(30), loss(10), loss(20)],
            ..Site::default()
        };
        let code = CodeEvidence { function: FunctionId(0), sites: vec![site], ..CodeEvidence::default() };
        let evidence = ProcessEvidence { code: vec![code], ..ProcessEvidence::default() };
        profile.evidence.push(evidence);
        profile
    }

    #[test]
    fn a_lost_form_is_told_with_its_place_and_in_order() {
        let events = events(&Collections::default(), &profile(), 0);
        assert_eq!(events.iter().map(|event| event.time_ns).collect::<Vec<_>>(), [10, 20, 30]);
        assert_eq!(events[0].text, "LOAD_ATTR_SLOT of x in area was given up");
        assert_eq!((events[0].function, events[0].line, events[0].thread), (0, 12, None));
    }

    #[test]
    fn what_was_before_the_beginning_is_left_out() {
        assert_eq!(events(&Collections::default(), &profile(), 20).len(), 2);
    }

    #[test]
    fn a_function_that_is_not_there_is_no_place() {
        let mut profile = profile();
        profile.evidence[0].code[0].function = FunctionId(77);
        assert_eq!(events(&Collections::default(), &profile, 0), []);
    }
}
