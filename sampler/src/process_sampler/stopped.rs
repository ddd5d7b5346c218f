//! Sampling with the threads stopped that are read (`--blocking`).

use std::time::Duration;

use super::{LESSONS, ProcessSampler};
use crate::layout::spec::FrameLink;
use crate::options::SampleOptions;
use crate::process::memory::MemoryError;
use crate::process::stop::{MAX_WAIT, Stopper};
use crate::read::plan::Attempt;
use crate::recorder::Recorder;

/// Stops of a thread that is caught between two states.
const STOPS: u32 = 8;
/// For how long it runs in between.
const STEP: Duration = Duration::from_micros(30);

impl ProcessSampler {
    /// As [`Self::read_all`] with the threads stopped that are read. A thread that was caught between
    /// two states, so that no stack can be read, is let go and stopped again.
    pub(super) fn read_stopped(
        &mut self,
        stopper: &mut Stopper,
        now_ns: u64,
        options: &SampleOptions,
        recorder: &mut Recorder,
    ) -> Result<(), MemoryError> {
        let tids = self.tids_to_stop();
        for attempt in 0.. {
            let stopped = stopper.stop(&tids, MAX_WAIT);
            for track in &mut self.tracks {
                track.stopped = stopped.tids().contains(&track.entry.native_id);
            }
            if attempt == STOPS || !self.is_between_states() {
                let read = self.read_all(now_ns, options, recorder);
                drop(stopped);
                return read;
            }
            drop(stopped);
            // Stopped again at once, it would not have moved.
            std::thread::sleep(STEP);
        }
        Ok(())
    }

    /// Whether a stopped thread stands where its stack cannot be read. Known of 3.11 and 3.12 alone,
    /// which keep the current frame outside the thread state.
    fn is_between_states(&mut self) -> bool {
        if !matches!(self.layout.thread.frame, FrameLink::CFrame { .. }) {
            return false;
        }
        for track in self.tracks.iter_mut().filter(|track| track.awake && track.stopped) {
            for _ in 0..LESSONS {
                self.single.clear();
                track.plan.add_to(&self.layout, &mut self.single);
                if self.single.fill(&self.memory).is_err() {
                    break;
                }
                match track.plan.read(&self.memory, &self.layout, &self.single, true, &mut self.frames) {
                    Attempt::Learned => {}
                    Attempt::Broken => return true,
                    _ => break,
                }
            }
        }
        false
    }

    fn tids_to_stop(&self) -> Vec<u32> {
        let awake = self.tracks.iter().filter(|track| track.awake);
        awake.map(|track| track.entry.native_id).filter(|tid| *tid != 0).collect()
    }
}
