//! Learning curves: a metric over the epochs.

use std::collections::BTreeMap;

use plotly::Scatter;
use plotly::common::{Fill, HoverInfo, Line, Mode};
use polars::prelude::DataFrame;

use super::{Figure, style};
use crate::error::{Error, Result};
use crate::record::{Row, from_frame};

/// One line per rule and projection: the mean of `metric` over the seeds at each epoch, within a
/// band from the smallest to the largest seed. `rows` holds the columns of a
/// [record](crate::record); margins and experiments get lines of their own where several occur.
/// A line has a gap where a seed is not finite.
///
/// # Errors
/// [`Error::Parameter`] when no row has this split and metric, or when one seed has two values at
/// the same epoch.
pub fn curves(rows: &DataFrame, split: &str, metric: &str, y_title: &str) -> Result<Figure> {
    let rows = select(from_frame(rows)?, split, metric)?;
    let mut plot = style::plot(style::layout("epoch", y_title));
    let lines = lines(&rows)?;
    // All bands first, so that no band covers a line.
    for (index, (_, points)) in lines.iter().enumerate() {
        if points.values().any(|seeds| seeds.len() > 1) {
            plot.add_trace(band(index, points));
        }
    }
    for (index, (label, points)) in lines.iter().enumerate() {
        let x: Vec<u32> = points.keys().copied().collect();
        let y: Vec<Option<f64>> = points.values().map(mean).collect();
        // A line through one point is invisible.
        let mode = if x.len() <= 12 { Mode::LinesMarkers } else { Mode::Lines };
        let trace = Scatter::new(x, y)
            .name(label)
            .mode(mode)
            .line(style::line(index))
            .legend_group(index.to_string())
            .show_legend(true);
        plot.add_trace(trace);
    }
    Ok(Figure::new(plot))
}

// The outline of the band: along the largest values, and back along the smallest ones.
fn band(index: usize, points: &Points) -> Box<Scatter<u32, f64>> {
    let drawn = || points.iter().filter(|(_, seeds)| mean(seeds).is_some());
    let x = drawn().chain(drawn().rev()).map(|(&epoch, _)| epoch).collect();
    let high = drawn().map(|(_, seeds)| seeds.values().copied().fold(f64::MIN, f64::max));
    let low = drawn().rev().map(|(_, seeds)| seeds.values().copied().fold(f64::MAX, f64::min));
    Scatter::new(x, high.chain(low).collect())
        .mode(Mode::Lines)
        .line(Line::new().width(0.0).color(style::colour(index)))
        .fill(Fill::ToSelf)
        .fill_color(style::shade(index))
        .hover_info(HoverInfo::Skip)
        .legend_group(index.to_string())
        .show_legend(false)
}

type Seeds = BTreeMap<u64, f64>;
type Points = BTreeMap<u32, Seeds>;

fn select(rows: Vec<Row>, split: &str, metric: &str) -> Result<Vec<Row>> {
    let known = |names: &mut dyn Iterator<Item = &str>| {
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        names.dedup();
        format!("one of: {}", names.join(", "))
    };
    if rows.is_empty() {
        return Err(Error::parameter("the number of rows", 0, "at least 1"));
    }
    if !rows.iter().any(|row| row.split == split) {
        let splits = known(&mut rows.iter().map(|row| row.split.as_str()));
        return Err(Error::parameter("the split of the curves", split, splits));
    }
    let (split_rows, _): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|r| r.split == split);
    if !split_rows.iter().any(|row| row.metric == metric) {
        let metrics = known(&mut split_rows.iter().map(|row| row.metric.as_str()));
        return Err(Error::parameter("the metric of the curves", metric, metrics));
    }
    Ok(split_rows.into_iter().filter(|row| row.metric == metric).collect())
}

// The lines in the order in which they first occur, with their labels.
fn lines(rows: &[Row]) -> Result<Vec<(String, Points)>> {
    let several = |of: fn(&Row) -> &String| rows.iter().any(|row| of(row) != of(&rows[0]));
    let experiments = several(|row| &row.experiment);
    let margins = several(|row| &row.margin);
    let mut lines: Vec<(String, Points)> = Vec::new();
    for row in rows {
        let parts = [
            (experiments, &row.experiment),
            (true, &row.rule),
            (true, &row.projection),
            (margins, &row.margin),
        ];
        let named = parts.iter().filter(|(shown, name)| *shown && !is_none(name));
        let label = named.map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(" + ");
        let place = lines.iter().position(|(known, _)| *known == label).unwrap_or(lines.len());
        if place == lines.len() {
            lines.push((label, Points::new()));
        }
        let seeds = lines[place].1.entry(row.epoch).or_default();
        if seeds.insert(row.seed, row.value).is_some() {
            let got = format!("two for seed {} at epoch {}", row.seed, row.epoch);
            let expected = format!("one ({}): select the rows of one run", lines[place].0);
            return Err(Error::parameter("the number of values", got, expected));
        }
    }
    Ok(lines)
}

fn is_none(name: &str) -> bool {
    name.is_empty() || name.eq_ignore_ascii_case("none")
}

fn mean(seeds: &Seeds) -> Option<f64> {
    let mean = seeds.values().sum::<f64>() / seeds.len() as f64;
    mean.is_finite().then_some(mean)
}
