//! Lets the linker find libffi, which RustPython's `ctypes` is made of.
//!
//! Most machines have the library and few have the package for developers, whose part in this is a symbolic
//! link. So that link is made here.

use std::env;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the linker looks for.
const NAME: &str = "libffi.so";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if linker_finds_it() {
        return;
    }
    let Some(library) = installed() else {
        println!(
            "cargo::error=libffi is not on this machine. Install it: apt install libffi-dev (or libffi-devel)"
        );
        return;
    };
    let directory = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let link = directory.join(NAME);
    // Of an earlier build, perhaps to a version that is gone.
    let _ = std::fs::remove_file(&link);
    match symlink(&library, &link) {
        Ok(()) => println!("cargo::rustc-link-search=native={}", directory.display()),
        Err(error) => println!("cargo::error=cannot link to {}: {error}", library.display()),
    }
}

/// Compilers print a path for what they find, and the name alone for what they do not.
fn linker_finds_it() -> bool {
    let asked = Command::new("cc").arg(format!("-print-file-name={NAME}")).output();
    asked.is_ok_and(|told| Path::new(String::from_utf8_lossy(&told.stdout).trim()).is_absolute())
}

/// The library that programs load, by the list that the dynamic linker keeps.
fn installed() -> Option<PathBuf> {
    let listed = ["ldconfig", "/sbin/ldconfig"].iter().find_map(|program| {
        let told = Command::new(program).arg("-p").output().ok()?;
        told.status.success().then(|| String::from_utf8_lossy(&told.stdout).into_owned())
    })?;
    let entries = listed.lines().filter(|line| line.trim_start().starts_with(&format!("{NAME}.")));
    let paths = entries.filter_map(|line| line.split("=> ").nth(1)).map(|path| PathBuf::from(path.trim()));
    let known: Vec<PathBuf> = paths.collect();
    // The list names those of other word sizes too; the one beside the compiler's C library is ours.
    let own = c_library().and_then(|path| path.parent().map(Path::to_path_buf));
    known
        .iter()
        .find(|path| path.parent().and_then(|it| it.canonicalize().ok()) == own)
        .or(known.first())
        .cloned()
}

fn c_library() -> Option<PathBuf> {
    let told = Command::new("cc").arg("-print-file-name=libc.so.6").output().ok()?;
    PathBuf::from(String::from_utf8_lossy(&told.stdout).trim()).canonicalize().ok()
}
