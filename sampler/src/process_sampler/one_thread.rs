//! Reads the stack of one thread until it can be believed.

use slowpath_profile::{Quality, StackId};

use super::{LESSONS, ProcessSampler};
use crate::read::plan::Attempt;
use crate::recorder::Recorder;
use crate::resolve::{Doubt, Resolver};
use crate::state::FrameSource;

/// Reads of one stack before it is given up, for broken copies.
const TRIES: u32 = 24;
/// Broken reads in a row after which it may be the known code objects that are wrong.
const DISTRUST: u32 = 3;
/// Reads in a row that must agree with the one before for an unlikely stack to be believed.
const AGREEING: u32 = 3;

impl ProcessSampler {
    /// The stack of a thread, from the tick's image or by reading again. `None`: the thread is gone.
    pub(super) fn read_thread(
        &mut self,
        number: usize,
        recorder: &mut Recorder,
    ) -> Option<(Option<StackId>, Quality)> {
        let (mut broken, mut lessons) = (0, 0);
        let mut first = true;
        let mut agreeing = 0;
        while broken < TRIES && lessons < LESSONS {
            let track = &mut self.tracks[number];
            if !first {
                self.single.clear();
                track.plan.add_to(&self.layout, &mut self.single);
                self.single.fill(&self.memory).ok()?;
            }
            let image = if first { &self.image } else { &self.single };
            first = false;
            let attempt = track.plan.read(&self.memory, &self.layout, image, track.stopped, &mut self.frames);
            match attempt {
                Attempt::Gone => {
                    self.refreshed_ns = None;
                    return None;
                }
                Attempt::Learned => lessons += 1,
                Attempt::Broken => broken += 1,
                Attempt::Stack | Attempt::Truncated => {
                    let mut resolver = Resolver {
                        memory: &self.memory,
                        layout: &self.layout,
                        codes: &mut self.codes,
                        tables: &mut recorder.tables,
                        certain: track.stopped || agreeing >= AGREEING,
                    };
                    match resolver.resolve(&self.frames, &mut track.last) {
                        Ok(stack) => {
                            track.plan.keep();
                            if let Some(tracker) = &mut self.tracker {
                                let (memory, layout) = (&self.memory, &self.layout);
                                let source = FrameSource { image, memory, layout, codes: &self.codes };
                                tracker.capture(&self.frames, &source);
                            }
                            self.counters.retried += u64::from(broken);
                            let quality = match (attempt, broken) {
                                (Attempt::Truncated, _) => Quality::Truncated,
                                (_, 0) => Quality::Clean,
                                _ => Quality::Retried,
                            };
                            return Some((stack, quality));
                        }
                        Err(Doubt::Torn) => {
                            broken += 1;
                            let agrees = self.doubted == self.frames;
                            agreeing = if agrees { agreeing + 1 } else { 0 };
                            self.doubted.clone_from(&self.frames);
                            if broken == DISTRUST {
                                self.codes.distrust(self.frames.iter().map(|frame| frame.code));
                            }
                        }
                        Err(Doubt::TreeFull) => break,
                    }
                }
            }
        }
        self.counters.retried += u64::from(broken);
        Some((None, Quality::Dropped))
    }
}
