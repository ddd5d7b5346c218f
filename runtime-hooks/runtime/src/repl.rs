//! Line by line: what `python` does at a terminal.

use std::path::PathBuf;

use rustpython_vm::builtins::{PyBaseExceptionRef, PyCode, PyDictRef};
use rustpython_vm::bytecode::CodeFlags;
use rustpython_vm::compiler::{CompileOpts, Mode};
use rustpython_vm::readline::{Readline, ReadlineResult};
use rustpython_vm::scope::Scope;
use rustpython_vm::{AsObject, PyRef, PyResult, VirtualMachine, version};
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use slowpath_runtime_layout::Table;

use crate::publish::RUSTPYTHON;

/// First words of statements that a blank line ends.
const COMPOUND: [&str; 8] = ["async", "class", "def", "for", "if", "try", "while", "with"];

/// Runs what is typed, until the end of the input or `SystemExit`.
pub(crate) fn interact(vm: &VirtualMachine, scope: Scope) -> PyResult<()> {
    if !vm.state.config.settings.quiet {
        eprintln!(
            "Python {}.{}.{} of slowpath ({}) on {}\nCtrl-D ends it.",
            version::MAJOR,
            version::MINOR,
            version::MICRO,
            Table { rustpython: RUSTPYTHON, ..Table::default() }.name(),
            std::env::consts::OS
        );
    }
    let mut lines = Readline::new(Names { vm, globals: scope.globals.clone() });
    let history = history();
    if let Some(path) = &history {
        let _ = lines.load_history(path);
    }
    let result = read_and_run(vm, &scope, &mut lines);
    if let Some(path) = &history {
        let _ = lines.save_history(path);
    }
    result
}

fn read_and_run(vm: &VirtualMachine, scope: &Scope, lines: &mut Readline<Names<'_>>) -> PyResult<()> {
    // What has been typed of a statement so far, and the `from __future__` of those before.
    let (mut text, mut future) = (String::new(), CodeFlags::empty());
    loop {
        let outcome = match lines.readline(&prompt(vm, if text.is_empty() { "ps1" } else { "ps2" })) {
            ReadlineResult::Line(line) => {
                if text.is_empty() && says_nothing(&line) {
                    continue;
                }
                let _ = lines.add_history_entry(line.trim_end());
                text.push_str(&line);
                text.push('\n');
                match compile(vm, &text, &mut future) {
                    Ok(None) => continue,
                    Ok(Some(code)) => vm.run_code_obj(code, scope.clone()).map(drop),
                    Err(error) => Err(error),
                }
            }
            ReadlineResult::Interrupt => {
                Err(vm.new_exception_empty(vm.ctx.exceptions.keyboard_interrupt.to_owned()))
            }
            ReadlineResult::Eof => {
                eprintln!();
                return Ok(());
            }
            ReadlineResult::Io(error) => return Err(vm.new_os_error(error.to_string())),
            ReadlineResult::OsError(error) => return Err(vm.new_os_error(error)),
            ReadlineResult::Other(error) => return Err(vm.new_os_error(error.to_string())),
        };
        text.clear();
        if let Err(error) = outcome {
            if error.fast_isinstance(vm.ctx.exceptions.system_exit) {
                return Err(error);
            }
            vm.print_exception(&error);
        }
        for name in ["stdout", "stderr"] {
            if let Ok(stream) = vm.sys_module.get_attr(name, vm) {
                let _ = vm.call_method(&stream, "flush", ());
            }
        }
    }
}

/// The code of a statement; `None` if more of it may follow.
fn compile(
    vm: &VirtualMachine,
    text: &str,
    future: &mut CodeFlags,
) -> Result<Option<PyRef<PyCode>>, PyBaseExceptionRef> {
    let is_over = text.ends_with("\n\n");
    let options = CompileOpts { future_features: *future, ..vm.compile_opts() };
    match vm.compile_with_opts(text, Mode::Single, "<stdin>", options) {
        Ok(_) if is_compound(text) && !is_over => Ok(None),
        Ok(code) => {
            *future |= code.code.flags & CodeFlags::FUTURE_MASK;
            let _ = vm.register_code_in_linecache(&code, text);
            Ok(Some(code))
        }
        Err(error) => {
            let error = error.into_pyexception_maybe_incomplete(vm, Some(text), true);
            match error.fast_isinstance(vm.ctx.exceptions.incomplete_input_error) {
                // A blank line ends a block, but neither a bracket nor a text of several lines.
                true if !is_over || !is_compound(text) => Ok(None),
                _ => Err(error),
            }
        }
    }
}

fn says_nothing(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// Whether a statement goes on until a blank line.
fn is_compound(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default().trim();
    let word = first.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next();
    first.starts_with('@') || first.ends_with(':') || word.is_some_and(|word| COMPOUND.contains(&word))
}

fn prompt(vm: &VirtualMachine, name: &'static str) -> String {
    let prompt = vm.sys_module.get_attr(name, vm).and_then(|prompt| prompt.str(vm));
    prompt.map_or_else(|_| String::new(), |prompt| prompt.to_string_lossy().into_owned())
}

/// Where `python` keeps it too, under a name of our own.
fn history() -> Option<PathBuf> {
    let named = std::env::var_os("PYTHON_HISTORY").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(std::env::home_dir()?.join(".slowpath_python_history")))
}

/// Completes names and attributes, as `rlcompleter` knows them.
struct Names<'vm> {
    vm: &'vm VirtualMachine,
    globals: PyDictRef,
}

impl Names<'_> {
    fn matches(&self, word: &str) -> PyResult<Vec<String>> {
        let completer = self.vm.import("rlcompleter", 0)?.get_attr("Completer", self.vm)?;
        let completer = completer.call((self.globals.clone(),), self.vm)?;
        let mut found = Vec::new();
        for number in 0..200_usize {
            let next = self.vm.call_method(&completer, "complete", (word.to_owned(), number))?;
            if self.vm.is_none(&next) {
                break;
            }
            found.push(next.str(self.vm)?.to_string_lossy().into_owned());
        }
        Ok(found)
    }
}

impl Helper for Names<'_> {}
impl Highlighter for Names<'_> {}
impl Validator for Names<'_> {}
impl Hinter for Names<'_> {
    type Hint = String;
}

impl Completer for Names<'_> {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line.get(..at).unwrap_or_default();
        let is_name = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '.';
        let start = typed
            .rfind(|letter| !is_name(letter))
            .map_or(0, |at| at + typed[at..].chars().next().map_or(1, char::len_utf8));
        match &typed[start..] {
            // Nothing to complete: an indentation.
            "" => Ok((at, vec!["    ".to_owned()])),
            word => Ok((start, self.matches(word).unwrap_or_default())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_and_comments_say_nothing() {
        assert!(says_nothing("") && says_nothing("  \t") && says_nothing("  # c"));
        assert!(!says_nothing("x # c"));
    }

    #[test]
    fn what_has_a_block_goes_on_until_a_blank_line() {
        for text in ["def f():\n", "for x in y: print(x)\n", "@d\n", "match x:\n", "async def f(): pass\n"] {
            assert!(is_compound(text), "{text}");
        }
        for text in ["x = 1\n", "format(x)\n", "match = 3\n", "iffy\n", "print(\n"] {
            assert!(!is_compound(text), "{text}");
        }
    }
}
