//! What is wrong with a configuration, as an operator reads it.

use std::fmt;
use std::path::Path;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong: field, value, what is allowed.
    pub message: String,
    /// What to do.
    pub next: String,
}

/// All that is wrong with a configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The configuration file, once known.
    file: Option<String>,
    errors: Vec<ConfigError>,
}

impl ConfigError {
    /// A field has a value that is not allowed.
    pub fn value(field: &str, value: &str, problem: &str, allowed: &str) -> ConfigError {
        ConfigError {
            message: format!("{field} = {value}: {problem}; allowed: {allowed}"),
            next: format!("correct {field}, or {} in the environment", variable(field)),
        }
    }

    /// A field is not known; `nearest` is the known name that was probably meant, `known` the names
    /// to choose from otherwise.
    pub fn unknown(
        field: &str,
        origin: &str,
        nearest: Option<&str>,
        known: &[&str],
    ) -> ConfigError {
        let quoted: Vec<String> = known.iter().map(|name| format!("\"{name}\"")).collect();
        let (hint, next) = match nearest {
            Some(name) => (
                format!("did you mean \"{name}\"?"),
                format!("rename it to \"{name}\" or remove it"),
            ),
            None => (
                format!("known here: {}", quoted.join(", ")),
                "remove it or use a known name".to_owned(),
            ),
        };
        ConfigError { message: format!("unknown field \"{field}\"{origin}; {hint}"), next }
    }

    /// A required field is missing.
    pub fn missing(field: &str, allowed: &str) -> ConfigError {
        ConfigError {
            message: format!("missing field \"{field}\"; allowed: {allowed}"),
            next: format!("set {field}, or {} in the environment", variable(field)),
        }
    }
}

impl ConfigErrors {
    /// The file cannot be used at all.
    pub fn one(message: impl Into<String>, next: impl Into<String>) -> ConfigErrors {
        let error = ConfigError { message: message.into(), next: next.into() };
        ConfigErrors { file: None, errors: vec![error] }
    }

    /// `Ok` if there are no errors.
    pub fn unless_empty(errors: Vec<ConfigError>) -> Result<(), ConfigErrors> {
        if errors.is_empty() { Ok(()) } else { Err(ConfigErrors { file: None, errors }) }
    }

    /// The table passed the check of its fields but is not a configuration.
    pub fn not_a_configuration(error: toml::de::Error) -> ConfigErrors {
        ConfigErrors::one(error.message().to_owned(), "compare with deploy/conclave.example.toml")
    }

    /// The same errors, found in this file.
    pub fn in_file(mut self, file: &Path) -> ConfigErrors {
        self.file = Some(file.display().to_string());
        self
    }

    /// Each thing that is wrong.
    #[cfg(test)]
    pub fn messages(&self) -> Vec<&str> {
        self.errors.iter().map(|error| error.message.as_str()).collect()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
        for (at, error) in self.errors.iter().enumerate() {
            let line_end = if at == 0 { "" } else { "\n" };
            write!(f, "{line_end}error: {file}{}\nnext: {}", error.message, error.next)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// The environment variable that overrides a field.
fn variable(field: &str) -> String {
    format!("CONCLAVE__{}", field.replace('.', "__").to_uppercase())
}
