//! The stream of parts to one page: server-sent events.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use futures_util::stream::{Stream, unfold};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::answer::{Hub, INTERVAL};
use super::lock;

/// After so long without anything new a page is told that there is nothing, so that it knows that we live.
const SILENCE: Duration = Duration::from_secs(1);

struct Reader {
    hub: Arc<Mutex<Hub>>,
    after: u64,
    next: Instant,
    /// Gives the place back when the page has gone.
    _permit: OwnedSemaphorePermit,
}

/// Parts from `after` on. A part is made when the connection can take it: who is slow gets fewer and
/// larger ones.
pub(super) fn events(
    hub: Arc<Mutex<Hub>>,
    after: u64,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = io::Result<Bytes>> {
    let reader = Reader { hub, after, next: Instant::now(), _permit: permit };
    unfold(reader, |mut reader| async move {
        sleep_until(reader.next).await;
        reader.next = Instant::now() + INTERVAL;
        let (number, part) = lock(&reader.hub).part(reader.after).ok()?;
        if number == reader.after {
            reader.next = Instant::now() + SILENCE;
        }
        reader.after = number;
        Some((Ok(event(number, &part)), reader))
    })
}

/// JSON has no line breaks, so that a part is one line.
fn event(number: u64, part: &[u8]) -> Bytes {
    let mut event = Vec::with_capacity(part.len() + 40);
    event.extend_from_slice(format!("id: {number}\ndata: ").as_bytes());
    event.extend_from_slice(part);
    event.extend_from_slice(b"\n\n");
    event.into()
}
