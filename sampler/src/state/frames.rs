//! Frames of hot code, kept from the copy in which their stack was believed.

use super::{HotCode, LiveFrame};
use crate::layout::spec::Layout;
use crate::process::memory::Memory;
use crate::read::code::Code;
use crate::read::code_cache::CodeCache;
use crate::read::image::Image;
use crate::read::stack::{CodeFacts, RawFrame};

/// Frames that one look keeps.
const MAX_FRAMES: usize = 64;
/// Frames of one code object that one look keeps.
const MAX_FRAMES_OF_CODE: usize = 2;
/// Bytes of a frame that are kept.
const MAX_FRAME: usize = 4_096;

/// Where a believed stack comes from.
pub(crate) struct FrameSource<'a> {
    /// The copy that it was read from.
    pub(crate) image: &'a Image,
    /// The target.
    pub(crate) memory: &'a dyn Memory,
    /// Its layout.
    pub(crate) layout: &'a Layout,
    /// Known code objects.
    pub(crate) codes: &'a CodeCache,
}

/// Frames of one tick, with the addresses of their code objects.
#[derive(Debug, Default)]
pub(super) struct Captured {
    frames: Vec<(u64, LiveFrame)>,
}

impl Captured {
    /// Forgets them.
    pub(super) fn clear(&mut self) {
        self.frames.clear();
    }

    /// Keeps the frames (the leaf first) whose code is hot.
    pub(super) fn capture(
        &mut self,
        frames: &[RawFrame],
        source: &FrameSource<'_>,
        is_hot: impl Fn(u64) -> bool,
    ) {
        for (depth, frame) in frames.iter().enumerate() {
            let same = self.frames.iter().filter(|(code, _)| *code == frame.code).count();
            if self.frames.len() >= MAX_FRAMES || same >= MAX_FRAMES_OF_CODE || !is_hot(frame.code) {
                continue;
            }
            let Some(code) = source.codes.peek(frame.code).map(|entry| &entry.code) else { continue };
            let Some(offset) = code.offset_of(frame.instruction) else { continue };
            let Some(bytes) = bytes_of(frame, code, source) else { continue };
            let kept = LiveFrame { hot: 0, addr: frame.addr, offset, is_leaf: depth == 0, bytes };
            self.frames.push((frame.code, kept));
        }
    }

    /// Hands on the frames of `hot` code.
    pub(super) fn take(&mut self, hot: &[HotCode]) -> Vec<LiveFrame> {
        let of_hot = |(code, frame): (u64, LiveFrame)| {
            let position = hot.iter().position(|hot| hot.addr == code)?;
            Some(LiveFrame { hot: position, ..frame })
        };
        self.frames.drain(..).filter_map(of_hot).collect()
    }
}

/// The bytes of a frame: its fixed part from the image, and what the image has of the rest. Frames that
/// live outside the data stack are completed from memory if they have not changed meanwhile.
fn bytes_of(frame: &RawFrame, code: &Code, source: &FrameSource<'_>) -> Option<Vec<u8>> {
    let FrameSource { image, memory, layout, .. } = source;
    let fixed = layout.frame.size;
    // Before 3.11 nothing says how large a frame is; its locals follow the fixed part.
    let locals = usize::try_from(code.locals()).unwrap_or(usize::MAX);
    let unsaid = || locals.saturating_mul(8).saturating_add(fixed);
    let whole = code.frame_words().map_or_else(unsaid, |words| words as usize * 8);
    let whole = whole.clamp(fixed, MAX_FRAME.max(fixed));
    if let Some(bytes) = image.at(0..image.len(), frame.addr, whole) {
        return Some(bytes.to_vec());
    }
    let copied = image.at(0..image.len(), frame.addr, fixed)?;
    match memory.read_bytes(frame.addr, whole) {
        Ok(bytes) if bytes.starts_with(copied) => Some(bytes),
        _ => Some(copied.to_vec()),
    }
}
