//! A web server with nothing but Rust's standard library.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;

fn main() -> io::Result<()> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "8000".into());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    for stream in listener.incoming() {
        let mut stream = stream?;
        let lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let Some(request) = lines.take_while(|line| !line.is_empty()).next() else {
            continue;
        };
        let body = format!("Hello from Rust, you asked for: {request}\n");
        let head = format!("Content-Type: text/plain\r\nContent-Length: {}", body.len());
        // A client that hung up is no reason to stop.
        let _ = write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}");
    }
    Ok(())
}
