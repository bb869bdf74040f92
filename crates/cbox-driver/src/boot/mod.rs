//! Booting an image: on what machine ([`qemu`], [`firmware`], [`kvm`], [`overlay`]), whether
//! it speaks ([`serial`], [`menu`], [`chooser`]), and what it says ([`console`]). This file
//! starts the machine, passes its console on, waits for a line, and ends it.

pub mod arch;
mod attached;
mod chooser;
pub mod console;
mod failure;
pub mod firmware;
pub mod iso9660;
pub mod keyboard;
pub mod kvm;
pub mod menu;
mod output;
pub mod overlay;
pub mod qemu;
pub mod serial;
pub mod window;

use std::{convert::Infallible, process::ExitStatus, time::Duration};

use cbox_nix::{
    Interrupt, NixError, Signal,
    process::{ChildEvent, Command, Running, Terminal},
};
use regex::Regex;
use tokio::time::{Instant, sleep, sleep_until};

pub use self::{
    attached::{Attached, Forward},
    output::ConsoleOutput,
};
use self::{
    chooser::{Chosen, Heard},
    console::{Cleaner, Lines, Screened, is_of_kernel},
    keyboard::Keyboard,
    menu::Way,
    output::Gone,
};
use crate::{
    ci::Defuser,
    error::{Error, Kind},
};

/// How long a line without an end stays as it is before it counts as a prompt.
const QUIET: Duration = Duration::from_millis(300);

/// Ends colours, shows the cursor, begins a line: what a guest may have left undone on a
/// terminal that it had for itself (ECMA-48, 8.3.117; `?25` is DEC's).
const PLAIN: &[u8] = b"\x1b[0m\x1b[?25h\n";

/// What is waited for.
#[derive(Debug, Clone)]
pub struct Until {
    /// What the line has to match.
    pub line: Regex,
    /// How long it is waited for.
    pub timeout: Duration,
}

/// How a machine is looked at.
#[derive(Debug)]
pub struct Watch {
    /// What ends the boot; without it the end of the machine does.
    pub until: Option<Until>,
    /// The terminal that the machine has for itself: what it prints is not touched then.
    pub terminal: Option<Terminal>,
    /// Where its console goes.
    pub output: Option<ConsoleOutput>,
    /// The entry that is chosen in its menu, and what with.
    pub menu: Option<(Way, Keyboard)>,
    /// Whether QEMU was given arguments of the user's.
    pub has_extra: bool,
}

/// What there is to be told of a boot besides its console.
#[derive(Debug)]
pub enum Aside<'a> {
    /// QEMU itself says something.
    Qemu(&'a str),
    /// This entry of the menu was chosen.
    Chose(&'a Way),
    /// It was not, for this reason.
    DidNotChoose(&'a Way, &'a str),
    /// The screen was cleared, and what was said before is gone.
    Cleared,
}

/// How a boot ended.
#[derive(Debug)]
pub enum Outcome {
    /// The line is there.
    Line(String),
    /// The machine has ended by itself.
    Ended,
    /// Nobody reads its console any more.
    Unread,
}

/// A boot that is over.
#[derive(Debug)]
pub struct Boot {
    /// How it ended.
    pub outcome: Outcome,
    /// How long the machine ran.
    pub lasted: Duration,
}

/// Why the waiting was over.
enum End {
    Line(String),
    Exited(ExitStatus),
    Signal(Signal),
    Timeout(Duration),
    Unread,
}

/// Boots a machine and stays with it to its end, which comes by itself, by the line that
/// is waited for, by a signal, or because time is up.
///
/// `aside` takes what else there is to be told.
pub async fn run(
    command: &Command,
    watch: Watch,
    interrupt: &Interrupt,
    aside: impl Fn(Aside<'_>),
) -> Result<Boot, Error> {
    let Watch {
        until,
        terminal,
        mut output,
        menu,
        has_extra,
    } = watch;
    let is_raw = terminal.is_some();
    let begun = Instant::now();
    let mut running = command.start(terminal)?;
    let mut lines = Lines::new(until.as_ref().map(|until| until.line.clone()));
    let timeout = until.as_ref().map(|until| until.timeout);
    let heard = Heard::default();
    let followed = follow(
        &mut running,
        &mut lines,
        (is_raw, timeout, begun),
        &mut output,
        interrupt,
        (&aside, &heard),
    );
    let end = tokio::select! {
        end = followed => end,
        never = choose(menu, &heard, &aside) => match never {},
    };
    let lasted = begun.elapsed();
    let aside = running.aside();
    let failure = match &end {
        Ok(End::Exited(status)) => running.failure(*status),
        _ => None,
    };
    let reaped = running.end(interrupt).await;
    if let Some(mut output) = output {
        if is_raw {
            output.leave(PLAIN.to_vec());
        }
        output.close(interrupt).await;
    }
    let end = end
        .and_then(|end| reaped.map(|()| end))
        .map_err(|error| Error::file(Kind::Environment, "read from", "QEMU", &error))?;
    let outcome = match end {
        End::Line(line) => Outcome::Line(line),
        End::Unread => Outcome::Unread,
        End::Signal(signal) => return Err(NixError::Interrupted(signal).into()),
        End::Timeout(timeout) => return Err(too_late(timeout, &lines)),
        End::Exited(_) => match failure {
            Some(failure) => return Err(failure::explain(failure, has_extra)),
            None if until.is_some() => return Err(too_early(lasted, &lines, &aside)),
            None => Outcome::Ended,
        },
    };
    Ok(Boot { outcome, lasted })
}

/// Chooses an entry, tells how it went, and is never done: the boot goes on.
async fn choose(
    menu: Option<(Way, Keyboard)>,
    heard: &Heard,
    aside: &impl Fn(Aside<'_>),
) -> Infallible {
    if let Some((way, mut keyboard)) = menu {
        match chooser::choose(&way, &mut keyboard, heard).await {
            Chosen::Yes => aside(Aside::Chose(&way)),
            Chosen::Needless => {}
            Chosen::No(reason) => aside(Aside::DidNotChoose(&way, &reason)),
        }
        // QEMU has the pipes of the keyboard to its end.
        let _kept = keyboard;
        return std::future::pending().await;
    }
    std::future::pending().await
}

/// Passes the console on until there is a reason to end.
async fn follow(
    running: &mut Running,
    lines: &mut Lines,
    (is_raw, timeout, begun): (bool, Option<Duration>, Instant),
    output: &mut Option<ConsoleOutput>,
    interrupt: &Interrupt,
    (aside, heard): (&impl Fn(Aside<'_>), &Heard),
) -> std::io::Result<End> {
    let (mut cleaner, mut quirks) = (Cleaner::new(), Cleaner::new());
    let (mut screened, mut defuser) = (Screened::default(), Defuser::default());
    let mut reminder = Reminder::new(begun);
    // What was read and is not passed on yet. While there is some nothing is read, so that
    // a reader who is slow slows the machine and fills no memory.
    let mut pending: Option<Vec<u8>> = None;
    loop {
        tokio::select! {
            biased;
            signal = interrupt.wait() => return Ok(End::Signal(signal)),
            () = sleep_until(begun + timeout.unwrap_or_default()), if timeout.is_some() => {
                return Ok(match lines.unfinished() {
                    Some(line) => End::Line(line),
                    None => End::Timeout(timeout.unwrap_or_default()),
                });
            }
            passed = pass_on(output.as_ref(), &mut pending), if pending.is_some() => match passed {
                Ok(()) => {}
                Err(Gone) if timeout.is_none() => return Ok(End::Unread),
                // A boot test does not need to be looked at.
                Err(Gone) => {
                    *output = None;
                    pending = None;
                }
            },
            text = running.next(), if pending.is_none() => match text? {
                ChildEvent::Stdout(bytes) => {
                    let text = cleaner.clean(&bytes);
                    if text.lines().any(is_of_kernel) {
                        heard.kernel.set(true);
                    }
                    if is_raw && reminder.is_due(&bytes, &text) {
                        aside(Aside::Cleared);
                    }
                    if !text.trim().is_empty() {
                        heard.times.update(|times| times.wrapping_add(1));
                    }
                    let found = lines.push(&text);
                    let bytes = match is_raw {
                        true => screened.screen(&bytes),
                        false => defuser.defused(&text).into_bytes(),
                    };
                    if let Some(output) = output && !bytes.is_empty() {
                        match found {
                            None => pending = Some(bytes),
                            Some(_) => output.leave(bytes),
                        }
                    }
                    if let Some(line) = found {
                        return Ok(End::Line(line));
                    }
                }
                ChildEvent::Stderr(bytes) => {
                    let text = quirks.clean(&bytes);
                    // That it ends is what it was told, or is told by its end.
                    let news = |line: &&str| {
                        !line.is_empty() && !line.contains(": terminating on signal ")
                    };
                    text.lines().filter(news).for_each(|line| aside(Aside::Qemu(line)));
                }
                ChildEvent::Ended(status) => {
                    // In a terminal Ctrl-C reaches the machine too, which may be quicker.
                    if is_raw && let Ok(signal) = tokio::time::timeout(QUIET, interrupt.wait()).await {
                        return Ok(End::Signal(signal));
                    }
                    return Ok(match lines.unfinished() {
                        Some(line) => End::Line(line),
                        None => End::Exited(status),
                    });
                }
            },
            () = sleep(QUIET), if pending.is_none() && timeout.is_some() && lines.has_unfinished() => {
                if let Some(line) = lines.unfinished() {
                    return Ok(End::Line(line));
                }
            }
        }
    }
}

/// Says when what was said before the boot is worth saying again: boot loaders clear the screen
/// and draw on it, and when nothing is drawn any more it stays.
struct Reminder {
    begun: Instant,
    /// When something was drawn last, unless it has been said since.
    drawn: Option<Instant>,
    /// How often it may still be said: firmware, a boot loader and a system each begin anew.
    left: u32,
}

impl Reminder {
    /// How long nothing is drawn behind a boot loader.
    const SETTLED: Duration = Duration::from_secs(1);

    /// How long a machine boots. What is drawn later is the user's own affair.
    const BOOTS: Duration = Duration::from_secs(300);

    fn new(begun: Instant) -> Self {
        Self {
            begun,
            drawn: None,
            left: 3,
        }
    }

    /// Takes what the machine prints, as it is and as text.
    fn is_due(&mut self, bytes: &[u8], text: &str) -> bool {
        if draws(bytes) {
            self.drawn = Some(Instant::now());
            return false;
        }
        let is_settled = |drawn: &mut Instant| drawn.elapsed() >= Self::SETTLED;
        let is_due = !text.trim().is_empty()
            && self.left > 0
            && self.begun.elapsed() < Self::BOOTS
            && self.drawn.take_if(is_settled).is_some();
        self.left -= u32::from(is_due);
        is_due
    }
}

/// Whether `bytes` clear the screen or move the cursor about on it (ECMA-48, 8.3.21, 8.3.39;
/// `RIS`, 8.3.105).
fn draws(bytes: &[u8]) -> bool {
    let mut sequences = bytes.split(|&byte| byte == 0x1b).skip(1);
    sequences.any(|sequence| match sequence {
        [b'c', ..] => true,
        [b'[', rest @ ..] => {
            let end = rest.iter().find(|byte| byte.is_ascii_alphabetic());
            matches!(end, Some(b'H' | b'J'))
        }
        _ => false,
    })
}

async fn pass_on(
    output: Option<&ConsoleOutput>,
    pending: &mut Option<Vec<u8>>,
) -> Result<(), Gone> {
    match output {
        Some(output) => output.pass_on(pending).await,
        None => Err(Gone),
    }
}

fn too_late(timeout: Duration, lines: &Lines) -> Error {
    Error::new(
        Kind::Timeout,
        format!(
            "no console line matched within {}{}",
            seconds(timeout),
            last_words(lines)
        ),
    )
    .hint("use a longer `--timeout`, such as 10m; emulation is about ten times slower than KVM")
}

fn too_early(lasted: Duration, lines: &Lines, qemu: &str) -> Error {
    let qemu = match qemu {
        "" => String::new(),
        text => format!("\nQEMU said: {text}"),
    };
    Error::new(
        Kind::Ended,
        format!(
            "the machine ended after {}, before a console line matched{}{qemu}",
            seconds(lasted),
            last_words(lines)
        ),
    )
    .hint("with `--until`, a restart counts as the end; `-- -action reboot=reset` allows it")
}

fn last_words(lines: &Lines) -> String {
    let last = lines.last();
    if last.is_empty() {
        return "; it printed nothing".to_owned();
    }
    format!("; the last lines:\n  {}", last.join("\n  "))
}

/// A duration for people: `8.4 s`, `300 s`.
pub fn seconds(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_told_from_what_is_printed() {
        for drawn in ["\x1b[2J", "a\x1b[1;2Hb", "\x1b[J", "\x1bc", "\x1b[m\x1b[H"] {
            assert!(draws(drawn.as_bytes()), "{drawn:?}");
        }
        for printed in [
            "[    0.000000] a",
            "\x1b[1;31mred\x1b[0m",
            "\x1b[K",
            "\x1b[?25h",
            "cH",
        ] {
            assert!(!draws(printed.as_bytes()), "{printed:?}");
        }
    }
}
