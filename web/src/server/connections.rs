//! Connections: how many, how long, how large.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::sleep;

use super::{State, answer};

/// Most connections at a time; others wait in the queue of the system.
const MOST_CONNECTIONS: usize = 256;
/// A request must be there in full within this time.
const HEADER_TIME: Duration = Duration::from_secs(5);
/// Most bytes of a request.
const MOST_HEADER_BYTES: usize = 16 * 1024;
/// Most headers of a request.
const MOST_HEADERS: usize = 64;
/// A page that takes nothing for so long has gone.
const STALL_MS: u32 = 60_000;
/// When no connection can be taken, it is tried again after this.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is stopped.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>, mut stopped: oneshot::Receiver<()>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let service = TowerToHyperService::new(answer::router(state));
    let accept = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, for now.
                sleep(PAUSE).await;
                continue;
            };
            // Without it a connection that stalls is only given up later.
            let _ = set_tcp_user_timeout(&stream, STALL_MS);
            let service = service.clone();
            tokio::spawn(async move {
                // A browser that goes away is no error.
                let _ = connection(stream, service).await;
                drop(place);
            });
        }
    };
    let accept = std::pin::pin!(accept);
    let stopped = std::pin::pin!(&mut stopped);
    futures_util::future::select(accept, stopped).await;
}

async fn connection(
    stream: TcpStream,
    service: TowerToHyperService<axum::Router>,
) -> Result<(), hyper::Error> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(MOST_HEADER_BYTES)
        .max_headers(MOST_HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}
