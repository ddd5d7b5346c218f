//! The Python functions that sites of hot code call.

use rustc_hash::FxHashMap;
use slowpath_profile::evidence::{FunctionFacts, FunctionRef};
use slowpath_profile::ids::Id;
use slowpath_profile::{FunctionId, Tables};

use crate::layout::spec::Layout;
use crate::process::memory::{Bytes, Memory};
use crate::read::code_cache::CodeCache;
use crate::read::dict::read_word;

/// Functions that are kept.
const MAX_FUNCTIONS: usize = 1_024;

/// All functions that were met, by their code: closures that are made anew are one.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    known: Vec<Known>,
    by_function: FxHashMap<FunctionId, FunctionRef>,
}

#[derive(Debug)]
struct Known {
    facts: FunctionFacts,
    /// The function object that was met last.
    addr: u64,
    /// The look at which it was.
    met: Option<u32>,
}

impl Functions {
    /// The function object at `addr`, met at look `number`.
    pub(crate) fn meet(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        codes: &mut CodeCache,
        tables: &mut Tables,
        addr: u64,
        number: u32,
    ) -> Option<FunctionRef> {
        let offsets = &layout.object.function;
        let len = offsets.func_code.max(offsets.func_version.unwrap_or(0)) + 8;
        let bytes = memory.read_bytes(addr, len).ok()?;
        let version = offsets.func_version.and_then(|offset| bytes.u32_at(offset)).unwrap_or(0);
        let code = bytes.u64_at(offsets.func_code)?;
        let function = codes.get(memory, layout, code, tables).ok()?.function;
        let id = self.intern(function)?;
        let known = self.known.get_mut(id.index())?;
        if known.met != Some(number) {
            let is_other = known.addr == addr && known.facts.version != version;
            known.facts.version_changes += u32::from(known.met.is_some() && is_other);
            known.facts.looks += 1;
        }
        (known.facts.version, known.addr, known.met) = (version, addr, Some(number));
        Some(id)
    }

    /// The function of the code of the function object at `addr`, without keeping it.
    pub(crate) fn code_of(
        &self,
        memory: &dyn Memory,
        layout: &Layout,
        codes: &mut CodeCache,
        tables: &mut Tables,
        addr: u64,
    ) -> Option<FunctionId> {
        let code = read_word(memory, addr, layout.object.function.func_code)?;
        Some(codes.get(memory, layout, code, tables).ok()?.function)
    }

    fn intern(&mut self, function: FunctionId) -> Option<FunctionRef> {
        if let Some(id) = self.by_function.get(&function) {
            return Some(*id);
        }
        if self.known.len() >= MAX_FUNCTIONS {
            return None;
        }
        let id = FunctionRef::from_index(self.known.len());
        let facts = FunctionFacts { function, ..FunctionFacts::default() };
        self.known.push(Known { facts, addr: 0, met: None });
        self.by_function.insert(function, id);
        Some(id)
    }

    /// The function that had this version last.
    pub(crate) fn by_version(&self, version: u32) -> Option<FunctionRef> {
        // 0 and 1 are not the version of any one function.
        let has = |known: &Known| version > 1 && known.facts.version == version;
        self.known.iter().position(has).map(FunctionRef::from_index)
    }

    /// What was seen, in the order of [`FunctionRef`]s.
    pub(crate) fn facts(&self) -> Vec<FunctionFacts> {
        self.known.iter().map(|known| known.facts.clone()).collect()
    }
}
