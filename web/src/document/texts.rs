//! The texts of source files, as many as a page can carry.

use slowpath_profile::source_text::SourceText;

use super::columns::File;

/// Most bytes of text in one document; what the user wrote goes before libraries.
const MOST_BYTES: usize = 4 << 20;
/// Most files that are looked for.
const MOST_FILES: usize = 2_000;

/// How much has been taken.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Texts {
    bytes: usize,
    files: usize,
}

impl Texts {
    /// Gives files their texts.
    pub(crate) fn fill(&mut self, files: &mut [File], text: &dyn Fn(&str) -> Option<SourceText>) {
        for library in [false, true] {
            let is_source = |file: &&mut File| file.library == library && !file.path.starts_with('<');
            for file in files.iter_mut().filter(is_source) {
                if self.files == MOST_FILES {
                    return;
                }
                self.files += 1;
                let Some(text) = text(&file.path) else { continue };
                let bytes = text.bytes();
                if self.bytes + bytes <= MOST_BYTES {
                    self.bytes += bytes;
                    file.put(text);
                }
            }
        }
    }
}
