//! The tidy record of every experiment: one row per measured number.

mod atomic;
mod csv;

pub use atomic::write_atomically;
pub(crate) use atomic::{make_folder, make_folder_named, replace_file};
pub use csv::{read_csv, write_csv};

use polars::prelude::{Column, DataFrame, DataType, NamedFrom, Series};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The columns of a record, in the order they are written.
pub const COLUMNS: [&str; 9] =
    ["experiment", "rule", "projection", "margin", "seed", "epoch", "split", "metric", "value"];

/// One measured number and everything that tells where it comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Name of the experiment.
    pub experiment: String,
    /// Gradient replacement, for instance `identity`.
    pub rule: String,
    /// Projection of the costs, `none` where there is none.
    pub projection: String,
    /// Margin on the costs (Sahoo et al. 2023, sec. 3.4), `none` where there is none.
    pub margin: String,
    /// Seed of the run.
    pub seed: u64,
    /// Passes over the training data before the measurement; 0 is before training.
    pub epoch: u32,
    /// Part of the data set: `train`, `val` or `test`.
    pub split: String,
    /// What was measured.
    pub metric: String,
    /// The number, in the unit of the metric.
    pub value: f64,
}

/// The rows as a frame with the columns [`COLUMNS`].
///
/// # Errors
/// [`Error::Polars`] when polars refuses the columns.
pub fn to_frame(rows: &[Row]) -> Result<DataFrame> {
    let text = |name: &str, of: fn(&Row) -> &str| {
        Column::from(Series::new(name.into(), rows.iter().map(of).collect::<Vec<_>>()))
    };
    let seeds: Vec<u64> = rows.iter().map(|row| row.seed).collect();
    let epochs: Vec<u32> = rows.iter().map(|row| row.epoch).collect();
    let values: Vec<f64> = rows.iter().map(|row| row.value).collect();
    let columns = vec![
        text("experiment", |row| &row.experiment),
        text("rule", |row| &row.rule),
        text("projection", |row| &row.projection),
        text("margin", |row| &row.margin),
        Column::from(Series::new("seed".into(), seeds)),
        Column::from(Series::new("epoch".into(), epochs)),
        text("split", |row| &row.split),
        text("metric", |row| &row.metric),
        Column::from(Series::new("value".into(), values)),
    ];
    Ok(DataFrame::new(rows.len(), columns)?)
}

/// The rows of a frame; integers of any width are accepted, further columns are ignored.
///
/// # Errors
/// [`Error::Parameter`] when a column is absent or holds a null, [`Error::Polars`] when a column
/// is of another kind.
pub fn from_frame(frame: &DataFrame) -> Result<Vec<Row>> {
    let texts = |name| {
        let column = cast(frame, name, &DataType::String)?;
        present(name, column.str()?.iter().map(|text| text.map(str::to_owned)))
    };
    let mut experiment = texts("experiment")?.into_iter();
    let mut rule = texts("rule")?.into_iter();
    let mut projection = texts("projection")?.into_iter();
    let mut margin = texts("margin")?.into_iter();
    let mut split = texts("split")?.into_iter();
    let mut metric = texts("metric")?.into_iter();
    let seed = cast(frame, "seed", &DataType::UInt64)?;
    let mut seed = present("seed", seed.u64()?.iter())?.into_iter();
    let epoch = cast(frame, "epoch", &DataType::UInt32)?;
    let mut epoch = present("epoch", epoch.u32()?.iter())?.into_iter();
    let value = cast(frame, "value", &DataType::Float64)?;
    let mut value = present("value", value.f64()?.iter())?.into_iter();
    let next = || {
        Some(Row {
            experiment: experiment.next()?,
            rule: rule.next()?,
            projection: projection.next()?,
            margin: margin.next()?,
            seed: seed.next()?,
            epoch: epoch.next()?,
            split: split.next()?,
            metric: metric.next()?,
            value: value.next()?,
        })
    };
    Ok(std::iter::from_fn(next).collect())
}

fn cast(frame: &DataFrame, name: &str, kind: &DataType) -> Result<Column> {
    let column = frame.column(name).map_err(|_| {
        let columns: Vec<_> = frame.get_column_names().iter().map(|c| c.as_str()).collect();
        Error::parameter("the columns of the frame", columns.join(", "), COLUMNS.join(", "))
    })?;
    Ok(column.strict_cast(kind)?)
}

fn present<T>(name: &str, values: impl Iterator<Item = Option<T>>) -> Result<Vec<T>> {
    let checked = values.enumerate().map(|(row, value)| {
        value.ok_or_else(|| Error::Parameter {
            what: "the frame",
            got: format!("null in column {name}, row {row}"),
            expected: "without nulls".to_owned(),
        })
    });
    checked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |seed: u64, value: f64| Row {
            experiment: "toy".into(),
            rule: "identity".into(),
            projection: "std".into(),
            margin: "none".into(),
            seed,
            epoch: 1,
            split: "train".into(),
            metric: "loss".into(),
            value,
        };
        vec![row(0, 0.1), row(u64::MAX, f64::INFINITY)]
    }

    #[test]
    fn a_frame_gives_back_its_rows() -> Result<()> {
        let frame = to_frame(&rows())?;
        assert_eq!(frame.shape(), (2, COLUMNS.len()));
        assert_eq!(from_frame(&frame)?, rows());
        assert_eq!(from_frame(&to_frame(&[])?)?, []);
        Ok(())
    }

    #[test]
    fn accepts_other_integers_and_names_what_is_missing() -> Result<()> {
        let mut frame = to_frame(&rows()[..1])?;
        frame.with_column(Column::from(Series::new("seed".into(), [7_i64])))?;
        assert_eq!(from_frame(&frame)?[0].seed, 7);
        frame.with_column(Column::from(Series::new("epoch".into(), [None::<i64>])))?;
        let null = from_frame(&frame).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(null.contains("null in column epoch"), "{null}");
        let short = from_frame(&frame.drop("value")?).err();
        assert!(matches!(short, Some(Error::Parameter { .. })));
        Ok(())
    }
}
