//! Plots of time and memory as the work grows: SVG, once for light pages and once for dark.

use std::{error::Error, ops::Range};

use plotters::{
    coord::combinators::IntoLogRange as _,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::{
    failure::Failure,
    results::{Outcome, Row},
    text::grouped,
};

const WIDTH: u32 = 880;
const CHARTS: u32 = 330;
/// The height of a line of the legend.
const LINE: u32 = 22;
const FONT: &str = "sans-serif";

/// The colours of a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Theme {
    /// What the files are called.
    pub(crate) name: &'static str,
    text: RGBColor,
    grid: RGBColor,
    /// Told apart also by those who see few colours; after them they begin anew.
    lines: [RGBColor; 6],
}

pub(crate) const THEMES: [Theme; 2] = [
    Theme {
        name: "light",
        text: RGBColor(0x1f, 0x23, 0x28),
        grid: RGBColor(0xd8, 0xde, 0xe4),
        lines: [
            RGBColor(0x00, 0x72, 0xb2),
            RGBColor(0xd5, 0x5e, 0x00),
            RGBColor(0x00, 0x80, 0x5e),
            RGBColor(0xaa, 0x44, 0x99),
            RGBColor(0x8a, 0x6d, 0x00),
            RGBColor(0x55, 0x55, 0x55),
        ],
    },
    Theme {
        name: "dark",
        text: RGBColor(0xe6, 0xed, 0xf3),
        grid: RGBColor(0x3d, 0x44, 0x4d),
        lines: [
            RGBColor(0x56, 0xb4, 0xe9),
            RGBColor(0xff, 0x9e, 0x5e),
            RGBColor(0x3d, 0xd1, 0xa5),
            RGBColor(0xe5, 0x9b, 0xd0),
            RGBColor(0xf0, 0xe4, 0x42),
            RGBColor(0xbb, 0xbb, 0xbb),
        ],
    },
];

/// A line of a plot: its name, and where it goes.
type Curve<'o> = (&'o str, Vec<(f64, &'o Row)>);

/// What the two charts of a plot show.
struct Measure {
    title: &'static str,
    of: fn(&Row) -> Option<f64>,
    label: fn(f64) -> String,
}

const MEASURES: [Measure; 2] = [
    Measure {
        title: "time (median)",
        of: Row::median,
        label: |milliseconds| {
            if milliseconds < 1000.0 {
                format!("{milliseconds} ms")
            } else {
                format!("{} s", milliseconds / 1000.0)
            }
        },
    },
    Measure {
        title: "peak memory, all processes",
        of: |row| row.together().map(|kibibytes| kibibytes as f64 / 1024.0),
        label: |mebibytes| format!("{mebibytes} MiB"),
    },
];

/// The lines of `outcome` that have more than one point, in the order of their first rows.
fn curves(outcome: &Outcome) -> Vec<Curve<'_>> {
    let mut curves: Vec<Curve<'_>> = Vec::new();
    for row in outcome.rows.iter().filter(|row| !row.runs.is_empty()) {
        let Some(point) = &row.point else { continue };
        let place = (point.at as f64, row);
        match curves.iter_mut().find(|(name, _)| *name == point.line) {
            Some((_, places)) => places.push(place),
            None => curves.push((&point.line, vec![place])),
        }
    }
    curves.retain(|(_, places)| places.len() > 1);
    curves
}

/// Whether there is anything to plot.
pub(crate) fn has_plot(outcome: &Outcome) -> bool {
    !curves(outcome).is_empty()
}

/// The plot of `outcome` over `axis`, as SVG.
pub(crate) fn svg(outcome: &Outcome, axis: &str, theme: Theme) -> Result<String, Failure> {
    let mut text = String::new();
    draw(&mut text, outcome, axis, theme).map_err(|error| {
        Failure::new(format!(
            "the plot of {} cannot be made: {error}",
            outcome.table
        ))
    })?;
    text.push('\n');
    Ok(text)
}

fn draw(
    text: &mut String,
    outcome: &Outcome,
    axis: &str,
    theme: Theme,
) -> Result<(), Box<dyn Error>> {
    let curves = curves(outcome);
    let height = CHARTS + LINE * u32::try_from(curves.len())? + LINE / 2;
    let root = SVGBackend::with_string(text, (WIDTH, height)).into_drawing_area();
    let (charts, legend) = root.split_vertically(CHARTS);
    for (area, measure) in charts.split_evenly((1, 2)).iter().zip(&MEASURES) {
        let mut ats: Vec<f64> = curves
            .iter()
            .flat_map(|(_, places)| places.iter().map(|(at, _)| *at))
            .collect();
        ats.sort_by(f64::total_cmp);
        ats.dedup();
        let values = curves
            .iter()
            .flat_map(|(_, places)| places.iter().filter_map(|(_, row)| (measure.of)(row)));
        let (range, steps) = steps(values);
        let around =
            ats.first().copied().unwrap_or(1.0) * 0.9..ats.last().copied().unwrap_or(1.0) * 1.1;
        let words = (FONT, 13).into_font().color(&theme.text);
        let mut chart = ChartBuilder::on(area)
            .caption(measure.title, (FONT, 15).into_font().color(&theme.text))
            .margin(8)
            .margin_right(24)
            .x_label_area_size(44)
            .y_label_area_size(72)
            .build_cartesian_2d(
                around.log_scale().with_key_points(ats),
                range.log_scale().with_key_points(steps),
            )?;
        chart
            .configure_mesh()
            .x_desc(axis)
            .x_label_formatter(&|at| grouped(*at as u64))
            .y_label_formatter(&|value| (measure.label)(*value))
            .label_style(words.clone())
            .axis_desc_style(words)
            .axis_style(theme.text.mix(0.6))
            .bold_line_style(theme.grid)
            .light_line_style(TRANSPARENT)
            .draw()?;
        for (index, (_, places)) in curves.iter().enumerate() {
            let colour = theme.lines[index % theme.lines.len()];
            let points: Vec<(f64, f64)> = places
                .iter()
                .filter_map(|(at, row)| Some((*at, (measure.of)(row)?)))
                .collect();
            chart.draw_series(LineSeries::new(
                points.iter().copied(),
                colour.stroke_width(2),
            ))?;
            for point in &points {
                root.draw(&mark(index, chart.backend_coord(point), colour))?;
            }
        }
    }
    let left = Pos::new(HPos::Left, VPos::Center);
    let words = (FONT, 14).into_font().color(&theme.text).pos(left);
    for (index, (name, _)) in curves.iter().enumerate() {
        let colour = theme.lines[index % theme.lines.len()];
        let y = i32::try_from(LINE * u32::try_from(index)? + LINE / 2)?;
        legend.draw(&PathElement::new(
            vec![(80, y), (108, y)],
            colour.stroke_width(2),
        ))?;
        legend.draw(&mark(index, (94, y), colour))?;
        legend.draw(&Text::new(*name, (118, y), words.clone()))?;
    }
    root.present()?;
    Ok(())
}

/// The mark of a line, so that not only its colour tells it from others.
fn mark<'a, DB: DrawingBackend + 'a>(
    index: usize,
    at: (i32, i32),
    colour: RGBColor,
) -> DynElement<'a, DB, (i32, i32)> {
    match index % 3 {
        0 => Circle::new(at, 4, colour.filled()).into_dyn(),
        1 => TriangleMarker::new(at, 6, colour.filled()).into_dyn(),
        _ => Cross::new(at, 4, colour.stroke_width(2)).into_dyn(),
    }
}

/// What the axis for `values` begins and ends with, and the round numbers in between.
fn steps(values: impl Iterator<Item = f64>) -> (Range<f64>, Vec<f64>) {
    let values: Vec<f64> = values.map(|value| value.max(0.001)).collect();
    let least = values.iter().copied().min_by(f64::total_cmp).unwrap_or(1.0);
    let most = values.iter().copied().max_by(f64::total_cmp).unwrap_or(1.0);
    let mut round: Vec<f64> = (-3..9)
        .flat_map(|exponent| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(exponent)))
        // What powers of ten below one leave behind the last digit.
        .map(|number| (number * 1e3).round() / 1e3)
        .collect();
    let from = round
        .iter()
        .rposition(|&number| number <= least)
        .unwrap_or(0);
    let to = round.iter().position(|&number| number > most);
    round.truncate(to.map_or(round.len(), |to| to + 1));
    let mut round = round.split_off(from);
    let range = round.first().copied().unwrap_or(1.0)..round.last().copied().unwrap_or(10.0);
    // Of many decades only the first number each.
    if round.len() > 8 {
        round.retain(|number| {
            let digits = format!("{number:e}");
            digits.starts_with("1e")
        });
    }
    (range, round)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        results::{Made, tests::row},
        tables::Table,
    };

    #[test]
    fn an_axis_has_round_numbers_around_its_values() {
        let (range, round) = steps([3.0, 40.0].into_iter());
        assert_eq!(
            (range, round),
            (2.0..50.0, vec![2.0, 5.0, 10.0, 20.0, 50.0])
        );
        let (range, round) = steps([3.0, 90_000.0].into_iter());
        assert_eq!(range, 2.0..100_000.0);
        assert_eq!(round, [10.0, 100.0, 1_000.0, 10_000.0, 100_000.0]);
    }

    #[test]
    fn a_line_takes_two_points_and_a_failure_is_none() {
        let mut outcome = Outcome::new(Table::Warm, &Made::default());
        outcome.rows = vec![
            row("a 1", &[1.0], Some(("a", 1))),
            row("b 1", &[1.0], Some(("b", 1))),
            row("b 2", &[], Some(("b", 2))),
            row("other", &[1.0], None),
        ];
        assert!(!has_plot(&outcome));
        outcome.rows.push(row("a 9", &[1.0], Some(("a", 9))));
        let names: Vec<&str> = curves(&outcome).iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["a"]);
        let svg = svg(&outcome, "hosts", THEMES[0]).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("hosts"), "{svg}");
    }
}
