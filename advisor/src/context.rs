//! What a rule looks at: one process, its evidence, and where its time goes.

use slowpath_profile::evidence::{
    CodeEvidence, Namespace, NamespaceRef, OpFamily, Operand, OperandRole, ProcessEvidence, Site, TypeFacts,
    TypeRef, Value,
};
use slowpath_profile::finding::Place;
use slowpath_profile::ids::Id;
use slowpath_profile::tables::is_library;
use slowpath_profile::{Frame, Function, FunctionId, FunctionKind, ProcessId, Span, Tables};

use crate::costs::Costs;
use crate::oracle::{self, Decision, Reason};
use crate::source::Sources;
use crate::target::Target;
use crate::weight::{Atom, Extent, Weight};

/// One process under judgement.
#[derive(Debug)]
pub struct Context<'a> {
    /// Names, functions, stacks.
    pub tables: &'a Tables,
    /// Its source texts.
    pub sources: &'a Sources<'a>,
    /// The process.
    pub process: ProcessId,
    /// Which interpreter it runs.
    pub target: Target,
    /// What was observed of it.
    pub evidence: &'a ProcessEvidence,
    /// Where the time goes.
    pub weight: &'a Weight,
    /// What things cost there.
    pub costs: Costs,
    /// Instructions with samples, the hottest first.
    pub sites: Vec<HotSite<'a>>,
}

/// An instruction with samples.
#[derive(Debug)]
pub struct HotSite<'a> {
    /// The code that holds it.
    pub code: &'a CodeEvidence,
    /// What was seen of it.
    pub site: &'a Site,
    /// Samples in which the interpreter ran it.
    pub samples: u64,
    /// What the oracle says for each object that decides, with the share of looks that met it.
    pub decisions: Vec<(Decision, Option<&'a Operand>, f64)>,
}

impl HotSite<'_> {
    /// Whether most looks found no specialised form.
    pub fn is_generic(&self) -> bool {
        let states = &self.site.states;
        let generic = states.backed_off + states.deopted + states.not_specialisable + states.warming;
        generic > states.specialised && generic > 0
    }

    /// Whether compiled code hides what becomes of it.
    pub fn is_compiled(&self) -> bool {
        self.site.states.compiled * 2 > self.site.looks
    }

    /// The share of executions that take the slow way, as far as looks tell: those that found it
    /// generic, and of the others those during which it missed.
    pub fn slow_share(&self) -> f64 {
        let states = &self.site.states;
        let generic = f64::from(states.backed_off + states.deopted);
        let specialised = f64::from(states.specialised);
        if generic + specialised == 0.0 {
            return 0.0;
        }
        (generic + specialised * self.miss_share()) / (generic + specialised)
    }

    /// How often a specialised form misses. After 53 misses a site is specialised anew and its counter
    /// starts again, so the share of looks that find the counter below its start is the share of time
    /// in which it misses; unless it stands still, since then a single miss long ago is all there was.
    fn miss_share(&self) -> f64 {
        let counter = &self.site.counter;
        match counter.specialised {
            0 | 1 => 0.0,
            looks => {
                let disturbed = f64::from(counter.disturbed) / f64::from(looks);
                let moved = f64::from(counter.moved) / f64::from(looks - 1);
                disturbed.min(moved).min(1.0)
            }
        }
    }

    /// Whether its specialised form was seen to miss.
    pub fn is_disturbed(&self) -> bool {
        let counter = &self.site.counter;
        counter.moved >= 2
    }

    /// The reason for which the oracle refuses, with the share of looks that met such an object.
    pub fn refusal(&self) -> Option<(Reason, Option<&Operand>, f64)> {
        let refused = self.decisions.iter().filter_map(|(decision, operand, share)| match decision {
            Decision::Fails(reason) => Some((*reason, *operand, *share)),
            _ => None,
        });
        refused.max_by(|one, other| one.2.total_cmp(&other.2))
    }

    /// Instances of how many types it met in the deciding place, with the share of each, the most
    /// frequent first.
    pub fn types(&self) -> Vec<(TypeRef, f64)> {
        let mut types = Vec::<(TypeRef, u32)>::new();
        let mut all = 0;
        for operand in self.site.operands_as(oracle::deciding_role(self.site.family)) {
            all += operand.looks;
            if let Value::Instance(ty) = operand.value {
                match types.iter_mut().find(|(known, _)| *known == ty) {
                    Some((_, looks)) => *looks += operand.looks,
                    None => types.push((ty, operand.looks)),
                }
            }
        }
        types.sort_by_key(|(ty, looks)| (std::cmp::Reverse(*looks), *ty));
        types.into_iter().map(|(ty, looks)| (ty, f64::from(looks) / f64::from(all.max(1)))).collect()
    }

    /// Whether the object in the deciding place is of this type, or is it.
    pub fn meets(&self, wanted: TypeRef) -> bool {
        self.site.operands_as(oracle::deciding_role(self.site.family)).any(|operand| match operand.value {
            Value::Instance(ty) | Value::Class(ty) => ty == wanted,
            Value::Function(_) | Value::Module(_) => false,
        })
    }
}

impl<'a> Context<'a> {
    /// Brings together what is known of a process.
    pub fn new(
        sources: &'a Sources<'a>,
        process: ProcessId,
        target: Target,
        evidence: &'a ProcessEvidence,
        weight: &'a Weight,
    ) -> Self {
        let costs = Costs::of(target);
        let tables = sources.tables();
        let mut context =
            Self { tables, sources, process, target, evidence, weight, costs, sites: Vec::new() };
        let all = evidence.code.iter().flat_map(|code| code.sites.iter().map(move |site| (code, site)));
        let mut sites: Vec<HotSite<'a>> =
            all.filter_map(|(code, site)| context.hot_site(code, site)).collect();
        sites.sort_by_key(|hot| (std::cmp::Reverse(hot.samples), hot.code.function, hot.site.offset));
        context.sites = sites;
        context
    }

    fn hot_site(&self, code: &'a CodeEvidence, site: &'a Site) -> Option<HotSite<'a>> {
        let samples = self.samples(&Extent::Instruction(code.function, site.offset));
        if samples == 0 {
            return None;
        }
        let role = oracle::deciding_role(site.family);
        let decisive = decisive(code, site);
        let all: u32 = decisive.operands_as(role).map(|operand| operand.looks).sum();
        let decide =
            |operand| oracle::decide(self.target.version, self.evidence, site, code.globals, operand);
        let share = |operand: &Operand| f64::from(operand.looks) / f64::from(all.max(1));
        let mut decisions: Vec<_> = decisive
            .operands_as(role)
            .map(|operand| (decide(Some(operand)), Some(operand), share(operand)))
            .collect();
        if decisions.is_empty() {
            decisions.push((decide(None), None, 1.0));
        }
        Some(HotSite { code, site, samples, decisions })
    }

    /// Whether anything was observed besides stacks.
    pub fn has_evidence(&self) -> bool {
        !self.evidence.is_empty()
    }

    /// Samples in an extent of this process.
    pub fn samples(&self, extent: &Extent) -> u64 {
        self.weight.samples(self.process, extent, self.tables)
    }

    /// Atoms of this process that are wanted, each with its position and its frames, the innermost first.
    pub fn stacks(
        &self,
        wanted: impl Fn(&Atom) -> bool,
    ) -> impl Iterator<Item = (u32, &'a Atom, Vec<&'a Frame>)> {
        let (tables, process) = (self.tables, self.process);
        let atoms = self.weight.atoms().iter().enumerate();
        atoms.filter(move |(_, atom)| atom.process == process && wanted(atom)).map(move |(at, atom)| {
            let frames = tables.frames_of(atom.stack).filter_map(|frame| tables.frames.get(frame));
            (u32::try_from(at).unwrap_or(u32::MAX), atom, frames.collect())
        })
    }

    /// Whether a function is in code of the program, not of Python or a package.
    pub fn is_ours(&self, function: FunctionId) -> bool {
        self.function(function).is_some_and(|function| !is_library(self.tables.text(function.file)))
    }

    /// Hot instructions of one kind.
    pub fn sites_of(&self, families: &[OpFamily]) -> impl Iterator<Item = &HotSite<'a>> {
        self.sites.iter().filter(move |hot| families.contains(&hot.site.family))
    }

    /// A function's entry.
    pub fn function(&self, id: FunctionId) -> Option<&'a Function> {
        self.tables.functions.get(id)
    }

    /// `co_qualname`.
    pub fn qualname(&self, id: FunctionId) -> &'a str {
        self.function(id).map_or("?", |function| self.tables.text(function.qualname))
    }

    /// A place in a function.
    pub fn place(&self, id: FunctionId, span: Span) -> Place {
        let function = self.function(id);
        let first = function.map(|function| function.first_line).filter(|line| *line > 0);
        Place {
            file: function.map_or_else(String::new, |function| self.tables.text(function.file).to_owned()),
            line: span.line.or(first),
            column: span.column.map(|column| column + 1),
            end_line: span.end_line,
            end_column: span.end_column.map(|column| column + 1),
            function: self.qualname(id).to_owned(),
        }
    }

    /// A type's facts.
    pub fn ty(&self, ty: TypeRef) -> Option<&'a TypeFacts> {
        self.evidence.types(ty)
    }

    /// `module.Name` of a type.
    pub fn type_name(&self, ty: TypeRef) -> String {
        self.ty(ty).map_or_else(|| "?".into(), TypeFacts::full_name)
    }

    /// A namespace's facts.
    pub fn namespace(&self, namespace: NamespaceRef) -> Option<&'a Namespace> {
        self.evidence.namespaces(namespace)
    }

    /// Types with their references.
    pub fn types(&self) -> impl Iterator<Item = (TypeRef, &'a TypeFacts)> {
        self.evidence.types.iter().enumerate().map(|(at, ty)| (TypeRef::from_index(at), ty))
    }

    /// Namespaces with their references.
    pub fn namespaces(&self) -> impl Iterator<Item = (NamespaceRef, &'a Namespace)> {
        self.evidence.namespaces.iter().enumerate().map(|(at, space)| (NamespaceRef::from_index(at), space))
    }

    /// Functions of a file whose path ends so, with one of these names (`co_qualname`, or its last
    /// part before 3.11).
    pub fn functions_named(&self, file_end: &str, names: &[&str]) -> Vec<FunctionId> {
        let all = self.tables.functions.values().iter().enumerate();
        let wanted = all.filter(|(_, function)| {
            let qualname = self.tables.text(function.qualname);
            let file = self.tables.text(function.file);
            function.kind == FunctionKind::Python
                && is_file(file, file_end)
                && names.iter().any(|name| {
                    qualname == *name || (self.target.until(10) && name.rsplit('.').next() == Some(qualname))
                })
        });
        wanted.map(|(at, _)| FunctionId::from_index(at)).collect()
    }

    /// The operand of a site in a place, if only one was seen there.
    pub fn only_operand<'s>(&self, site: &'s Site, role: OperandRole) -> Option<&'s Operand> {
        let mut seen = site.operands_as(role);
        let first = seen.next()?;
        seen.next().is_none().then_some(first)
    }
}

/// The instruction whose operands decide: that of `for` finds its iterator on the stack, where only
/// the `iter()` before it was seen to meet an object.
fn decisive<'a>(code: &'a CodeEvidence, site: &'a Site) -> &'a Site {
    if site.family != OpFamily::Iterate || !site.operands.is_empty() {
        return site;
    }
    let before =
        code.sites.iter().filter(|other| other.family == OpFamily::GetIter && other.offset < site.offset);
    before.max_by_key(|other| other.offset).unwrap_or(site)
}

/// Whether a path is this file of a library: it ends with it, at a separator.
pub fn is_file(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with(['/', '\\']))
}
