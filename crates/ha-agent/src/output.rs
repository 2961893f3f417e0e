//! Output of a program, bounded: its beginning and its end are kept, the middle is counted and dropped.
//!
//! Must not know: who wrote it. Invariant: memory is at most [`HEAD_BYTES`] + [`TAIL_BYTES`] a stream, whatever arrives.

use std::collections::VecDeque;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Kept from the beginning: where a program says what it is about to do.
pub const HEAD_BYTES: usize = 32 * 1024;
/// Kept from the end: where a program says why it failed.
pub const TAIL_BYTES: usize = 32 * 1024;
const READ_BYTES: usize = 16 * 1024;
/// Longest line quoted in a reason: a reason is one sentence.
const QUOTE_CHARS: usize = 200;

/// One bounded stream.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Output {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl Output {
    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES - self.head.len()));
        self.head.extend_from_slice(first);
        let rest_kept = &rest[rest.len().saturating_sub(TAIL_BYTES)..];
        let excess = (self.tail.len() + rest_kept.len()).saturating_sub(TAIL_BYTES);
        self.tail.drain(..excess);
        self.tail.extend(rest_kept);
        self.dropped += (excess + rest.len() - rest_kept.len()) as u64;
    }

    /// Bytes that arrived and are not kept.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What is kept; where something was dropped, a line says how much.
    #[must_use]
    pub fn text(&self) -> String {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        let middle =
            if self.dropped == 0 { String::new() } else { format!("\n[{} bytes dropped]\n", self.dropped) };
        let bytes = [&self.head, middle.as_bytes(), &tail].concat();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last line that is not blank, shortened: the usual place of the reason.
    #[must_use]
    pub fn last_line(&self) -> Option<String> {
        last_line(&self.text())
    }

    pub(crate) async fn read_from(&mut self, mut source: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; READ_BYTES];
        // A read error ends the stream like its end does: what counts is how the program ended.
        while let Ok(n @ 1..) = source.read(&mut buffer).await {
            self.push(&buffer[..n]);
        }
    }
}

/// The last line of a text that is not blank, shortened.
pub(crate) fn last_line(text: &str) -> Option<String> {
    let line = text.lines().rev().map(str::trim).find(|l| !l.is_empty())?;
    Some(line.chars().filter(|c| !c.is_control()).take(QUOTE_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_both_ends_and_counts_the_middle() {
        let mut output = Output::default();
        let all: Vec<u8> = (0..300_000_u32).map(|i| b'a' + (i % 26) as u8).collect();
        for piece in all.chunks(7001) {
            output.push(piece);
        }
        assert_eq!(output.dropped(), (all.len() - HEAD_BYTES - TAIL_BYTES) as u64);
        assert_eq!(output.head, all[..HEAD_BYTES]);
        assert!(output.tail.iter().eq(&all[all.len() - TAIL_BYTES..]));
    }

    #[test]
    fn one_huge_piece_is_bounded_too() {
        let mut output = Output::default();
        output.push(&vec![b'x'; HEAD_BYTES + 3 * TAIL_BYTES]);
        assert_eq!((output.head.len(), output.tail.len()), (HEAD_BYTES, TAIL_BYTES));
        assert_eq!(output.dropped(), 2 * TAIL_BYTES as u64);
    }

    #[test]
    fn last_line_skips_blanks_and_is_short() {
        let mut output = Output::default();
        output.push(format!("first\n{}\n\n  \n", "y".repeat(900)).as_bytes());
        assert_eq!(output.last_line(), Some("y".repeat(QUOTE_CHARS)));
    }
}
