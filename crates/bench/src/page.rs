//! The part of `docs/performance.md` that a run writes.

use std::fmt::Write;

use crate::plan::{Aim, ROWS};
use crate::report::{Report, Reported};

/// Between these lines everything is written by a run.
const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// The page with a new measured part.
///
/// # Errors
/// The page does not have the two lines that enclose the part.
pub fn renewed(page: &str, report: &Report) -> Result<String, String> {
    let cut = page
        .split_once(BEGIN)
        .and_then(|(before, rest)| rest.split_once(END).map(|(_, after)| (before, after)));
    let (before, after) = cut.ok_or_else(|| format!("the page lacks {BEGIN} and {END}"))?;
    Ok(format!("{before}{BEGIN}\n{}{END}{after}", part(report)))
}

/// A figure with as many digits as mean something.
pub fn figure(value: f64) -> String {
    match value.abs() {
        large if large >= 1_000.0 => grouped(value.round() as u64),
        middle if middle >= 100.0 => format!("{value:.0}"),
        small if small >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// What a figure should be, in words; "" if nothing is said.
pub fn aim(name: &str) -> String {
    match ROWS.iter().find(|row| row.name == name).and_then(|row| row.aim) {
        Some(Aim::AtMost(most)) => format!("<= {most}"),
        Some(Aim::AtLeast(least)) => format!(">= {least}"),
        None => String::new(),
    }
}

/// Whether a figure is what it should be; none if nothing is said or it has no baseline here.
pub fn is_met(reported: &Reported) -> Option<bool> {
    let row = ROWS.iter().find(|row| row.name == reported.name)?;
    let judged = if row.baseline.is_some() { reported.ratio? } else { reported.value };
    Some(row.aim?.is_met(judged))
}

fn part(report: &Report) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = head(&mut text, report).and_then(|()| rows(&mut text, report));
    text + &chart(report)
}

fn head(text: &mut String, report: &Report) -> std::fmt::Result {
    let machine = &report.machine;
    writeln!(
        text,
        "\nMeasured at commit {} on {}, {} cores, {} MiB, {}; {} rounds.\n",
        report.commit,
        machine.cpu,
        machine.cores,
        machine.memory_mib,
        machine.kernel,
        report.rounds.len()
    )
}

fn rows(text: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(text, "| row | value | unit | baseline | ratio | aim | CPU µs per call | idle % |")?;
    writeln!(text, "|---|---:|---|---|---:|---|---:|---:|")?;
    let some = |value: Option<f64>| value.map(figure).unwrap_or_default();
    for row in &report.rows {
        let verdict = match is_met(row) {
            Some(true) => " met",
            Some(false) => " **missed**",
            None => "",
        };
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {}{verdict} | {} | {} |",
            row.name,
            figure(row.value),
            row.unit,
            row.baseline.as_deref().unwrap_or_default(),
            some(row.ratio),
            aim(&row.name),
            some(row.cpu_us_per_call),
            some(row.idle_percent),
        )?;
    }
    Ok(())
}

/// Calls a second beside echo: what each step costs.
fn chart(report: &Report) -> String {
    let bars: Vec<_> = report.rows.iter().filter(|row| row.unit == "1/s").collect();
    let bars: Vec<_> = bars
        .into_iter()
        .filter(|row| row.name == "echo" || row.baseline.as_deref() == Some("echo"))
        .collect();
    let names: Vec<_> = bars.iter().map(|row| format!("\"{}\"", row.name)).collect();
    let values: Vec<_> = bars.iter().map(|row| format!("{:.0}", row.value)).collect();
    format!(
        "\n```mermaid\nxychart-beta horizontal\n    title \"calls a second, 64 bytes, 64 in flight\"\n    \
         x-axis [{}]\n    y-axis \"1/s\"\n    bar [{}]\n```\n\n",
        names.join(", "),
        values.join(", ")
    )
}

fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;

    fn report() -> Report {
        let row = |name: &str, value: f64, unit: &str, ratio: Option<f64>| Reported {
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
            baseline: ratio.map(|_| "echo".to_owned()),
            ratio,
            cpu_us_per_call: Some(12.345),
            idle_percent: None,
        };
        Report {
            machine: Machine { cpu: "a processor".to_owned(), cores: 2, ..Machine::default() },
            commit: "0123456789ab".to_owned(),
            rounds: vec![Vec::new(); 5],
            rows: vec![
                row("echo", 54_321.4, "1/s", None),
                row("encrypt_leader_64", 40_000.0, "1/s", Some(0.736)),
                row("encrypt_leader_64_cpu", 21.2, "us", Some(1.7)),
            ],
        }
    }

    #[test]
    fn a_run_writes_its_part_and_leaves_the_rest_alone() {
        let page = format!("# Performance\n\n{BEGIN}\nold\n{END}\n\nWhy.\n");
        let renewed = renewed(&page, &report()).unwrap();
        assert!(renewed.starts_with(&format!("# Performance\n\n{BEGIN}\n\nMeasured at")));
        assert!(renewed.ends_with(&format!("{END}\n\nWhy.\n")) && !renewed.contains("old"));
        for line in [
            "Measured at commit 0123456789ab on a processor, 2 cores, 0 MiB, ; 5 rounds.",
            "| echo | 54 321 | 1/s |  |  |  | 12.3 |  |",
            "| encrypt_leader_64 | 40 000 | 1/s | echo | 0.74 | >= 0.7 met | 12.3 |  |",
            "| encrypt_leader_64_cpu | 21.2 | us | echo | 1.70 | <= 1.6 **missed** | 12.3 |  |",
            "    x-axis [\"echo\", \"encrypt_leader_64\"]",
            "    bar [54321, 40000]",
        ] {
            assert!(renewed.lines().any(|found| found == line), "{line}: {renewed}");
        }
        assert_eq!(super::renewed(&renewed, &report()).unwrap(), renewed);
        assert!(super::renewed("# Performance", &report()).is_err());
    }

    #[test]
    fn figures_have_three_digits_or_more() {
        let table = [(0.0, "0.00"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123")];
        for (value, text) in table {
            assert_eq!(figure(value), text);
        }
        assert_eq!((figure(1_234.5), figure(1_234_567.0)), ("1 235".into(), "1 234 567".into()));
    }
}
