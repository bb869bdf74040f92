//! A server of the tests' own, for GitHub's API and for the files of a release: every request is
//! kept, and answered by a function.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What came.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    /// The path with the query.
    pub(super) path: String,
    pub(super) headers: Vec<String>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Its body, which has to be JSON.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// What is answered: a status, an address to go on to, and a body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(value: &serde_json::Value) -> Self {
        Self::bytes(value.to_string())
    }

    pub(super) fn bytes(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            location: None,
            body: body.into(),
        }
    }

    pub(super) fn status(status: u16) -> Self {
        Self {
            status,
            location: None,
            body: b"{}".to_vec(),
        }
    }
}

/// The server. It lasts as long as the process.
pub(super) struct Server {
    pub(super) address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// One that answers so.
    pub(super) fn start(answer: impl Fn(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&stream) else {
                    continue;
                };
                let answer = answer(&request);
                kept.lock().unwrap().push(request);
                let location = answer.location.map(|to| format!("Location: {to}\r\n"));
                let head = format!(
                    "HTTP/1.1 {} x\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n",
                    answer.status,
                    answer.body.len(),
                    location.unwrap_or_default()
                );
                // Whoever asked may have gone.
                let _gone = stream.write_all(&[head.as_bytes(), &answer.body].concat());
            }
        });
        Self { address, requests }
    }

    /// What has come since the last time.
    pub(super) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        let read = reader.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = Vec::new();
    loop {
        match line()? {
            end if end.is_empty() => break,
            header => headers.push(header),
        }
    }
    let (method, rest) = first.split_once(' ')?;
    let path = rest.split(' ').next()?.to_owned();
    let mut request = Request {
        method: method.to_owned(),
        path,
        headers,
        body: vec![],
    };
    if request.header("Expect").is_some() {
        let mut stream = stream;
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let length = request.header("Content-Length").map(str::parse);
    let mut body = vec![0; length.map_or(0, Result::unwrap)];
    reader.read_exact(&mut body).ok()?;
    request.body = body;
    Some(request)
}
