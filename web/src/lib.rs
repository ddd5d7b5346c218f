//! The browser view of slowpath: a page that reads one document, from a file or from a server.
//!
//! ```text
//! Source ──Document──┬─ export: deflate, base64 ──> one HTML file
//!                    └─ server: JSON, then what is new ──> the same page
//! ```
//!
//! Invariants:
//! - every weight in the document is counted by `slowpath_profile::view`; the page adds the integers of
//!   the slots and threads that it is asked for, and draws;
//! - the page is the same code in both cases, and needs nothing from elsewhere: an exported file makes no
//!   request, a served one asks its own server only;
//! - nothing of a target is markup: it travels as data and is shown as text;
//! - nothing waits for a browser.
#![forbid(unsafe_code)]

pub mod document;
mod join;
pub mod live;
mod page;
pub mod server;

pub use document::{Document, Options};
pub use live::Growing;
pub use page::{Opening, write_html};
pub use server::{Content, Feed, Server, Token};
