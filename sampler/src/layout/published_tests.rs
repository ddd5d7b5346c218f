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

/// Where `gil_runtime_state` is: behind all other fields that are used.
const GIL_START: usize = 100_000;

/// What a process with the layout of `of` publishes as `field`.
fn value(field: &str, minor: u8, free_threaded: bool, of: &Layout) -> u64 {
    let Some((structure, name)) = field.split_once('.') else {
        return match field {
            "version" => u64::from(u32::from_le_bytes([0xf0, 1, minor, 3])),
            _ => u64::from(free_threaded),
        };
    };
    let offset = match (structure, name) {
        ("runtime_state" | "interpreter_state", "size") => Some(300_000),
        ("code_object", "size") => Some(of.code.size + 8),
        ("gc", "size") => Some(64),
        (_, "size") => Some(1000),
        ("gc", "collecting") => Some(24),
        ("runtime_state", "finalizing") => Some(of.runtime.finalizing),
        ("runtime_state", "interpreters_head") => Some(of.runtime.interpreters_head),
        ("interpreter_state", _) => interpreter_value(name, &of.interpreter),
        ("thread_state", _) => thread_value(name, &of.thread),
        ("interpreter_frame", _) => frame_value(name, &of.frame),
        ("code_object", _) => code_value(name, &of.code),
        _ => object_value(field, &of.object),
    };
    // What is not used does no harm, whatever it is.
    offset.map_or(u64::MAX, |offset| offset as u64)
}

fn interpreter_value(name: &str, of: &InterpreterOffsets) -> Option<usize> {
    let (Field::Interpreter(collecting) | Field::Runtime(collecting)) = of.gc_collecting;
    let (GilPlace::InterpreterPointer(gil) | GilPlace::Runtime(gil)) = of.gil.place;
    match name {
        "id" => Some(of.id),
        "next" => Some(of.next),
        "threads_head" => Some(of.threads_head),
        "threads_main" => of.threads_main,
        "gc" => Some(collecting - 24),
        "imports_modules" => Some(of.modules),
        "ceval_gil" => Some(gil),
        "gil_runtime_state" => Some(GIL_START),
        "gil_runtime_state_locked" => Some(GIL_START + of.gil.locked),
        "gil_runtime_state_holder" => Some(GIL_START + of.gil.last_holder),
        "code_object_generation" => of.code_generation.map(|generation| generation.offset),
        _ => None,
    }
}

fn thread_value(name: &str, of: &ThreadOffsets) -> Option<usize> {
    match (name, of.frame) {
        ("next", _) => Some(of.next),
        ("interp", _) => Some(of.interp),
        ("current_frame", FrameLink::Direct(offset)) => Some(offset),
        ("thread_id", _) => Some(of.thread_id),
        ("native_thread_id", _) => of.native_thread_id,
        ("datastack_chunk", _) => of.datastack_chunk,
        ("gil_requested", _) => of.gil_requested,
        _ => None,
    }
}

fn frame_value(name: &str, of: &FrameOffsets) -> Option<usize> {
    match (name, of.instruction, of.stack_top) {
        ("previous", ..) => Some(of.previous),
        ("executable", ..) => Some(of.code),
        ("instr_ptr", Instruction::Address(offset), _) => Some(offset),
        ("localsplus", ..) => Some(of.localsplus),
        ("owner", ..) => of.owner,
        ("stackpointer", _, Some(StackTop::Pointer(offset))) => Some(offset),
        ("tlbc_index", ..) => of.tlbc_index,
        _ => None,
    }
}

fn code_value(name: &str, of: &CodeOffsets) -> Option<usize> {
    match name {
        "filename" => Some(of.filename),
        "name" => Some(of.name),
        "qualname" => of.qualname,
        "linetable" => Some(of.linetable),
        "firstlineno" => Some(of.firstlineno),
        "argcount" => Some(of.argcount),
        "localsplusnames" => Some(of.localsplusnames),
        "localspluskinds" => of.localspluskinds,
        "co_code_adaptive" => Some(of.size),
        "co_tlbc" => of.tlbc,
        _ => None,
    }
}

fn object_value(field: &str, of: &ObjectOffsets) -> Option<usize> {
    Some(match field {
        "pyobject.ob_type" => of.ob_type,
        "type_object.tp_name" => of.tp_name,
        "type_object.tp_flags" => of.tp_flags,
        "type_object.tp_basicsize" => of.tp_basicsize,
        "type_object.tp_dictoffset" => of.tp_dictoffset,
        "heap_type_object.ht_cached_keys" => of.ht_cached_keys,
        "tuple_object.ob_item" => of.tuple_ob_item,
        "list_object.ob_item" => of.list_ob_item,
        "dict_object.ma_keys" => of.dict.ma_keys,
        "dict_object.ma_values" => of.dict.ma_values,
        "float_object.ob_fval" => of.float_ob_fval,
        "long_object.lv_tag" => of.long.size_or_tag,
        "long_object.ob_digit" => of.long.digits,
        "bytes_object.ob_size" => of.ob_size,
        "bytes_object.ob_sval" => of.bytes_ob_sval,
        "unicode_object.state" => of.unicode.state,
        "unicode_object.length" => of.unicode.length,
        "unicode_object.asciiobject_size" => of.unicode.ascii_size,
        "unicode_object.compactunicodeobject_size" => of.unicode.compact_size,
        _ => return None,
    })
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
fn an_unpublished_generation_is_only_used_where_it_is_known_to_be() {
    let (minor, known, headers) = published(false)[0];
    let bytes = table(minor, known, false, headers);
    let generation = |debug| {
        let build = BuildFlags { debug, ..BuildFlags::default() };
        crate::layout::layout_for(release(minor), build, Some(&bytes)).unwrap().interpreter.code_generation
    };
    assert_eq!(generation(false).is_some(), cfg!(target_arch = "x86_64"));
    assert_eq!(generation(true), None);
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
