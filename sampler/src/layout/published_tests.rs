//! Published tables, good and bad.

use proptest::prelude::*;

use super::*;
use crate::layout::versions;

/// The versions that publish, with the headers of a build.
fn published(free_threaded: bool) -> Vec<(u8, &'static PublishedSpec, &'static Layout)> {
    let specs = versions::all().filter_map(|spec| match spec.offsets {
        OffsetSource::Published(known) => Some((spec.minor, known)),
        OffsetSource::Table(_) => None,
    });
    let headers = |known: &'static PublishedSpec| {
        if free_threaded { known.lacking_free_threaded } else { known.lacking }
    };
    specs.map(|(minor, known)| (minor, known, headers(known))).collect()
}

fn release(minor: u8) -> Version {
    Version { major: 3, minor, micro: 1, level_serial: 0xf0 }
}

/// What a process with the layout of `of` publishes as `field`.
fn value(field: &str, minor: u8, free_threaded: bool, of: &Layout) -> u64 {
    let address = |instruction| match instruction {
        Instruction::Address(offset) => offset,
        Instruction::LastIndex { .. } => unreachable!("published before 3.11"),
    };
    let gil = &of.interpreter.gil;
    // Behind all other fields that are used.
    let gil_start = 100_000;
    let (Field::Interpreter(collecting) | Field::Runtime(collecting)) = of.interpreter.gc_collecting;
    let offset = match field {
        "version" => return u64::from(u32::from_le_bytes([0xf0, 1, minor, 3])),
        "free_threaded" => usize::from(free_threaded),
        "runtime_state.size" | "interpreter_state.size" => 300_000,
        "thread_state.size" => 1000,
        "code_object.size" => of.code.size + 8,
        "gc.size" => 64,
        _ if field.ends_with(".size") => 1024,
        "runtime_state.finalizing" => of.runtime.finalizing,
        "runtime_state.interpreters_head" => of.runtime.interpreters_head,
        "interpreter_state.id" => of.interpreter.id,
        "interpreter_state.next" => of.interpreter.next,
        "interpreter_state.threads_head" => of.interpreter.threads_head,
        "interpreter_state.threads_main" => of.interpreter.threads_main.unwrap(),
        "interpreter_state.gc" => collecting - 24,
        "gc.collecting" => 24,
        "interpreter_state.imports_modules" => of.interpreter.modules,
        "interpreter_state.ceval_gil" => match gil.place {
            GilPlace::InterpreterPointer(offset) | GilPlace::Runtime(offset) => offset,
        },
        "interpreter_state.gil_runtime_state" => gil_start,
        "interpreter_state.gil_runtime_state_locked" => gil_start + gil.locked,
        "interpreter_state.gil_runtime_state_holder" => gil_start + gil.last_holder,
        "interpreter_state.code_object_generation" => of.interpreter.code_generation.unwrap().offset,
        "thread_state.next" => of.thread.next,
        "thread_state.interp" => of.thread.interp,
        "thread_state.current_frame" => match of.thread.frame {
            FrameLink::Direct(offset) => offset,
            FrameLink::CFrame { .. } => unreachable!("published after 3.12"),
        },
        "thread_state.thread_id" => of.thread.thread_id,
        "thread_state.native_thread_id" => of.thread.native_thread_id.unwrap(),
        "thread_state.datastack_chunk" => of.thread.datastack_chunk.unwrap(),
        "thread_state.gil_requested" => of.thread.gil_requested.unwrap(),
        "interpreter_frame.previous" => of.frame.previous,
        "interpreter_frame.executable" => of.frame.code,
        "interpreter_frame.instr_ptr" => address(of.frame.instruction),
        "interpreter_frame.localsplus" => of.frame.localsplus,
        "interpreter_frame.owner" => of.frame.owner.unwrap(),
        "interpreter_frame.stackpointer" => match of.frame.stack_top {
            Some(StackTop::Pointer(offset)) => offset,
            _ => unreachable!("published after 3.13"),
        },
        "interpreter_frame.tlbc_index" => of.frame.tlbc_index.unwrap_or(0),
        "code_object.filename" => of.code.filename,
        "code_object.name" => of.code.name,
        "code_object.qualname" => of.code.qualname.unwrap(),
        "code_object.linetable" => of.code.linetable,
        "code_object.firstlineno" => of.code.firstlineno,
        "code_object.argcount" => of.code.argcount,
        "code_object.localsplusnames" => of.code.localsplusnames,
        "code_object.localspluskinds" => of.code.localspluskinds.unwrap(),
        "code_object.co_code_adaptive" => of.code.size,
        "code_object.co_tlbc" => of.code.tlbc.unwrap_or(0),
        "pyobject.ob_type" => of.object.ob_type,
        "type_object.tp_name" => of.object.tp_name,
        "type_object.tp_flags" => of.object.tp_flags,
        "type_object.tp_basicsize" => of.object.tp_basicsize,
        "type_object.tp_dictoffset" => of.object.tp_dictoffset,
        "heap_type_object.ht_cached_keys" => of.object.ht_cached_keys,
        "tuple_object.ob_item" => of.object.tuple_ob_item,
        "list_object.ob_item" => of.object.list_ob_item,
        "dict_object.ma_keys" => of.object.dict.ma_keys,
        "dict_object.ma_values" => of.object.dict.ma_values,
        "float_object.ob_fval" => of.object.float_ob_fval,
        "long_object.lv_tag" => of.object.long.size_or_tag,
        "long_object.ob_digit" => of.object.long.digits,
        "bytes_object.ob_size" => of.object.ob_size,
        "bytes_object.ob_sval" => of.object.bytes_ob_sval,
        "unicode_object.state" => of.object.unicode.state,
        "unicode_object.length" => of.object.unicode.length,
        "unicode_object.asciiobject_size" => of.object.unicode.ascii_size,
        "unicode_object.compactunicodeobject_size" => of.object.unicode.compact_size,
        // Not used: whatever it is, it does no harm.
        _ => return u64::MAX,
    };
    offset as u64
}

fn table(minor: u8, known: &PublishedSpec, free_threaded: bool, headers: &Layout) -> Vec<u8> {
    let mut bytes = COOKIE.to_vec();
    for field in known.fields {
        bytes.extend(value(field, minor, free_threaded, headers).to_le_bytes());
    }
    bytes
}

/// Puts `value` into the field `name`.
fn set(known: &PublishedSpec, bytes: &mut [u8], name: &str, value: u64) {
    let index = known.fields.iter().position(|field| *field == name).unwrap();
    bytes[8 + 8 * index..][..8].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn what_a_good_process_publishes_is_its_layout() {
    for free_threaded in [false, true] {
        for (minor, known, headers) in published(free_threaded) {
            let bytes = table(minor, known, free_threaded, headers);
            let read = layout(known, release(minor), BuildFlags::default(), &bytes).unwrap();
            let build = BuildFlags { free_threaded, ..BuildFlags::default() };
            assert_eq!(read, Layout { version: release(minor), build, ..headers.clone() });
        }
    }
}

#[test]
fn a_damaged_field_is_named_with_its_value() {
    let cases = [
        ("free_threaded", 2, "neither 0 nor 1"),
        ("version", 0x030c_01f0, "not the version of the process"),
        ("thread_state.size", 0, "not a possible size"),
        ("runtime_state.size", 1 << 40, "not a possible size"),
        ("interpreter_state.size", u64::MAX, "not a possible size"),
        ("thread_state.current_frame", u64::MAX, "outside its structure"),
        ("thread_state.datastack_chunk", 984, "outside its structure"),
        ("interpreter_frame.previous", 9, "not aligned"),
        ("interpreter_state.imports_modules", 7601, "not aligned"),
        ("interpreter_state.gil_runtime_state", 299_999, "outside its structure"),
        ("interpreter_state.gil_runtime_state", 8, "not around the GIL's fields"),
        ("thread_state.next", 16, "on top of another field"),
    ];
    for (minor, known, headers) in published(false) {
        for (field, value, why) in cases {
            let mut bytes = table(minor, known, false, headers);
            set(known, &mut bytes, field, value);
            match layout(known, release(minor), BuildFlags::default(), &bytes) {
                // An overlap is seen at the later of the two fields.
                Err(LayoutError::Field { field: named, value: said, why: reason }) => {
                    assert_eq!(reason, why, "{field}");
                    assert!((named, said) == (field, value) || why.starts_with("on top"), "{named} {said}");
                }
                other => panic!("3.{minor} {field} = {value}: {other:?}"),
            }
        }
    }
}

#[test]
fn structures_that_a_version_fixes_must_be_its_own() {
    for (minor, known, headers) in published(false) {
        for (field, value, structure) in [
            ("code_object.qualname", 8, "PyCodeObject"),
            ("interpreter_frame.owner", headers.frame.owner.unwrap() as u64 + 1, "_PyInterpreterFrame"),
            ("list_object.ob_item", 32, "an object type"),
        ] {
            let mut bytes = table(minor, known, false, headers);
            set(known, &mut bytes, field, value);
            let error = layout(known, release(minor), BuildFlags::default(), &bytes).unwrap_err();
            assert_eq!(error, LayoutError::Modified { structure, version: release(minor) });
        }
    }
}

#[test]
fn unpublished_fields_are_used_only_between_unmoved_neighbours() {
    let (minor, known, headers) = published(false)[0];
    let mut bytes = table(minor, known, false, headers);
    set(known, &mut bytes, "thread_state.thread_id", 320);
    let thread = layout(known, release(minor), BuildFlags::default(), &bytes).unwrap().thread;
    assert_eq!((thread.thread_id, thread.c_profilefunc, thread.c_tracefunc), (320, None, None));
    assert_eq!(thread.size, 328);
    assert!(headers.thread.c_profilefunc.is_some());
}

#[test]
fn cut_and_foreign_tables_are_refused() {
    let (minor, known, headers) = published(false)[1];
    let bytes = table(minor, known, false, headers);
    let read = |bytes: &[u8]| layout(known, release(minor), BuildFlags::default(), bytes);
    for len in [0, 7, 8, bytes.len() - 1] {
        assert_eq!(read(&bytes[..len]), Err(LayoutError::Short { len, wanted: bytes.len() }));
    }
    assert_eq!(read(&[0; 4096]), Err(LayoutError::Cookie([0; 8])));
}

proptest! {
    #[test]
    fn any_damage_is_an_error_or_a_layout_within_bounds(
        minor in 13u8..=15,
        free_threaded: bool,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u64>(), 0u32..64), 1..8),
    ) {
        let (minor, known, headers) = published(free_threaded)[usize::from(minor) - 13];
        let mut bytes = table(minor, known, free_threaded, headers);
        for (field, value, shift) in damage {
            set(known, &mut bytes, known.fields[field.index(known.fields.len())], value >> shift);
        }
        if let Ok(read) = layout(known, release(minor), BuildFlags::default(), &bytes) {
            prop_assert!(read.thread.size <= MAX_THREAD as usize);
            prop_assert_eq!((read.frame, read.object), (headers.frame, headers.object));
        }
    }
}
