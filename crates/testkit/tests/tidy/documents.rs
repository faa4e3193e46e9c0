//! Pages that must exist: one for each reason of an error, and an index that lists each decision.

use conclave_core::reason::Reason;

const ERRORS: &str = "docs/errors/";
const DECISIONS: &str = "docs/adr/";

pub fn findings(files: &[(String, String)]) -> Vec<String> {
    let pages: Vec<_> = files.iter().filter_map(|(path, _)| path.strip_prefix(ERRORS)).collect();
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let mut findings = pages_of_reasons(&reasons, &pages);
    let records: Vec<_> =
        files.iter().filter_map(|(path, _)| path.strip_prefix(DECISIONS)).collect();
    let index = files.iter().find(|(path, _)| path == "docs/adr/README.md");
    findings.extend(unlisted_decisions(&records, index.map_or("", |(_, text)| text)));
    findings
}

/// Reasons without a page, and pages without a reason.
fn pages_of_reasons(reasons: &[&str], pages: &[&str]) -> Vec<String> {
    let missing = reasons
        .iter()
        .filter(|reason| !pages.contains(&format!("{reason}.md").as_str()))
        .map(|reason| {
            format!("{ERRORS}{reason}.md:1: missing (errors: each stable reason says what to do)")
        });
    let strays = pages
        .iter()
        .filter(|page| **page != "README.md")
        .filter(|page| !reasons.contains(&page.trim_end_matches(".md")))
        .map(|page| format!("{ERRORS}{page}:1: no such reason (errors: reasons are in core)"));
    missing.chain(strays).collect()
}

/// Decisions that the index does not link.
fn unlisted_decisions(records: &[&str], index: &str) -> Vec<String> {
    records
        .iter()
        .filter(|record| **record != "README.md" && !index.contains(&format!("({record})")))
        .map(|record| {
            format!("{DECISIONS}{record}:1: not in {DECISIONS}README.md (adr: what is not listed is not found)")
        })
        .collect()
}

#[test]
fn a_reason_without_a_page_and_a_page_without_a_reason_are_found() {
    let found = pages_of_reasons(&["SEALED", "NOT_FOUND"], &["README.md", "SEALED.md", "OLD.md"]);
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with("docs/errors/NOT_FOUND.md:1: missing"));
    assert!(found[1].starts_with("docs/errors/OLD.md:1: no such reason"));
    assert_eq!(pages_of_reasons(&["SEALED"], &["README.md", "SEALED.md"]), [""; 0]);
}

#[test]
fn a_decision_that_is_not_listed_is_found() {
    let index = "[one](0001-one.md)";
    assert_eq!(unlisted_decisions(&["README.md", "0001-one.md"], index), [""; 0]);
    let found = unlisted_decisions(&["0001-one.md", "0002-two.md"], index);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("docs/adr/0002-two.md:1: not in"));
}
