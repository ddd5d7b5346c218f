//! Text and bytes objects of the target, bounded and checked.

use crate::layout::spec::ObjectOffsets;
use crate::process::memory::{Bytes, Memory, Range};

/// Code points of a string that are read; a longer one ends in `…`.
pub const MAX_TEXT: usize = 4096;
/// Bytes of a bytes object that are read.
pub const MAX_BYTES: usize = 1 << 20;

/// Text that is read along with the header, which saves a second read for most names.
const AHEAD: usize = 96;
/// Strings that one read asks for.
const STRINGS_PER_READ: usize = 256;

/// What reading the text of a `PyUnicodeObject` begins with: its header and some of the text.
pub fn beginning(object: &ObjectOffsets, addr: u64) -> Range {
    Range::new(addr, object.unicode.compact_size + AHEAD)
}

/// The text of a `PyUnicodeObject`, or `""` if it cannot be read. See [`string`].
pub fn read_str(memory: &dyn Memory, object: &ObjectOffsets, addr: u64) -> String {
    string(memory, object, addr).unwrap_or_default()
}

/// The bytes of a `PyBytesObject`, or none if it cannot be read. See [`bytes`].
pub fn read_bytes(memory: &dyn Memory, object: &ObjectOffsets, addr: u64) -> Vec<u8> {
    bytes(memory, object, addr).unwrap_or_default()
}

/// The text of a `PyUnicodeObject`: at most [`MAX_TEXT`] code points, `…` after that. Lone surrogates
/// are written as `\udc80`. `None` if it is unreadable or not a string (stale pointer, torn read).
pub fn string(memory: &dyn Memory, object: &ObjectOffsets, addr: u64) -> Option<String> {
    string_up_to(memory, object, addr, MAX_TEXT)
}

/// How many bytes at its address the text of a short name is read from.
pub fn read_ahead(object: &ObjectOffsets) -> usize {
    object.unicode.compact_size + AHEAD
}

/// As [`string`], for at most `max` code points.
pub fn string_up_to(memory: &dyn Memory, object: &ObjectOffsets, addr: u64, max: usize) -> Option<String> {
    let unicode = &object.unicode;
    let mut head = vec![0; unicode.compact_size + AHEAD];
    let (first, second) = (unicode.ascii_size, head.len() - unicode.ascii_size);
    let ranges = [Range::new(addr, first), Range::new(addr.checked_add(first as u64)?, second)];
    let filled = memory.read_vectored(&ranges, &mut head).ok().filter(|filled| *filled >= first)?;
    decode_object(memory, object, addr, &head[..filled], max)
}

/// The texts of many strings, with as few reads as possible; see [`string`].
pub fn strings(memory: &dyn Memory, object: &ObjectOffsets, addrs: &[u64]) -> Vec<Option<String>> {
    let len = object.unicode.ascii_size + AHEAD;
    let mut texts = Vec::with_capacity(addrs.len());
    for addrs in addrs.chunks(STRINGS_PER_READ) {
        let ranges: Vec<Range> = addrs.iter().map(|addr| Range::new(*addr, len)).collect();
        let mut heads = vec![0; ranges.len() * len];
        let filled = memory.read_vectored(&ranges, &mut heads).unwrap_or(0);
        for (index, addr) in addrs.iter().enumerate() {
            let head = heads.get(index * len..(index + 1) * len).filter(|_| (index + 1) * len <= filled);
            texts.push(match head {
                Some(head) => decode_object(memory, object, *addr, head, MAX_TEXT),
                // Behind a string at the end of its mapping.
                None => string(memory, object, *addr),
            });
        }
    }
    texts
}

/// The text of the string at `addr`, of whose first bytes `head` is a copy.
fn decode_object(
    memory: &dyn Memory,
    object: &ObjectOffsets,
    addr: u64,
    head: &[u8],
    max: usize,
) -> Option<String> {
    let unicode = &object.unicode;
    let state = head.u32_at(unicode.state)?;
    // `interned` fills two bits, or a byte on free-threaded builds; `kind` after it is never 0 in a
    // string that is ready, so the bits tell which.
    let state = if state & 0xfc == 0 { state >> 8 } else { state >> unicode.kind_shift };
    let (kind, compact, ascii) = ((state & 7) as usize, state & 8 != 0, state & 16 != 0);
    // Kind 0 is a string that is not ready (before 3.12): never the name of anything.
    if !matches!(kind, 1 | 2 | 4) || (ascii && kind != 1) {
        return None;
    }
    let length = usize::try_from(head.u64_at(unicode.length)?).ok()?;
    let points = length.min(max);
    let start = match (compact, ascii) {
        (true, true) => addr.checked_add(unicode.ascii_size as u64)?,
        (true, false) => addr.checked_add(unicode.compact_size as u64)?,
        // `data` of a PyUnicodeObject: instances of subclasses of str.
        (false, _) => memory.read_u64(addr.checked_add(unicode.compact_size as u64)?).ok()?,
    };
    let size = points.checked_mul(kind)?;
    // The text may lie wholly in what was read with the header.
    let ahead = start.checked_sub(addr).and_then(|from| usize::try_from(from).ok());
    let ahead = ahead.filter(|from| compact && from + size <= head.len());
    let text = match ahead {
        Some(from) => head[from..from + size].to_vec(),
        None => memory.read_bytes(start, size).ok()?,
    };
    let mut decoded = decode(&text, kind, ascii)?;
    if length > points {
        decoded.push('…');
    }
    Some(decoded)
}

/// Code points of `kind` bytes each. `None` if one cannot be, which tells a torn or stale read.
fn decode(text: &[u8], kind: usize, ascii: bool) -> Option<String> {
    let mut decoded = String::with_capacity(text.len() + 3);
    for unit in text.chunks_exact(kind) {
        let point = match kind {
            1 if ascii && unit[0] > 127 => return None,
            1 => u32::from(unit[0]),
            2 => u32::from(unit.u16_at(0)?),
            _ => unit.u32_at(0)?,
        };
        match char::from_u32(point) {
            Some(character) => decoded.push(character),
            None if (0xd800..0xe000).contains(&point) => decoded.push_str(&format!("\\u{point:04x}")),
            None => return None,
        }
    }
    Some(decoded)
}

/// The bytes of a `PyBytesObject`, at most [`MAX_BYTES`]; `None` if it is unreadable.
pub fn bytes(memory: &dyn Memory, object: &ObjectOffsets, addr: u64) -> Option<Vec<u8>> {
    let mut head = vec![0; object.bytes_ob_sval + AHEAD];
    let first = object.bytes_ob_sval;
    let start = addr.checked_add(first as u64)?;
    let ranges = [Range::new(addr, first), Range::new(start, AHEAD)];
    let filled = memory.read_vectored(&ranges, &mut head).ok().filter(|filled| *filled >= first)?;
    let len = usize::try_from(head.u64_at(object.ob_size)?).ok()?.min(MAX_BYTES);
    if len <= AHEAD && filled == head.len() {
        head.drain(..first);
        head.truncate(len);
        return Some(head);
    }
    memory.read_bytes(start, len).ok()
}

/// The C string at `addr`, at most `max` bytes of it; `None` if it is unreadable, longer or not UTF-8.
pub fn c_string(memory: &dyn Memory, addr: u64, max: usize) -> Option<String> {
    let mut bytes = Vec::new();
    // By words, since a C string may end right before unmapped memory.
    while bytes.len() <= max {
        let at = addr.checked_add(bytes.len() as u64)?;
        bytes.extend(memory.read_bytes(at, 8 - (at % 8) as usize).ok()?);
        if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
            bytes.truncate(end);
            return String::from_utf8(bytes).ok().filter(|text| text.len() <= max);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::spec_for;
    use crate::read::testing::Image;

    fn object() -> ObjectOffsets {
        spec_for(12).unwrap().headers(false).object
    }

    /// A str object of 3.12: `length` at 16, `state` at 32 (kind << 2, compact, ascii), text behind.
    fn unicode(length: u64, kind: u32, ascii: bool, text: &[u8]) -> Image {
        let mut bytes = vec![0; if ascii { 40 } else { 56 }];
        bytes[16..24].copy_from_slice(&length.to_le_bytes());
        let state = kind << 2 | 1 << 5 | u32::from(ascii) << 6;
        bytes[32..36].copy_from_slice(&state.to_le_bytes());
        bytes.extend_from_slice(text);
        Image { start: 0x1000, bytes }
    }

    fn read(image: &Image) -> Option<String> {
        string(image, &object(), 0x1000)
    }

    #[test]
    fn all_kinds_are_read_up_to_the_end_of_memory() {
        assert_eq!(read(&unicode(3, 1, true, b"abc")).as_deref(), Some("abc"));
        assert_eq!(read(&unicode(2, 1, false, &[0xe9, 0x41])).as_deref(), Some("éA"));
        let wide: Vec<u8> = "λx".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&unicode(2, 2, false, &wide)).as_deref(), Some("λx"));
        let wide: Vec<u8> = "🐍".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        assert_eq!(read(&unicode(1, 4, false, &wide)).as_deref(), Some("🐍"));
    }

    #[test]
    fn lone_surrogates_are_escaped() {
        let text: Vec<u8> = [0x61u16, 0xdc80].into_iter().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&unicode(2, 2, false, &text)).as_deref(), Some("a\\udc80"));
    }

    #[test]
    fn long_text_ends_visibly() {
        let long = read(&unicode(1 << 40, 1, true, &[b'x'; 5000])).unwrap();
        assert_eq!((long.chars().count(), long.chars().last()), (MAX_TEXT + 1, Some('…')));
    }

    #[test]
    fn what_cannot_be_text_is_none() {
        assert_eq!(read(&unicode(3, 3, false, b"abc")), None, "kind");
        assert_eq!(read(&unicode(3, 2, true, b"abcdef")), None, "ASCII of two bytes");
        assert_eq!(read(&unicode(1, 4, false, &0x11_0000u32.to_le_bytes())), None, "code point");
        assert_eq!(read(&unicode(1, 1, true, &[0x80])), None, "not ASCII");
        assert_eq!(read(&unicode(300, 1, true, b"abc")), None, "text outside memory");
    }

    #[test]
    fn bytes_are_bounded() {
        let mut image = Image { start: 0x1000, bytes: vec![7; 200] };
        image.bytes[16..24].copy_from_slice(&5u64.to_le_bytes());
        assert_eq!(read_bytes(&image, &object(), 0x1000), [7; 5]);
        image.bytes[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(bytes(&image, &object(), 0x1000), None);
    }

    #[test]
    fn many_strings_are_read_at_once_even_at_the_end_of_memory() {
        let first = unicode(3, 1, true, b"abc");
        let mut bytes = first.bytes.clone();
        bytes.resize(200, 0);
        bytes.extend(unicode(2, 1, true, b"de").bytes);
        let image = Image { start: 0x1000, bytes };
        let found = strings(&image, &object(), &[0x1000, 0x1000 + 200, 0x5000, 0x1000]);
        let found: Vec<_> = found.iter().map(Option::as_deref).collect();
        assert_eq!(found, [Some("abc"), Some("de"), None, Some("abc")]);
    }

    proptest! {
        #[test]
        fn any_object_is_read_without_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            addr in prop_oneof![Just(0x1000), any::<u64>()],
        ) {
            let image = Image { start: 0x1000, bytes };
            if let Some(text) = string(&image, &object(), addr) {
                prop_assert!(text.chars().count() <= 6 * MAX_TEXT + 1);
            }
            prop_assert!(read_bytes(&image, &object(), addr).len() <= MAX_BYTES);
        }
    }
}
