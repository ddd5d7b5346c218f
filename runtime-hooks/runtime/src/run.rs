//! What `python` does with its arguments once the interpreter is there.

use std::io::{IsTerminal, Read};
use std::path::Path;

use rustpython::RunMode;
use rustpython_vm::scope::Scope;
use rustpython_vm::{PyResult, VirtualMachine};

use crate::repl::interact;

/// Runs what was asked for.
pub(crate) fn run(vm: &VirtualMachine, mode: RunMode) -> PyResult<()> {
    let scope = vm.new_scope_with_main()?;
    // As `python`: a broken `site` is no reason not to run.
    let _ = vm.import("warnings", 0);
    let _ = vm.import("site", 0);
    let settings = &vm.state.config.settings;
    let inspect = settings.inspect;
    if settings.faulthandler {
        let _ = vm.run_simple_string("import faulthandler; faulthandler.enable()");
    }
    let result = match mode {
        RunMode::Repl => {
            search_first(vm, String::new())?;
            if std::io::stdin().is_terminal() || settings.interactive {
                return interact(vm, scope);
            }
            standard_input(vm, scope.clone())
        }
        RunMode::Command(command) => {
            search_first(vm, String::new())?;
            vm.run_string(scope.clone(), &command, "<string>").map(drop)
        }
        RunMode::Module(module) => {
            search_first(vm, directory())?;
            vm.run_module(&module)
        }
        RunMode::Script(path) => script(vm, scope.clone(), &path),
        RunMode::InstallPip(_) => Err(vm.new_system_error("the bundled runtime installs no packages")),
    };
    match result {
        Err(error) if inspect => {
            vm.print_exception(&error);
            interact(vm, scope)
        }
        Ok(()) if inspect => interact(vm, scope),
        result => result,
    }
}

/// A program that comes through a pipe or from a file, as a whole.
fn standard_input(vm: &VirtualMachine, scope: Scope) -> PyResult<()> {
    let mut source = String::new();
    if let Err(error) = std::io::stdin().read_to_string(&mut source) {
        eprintln!("slowpath-python: can't read standard input: {error}");
        return Err(vm.new_system_exit(vec![vm.ctx.new_int(2).into()].into()));
    }
    vm.run_string(scope, &source, "<stdin>").map(drop)
}

/// Modules are looked for here before anywhere else.
fn search_first(vm: &VirtualMachine, directory: String) -> PyResult<()> {
    if vm.state.config.settings.safe_path {
        return Ok(());
    }
    vm.insert_sys_path(vm.ctx.new_str(directory).into())
}

fn directory() -> String {
    std::env::current_dir().ok().and_then(|path| path.into_os_string().into_string().ok()).unwrap_or_default()
}

/// A file, or a directory or archive with a `__main__.py`.
fn script(vm: &VirtualMachine, scope: Scope, given: &str) -> PyResult<()> {
    let absolute = Path::new(&directory()).join(given);
    let path = absolute.to_str().unwrap_or(given);
    if let Err(error) = std::fs::metadata(path) {
        let number = error.raw_os_error().unwrap_or(2);
        let words = error.to_string();
        let words = words.split(" (os error").next().unwrap_or_default();
        eprintln!("slowpath-python: can't open file {path:?}: [Errno {number}] {words}");
        return Err(vm.new_system_exit(vec![vm.ctx.new_int(2).into()].into()));
    }
    if absolute.is_dir() || path.ends_with(".zip") || path.ends_with(".pyz") {
        vm.insert_sys_path(vm.ctx.new_str(path).into())?;
        let run = vm.import("runpy", 0)?.get_attr("_run_module_as_main", vm)?;
        return run.call(("__main__", false), vm).map(drop);
    }
    let resolved = absolute.canonicalize().unwrap_or_else(|_| absolute.clone());
    let parent = resolved.parent().and_then(Path::to_str).unwrap_or_default();
    search_first(vm, parent.to_owned())?;
    vm.run_script(scope, path)
}
