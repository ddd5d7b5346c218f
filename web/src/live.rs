//! A document that grows, and what of it is new to a reader who was here before.
//!
//! Everything that a reader may lack carries the number of the update in which it changed, so that any
//! reader, however slow, gets what is new since its last number and nothing twice. What is kept does not
//! grow with time: tables, a minute of slots, and one slot without order for all that was before.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::Value;
use slowpath_profile::Source;
use slowpath_profile::source_text::SourceText;
use slowpath_profile::view::live::{Live, SLOT};
use slowpath_profile::view::slots::{Collections, runs_of, runs_of_tally};

use crate::document::{
    Columns, CpuPart, Event, Lengths, MetaPart, Names, ProcessPart, RunsPart, SCHEMA, Site, SlotsPart,
    ThreadPart, events, part_of_slot, sites,
};

/// Updates whose table lengths are known: five minutes of them. Who is further behind begins anew.
const MARKS: usize = 1_200;
/// The slot of everything that is older than all others.
const BEFORE: i64 = -1;

/// A value and the number of the update in which it changed.
#[derive(Debug)]
struct Stamped<T> {
    value: T,
    number: u64,
}

impl<T: Default> Default for Stamped<T> {
    fn default() -> Self {
        Self { value: T::default(), number: 0 }
    }
}

#[derive(Debug, Default)]
struct Slot {
    /// Samples that it was made of.
    samples: usize,
    number: u64,
    runs: Vec<RunsPart>,
    cpu_ns: Vec<CpuPart>,
}

/// A document that grows.
#[derive(Debug, Default)]
pub struct Growing {
    title: String,
    number: u64,
    resets: u64,
    /// The number at which counting began.
    begun: u64,
    columns: Columns,
    names: Names,
    /// How long the tables were at the latest updates.
    marks: VecDeque<(u64, Lengths)>,
    /// By file: when its text came.
    texts: BTreeMap<usize, u64>,
    slots: BTreeMap<i64, Slot>,
    first: u64,
    threads: Vec<ThreadPart>,
    processes: Vec<ProcessPart>,
    meta: MetaPart,
    collections: Collections,
    collected: u64,
    events: Stamped<Vec<Event>>,
    sites: Stamped<Vec<Site>>,
    /// Looks of the evidence that the sites are of.
    looks: Vec<u32>,
    findings: Stamped<Value>,
}

/// What is new.
#[derive(Debug, Serialize)]
struct Part<'a> {
    schema: &'static str,
    slowpath: &'static str,
    live: bool,
    number: u64,
    title: &'a str,
    /// How much of the tables the reader has.
    from: Lengths,
    #[serde(flatten)]
    columns: Columns,
    texts: Vec<(usize, &'a [String], &'a [u32])>,
    processes: &'a [ProcessPart],
    threads: &'a [ThreadPart],
    slots: SlotsPart,
    cpu_ns: Vec<CpuPart>,
    meta: &'a MetaPart,
    #[serde(skip_serializing_if = "Option::is_none")]
    sites: Option<&'a [Site]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<&'a [Event]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<&'a Value>,
    diff: Option<Value>,
}

impl Growing {
    /// Nothing yet of a program.
    pub fn new(title: String) -> Self {
        Self { title, ..Self::default() }
    }

    /// Takes over what is new. `ended`: why no more will come.
    pub fn update(&mut self, live: &Live, warnings: &[String], ended: Option<&str>) {
        self.number += 1;
        if self.resets != live.resets() {
            self.resets = live.resets();
            self.begun = self.number;
            self.slots.clear();
            self.collections = Collections::default();
            self.collected = 0;
            self.events = Stamped { value: Vec::new(), number: self.number };
        }
        self.columns.extend(live.tables(), &mut self.names);
        let collected = self.collected;
        self.update_slots(live);
        self.processes = live.processes().iter().map(ProcessPart::of).collect();
        self.threads = live.threads().iter().map(|it| ThreadPart::of(it, live.tables())).collect();
        self.meta = MetaPart::of(live, &live.stats_since_start(), &self.columns.files);
        self.meta.warnings.extend_from_slice(warnings);
        self.meta.ended = ended.map(str::to_owned);
        let looks: Vec<u32> = live.evidence().iter().map(|evidence| evidence.looks).collect();
        let has_looked = looks != self.looks;
        if has_looked {
            self.looks = looks;
            self.sites = Stamped { value: sites(live), number: self.number };
        }
        if has_looked || self.collected != collected {
            let value = events(&self.collections, live, live.begun_ns());
            if value != self.events.value {
                self.events = Stamped { value, number: self.number };
            }
        }
        self.marks.push_back((self.number, self.columns.lengths()));
        if self.marks.len() > MARKS {
            self.marks.pop_front();
        }
    }

    fn update_slots(&mut self, live: &Live) {
        let number = self.number;
        self.first = live.slots().next().map_or(0, |(slot, _)| slot);
        let first = i64::try_from(self.first).unwrap_or(i64::MAX);
        self.slots.retain(|slot, _| *slot == BEFORE || *slot >= first);
        for (at, samples) in live.slots() {
            let slot = self.slots.entry(i64::try_from(at).unwrap_or(i64::MAX)).or_default();
            if slot.samples == samples.len() {
                continue;
            }
            for sample in samples.get(slot.samples..).unwrap_or_default() {
                self.collections.see(sample);
                self.collected += u64::from(sample.flags.contains(slowpath_profile::SampleFlags::IN_GC));
            }
            *slot = Slot { samples: samples.len(), number, ..Slot::default() };
            let at = i64::try_from(at).unwrap_or(i64::MAX);
            part_of_slot(at, &runs_of(samples), &mut slot.runs, &mut slot.cpu_ns);
        }
        let forgotten = usize::try_from(live.forgotten().samples()).unwrap_or(usize::MAX);
        let before = self.slots.entry(BEFORE).or_default();
        if before.samples != forgotten {
            *before = Slot { samples: forgotten, number, ..Slot::default() };
            let threads = runs_of_tally(live.forgotten());
            part_of_slot(BEFORE, &threads, &mut before.runs, &mut before.cpu_ns);
        }
    }

    /// What was concluded of the profile.
    pub fn set_findings(&mut self, findings: Value) {
        self.findings = Stamped { value: findings, number: self.number + 1 };
    }

    /// Names of the files from `from` on, for whoever looks for their texts.
    pub fn files(&self, from: usize) -> impl Iterator<Item = &str> {
        self.columns.files.iter().skip(from).map(|file| file.path.as_str())
    }

    /// The text of a file, which is told with the next update.
    pub fn set_text(&mut self, file: usize, text: SourceText) {
        if let Some(known) = self.columns.files.get_mut(file) {
            known.put(text);
            self.texts.insert(file, self.number + 1);
        }
    }

    /// The number of the latest update.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// All of it, as JSON.
    pub fn document(&self) -> serde_json::Result<Vec<u8>> {
        self.part(0)
    }

    /// What is new since update `after`, as JSON; all of it for a reader who cannot go on from there.
    pub fn part(&self, after: u64) -> serde_json::Result<Vec<u8>> {
        let mark = self.marks.iter().find(|(number, _)| *number == after);
        let known = mark.filter(|_| after >= self.begun).map(|(_, lengths)| *lengths);
        let from = known.unwrap_or_default();
        let is_whole = from == Lengths::default();
        let after = if is_whole { 0 } else { after };
        let mut columns = self.columns.since(from);
        let texts = if is_whole { Vec::new() } else { self.texts_since(after, from) };
        if !is_whole {
            columns.files.iter_mut().for_each(|file| (file.text, file.tokens) = (None, Vec::new()));
        }
        let mut slots = SlotsPart {
            length_ns: SLOT.as_nanos() as u64,
            ordered: true,
            first: self.first,
            ..SlotsPart::default()
        };
        let mut cpu_ns = Vec::new();
        for slot in self.slots.values().filter(|slot| slot.number > after) {
            slots.runs.extend_from_slice(&slot.runs);
            cpu_ns.extend_from_slice(&slot.cpu_ns);
        }
        let since = |stamp: u64| is_whole || stamp > after;
        serde_json::to_vec(&Part {
            schema: SCHEMA,
            slowpath: env!("CARGO_PKG_VERSION"),
            live: true,
            number: self.number,
            title: &self.title,
            from,
            columns,
            texts,
            processes: &self.processes,
            threads: &self.threads,
            slots,
            cpu_ns,
            meta: &self.meta,
            sites: since(self.sites.number).then_some(&*self.sites.value),
            events: since(self.events.number).then_some(&*self.events.value),
            findings: since(self.findings.number).then_some(&self.findings.value),
            diff: None,
        })
    }

    fn texts_since(&self, after: u64, from: Lengths) -> Vec<(usize, &[String], &[u32])> {
        let new = self.texts.iter().filter(|(file, number)| **number > after || **file >= from.files);
        let text = |at: &usize| {
            let file = self.columns.files.get(*at)?;
            Some((*at, file.text.as_deref()?, file.tokens.as_slice()))
        };
        new.filter_map(|(at, _)| text(at)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slowpath_profile::ThreadState::Running;
    use slowpath_profile::testing::ProfileBuilder;
    use slowpath_profile::view::live::Counts;
    use slowpath_profile::{Batch, Mark, Profile};

    fn profile(seconds: u64) -> Profile {
        let mut builder = ProfileBuilder::new().thread("MainThread");
        for second in 0..seconds {
            let leaf = format!("leaf_{second}");
            builder = builder.sample(&["<module>", &leaf], Running, 1000);
        }
        builder.build()
    }

    /// Feeds a live profile up to that time.
    fn feed(live: &mut Live, profile: &Profile, mark: &mut Mark, from: usize, to: usize) {
        let mut batch = Batch { samples: profile.samples[from..to].to_vec(), ..Batch::default() };
        if from == 0 {
            batch.processes = profile.processes.clone();
            batch.threads = profile.threads.clone();
        }
        profile.tables.take_new(mark, &mut batch);
        live.apply(batch);
        live.publish(Counts { elapsed_ns: to as u64 * 1_000_000, samples: to as u64, ..Counts::default() });
    }

    /// What a page does with parts: samples by slot and thread.
    #[derive(Default)]
    struct Reader {
        number: u64,
        stacks: usize,
        slots: BTreeMap<(i64, i64), i64>,
    }

    impl Reader {
        fn take(&mut self, part: &[u8]) {
            let part: Value = serde_json::from_slice(part).expect("it is JSON");
            let number = |value: &Value| value.as_i64().unwrap_or_default();
            let length = number(&part["from"]["stacks"]) as usize;
            if length == 0 {
                *self = Self::default();
            }
            assert_eq!(length, self.stacks, "tables go on where they ended");
            self.stacks += part["stacks"]["frame"].as_array().map_or(0, Vec::len);
            self.number = number(&part["number"]) as u64;
            let first = number(&part["slots"]["first"]);
            self.slots.retain(|(slot, _), _| *slot == BEFORE || *slot >= first);
            for runs in part["slots"]["runs"].as_array().expect("a list") {
                let at = (number(&runs["slot"]), number(&runs["thread"]));
                let counts = runs["runs"].as_array().expect("a list").chunks(3).map(|run| number(&run[2]));
                self.slots.insert(at, counts.sum());
            }
        }

        fn samples(&self) -> i64 {
            self.slots.values().sum()
        }
    }

    #[test]
    fn a_quick_and_a_slow_reader_know_the_same() {
        let profile = profile(150);
        let (mut live, mut mark) = (Live::new(profile.meta.clone()), Mark::default());
        let mut growing = Growing::new("app.py".into());
        let (mut quick, mut slow) = (Reader::default(), Reader::default());
        for second in 0..150 {
            feed(&mut live, &profile, &mut mark, second * 1000, (second + 1) * 1000);
            growing.update(&live, &[], None);
            quick.take(&growing.part(quick.number).expect("it can be written"));
            if second % 40 == 39 {
                slow.take(&growing.part(slow.number).expect("it can be written"));
                assert_eq!(quick.slots, slow.slots);
                assert_eq!(quick.samples(), (second as i64 + 1) * 1000);
            }
        }
        let mut late = Reader::default();
        late.take(&growing.document().expect("it can be written"));
        assert_eq!((late.slots, late.stacks), (quick.slots, quick.stacks));
        assert!(growing.slots.len() < 130, "what is kept does not grow with time");
    }

    #[test]
    fn after_a_reset_everybody_begins_anew() {
        let profile = profile(20);
        let (mut live, mut mark) = (Live::new(profile.meta.clone()), Mark::default());
        let mut growing = Growing::new("app.py".into());
        let mut reader = Reader::default();
        feed(&mut live, &profile, &mut mark, 0, 9_000);
        growing.update(&live, &[], None);
        reader.take(&growing.part(0).expect("it can be written"));
        live.reset();
        feed(&mut live, &profile, &mut mark, 9_000, 12_000);
        growing.update(&live, &[], Some("process ended"));
        reader.take(&growing.part(reader.number).expect("it can be written"));
        assert_eq!(reader.samples(), 3_000);
        growing.update(&live, &[], Some("process ended"));
        let part = growing.part(reader.number).expect("it can be written");
        let part: Value = serde_json::from_slice(&part).expect("it is JSON");
        assert_eq!(part["slots"]["runs"], serde_json::json!([]), "nothing is told twice");
        assert_eq!(part["meta"]["ended"], "process ended");
        reader.take(&growing.part(7_777).expect("it can be written"));
        assert_eq!(reader.samples(), 3_000, "a number that never was is a new reader's");
    }

    #[test]
    fn texts_and_findings_are_told_once() {
        let profile = profile(3);
        let (mut live, mut mark) = (Live::new(profile.meta.clone()), Mark::default());
        let mut growing = Growing::new("app.py".into());
        feed(&mut live, &profile, &mut mark, 0, 1_000);
        growing.update(&live, &[], None);
        assert_eq!(growing.files(0).collect::<Vec<_>>(), ["app.py"]);
        growing.set_text(0, SourceText::of_lines("x = 1"));
        growing.set_findings(serde_json::json!({"findings": []}));
        growing.update(&live, &[], None);
        let told = |after| -> Value {
            serde_json::from_slice(&growing.part(after).expect("it can be written")).expect("it is JSON")
        };
        assert_eq!(told(1)["texts"], serde_json::json!([[0, ["x = 1"], []]]));
        assert_eq!(told(1)["findings"], serde_json::json!({"findings": []}));
        assert_eq!((&told(2)["texts"], &told(2)["findings"]), (&serde_json::json!([]), &Value::Null));
        assert_eq!(told(0)["files"][0]["text"], serde_json::json!(["x = 1"]));
    }
}
