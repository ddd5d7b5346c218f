//! Where the batches of a session go, and how they are read back.
//!
//! A session is always recorded: into the `.slowpath` file that was asked for, or into a temporary
//! one without a name, which the system removes however slowpath ends. Other formats are made from it.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use slowpath_profile::file::{self, FileError, Writer};
use slowpath_profile::{Batch, Meta, Stats};
use slowpath_sampler::session::BatchSink;

use crate::failure::{Exit, Failure};
use crate::format::Format;
use crate::output::tell;
use crate::output::text::{Style, escaped};
use crate::outputs::Outputs;

/// A recording that is being made.
pub(crate) struct Recording {
    writer: Arc<Mutex<Writer<File>>>,
    /// The same open file, to read it back.
    file: File,
    /// Where it is kept; `None` for a temporary one.
    path: Option<PathBuf>,
}

struct Sink(Arc<Mutex<Writer<File>>>);

impl BatchSink for Sink {
    fn batch(&mut self, batch: Batch) -> io::Result<()> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_batch(&batch).map_err(into_io)
    }
}

fn into_io(error: FileError) -> io::Error {
    match error {
        FileError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

impl Recording {
    /// Begins the recording in the first output that asks for one, else in a temporary file.
    pub(crate) fn create(outputs: &mut Outputs, meta: &Meta) -> Result<Self, Failure> {
        let wanted = outputs.files.iter_mut().filter(|(_, format)| *format == Format::Recording);
        let streamed = wanted.map(|(output, _)| output).find_map(|output| {
            let path = output.path.clone();
            output.stream().map(|file| (path, file))
        });
        let (path, file) = match streamed {
            Some((path, file)) => {
                let file = file.map_err(|error| Failure::output(&path, &error))?;
                (Some(path), file)
            }
            None => (None, temporary(outputs.directory())?),
        };
        let begin = file.try_clone().map_err(FileError::Io).and_then(|file| Writer::new(file, meta));
        let writer = begin.map_err(|error| ends_early(path.as_deref(), &into_io(error)))?;
        Ok(Self { writer: Arc::new(Mutex::new(writer)), file, path })
    }

    /// Takes the batches of a session.
    pub(crate) fn sink(&self) -> Box<dyn BatchSink> {
        Box::new(Sink(Arc::clone(&self.writer)))
    }

    /// Where it is kept; `None` for a temporary one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Ends the recording and opens it for reading. `stats.bytes_written` is set if it is kept.
    pub(crate) fn finish(self, stats: &mut Stats) -> Result<file::Recording, Failure> {
        let path = self.path.as_deref();
        {
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            if path.is_some() {
                stats.bytes_written = writer.bytes_written();
            }
            match writer.finish(stats) {
                // The session has reported the error that closed it.
                Ok(()) | Err(FileError::Closed) => {}
                Err(error) => return Err(ends_early(path, &into_io(error))),
            }
        }
        file::Recording::from_reader(BufReader::with_capacity(1 << 18, self.file))
            .map_err(|error| unreadable(path, &error))
    }
}

/// A file without a name, where there is most likely room for it.
fn temporary(beside: Option<&Path>) -> Result<File, Failure> {
    let place = beside.map(tempfile::tempfile_in).and_then(Result::ok);
    place.map_or_else(tempfile::tempfile, Ok).map_err(|error| ends_early(None, &error))
}

/// Opens a recording that was made before. What is left of a damaged one is worth reading: that some
/// is lost is said, and is not an error.
pub(crate) fn open_telling(path: &Path, style: Style) -> Result<file::Recording, Failure> {
    let recording = file::Recording::open(path).map_err(|error| unreadable(Some(path), &error))?;
    if let Some(damage) = recording.damage() {
        let name = path.display().to_string();
        tell(&format!("{} {}: {}\n", style.warn("slowpath:"), escaped(&name), escaped(&damage.to_string())));
    }
    Ok(recording)
}

/// A recording that could not be written to its end.
pub(crate) fn ends_early(path: Option<&Path>, error: &io::Error) -> Failure {
    let mut failure = Failure::output(path.unwrap_or(Path::new("")), error);
    match path {
        Some(path) => failure.what = format!("the recording {} ends early", path.display()),
        None => {
            failure.what = "the temporary recording ends early".into();
            failure.fix = "free some space, or set TMPDIR to a directory with more".into();
        }
    }
    failure
}

/// A recording that cannot be opened or is none; `None` for a temporary one.
pub(crate) fn unreadable(path: Option<&Path>, error: &FileError) -> Failure {
    let exit = match error {
        FileError::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => Exit::Permission,
        _ => Exit::Usage,
    };
    let what = match path {
        Some(path) => format!("cannot read {}", path.display()),
        None => "the temporary recording cannot be read back".into(),
    };
    match error {
        FileError::Io(error) => {
            Failure::new(exit, what, crate::failure::reason(error), "check the path and its permissions")
        }
        error => Failure::new(exit, what, error.what(), error.fix()),
    }
}
