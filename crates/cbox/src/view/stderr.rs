//! Standard error: who may write there when, and the thread that keeps the view alive.

use std::{
    fmt,
    io::{self, Write as _},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use cbox_driver::{
    build::silence::Silence,
    links::run_log::RunLog,
    progress::{
        Task,
        builds::{Build, News, Summary, short},
    },
};
use cbox_nix::events::Event;

use super::{
    Loudness, rows,
    screen::Screen,
    text::{Paint, gate},
    words,
};
use crate::terminal::{Display, Terminal};

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
    task: Task,
    /// Lines of logs, which are written many at a time.
    waiting: Vec<u8>,
    last_word: Duration,
    /// The title of the group that is open in a CI system.
    open_group: Option<String>,
    /// What the group of the builds is called.
    pub(super) title: String,
    /// What was built and fetched so far.
    pub(super) summary: Summary,
    /// Where it is all kept.
    pub(super) log: Option<RunLog>,
    is_over: bool,
}

impl fmt::Debug for Stderr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Stderr")
    }
}

impl Shared {
    pub(super) fn new(terminal: &Terminal, loudness: Loudness) -> Arc<Self> {
        let display = match terminal.display {
            // What is traced is not written here, and would land in the view.
            Display::Live if loudness == Loudness::Trace => Display::Lines,
            display => display,
        };
        let stderr = Stderr {
            begun: Instant::now(),
            display,
            loudness,
            heartbeat: terminal.heartbeat,
            screen: Screen::new(Paint {
                wanted: terminal.colour,
            }),
            task: Task::Idle,
            waiting: vec![],
            last_word: Duration::ZERO,
            open_group: None,
            title: String::new(),
            summary: Summary::default(),
            log: None,
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

    /// Sees to it that the view is drawn from now on, and signs of life are given.
    pub(super) fn watch(self: &Arc<Self>) {
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
            stderr.task = Task::Idle;
            stderr.make_room();
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

    /// Whether there is a live view.
    pub(super) fn is_live(&self) -> bool {
        self.display == Display::Live
    }

    /// Whether each event is worth a line that stays.
    pub(super) fn tells_events(&self) -> bool {
        match self.loudness {
            Loudness::Quiet => false,
            Loudness::Normal => self.display != Display::Live,
            Loudness::Verbose | Loudness::Trace => true,
        }
    }

    pub(super) fn set(&mut self, task: Task) {
        // The builds are counted, whatever else is said while they run.
        let built = match &self.task {
            Task::Building(builds) => Some(builds.summary()),
            _ => None,
        };
        if let Some(summary) = built {
            self.built(summary);
        }
        self.task = task;
    }

    pub(super) fn take_task(&mut self) -> Task {
        std::mem::take(&mut self.task)
    }

    pub(super) fn built(&mut self, summary: Summary) {
        self.summary.add(&summary);
    }

    /// Writes lines that stay.
    pub(super) fn say(&mut self, text: &str) {
        self.wait_to_write(text);
        self.refresh();
    }

    /// Writes lines that stay, the last one without an end.
    pub(super) fn ask(&mut self, question: &str) {
        self.make_room();
        write(question.as_bytes());
    }

    pub(super) fn copied(&mut self, done: u64) {
        let now = self.now();
        if let Task::Copying(copying) = &mut self.task {
            copying.look(done, now);
        }
    }

    /// Writes lines that stay, at the latest with the next tick.
    fn wait_to_write(&mut self, text: &str) {
        self.last_word = self.now();
        match self.display {
            Display::Groups(ci) => {
                self.waiting.extend_from_slice(ci.defused(text).as_bytes());
            }
            _ => self.waiting.extend_from_slice(text.as_bytes()),
        }
        self.waiting.push(b'\n');
        if self.waiting.len() > WAITING {
            self.refresh();
        }
    }

    /// How long a build may say nothing before that is worth a word.
    pub(super) fn patience(&self) -> Duration {
        self.heartbeat.unwrap_or(PATIENCE)
    }

    /// The builds that have become silent.
    pub(super) fn newly_silent(&mut self) -> Vec<Build> {
        let now = self.now();
        match &mut self.task {
            Task::Building(builds) => builds.newly_silent(now),
            _ => vec![],
        }
    }

    /// Says what is known of a build's silence. The lines stay, also on a terminal: what is
    /// said there about how to look is too long for a line of the view.
    pub(super) fn explain(&mut self, drv: &str, silence: &Silence, warning: &str) {
        let now = self.now();
        let Task::Building(builds) = &mut self.task else {
            return;
        };
        let known = match silence.kvm {
            Some(_) => "KVM does not work",
            None => "in a virtual machine",
        };
        let Some(build) = builds.explain(drv, known) else {
            return;
        };
        let text = words::silence(build, silence, now);
        self.keep(&text);
        if self.loudness > Loudness::Quiet {
            match silence.kvm {
                Some(_) => self.say(&format!("{warning} {text}")),
                None => self.say(&text),
            }
        }
    }

    /// Takes the view away until the next tick, and writes what waits.
    pub(super) fn make_room(&mut self) {
        let mut bytes = self.screen.erase().as_bytes().to_vec();
        bytes.append(&mut self.waiting);
        write(&bytes);
    }

    /// Writes what waits, and draws the view below. It is one write: a terminal may show
    /// what it has got between two, and the view would flicker.
    fn refresh(&mut self) {
        let mut bytes = Vec::new();
        if !self.waiting.is_empty() {
            bytes.extend_from_slice(self.screen.erase().as_bytes());
            bytes.append(&mut self.waiting);
        }
        if self.display == Display::Live && self.loudness > Loudness::Quiet {
            let rows = rows::rows(&self.task, self.now());
            bytes.extend_from_slice(self.screen.draw(&rows).as_bytes());
        }
        write(&bytes);
    }

    /// Opens a group in a CI system.
    pub(super) fn group(&mut self, title: &str) {
        if let Display::Groups(ci) = self.display
            && self.loudness > Loudness::Quiet
            && self.open_group.is_none()
        {
            self.open_group = Some(title.to_owned());
            self.command(&ci.group(title));
        }
    }

    /// Closes the group that is open.
    pub(super) fn end_group(&mut self) {
        if let (Display::Groups(ci), Some(title)) = (self.display, self.open_group.take()) {
            self.command(&ci.end_group(&title));
        }
    }

    /// Writes a line that a CI system obeys.
    pub(super) fn command(&mut self, command: &str) {
        self.waiting.extend_from_slice(command.as_bytes());
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

    pub(super) fn build_event(&mut self, event: &Event) {
        let now = self.now();
        let Task::Building(builds) = &mut self.task else {
            return;
        };
        let mut shown = None;
        if let Event::BuildLog { id, line } = event {
            let drv = builds.build(*id).map_or("", |build| &build.drv);
            let name = short(drv);
            if let Some(log) = &mut self.log {
                log.line(name, line);
            }
            if self.loudness >= Loudness::Verbose {
                shown = Some(format!("{name}> {}", gate(line)));
            }
        }
        let news = builds.event(event, now);
        if let Some(line) = shown {
            self.wait_to_write(&line);
        }
        self.tell(&news);
        // Errors come back as the build's failure.
        if let Event::Message {
            is_error: false,
            text,
        } = event
        {
            self.keep(text);
            if self.loudness >= Loudness::Verbose {
                self.say(&gate(text));
            }
        }
    }

    /// Tells what came of builds.
    pub(super) fn tell(&mut self, news: &[News]) {
        let now = self.now();
        for news in news {
            let line = words::news(news, now);
            if let Some(log) = &mut self.log {
                log.begin(now);
            }
            self.keep(&line);
            if self.loudness > Loudness::Quiet {
                let title = self.title.clone();
                self.group(&title);
            }
            // A failure stays, also where the view shows all else: the other builds may go on
            // for hours.
            let failed = matches!(news, News::Ended { failed: true, .. });
            if self.tells_events() || (failed && self.loudness > Loudness::Quiet) {
                self.say(&line);
            }
        }
    }

    /// Writes what waits and draws the view, or gives a sign of life.
    fn tick(&mut self) {
        self.refresh();
        let now = self.now();
        let silence = now.saturating_sub(self.last_word);
        if self.display != Display::Live
            && self.heartbeat.is_some_and(|longest| silence >= longest)
            && let Some(line) = rows::heartbeat(&self.task, now)
        {
            self.say(&line);
        }
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
