//! Standard error: who may write there when, and the thread that keeps the view alive.

use std::{
    fmt,
    io::{self, Write as _},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use cbox_driver::{
    ci::{Group, Line, defused},
    progress::{Event, News, UnderWay, builds::short, run_log::RunLog},
    report,
    text::{harmless_json, utc},
};
use cbox_nix::events::Event as NixEvent;
use serde_json::{Value, json};

use super::{Loudness, printable::Printable, rows, screen::Screen, text::Paint, words};
use crate::view::terminal::{Display, Terminal};

/// How often the live view is drawn, and what waits is written.
const TICK: Duration = Duration::from_millis(100);

/// How long a build may say nothing before that is worth a word, where no sign of life is
/// wanted either.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much waits to be written at most, in bytes.
const WAITING: usize = 64 * 1024;

/// Standard error and all that is known of the run, for the thread of the view too.
#[derive(Debug)]
pub(super) struct Shared {
    stderr: Mutex<Stderr>,
    /// Tells the thread that it is over.
    over: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What is shown, and what is on its way there.
pub(super) struct Stderr {
    begun: Instant,
    display: Display,
    loudness: Loudness,
    heartbeat: Option<Duration>,
    screen: Screen,
    paint: Paint,
    /// What all that is shown comes from.
    pub(super) under_way: UnderWay,
    /// Lines of logs, which are written many at a time.
    waiting: Vec<u8>,
    last_word: Duration,
    /// The group that is open in a CI system.
    open_group: Option<Group>,
    /// How many were open until now.
    groups: usize,
    /// What the group of the builds is called.
    title: String,
    /// Where it is all kept.
    log: Option<RunLog>,
    /// Whether what happens is a result too, a JSON document a line.
    tells_programs: bool,
    /// The result, where it is to be the last of these.
    pub(super) result: Option<Value>,
    /// Why a result could not be written.
    pub(super) lost: Option<io::Error>,
    is_over: bool,
}

impl fmt::Debug for Stderr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Stderr")
    }
}

impl Shared {
    pub(super) fn new(terminal: &Terminal, loudness: Loudness, tells_programs: bool) -> Arc<Self> {
        let display = match terminal.display {
            // What is traced is not written here, and would land in the view.
            Display::Live if loudness == Loudness::Trace => Display::Lines,
            display => display,
        };
        let paint = Paint {
            wanted: terminal.colour,
        };
        let stderr = Stderr {
            begun: Instant::now(),
            display,
            loudness,
            heartbeat: terminal.heartbeat,
            screen: Screen::new(paint),
            paint,
            under_way: UnderWay {
                patience: Some(terminal.heartbeat.unwrap_or(PATIENCE)),
                ..UnderWay::default()
            },
            waiting: vec![],
            last_word: Duration::ZERO,
            open_group: None,
            groups: 0,
            title: String::new(),
            log: None,
            tells_programs,
            result: None,
            lost: None,
            is_over: false,
        };
        Arc::new(Self {
            stderr: Mutex::new(stderr),
            over: Condvar::new(),
            thread: Mutex::default(),
        })
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Stderr) -> T) -> T {
        // What a panic left is still good enough to be shown.
        let stderr = self.stderr.lock();
        work(&mut stderr.unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes what happens in the run.
    pub(super) fn report(self: &Arc<Self>, event: Event<'_>) {
        // These come behind others, and often.
        let is_first = !matches!(event, Event::Nix(_) | Event::Push(_) | Event::Copied { .. });
        self.with(|stderr| stderr.report(event));
        if is_first {
            self.watch();
        }
    }

    /// Sees to it that the view is drawn from now on, and signs of life are given.
    fn watch(self: &Arc<Self>) {
        let Ok(mut thread) = self.thread.lock() else {
            return;
        };
        let is_needed = self.with(|stderr| !stderr.is_over && stderr.loudness > Loudness::Quiet);
        if thread.is_some() || !is_needed {
            return;
        }
        let shared = Arc::clone(self);
        let work = move || shared.keep_alive();
        // Without it nothing is lost but the view.
        *thread = std::thread::Builder::new()
            .name("view".to_owned())
            .spawn(work)
            .ok();
    }

    fn keep_alive(&self) {
        let mut stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        while !stderr.is_over {
            stderr.tick();
            let waited = self.over.wait_timeout(stderr, TICK);
            (stderr, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes the view away and ends its thread.
    pub(super) fn close(&self) {
        self.with(|stderr| {
            stderr.end_group();
            stderr.under_way = UnderWay::default();
            stderr.refresh();
            stderr.is_over = true;
        });
        self.over.notify_all();
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            let _ended = thread.join();
        }
    }
}

impl Stderr {
    /// The time since the run began.
    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Whether each event is worth a line that stays.
    fn tells_events(&self) -> bool {
        match self.loudness {
            Loudness::Quiet => false,
            Loudness::Normal => self.display != Display::Live,
            Loudness::Verbose | Loudness::Trace => true,
        }
    }

    /// Writes lines that stay.
    pub(super) fn say(&mut self, text: impl Into<Printable>) {
        self.wait_to_write(text);
        self.refresh();
    }

    /// Writes lines that stay, the last one without an end.
    pub(super) fn ask(&mut self, question: &str) {
        self.make_room();
        write(defused(Printable::from(question).as_str()).as_bytes());
    }

    /// Writes lines that stay, at the latest with the next tick.
    fn wait_to_write(&mut self, text: impl Into<Printable>) {
        self.last_word = self.now();
        let text = text.into();
        self.waiting
            .extend_from_slice(defused(text.as_str()).as_bytes());
        self.waiting.push(b'\n');
        if self.waiting.len() > WAITING {
            self.flush();
        }
    }

    /// Takes the view away until the next tick, and writes what waits.
    pub(super) fn make_room(&mut self) {
        let mut bytes = self.screen.erase().as_bytes().to_vec();
        bytes.append(&mut self.waiting);
        write(&bytes);
    }

    /// Writes bytes of the result to standard output.
    pub(super) fn write_result(&mut self, bytes: &[u8]) {
        self.make_room();
        match io::stdout().lock().write_all(bytes) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.lost.get_or_insert(error);
            }
            _ => {}
        }
    }

    /// Writes a JSON document as one line of the result.
    pub(super) fn write_line(&mut self, document: &Value) {
        let line = document.to_string();
        self.write_result(format!("{}\n", harmless_json(&line)).as_bytes());
    }

    /// Writes what waits, and below the view as all is now.
    fn refresh(&mut self) {
        if self.display == Display::Live && self.loudness > Loudness::Quiet {
            let rows = rows::rows(&self.under_way, self.now());
            self.screen.show(&rows);
        }
        self.flush();
    }

    /// Writes what waits, and the view below. It is one write: a terminal may show what it has
    /// got between two, and the view would flicker.
    fn flush(&mut self) {
        let mut bytes = Vec::new();
        if !self.waiting.is_empty() {
            bytes.extend_from_slice(self.screen.erase().as_bytes());
            bytes.append(&mut self.waiting);
        }
        bytes.extend_from_slice(self.screen.draw().as_bytes());
        write(&bytes);
    }

    /// Opens a group in a CI system.
    fn group(&mut self, title: &str) {
        if let Display::Groups(ci) = self.display
            && self.loudness > Loudness::Quiet
            && self.open_group.is_none()
        {
            self.groups += 1;
            // Other runs of the same job have groups too.
            let group = Group {
                title: title.to_owned(),
                id: format!("{}_{}", std::process::id(), self.groups),
            };
            self.command(&ci.group(&group, utc::now().as_secs()));
            self.open_group = Some(group);
        }
    }

    /// Closes the group that is open.
    pub(super) fn end_group(&mut self) {
        if let (Display::Groups(ci), Some(group)) = (self.display, self.open_group.take()) {
            self.command(&ci.end_group(&group, utc::now().as_secs()));
        }
    }

    /// Writes a line that a CI system obeys, of cbox's own.
    pub(super) fn command(&mut self, line: &Line) {
        self.waiting.extend_from_slice(line.as_str().as_bytes());
        self.waiting.push(b'\n');
        self.refresh();
    }

    /// Keeps a line of what happened in the log of the run.
    pub(super) fn keep(&mut self, line: &str) {
        let now = self.now();
        if let Some(log) = &mut self.log {
            log.event(line, now);
        }
    }

    /// Takes what happens in the run, and says what of it is worth a line.
    fn report(&mut self, mut event: Event<'_>) {
        let now = self.now();
        match &mut event {
            Event::BuildsBegan { wanted, log } => {
                let names: Vec<&str> = wanted.iter().map(|one| one.name.as_str()).collect();
                self.title = format!("building {}", names.join(", "));
                self.log = log.take();
            }
            Event::Nix(NixEvent::BuildLog { id, line }) => self.log_line(*id, line),
            // Errors come back as the build's failure.
            Event::Nix(NixEvent::Message {
                is_error: false,
                text,
            }) => {
                self.keep(text);
                if self.loudness >= Loudness::Verbose {
                    self.say(&**text);
                }
            }
            _ => {}
        }
        let ends = matches!(event, Event::BuildsEnded | Event::EvaluationEnded { .. });
        for news in self.under_way.event(event, now) {
            self.tell(&news, now);
        }
        if ends && self.under_way.evaluations.running.is_empty() {
            self.end_group();
        }
    }

    /// Keeps and shows a line that a build has printed.
    fn log_line(&mut self, id: u64, line: &str) {
        let Some(builds) = &self.under_way.builds else {
            return;
        };
        let name = short(builds.build(id).map_or("", |build| &build.drv));
        if let Some(log) = &mut self.log {
            log.line(name, line);
        }
        if self.loudness >= Loudness::Verbose {
            let drv = builds.build(id).map_or("", |build| &build.drv);
            let event = json!({ "drvPath": drv, "line": line });
            self.wait_to_write(format!("{name}> {line}"));
            if self.tells_programs {
                self.write_line(&report::event("build-log", event));
            }
        }
    }

    /// Tells what came of an event.
    fn tell(&mut self, news: &News, now: Duration) {
        if self.tells_programs {
            self.write_line(&report::news(news, now));
        }
        let line = words::news(news, now);
        let title = match news {
            News::Doing(_) | News::Evaluated { .. } | News::Copied { .. } => None,
            // The builds that it goes beside have their group, and behind them it needs none.
            News::Pushing(_) | News::Pushed { .. } => {
                if let Some(log) = &mut self.log {
                    log.event(&line, now);
                }
                None
            }
            News::Evaluating(_) => Some("evaluating".to_owned()),
            News::Copying(copying) => copying.title.clone(),
            News::Building(_)
            | News::Built { .. }
            | News::Silent(..)
            | News::Fetching(_)
            | News::Sending(_) => {
                if let Some(log) = &mut self.log {
                    log.begin(now);
                    log.event(&line, now);
                }
                Some(self.title.clone())
            }
        };
        if let Some(title) = title {
            self.group(&title);
        }
        // A failure stays, also where the view shows all else: the other builds may go on for
        // hours. So does what is said of how to look at a build, which is too long for a row.
        let (stays, word) = match news {
            News::Silent(_, silence) if silence.kvm.is_some() => (true, self.paint.warning()),
            News::Silent(..) | News::Copied { .. } => (true, Printable::default()),
            News::Built { failed, .. } | News::Pushed { failed, .. } => {
                (*failed, Printable::default())
            }
            _ => (false, Printable::default()),
        };
        if self.tells_events() || (stays && self.loudness > Loudness::Quiet) {
            self.say(word.and(line));
        }
    }

    /// Writes what waits and draws the view, or gives a sign of life.
    fn tick(&mut self) {
        self.refresh();
        let now = self.now();
        let silence = now.saturating_sub(self.last_word);
        if self.display != Display::Live
            && self.heartbeat.is_some_and(|longest| silence >= longest)
            && let Some(line) = rows::heartbeat(&self.under_way, now)
        {
            self.say(line);
        }
    }
}

/// Standard error for what is traced, an event at a time.
pub(crate) struct Traces;

impl io::Write for Traces {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = Printable::from(&*String::from_utf8_lossy(event));
        io::stderr().write_all(defused(text.as_str()).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Where standard error is gone, there is nowhere left to say so.
fn write(bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let mut stderr = io::stderr().lock();
    let _gone = stderr.write_all(bytes).and_then(|()| stderr.flush());
}
