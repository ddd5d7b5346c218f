//! Names of formats on the command line.

use std::path::Path;

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser, ValueParserFactory};
use slowpath_profile::export;

/// A format that `-o` and `-f` take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// The recording itself.
    Recording,
    /// A format of another tool.
    Export(export::Format),
}

const RECORDING_NAME: &str = "slowpath";
const RECORDING_EXTENSION: &str = ".slowpath";

impl Format {
    /// All formats, the recording first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::Recording).chain(export::Format::ALL.iter().copied().map(Self::Export))
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Recording => RECORDING_NAME,
            Self::Export(format) => format.name(),
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Recording => "recording, from which every other format can be made",
            Self::Export(format) => format.description(),
        }
    }

    /// The format that the end of a file name stands for.
    pub(crate) fn from_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        if name.ends_with(RECORDING_EXTENSION) {
            return Some(Self::Recording);
        }
        export::Format::from_path(path).map(Self::Export)
    }

    /// Whether a terminal would only be confused by it.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self.name(), RECORDING_NAME | "pprof" | "pstats")
    }

    /// All formats with their extensions, for `--help`.
    pub(crate) fn help() -> String {
        let extensions = |format: Self| match format {
            Self::Recording => RECORDING_EXTENSION.to_owned(),
            Self::Export(format) => format.extensions().join(" "),
        };
        let line = |format: Self| {
            format!("\n  {:<12} {} [{}]", format.name(), format.description(), extensions(format))
        };
        Self::all().map(line).fold("Formats:".to_owned(), |text, line| text + &line)
    }

    /// Names of all formats, for messages.
    pub(crate) fn names() -> String {
        Self::all().map(Self::name).collect::<Vec<_>>().join(", ")
    }
}

impl ValueParserFactory for Format {
    type Parser = clap::builder::ValueParser;

    fn value_parser() -> Self::Parser {
        let known = Self::all().map(|format| PossibleValue::new(format.name()).help(format.description()));
        let parser = PossibleValuesParser::new(known).map(|name| {
            // The parser has just checked that the name is one of them.
            Self::all().find(|format| format.name() == name).unwrap_or(Self::Recording)
        });
        clap::builder::ValueParser::new(parser)
    }
}

/// A format that `diff` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// Table of the functions that changed most
    Text,
    /// Differential flame graph (SVG)
    Flamegraph,
    /// One line per stack with the samples before and after
    Collapsed,
    /// JSON
    Json,
}

impl DiffFormat {
    /// The format that the end of a file name stands for.
    pub(crate) fn from_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "txt" => Some(Self::Text),
            "svg" => Some(Self::Flamegraph),
            "collapsed" | "folded" => Some(Self::Collapsed),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_every_format() {
        let readme = include_str!("../README.md");
        for format in Format::all() {
            let extension = match format {
                Format::Recording => RECORDING_EXTENSION,
                Format::Export(format) => format.extensions()[0],
            };
            assert!(readme.contains(&format!("| `{}` | `{extension}`", format.name())), "{}", format.name());
        }
    }

    #[test]
    fn every_extension_leads_to_its_format() {
        assert_eq!(Format::from_path(Path::new("a/B.SlowPath")), Some(Format::Recording));
        for format in export::Format::ALL {
            let path = format!("profile{}", format.extensions()[0]);
            assert_eq!(Format::from_path(Path::new(&path)), Some(Format::Export(*format)), "{path}");
        }
        assert_eq!(Format::from_path(Path::new("profile.docx")), None);
        assert_eq!(Format::from_path(Path::new("-")), None);
    }
}
