//! Offsets that a process publishes about itself: `_Py_DebugOffsets` at the start of `_PyRuntime`
//! (3.13+).
//!
//! The bytes are as untrusted as all of the target's memory. Every offset that is used is checked
//! once, here: inside its structure, aligned, apart from the others, and the structure of a sane size.
//! What may differ between releases of a version (runtime, interpreter and thread state) is taken
//! from the table; what is fixed within a version (frames, code, objects) must agree with its headers.

use slowpath_profile::BuildFlags;

use super::error::LayoutError;
use super::spec::*;
use crate::process::memory::Bytes;

/// `_Py_Debug_Cookie`.
const COOKIE: &[u8; 8] = b"xdebugpy";

/// Largest structures that are believed, in bytes. CPython 3.15 has 410 kB (free-threaded), 900 B, 88 B.
const MAX_STATE: u64 = 16 << 20;
const MAX_THREAD: u64 = 64 << 10;
const MAX_OBJECT: u64 = 4 << 10;

/// How many bytes `_Py_DebugOffsets` of a version has.
pub(super) fn size(spec: &PublishedSpec) -> usize {
    COOKIE.len() + 8 * spec.fields.len()
}

/// The layout of a process that publishes `bytes`.
pub(super) fn layout(
    spec: &PublishedSpec,
    version: Version,
    build: BuildFlags,
    bytes: &[u8],
) -> Result<Layout, LayoutError> {
    let table = Table::new(spec, version, bytes)?;
    let free_threaded = match table.value("free_threaded")? {
        (_, 0) => false,
        (_, 1) => true,
        (field, value) => return Err(LayoutError::Field { field, value, why: "neither 0 nor 1" }),
    };
    let headers = if free_threaded { spec.lacking_free_threaded } else { spec.lacking };
    let fixed = |same: bool, structure| {
        if same { Ok(()) } else { Err(LayoutError::Modified { structure, version }) }
    };
    let frame = frame(&table, headers)?;
    fixed(frame == headers.frame, "_PyInterpreterFrame")?;
    let code = code(&table, headers)?;
    fixed(code == headers.code, "PyCodeObject")?;
    let object = object(&table, headers)?;
    fixed(object == headers.object, "an object type")?;
    Ok(Layout {
        version,
        build: BuildFlags { free_threaded, ..build },
        runtime: runtime(&table)?,
        interpreter: interpreter(&table, headers)?,
        thread: thread(&table, headers)?,
        frame,
        code,
        object,
        opcodes: headers.opcodes,
        adaptive: headers.adaptive,
    })
}

/// `_Py_DebugOffsets.debugger_support` (3.14+).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebuggerSupport {
    /// `PyThreadState.eval_breaker`.
    pub eval_breaker: u64,
    /// `PyInterpreterState.config.remote_debug`, an int.
    pub enabled: u64,
    /// `PyThreadState.remote_debugger_support.debugger_pending_call`, an `int32_t`.
    pub pending: u64,
    /// `PyThreadState.remote_debugger_support.debugger_script_path`.
    pub path: u64,
    /// Its size.
    pub path_size: u64,
}

pub(super) fn debugger_support(
    spec: &PublishedSpec,
    version: Version,
    bytes: &[u8],
) -> Option<DebuggerSupport> {
    let table = Table::new(spec, version, bytes).ok()?;
    let field = |name: &str| table.find(&format!("debugger_support.{name}")).map(|(_, value)| value);
    let support = field("remote_debugger_support")?;
    let found = DebuggerSupport {
        eval_breaker: field("eval_breaker")?,
        enabled: field("remote_debugging_enabled")?,
        pending: support.checked_add(field("debugger_pending_call")?)?,
        path: support.checked_add(field("debugger_script_path")?)?,
        path_size: field("debugger_script_path_size")?,
    };
    let end = found.path.checked_add(found.path_size)?;
    let is_sane = found.eval_breaker.is_multiple_of(8)
        && found.pending.is_multiple_of(4)
        && found.enabled.is_multiple_of(4)
        && [found.eval_breaker, found.pending, end].iter().all(|offset| *offset <= MAX_THREAD)
        && found.enabled <= MAX_STATE
        && (16..=4096).contains(&found.path_size);
    is_sane.then_some(found)
}

/// The published bytes with the names of their fields.
struct Table<'a> {
    fields: &'static [&'static str],
    bytes: &'a [u8],
}

impl<'a> Table<'a> {
    fn new(spec: &PublishedSpec, version: Version, bytes: &'a [u8]) -> Result<Self, LayoutError> {
        if let Some(cookie) = bytes.first_chunk::<8>().filter(|cookie| *cookie != COOKIE) {
            return Err(LayoutError::Cookie(*cookie));
        }
        if bytes.len() < size(spec) {
            return Err(LayoutError::Short { len: bytes.len(), wanted: size(spec) });
        }
        let table = Self { fields: spec.fields, bytes };
        let (field, value) = table.value("version")?;
        if Version::from_hex(value) != Some(version) {
            return Err(LayoutError::Field { field, value, why: "not the version of the process" });
        }
        Ok(table)
    }

    /// The full name and the value of a field, if this version has it.
    fn find(&self, name: &str) -> Option<(&'static str, u64)> {
        let index = self.fields.iter().position(|field| *field == name)?;
        Some((self.fields[index], self.bytes.u64_at(COOKIE.len() + 8 * index)?))
    }

    /// A field that all versions have.
    fn value(&self, name: &'static str) -> Result<(&'static str, u64), LayoutError> {
        self.find(name).ok_or(LayoutError::Field { field: name, value: 0, why: "missing" })
    }

    /// The fields of a structure of at most `max` bytes.
    fn structure(&self, name: &'static str, max: u64) -> Result<Structure<'_>, LayoutError> {
        let (field, value) = self.value_of(name, "size")?;
        if value == 0 || value > max || value % 8 != 0 {
            return Err(LayoutError::Field { field, value, why: "not a possible size" });
        }
        Ok(Structure { table: self, name, size: value as usize, taken: Vec::new() })
    }

    fn value_of(&self, structure: &'static str, name: &str) -> Result<(&'static str, u64), LayoutError> {
        let missing = LayoutError::Field { field: structure, value: 0, why: "missing" };
        self.find(&format!("{structure}.{name}")).ok_or(missing)
    }
}

/// The fields of one structure, checked against each other.
struct Structure<'a> {
    table: &'a Table<'a>,
    name: &'static str,
    size: usize,
    /// Offset and length of the fields so far.
    taken: Vec<(usize, usize)>,
}

impl Structure<'_> {
    /// The offset of a field of `len` bytes.
    fn field(&mut self, name: &str, len: usize) -> Result<Offset, LayoutError> {
        let (field, value) = self.table.value_of(self.name, name)?;
        self.take(field, value, len)
    }

    /// The offset of a field that this version may not publish.
    fn optional(&mut self, name: &str, len: usize) -> Result<Option<Offset>, LayoutError> {
        match self.table.find(&format!("{}.{name}", self.name)) {
            Some((field, value)) => self.take(field, value, len).map(Some),
            None => Ok(None),
        }
    }

    fn take(&mut self, field: &'static str, value: u64, len: usize) -> Result<Offset, LayoutError> {
        let damaged = |why| LayoutError::Field { field, value, why };
        let offset = usize::try_from(value).map_err(|_| damaged("outside its structure"))?;
        let end = offset.checked_add(len).filter(|end| *end <= self.size);
        let end = end.ok_or(damaged("outside its structure"))?;
        // Words and larger members are aligned to words, smaller ones to themselves.
        if offset % len.clamp(1, 8) != 0 {
            return Err(damaged("not aligned"));
        }
        if self.taken.iter().any(|&(other, len)| offset < other + len && other < end) {
            return Err(damaged("on top of another field"));
        }
        self.taken.push((offset, len));
        Ok(offset)
    }
}

fn runtime(table: &Table) -> Result<RuntimeOffsets, LayoutError> {
    let mut state = table.structure("runtime_state", MAX_STATE)?;
    Ok(RuntimeOffsets {
        interpreters_head: state.field("interpreters_head", 8)?,
        finalizing: state.field("finalizing", 8)?,
    })
}

fn interpreter(table: &Table, headers: &Layout) -> Result<InterpreterOffsets, LayoutError> {
    let known = &headers.interpreter;
    let gc_size = table.structure("gc", MAX_OBJECT)?.size;
    let collecting = table.structure("gc", MAX_OBJECT)?.field("collecting", 4)?;
    let mut state = table.structure("interpreter_state", MAX_STATE)?;
    let threads_head = state.field("threads_head", 8)?;
    let gc = state.field("gc", gc_size)?;
    let threads_main = match state.optional("threads_main", 8)? {
        Some(offset) => Some(offset),
        // Lies between these two: with both in place, it is.
        None => known.threads_main.filter(|_| threads_head == known.threads_head),
    };
    let code_generation = match state.optional("code_object_generation", 8)? {
        Some(offset) => Some(CodeGeneration { offset, width: 8, zero_is_unknown: false }),
        None => known.code_generation.filter(|place| place.offset < state.size - 8),
    };
    Ok(InterpreterOffsets {
        id: state.field("id", 8)?,
        next: state.field("next", 8)?,
        threads_head,
        threads_main,
        modules: state.field("imports_modules", 8)?,
        gil: gil(&mut state, known.gil)?,
        gc_collecting: Field::Interpreter(gc + collecting),
        code_generation,
    })
}

/// The table has the GIL's fields relative to the interpreter state that embeds it.
fn gil(state: &mut Structure, known: Gil) -> Result<Gil, LayoutError> {
    let place = GilPlace::InterpreterPointer(state.field("ceval_gil", 8)?);
    let (field, value) = state.table.value_of(state.name, "gil_runtime_state")?;
    let start = usize::try_from(value).unwrap_or(usize::MAX);
    if start > state.size - known.size.min(state.size) {
        return Err(LayoutError::Field { field, value, why: "outside its structure" });
    }
    let mut member = |name, len| {
        let offset: Offset = state.field(name, len)?;
        let inside = offset.checked_sub(start).filter(|offset| offset + len <= known.size);
        inside.ok_or(LayoutError::Field { field, value, why: "not around the GIL's fields" })
    };
    let (locked, last_holder) =
        (member("gil_runtime_state_locked", 4)?, member("gil_runtime_state_holder", 8)?);
    Ok(Gil { place, last_holder, locked, ..known })
}

fn thread(table: &Table, headers: &Layout) -> Result<ThreadOffsets, LayoutError> {
    let mut state = table.structure("thread_state", MAX_THREAD)?;
    let known = &headers.thread;
    let frame = FrameLink::Direct(state.field("current_frame", 8)?);
    let thread_id = state.field("thread_id", 8)?;
    // Both lie between these two: with both in place, they are.
    let unmoved = frame == known.frame && thread_id == known.thread_id;
    let mut thread = ThreadOffsets {
        next: state.field("next", 8)?,
        interp: state.field("interp", 8)?,
        frame,
        thread_id,
        native_thread_id: Some(state.field("native_thread_id", 8)?),
        // With datastack_top and datastack_limit.
        datastack_chunk: Some(state.field("datastack_chunk", 24)?),
        gil_requested: state.optional("gil_requested", 4)?,
        c_profilefunc: known.c_profilefunc.filter(|_| unmoved),
        c_tracefunc: known.c_tracefunc.filter(|_| unmoved),
        size: 0,
    };
    let last = state.taken.iter().map(|(offset, len)| offset + len).max();
    thread.size = last.unwrap_or(state.size);
    Ok(thread)
}

fn frame(table: &Table, headers: &Layout) -> Result<FrameOffsets, LayoutError> {
    let mut frame = table.structure("interpreter_frame", MAX_OBJECT)?;
    let localsplus = frame.field("localsplus", 8)?;
    let tlbc_index = match headers.frame.tlbc_index {
        Some(_) => frame.optional("tlbc_index", 4)?,
        None => None,
    };
    let stack_top = match headers.frame.stack_top {
        Some(StackTop::Pointer(_)) => Some(StackTop::Pointer(frame.field("stackpointer", 8)?)),
        unpublished => unpublished,
    };
    Ok(FrameOffsets {
        size: localsplus,
        previous: frame.field("previous", 8)?,
        code: frame.field("executable", 8)?,
        instruction: Instruction::Address(frame.field("instr_ptr", 8)?),
        localsplus,
        owner: Some(frame.field("owner", 1)?),
        stack_top,
        tlbc_index,
        ..headers.frame
    })
}

fn code(table: &Table, headers: &Layout) -> Result<CodeOffsets, LayoutError> {
    let mut code = table.structure("code_object", MAX_OBJECT)?;
    let bytecode = code.field("co_code_adaptive", 1)?;
    let tlbc = match headers.code.tlbc {
        Some(_) => code.optional("co_tlbc", 8)?,
        None => None,
    };
    Ok(CodeOffsets {
        size: bytecode,
        argcount: code.field("argcount", 4)?,
        firstlineno: code.field("firstlineno", 4)?,
        filename: code.field("filename", 8)?,
        name: code.field("name", 8)?,
        qualname: Some(code.field("qualname", 8)?),
        linetable: code.field("linetable", 8)?,
        localsplusnames: code.field("localsplusnames", 8)?,
        localspluskinds: Some(code.field("localspluskinds", 8)?),
        bytecode: Bytecode::Inline(bytecode),
        tlbc,
        ..headers.code
    })
}

fn object(table: &Table, headers: &Layout) -> Result<ObjectOffsets, LayoutError> {
    let known = &headers.object;
    let structure = |name| table.structure(name, MAX_OBJECT);
    let mut types = structure("type_object")?;
    let mut bytes = structure("bytes_object")?;
    let mut tuple = structure("tuple_object")?;
    let mut list = structure("list_object")?;
    let mut dict = structure("dict_object")?;
    let mut long = structure("long_object")?;
    let ht_cached_keys = match table.find("heap_type_object.size") {
        Some(_) => structure("heap_type_object")?.field("ht_cached_keys", 8)?,
        None => known.ht_cached_keys,
    };
    Ok(ObjectOffsets {
        ob_type: structure("pyobject")?.field("ob_type", 8)?,
        ob_size: bytes.field("ob_size", 8)?,
        tp_name: types.field("tp_name", 8)?,
        tp_flags: types.field("tp_flags", 8)?,
        tp_basicsize: types.optional("tp_basicsize", 8)?.unwrap_or(known.tp_basicsize),
        tp_dictoffset: types.optional("tp_dictoffset", 8)?.unwrap_or(known.tp_dictoffset),
        ht_cached_keys,
        unicode: unicode(table, known.unicode)?,
        bytes_ob_sval: bytes.field("ob_sval", 1)?,
        tuple_ob_item: tuple.field("ob_item", 8)?,
        list_ob_item: list.field("ob_item", 8)?,
        float_ob_fval: structure("float_object")?.field("ob_fval", 8)?,
        long: LongOffsets {
            size_or_tag: long.field("lv_tag", 8)?,
            digits: long.field("ob_digit", 4)?,
            ..known.long
        },
        dict: DictOffsets {
            ma_keys: dict.field("ma_keys", 8)?,
            ma_values: dict.field("ma_values", 8)?,
            ..known.dict
        },
        ..*known
    })
}

fn unicode(table: &Table, known: UnicodeOffsets) -> Result<UnicodeOffsets, LayoutError> {
    let mut unicode = table.structure("unicode_object", MAX_OBJECT)?;
    let size = |name, other| table.find(name).map_or(other, |(_, value)| value as usize);
    Ok(UnicodeOffsets {
        length: unicode.field("length", 8)?,
        state: unicode.field("state", 4)?,
        ascii_size: size("unicode_object.asciiobject_size", known.ascii_size),
        compact_size: size("unicode_object.compactunicodeobject_size", known.compact_size),
        ..known
    })
}

#[cfg(test)]
#[path = "published_tests.rs"]
mod tests;
