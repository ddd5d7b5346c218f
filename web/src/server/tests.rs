//! The server over a socket; what it does under abuse is tested with the whole program.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;

/// Starts a server of a fixed document and sends it bytes.
fn ask(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address).expect("it listens");
    stream.write_all(request.as_bytes()).expect("it takes requests");
    let mut answer = String::new();
    // What was answered before the connection ended is the answer.
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn server() -> (Server, String) {
    let token = Token::random().expect("Linux has random");
    let path = format!("/{}/", token.text());
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let server =
        Server::start(local, token, Content::Fixed(b"{\"live\":false}".to_vec())).expect("a free port");
    (server, path)
}

#[test]
fn the_page_and_its_document_are_served() {
    let (server, path) = server();
    let host = format!("Host: {}\r\n\r\n", server.address);
    let page = ask(&server, &format!("GET {path} HTTP/1.1\r\n{host}"));
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    for header in [
        "content-security-policy: default-src 'none'; script-src 'sha256-",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "frame-ancestors 'none'",
    ] {
        assert!(page.contains(header), "{header}");
    }
    assert!(page.contains("data-from=\"api/document\"") && !page.contains("access-control-allow"));
    let document = ask(&server, &format!("GET {path}api/document HTTP/1.1\r\n{host}"));
    assert!(document.ends_with("{\"live\":false}"), "{document}");
}

#[test]
fn everything_else_is_refused() {
    let (server, path) = server();
    let host = format!("Host: {}\r\n", server.address);
    let origin = format!("Origin: http://{}\r\n", server.address);
    let status = |method: &str, path: &str, headers: &str| {
        let answer = ask(&server, &format!("{method} {path} HTTP/1.1\r\n{headers}\r\n"));
        assert!(!answer.contains("live\":false"), "{answer}");
        answer.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok()).unwrap_or(0)
    };
    assert_eq!(status("GET", "/", &host), 404);
    assert_eq!(status("GET", "/0123456789abcdef0123456789abcdef/", &host), 404);
    assert_eq!(status("GET", "/0123456789abcdef0123456789abcdef/api/document", &host), 404);
    assert_eq!(status("GET", &format!("{path}../{path}"), &host), 404);
    assert_eq!(status("GET", &format!("{path}%2e%2e/%2e%2e/etc/passwd"), &host), 404);
    assert_eq!(status("GET", &format!("{path}api/document"), "Host: evil.example\r\n"), 403);
    assert_eq!(status("GET", &format!("{path}api/document"), ""), 403);
    assert_eq!(status("GET", &format!("{path}api/reset"), &host), 405);
    assert_eq!(status("POST", &path, &format!("{host}{origin}")), 405);
    assert_eq!(status("POST", &format!("{path}api/reset"), &format!("{host}{origin}")), 404);
    assert_eq!(status("POST", &format!("{path}api/save"), &host), 403);
    assert_eq!(status("GET", &format!("{path}api/live?after=0"), &host), 404);
    assert_eq!(status("OPTIONS", &format!("{path}api/reset"), &format!("{host}{origin}")), 405);
}
