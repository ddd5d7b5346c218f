//! Hand-made evidence for the tests of rules, output formats and the command line.
//!
//! A case is a program that was watched: functions with instructions that were hot, the objects that
//! they met, the stores that were found.

use slowpath_profile::evidence::{
    Attribute, AttributeKind, CodeEvidence, Counter, InstanceDict, Namespace, NamespaceRef, OpFamily,
    Operand, OperandRole, ProcessEvidence, Seen, SharedKeys, Site, StateCounts, Store, StoreKind, TypeFacts,
    TypeRef, Value, VersionTag,
};
use slowpath_profile::finding::Findings;
use slowpath_profile::ids::Id;
use slowpath_profile::testing::{PERIOD_NS, ProfileBuilder};
use slowpath_profile::{
    Frame, Function, FunctionId, FunctionKind, Profile, Quality, Sample, SampleFlags, Span, StackId, Tables,
    ThreadId, ThreadState,
};

/// How often everything of a case was looked at.
pub const LOOKS: u32 = 100;

/// The function of this qualified name.
///
/// # Panics
///
/// If there is none.
pub fn function(tables: &Tables, qualname: &str) -> FunctionId {
    let all = tables.functions.values();
    let found = all.iter().position(|function| tables.text(function.qualname) == qualname);
    FunctionId::from_index(found.expect("a function that the case mentions"))
}

/// A program that was watched.
#[derive(Clone, Debug)]
pub struct Case {
    /// What becomes the profile.
    pub profile: Profile,
    /// What becomes its evidence.
    pub evidence: ProcessEvidence,
    offset: u32,
}

impl Case {
    /// A program without samples on CPython 3.`minor`.
    pub fn new(minor: u8) -> Self {
        let mut profile = ProfileBuilder::new().thread("MainThread").build();
        profile.processes[0].python = format!("3.{minor}.0");
        let mut evidence = ProcessEvidence { looks: LOOKS, searched: 214, ..ProcessEvidence::default() };
        evidence.runtime.version = (3, minor);
        Self { profile, evidence, offset: 0 }
    }

    /// The just-in-time compiler is on.
    #[must_use]
    pub fn with_jit(mut self) -> Self {
        self.evidence.runtime.jit.is_built = true;
        self.evidence.runtime.jit.is_on = true;
        self
    }

    /// Adds a type.
    pub fn ty(&mut self, ty: TypeFacts) -> TypeRef {
        self.evidence.types.push(ty);
        TypeRef::from_index(self.evidence.types.len() - 1)
    }

    /// Adds a built-in type.
    pub fn builtin(&mut self, name: &str) -> TypeRef {
        if let Some(at) = self.evidence.types.iter().position(|ty| ty.name == name && ty.module == "builtins")
        {
            return TypeRef::from_index(at);
        }
        self.ty(TypeFacts {
            name: name.into(),
            module: "builtins".into(),
            is_immutable: true,
            ..TypeFacts::default()
        })
    }

    /// Adds a dict of globals.
    pub fn namespace(&mut self, namespace: Namespace) -> NamespaceRef {
        self.evidence.namespaces.push(namespace);
        NamespaceRef::from_index(self.evidence.namespaces.len() - 1)
    }

    /// The function `FILE:QUALNAME`, which is added if it is new.
    pub fn function(&mut self, text: &str) -> FunctionId {
        let (file, qualname) = text.rsplit_once(':').unwrap_or(("app.py", text));
        let tables = &mut self.profile.tables;
        let file = tables.strings.intern_str(file);
        let name = tables.strings.intern_str(qualname.rsplit('.').next().unwrap_or(qualname));
        let qualname = tables.strings.intern_str(qualname);
        tables.functions.intern(Function { name, qualname, file, first_line: 1, kind: FunctionKind::Python })
    }

    /// What was seen of a function.
    pub fn code(&mut self, text: &str) -> &mut CodeEvidence {
        let function = self.function(text);
        let code = &mut self.evidence.code;
        let at = code.iter().position(|known| known.function == function).unwrap_or_else(|| {
            code.push(CodeEvidence { function, looks: LOOKS, copies: 1, ..CodeEvidence::default() });
            code.len() - 1
        });
        &mut code[at]
    }

    /// Adds an instruction on a line of a function, with samples that ran it.
    pub fn site(&mut self, text: &str, line: u32, mut site: Site, samples: u64) {
        self.offset += 20;
        site.offset = self.offset;
        site.span = Span { line: Some(line), end_line: Some(line), column: Some(8), end_column: Some(16) };
        site.looks = LOOKS;
        let function = self.function(text);
        let frame = Frame { function, instruction: Some(site.offset), span: site.span };
        self.code(text).sites.push(site);
        let root = self.stack(&["app.py:<module>"]);
        let frame = self.profile.tables.frames.intern(frame);
        let stack = self.profile.tables.intern_stack(root, frame);
        self.push(stack, ThreadState::Running, SampleFlags::default(), samples);
    }

    /// Adds samples of a stack, from the root to the leaf: `FILE:FUNCTION` at line 2, or
    /// `FILE:FUNCTION@LINE`.
    pub fn sample(&mut self, stack: &[&str], state: ThreadState, samples: u64) {
        let stack = self.stack(stack);
        self.push(stack, state, SampleFlags::default(), samples);
    }

    /// Adds samples in which the garbage collector ran.
    pub fn collecting(&mut self, stack: &[&str], samples: u64) {
        let stack = self.stack(stack);
        self.push(stack, ThreadState::Running, SampleFlags::IN_GC, samples);
    }

    /// Adds a store.
    pub fn store(&mut self, text: &str, line: u32, kind: StoreKind, target: &str, name: &str) -> &mut Store {
        let function = self.function(text);
        self.offset += 20;
        self.evidence.stores.push(Store {
            function,
            offset: self.offset,
            span: Span { line: Some(line), column: Some(8), ..Span::default() },
            kind,
            name: name.into(),
            target: target.into(),
            ..Store::default()
        });
        self.evidence.stores.last_mut().expect("just pushed")
    }

    /// The profile.
    pub fn build(mut self) -> Profile {
        self.profile.stats.samples = self.profile.samples.len() as u64;
        self.profile.stats.stacks_valid = self.profile.stats.samples;
        self.profile.evidence = vec![self.evidence];
        self.profile
    }

    /// What the advisor makes of it.
    ///
    /// # Panics
    ///
    /// Never: a profile in memory can be read.
    pub fn advise(self) -> Findings {
        crate::advise(&mut self.build()).expect("a profile in memory can be read")
    }

    fn stack(&mut self, stack: &[&str]) -> Option<StackId> {
        let mut node = None;
        for text in stack {
            let (text, line) = text.rsplit_once('@').unwrap_or((text, "2"));
            let function = self.function(text);
            let span = Span::of_line(line.parse().unwrap_or(2));
            let frame = Frame { function, instruction: None, span };
            let frame = self.profile.tables.frames.intern(frame);
            node = self.profile.tables.intern_stack(node, frame);
        }
        node
    }

    fn push(&mut self, stack: Option<StackId>, state: ThreadState, flags: SampleFlags, count: u64) {
        for _ in 0..count {
            let time_ns = self.profile.samples.len() as u64 * PERIOD_NS;
            let thread = ThreadId(0);
            let cpu_ns = PERIOD_NS;
            let quality = Quality::Clean;
            self.profile.samples.push(Sample { time_ns, thread, stack, cpu_ns, state, flags, quality });
        }
    }
}

/// A class of a program, as healthy as can be.
pub fn class(module: &str, name: &str) -> TypeFacts {
    TypeFacts {
        name: name.into(),
        module: module.into(),
        is_heap: true,
        managed_dict: true,
        inline_values: true,
        version: VersionTag {
            last: 77,
            looks: LOOKS,
            used: Some(1),
            limit: Some(1000),
            ..VersionTag::default()
        },
        keys: Some(SharedKeys { entries: 4, usable: 20, version: 5, ..SharedKeys::default() }),
        ..TypeFacts::default()
    }
}

/// An attribute that a site asks for.
pub fn attribute(name: &str, kind: AttributeKind) -> Attribute {
    let own = kind == AttributeKind::Missing;
    Attribute { name: name.into(), kind, on_instance: own, in_shared_keys: own, ..Attribute::default() }
}

/// An object in one place of an instruction.
pub fn operand(role: OperandRole, value: Value, looks: u32) -> Operand {
    Operand { role, value, dict: InstanceDict::Values, note: String::new(), looks }
}

/// An instruction that no look found specialised.
pub fn generic(family: OpFamily, name: &str, form: &str, operands: Vec<Operand>) -> Site {
    Site {
        family,
        name: name.into(),
        states: StateCounts { backed_off: LOOKS, ..StateCounts::default() },
        forms: vec![Seen { value: form.into(), looks: LOOKS }],
        counter: Counter { backoff: 12, backoff_limit: 12, ..Counter::default() },
        operands,
        ..Site::default()
    }
}

/// An instruction that every look found specialised and undisturbed.
pub fn healthy(family: OpFamily, name: &str, form: &str, operands: Vec<Operand>) -> Site {
    Site {
        family,
        name: name.into(),
        states: StateCounts { specialised: LOOKS, ..StateCounts::default() },
        forms: vec![Seen { value: form.into(), looks: LOOKS }],
        counter: Counter { specialised: LOOKS, pairs: LOOKS, backoff_limit: 12, ..Counter::default() },
        versions: vec![Seen { value: 77, looks: LOOKS }],
        operands,
        ..Site::default()
    }
}

/// An instruction that is specialised and misses all the time.
pub fn disturbed(family: OpFamily, name: &str, form: &str, operands: Vec<Operand>) -> Site {
    let mut site = healthy(family, name, form, operands);
    site.counter.disturbed = LOOKS - 2;
    site.counter.moved = LOOKS - 2;
    site.counter.pairs_moved = LOOKS - 5;
    site.version_changes = LOOKS - 3;
    site
}
