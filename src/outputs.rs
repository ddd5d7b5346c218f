//! Files to write: checked before the sampling starts, written when it is over.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use slowpath_profile::export::{ExportError, ExportOptions};
use slowpath_profile::file::{FileError, Writer};
use slowpath_profile::view::{Filter, Filtered};
use slowpath_profile::{Batch, Mark, Source, Stats};
use slowpath_web::Opening;

use crate::args::OutputArgs;
use crate::failure::{Exit, Failure};
use crate::format::Format;
use crate::forms::Forms;
use crate::output::summary;
use crate::progress::WithBar;
use crate::sources::Sources;

/// One file to write, open.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) path: PathBuf,
    place: Place,
    /// Whether something worth keeping is in it.
    kept: bool,
}

#[derive(Debug)]
enum Place {
    Stdout,
    File { file: File, created: bool },
}

/// What was written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) path: PathBuf,
    pub(crate) format: &'static str,
    pub(crate) bytes: u64,
}

impl Output {
    /// Opens a file for writing without touching what it holds; `-` is standard output.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let place = if path == Path::new("-") {
            Place::Stdout
        } else {
            open_file(path).map_err(|error| Failure::output(path, &error))?
        };
        Ok(Self { path: path.to_owned(), place, kept: false })
    }

    /// The file itself, empty, for a writer that streams into it; what is in it stays whatever
    /// happens. `None` for standard output and for pipes, which cannot be read back.
    pub(crate) fn stream(&mut self) -> Option<io::Result<File>> {
        let Place::File { file, .. } = &self.place else { return None };
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return None;
        }
        self.kept = true;
        Some(file.set_len(0).and_then(|()| file.try_clone()))
    }

    /// Replaces the contents by what `write` writes and returns their length.
    pub(crate) fn write<E: From<io::Error>>(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut out = Counting { inner: self.writer()?, count: 0 };
        write(&mut out)?;
        out.flush()?;
        let count = out.count;
        drop(out);
        self.kept = true;
        Ok(count)
    }

    fn writer(&self) -> io::Result<Box<dyn Write>> {
        match &self.place {
            Place::Stdout => Ok(Box::new(BufWriter::new(io::stdout()))),
            Place::File { file, .. } => {
                // A device or a pipe has no length; a regular file must lose its old contents.
                if file.metadata()?.is_file() {
                    file.set_len(0)?;
                }
                Ok(Box::new(BufWriter::with_capacity(1 << 16, file.try_clone()?)))
            }
        }
    }
}

impl Drop for Output {
    /// Leaves nothing behind that looks like a result and is none.
    fn drop(&mut self) {
        if let Place::File { created: true, .. } = self.place
            && !self.kept
        {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn open_file(path: &Path) -> io::Result<Place> {
    match OpenOptions::new().read(true).write(true).create_new(true).open(path) {
        Ok(file) => Ok(Place::File { file, created: true }),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // A recording is read back through the same file. What may only be written, a device or
            // a mailbox, can still take the other formats.
            let file = match OpenOptions::new().read(true).write(true).open(path) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    OpenOptions::new().write(true).open(path)?
                }
                other => other?,
            };
            Ok(Place::File { file, created: false })
        }
        Err(error) => Err(error),
    }
}

struct Counting {
    inner: Box<dyn Write>,
    count: u64,
}

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Everything that was asked for.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    pub(crate) files: Vec<(Output, Format)>,
    /// What formats other than the recording, and the summary, show.
    pub(crate) filter: Filter,
    /// Whether pages show the source.
    pub(crate) with_source: bool,
    stats: Option<Output>,
    /// Forms of findings, where they were asked for.
    pub(crate) forms: Option<Forms>,
}

impl Outputs {
    /// Opens all outputs.
    pub(crate) fn open(args: &OutputArgs) -> Result<Self, Failure> {
        let mut planned: Vec<(&PathBuf, Format)> = Vec::new();
        for path in &args.output {
            let format = format_of(path, args.format)?;
            if planned.iter().any(|(known, _)| *known == path) {
                return Err(same_output_twice(path));
            }
            planned.push((path, format));
        }
        if let Some(path) = args.stats_json.as_ref().filter(|path| args.output.contains(path)) {
            return Err(same_output_twice(path));
        }
        if let (Some(format), []) = (args.format, args.output.as_slice()) {
            return Err(no_output(format));
        }
        let open = |(path, format): (&PathBuf, Format)| Ok((Output::open(path)?, format));
        let files = planned.into_iter().map(open).collect::<Result<_, Failure>>()?;
        let stats = args.stats_json.as_deref().map(Output::open).transpose()?;
        let (filter, with_source) = (args.paths.filter(), !args.no_source);
        Ok(Self { files, filter, with_source, stats, forms: None })
    }

    /// The directory in which a temporary recording is best kept: where there is room for a result.
    pub(crate) fn directory(&self) -> Option<&Path> {
        let files = self.files.iter().filter(|(output, _)| matches!(output.place, Place::File { .. }));
        let parent = files.filter_map(|(output, _)| output.path.parent()).next()?;
        Some(if parent == Path::new("") { Path::new(".") } else { parent })
    }

    /// Writes the counts of the recording, if asked for.
    pub(crate) fn write_stats(&mut self, stats: &Stats) -> Result<(), Failure> {
        let Some(output) = &mut self.stats else { return Ok(()) };
        let path = output.path.clone();
        let written = output.write(|out| {
            serde_json::to_writer_pretty(&mut *out, stats)?;
            writeln!(out)
        });
        written.map(|_| ()).map_err(|error: io::Error| Failure::output(&path, &error))
    }
}

/// Writes one profile in one format. A recording keeps what a filter hides.
pub(crate) fn write(
    output: &mut Output,
    format: Format,
    source: &mut dyn Source,
    filter: &Filter,
    sources: &Sources,
) -> Result<Written, Failure> {
    let mut source = WithBar::new(source, format!("writing {}", output.path.display()));
    write_silently(output, format, &mut source, filter, sources)
}

/// [`write()`] without a word on the terminal.
pub(crate) fn write_silently(
    output: &mut Output,
    format: Format,
    source: &mut dyn Source,
    filter: &Filter,
    sources: &Sources,
) -> Result<Written, Failure> {
    let path = output.path.clone();
    let title = summary::title(source.processes());
    let result = output.write(|out| match format {
        Format::Recording => copy(source, out).map_err(ExportError::from),
        Format::Page(opening) if *filter == Filter::default() => page(source, opening, sources, out),
        Format::Page(opening) => page(&mut Filtered::new(source, filter), opening, sources, out),
        Format::Export(format) => {
            let options = ExportOptions { title, ..ExportOptions::default() };
            if *filter == Filter::default() {
                return format.write(source, &options, out);
            }
            format.write(&mut Filtered::new(source, filter), &options, out)
        }
    });
    let bytes = written(&path, result)?.unwrap_or(0);
    Ok(Written { path, format: format.name(), bytes })
}

fn page(
    source: &mut dyn Source,
    opening: Opening,
    sources: &Sources,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let document = crate::document::of(source, sources)?;
    slowpath_web::write_html(&document, opening, out).map_err(ExportError::Output)
}

/// What came of writing to `path`: how many bytes, `None` if the reader of standard output had enough.
pub(crate) fn written(path: &Path, result: Result<u64, ExportError>) -> Result<Option<u64>, Failure> {
    match result {
        Ok(bytes) => Ok(Some(bytes)),
        // Who reads standard output decides how much of it.
        Err(ExportError::Output(error)) if is_closed_stdout(path, &error) => Ok(None),
        Err(ExportError::Output(error) | ExportError::Source(FileError::Io(error))) => {
            Err(Failure::output(path, &error))
        }
        Err(error) => Err(not_written(path, &error)),
    }
}

/// Writes a recording from a source.
pub(crate) fn copy(source: &mut dyn Source, out: &mut dyn Write) -> Result<(), FileError> {
    /// Samples per batch: enough to compress well, little to hold.
    const BATCH: usize = 1 << 16;
    let mut writer = Writer::new(out, source.meta())?;
    let mut batch = Batch {
        processes: source.processes().to_vec(),
        threads: source.threads().to_vec(),
        evidence: source.evidence().to_vec(),
        ..Batch::default()
    };
    source.tables().take_new(&mut Mark::default(), &mut batch);
    writer.write_batch(&batch)?;
    let mut batch = Batch::default();
    let mut result = Ok(());
    source.for_each_sample(&mut |sample| {
        batch.samples.push(*sample);
        if batch.samples.len() == BATCH && result.is_ok() {
            result = writer.write_batch(&batch);
            batch.samples.clear();
        }
    })?;
    result?;
    writer.write_batch(&batch)?;
    writer.finish(source.stats())
}

fn is_closed_stdout(path: &Path, error: &io::Error) -> bool {
    path == Path::new("-") && error.kind() == io::ErrorKind::BrokenPipe
}

fn not_written(path: &Path, error: &ExportError) -> Failure {
    let what = format!("{} was not written", path.display());
    match error {
        ExportError::Empty => Failure::new(
            Exit::Inconclusive,
            what,
            "the profile has no samples to show",
            "sample for longer, or loosen --mode, --threads, --include or --exclude",
        ),
        error => Failure::new(
            Exit::Output,
            what,
            error.to_string(),
            "keep the recording with -o FILE.slowpath and try another format from it",
        ),
    }
}

fn no_output(format: Format) -> Failure {
    Failure::usage(
        format!("-f {} needs a place to write to", format.name()),
        "standard output belongs to the program; nothing is written there unless asked for",
        "add -o FILE, or -o - for standard output",
    )
}

fn same_output_twice(path: &Path) -> Failure {
    Failure::usage(
        format!("{} is named twice", path.display()),
        "one file cannot hold two outputs",
        "give each -o and --stats-json a file of its own",
    )
}

fn format_of(path: &Path, stated: Option<Format>) -> Result<Format, Failure> {
    let Some(format) = stated.or_else(|| Format::from_path(path)) else {
        return Err(Failure::usage(
            format!("the format of {} is not known", path.display()),
            "no format has this extension",
            format!("add -f with one of: {}", Format::names()),
        ));
    };
    if path == Path::new("-") && format.is_binary() && io::stdout().is_terminal() {
        return Err(Failure::usage(
            format!("{} is not text for a terminal", format.name()),
            "standard output is a terminal",
            "write to a file with -o FILE, or redirect the output",
        ));
    }
    Ok(format)
}
