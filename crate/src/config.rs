//! Parameters of an experiment: defaults in the notebook, overridden from outside.

use std::cell::RefCell;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Error, Result};

/// The environment variable with overrides: a JSON object, or the path of a file that holds one.
pub const VARIABLE: &str = "SOLVERGRAD_CONFIG";

/// Overrides of a configuration, taken one typed field at a time.
///
/// ```
/// use solvergrad::config::Overrides;
///
/// let overrides = Overrides::from_json("test", r#"{"epochs": 2}"#)?;
/// let epochs: u32 = overrides.or("epochs", 10)?;
/// let seed: u64 = overrides.or("seed", 1)?;
/// let resolved = overrides.finish()?;
/// assert_eq!((epochs, seed), (2, 1));
/// assert_eq!(resolved.to_string(), r#"{"epochs":2,"seed":1}"#);
/// # Ok::<(), solvergrad::Error>(())
/// ```
#[derive(Debug)]
pub struct Overrides {
    source: String,
    given: Map<String, Value>,
    resolved: RefCell<Map<String, Value>>,
}

impl Overrides {
    /// From the environment variable [`VARIABLE`]; none where it is unset or empty.
    ///
    /// # Errors
    /// [`Error::Configuration`] when it holds neither a JSON object nor a readable file with one.
    pub fn from_env() -> Result<Self> {
        let text = std::env::var(VARIABLE).unwrap_or_default();
        let text = match text.trim() {
            "" => "{}".to_owned(),
            inline if inline.starts_with('{') => inline.to_owned(),
            path => std::fs::read_to_string(path).map_err(|error| Error::Configuration {
                variable: VARIABLE.into(),
                problem: format!("{path} is neither a JSON object nor a readable file: {error}"),
            })?,
        };
        Self::from_json(VARIABLE, &text)
    }

    /// From the text of a JSON object; `source` names it in messages.
    ///
    /// # Errors
    /// [`Error::Configuration`] when `text` is not a JSON object.
    pub fn from_json(source: &str, text: &str) -> Result<Self> {
        let given = serde_json::from_str(text).map_err(|error| Error::Configuration {
            variable: source.into(),
            problem: format!("not a JSON object: {error}"),
        })?;
        Ok(Self { source: source.into(), given, resolved: RefCell::default() })
    }

    /// The value given for `field`, or `default`.
    ///
    /// # Errors
    /// [`Error::Configuration`] when the value given does not fit the type.
    pub fn or<T: DeserializeOwned + Serialize>(&self, field: &str, default: T) -> Result<T> {
        let value = match self.given.get(field) {
            None => default,
            Some(given) => serde_json::from_value(given.clone()).map_err(|error| {
                let problem = format!("{field} = {given}: {error}");
                Error::Configuration { variable: self.source.clone(), problem }
            })?,
        };
        self.resolved.borrow_mut().insert(field.to_owned(), serde_json::to_value(&value)?);
        Ok(value)
    }

    /// All fields asked for, with the values in effect.
    ///
    /// # Errors
    /// [`Error::Configuration`] for a field that was given but never asked for.
    pub fn finish(self) -> Result<Value> {
        let resolved = self.resolved.into_inner();
        match self.given.keys().find(|field| !resolved.contains_key(*field)) {
            None => Ok(Value::Object(resolved)),
            Some(field) => Err(Error::Configuration {
                variable: self.source,
                problem: format!(
                    "unknown field `{field}`; the fields are {}",
                    resolved.keys().cloned().collect::<Vec<_>>().join(", ")
                ),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_named() {
        let message = |json: &str| {
            let read = || -> Result<Value> {
                let overrides = Overrides::from_json("TEST", json)?;
                let _: u32 = overrides.or("epochs", 10)?;
                let _: f64 = overrides.or("rate", 0.1)?;
                overrides.finish()
            };
            read().err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(message(r#"{"epochs": 3, "rate": 1e-3}"#), "");
        assert!(
            message(r#"{"epoch": 3}"#)
                .contains("unknown field `epoch`; the fields are epochs, rate")
        );
        assert!(message(r#"{"epochs": -1}"#).contains("epochs = -1"));
        assert!(message(r#"{"rate": "fast"}"#).contains("rate = \"fast\""));
        assert!(message("[1]").contains("not a JSON object"));
    }
}
