//! Sampling with the threads stopped that are read (`--blocking`).

use std::time::{Duration, Instant};

use super::{LESSONS, ProcessSampler};
use crate::layout::spec::FrameLink;
use crate::options::SampleOptions;
use crate::process::memory::MemoryError;
use crate::process::stop::{MAX_WAIT, Stopper};
use crate::read::plan::Attempt;
use crate::recorder::Recorder;

/// For how long a thread that is caught between two states is stopped again and again: on a busy
/// machine it may wait for a CPU for tens of milliseconds and stand there all the while.
const PATIENCE: Duration = Duration::from_millis(500);
/// For how long it may run in between, the longer the more often it was stopped.
const STEP: Duration = Duration::from_micros(30);
const MAX_STEP: Duration = Duration::from_millis(2);

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
        let begun = Instant::now();
        for attempt in 1.. {
            let stopped = stopper.stop(&tids, MAX_WAIT);
            for track in &mut self.tracks {
                track.stopped = stopped.tids().contains(&track.entry.native_id);
            }
            if !self.is_between_states() || begun.elapsed() >= PATIENCE {
                let read = self.read_all(now_ns, options, recorder);
                drop(stopped);
                return read;
            }
            drop(stopped);
            // Stopped again at once, it would not have moved.
            std::thread::sleep((STEP * attempt).min(MAX_STEP));
        }
        Ok(())
    }

    /// Whether a stopped thread stands where its stack cannot be read. Known of 3.11 and 3.12 alone,
    /// which keep the current frame outside the thread state.
    fn is_between_states(&mut self) -> bool {
        if !matches!(self.layout.thread.frame, FrameLink::CFrame { .. }) {
            return false;
        }
        let (memory, layout, image) = (&self.memory, &self.layout, &mut self.single);
        self.tracks.iter_mut().filter(|track| track.awake && track.stopped).any(|track| {
            for _ in 0..LESSONS {
                image.clear();
                track.plan.add_to(layout, image);
                if image.fill(memory).is_err() {
                    return false;
                }
                match track.plan.read(memory, layout, image, true, &mut self.frames) {
                    Attempt::Learned => {}
                    attempt => return attempt == Attempt::Broken,
                }
            }
            // What it points to leads nowhere.
            true
        })
    }

    fn tids_to_stop(&self) -> Vec<u32> {
        let awake = self.tracks.iter().filter(|track| track.awake);
        awake.map(|track| track.entry.native_id).filter(|tid| *tid != 0).collect()
    }
}
