//! Serves the page to browsers of this machine.
//!
//! Whoever sends requests is not trusted. Only who knows the token in the address gets an answer, and
//! only under a name that this server has: a page of another site cannot ask, whatever its name leads to.
//! Everything is bounded: connections, headers, streams, and what a slow reader makes us keep. The server
//! lives in a thread of its own; nothing that samples waits for it.

mod answer;
mod connections;
mod guard;
mod stream;
#[cfg(test)]
mod tests;
mod token;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::{Semaphore, oneshot};

use crate::live::Growing;
pub use token::Token;

/// Most streams of live parts at a time.
const MOST_STREAMS: usize = 64;

/// A profile that grows, and what a page may ask of it. What is asked must not take long.
pub trait Feed: Send {
    /// Brings the document up to date.
    fn update(&mut self, growing: &mut Growing);
    /// Counts anew.
    fn reset(&mut self);
    /// What is kept, as a recording.
    fn save(&mut self) -> io::Result<Vec<u8>>;
}

/// What is served.
pub enum Content {
    /// A document that does not change, as JSON.
    Fixed(Vec<u8>),
    /// One that grows.
    Live(Box<Growing>, Box<dyn Feed>),
}

/// What all requests share.
struct State {
    token: Token,
    hosts: guard::Hosts,
    content: answer::Served,
    streams: Arc<Semaphore>,
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    token: Token,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens, and answers in a thread of its own.
    pub fn start(listen: SocketAddr, token: Token, content: Content) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            token: token.clone(),
            hosts: guard::Hosts::of(address),
            content: answer::Served::of(content),
            streams: Arc::new(Semaphore::new(MOST_STREAMS)),
        });
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("slowpath-web".into()).spawn(move || {
            runtime.block_on(connections::serve(listener, state, stopped));
        })?;
        Ok(Self { address, token, stop: Some(stop), thread: Some(thread) })
    }

    /// What to open in a browser of this machine.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() {
                [127, 0, 0, 1].into()
            } else {
                [0, 0, 0, 0, 0, 0, 0, 1].into()
            });
        }
        format!("http://{address}/{}/", self.token.text())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The thread may have ended by itself.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Takes a lock whoever held it when a thread ended.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
