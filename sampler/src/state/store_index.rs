//! The stores of all code objects that were read, without their program.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use slowpath_profile::evidence::{Store, StoreKind};
use slowpath_profile::tables::is_library;
use slowpath_profile::{Function, FunctionId, FunctionKind, Span, Tables};

use crate::read::code_stores::CodeStores;
use crate::read::reach::Reached;
use crate::read::stores::{Body, Found};

/// Code objects that are searched.
pub(crate) const MAX_CODES: usize = 20_000;
/// Stores that are kept.
const MAX_STORES: usize = 200_000;
/// Stores that are published.
const MAX_PUBLISHED: usize = 5_000;

/// What a program stores to, as far as its code was read.
#[derive(Debug, Default)]
pub(crate) struct StoreIndex {
    codes: Vec<IndexedCode>,
    /// Number of the code object, and of the store in it.
    by_name: FxHashMap<Arc<str>, Vec<(u32, u32)>>,
    /// Stores that matter whatever they are called, as in `by_name`.
    unnamed: Vec<(u32, u32)>,
    /// Stores of functions to attributes of what looks like a class, and by `setattr`, as in `by_name`:
    /// what was over before the first look, or always between two, does not tell which name it was.
    unasked: Vec<(u32, u32)>,
    /// Code objects by what they are called, to know those that are made again and again.
    known: FxHashSet<Identity>,
    /// `__name__` of the globals of the code of a file.
    modules: FxHashMap<Arc<str>, Arc<str>>,
    /// Files of code objects that were met before their globals were.
    placeless: FxHashMap<u64, Arc<str>>,
    stores: usize,
    /// Code objects that were read.
    pub(crate) searched: u32,
    /// Something was left out.
    pub(crate) truncated: bool,
}

type Identity = (Arc<str>, Arc<str>, u32, usize);

/// A code object with stores.
#[derive(Debug)]
struct IndexedCode {
    code: CodeStores,
    /// `__name__` of its globals; empty if they were not seen.
    module: Arc<str>,
    at_import: bool,
    function: Option<FunctionId>,
    /// Of its stores, if it has a function.
    spans: Vec<Span>,
}

impl StoreIndex {
    /// Adds a code object whose globals are those of `module`.
    pub(crate) fn add(&mut self, reached: Reached, module: Arc<str>, code: CodeStores) {
        self.searched = self.searched.saturating_add(1);
        let identity = (code.file.clone(), code.qualname.clone(), code.first_line, code.stores.len());
        match module.is_empty() {
            true => drop(self.placeless.insert(reached.code, code.file.clone())),
            false => drop(self.modules.entry(code.file.clone()).or_insert_with(|| module.clone())),
        }
        if code.stores.is_empty() || !self.known.insert(identity) {
            return;
        }
        if self.stores + code.stores.len() > MAX_STORES {
            self.truncated = true;
            return;
        }
        self.stores += code.stores.len();
        let place = u32::try_from(self.codes.len()).unwrap_or(u32::MAX);
        let is_nested = reached.in_function || code.qualname.contains("<locals>");
        let at_import = code.body != Body::Function && !is_nested;
        for (number, store) in (0..).zip(&code.stores) {
            match is_unnamed(store) {
                true => self.unnamed.push((place, number)),
                false => self.by_name.entry(store.name.clone()).or_default().push((place, number)),
            }
            if !at_import && is_to_owner(store) {
                self.unasked.push((place, number));
            }
        }
        self.codes.push(IndexedCode { code, module, at_import, function: None, spans: Vec::new() });
    }

    /// The code object at an address turned out to see the globals of `module`, and with it the others of
    /// its file.
    pub(crate) fn place(&mut self, code: u64, module: Arc<str>) {
        if let Some(file) = self.placeless.remove(&code).filter(|_| !module.is_empty()) {
            self.modules.entry(file).or_insert(module);
        }
    }

    /// The stores to `names`, to classes and by `setattr`, then those whose name is not known but whose
    /// target may matter, each with the module whose globals it sees. Only what is published gets an entry
    /// in `tables`.
    pub(crate) fn stores(&mut self, names: &FxHashSet<&str>, tables: &mut Tables) -> Vec<(Store, Arc<str>)> {
        let named = names.iter().filter_map(|name| self.by_name.get(*name)).flatten().copied();
        let likely = |(code, _): &&(u32, u32)| self.is_suspect(*code, tables);
        let mut wanted: Vec<(u32, u32)> = named.chain(self.unasked.iter().filter(likely).copied()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted.extend(self.unnamed.iter().filter(likely));
        self.truncated |= wanted.len() > MAX_PUBLISHED;
        wanted.truncate(MAX_PUBLISHED);
        wanted.into_iter().filter_map(|(code, store)| self.store(code, store, tables)).collect()
    }

    /// Whether code that may store to anything is worth publishing. The library is full of such, so there
    /// it takes a stack that shows that it ran.
    fn is_suspect(&self, code: u32, tables: &Tables) -> bool {
        let Some(code) = self.codes.get(code as usize) else { return false };
        !is_library(&code.code.file) || code.function.is_some() || code.find(tables).is_some()
    }

    fn store(&mut self, code: u32, store: u32, tables: &mut Tables) -> Option<(Store, Arc<str>)> {
        let code = self.codes.get_mut(code as usize)?;
        let function = code.intern(tables);
        let place = code.code.stores.get(store as usize)?;
        let store = Store {
            function,
            offset: place.offset,
            span: code.spans.get(store as usize).copied().unwrap_or_default(),
            kind: place.kind,
            name: place.name.to_string(),
            target: place.target.to_string(),
            globals: None,
            at_import: code.at_import,
        };
        let module = match code.module.is_empty() {
            true => self.modules.get(&code.code.file).cloned().unwrap_or_default(),
            false => code.module.clone(),
        };
        Some((store, module))
    }
}

/// Whether a store matters whatever its name: because it has none, or because of how it stores.
fn is_unnamed(store: &Found) -> bool {
    use StoreKind::{ClassBody, DictRead, DictReplaced, Exec};
    store.name.is_empty() || matches!(store.kind, ClassBody | DictRead | DictReplaced | Exec)
}

/// Whether it is likely to write to a class or a module.
fn is_to_owner(store: &Found) -> bool {
    match store.kind {
        StoreKind::Attribute | StoreKind::DeleteAttribute => is_class_like(&store.target),
        StoreKind::Setattr | StoreKind::Delattr => !store.name.is_empty() && &*store.target != "self",
        _ => false,
    }
}

/// `cls`, `type(self)`, `self.__class__`, or a name that begins like one of a class.
fn is_class_like(target: &str) -> bool {
    let last = target.rsplit('.').next().unwrap_or(target);
    target.starts_with("type(")
        || matches!(last, "cls" | "klass" | "__class__" | "mcs")
        || last.trim_start_matches('_').starts_with(char::is_uppercase)
}

impl IndexedCode {
    /// Its function, if it is known by now.
    fn find(&self, tables: &Tables) -> Option<FunctionId> {
        let find = |text: &str| tables.strings.find(text);
        tables.functions.find(&Function {
            name: find(&self.code.name)?,
            qualname: find(&self.code.qualname)?,
            file: find(&self.code.file)?,
            first_line: self.code.first_line,
            kind: FunctionKind::Python,
        })
    }

    /// Its function; its stores have positions from then on.
    fn intern(&mut self, tables: &mut Tables) -> FunctionId {
        *self.function.get_or_insert_with(|| {
            self.spans = self.code.take_spans();
            tables.functions.intern(Function {
                name: tables.strings.intern_str(&self.code.name),
                qualname: tables.strings.intern_str(&self.code.qualname),
                file: tables.strings.intern_str(&self.code.file),
                first_line: self.code.first_line,
                kind: FunctionKind::Python,
            })
        })
    }
}
