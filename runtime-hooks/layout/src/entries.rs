//! Entries of the published arrays that hold text.

use crate::{CLASS_WRITE_WORDS, OPCODE_WORDS};

/// What is published of one opcode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opcode {
    /// Code units of inline cache that follow it.
    pub caches: u8,
    /// The opcode that it is a specialization of; itself if it is none.
    pub base: u8,
    /// Its name, `LOAD_ATTR_SLOT`, at most 40 bytes; empty where no instruction has this number.
    pub name: String,
}

impl Opcode {
    /// The words as they are published.
    pub fn words(&self) -> [u64; OPCODE_WORDS] {
        let mut bytes = [0; OPCODE_WORDS * 8];
        let len = self.name.floor_char_boundary(40);
        (bytes[0], bytes[1], bytes[2]) = (self.caches, self.base, len as u8);
        bytes[8..8 + len].copy_from_slice(&self.name.as_bytes()[..len]);
        let mut words = [0; OPCODE_WORDS];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = chunk.try_into().map_or(0, u64::from_le_bytes);
        }
        words
    }

    /// Reads an opcode out of foreign bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (caches, base, len) = (*bytes.first()?, *bytes.get(1)?, usize::from(*bytes.get(2)?));
        let name = std::str::from_utf8(bytes.get(8..8 + len.min(40))?).ok()?;
        let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        name.bytes().all(is_name).then(|| Self { caches, base, name: name.to_owned() })
    }
}

/// A place that wrote to a class while the program ran, so that what was cached of that class died.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassWrite {
    /// How often.
    pub count: u64,
    /// Line of the write.
    pub line: u32,
    /// Name of the class, cut to 88 bytes.
    pub class: String,
    /// The attribute, cut to 40 bytes.
    pub attribute: String,
    /// Qualified name of the function that writes, cut to 88 bytes.
    pub function: String,
    /// File of that function; of a long path the last 120 bytes.
    pub file: String,
}

impl ClassWrite {
    /// Bytes of the four texts.
    const ROOM: [usize; 4] = [88, 40, 88, 120];
    /// Where the first of them begins.
    const TEXTS: usize = 32;

    /// The words as they are published.
    pub fn words(&self) -> [u64; CLASS_WRITE_WORDS] {
        let mut bytes = [0; CLASS_WRITE_WORDS * 8];
        bytes[..8].copy_from_slice(&self.count.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.line.to_le_bytes());
        let mut start = Self::TEXTS;
        let texts = [&self.class, &self.attribute, &self.function, &self.file];
        for (number, (text, room)) in texts.into_iter().zip(Self::ROOM).enumerate() {
            let kept = match number {
                3 => &text[text.ceil_char_boundary(text.len().saturating_sub(room))..],
                _ => &text[..text.floor_char_boundary(room)],
            };
            bytes[16 + number] = kept.len() as u8;
            bytes[start..start + kept.len()].copy_from_slice(kept.as_bytes());
            start += room;
        }
        let mut words = [0; CLASS_WRITE_WORDS];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = chunk.try_into().map_or(0, u64::from_le_bytes);
        }
        words
    }

    /// Reads an entry out of foreign bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut start = Self::TEXTS;
        let mut texts = Self::ROOM.iter().enumerate().map(|(number, room)| {
            let len = usize::from(*bytes.get(16 + number)?).min(*room);
            let text = bytes.get(start..start + len)?;
            start += room;
            Some(String::from_utf8_lossy(text).into_owned())
        });
        let [class, attribute, function, file] =
            [texts.next()??, texts.next()??, texts.next()??, texts.next()??];
        Some(Self {
            count: u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?),
            line: u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?),
            class,
            attribute,
            function,
            file,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes;

    #[test]
    fn an_opcode_comes_back_and_a_name_of_other_bytes_does_not() {
        let opcode = Opcode { caches: 9, base: 80, name: "LOAD_ATTR_SLOT".into() };
        let mut words = opcode.words();
        assert_eq!(Opcode::parse(&bytes(&words)), Some(opcode));
        words[1] = 0x1b1b_1b1b;
        assert_eq!(Opcode::parse(&bytes(&words)), None);
    }

    #[test]
    fn a_class_write_comes_back_with_the_end_of_a_long_path() {
        let write = ClassWrite {
            count: 9,
            line: 12,
            class: "Order".into(),
            attribute: "created".into(),
            function: "Order.__init__".into(),
            file: format!("/{}/shop.py", "x".repeat(200)),
        };
        let read = ClassWrite::parse(&bytes(&write.words())).unwrap();
        assert_eq!((read.file.len(), read.file.ends_with("xx/shop.py")), (120, true));
        assert_eq!(ClassWrite { file: write.file.clone(), ..read }, write);
        assert!(ClassWrite::parse(&[255; CLASS_WRITE_WORDS * 8]).is_some());
        assert_eq!(ClassWrite::parse(&[7; 20]), None);
    }
}
