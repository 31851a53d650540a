//! Records as CSV files that give back the very same numbers.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::{COLUMNS, Row, write_atomically};
use crate::error::{Error, Result};

/// Writes the rows as CSV (RFC 4180), atomically. Numbers are in a form that reads back to the
/// same bits; what is not finite is `NaN`, `inf` or `-inf`.
///
/// # Errors
/// [`Error::Io`] when the file cannot be written.
pub fn write_csv(rows: &[Row], path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let text = encode(rows).map_err(|error| problem(path, &error))?;
    write_atomically(path, |file| file.write_all(&text).map_err(Error::io("write", path)))
}

/// Reads rows from CSV. Columns are found by their names, in any order; others are ignored.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::File`] when it is not such a record.
pub fn read_csv(path: impl AsRef<Path>) -> Result<Vec<Row>> {
    let path = path.as_ref();
    let text = fs::read(path).map_err(Error::io("read", path))?;
    decode(&text).map_err(|error| problem(path, &error))
}

fn problem(path: &Path, error: &csv::Error) -> Error {
    Error::File {
        path: path.to_path_buf(),
        problem: error.to_string(),
        cure: format!("expected a CSV file with the columns {}", COLUMNS.join(", ")),
    }
}

fn encode(rows: &[Row]) -> csv::Result<Vec<u8>> {
    // The header also where there are no rows.
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for row in rows {
        writer.serialize(row)?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn decode(text: &[u8]) -> csv::Result<Vec<Row>> {
    let mut reader = csv::Reader::from_reader(text);
    // Deserialising looks for columns only where there is a row.
    let header = reader.headers()?;
    if let Some(missing) = COLUMNS.iter().find(|name| !header.iter().any(|found| found == **name)) {
        return Err(std::io::Error::other(format!("there is no column `{missing}`")).into());
    }
    reader.deserialize().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(experiment: &str, value: f64) -> Row {
        Row {
            experiment: experiment.into(),
            rule: "identity".into(),
            projection: "std".into(),
            margin: String::new(),
            seed: u64::MAX,
            epoch: 3,
            split: "test".into(),
            metric: "loss, \"squared\"".into(),
            value,
        }
    }

    #[test]
    fn gives_back_the_same_bits() -> csv::Result<()> {
        let values = [
            0.1 + 0.2,
            -0.0,
            1.0 / 3.0,
            5e-324,
            f64::MAX,
            f64::MIN_POSITIVE,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            1e300,
            123_456_789.0,
        ];
        let rows: Vec<Row> = values.iter().map(|&v| row("line\nbreak, é", v)).collect();
        let back = decode(&encode(&rows)?)?;
        assert_eq!(back.len(), rows.len());
        for (row, back) in rows.iter().zip(back) {
            assert_eq!((&row.experiment, &row.metric), (&back.experiment, &back.metric));
            assert_eq!(row.seed, back.seed);
            let same = row.value.to_bits() == back.value.to_bits();
            assert!(same || row.value.is_nan() && back.value.is_nan(), "{:?}", row.value);
        }
        Ok(())
    }

    #[test]
    fn reads_other_orders_and_line_ends() -> csv::Result<()> {
        let text = b"value,seed,epoch,more,experiment,rule,projection,margin,split,metric\r\n\
                     0.5,1,2,x,e,r,p,m,s,t";
        let rows = decode(text)?;
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].value, rows[0].seed, rows[0].metric.as_str()), (0.5, 1, "t"));
        assert_eq!(encode(&[])?, format!("{}\n", COLUMNS.join(",")).into_bytes());
        Ok(())
    }

    #[test]
    fn says_where_it_is_wrong() {
        let header = COLUMNS.join(",");
        let problem = |text: &str| {
            decode(text.as_bytes()).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(problem("a,b\n").contains("no column `experiment`"));
        assert!(problem("").contains("no column `experiment`"));
        // A file that ends within a quote.
        assert!(problem(&format!("{header}\n\"e")).contains("1 field"));
        let short = problem(&format!("{header}\ne,r,p,m,1,2,s,t\n"));
        assert!(short.contains("line: 2") && short.contains("8 fields"), "{short}");
        let negative = problem(&format!("{header}\ne,r,p,m,-1,2,s,t,0\n"));
        assert!(negative.contains("line: 2") && negative.contains("field 4"), "{negative}");
    }
}
