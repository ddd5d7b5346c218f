//! CPython 3.11: frames live on a data stack, bytecode in the code object, locations in columns.

use super::opcodes::v3_11::OPCODES;
use super::v3_10::LAYOUT as PREVIOUS;
use super::v3_10::STATE as PREVIOUS_STATE;
use crate::layout::spec::*;
use crate::layout::state::*;

pub(super) static SPEC: VersionSpec = VersionSpec {
    minor: 11,
    offsets: OffsetSource::Table(&LAYOUT),
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    state: &STATE,
};

pub(super) const ADAPTIVE: Adaptive = Adaptive {
    // adaptive_counter_backoff, miss_counter_start.
    counter: Some(CounterFormat {
        backoff_bits: 4,
        backoff_limit: 12,
        backoff_warming: 0,
        specialised: 53,
        specialised_is_plain: true,
    }),
    tags: &[
        // _PyLoadGlobalCache: counter, index, module_keys_version[2], builtin_keys_version.
        CacheTag { form: "LOAD_GLOBAL_", tag: wide(2), keys: None },
        CacheTag { form: "LOAD_GLOBAL_BUILTIN", tag: wide(2), keys: Some(narrow(4)) },
        // _PyAttrCache: counter, version[2], index.
        CacheTag { form: "LOAD_ATTR_", tag: wide(1), keys: None },
        CacheTag { form: "STORE_ATTR_", tag: wide(1), keys: None },
        // _PyLoadMethodCache: counter, type_version[2], dict_offset, keys_version[2], descr[4].
        CacheTag { form: "LOAD_METHOD_", tag: wide(1), keys: None },
        CacheTag { form: "LOAD_METHOD_WITH_VALUES", tag: wide(1), keys: Some(wide(4)) },
        // _PyCallCache: counter, func_version[2], min_args.
        CacheTag { form: "CALL_PY_", tag: wide(1), keys: None },
        // _PyBinarySubscrCache: counter, type_version[2], func_version.
        CacheTag { form: "BINARY_SUBSCR_GETITEM", tag: wide(1), keys: None },
    ],
    renamed: &[],
    flag_bits: &[("LOAD_GLOBAL", 1)],
};

pub(super) const LAYOUT: Layout = Layout {
    version: Version { minor: 11, ..PREVIOUS.version },
    runtime: RuntimeOffsets { interpreters_head: 40, finalizing: 24 },
    interpreter: InterpreterOffsets {
        id: 48,
        threads_head: 16,
        modules: 888,
        gil: Gil { place: GilPlace::Runtime(360), ..PREVIOUS.interpreter.gil },
        gc_collecting: Field::Interpreter(848),
        ..PREVIOUS.interpreter
    },
    thread: ThreadOffsets {
        frame: FrameLink::CFrame { cframe: 56, current_frame: 8 },
        thread_id: 152,
        native_thread_id: Some(160),
        datastack_chunk: Some(296),
        c_profilefunc: Some(64),
        c_tracefunc: Some(72),
        size: 320,
        ..PREVIOUS.thread
    },
    frame: FRAME,
    code: CODE,
    object: ObjectOffsets {
        dict: DictOffsets {
            keys: DictKeys::Logarithmic {
                dk_log2_size: 8,
                dk_log2_index_bytes: 9,
                dk_kind: 10,
                dk_version: 12,
                dk_usable: 16,
                dk_nentries: 24,
                dk_indices: 32,
            },
            ..PREVIOUS.object.dict
        },
        instance_dict: InstanceDict::ManagedPair,
        function: FunctionOffsets { func_version: Some(128), ..PREVIOUS.object.function },
        ..PREVIOUS.object
    },
    opcodes: &OPCODES,
    adaptive: &ADAPTIVE,
    ..PREVIOUS
};

/// `_PyInterpreterFrame`.
const FRAME: FrameOffsets = FrameOffsets {
    size: 72,
    previous: 48,
    code: 32,
    instruction: Instruction::Address(56),
    localsplus: 72,
    owner: Some(69),
    owner_shim: None,
    is_entry: Some(68),
    stack_top: Some(StackTop::Index(64)),
    executing: None,
    tlbc_index: None,
    f_globals: 8,
    f_builtins: 16,
    f_locals: 24,
};

const CODE: CodeOffsets = CodeOffsets {
    size: 184,
    argcount: 56,
    kwonlyargcount: 64,
    firstlineno: 72,
    filename: 112,
    name: 120,
    qualname: Some(128),
    consts: 24,
    names: 32,
    flags: 48,
    executors: None,
    monitoring: None,
    linetable: 136,
    linetable_format: LineTableFormat::Locations,
    localsplusnames: 96,
    localspluskinds: Some(104),
    bytecode: Bytecode::Inline(184),
    frame_words: Some(FrameWords::Sum { nlocalsplus: 76, stacksize: 68, specials: 9 }),
    tlbc: None,
    opcache: None,
    // ob_size, co_consts … co_flags; co_argcount … co_localspluskinds; co_name … co_linetable. Not
    // co_warmup, which counts, nor co_filename, which the import system may replace.
    identity: &[(16, 36), (56, 56), (120, 24)],
};

pub(super) const STATE: StateSpec = StateSpec {
    c_profileobj: 80,
    code: CodeExtra { closure: None, local_monitors: None },
    eval: EvalState { section: Section { at: 1400, ..PREVIOUS_STATE.eval.section }, ..PREVIOUS_STATE.eval },
    process: ProcessState {
        section: Section { at: 600, ..PREVIOUS_STATE.process.section },
        ..PREVIOUS_STATE.process
    },
    ..PREVIOUS_STATE
};
