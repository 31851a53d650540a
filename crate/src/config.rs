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
                self.refuse(problem)
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
        let resolved = self.resolved.take();
        match self.given.keys().find(|field| !resolved.contains_key(*field)) {
            None if only_checked() => {
                println!("{}", Value::Object(resolved));
                std::process::exit(0);
            }
            None => Ok(Value::Object(resolved)),
            Some(field) => Err(self.refuse(format!(
                "unknown field `{field}`; the fields are {}",
                resolved.keys().cloned().collect::<Vec<_>>().join(", ")
            ))),
        }
    }

    // The error; of a program that is only asked about its parameters, also the last thing it says.
    fn refuse(&self, problem: String) -> Error {
        let error = Error::Configuration { variable: self.source.clone(), problem };
        if only_checked() {
            eprintln!("{error}");
            std::process::exit(2);
        }
        error
    }
}

/// Set where a program was called with `--check`.
const CHECK: &str = "SOLVERGRAD_CHECK";

fn only_checked() -> bool {
    std::env::var_os(CHECK).is_some()
}

/// Takes the parameters of a notebook's program, as `solvergrad notebook` takes them: those it was
/// built with (a JSON object), then those of the environment, then `--set FIELD=VALUE` and `--out
/// FOLDER` of its command line. What stands later wins. [`Overrides::from_env`] sees the result.
///
/// A value is read as JSON, and as text where it is none: `--set seed=3 --set data=mnist`. With
/// `--check` the program ends where it has read its configuration, which it prints as JSON.
///
/// # Errors
/// [`Error::Configuration`] for another argument, or for parameters that are no JSON object.
pub fn take_command_line(built_in: &str) -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = Overrides::from_env()?.given;
    let mut fields = Overrides::from_json("the program's own parameters", built_in)?.given;
    fields.extend(given);
    let wrong = |problem: String| Error::Configuration { variable: "command line".into(), problem };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--check" {
            // SAFETY: as below.
            unsafe { std::env::set_var(CHECK, "1") };
            continue;
        }
        match (argument.as_str(), arguments.next()) {
            ("--set", Some(pair)) => {
                let (field, value) = pair
                    .split_once('=')
                    .ok_or_else(|| wrong(format!("--set {pair}: give FIELD=VALUE")))?;
                let text = || Value::String(value.to_owned());
                let value = serde_json::from_str(value).unwrap_or_else(|_| text());
                fields.insert(field.to_owned(), value);
            }
            // SAFETY: the first thing a program does, before it has other threads.
            ("--out", Some(folder)) => unsafe { std::env::set_var("SOLVERGRAD_OUT", folder) },
            _ => {
                let usage = "the arguments are --set FIELD=VALUE, --out FOLDER and --check";
                return Err(wrong(format!("`{argument}`: {usage}")));
            }
        }
    }
    // SAFETY: as above.
    unsafe { std::env::set_var(VARIABLE, Value::Object(fields).to_string()) };
    Ok(())
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
