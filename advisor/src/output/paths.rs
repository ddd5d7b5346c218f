//! Paths as other tools want them: relative to the repository where they lie in it.

/// Where paths are relative to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// Working directory, absolute and without a slash at its end: what relative names start from.
    working_directory: String,
    /// Root of the repository, in the same form; `None` if there is none: then only relative names
    /// are taken to lie in it.
    root: Option<String>,
}

/// A path as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Relative to the root if it lies in it, else as it was recorded.
    pub(super) path: String,
    /// Whether it lies in the root.
    pub(super) is_inside: bool,
}

impl Paths {
    /// Both absolute; the root is the working directory or one of its parents.
    pub fn new(working_directory: &str, root: &str) -> Self {
        Self { working_directory: normal(working_directory), root: Some(normal(root)) }
    }

    /// The absolute form of a name in a profile. A relative one is taken from the working directory.
    pub fn absolute(&self, file: &str) -> String {
        if file.starts_with('/') {
            normal(file)
        } else {
            normal(&format!("{}/{file}", self.working_directory))
        }
    }

    /// Whether the name is that of a file in the root.
    pub fn is_inside(&self, file: &str) -> bool {
        self.show(file).is_inside
    }

    /// The name relative to the root where it lies in it, else as it was recorded.
    pub fn relative(&self, file: &str) -> String {
        self.show(file).path
    }

    pub(super) fn show(&self, file: &str) -> Shown {
        let outside = || Shown { path: file.to_owned(), is_inside: false };
        if !is_file(file) {
            return outside();
        }
        let root = match &self.root {
            Some(root) => root.as_str(),
            None if file.starts_with('/') => return outside(),
            None => "",
        };
        let absolute = self.absolute(file);
        let below = absolute.strip_prefix(root).and_then(|rest| rest.strip_prefix('/'));
        match below {
            Some(rest) if !rest.is_empty() => Shown { path: rest.to_owned(), is_inside: true },
            _ => outside(),
        }
    }
}

/// Whether a `co_filename` names a file: `<string>` and `<frozen …>` do not.
pub(super) fn is_file(file: &str) -> bool {
    let is_invented = file.starts_with('<') && file.ends_with('>');
    !file.is_empty() && !is_invented
}

/// Without `.`, `..` and doubled slashes, and without a slash at the end. Links are not followed: the
/// file may be on another machine.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.iter().fold(String::new(), |path, part| path + "/" + part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_the_repository_is_relative_to_it() {
        let paths = Paths::new("/src/shop/tests", "/src/shop/");
        for (file, shown, inside) in [
            ("/src/shop/models.py", "models.py", true),
            ("/src/shop//a/./b/../models.py", "a/models.py", true),
            ("test_models.py", "tests/test_models.py", true),
            ("../models.py", "models.py", true),
            ("../../other.py", "../../other.py", false),
            ("/src/shopping/models.py", "/src/shopping/models.py", false),
            ("/usr/lib/python3.13/json/decoder.py", "/usr/lib/python3.13/json/decoder.py", false),
            ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>", false),
            ("<string>", "<string>", false),
            ("", "", false),
            ("/src/shop", "/src/shop", false),
        ] {
            assert_eq!(paths.show(file), Shown { path: shown.into(), is_inside: inside }, "{file}");
        }
    }

    #[test]
    fn without_a_root_nothing_that_is_absolute_lies_in_it() {
        let paths = Paths::default();
        assert!(!paths.is_inside("/etc/passwd"));
        assert_eq!(paths.relative("shop/models.py"), "shop/models.py");
        assert_eq!(Paths::new("/", "/").relative("/srv/app.py"), "srv/app.py");
    }
}
