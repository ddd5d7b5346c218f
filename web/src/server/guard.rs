//! Who is answered at all.
//!
//! A browser sends requests wherever a page of any site tells it to. What such a page cannot do is change
//! `Host` and `Origin`: the first names the site that the browser believes to talk to, even when its name
//! has come to mean this machine in the meantime, the second names the site that asks.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{CONTENT_LENGTH, HOST, ORIGIN, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode};

/// The names under which the server may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hosts {
    address: SocketAddr,
}

impl Hosts {
    pub(super) fn of(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Whether `host` is ours: the address, `localhost`, or, where we listen on all addresses, any address. A
    /// name in the name service is never ours, for others can say what it means.
    fn contains(&self, host: &str) -> bool {
        let port = self.address.port();
        if let Ok(address) = host.parse::<SocketAddr>() {
            return address.port() == port && self.is_ours(address.ip());
        }
        if port == 80
            && let Ok(ip) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>()
        {
            return self.is_ours(ip);
        }
        let is_local = self.address.ip().is_loopback() || self.address.ip().is_unspecified();
        let name = if port == 80 { host } else { host.strip_suffix(&format!(":{port}")).unwrap_or_default() };
        is_local && name.eq_ignore_ascii_case("localhost")
    }

    fn is_ours(&self, ip: IpAddr) -> bool {
        self.address.ip().is_unspecified() || self.address.ip() == ip
    }

    fn allows_origin(&self, origin: &str) -> bool {
        origin.strip_prefix("http://").is_some_and(|host| self.contains(host))
    }
}

/// Why a request is refused; `None` if it is not.
pub(super) fn refusal<B>(hosts: &Hosts, request: &Request<B>) -> Option<StatusCode> {
    let headers = request.headers();
    let host = only(headers, HOST);
    let named = request.uri().authority().map(|authority| authority.as_str());
    let (Ok(Some(host)), true) = (host, named.is_none_or(|named| hosts.contains(named))) else {
        return Some(StatusCode::FORBIDDEN);
    };
    let origin = only(headers, ORIGIN);
    let changes = request.method() != Method::GET && request.method() != Method::HEAD;
    let is_allowed = match origin {
        Ok(Some(origin)) => hosts.allows_origin(origin),
        // Browsers send it with everything that is not a mere look.
        Ok(None) => !changes,
        Err(()) => false,
    };
    let site = only(headers, HeaderName::from_static("sec-fetch-site"));
    let is_same = matches!(site, Ok(None | Some("same-origin" | "none")));
    // A page is opened from wherever its address was sent to.
    let is_opened = matches!(only(headers, HeaderName::from_static("sec-fetch-mode")), Ok(Some("navigate")));
    if !hosts.contains(host) || !is_allowed || !(is_same || is_opened && !changes) {
        return Some(StatusCode::FORBIDDEN);
    }
    // Nothing that is asked for takes a body.
    let has_body = headers.get(TRANSFER_ENCODING).is_some()
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    has_body.then_some(StatusCode::PAYLOAD_TOO_LARGE)
}

/// The value of a header that may be there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(address: &str) -> Hosts {
        Hosts::of(address.parse().expect("an address"))
    }

    #[test]
    fn only_our_own_names_are_ours() {
        for (listen, host, expected) in [
            ("127.0.0.1:8080", "127.0.0.1:8080", true),
            ("127.0.0.1:8080", "localhost:8080", true),
            ("127.0.0.1:8080", "LOCALHOST:8080", true),
            ("127.0.0.1:8080", "localhost", false),
            ("127.0.0.1:8080", "127.0.0.1:8081", false),
            ("127.0.0.1:8080", "127.0.0.2:8080", false),
            ("127.0.0.1:8080", "localhost.evil.example:8080", false),
            ("127.0.0.1:8080", "evil.example:8080", false),
            ("127.0.0.1:8080", "", false),
            ("127.0.0.1:80", "localhost", true),
            ("127.0.0.1:80", "127.0.0.1", true),
            ("[::1]:8080", "[::1]:8080", true),
            ("192.0.2.7:8080", "192.0.2.7:8080", true),
            ("192.0.2.7:8080", "localhost:8080", false),
            ("0.0.0.0:8080", "192.0.2.7:8080", true),
            ("0.0.0.0:8080", "evil.example:8080", false),
        ] {
            assert_eq!(hosts(listen).contains(host), expected, "{listen} {host}");
        }
    }

    #[test]
    fn other_sites_are_refused() {
        let ours = hosts("127.0.0.1:8080");
        let refused = |method: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().method(method).uri("/x/");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            refusal(&ours, &request.body(()).expect("it is well formed")).map(|status| status.as_u16())
        };
        let host = ("host", "localhost:8080");
        let origin = ("origin", "http://localhost:8080");
        assert_eq!(refused("GET", &[host]), None);
        assert_eq!(refused("GET", &[host, origin, ("sec-fetch-site", "same-origin")]), None);
        assert_eq!(refused("POST", &[host, origin]), None);
        let navigates = [host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert_eq!(refused("GET", &navigates), None);
        for wrong in [
            &[][..],
            &[host, host],
            &[("host", "evil.example:8080")],
            &[host, ("origin", "http://evil.example")],
            &[host, ("origin", "https://localhost:8080")],
            &[host, ("origin", "null")],
            &[host, ("sec-fetch-site", "cross-site")],
            &[host, origin, origin],
        ] {
            assert_eq!(refused("GET", wrong), Some(403), "{wrong:?}");
        }
        assert_eq!(refused("POST", &[host]), Some(403));
        assert_eq!(refused("POST", &[host, origin, ("content-length", "1")]), Some(413));
        assert_eq!(refused("POST", &[host, origin, ("transfer-encoding", "chunked")]), Some(413));
        assert_eq!(refused("POST", &[host, origin, ("content-length", "0")]), None);
    }
}
