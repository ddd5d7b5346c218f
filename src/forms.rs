//! Which form of the findings goes where.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::args::{Form, FormArgs};
use crate::failure::Failure;
use crate::outputs::Output;

/// Where a form goes.
#[derive(Debug)]
enum Place {
    File(Output),
    /// Standard output, which is ours alone.
    Stdout,
    /// Standard error, beside the program's output.
    Stderr,
}

impl Place {
    fn is_stdout(&self) -> bool {
        match self {
            Self::Stdout => true,
            Self::File(output) => output.path == Path::new("-"),
            Self::Stderr => false,
        }
    }
}

/// All that is to be written, opened before anything is started.
#[derive(Debug)]
pub(crate) struct Forms(Vec<(Form, Place)>);

impl Forms {
    /// `is_ours`: standard output belongs to no program.
    pub(crate) fn open(args: &FormArgs, is_ours: bool) -> Result<Self, Failure> {
        let planned = plan(&args.format, &args.output)?;
        let mut forms = Vec::new();
        for (form, path) in planned {
            let place = match path {
                Some(path) => Place::File(Output::open(&path)?),
                None if is_ours => Place::Stdout,
                None if form.is_for_terminals() => Place::Stderr,
                None => return Err(no_place(form)),
            };
            forms.push((form, place));
        }
        if forms.iter().filter(|(_, place)| place.is_stdout()).count() > 1 {
            return Err(Failure::usage(
                "two forms would go to standard output",
                "a reader could not tell them apart",
                "give each a file: -f sarif -o findings.sarif",
            ));
        }
        Ok(Self(forms))
    }

    /// Whether the text for people goes anywhere already.
    pub(crate) fn have_text_on_terminal(&self) -> bool {
        self.0.iter().any(|(form, place)| *form == Form::Text && !matches!(place, Place::File(_)))
    }

    /// Whether something else goes to standard output.
    pub(crate) fn use_stdout(&self) -> bool {
        self.0.iter().any(|(_, place)| place.is_stdout())
    }

    /// Whether nothing is to be written anywhere but on the terminal.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes all. The first failure is returned, after everything that could be done was done.
    pub(crate) fn write(
        mut self,
        mut each: impl FnMut(Form, &mut dyn Write) -> io::Result<()>,
    ) -> Result<Vec<(PathBuf, Form)>, Failure> {
        let (mut written, mut failure) = (Vec::new(), None);
        for (form, place) in &mut self.0 {
            let (path, result) = match place {
                Place::File(output) => {
                    (output.path.clone(), output.write(|out| each(*form, out)).map(|_| ()))
                }
                Place::Stdout => (PathBuf::from("-"), each(*form, &mut io::stdout().lock())),
                Place::Stderr => (PathBuf::from("-"), each(*form, &mut io::stderr().lock())),
            };
            match result {
                Ok(()) => written.push((path, *form)),
                // Who reads standard output decides how much of it.
                Err(error) if path == Path::new("-") && error.kind() == io::ErrorKind::BrokenPipe => {}
                Err(error) => {
                    failure.get_or_insert_with(|| Failure::output(&path, &error));
                }
            }
        }
        failure.map_or(Ok(written), Err)
    }
}

/// Brings forms and files together: a file takes the first form left that its name fits, then the form
/// that its name stands for, then the first form left. Forms without a file go to the terminal.
fn plan(formats: &[Form], outputs: &[PathBuf]) -> Result<Vec<(Form, Option<PathBuf>)>, Failure> {
    let mut left: Vec<Form> = Vec::new();
    for format in formats {
        if !left.contains(format) {
            left.push(*format);
        }
    }
    if let (&[format], [output]) = (left.as_slice(), outputs) {
        return Ok(vec![(format, Some(output.clone()))]);
    }
    let mut planned: Vec<(Form, Option<PathBuf>)> = Vec::new();
    for path in outputs {
        if planned.iter().any(|(_, known)| known.as_ref() == Some(path)) {
            return Err(Failure::usage(
                format!("{} is named twice", path.display()),
                "one file cannot hold two outputs",
                "give each -o a file of its own",
            ));
        }
        let fitting = left.iter().position(|form| fits(*form, path));
        let form = match (fitting, of_name(path)) {
            (Some(at), _) => left.remove(at),
            (None, Some(form)) => form,
            (None, None) if !left.is_empty() => left.remove(0),
            (None, None) => return Err(no_form(path)),
        };
        planned.push((form, Some(path.clone())));
    }
    planned.extend(left.into_iter().map(|form| (form, None)));
    Ok(planned)
}

fn fits(form: Form, path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    form.extensions().iter().any(|extension| name.ends_with(extension))
}

/// The form whose own extension the name has.
fn of_name(path: &Path) -> Option<Form> {
    let name = path.to_string_lossy().to_ascii_lowercase();
    let own = |form: &&Form| form.extensions().first().is_some_and(|extension| name.ends_with(extension));
    Form::value_variants().iter().find(own).copied()
}

fn names() -> String {
    Form::value_variants().iter().map(|form| form.name()).collect::<Vec<_>>().join(", ")
}

fn no_form(path: &Path) -> Failure {
    Failure::usage(
        format!("the form of {} is not known", path.display()),
        "no form has this extension",
        format!("add -f with one of: {}", names()),
    )
}

fn no_place(form: Form) -> Failure {
    let name = form.name();
    Failure::usage(
        format!("-f {name} needs a place to write to"),
        "standard output belongs to the program; nothing is written there unless asked for",
        format!("add -o FILE{}, or -o - for standard output", form.extensions().first().unwrap_or(&"")),
    )
}

#[cfg(test)]
mod tests {
    use Form::{Github, Gitlab, Json, Junit, Markdown, Rdjson, Sarif, Text};

    use super::*;

    fn planned(formats: &[Form], outputs: &[&str]) -> Vec<(Form, String)> {
        let outputs: Vec<PathBuf> = outputs.iter().map(PathBuf::from).collect();
        let plan = plan(formats, &outputs).expect("a plan");
        let path = |path: Option<PathBuf>| path.map_or("terminal".into(), |it| it.display().to_string());
        plan.into_iter().map(|(form, to)| (form, path(to))).collect()
    }

    #[test]
    fn forms_and_files_find_each_other() {
        let wanted = |list: &[(Form, &str)]| {
            list.iter().map(|(form, to)| (*form, (*to).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(planned(&[], &[]), wanted(&[]));
        assert_eq!(planned(&[], &["a.sarif", "a.json"]), wanted(&[(Sarif, "a.sarif"), (Json, "a.json")]));
        // One of each belong together, whatever the name.
        assert_eq!(planned(&[Sarif], &["a.txt"]), wanted(&[(Sarif, "a.txt")]));
        assert_eq!(planned(&[Gitlab], &["gl.json"]), wanted(&[(Gitlab, "gl.json")]));
        // The order of -f and -o does not matter where names tell.
        let all = wanted(&[(Sarif, "a.sarif"), (Junit, "a.xml"), (Github, "terminal")]);
        assert_eq!(planned(&[Github, Junit, Sarif], &["a.sarif", "a.xml"]), all);
        // Names that fit several take them in order.
        let two = wanted(&[(Gitlab, "gl.json"), (Json, "all.json")]);
        assert_eq!(planned(&[Gitlab, Json], &["gl.json", "all.json"]), two);
        let summary = wanted(&[(Markdown, "/tmp/step_summary"), (Github, "terminal")]);
        assert_eq!(planned(&[Markdown, Github], &["/tmp/step_summary"]), summary);
        assert_eq!(planned(&[Text, Text], &[]), wanted(&[(Text, "terminal")]));
        assert_eq!(planned(&[], &["x.rdjson"]), wanted(&[(Rdjson, "x.rdjson")]));
    }

    #[test]
    fn what_cannot_be_planned_is_said() {
        let fails = |formats: &[Form], outputs: &[&str]| {
            let outputs: Vec<PathBuf> = outputs.iter().map(PathBuf::from).collect();
            plan(formats, &outputs).expect_err("no plan").what
        };
        assert!(fails(&[], &["a.svg"]).contains("a.svg"));
        assert!(fails(&[], &["a.json", "a.json"]).contains("twice"));
        let open = |format: &[Form], is_ours| {
            let args = FormArgs { format: format.to_vec(), output: Vec::new() };
            Forms::open(&args, is_ours).map_err(|failure| failure.what)
        };
        assert!(open(&[Sarif], false).is_err_and(|what| what.contains("-f sarif needs a place")));
        assert!(open(&[Sarif, Json], true).is_err_and(|what| what.contains("standard output")));
        assert!(open(&[Github, Text], false).is_ok());
    }
}
