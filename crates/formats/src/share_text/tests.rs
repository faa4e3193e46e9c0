use super::*;
use proptest::prelude::*;

const GOLDEN: &str = include_str!("../../tests/vectors/share-text.txt");

fn share(index: u8, fill: u8) -> ShareText {
    let header = ShareHeader {
        keyspace8: [0x5f, 0x0c, 0x1a, 0x2b],
        epoch: 1,
        index,
        shares: 5,
        threshold: 3,
    };
    let mut bytes: Vec<u8> = (0..33u8).map(|at| at.wrapping_mul(7).wrapping_add(fill)).collect();
    bytes[0] = index;
    ShareText::new(header, &bytes).unwrap()
}

fn text() -> String {
    share(2, 3).encode().to_string()
}

/// The same share with one line replaced.
fn with_line(number: usize, line: &str) -> String {
    let text = text();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[number] = line;
    lines.join("\n")
}

fn error(text: &str) -> ShareTextError {
    ShareText::parse(text).unwrap_err()
}

#[test]
fn the_text_is_golden() {
    assert_eq!(text(), GOLDEN);
    let read = ShareText::parse(GOLDEN).unwrap();
    assert_eq!(read.header(), share(2, 3).header());
    assert_eq!(read.bytes(), share(2, 3).bytes());
}

#[test]
fn case_and_blanks_do_not_matter() {
    let lower = text().to_lowercase();
    let upper = text().to_uppercase();
    let wide = text().replace(' ', " \t  ").replace('\n', " \r\n\r\n  ");
    let joined_groups = text().lines().map(|line| line.replacen(' ', "  ", 1)).collect::<Vec<_>>();
    for variant in [lower, upper, wide, joined_groups.join("\n")] {
        assert_eq!(ShareText::parse(&variant).unwrap().bytes(), share(2, 3).bytes(), "{variant}");
    }
}

/// Every line, every character, every other character that could stand there.
#[test]
fn each_single_typing_error_names_its_line() {
    let text = text();
    for (number, line) in text.lines().enumerate().skip(1) {
        for at in (0..line.len()).filter(|at| line.as_bytes()[*at] != b' ') {
            for other in (b'A'..=b'Z').chain(b'0'..=b'9').chain(*b"-!") {
                let mut changed = line.as_bytes().to_vec();
                if changed[at] == other {
                    continue;
                }
                changed[at] = other;
                let changed = with_line(number, std::str::from_utf8(&changed).unwrap());
                let named = match error(&changed) {
                    ShareTextError::LineNumber { line }
                    | ShareTextError::LineLength { line }
                    | ShareTextError::Character { line, .. }
                    | ShareTextError::LineCheck { line } => usize::from(line),
                    other => panic!("{other:?} for {changed}"),
                };
                assert_eq!(named, number, "{changed}");
            }
        }
    }
}

#[test]
fn each_exchange_of_two_characters_in_a_line_is_noticed() {
    for (number, line) in text().lines().enumerate().skip(1) {
        for first in 3..line.len() {
            for second in first + 1..line.len() {
                let mut changed = line.as_bytes().to_vec();
                changed.swap(first, second);
                let same = changed == line.as_bytes();
                let blank = line.as_bytes()[first] == b' ' || line.as_bytes()[second] == b' ';
                if !same && !blank {
                    let changed = with_line(number, std::str::from_utf8(&changed).unwrap());
                    let line = u8::try_from(number).unwrap();
                    assert_eq!(error(&changed), ShareTextError::LineCheck { line }, "{changed}");
                }
            }
        }
    }
}

#[test]
fn exchanged_repeated_and_missing_lines_are_noticed() {
    let text = text();
    let lines: Vec<&str> = text.lines().collect();
    let join = |order: [usize; 4]| order.map(|at| lines[at]).join("\n");
    assert_eq!(error(&join([0, 2, 1, 3])), ShareTextError::LineNumber { line: 1 });
    assert_eq!(error(&join([0, 1, 1, 3])), ShareTextError::LineNumber { line: 2 });
    assert_eq!(error(&lines[..3].join("\n")), ShareTextError::LineCount { found: 2 });
    assert_eq!(error(&(text.clone() + lines[3])), ShareTextError::LineCount { found: 4 });
    // The bodies of two lines exchanged, the numbers kept.
    let body = |at: usize| &lines[at][2..];
    let swapped = format!("{}\n01{}\n02{}\n{}", lines[0], body(2), body(1), lines[3]);
    assert_eq!(error(&swapped), ShareTextError::LineCheck { line: 1 });
}

#[test]
fn the_first_line_is_checked() {
    for other in [
        "conclave-share-v1 5f0c1a2c epoch 1 index 2 of 5 need 3",
        "conclave-share-v1 5f0c1a2b epoch 2 index 2 of 5 need 3",
        "conclave-share-v1 5f0c1a2b epoch 1 index 3 of 5 need 3",
        "conclave-share-v1 5f0c1a2b epoch 1 index 2 of 6 need 3",
        "conclave-share-v1 5f0c1a2b epoch 1 index 2 of 5 need 2",
    ] {
        assert_eq!(error(&with_line(0, other)), ShareTextError::HeaderCheck, "{other}");
    }
    for other in [
        "",
        "conclave-share-v1",
        "conclave-share 5f0c1a2b epoch 1 index 2 of 5 need 3",
        "conclave-share-v1 5f0c1a2 epoch 1 index 2 of 5 need 3",
        "conclave-share-v1 +f0c1a2b epoch 1 index 2 of 5 need 3",
        "conclave-share-v1 5f0c1a2b epoch -1 index 2 of 5 need 3",
        "conclave-share-v1 5f0c1a2b epoch 4294967296 index 2 of 5 need 3",
        "conclave-share-v1 5f0c1a2b epoch 1 index 256 of 5 need 3",
        "conclave-share-v1 5f0c1a2b epoch 1 index 2 of 5 need 3 3",
    ] {
        assert_eq!(error(&with_line(0, other)), ShareTextError::Header, "{other}");
    }
    let numbers = "conclave-share-v1 5f0c1a2b epoch 1 index 6 of 5 need 3";
    assert_eq!(error(&with_line(0, numbers)), ShareTextError::HeaderNumbers);
    let version = "conclave-share-v2 5f0c1a2b";
    assert_eq!(error(&with_line(0, version)), ShareTextError::Version);
}

/// Lines that fit one by one, but come from two shares with the same first line.
#[test]
fn lines_of_two_shares_do_not_combine() {
    let (one, two) = (text(), share(2, 4).encode().to_string());
    let mixed: Vec<&str> = one.lines().take(3).chain(two.lines().skip(3)).collect();
    assert_eq!(error(&mixed.join("\n")), ShareTextError::Whole);
}

#[test]
fn a_share_that_contradicts_itself_is_not_made() {
    let header = *share(2, 3).header();
    let bytes = share(2, 3).bytes().to_vec();
    assert!(ShareText::new(header, &bytes[..32]).is_none());
    assert!(ShareText::new(ShareHeader { index: 3, ..header }, &bytes).is_none());
    assert!(ShareText::new(ShareHeader { threshold: 6, ..header }, &bytes).is_none());
    assert!(ShareText::new(ShareHeader { threshold: 0, ..header }, &bytes).is_none());
}

#[test]
fn several_shares_are_read_from_one_text() {
    let (one, two) = (share(1, 9).encode(), share(2, 3).encode());
    for between in ["", "\n", "\n\n \r\n"] {
        let both = format!("\n{}{between}{}\n", one.as_str(), two.as_str());
        let read = ShareText::parse_many(&both).unwrap();
        let indexes: Vec<u8> = read.iter().map(|share| share.header().index).collect();
        assert_eq!(indexes, [1, 2]);
    }
    let damaged = format!("{}\n{}", one.as_str(), with_line(2, "02 A"));
    let error = ShareTextError::LineLength { line: 2 };
    assert_eq!(
        ShareText::parse_many(&damaged).unwrap_err(),
        SharesTextError::Share { position: 2, error }
    );
    assert_eq!(ShareText::parse_many(" \n").unwrap_err(), SharesTextError::Empty);
    let many = one.repeat(256);
    assert_eq!(ShareText::parse_many(&many).unwrap_err(), SharesTextError::TooMany);
}

#[test]
fn debug_does_not_show_the_bytes() {
    let shown = format!("{:?}", share(2, 3));
    assert!(shown.contains("index: 2") && !shown.contains("bytes"), "{shown}");
}

#[test]
fn errors_hold_nothing_of_the_share() {
    let shown = error(&with_line(2, "02 SECRE TSECR ETSEC RETSE CR")).to_string();
    assert_eq!(shown, "line 02 has a typing error; compare it with the original");
}

proptest! {
    #[test]
    fn a_share_comes_back(
        keyspace8: [u8; 4], epoch: u32, bytes in proptest::collection::vec(any::<u8>(), 32),
        index in 1u8..=255, shares in 1u8..=255, threshold in 1u8..=255,
    ) {
        let (index, threshold) = (index.min(shares), threshold.min(shares));
        let header = ShareHeader { keyspace8, epoch, index, shares, threshold };
        let bytes: Vec<u8> = std::iter::once(index).chain(bytes).collect();
        let text = ShareText::new(header, &bytes).unwrap().encode();
        let back = ShareText::parse(&text).unwrap();
        prop_assert_eq!(back.header(), &header);
        prop_assert_eq!(back.bytes(), &bytes[..]);
        prop_assert!(text.len() <= MAX_SHARE_TEXT / 2);
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,300}", lines in "(0[1-3] [A-Z2-7 ]{0,30}\r?\n){0,4}") {
        let _ = ShareText::parse(&text);
        let _ = ShareText::parse_many(&text);
        let framed = format!("conclave-share-v1 00000000 epoch 0 index 1 of 1 need 1\n{lines}");
        let _ = ShareText::parse(&framed);
        let _ = ShareText::parse_many(&(framed.clone() + &text));
    }
}
