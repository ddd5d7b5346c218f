//! Whether the dynamic linker will load a library of ours into a program, and whether that can be of use:
//! answered from the program's file, before it is started.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use goblin::elf::Elf;
use thiserror::Error;

/// Largest program that is looked at.
const MAX_PROGRAM: u64 = 256 << 20;
/// Longest first line of a script.
const MAX_SHEBANG: usize = 256;

/// Why a library cannot be loaded into a program, or would be of no use there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unsuited {
    /// It is linked statically: there is no dynamic linker.
    #[error("{0} is linked statically")]
    Static(PathBuf),
    /// It uses another C library.
    #[error("{0} uses the C library musl, the hooks were built for glibc")]
    Musl(PathBuf),
    /// It is for another kind of processor.
    #[error("{0} is for another kind of processor")]
    Foreign(PathBuf),
    /// It runs with more rights than whoever starts it.
    #[error("{0} is set-user-id or set-group-id: the dynamic linker loads nothing into it")]
    Privileged(PathBuf),
    /// It has a Python that is older than 3.12.
    #[error("{0} is Python {1}; the interpreter has had watchers since 3.12")]
    TooOld(PathBuf, String),
    /// It has a Python without a GIL.
    #[error("{0} is a free-threaded Python")]
    FreeThreaded(PathBuf),
    /// It has a Python whose functions nobody else can call.
    #[error("{0} does not export the functions of its Python")]
    NotExported(PathBuf),
}

/// Judges the program that a command starts; `PATH` is searched as the system does. What cannot be told is fine.
pub fn judge(command: &OsStr) -> Result<(), Unsuited> {
    let Some(mut program) = find(command) else { return Ok(()) };
    // A script names its interpreter, `env` is asked for another.
    for _ in 0..2 {
        let Some(next) = shebang(&program) else { break };
        program = next;
    }
    judge_program(&program)
}

fn find(name: &OsStr) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Some(name.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// What `#!` at the beginning of a file names.
fn shebang(path: &Path) -> Option<PathBuf> {
    let mut first = [0; MAX_SHEBANG];
    let len = fs::File::open(path).ok()?.read(&mut first).ok()?;
    let line = first[..len].strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    let program = PathBuf::from(OsStr::from_bytes(words.next()?));
    match program.file_name() == Some(OsStr::new("env")) {
        true => words.find(|word| !word.starts_with(b"-")).and_then(|word| find(OsStr::from_bytes(word))),
        false => Some(program),
    }
}

fn judge_program(path: &Path) -> Result<(), Unsuited> {
    let Ok(facts) = fs::metadata(path) else { return Ok(()) };
    if !facts.is_file() || facts.len() > MAX_PROGRAM {
        return Ok(());
    }
    let Ok(bytes) = fs::read(path) else { return Ok(()) };
    if !bytes.starts_with(b"\x7fELF") {
        return Ok(());
    }
    let own = fs::read("/proc/self/exe").ok();
    let machine =
        |bytes: &[u8]| bytes.get(4..5).into_iter().chain(bytes.get(18..20)).flatten().copied().collect();
    let own: Option<Vec<u8>> = own.as_deref().map(machine);
    if own.is_some_and(|own| own != machine(&bytes)) {
        return Err(Unsuited::Foreign(path.into()));
    }
    if facts.mode() & 0o6000 != 0 {
        return Err(Unsuited::Privileged(path.into()));
    }
    let Ok(elf) = Elf::parse(&bytes) else { return Ok(()) };
    match elf.interpreter {
        None => return Err(Unsuited::Static(path.into())),
        Some(linker) if linker.contains("musl") => return Err(Unsuited::Musl(path.into())),
        Some(_) => {}
    }
    judge_python(path, &elf)
}

/// Judges the Python in a program, if there is one.
fn judge_python(path: &Path, elf: &Elf<'_>) -> Result<(), Unsuited> {
    let library = elf.libraries.iter().find_map(|name| name.strip_prefix("libpython3."));
    if let Some(library) = library {
        let minor: String = library.chars().take_while(char::is_ascii_digit).collect();
        return match minor.parse::<u32>() {
            Ok(minor) if minor < 12 => Err(Unsuited::TooOld(path.into(), format!("3.{minor}"))),
            Ok(_) if library[minor.len()..].starts_with('t') => Err(Unsuited::FreeThreaded(path.into())),
            _ => Ok(()),
        };
    }
    let exports = |wanted: &str| {
        let mut symbols = elf.dynsyms.iter().filter(|symbol| !symbol.is_import());
        symbols.any(|symbol| elf.dynstrtab.get_at(symbol.st_name) == Some(wanted))
    };
    let name = path.canonicalize().ok().and_then(|path| path.file_name().map(OsStr::to_owned));
    let name = name.as_deref().map(OsStr::to_string_lossy).unwrap_or_default();
    if exports("Py_BytesMain") || exports("Py_Main") {
        return match exports("PyDict_AddWatcher") {
            true => Ok(()),
            false => Err(Unsuited::TooOld(path.into(), name.trim_start_matches("python").to_owned())),
        };
    }
    let has_runtime =
        elf.section_headers.iter().any(|it| elf.shdr_strtab.get_at(it.sh_name) == Some(".PyRuntime"));
    if has_runtime { Err(Unsuited::NotExported(path.into())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_lead_to_their_interpreter() {
        let path = std::env::temp_dir().join(format!("slowpath-shebang-{}", std::process::id()));
        let leads = |text: &str| {
            fs::write(&path, text).unwrap();
            shebang(&path)
        };
        let found = ["#!/bin/sh -e\n", "#! /usr/bin/env -S sh -c\n", "\x7fELF", "#!", ""].map(leads);
        fs::remove_file(&path).unwrap();
        assert_eq!(found[0].as_deref(), Some(Path::new("/bin/sh")));
        assert!(found[1].as_ref().is_some_and(|path| path.ends_with("sh")), "{found:?}");
        assert_eq!(found[2..], [None, None, None]);
    }

    #[test]
    fn what_is_not_known_is_fine_and_what_is_foreign_is_not() {
        assert_eq!(judge(OsStr::new("sh")), Ok(()));
        assert_eq!(judge(OsStr::new("no-such-program-anywhere")), Ok(()));
        let mut elf = fs::read("/proc/self/exe").unwrap();
        elf[18] ^= 0x55;
        let path = std::env::temp_dir().join(format!("slowpath-foreign-{}", std::process::id()));
        fs::write(&path, &elf).unwrap();
        let judged = judge(path.as_os_str());
        fs::remove_file(&path).unwrap();
        assert_eq!(judged, Err(Unsuited::Foreign(path)));
    }
}
