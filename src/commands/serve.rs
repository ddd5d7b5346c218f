//! `slowpath serve FILE|PID|-- CMD`: the browser view.

mod session;

use std::env;
use std::io;
use std::path::Path;
use std::time::Duration;

use slowpath_sampler::session::{StopFlag, Target};
use slowpath_web::{Content, Server, Token};

use self::session::Session;
use super::attach::no_signals;
use super::run;
use crate::args::{Global, ServeArgs};
use crate::document;
use crate::failure::{Exit, Failure, reason};
use crate::output::tell;
use crate::output::text::Style;
use crate::program::Program;
use crate::recording::{open_telling, unreadable};
use crate::signals;
use crate::sources::Sources;

/// Between two looks at whether to end.
const LOOK: Duration = Duration::from_millis(100);
/// Holds the token, where the address must be known before.
const TOKEN_VARIABLE: &str = "SLOWPATH_TOKEN";

pub(super) fn execute(args: ServeArgs, global: Global) -> Result<u8, Failure> {
    if !args.listen.ip().is_loopback() && !args.yes_expose {
        return Err(exposed(&args));
    }
    let token = token()?;
    let stop = StopFlag::default();
    let pid = args.target.as_ref().and_then(|target| match target.parse::<u32>() {
        Ok(pid) if pid > 0 && !Path::new(target).exists() => Some(pid),
        _ => None,
    });
    match (&args.target, pid) {
        (Some(file), None) => {
            let content = recorded(Path::new(file), args.no_source, global)?;
            listen_to_signals(&stop)?;
            let _server = start(&args, token, content, global)?;
            wait(&stop, || false);
            Ok(0)
        }
        (_, Some(pid)) => {
            let target = Target::attach(pid, super::PATIENCE)?;
            listen_to_signals(&stop)?;
            watch(target, &args, token, &stop, global, || false)?;
            Ok(0)
        }
        (None, None) => program(&args, token, &stop, global),
    }
}

fn recorded(path: &Path, no_source: bool, global: Global) -> Result<Content, Failure> {
    let mut source = open_telling(path, Style::of_stderr(global))?;
    let sources = Sources::Here.if_wanted(!no_source);
    let document = document::of(&mut source, &sources).map_err(|error| unreadable(Some(path), &error))?;
    let json = serde_json::to_vec(&document).map_err(|error| {
        Failure::new(
            Exit::Output,
            "the page was not made",
            error.to_string(),
            "try: slowpath report FILE -o out.html",
        )
    })?;
    Ok(Content::Fixed(json))
}

/// Starts a program and serves its profile, also when it has ended. It does not outlive the view.
fn program(args: &ServeArgs, token: Token, stop: &StopFlag, global: Global) -> Result<u8, Failure> {
    let mut program = Program::start(&args.command)?;
    let served = run::attach(&program, args.sampling.children).and_then(|target| {
        let target = target.ok_or_else(too_short)?;
        listen_to_signals(stop)?;
        watch(target, args, token, stop, global, || program.has_ended())
    });
    let was_running = program.ask_to_end();
    let pid = program.id();
    let code = program.wait().map_err(|error| run::lost(pid, &error));
    served?;
    Ok(if was_running { 0 } else { u8::try_from(code?).unwrap_or(1) })
}

/// Samples and serves until it is stopped.
fn watch(
    target: Target,
    args: &ServeArgs,
    token: Token,
    stop: &StopFlag,
    global: Global,
    has_ended: impl Fn() -> bool,
) -> Result<(), Failure> {
    let options = super::sampling(&args.sampling, &target)?;
    let session = Session::start(target, &options, !args.no_source);
    let (session, content) = session.map_err(|error| no_thread(&error))?;
    let server = start(args, token, content, global)?;
    let mut is_told = false;
    wait(stop, || {
        if (session.has_ended() || has_ended()) && !is_told {
            is_told = true;
            if !global.quiet {
                tell("slowpath: the process has ended; the page stays until Ctrl-C\n");
            }
        }
        false
    });
    drop(server);
    session.stop();
    Ok(())
}

fn wait(stop: &StopFlag, mut is_over: impl FnMut() -> bool) {
    while !stop.is_stopped() && !is_over() {
        std::thread::sleep(LOOK);
    }
}

fn start(args: &ServeArgs, token: Token, content: Content, global: Global) -> Result<Server, Failure> {
    let server = Server::start(args.listen, token, content).map_err(|error| {
        let what = format!("cannot listen on {}", args.listen);
        Failure::new(Exit::Output, what, reason(&error), "take another port, or any: --listen 127.0.0.1:0")
    })?;
    let style = Style::of_stderr(global);
    if !args.listen.ip().is_loopback() {
        let warning = "other machines reach this address, and what they read is not encrypted: whoever learns \
                       the link sees source and profile";
        tell(&format!("{} {warning}\n", style.warn("slowpath:")));
    }
    // The address is what was asked for: it is told even to who wants quiet.
    tell(&format!("{} open {}\n", style.strong("slowpath:"), server.url()));
    if !global.quiet {
        tell("slowpath: Ctrl-C ends it\n");
    }
    Ok(server)
}

fn token() -> Result<Token, Failure> {
    match env::var(TOKEN_VARIABLE) {
        Ok(text) => Token::given(&text).ok_or_else(|| {
            Failure::usage(
                format!("{TOKEN_VARIABLE} is no token"),
                "a token is 32 to 128 letters and digits",
                format!("unset {TOKEN_VARIABLE}, and one is made up"),
            )
        }),
        Err(_) => Token::random().map_err(|error| {
            Failure::new(Exit::Output, "no secret can be made up", reason(&error), "try again")
        }),
    }
}

fn listen_to_signals(stop: &StopFlag) -> Result<(), Failure> {
    signals::stop_on_signal(stop).map_err(|error| no_signals(&error))
}

fn exposed(args: &ServeArgs) -> Failure {
    Failure::usage(
        format!("{} is reached by other machines", args.listen.ip()),
        "whoever learns the link would see source and profile, and nothing is encrypted",
        "listen on 127.0.0.1 and forward the port with ssh -L, or add --yes-expose",
    )
}

fn too_short() -> Failure {
    Failure::new(
        Exit::Inconclusive,
        "there was nothing to watch",
        "the program ended before it could be read",
        "serve a program that runs for longer, or profile it with: slowpath run -o out.html -- CMD",
    )
}

fn no_thread(error: &io::Error) -> Failure {
    let fix = "raise the limit of processes: ulimit -u";
    Failure::new(Exit::CannotAttach, "cannot start a thread to sample on", reason(error), fix)
}
