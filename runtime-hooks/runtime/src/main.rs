//! `slowpath-python`: the Python that comes with slowpath.
//!
//! It is RustPython with its standard library inside, run as `python` is run: a script, `-c`, `-m`, or
//! line by line. Besides, it publishes where a reader outside finds its threads, frames and code.

mod publish;
mod repl;
mod run;

use std::process::ExitCode;

use rustpython::{InterpreterBuilder, InterpreterBuilderExt, parse_opts};

fn main() -> ExitCode {
    let (settings, mode) = match parse_opts() {
        Ok(parsed) => parsed,
        Err(error) => {
            eprintln!("slowpath-python: {error}\nTry: slowpath-python --help");
            return ExitCode::from(2);
        }
    };
    let interpreter = InterpreterBuilder::new().settings(settings).init_stdlib().interpreter();
    let code = interpreter.run(|vm| {
        publish::publish(vm);
        run::run(vm, mode)
    });
    rustpython_vm::host_env::os::exit_code(code)
}
