//! Opcodes of a version, and how it specialises them.

use super::Offset;

/// One opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcode {
    /// As `dis` prints it; specialised variants under their own name. Empty: not an opcode.
    pub name: &'static str,
    /// Inline cache entries that follow it, in 2-byte units.
    pub caches: u8,
}

/// Names and cache sizes of all opcodes of a version, by number.
#[derive(Debug, PartialEq, Eq)]
pub struct OpcodeTable(pub [Opcode; 256]);

impl OpcodeTable {
    /// The name of an opcode, or `None` if the number is not one.
    pub fn name(&self, opcode: u8) -> Option<&'static str> {
        Some(self.0[opcode as usize].name).filter(|name| !name.is_empty())
    }
}

/// How a version specialises instructions.
#[derive(Debug, PartialEq, Eq)]
pub struct Adaptive {
    /// Its adaptive counters (3.11+): the first cache entry of every instruction that has one.
    pub counter: Option<CounterFormat>,
    /// Versions in inline caches, by the beginning of the name of a specialised form. The longest
    /// beginning that fits holds.
    pub tags: &'static [CacheTag],
    /// Specialised forms that are not named like the instruction they stand for: beginning of their
    /// name, and that instruction.
    pub renamed: &'static [(&'static str, &'static str)],
    /// Instructions whose argument holds flags below what it names, and how many bits of them.
    pub flag_bits: &'static [(&'static str, u8)],
}

impl Adaptive {
    /// How many low bits of the argument of an instruction are flags.
    pub fn flag_bits_of(&self, instruction: &str) -> u8 {
        self.flag_bits.iter().find(|(flagged, _)| *flagged == instruction).map_or(0, |(_, bits)| *bits)
    }
}

/// The 16 bits of an adaptive counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterFormat {
    /// Low bits that hold the backoff exponent; those above hold the value.
    pub backoff_bits: u8,
    /// The exponent at which backing off stops (`MAX_BACKOFF`).
    pub backoff_limit: u8,
    /// The highest exponent of an instruction for which specialising has not failed yet.
    pub backoff_warming: u8,
    /// All 16 bits right after an instruction was specialised.
    pub specialised: u16,
    /// While specialised all 16 bits count misses; there is no exponent (3.11).
    pub specialised_is_plain: bool,
}

/// A version in an inline cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheTag {
    /// How the name of the specialised form begins.
    pub form: &'static str,
    /// The version that its guard compares.
    pub tag: CacheField,
    /// A second one: of the keys of the builtins, or of a type's shared keys.
    pub keys: Option<CacheField>,
}

/// A number in an inline cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheField {
    /// Its cache entry; 0 is the counter.
    pub entry: u8,
    /// 16-bit entries that it takes, the low one first: 1 or 2.
    pub entries: u8,
}

/// A version of 32 bits.
pub(in crate::layout) const fn wide(entry: u8) -> CacheField {
    CacheField { entry, entries: 2 }
}

/// A version of 16 bits.
pub(in crate::layout) const fn narrow(entry: u8) -> CacheField {
    CacheField { entry, entries: 1 }
}

/// Caches of single instructions that a code object gets when it was called 1024 times (3.8-3.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcache {
    /// `co_opcache_map`: a pointer to one byte per unit, for the unit after an instruction: 0, or the number
    /// of its entry from 1.
    pub map: Offset,
    /// `co_opcache`: a pointer to entries.
    pub entries: Offset,
    /// `co_opcache_size`, one byte: how many entries there are.
    pub len: Offset,
    /// Size of `_PyOpcache`.
    pub entry_size: usize,
    /// `optimized` in an entry, a signed byte: 0 not filled, negative given up.
    pub optimized: Offset,
    /// `u.lg.globals_ver`: `ma_version_tag` of the globals when it was filled.
    pub globals_version: Offset,
    /// `u.lg.builtins_ver`.
    pub builtins_version: Offset,
    /// `u.la.tp_version_tag` (3.10).
    pub type_version: Option<Offset>,
}
