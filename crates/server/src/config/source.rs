//! File and environment become one table of known fields.

use std::path::Path;

use toml::{Table, Value};

use super::error::{ConfigError, ConfigErrors};
use super::fields::{self, FIELDS, Field};

/// What the name of an overriding variable begins with.
const PREFIX: &str = "CONCLAVE__";

/// Reads the file.
pub fn read(file: &Path) -> Result<String, ConfigErrors> {
    std::fs::read_to_string(file).map_err(|error| {
        ConfigErrors::one(
            format!("{}: the configuration cannot be read: {error}", file.display()),
            "give the path of a readable TOML file with --config",
        )
    })
}

/// Parses the text, applies the overrides, and checks each field by itself.
pub fn table(
    text: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Table, ConfigErrors> {
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
        ConfigErrors::one(
            format!("not TOML: {}", error.to_string().trim_end()),
            "correct the line; compare with deploy/conclave.example.toml",
        )
    })?;
    let mut errors = override_fields(&mut table, environment);
    errors.extend(unknown_fields(&table));
    for field in FIELDS {
        errors.extend(check_field(&table, field));
    }
    ConfigErrors::unless_empty(errors)?;
    Ok(table)
}

fn override_fields(
    table: &mut Table,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for (variable, text) in environment {
        let Some(path) = variable.strip_prefix(PREFIX) else { continue };
        let name = path.replace("__", ".").to_lowercase();
        match fields::field(&name) {
            Some(field) => set(table, field, field.kind.value_of(&text)),
            None => errors.push(fields::unknown(&name, &format!(" (variable {variable})"))),
        }
    }
    errors
}

fn set(table: &mut Table, field: &Field, value: Value) {
    let (section, name) = split(field);
    let entry = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(section) = entry {
        section.insert(name.to_owned(), value);
    }
}

fn unknown_fields(table: &Table) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for (section, content) in table {
        let Value::Table(content) = content else {
            errors.push(fields::unknown(section, ""));
            continue;
        };
        let is_section = FIELDS.iter().any(|field| split(field).0 == section);
        if content.is_empty() && !is_section {
            errors.push(fields::unknown(section, ""));
        }
        for name in content.keys().map(|name| format!("{section}.{name}")) {
            if fields::field(&name).is_none() {
                errors.push(fields::unknown(&name, ""));
            }
        }
    }
    errors
}

fn check_field(table: &Table, field: &Field) -> Vec<ConfigError> {
    let (section, name) = split(field);
    match table.get(section).and_then(|section| section.get(name)) {
        Some(value) => field.kind.check(field.name, value),
        None if field.required => vec![ConfigError::missing(field.name, &field.kind.allowed())],
        None => Vec::new(),
    }
}

fn split(field: &Field) -> (&'static str, &'static str) {
    field.name.split_once('.').expect("each name in the table of fields has one dot")
}
