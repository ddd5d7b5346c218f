//! Who stores to what: an index of the code that loaded modules lead to, built beside the samples.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};
use slowpath_profile::Tables;
use slowpath_profile::evidence::{NamespaceRef, OpFamily, ProcessEvidence, Store};

use super::store_index::{MAX_CODES, StoreIndex};
use super::{Collector, Look};
use crate::layout::forms::Forms;
use crate::layout::spec_for;
use crate::layout::state::StateSpec;
use crate::read::code_stores::{self, Source, Texts};
use crate::read::dict::{get_str, read_word};
use crate::read::reach::{Reach, Reached, Step};
use crate::read::runtime_facts::is_covered;
use crate::read::stores::Body;
use crate::read::text;

/// Time that one look may take for this.
const SLICE: Duration = Duration::from_micros(900);
/// All of it takes at most one part in so many of the time, besides what it may take at once: enough
/// for some thousand code objects.
const BUDGET: u64 = 100;
const ADVANCE: Duration = Duration::from_millis(80);
/// Modules are gone through again after so long, for code that was loaded meanwhile: from then on
/// ever more rarely.
const AGAIN_NS: u64 = 10_000_000_000;
/// Names that are asked for.
const MAX_NAMES: usize = 10_000;

/// Collects [`Store`]s.
#[derive(Debug, Default)]
pub(crate) struct Writers {
    known: Option<(&'static StateSpec, Forms)>,
    reach: Reach,
    texts: Texts,
    index: StoreIndex,
    /// `__name__` of each dict of globals.
    modules: FxHashMap<u64, Arc<str>>,
    /// Code objects on stacks when they were gone through last.
    on_stacks: u64,
    begun_ns: Option<u64>,
    spent: Duration,
    next_ns: u64,
}

impl Collector for Writers {
    fn look(&mut self, look: &mut Look<'_>) {
        if self.known.is_none() {
            let Some(spec) = spec_for(look.layout.version.minor).filter(|_| is_covered(look.layout)) else {
                return;
            };
            self.known = Some((spec.state, Forms::new(look.layout)));
        }
        self.begin(look);
        let started = Instant::now();
        let begun = self.begun_ns.unwrap_or(look.now_ns);
        let allowed = ADVANCE + Duration::from_nanos(look.now_ns.saturating_sub(begun) / BUDGET);
        let slice = SLICE.min(allowed.saturating_sub(self.spent));
        while started.elapsed() < slice && self.index.searched < MAX_CODES as u32 && self.step(look) {}
        let is_full = self.index.searched >= MAX_CODES as u32;
        self.index.truncated |= is_full || self.reach.truncated;
        self.spent += started.elapsed();
        look.own_time += started.elapsed();
    }

    fn write(&mut self, evidence: &mut ProcessEvidence, tables: &mut Tables) {
        let stores = self.index.stores(&names_in(evidence), tables);
        let globals = |module: &str| {
            let namespaces = evidence.namespaces.iter();
            let place = namespaces.into_iter().position(|it| !it.is_builtins && it.module == module)?;
            Some(NamespaceRef(u32::try_from(place).ok()?))
        };
        let stores: Vec<Store> =
            stores.into_iter().map(|(store, module)| Store { globals: globals(&module), ..store }).collect();
        evidence.stores = stores;
        evidence.searched = self.index.searched;
        evidence.truncated |= self.index.truncated;
    }
}

impl Writers {
    /// Goes through the code on stacks whenever some has come, through the modules now and then.
    fn begin(&mut self, look: &Look<'_>) {
        if look.now_ns >= self.next_ns && self.reach.is_done() {
            let begun = *self.begun_ns.get_or_insert(look.now_ns);
            self.next_ns = look.now_ns + AGAIN_NS.max(look.now_ns.saturating_sub(begun));
            let main = look.interpreters.iter().find(|interpreter| interpreter.id == 0);
            let modules =
                main.and_then(|main| read_word(look.memory, main.addr, look.layout.interpreter.modules));
            self.texts.clear();
            modules.into_iter().for_each(|modules| self.reach.begin(modules));
        }
        if look.codes.reads() != self.on_stacks {
            self.on_stacks = look.codes.reads();
            // Some of it is in no module: the body of a module, what `exec` runs. Whose globals it sees,
            // other code of its file tells.
            for code in look.codes.addresses() {
                self.reach.add(Reached { code, globals: 0, in_function: false });
            }
        }
    }

    /// One step of the walk; `false` when there is nothing left.
    fn step(&mut self, look: &Look<'_>) -> bool {
        let Some((spec, forms)) = &self.known else { return false };
        let reached = match self.reach.step(look.memory, look.layout, spec) {
            Step::Done => return false,
            Step::Entered => return true,
            Step::Code(reached) => reached,
            Step::Again(reached) => {
                let module = self.module(look, reached.globals);
                self.index.place(reached.code, module);
                return true;
            }
        };
        let source = Source { memory: look.memory, layout: look.layout, spec, forms };
        let Some(stores) = code_stores::read(source, &mut self.texts, reached.code) else { return true };
        let in_function = reached.in_function || stores.body == Body::Function;
        for code in &stores.nested {
            self.reach.add(Reached { code: *code, in_function, ..reached });
        }
        let module = if reached.globals == 0 { Arc::default() } else { self.module(look, reached.globals) };
        self.index.add(reached, module, stores);
        true
    }

    /// `__name__` of the globals at an address.
    fn module(&mut self, look: &Look<'_>, globals: u64) -> Arc<str> {
        if let Some(name) = self.modules.get(&globals) {
            return name.clone();
        }
        let name = get_str(look.memory, look.layout, globals, "__name__");
        let name = name.and_then(|name| text::string_up_to(look.memory, &look.layout.object, name, 200));
        let name: Arc<str> = name.unwrap_or_default().into();
        self.modules.insert(globals, name.clone());
        name
    }
}

/// Names that matter: those that changed, and those that hot code asks for.
fn names_in(evidence: &ProcessEvidence) -> FxHashSet<&str> {
    let sites = evidence.code.iter().flat_map(|code| &code.sites);
    let sites = sites.filter(|site| is_named(site.family)).map(|site| &*site.name);
    let types = evidence.types.iter().flat_map(|facts| &facts.changes).map(|change| &*change.name);
    let globals = evidence.namespaces.iter().flat_map(|it| &it.changes).map(|change| &*change.name);
    sites.chain(types).chain(globals).filter(|name| !name.is_empty()).take(MAX_NAMES).collect()
}

fn is_named(family: OpFamily) -> bool {
    use OpFamily::{LoadAttr, LoadGlobal, LoadName, LoadSuperAttr, StoreAttr, StoreGlobal};
    matches!(family, LoadGlobal | LoadName | LoadAttr | LoadSuperAttr | StoreAttr | StoreGlobal)
}
