//! How slowpath tells the hooks where to write: through the environment of the program that it starts, which
//! the hooks put back as it was.

use std::ffi::{CStr, OsStr, OsString};
use std::path::Path;

/// The variable that has the directory for the files.
pub const VARIABLE: &str = "SLOWPATH_EXACT";
/// The attribute of `sys` that has it for a moment in a process that is attached to.
pub const ATTRIBUTE: &CStr = c"_slowpath_exact";
/// The dynamic linker's list of libraries to load first.
pub const PRELOAD: &str = "LD_PRELOAD";

/// Variables for a program that is to be watched, `preload` being what it would have had.
///
/// With `children`, forked children write files of their own; otherwise they are not watched. `None` if the
/// path of the library cannot be written into the list.
pub fn variables(
    library: &Path,
    directory: &Path,
    children: bool,
    preload: Option<&OsStr>,
) -> Option<[(&'static str, OsString); 2]> {
    let is_separator = |byte: &u8| matches!(byte, b':' | b' ');
    if library.as_os_str().as_encoded_bytes().iter().any(is_separator) {
        return None;
    }
    let mut list = library.as_os_str().to_owned();
    if let Some(preload) = preload {
        list.push(":");
        list.push(preload);
    }
    let mut told = OsString::from(if children { "c" } else { "" });
    told.push(if preload.is_some() { "p:" } else { ":" });
    told.push(directory);
    Some([(PRELOAD, list), (VARIABLE, told)])
}

/// What [`variables`] told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told<'a> {
    /// Where files go.
    pub directory: &'a [u8],
    /// Whether forked children write theirs.
    pub children: bool,
    /// Whether [`PRELOAD`] was set before.
    pub had_preload: bool,
}

/// Reads [`VARIABLE`].
pub fn told(value: &[u8]) -> Option<Told<'_>> {
    let colon = value.iter().position(|byte| *byte == b':')?;
    let (flags, directory) = (&value[..colon], &value[colon + 1..]);
    let known = flags.iter().all(|flag| matches!(flag, b'c' | b'p'));
    (known && directory.first() == Some(&b'/')).then(|| Told {
        directory,
        children: flags.contains(&b'c'),
        had_preload: flags.contains(&b'p'),
    })
}

/// The list of [`PRELOAD`] without one library; `None` if nothing is to be left of the variable.
pub fn without<'a>(list: &'a [u8], library: &[u8], had_preload: bool) -> Option<std::borrow::Cow<'a, [u8]>> {
    if let Some(rest) = list.strip_prefix(library) {
        match rest.split_first() {
            None => return had_preload.then_some((&[][..]).into()),
            Some((b':' | b' ', rest)) if had_preload => return Some(rest.into()),
            Some(_) => {}
        }
    }
    // A wrapper has put something before it.
    let parts = list.split(|byte| matches!(byte, b':' | b' '));
    let kept: Vec<&[u8]> = parts.filter(|part| !part.is_empty() && *part != library).collect();
    (had_preload || !kept.is_empty()).then(|| kept.join(&b':').into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: &str = "/usr/lib/libslowpath_hooks.so";

    fn round_trip(preload: Option<&str>) -> Option<String> {
        let preload = preload.map(OsStr::new);
        let [(_, list), (_, value)] =
            variables(Path::new(LIBRARY), Path::new("/dev/shm/x:y"), true, preload).expect("a plain path");
        let told = told(value.as_encoded_bytes()).expect("its own words");
        assert_eq!((told.directory, told.children), (&b"/dev/shm/x:y"[..], true));
        let left = without(list.as_encoded_bytes(), LIBRARY.as_bytes(), told.had_preload);
        left.map(|left| String::from_utf8(left.into_owned()).expect("text"))
    }

    #[test]
    fn the_list_is_put_back_as_it_was() {
        for preload in [None, Some(""), Some("libjemalloc.so"), Some("a.so b.so::c.so")] {
            assert_eq!(round_trip(preload).as_deref(), preload);
        }
    }

    #[test]
    fn what_a_wrapper_added_stays() {
        let list = format!("/usr/lib/wrapper.so:{LIBRARY}");
        let left = without(list.as_bytes(), LIBRARY.as_bytes(), false).expect("the wrapper's library");
        assert_eq!(&*left, b"/usr/lib/wrapper.so");
    }

    #[test]
    fn odd_paths_and_values_are_refused() {
        assert_eq!(variables(Path::new("/a b/x.so"), Path::new("/tmp"), false, None), None);
        for value in [&b""[..], b"/dev/shm", b"x:/dev/shm", b"c:relative", b":"] {
            assert_eq!(told(value), None, "{value:?}");
        }
    }
}
