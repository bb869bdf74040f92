//! The rows of the live view as indicatif's progress bars: one bar a row.

use std::{fmt::Write, time::Duration};

use indicatif::{
    MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike,
};
use unicode_width::UnicodeWidthStr as _;

use super::{
    rows::{Look, Row},
    text::{Paint, fit, fit_parts},
};

/// How wide a row is at most, however wide the window: one that is made half as wide wraps
/// rows that do not fit any more, and can push what it wraps out of reach.
const WIDEST: usize = 79;

/// How wide a row has to be for a bar in it.
const ROOM_FOR_BAR: usize = 50;

/// A bar with the blank and the brackets around it.
const BAR: &str = " [{bar:10}]";
const BAR_WIDTH: usize = 13;

/// In a window of fewer columns nothing is shown.
const NARROWEST: usize = 4;

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// How long a picture of the spinner stays.
const TURN: Duration = Duration::from_millis(100);

/// The bars on a terminal.
#[derive(Debug)]
pub(super) struct Bars {
    all: MultiProgress,
    /// The bar of each row, and what it looks like: with a bar or without.
    rows: Vec<(ProgressBar, (Look, bool))>,
    paint: Paint,
}

impl Bars {
    /// Those on `terminal`, the less important ones dim where colour is wanted.
    pub(super) fn new(terminal: Box<dyn TermLike>, paint: Paint) -> Self {
        Self {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::term_like(terminal)),
            rows: vec![],
            paint,
        }
    }

    /// Shows `rows` in a window of this size. The last column stays free, and so does a row: a
    /// terminal turns to the next line behind either.
    pub(super) fn show(&mut self, rows: &[Row], columns: u16, height: u16) {
        let width = usize::from(columns).saturating_sub(1).min(WIDEST);
        let height = match usize::from(columns) < NARROWEST {
            true => 0,
            false => usize::from(height).saturating_sub(1).max(1),
        };
        let rows = &rows[..rows.len().min(height)];
        for (bar, _) in self.rows.drain(rows.len().min(self.rows.len())..) {
            self.all.remove(&bar);
        }
        for (place, row) in rows.iter().enumerate() {
            let look = (row.look, row.bar.is_some() && width >= ROOM_FOR_BAR);
            if self.rows.len() == place {
                let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
                bar.set_style(style(look, self.paint));
                self.rows.push((self.all.add(bar), look));
            }
            let (bar, known) = &mut self.rows[place];
            if *known != look {
                bar.set_style(style(look, self.paint));
                *known = look;
            }
            let before = match row.look {
                Look::Head | Look::Below => 2,
                Look::Log => 4,
            };
            let room = width.saturating_sub(before);
            let (name, rest) = match (look, &row.parts[..]) {
                ((_, true), [name, rest @ ..]) => {
                    let room = room - BAR_WIDTH;
                    let name = fit(name, room);
                    let rest = fit_parts(rest, room.saturating_sub(name.width() + 1));
                    (name, rest)
                }
                (_, parts) => (String::new(), fit_parts(parts, room)),
            };
            bar.set_prefix(name);
            bar.set_message(rest);
            if let Some(counts) = row.bar {
                bar.update(|state| {
                    state.set_len(counts.expected);
                    state.set_pos(counts.done);
                });
            }
        }
        if rows.is_empty() {
            // Only a terminal that is gone cannot be cleared.
            let _gone = self.all.clear();
        }
    }
}

/// How a row looks, as a template of indicatif's.
fn style((look, has_bar): (Look, bool), paint: Paint) -> ProgressStyle {
    let name = match has_bar {
        true => format!("{{prefix}}{BAR} "),
        false => String::new(),
    };
    let template = match look {
        Look::Head => format!("{{spin}} {name}{{msg}}"),
        Look::Below => paint.template(&format!("  {name}{{msg}}"), "2"),
        Look::Log => paint.template(&format!("  │ {name}{{msg}}"), "2"),
    };
    let style = ProgressStyle::with_template(&template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
    style.progress_chars("=> ").with_key("spin", spin)
}

/// Turns with the time, however often it is drawn.
fn spin(state: &ProgressState, line: &mut dyn Write) {
    let turns = state.elapsed().as_millis() / TURN.as_millis();
    let _infallible = line.write_str(SPINNER[turns as usize % SPINNER.len()]);
}
