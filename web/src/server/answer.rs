//! What requests are answered with.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Shared};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::{Content, Feed, State, guard, lock, stream};
use crate::live::Growing;
use crate::page::Page;

/// The document is brought up to date at most so often, however many ask for it.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);
/// Parts that are kept for other readers who ask for the same.
const KEPT_PARTS: usize = 8;

/// A document as it is served.
#[derive(Clone)]
pub(super) enum Served {
    Fixed(Bytes),
    Live(Arc<Mutex<Hub>>),
}

impl Served {
    pub(super) fn of(content: Content) -> Self {
        match content {
            Content::Fixed(document) => Self::Fixed(document.into()),
            Content::Live(growing, feed) => {
                let hub = Hub { growing, feed, updated: None, parts: Vec::new() };
                Self::Live(Arc::new(Mutex::new(hub)))
            }
        }
    }
}

/// A document that grows, and the parts of it that were made lately.
pub(super) struct Hub {
    growing: Box<Growing>,
    feed: Box<dyn Feed>,
    updated: Option<Instant>,
    /// For readers of which number, up to the newest.
    parts: Vec<(u64, Bytes)>,
}

impl Hub {
    /// What is new since `after`, and the number that it leads to.
    pub(super) fn part(&mut self, after: u64) -> serde_json::Result<(u64, Bytes)> {
        if self.updated.is_none_or(|updated| updated.elapsed() >= INTERVAL) {
            self.feed.update(&mut self.growing);
            self.updated = Some(Instant::now());
            self.parts.clear();
        }
        let number = self.growing.number();
        if let Some((_, part)) = self.parts.iter().find(|(from, _)| *from == after) {
            return Ok((number, part.clone()));
        }
        let part = Bytes::from(self.growing.part(after)?);
        self.parts.truncate(KEPT_PARTS - 1);
        self.parts.push((after, part.clone()));
        Ok((number, part))
    }
}

/// All that can be asked for.
pub(super) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/{token}/", get(page))
        .route("/{token}/api/document", get(document))
        .route("/{token}/api/live", get(live))
        .route("/{token}/api/reset", post(reset))
        .route("/{token}/api/save", post(save))
        .layer(from_fn_with_state(Arc::clone(&state), checked))
        .with_state(state)
}

/// Refuses what is not for us, and says with every answer what a browser may do with it.
async fn checked(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let token = request.uri().path().split('/').nth(1).unwrap_or_default();
    let mut response = match guard::refusal(&state.hosts, &request) {
        Some(status) => status.into_response(),
        None if !state.token.is(token) => StatusCode::NOT_FOUND.into_response(),
        None => next.run(request).await,
    };
    let policy = HeaderValue::from_str(&Page::get().policy_of_server());
    let headers = response.headers_mut();
    let cross_origin = HeaderName::from_static("cross-origin-resource-policy");
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (cross_origin, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(
        CONTENT_SECURITY_POLICY,
        policy.unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'")),
    );
    response
}

async fn page() -> Response {
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], Page::get().served()).into_response()
}

const JSON: (HeaderName, &str) = (CONTENT_TYPE, "application/json");

async fn document(Shared(state): Shared<Arc<State>>) -> Response {
    match &state.content {
        Served::Fixed(document) => ([JSON], document.clone()).into_response(),
        Served::Live(hub) => match lock(hub).part(0) {
            Ok((_, document)) => ([JSON], document).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
    }
}

async fn live(Shared(state): Shared<Arc<State>>, headers: HeaderMap, request: Request) -> Response {
    let Served::Live(hub) = &state.content else { return StatusCode::NOT_FOUND.into_response() };
    let Ok(permit) = Arc::clone(&state.streams).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many pages watch already; close one").into_response();
    };
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let asked = request.uri().query().and_then(|query| query.strip_prefix("after=")?.parse().ok());
    let events = stream::events(Arc::clone(hub), last.or(asked).unwrap_or(0), permit);
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}

async fn reset(Shared(state): Shared<Arc<State>>) -> Response {
    let Served::Live(hub) = &state.content else { return StatusCode::NOT_FOUND.into_response() };
    let mut hub = lock(hub);
    hub.feed.reset();
    // The next part tells of it.
    hub.updated = None;
    StatusCode::NO_CONTENT.into_response()
}

async fn save(Shared(state): Shared<Arc<State>>) -> Response {
    let Served::Live(hub) = &state.content else { return StatusCode::NOT_FOUND.into_response() };
    match lock(hub).feed.save() {
        Ok(recording) => {
            let kind = (CONTENT_TYPE, "application/octet-stream");
            let name = (CONTENT_DISPOSITION, "attachment; filename=\"profile.slowpath\"");
            ([kind, name], recording).into_response()
        }
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the recording could not be written").into_response(),
    }
}
