//! The globals of hot code, and the builtins, over time.

use rustc_hash::FxHashMap;
use slowpath_profile::evidence::{Namespace, NamespaceRef};
use slowpath_profile::ids::Id;

use super::dict_watch::DictWatch;
use crate::layout::spec::Layout;
use crate::process::memory::Memory;
use crate::read::objects::type_name;
use crate::read::text;

/// Namespaces that are kept.
const MAX_NAMESPACES: usize = 128;
/// Namespaces that one look reads.
const MAX_PER_LOOK: usize = 16;
/// One that no hot code uses for so many looks is no longer read.
const COOL_AFTER: u32 = 100;

/// All namespaces that were met.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    known: Vec<Known>,
    by_addr: FxHashMap<u64, NamespaceRef>,
    /// The one that the next look begins with.
    next: usize,
    truncated: bool,
}

#[derive(Debug)]
struct Known {
    dict: DictWatch,
    module: String,
    is_builtins: bool,
    tag_changes: Option<(u32, u32)>,
    mutations: Option<u8>,
    /// The look at which code that uses it was hot last.
    met: u32,
}

impl Namespaces {
    /// The dict at `addr`, met at look `number`. `None` if there is no dict, or no room.
    pub(crate) fn meet(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        addr: u64,
        number: u32,
    ) -> Option<NamespaceRef> {
        if let Some(id) = self.by_addr.get(&addr) {
            self.known.get_mut(id.index())?.met = number;
            return Some(*id);
        }
        if addr == 0 || !addr.is_multiple_of(8) || type_name(memory, layout, addr)? != "dict" {
            return None;
        }
        if self.known.len() >= MAX_NAMESPACES {
            self.truncated = true;
            return None;
        }
        let mut dict = DictWatch::new(addr);
        let _ = dict.look(memory, layout)?;
        let module = dict.get("__name__").and_then(|name| text::string(memory, &layout.object, name));
        let id = NamespaceRef::from_index(self.known.len());
        self.known.push(Known {
            dict,
            module: module.unwrap_or_default(),
            is_builtins: false,
            tag_changes: None,
            mutations: None,
            met: number,
        });
        self.by_addr.insert(addr, id);
        Some(id)
    }

    /// Notes that it is the builtins.
    pub(crate) fn set_builtins(&mut self, id: NamespaceRef) {
        if let Some(known) = self.known.get_mut(id.index()) {
            known.is_builtins = true;
        }
    }

    /// The address of a value as of the last look.
    pub(crate) fn get(&self, id: NamespaceRef, name: &str) -> Option<u64> {
        self.known.get(id.index())?.dict.get(name)
    }

    /// Reads the namespaces of code that was hot lately.
    pub(crate) fn look(&mut self, memory: &dyn Memory, layout: &Layout, number: u32) {
        let count = self.known.len();
        let (mut looked, mut seen) = (0, 0);
        while seen < count && looked < MAX_PER_LOOK {
            let known = &mut self.known[(self.next + seen) % count];
            seen += 1;
            if number.saturating_sub(known.met) > COOL_AFTER {
                continue;
            }
            looked += 1;
            let _ = known.dict.look(memory, layout);
            known.tag_changes = known.dict.tag_changes(layout);
            known.mutations = known.dict.mutations(layout);
        }
        self.next = if count == 0 { 0 } else { (self.next + seen) % count };
    }

    /// What was seen, in the order of [`NamespaceRef`]s.
    pub(crate) fn facts(&self) -> Vec<Namespace> {
        let facts = self.known.iter().map(|known| Namespace {
            module: known.module.clone(),
            is_builtins: known.is_builtins,
            keys: known.dict.facts(),
            tag_changes: known.tag_changes,
            mutations: known.mutations,
            changes: known.dict.changes(),
            foreign_key: known.dict.foreign().map(str::to_owned),
            entries: known.dict.used(),
        });
        facts.collect()
    }

    /// Whether something was left out.
    pub(crate) fn is_truncated(&self) -> bool {
        self.truncated || self.known.iter().any(|known| known.dict.is_truncated())
    }
}
