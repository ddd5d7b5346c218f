//! Chunks: what a recording consists of after its first bytes.

use std::io;

use super::bytes::{Bytes, put_varint};
use super::error::Malformed;
use super::limits::MAX_PART;
use super::pack::{Packer, Unpacker, put_raw};

/// Begins every chunk. The first byte is not ASCII and not UTF-8.
const MARKER: [u8; 4] = [0xf5, b'c', b'h', b'k'];
/// Marker, kind, two lengths, checksum.
pub(super) const HEADER_BYTES: usize = 4 + 1 + 4 + 4 + 4;

/// [`crate::Meta`] as JSON; the first chunk.
pub(super) const META: u8 = 1;
/// A [`crate::Batch`]: tables in the head, samples in the body.
pub(super) const BATCH: u8 = 2;
/// [`crate::Stats`] as JSON; ends a complete recording.
pub(super) const STATS: u8 = 3;
/// [`crate::evidence::ProcessEvidence`] as JSON; replaces an earlier one of the same process.
pub(super) const EVIDENCE: u8 = 4;

/// The fixed part of a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) head_bytes: u32,
    pub(super) body_bytes: u32,
    checksum: u32,
}

impl Header {
    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, Malformed> {
        let [m0, m1, m2, m3, kind, h0, h1, h2, h3, b0, b1, b2, b3, c0, c1, c2, c3] = *bytes;
        if [m0, m1, m2, m3] != MARKER {
            return Err(Malformed::new("chunk marker", bytes[..4].escape_ascii()));
        }
        let header = Self {
            kind,
            head_bytes: u32::from_le_bytes([h0, h1, h2, h3]),
            body_bytes: u32::from_le_bytes([b0, b1, b2, b3]),
            checksum: u32::from_le_bytes([c0, c1, c2, c3]),
        };
        for length in [header.head_bytes, header.body_bytes] {
            if u64::from(length) > MAX_PART {
                return Err(Malformed::new("chunk length", length));
            }
        }
        Ok(header)
    }

    /// Bytes of head and body.
    pub(super) fn content_bytes(&self) -> u64 {
        u64::from(self.head_bytes) + u64::from(self.body_bytes)
    }

    /// Checks head and body against the checksum.
    pub(super) fn verify(&self, content: &[u8]) -> Result<(), Malformed> {
        let found = checksum(self.kind, self.head_bytes, self.body_bytes, content);
        if found == self.checksum {
            return Ok(());
        }
        Err(Malformed(format!("checksum {found:08x}, stored as {:08x}", self.checksum)))
    }
}

/// Covers everything after the marker.
fn checksum(kind: u8, head_bytes: u32, body_bytes: u32, content: &[u8]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(&[kind]);
    hash.update(&head_bytes.to_le_bytes());
    hash.update(&body_bytes.to_le_bytes());
    hash.update(content);
    hash.finalize()
}

/// A whole chunk, ready to be written at once. The head is compressed here; the body has been.
pub(super) fn encode(kind: u8, head: &[u8], body: &[u8], packer: &mut Packer) -> io::Result<Vec<u8>> {
    let mut chunk = vec![0; HEADER_BYTES];
    if !head.is_empty() {
        put_varint(&mut chunk, head.len() as u64);
        packer.pack(head, &mut chunk)?;
    }
    let head_bytes = bounded(chunk.len() - HEADER_BYTES)?;
    chunk.extend_from_slice(body);
    seal(&mut chunk, kind, head_bytes, bounded(body.len())?);
    Ok(chunk)
}

fn bounded(length: usize) -> io::Result<u32> {
    let length = u32::try_from(length).ok().filter(|length| u64::from(*length) <= MAX_PART);
    length.ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))
}

fn seal(chunk: &mut [u8], kind: u8, head_bytes: u32, body_bytes: u32) {
    let checksum = checksum(kind, head_bytes, body_bytes, &chunk[HEADER_BYTES..]);
    chunk[..4].copy_from_slice(&MARKER);
    chunk[4] = kind;
    chunk[5..9].copy_from_slice(&head_bytes.to_le_bytes());
    chunk[9..13].copy_from_slice(&body_bytes.to_le_bytes());
    chunk[13..17].copy_from_slice(&checksum.to_le_bytes());
}

/// The head of a chunk, decompressed; empty if there is none.
pub(super) fn decode_head(head: &[u8], unpacker: &mut Unpacker) -> Result<Vec<u8>, Malformed> {
    let (mut bytes, mut block) = (Bytes(head), Vec::new());
    if bytes.is_empty() {
        return Ok(block);
    }
    let length = bytes.varint("head length")?;
    if length > MAX_PART {
        return Err(Malformed::new("head length", length));
    }
    unpacker.unpack(&mut bytes, length as usize, &mut block)?;
    if bytes.is_empty() { Ok(block) } else { Err(Malformed::new("bytes after a head:", bytes.0.len())) }
}

/// Every chunk after the first `skip` bytes with its head as it was before compression.
pub(crate) fn without_compression(file: &[u8], skip: usize) -> Vec<u8> {
    let (start, mut rest) = file.split_at(skip.min(file.len()));
    let mut out = start.to_vec();
    let Ok(mut unpacker) = Unpacker::new() else { return out };
    while let Some((header, content)) = whole_chunk(rest) {
        let (head, body) = content.split_at(header.head_bytes as usize);
        let Ok(head) = decode_head(head, &mut unpacker) else { return out };
        let mut chunk = vec![0; HEADER_BYTES];
        if !head.is_empty() {
            put_varint(&mut chunk, head.len() as u64);
            put_raw(&head, &mut chunk);
        }
        let Ok(head_bytes) = bounded(chunk.len() - HEADER_BYTES) else { return out };
        chunk.extend_from_slice(body);
        seal(&mut chunk, header.kind, head_bytes, header.body_bytes);
        out.extend(chunk);
        rest = &rest[HEADER_BYTES + content.len()..];
    }
    out
}

/// The first chunk of these bytes, if it is whole.
fn whole_chunk(bytes: &[u8]) -> Option<(Header, &[u8])> {
    let (fixed, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let header = Header::decode(fixed).ok()?;
    let content = rest.get(..usize::try_from(header.content_bytes()).ok()?)?;
    header.verify(content).ok()?;
    Some((header, content))
}

/// Rewrites the checksum of every chunk after the first `skip` bytes, so that a test can change what
/// is below the checksum.
pub(crate) fn reseal(file: &mut [u8], skip: usize) {
    let mut rest = file.get_mut(skip..).unwrap_or_default();
    while let Some(fixed) = rest.first_chunk::<HEADER_BYTES>() {
        let Ok(header) = Header::decode(fixed) else { return };
        let length = HEADER_BYTES + header.content_bytes() as usize;
        let Some((chunk, after)) = rest.split_at_mut_checked(length) else { return };
        seal(chunk, header.kind, header.head_bytes, header.body_bytes);
        rest = after;
    }
}
