//! The page: its parts joined into one HTML, alone or with a document in it.

use std::io::{self, Write};
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use sha2::{Digest, Sha256};

use crate::document::Document;
use crate::join::{Modules, join};

const MODULES: Modules<'static> = include!(concat!(env!("OUT_DIR"), "/modules.rs"));
const SHELL: &str = include_str!("../page/index.html");
const STYLE: &str = include_str!("../page/style.css");

/// What the shell has in place of what is put in: it works as it is, too, where files may be asked for.
const STYLE_LINK: &str = r#"<link rel="stylesheet" href="style.css">"#;
const SCRIPT_LINK: &str = r#"<script type="module" src="main.js"></script>"#;
const POLICY_PLACE: &str = "<!-- policy -->";
const DOCUMENT_PLACE: &str = r#"<script type="application/octet-stream" id="document"></script>"#;

/// Where the page stands when nothing else is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Opening {
    /// What is slow and why.
    #[default]
    Findings,
    /// The source with its weights.
    Source,
}

impl Opening {
    fn word(self) -> &'static str {
        match self {
            Self::Findings => "findings",
            Self::Source => "source",
        }
    }
}

/// The page up to where the document stands, from there on, and what it may do.
#[derive(Debug)]
pub(crate) struct Page {
    head: String,
    tail: String,
    /// Sources of script and style for a policy.
    hashes: String,
}

impl Page {
    /// The page of this build.
    pub(crate) fn get() -> &'static Self {
        static PAGE: OnceLock<Page> = OnceLock::new();
        // Tests join the same modules; what cannot be joined does not get here.
        PAGE.get_or_init(|| Self::assemble(MODULES).unwrap_or_else(|error| panic!("{error}")))
    }

    fn assemble(modules: Modules<'_>) -> Result<Self, String> {
        let script = join(modules, "main.js")?;
        let hashes = format!("script-src '{}'; style-src '{}'", hash(&script), hash(STYLE));
        let html = put(SHELL, STYLE_LINK, &format!("<style>{STYLE}</style>"))?;
        let html = put(&html, SCRIPT_LINK, &format!("<script type=\"module\">{script}</script>"))?;
        let (head, tail) = html.split_once(DOCUMENT_PLACE).ok_or("the shell has no place for a document")?;
        if !head.contains(POLICY_PLACE) {
            return Err("the shell has no place for a policy".into());
        }
        Ok(Self { head: head.into(), tail: tail.into(), hashes })
    }

    /// The policy of a page that is a file: it loads nothing.
    fn policy_of_file(&self) -> String {
        format!("default-src 'none'; {}; base-uri 'none'; form-action 'none'", self.hashes)
    }

    /// The policy of a page that a server gives: it asks that server and nobody else.
    pub(crate) fn policy_of_server(&self) -> String {
        let own = "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        format!("default-src 'none'; {}; {own}", self.hashes)
    }

    /// The page that asks for its document. Its policy is in the answer's head.
    pub(crate) fn served(&self) -> String {
        let head = self.head.replacen(POLICY_PLACE, "", 1);
        let kind = r#"type="application/octet-stream" id="document""#;
        let tail = &self.tail;
        format!(r#"{head}<script {kind} data-from="api/document" data-tab="findings"></script>{tail}"#)
    }

    fn head(&self, policy: &str) -> String {
        let meta = format!(r#"<meta http-equiv="Content-Security-Policy" content="{policy}">"#);
        self.head.replacen(POLICY_PLACE, &meta, 1)
    }
}

fn put(html: &str, place: &str, text: &str) -> Result<String, String> {
    let (before, after) = html.split_once(place).ok_or_else(|| format!("the shell has no {place}"))?;
    Ok(format!("{before}{text}{after}"))
}

/// A hash as policies write it.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// Writes the page with the document in it, as one file that asks for nothing.
pub fn write_html(document: &Document, opening: Opening, out: &mut dyn Write) -> io::Result<()> {
    let page = Page::get();
    out.write_all(page.head(&page.policy_of_file()).as_bytes())?;
    // A comparison is opened for what differs.
    let tab = if document.is_comparison() { "diff" } else { opening.word() };
    write!(out, r#"<script type="application/octet-stream" id="document" data-tab="{tab}">"#)?;
    let mut encoder = EncoderWriter::new(&mut *out, &STANDARD);
    let mut deflate = DeflateEncoder::new(&mut encoder, Compression::new(7));
    serde_json::to_writer(&mut deflate, document)?;
    deflate.finish()?;
    encoder.finish()?;
    drop(encoder);
    out.write_all(b"</script>")?;
    out.write_all(page.tail.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Most bytes of the page without a document.
    const MOST_BYTES: usize = 150 * 1024;

    #[test]
    fn the_page_is_small_and_whole() {
        let page = Page::assemble(MODULES).expect("the modules can be joined");
        assert!(page.head.len() + page.tail.len() <= MOST_BYTES, "{}", page.head.len() + page.tail.len());
        let script = join(MODULES, "main.js").expect("the modules can be joined");
        for end in ["</script", "<!--", "</style"] {
            assert!(!script.contains(end) && !STYLE.contains(end), "{end} would end or hide it");
        }
        for (name, _) in MODULES {
            let is_used = MODULES.iter().any(|(_, text)| text.contains(&format!("./{name}")));
            assert!(is_used || *name == "main.js", "{name} is not part of the page");
        }
    }

    #[test]
    fn the_page_asks_for_nothing() {
        let page = Page::get();
        for request in ["src=", "href=\"http", "url(http", "@import", "//cdn"] {
            assert!(!page.head.contains(request) && !page.tail.contains(request), "{request}");
        }
    }
}
