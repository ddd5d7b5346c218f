//! By what a build of an interpreter is known again: the id that the linker gave it, or, where it gave
//! none, a hash of its machine code.

use goblin::elf::Elf;
use goblin::elf::header::Header;
use goblin::elf::program_header::PT_NOTE;

use super::binary::symbols::Sections;
use super::binary::{ReadAt, program_headers, table};
use super::memory::Bytes;

/// Notes are short; more than this is no table of notes.
const MAX_NOTES: u64 = 1 << 16;
/// Most machine code that is hashed; CPython has 3 MB.
const MAX_CODE: u64 = 64 << 20;
/// A SHA-1 has 20 bytes, the longest hash in use 32.
const ID_BYTES: std::ops::RangeInclusive<usize> = 8..=32;
/// `NT_GNU_BUILD_ID`.
const BUILD_ID: u32 = 3;

/// The identity of a binary; `None` if it tells nothing.
pub(super) fn identity<R: ReadAt + ?Sized>(file: &R) -> Option<String> {
    let header = Elf::parse_header(&file.bytes_at(0, 64)?).ok()?;
    build_id(file, &header).or_else(|| code_hash(file, &header))
}

fn build_id<R: ReadAt + ?Sized>(file: &R, header: &Header) -> Option<String> {
    let headers = program_headers(file, header)?;
    let notes = headers.iter().filter(|it| it.p_type == PT_NOTE && it.p_filesz <= MAX_NOTES);
    let id =
        notes.filter_map(|it| table(file, it.p_offset, it.p_filesz)).find_map(|notes| in_notes(&notes))?;
    Some(id.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A note is the lengths of its name and of what it says, its type, and both, each filled up to 4 bytes.
fn in_notes(notes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = notes;
    loop {
        let (name, value, kind) = (rest.u32_at(0)? as usize, rest.u32_at(4)? as usize, rest.u32_at(8)?);
        let value_at = 12_usize.checked_add(name.checked_next_multiple_of(4)?)?;
        let end = value_at.checked_add(value)?;
        let (name, bytes) = (rest.get(12..12_usize.checked_add(name)?)?, rest.get(value_at..end)?);
        if name == b"GNU\0" && kind == BUILD_ID && ID_BYTES.contains(&bytes.len()) {
            return Some(bytes.to_vec());
        }
        rest = rest.get(end.checked_next_multiple_of(4)?..)?;
    }
}

fn code_hash<R: ReadAt + ?Sized>(file: &R, header: &Header) -> Option<String> {
    let sections = Sections::parse(file, header)?;
    let code = sections.named(".text").filter(|it| it.sh_size <= MAX_CODE)?;
    let bytes = table(file, code.sh_offset, code.sh_size)?;
    // FNV-1a: it tells builds apart; nobody gains by making two look alike.
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    Some(format!("code-{hash:016x}"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn note(name: &[u8], kind: u32, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [name.len() as u32, value.len() as u32, kind] {
            bytes.extend(number.to_le_bytes());
        }
        for part in [name, value] {
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn the_id_is_found_among_other_notes() {
        let id = [7; 20];
        let notes = [note(b"stapsdt\0", 3, b"probe"), note(b"GNU\0", 1, &[0; 16]), note(b"GNU\0", 3, &id)];
        assert_eq!(in_notes(&notes.concat()), Some(id.to_vec()));
        assert_eq!(in_notes(&notes[..2].concat()), None);
    }

    #[test]
    fn notes_that_lie_end_the_search() {
        let mut endless = note(b"GNU\0", 3, &[1; 20]);
        endless[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(in_notes(&endless), None);
        assert_eq!(in_notes(&note(b"GNU\0", 3, &[1; 200])), None);
        assert_eq!(in_notes(&[0; 11]), None);
    }

    #[test]
    fn this_program_is_known_again() {
        let this = || identity(&File::open("/proc/self/exe").expect("it runs"));
        let known = this().expect("a build id, or code");
        assert!(known.len() >= 16 && Some(known) == this());
        assert_eq!(identity(b"no program at all".as_slice()), None);
        let header = Elf::parse_header(&std::fs::read("/proc/self/exe").unwrap()[..64]).unwrap();
        let hash = code_hash(&File::open("/proc/self/exe").unwrap(), &header).expect("it has code");
        assert!(hash.starts_with("code-") && hash.len() == 21, "{hash}");
    }
}
