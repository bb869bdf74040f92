//! Just enough HTTP/1.1 for curl: one request a connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

pub struct Request {
    pub method: String,
    pub path: String,
    pub token: Option<String>,
    pub content_type: String,
    pub body: Vec<u8>,
}

impl Request {
    pub fn read(stream: &TcpStream) -> io::Result<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let mut request = Self {
            method,
            path,
            token: None,
            content_type: String::new(),
            body: Vec::new(),
        };
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "coder-session-token" => request.token = Some(value.to_owned()),
                "content-type" => request.content_type = value.to_owned(),
                "content-length" => length = value.parse().unwrap_or(0),
                // curl waits a second for this before it sends a larger body.
                "expect" => (&*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?,
                _ => {}
            }
        }
        request.body.resize(length, 0);
        reader.read_exact(&mut request.body)?;
        Ok(request)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

pub struct Response {
    pub status: u16,
    pub body: Value,
}

impl Response {
    /// With `whole` unset the connection ends in the middle of the body.
    pub fn write(&self, mut stream: &TcpStream, whole: bool) -> io::Result<()> {
        // 204 has no body.
        let body = if self.status == 204 {
            String::new()
        } else {
            self.body.to_string()
        };
        let head = format!(
            "HTTP/1.1 {} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.status,
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        let sent = if whole { body.len() } else { body.len() / 2 };
        stream.write_all(&body.as_bytes()[..sent])
    }
}
