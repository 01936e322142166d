//! How large an entry is once it is in Vault.

/// The bytes of a text as Vault stores it: as a JSON string, escaped as Go does it,
/// which also escapes `<`, `>` and `&`. On its way there it is never longer.
pub(super) fn escaped_bytes(text: &str) -> usize {
    text.chars()
        .map(|c| match c {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            '\u{0}'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
            c => c.len_utf8(),
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_go_writes() {
        assert_eq!(escaped_bytes("a é😀"), 8);
        assert_eq!(escaped_bytes("\"\\\n\r\t"), 10);
        assert_eq!(escaped_bytes("\u{8}\u{1f}<>&\u{2028}"), 36);
    }
}
