//! A Coder server in a thread: the endpoints that first boot uses, with the
//! status codes, field names and limits of Coder 2.3x (`coderd/users.go`,
//! `userauth.go`, `apikey.go`, `files.go`, `templates.go`,
//! `templateversions.go`).

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::http::{Request, Response};

mod api;
mod state;

pub use state::{Import, Key, LoginType, State, Template, Version};

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// This status, and nothing is done.
    Status(u16),
    /// The connection ends before anything is done.
    DropBefore,
    /// Everything is done; the answer never leaves.
    DropAfter,
    /// Everything is done; half of the answer leaves.
    Truncate,
}

struct Rule {
    method: &'static str,
    path: String,
    fault: Fault,
    times: u32,
}

#[derive(Clone)]
pub struct Coder {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    rules: Arc<Mutex<Vec<Rule>>>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Coder {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let coder = Self::at(listener.local_addr().expect("bound"));
        coder.serve(listener);
        coder
    }

    /// Refuses connections for a while.
    pub fn start_after(delay: Duration) -> Self {
        let reserved = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = reserved.local_addr().expect("bound");
        drop(reserved);
        let coder = Self::at(address);
        let late = coder.clone();
        thread::spawn(move || {
            thread::sleep(delay);
            late.serve(TcpListener::bind(address).expect("the port is still free"));
        });
        coder
    }

    /// Nobody listens there.
    pub fn never() -> Self {
        let reserved = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self::at(reserved.local_addr().expect("bound"))
    }

    fn at(address: SocketAddr) -> Self {
        Self {
            address,
            state: Arc::default(),
            rules: Arc::default(),
            log: Arc::default(),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no handler panicked")
    }

    /// The next `times` requests of this method and path prefix go wrong.
    pub fn fail(&self, method: &'static str, path: &str, fault: Fault, times: u32) {
        let rule = Rule {
            method,
            path: path.to_owned(),
            fault,
            times,
        };
        self.rules.lock().expect("no handler panicked").push(rule);
    }

    /// "METHOD path status" of each request so far.
    pub fn requests(&self) -> Vec<String> {
        self.log.lock().expect("no handler panicked").clone()
    }

    pub fn count(&self, method_and_path: &str) -> usize {
        self.requests()
            .iter()
            .filter(|line| line.starts_with(method_and_path))
            .count()
    }

    fn serve(&self, listener: TcpListener) {
        let coder = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let coder = coder.clone();
                thread::spawn(move || coder.answer(&stream));
            }
        });
    }

    fn answer(&self, stream: &TcpStream) {
        // A program killed in the middle of a request is one of the cases.
        let Ok(request) = Request::read(stream) else {
            return;
        };
        let fault = self.fault_for(&request);
        let response = match fault {
            Some(Fault::DropBefore) => None,
            Some(Fault::Status(status)) => Some(Response {
                status,
                body: serde_json::json!({"message": "out of order"}),
            }),
            _ => Some(self.state().answer(&request)),
        };
        let status = response.as_ref().map_or(0, |response| response.status);
        self.log
            .lock()
            .expect("no handler panicked")
            .push(format!("{} {} {status}", request.method, request.path));
        if let (Some(response), false) = (response, matches!(fault, Some(Fault::DropAfter))) {
            let whole = !matches!(fault, Some(Fault::Truncate));
            let _ = response.write(stream, whole);
        }
    }

    fn fault_for(&self, request: &Request) -> Option<Fault> {
        let mut rules = self.rules.lock().expect("no handler panicked");
        let rule = rules.iter_mut().find(|rule| {
            rule.times > 0 && rule.method == request.method && request.path.starts_with(&rule.path)
        })?;
        rule.times -= 1;
        Some(rule.fault)
    }
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    since.as_secs() as i64
}
