//! Bounds hold, and whatever the text is, nothing panics.

// Helpers of tests stand outside of `#[test]` functions.
#![allow(clippy::unwrap_used)]

mod mistakes;

use ha_config::{Code, Diagnostics, Severity, limits, parse, render};
use mistakes::{BASE, MISTAKES};
use proptest::prelude::*;
use std::fmt::Write;

fn refused(text: &str) -> Diagnostics {
    parse("cluster.toml", text).expect_err("this must be refused")
}

fn codes(errors: &Diagnostics) -> Vec<Code> {
    errors.items.iter().filter(|i| i.severity == Severity::Error).map(|i| i.code).collect()
}

#[test]
fn a_file_is_at_most_a_mebibyte() {
    let padding = limits::FILE_BYTES_MAX - BASE.len() - 2;
    let largest = format!("{BASE}# {}", "x".repeat(padding));
    assert_eq!(largest.len(), limits::FILE_BYTES_MAX);
    assert!(parse("cluster.toml", &largest).is_ok());
    assert_eq!(codes(&refused(&format!("{largest}x"))), [Code::FileTooLarge]);
}

fn with_nodes(count: usize) -> String {
    let mut text = "name = \"many\"\n".to_owned();
    for n in 1..=count {
        writeln!(text, "[[node]]\nname = \"n{n}\"\nlinks = [\"10.0.0.{n}\"]").unwrap();
    }
    text
}

#[test]
fn nodes_and_resources_are_counted() {
    assert!(parse("cluster.toml", &with_nodes(limits::NODES_MAX)).is_ok());
    assert_eq!(codes(&refused(&with_nodes(limits::NODES_MAX + 1))), [Code::TooMany]);

    let with_resources = |count: usize| {
        let mut text = with_nodes(1);
        for n in 1..=count {
            writeln!(
                text,
                "[[resource]]\nname = \"r{n}\"\nagent = \"exec\"\noptions = {{ start = \"/bin/r\" }}"
            )
            .unwrap();
        }
        text
    };
    assert!(parse("cluster.toml", &with_resources(limits::RESOURCES_MAX)).is_ok());
    assert_eq!(codes(&refused(&with_resources(limits::RESOURCES_MAX + 1))), [Code::TooMany]);
}

#[test]
fn a_file_full_of_errors_shows_a_bounded_number() {
    let mut text = BASE.to_owned();
    for n in 0..5000 {
        writeln!(text, "wrong{n} = 1").unwrap();
    }
    let shown = refused(&text).render(false);
    assert_eq!(shown.matches("error[unknown-key]").count(), limits::DIAGNOSTICS_MAX);
    assert!(shown.contains("and 900 more"), "{}", &shown[shown.len() - 200..]);
}

#[test]
fn a_large_file_of_nonsense_is_refused_in_bounded_space() {
    let mut text = String::new();
    let mut n = 0;
    while text.len() + 16 < limits::FILE_BYTES_MAX {
        writeln!(text, "k{n}=1").unwrap();
        n += 1;
    }
    let errors = refused(&text);
    assert_eq!(errors.items.len(), limits::DIAGNOSTICS_KEPT);
    assert!(errors.render(false).contains("and 900 more"));
}

#[test]
fn a_secret_is_never_shown() {
    let secret = "community = \"grüße-geheim\"";
    let text = BASE.replace("community_file = \"/etc/ha/secrets/pdu-a\"", secret).replace("ip = ", "pi = ");
    let errors = refused(&text);
    for shown in [
        errors.render(false),
        errors.render(true),
        format!("{errors:?}"),
        render("f", &text, &errors.items, false),
    ] {
        assert!(!shown.contains("geheim"), "{shown}");
    }
    assert!(errors.render(false).contains("community_file"));
}

#[test]
fn color_changes_nothing_but_color() {
    let errors = refused(&BASE.replace("links", "link"));
    let colored = errors.render(true);
    assert!(colored.contains("\u{1b}["));
    assert!(!errors.render(false).contains('\u{1b}'));
}

const EXAMPLES: [&str; 4] = [
    BASE,
    include_str!("../../../examples/clusters/three-node-web.toml"),
    include_str!("../../../examples/clusters/two-members-witness-database.toml"),
    include_str!("../../../examples/clusters/four-members-nfs.toml"),
];

/// A text of the examples and mistakes with pieces cut, doubled and replaced.
fn mutated() -> impl Strategy<Value = String> {
    let pieces = MISTAKES.iter().flat_map(|mistake| mistake.edits).map(|(_, to)| *to);
    let pieces: Vec<&'static str> = pieces
        .chain([
            "[",
            "]",
            "{",
            "}",
            "\"",
            "'''",
            "=",
            "\n",
            "\r\n",
            "\t",
            "\0",
            "ä",
            "🦀",
            "-1",
            "1e999",
            "[[node]]\n",
        ])
        .chain([
            "99999999999999999999",
            "inf",
            "1979-05-27",
            "node = 1\n",
            "[timing]\nt_lost = \"0s\"\n",
            "[resource.x]\n",
        ])
        .collect();
    let edit = (any::<proptest::sample::Index>(), 0usize..40, proptest::sample::select(pieces));
    let edits = proptest::collection::vec(edit, 0..8);
    (proptest::sample::select(&EXAMPLES), edits).prop_map(|(example, edits)| {
        let mut text = example.to_owned();
        for (at, cut, piece) in edits {
            let at = at.index(text.len() + 1);
            let floor = |mut at: usize, text: &str| {
                at = at.min(text.len());
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                at
            };
            let start = floor(at, &text);
            let end = floor(start + cut, &text).max(start);
            text.replace_range(start..end, piece);
        }
        text
    })
}

/// Reads and shows a text in every way.
fn exercise(text: &str) {
    match parse("cluster.toml", text) {
        Ok(parsed) => {
            let shown = render("cluster.toml", text, &parsed.warnings, true);
            assert_eq!(shown.is_empty(), parsed.warnings.is_empty());
            assert!(parsed.config.voters().len() % 2 == 1, "the number of voters is odd: {text}");
            assert_eq!(ha_config::diff(&parsed.config, &parsed.config), vec![]);
        }
        Err(errors) => {
            assert!(errors.error_count() > 0, "refused without an error: {text}");
            assert!(!errors.render(true).is_empty());
            for item in &errors.items {
                assert!(item.span.line >= 1 && item.span.column >= 1);
                assert!(item.span.bytes.end <= text.len(), "{item:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_files_never_panic(text in mutated()) {
        exercise(&text);
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}|[\\x00-\\x7f]{0,200}") {
        exercise(&text);
    }
}
