//! Names of formats on the command line.

use std::path::Path;

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser, ValueParserFactory};
use slowpath_profile::export;
use slowpath_web::Opening;

/// A format that `-o` and `-f` take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// The recording itself.
    Recording,
    /// The page of the browser view in one file, and where it opens.
    Page(Opening),
    /// A format of another tool.
    Export(export::Format),
}

const RECORDING_NAME: &str = "slowpath";
const RECORDING_EXTENSION: &str = ".slowpath";

impl Format {
    /// All formats, the recording first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let own = [Self::Recording, Self::Page(Opening::Findings), Self::Page(Opening::Source)];
        own.into_iter().chain(export::Format::ALL.iter().copied().map(Self::Export))
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Recording => RECORDING_NAME,
            Self::Page(Opening::Findings) => "html",
            Self::Page(Opening::Source) => "heatmap",
            Self::Export(format) => format.name(),
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Recording => "recording, from which every other format can be made",
            Self::Page(Opening::Findings) => {
                "browser view in one file: findings, flame graph, source, time line"
            }
            Self::Page(Opening::Source) => "the same file, opened at the source with its heat",
            Self::Export(format) => format.description(),
        }
    }

    /// The format that the end of a file name stands for.
    pub(crate) fn from_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        if name.ends_with(RECORDING_EXTENSION) {
            return Some(Self::Recording);
        }
        let pages = [Self::Page(Opening::Source), Self::Page(Opening::Findings)];
        let ends = |page: &Self| page.extensions().iter().any(|extension| name.ends_with(extension));
        if let Some(page) = pages.into_iter().find(ends) {
            return Some(page);
        }
        export::Format::from_path(path).map(Self::Export)
    }

    /// File name endings that select it; the first is the usual one.
    fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Recording => &[RECORDING_EXTENSION],
            Self::Page(Opening::Findings) => &[".html", ".htm"],
            Self::Page(Opening::Source) => &[".heatmap.html"],
            Self::Export(format) => format.extensions(),
        }
    }

    /// Whether a terminal would only be confused by it.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self.name(), RECORDING_NAME | "html" | "heatmap" | "pprof" | "pstats")
    }

    /// All formats with their extensions, for `--help`.
    pub(crate) fn help() -> String {
        let line = |format: Self| {
            format!("\n  {:<12} {} [{}]", format.name(), format.description(), format.extensions().join(" "))
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
    /// Page of the later recording with the differences, one file for any browser
    Html,
}

impl DiffFormat {
    /// The format that the end of a file name stands for.
    pub(crate) fn from_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "txt" => Some(Self::Text),
            "svg" => Some(Self::Flamegraph),
            "collapsed" | "folded" => Some(Self::Collapsed),
            "json" => Some(Self::Json),
            "html" | "htm" => Some(Self::Html),
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
            let extension = format.extensions()[0];
            assert!(readme.contains(&format!("| `{}` | `{extension}`", format.name())), "{}", format.name());
        }
    }

    #[test]
    fn every_extension_leads_to_its_format() {
        assert_eq!(Format::from_path(Path::new("a/B.SlowPath")), Some(Format::Recording));
        for format in Format::all() {
            let path = format!("profile{}", format.extensions()[0]);
            assert_eq!(Format::from_path(Path::new(&path)), Some(format), "{path}");
        }
        assert_eq!(Format::from_path(Path::new("profile.docx")), None);
        assert_eq!(Format::from_path(Path::new("-")), None);
    }
}
