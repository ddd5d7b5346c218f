//! What happened at one moment.

use serde::Serialize;
use slowpath_profile::evidence::{ExactFacts, GcPause, Import, Loss, ProcessEvidence, Site, Write};
use slowpath_profile::text::{self, counted, seconds};
use slowpath_profile::view::slots::{Collection, Collections};
use slowpath_profile::{FunctionId, Source};

/// Losses of a specialised form that are listed; those of hot code come first.
const MOST_DEOPTS: usize = 1_000;
/// Imports and collections that are listed, those that took longest, and writes, the most frequent.
const MOST_EXACT: usize = 300;

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
    events.extend(source.evidence().iter().flat_map(|evidence| counted_inside(source, evidence, begun_ns)));
    // Where hooks timed each collection, samples of it say nothing more.
    let timed: Vec<bool> = source
        .threads()
        .iter()
        .map(|thread| {
            let of = source.evidence().iter().filter(|evidence| evidence.process == thread.process);
            of.filter_map(|evidence| evidence.exact.as_ref()).any(|exact| !exact.collections.is_empty())
        })
        .collect();
    let sampled = collections.list().into_iter();
    let sampled = sampled.filter(|one| timed.get(one.thread.0 as usize) != Some(&true));
    events.extend(sampled.map(collection));
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

/// What hooks inside of the process told: imports, when writes began, collections.
fn counted_inside(source: &dyn Source, evidence: &ProcessEvidence, begun_ns: u64) -> Vec<Event> {
    let Some(ExactFacts { imports, writes, collections, .. }) = &evidence.exact else { return Vec::new() };
    let thread = |native_id: Option<u32>| {
        let mut threads = (0u32..).zip(source.threads());
        let is_it = |thread: &slowpath_profile::Thread| {
            thread.process == evidence.process && Some(thread.native_id) == native_id
        };
        threads.find(|(_, thread)| is_it(thread)).map(|(number, _)| number)
    };
    let mut longest: Vec<&Import> = imports.iter().filter(|import| import.start_ns >= begun_ns).collect();
    longest.sort_by_key(|import| std::cmp::Reverse(import.duration_ns));
    let imported = longest.into_iter().take(MOST_EXACT).map(|import| Event {
        time_ns: import.start_ns,
        thread: thread(Some(import.thread)),
        kind: "import",
        text: match import.duration_ns {
            Some(ns) => format!("{} was imported in {}", import.module, seconds(ns as f64 / 1e9)),
            None => format!("{} was imported", import.module),
        },
        function: -1,
        line: -1,
    });
    let functions = source.tables().functions.len();
    let is_told = |write: &&Write| {
        !write.at_import && write.first_ns >= begun_ns && (write.function.0 as usize) < functions
    };
    let written = writes.iter().filter(is_told).take(MOST_EXACT).map(|write| Event {
        time_ns: write.first_ns,
        thread: thread(write.threads.first().copied()),
        kind: "write",
        text: format!("{} was written, the first of {}", write.symbol(), counted(write.times, "time")),
        function: i64::from(write.function.0),
        line: write.line.map_or(-1, i64::from),
    });
    let paused = longest_pauses(collections, begun_ns).into_iter().map(|pause| Event {
        time_ns: pause.start_ns,
        thread: thread(Some(pause.thread)),
        kind: "gc",
        text: format!(
            "garbage collection of generation {}, {}, {} freed",
            pause.generation,
            text::pause(pause.duration_ns),
            counted(pause.freed, "object")
        ),
        function: -1,
        line: -1,
    });
    imported.chain(written).chain(paused).collect()
}

fn longest_pauses(pauses: &[GcPause], begun_ns: u64) -> Vec<&GcPause> {
    let mut longest: Vec<&GcPause> = pauses.iter().filter(|pause| pause.start_ns >= begun_ns).collect();
    longest.sort_by_key(|pause| std::cmp::Reverse(pause.duration_ns));
    longest.truncate(MOST_EXACT);
    longest
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
    fn imports_and_writes_are_told_if_hooks_counted_them() {
        let mut profile = profile();
        let import = Import { module: "json".into(), start_ns: 5, duration_ns: Some(2_000_000), thread: 0 };
        let write = Write {
            name: "shop".into(),
            key: "LIMIT".into(),
            line: Some(7),
            times: 12,
            first_ns: 15,
            ..Write::default()
        };
        let at_import = Write { at_import: true, ..write.clone() };
        let (imports, writes) = (vec![import], vec![write, at_import]);
        let pause =
            GcPause { generation: 2, start_ns: 17, duration_ns: 3_000_000, freed: 1, ..GcPause::default() };
        let collections = vec![pause];
        profile.evidence[0].exact =
            Some(ExactFacts { imports, writes, collections, ..ExactFacts::default() });
        let told = events(&Collections::default(), &profile, 0);
        let told: Vec<_> = told.iter().map(|event| (event.time_ns, event.kind, &*event.text)).collect();
        let (import, write) = ("json was imported in 2 ms", "shop.LIMIT was written, the first of 12 times");
        assert_eq!(told[0], (5, "import", import));
        assert_eq!(told[2], (15, "write", write));
        assert_eq!(told[3], (17, "gc", "garbage collection of generation 2, 3.0 ms, 1 object freed"));
        assert_eq!(told.len(), 6, "a write at import is none");
    }

    #[test]
    fn a_function_that_is_not_there_is_no_place() {
        let mut profile = profile();
        profile.evidence[0].code[0].function = FunctionId(77);
        assert_eq!(events(&Collections::default(), &profile, 0), []);
    }
}
