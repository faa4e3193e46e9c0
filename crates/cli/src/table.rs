//! Tables and lists of fields, for people.

use comfy_table::{Table, presets};

/// A table without lines: a header row and rows under it.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// One field a line, the values below each other. A field without a value is left out.
pub(crate) fn fields(fields: &[(&str, String)]) -> String {
    let shown = || fields.iter().filter(|(_, value)| !value.is_empty());
    let width = shown().map(|(name, _)| name.len()).max().unwrap_or(0);
    shown().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_below_their_header() {
        let text = table(["NAME", "N"], [["orders".to_owned(), "1".to_owned()]]);
        assert_eq!(text, "NAME    N\norders  1\n");
    }

    #[test]
    fn absent_fields_are_left_out() {
        let text =
            fields(&[("id", "7".into()), ("description", String::new()), ("state", "on".into())]);
        assert_eq!(text, "id     7\nstate  on\n");
    }
}
