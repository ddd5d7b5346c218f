//! Signals: they end the sampling, never the writing of its result.

use std::io;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::exfiltrator::origin::Origin;
use signal_hook::low_level::siginfo::Cause;
use slowpath_sampler::session::StopFlag;

/// The first signal stops the sampling; a second one ends slowpath at once, as it would have.
pub(crate) fn stop_on_signal(stop: &StopFlag) -> io::Result<()> {
    let stop = stop.clone();
    listen(&[SIGINT, SIGTERM, SIGHUP], move |received| {
        if stop.is_stopped() {
            // Restores the default action and raises the signal again; if that fails, sampling is
            // over in any case.
            let _ = signal_hook::low_level::emulate_default_handler(received.signal);
        }
        stop.stop();
    })
}

/// Passes signals on to the program. What the terminal sent (Ctrl-C, Ctrl-\, hang-up) has reached it
/// already, for both are in the foreground process group; passing it on would interrupt it twice.
pub(crate) fn forward_to(program: Pid) -> io::Result<()> {
    listen(&[SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2], move |received| {
        if received.cause == Cause::Kernel {
            return;
        }
        if let Some(signal) = Signal::from_named_raw(received.signal) {
            // The program may have just ended. Its id is not reused before it is waited for.
            let _ = kill_process(program, signal);
        }
    })
}

fn listen(signals: &[i32], mut each: impl FnMut(Origin) + Send + 'static) -> io::Result<()> {
    let mut signals = SignalsInfo::<WithOrigin>::new(signals)?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        for received in &mut signals {
            each(received);
        }
    })?;
    Ok(())
}
