//! In what state the bundled runtime executes hot code, and which writes to classes it counted.
//!
//! Looked at from outside, about twenty times a second, at the code that was lately on top of stacks.

use rustc_hash::FxHashMap;
use slowpath_profile::evidence::{
    ClassWrite, CodeEvidence, OpFamily, ProcessEvidence, Seen, Site, SpecState,
};
use slowpath_profile::ids::Id;
use slowpath_profile::{FunctionId, ProcessId};
use slowpath_runtime_layout::{CLASS_WRITE_WORDS, DEAD_VERSIONS, Opcode, Table};

use super::codes::{Code, Codes, Opcodes};
use crate::process::memory::{Bytes, Memory};

/// Between two looks.
const LOOK_NS: u64 = 50_000_000;
/// Code objects that one look reads, the hottest.
const MAX_CODES: usize = 24;
/// Code units of one of them.
const MAX_UNITS: usize = 1 << 14;
/// Sites that are remembered.
const MAX_SITES: usize = 20_000;
/// Killed versions that are remembered.
const MAX_DEAD: usize = 1 << 16;
/// Ways in which a site is remembered to have been written and cached.
const MAX_FORMS: usize = 6;
/// Low bits of an adaptive counter: the exponent of its backoff. It begins with 1.
const BACKOFF: u16 = 15;
/// Where the exponent stops: `MAX_BACKOFF` of `rustpython-compiler-core` 0.6.0 (`bytecode.rs`).
const MAX_BACKOFF: u8 = 12;
/// `CO_VARARGS` and `CO_VARKEYWORDS`.
const TAKES_ARGS: u32 = 0x4;
const TAKES_KWARGS: u32 = 0x8;

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    looked_ns: Option<u64>,
    looks: u32,
    /// How often code was on top of a stack since the last look.
    hot: FxHashMap<u64, u32>,
    codes: FxHashMap<FunctionId, Known>,
    sites: usize,
    /// Killed versions, and by which write.
    dead: FxHashMap<u32, u32>,
    writes: Vec<ClassWrite>,
}

#[derive(Debug, Default)]
struct Known {
    looks: u32,
    flags: u32,
    sites: FxHashMap<u32, Site>,
}

impl Watch {
    /// Notes whose code was on top of a stack.
    pub(crate) fn observe(&mut self, code: u64) {
        *self.hot.entry(code).or_default() += 1;
    }

    /// Looks, if it is time.
    pub(crate) fn look(
        &mut self,
        now_ns: u64,
        memory: &dyn Memory,
        table: &Table,
        opcodes: &Opcodes,
        codes: &Codes,
    ) {
        if self.looked_ns.is_some_and(|at| now_ns.saturating_sub(at) < LOOK_NS) {
            return;
        }
        self.looked_ns = Some(now_ns);
        self.looks += 1;
        self.read_writes(memory, table);
        let mut hot: Vec<(u32, u64)> = self.hot.drain().map(|(code, count)| (count, code)).collect();
        hot.sort_unstable_by(|one, other| other.cmp(one));
        for (_, addr) in hot.into_iter().take(MAX_CODES) {
            let Some(code) = codes.get(addr) else { continue };
            if let Some(function) = code.function {
                self.look_at(function, code, memory, table, opcodes);
            }
        }
    }

    /// Reads the counted writes, and which versions died of them.
    fn read_writes(&mut self, memory: &dyn Memory, table: &Table) {
        let size = CLASS_WRITE_WORDS * 8;
        // The number of entries was checked with the table.
        let bytes = memory.read_bytes(table.class_writes, table.class_writes_used as usize * size);
        let Ok(bytes) = bytes else { return };
        let read = bytes.chunks_exact(size).filter_map(slowpath_runtime_layout::ClassWrite::parse);
        self.writes = read
            .map(|write| ClassWrite {
                count: write.count,
                class: write.class,
                attribute: write.attribute,
                file: write.file,
                line: write.line,
                function: write.function,
            })
            .collect();
        if table.dead_versions_put == 0 || self.dead.len() > MAX_DEAD {
            return;
        }
        let Ok(bytes) = memory.read_bytes(table.dead_versions, DEAD_VERSIONS * 8) else { return };
        for at in 0..DEAD_VERSIONS {
            let word = bytes.u64_at(at * 8).unwrap_or(0);
            let (version, write) = (word as u32, (word >> 32) as u32);
            if version != 0 && (write as usize) < self.writes.len() {
                self.dead.insert(version, write);
            }
        }
    }

    fn look_at(
        &mut self,
        function: FunctionId,
        code: &Code,
        memory: &dyn Memory,
        table: &Table,
        opcodes: &Opcodes,
    ) {
        if code.units.1 > MAX_UNITS {
            return;
        }
        let read = |addr| memory.read_bytes(addr, code.units.1 * 2).ok();
        let (Some(units), Some(counters)) = (read(code.units.0), read(code.counters)) else { return };
        let known = self.codes.entry(function).or_default();
        known.looks += 1;
        known.flags = code.flags;
        let (mut unit, mut extended) = (0, 0_usize);
        while let (Some(op), Some(arg)) = (units.u8_at(unit * 2), units.u8_at(unit * 2 + 1)) {
            let (opcode, arg) = (opcodes.get(op), extended | usize::from(arg));
            let base = &opcodes.get(opcode.base).name;
            extended = if base == "EXTENDED_ARG" { (arg << 8) & 0xff_ffff } else { 0 };
            if let Some(family) = family(base) {
                let offset = unit as u32 * 2;
                let is_new = !known.sites.contains_key(&offset);
                if is_new && self.sites >= MAX_SITES {
                    return;
                }
                self.sites += usize::from(is_new);
                let site = known.sites.entry(offset).or_insert_with(|| {
                    let name = name_of(family, arg).and_then(|at| code.name_at(memory, table, at));
                    let (span, name) = (code.place(offset), name.unwrap_or_default());
                    Site { offset, span, family, name, ..Site::default() }
                });
                let counter = counters.u16_at((unit + 1) * 2).unwrap_or(0);
                let version = units.u32_at((unit + 2) * 2).unwrap_or(0);
                note(site, opcode, opcode.base != op, counter, version, &self.dead);
            }
            unit += 1 + usize::from(opcode.caches);
        }
    }

    /// What was seen, for a recording.
    pub(crate) fn evidence(&self, process: ProcessId) -> Option<ProcessEvidence> {
        if self.looks == 0 {
            return None;
        }
        let mut code: Vec<CodeEvidence> = self
            .codes
            .iter()
            .map(|(function, known)| {
                let mut sites: Vec<Site> = known.sites.values().cloned().collect();
                sites.sort_by_key(|site| site.offset);
                CodeEvidence {
                    function: *function,
                    looks: known.looks,
                    copies: 1,
                    takes_args: known.flags & TAKES_ARGS != 0,
                    takes_kwargs: known.flags & TAKES_KWARGS != 0,
                    sites,
                    ..CodeEvidence::default()
                }
            })
            .collect();
        code.sort_by_key(|code| (std::cmp::Reverse(code.looks), code.function.index()));
        let class_writes = self.writes.clone();
        Some(ProcessEvidence { process, looks: self.looks, code, class_writes, ..ProcessEvidence::default() })
    }
}

/// Adds one look at a site. `version` is what stands where some forms keep the version of a type.
fn note(
    site: &mut Site,
    opcode: &Opcode,
    is_special: bool,
    counter: u16,
    version: u32,
    dead: &FxHashMap<u32, u32>,
) {
    site.looks += 1;
    site.states.add(state(is_special, opcode.caches, counter));
    if !is_special {
        site.counter.backoff_limit = MAX_BACKOFF;
        site.counter.backoff = site.counter.backoff.max((counter & BACKOFF) as u8);
    }
    count(&mut site.forms, opcode.name.clone());
    if is_special && caches_version(site.family, &opcode.name) {
        count(&mut site.versions, version);
        if let Some(write) = dead.get(&version) {
            count(&mut site.stale, *write);
        }
    }
}

fn count<T: PartialEq>(seen: &mut Vec<Seen<T>>, value: T) {
    match seen.iter().position(|known| known.value == value) {
        Some(at) => {
            seen[at].looks += 1;
            // The most frequent first.
            if at > 0 && seen[at - 1].looks < seen[at].looks {
                seen.swap(at - 1, at);
            }
        }
        None if seen.len() < MAX_FORMS => seen.push(Seen { value, looks: 1 }),
        None => {}
    }
}

/// What an instruction does, by the name of its unspecialized form.
fn family(base: &str) -> Option<OpFamily> {
    Some(match base {
        "LOAD_GLOBAL" => OpFamily::LoadGlobal,
        "LOAD_ATTR" => OpFamily::LoadAttr,
        "LOAD_SUPER_ATTR" => OpFamily::LoadSuperAttr,
        "STORE_ATTR" => OpFamily::StoreAttr,
        "CALL" => OpFamily::Call,
        "CALL_KW" => OpFamily::CallKw,
        "CALL_FUNCTION_EX" => OpFamily::CallUnpacked,
        "BINARY_OP" => OpFamily::BinaryOp,
        "STORE_SUBSCR" => OpFamily::StoreSubscript,
        "COMPARE_OP" => OpFamily::Compare,
        "CONTAINS_OP" => OpFamily::Contains,
        "TO_BOOL" => OpFamily::ToBool,
        "FOR_ITER" => OpFamily::Iterate,
        "SEND" => OpFamily::Send,
        "UNPACK_SEQUENCE" => OpFamily::Unpack,
        _ => return None,
    })
}

/// The number of the name that an argument tells.
fn name_of(family: OpFamily, arg: usize) -> Option<usize> {
    match family {
        OpFamily::LoadGlobal | OpFamily::LoadAttr => Some(arg >> 1),
        OpFamily::LoadSuperAttr => Some(arg >> 2),
        OpFamily::StoreAttr => Some(arg),
        _ => None,
    }
}

/// Whether a specialized form keeps the version of a type behind its counter.
fn caches_version(family: OpFamily, form: &str) -> bool {
    matches!(family, OpFamily::LoadAttr | OpFamily::StoreAttr) && form != "LOAD_ATTR_MODULE"
}

fn state(is_special: bool, caches: u8, counter: u16) -> SpecState {
    match (is_special, caches) {
        (true, _) => SpecState::Specialised,
        (false, 0) => SpecState::NotSpecialisable,
        // An attempt that fails raises the exponent.
        (false, _) if counter & BACKOFF > 1 => SpecState::BackedOff,
        (false, _) => SpecState::Warming,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_told_by_form_and_counter() {
        assert_eq!(state(true, 9, 52 << 4), SpecState::Specialised);
        assert_eq!(state(false, 0, 0), SpecState::NotSpecialisable);
        assert_eq!(state(false, 9, 1 << 4 | 1), SpecState::Warming);
        assert_eq!(state(false, 9, 3 << 4 | 2), SpecState::BackedOff);
    }

    #[test]
    fn what_is_seen_most_comes_first() {
        let mut seen = Vec::new();
        for value in [1, 2, 2, 3, 2] {
            count(&mut seen, value);
        }
        assert_eq!((seen[0].value, seen[0].looks, seen.len()), (2, 3, 3));
    }
}
