//! Which interpreters and threads a process has, and what they are called.

use std::collections::HashMap;

use slowpath_profile::Thread;

use super::ProcessSampler;
use crate::heads::{Head, HeadPlan};
use crate::identify;
use crate::options::SampleOptions;
use crate::process::memory::MemoryError;
use crate::read::threads::{ThreadRef, interpreters};
use crate::recorder::Recorder;
use crate::thread_track::Track;

/// Readings of the thread list in which a thread without a name is asked for it.
const NAMING_TRIES: u8 = 20;

impl ProcessSampler {
    /// Reads the lists of interpreters and threads again.
    pub(super) fn refresh(
        &mut self,
        now_ns: u64,
        options: &SampleOptions,
        recorder: &mut Recorder,
    ) -> Result<(), MemoryError> {
        self.refreshed_ns = Some(now_ns);
        self.interpreters = interpreters(&self.memory, &self.layout, self.runtime)?;
        self.heads = self
            .interpreters
            .iter()
            .map(|interpreter| {
                let plan = HeadPlan::new(&self.layout, self.runtime, interpreter);
                let threads_head = interpreter.threads.first().map_or(0, |thread| thread.addr);
                (plan, Head { threads_head, ..Head::default() })
            })
            .collect();
        self.tracks.iter_mut().for_each(|track| track.alive = false);
        let mut fresh = Vec::new();
        for (position, interpreter) in self.interpreters.iter().enumerate() {
            for thread in &interpreter.threads {
                match self.tracks.iter_mut().find(|track| track.thread == *thread) {
                    Some(track) => (track.alive, track.interpreter) = (true, position),
                    None => fresh.push((position, interpreter.id, *thread)),
                }
            }
        }
        self.tracks.retain(|track| track.alive);
        self.name_threads(options, recorder);
        self.add_threads(fresh, options, recorder);
        Ok(())
    }

    fn add_threads(
        &mut self,
        fresh: Vec<(usize, i64, ThreadRef)>,
        options: &SampleOptions,
        recorder: &mut Recorder,
    ) {
        if fresh.is_empty() {
            return;
        }
        let refs: Vec<ThreadRef> = fresh.iter().map(|(_, _, thread)| *thread).collect();
        let native_ids = identify::native_ids(&self.memory, &self.layout, self.pid, &refs);
        let given = self.given_names();
        for ((position, interpreter, thread), native_id) in fresh.into_iter().zip(native_ids) {
            let os = identify::os_thread(self.pid, native_id, &self.files);
            let is_main = native_id == self.pid;
            let name = identify::name(&given, &thread, is_main, os.as_ref());
            let entry = Thread {
                process: self.process,
                interpreter,
                python_id: thread.thread_id,
                native_id,
                name: recorder.tables.strings.intern_str(&name.text),
                is_main,
            };
            let id = recorder.thread(entry.clone());
            let mut track = Track::new(thread, position, id, entry, os);
            track.wanted = options.threads.lets_through(&name.text, is_main);
            track.naming_left = if name.is_given || is_main { 0 } else { NAMING_TRIES };
            self.tracks.push(track);
        }
    }

    /// A thread runs before its program has given it its name: asks again for a while.
    fn name_threads(&mut self, options: &SampleOptions, recorder: &mut Recorder) {
        if self.tracks.iter().all(|track| track.naming_left == 0) {
            return;
        }
        let given = self.given_names();
        for track in self.tracks.iter_mut().filter(|track| track.naming_left > 0) {
            track.naming_left -= 1;
            let Some(name) = given.get(&track.thread.thread_id) else { continue };
            track.naming_left = 0;
            track.wanted = options.threads.lets_through(name, track.entry.is_main);
            let name = recorder.tables.strings.intern_str(name);
            if track.entry.name != name {
                track.entry.name = name;
                recorder.rename(track.id, track.entry.clone());
            }
        }
    }

    fn given_names(&self) -> HashMap<u64, String> {
        let interpreters = self.interpreters.iter().map(|interpreter| interpreter.addr);
        identify::given_names(&self.memory, &self.layout, interpreters)
    }
}
