//! Which code caused it: the stores that could have, joined with the stacks that were sampled.
//!
//! A store is a candidate if it writes to the right thing, under a name that was seen to change, and
//! runs at run time: what happens at import settles and is no cause. One candidate alone is the cause;
//! of several, one that stood on a sampled stack is. Otherwise all are listed.
//!
//! Where hooks counted the writes inside of the process, none of this is needed: what they saw is the cause.

use slowpath_profile::evidence::{KeyChange, Store, StoreKind, TypeFacts, WriteKind};
use slowpath_profile::finding::{Cause, EvidenceLevel};
use slowpath_profile::tables::is_library;

use crate::context::Context;

mod exact;

pub(crate) use exact::of_class;

/// More candidates than this help nobody.
const LISTED: usize = 5;

/// What is known of the cause.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Culprits {
    /// The likeliest first.
    pub causes: Vec<Cause>,
    /// [`EvidenceLevel::Writer`] if one is the cause, else what they are worth.
    pub level: EvidenceLevel,
    /// How that is known, as a sentence.
    pub how: String,
}

/// Which stores count.
pub struct Wanted<'w> {
    /// Kinds of stores that name what they write.
    pub named: &'w [StoreKind],
    /// Kinds of stores whose name the bytecode may not tell.
    pub dynamic: &'w [StoreKind],
    /// Kinds of writes that count where hooks counted them.
    pub counted: &'w [WriteKind],
    /// Names that were seen to change; empty if none was.
    pub changed: &'w [KeyChange],
    /// What is written to, for people: `shop.models.Model`.
    pub owner: &'w str,
    /// Whether a store writes to the right thing.
    pub fits: &'w dyn Fn(&Store) -> bool,
}

/// Writes that change which keys a dict has.
pub const KEYS: [WriteKind; 4] =
    [WriteKind::Inserted, WriteKind::Deleted, WriteKind::Filled, WriteKind::Cleared];
/// Writes to attributes of a class.
pub const ATTRIBUTES: [WriteKind; 5] =
    [WriteKind::Rebound, WriteKind::Inserted, WriteKind::Deleted, WriteKind::Filled, WriteKind::Cleared];

/// Finds the cause.
pub fn find(context: &Context<'_>, wanted: &Wanted<'_>) -> Culprits {
    if let Some(exact) = exact::find(context, wanted) {
        return exact;
    }
    let mut found: Vec<(&Store, u64)> = candidates(context, wanted)
        .map(|store| (store, context.weight.under(context.process, store.function)))
        .filter(|(store, samples)| *samples > 0 || !is_guess(context, wanted, store))
        .collect();
    // A store that names what was seen to change leaves no room for those that may store to anything.
    if found.iter().any(|(store, _)| !store.name.is_empty()) {
        found.retain(|(store, samples)| {
            !store.name.is_empty() || (*samples > 0 && !is_of_library(context, store))
        });
    }
    // Where no name tells them apart, a program that does it itself is likelier than the library that it starts with.
    if wanted.changed.is_empty() && found.iter().any(|(store, _)| !is_of_library(context, store)) {
        found.retain(|(store, _)| !is_of_library(context, store));
    }
    found.sort_by_key(|(store, samples)| {
        (store.name.is_empty(), std::cmp::Reverse(*samples), store.function, store.offset)
    });
    found.dedup_by_key(|(store, _)| (store.function, store.span.line, store.name.clone()));
    let searched = context.evidence.searched;
    let seen = found.iter().filter(|(_, samples)| *samples > 0).count();
    let named = !wanted.changed.is_empty();
    let together = found.windows(2).all(|pair| pair[0].0.function == pair[1].0.function);
    let (kept, level, how) = match (found.len(), seen) {
        (0, _) => return Culprits { level: EvidenceLevel::Dynamics, ..Culprits::default() },
        (1, _) if named || seen == 1 => (
            1,
            EvidenceLevel::Writer,
            format!("the only statement that could do it, in {searched} functions that were searched"),
        ),
        (1, _) => (
            1,
            EvidenceLevel::Dynamics,
            "the only statement found that could do it, but it was not seen to run".into(),
        ),
        (all, _) if together && (named || seen > 0) => (
            all,
            EvidenceLevel::Writer,
            format!("the only function with statements that could do it, of {searched} that were searched"),
        ),
        (all, 1) => (
            1,
            EvidenceLevel::Writer,
            format!("of {all} statements that could do it, the only one that was seen to run"),
        ),
        (all, _) => (all, EvidenceLevel::Dynamics, format!("one of {all} statements that could do it")),
    };
    let causes =
        found.iter().take(kept.min(LISTED)).map(|(store, samples)| cause(context, wanted, store, *samples));
    Culprits { causes: causes.collect(), level, how }
}

/// Finds who writes to a class.
pub fn writers_of_class(context: &Context<'_>, ty: &TypeFacts) -> Culprits {
    use StoreKind::{Attribute, Delattr, DeleteAttribute, Setattr};
    let wanted = Wanted {
        named: &[Attribute, DeleteAttribute, Setattr, Delattr],
        dynamic: &[Setattr, Delattr],
        counted: &ATTRIBUTES,
        changed: &ty.changes,
        owner: &ty.full_name(),
        fits: &|store| may_write_to_class(store, ty),
    };
    find(context, &wanted)
}

fn candidates<'c>(context: &'c Context<'_>, wanted: &'c Wanted<'_>) -> impl Iterator<Item = &'c Store> {
    let stores = context.evidence.stores.iter().filter(|store| !store.at_import);
    stores.filter(|store| {
        let dynamic = wanted.dynamic.contains(&store.kind);
        if !dynamic && !wanted.named.contains(&store.kind) {
            return false;
        }
        if is_of_import_system(context, store) {
            return false;
        }
        let changed =
            wanted.changed.is_empty() || wanted.changed.iter().any(|change| change.name == store.name);
        (changed || (dynamic && store.name.is_empty())) && (wanted.fits)(store)
    })
}

/// Whether a store is in the code that imports, which writes to modules only while it imports them.
fn is_of_import_system(context: &Context<'_>, store: &Store) -> bool {
    let function = context.function(store.function);
    function.is_some_and(|function| context.tables.text(function.file).starts_with("<frozen importlib"))
}

/// Whether a store is in code of Python or a package.
fn is_of_library(context: &Context<'_>, store: &Store) -> bool {
    let function = context.function(store.function);
    function.is_some_and(|function| is_library(context.tables.text(function.file)))
}

/// Whether nothing speaks for a store but that it could be it: the library is full of such.
fn is_guess(context: &Context<'_>, wanted: &Wanted<'_>, store: &Store) -> bool {
    wanted.changed.iter().all(|change| change.name != store.name) && is_of_library(context, store)
}

fn cause(context: &Context<'_>, wanted: &Wanted<'_>, store: &Store, samples: u64) -> Cause {
    let seen = match samples {
        0 => String::new(),
        1 => "; its function was running in 1 sample".into(),
        n => format!("; its function was running in {n} samples"),
    };
    let what = if wanted.changed.iter().any(|change| change.name == store.name) {
        "it sets a name that was seen to change"
    } else {
        "it sets it"
    };
    let symbol = match store.name.as_str() {
        "" => wanted.owner.to_owned(),
        name => format!("{}.{name}", wanted.owner),
    };
    Cause {
        place: context.place(store.function, store.span),
        statement: statement(store),
        symbol,
        how: format!("{what}{seen}"),
        ..Cause::default()
    }
}

/// The statement as far as the bytecode tells it.
pub fn statement(store: &Store) -> String {
    let target = if store.target.is_empty() { "…" } else { &store.target };
    let name = if store.name.is_empty() { "…" } else { &store.name };
    match store.kind {
        StoreKind::Global => format!("{name} = …"),
        StoreKind::DeleteGlobal => format!("del {name}"),
        StoreKind::Attribute => format!("{target}.{name} = …"),
        StoreKind::DeleteAttribute => format!("del {target}.{name}"),
        StoreKind::Setattr => format!("setattr({target}, {}, …)", quoted(&store.name)),
        StoreKind::Delattr => format!("delattr({target}, {})", quoted(&store.name)),
        StoreKind::GlobalsItem => format!("globals()[{}] = …", quoted(&store.name)),
        StoreKind::DictItem => format!("{target}.__dict__[{}] = …", quoted(&store.name)),
        StoreKind::DictRead => format!("{target}.__dict__"),
        StoreKind::DictReplaced => format!("{target}.__dict__ = …"),
        StoreKind::Exec => "exec(…)".into(),
        StoreKind::ClassBody => format!("class {name}"),
    }
}

fn quoted(name: &str) -> String {
    if name.is_empty() { "…".into() } else { format!("'{name}'") }
}

/// Whether a store writes to the class itself, not to an instance: `cls.x`, `type(self).x`,
/// `self.__class__.x`, `Model.x`.
pub fn writes_to_class(store: &Store, ty: &TypeFacts) -> bool {
    let target = store.target.as_str();
    let last = target.rsplit('.').next().unwrap_or_default();
    let name = ty.name.rsplit('.').next().unwrap_or_default();
    matches!(target, "cls" | "klass" | "mcs")
        || target.starts_with("type(")
        || last == "__class__"
        || last == name
}

/// Whether a store writes to an attribute of this module: `engine.x`, `setattr(engine, …)`.
pub fn writes_to_module(store: &Store, module: &str) -> bool {
    let last = |path: &str| path.rsplit('.').next().map(str::to_owned);
    !store.target.is_empty() && last(&store.target) == last(module)
}

/// The same where nothing is said of the target: `setattr(target, …)`.
pub fn may_write_to_class(store: &Store, ty: &TypeFacts) -> bool {
    store.target.is_empty() || writes_to_class(store, ty)
}
