//! Network settings: bindings to the old card's address are commented out.

use comeback_guest::network::NetworkKind;

use super::Edits;
use super::text::{Replacement, line_around};
use crate::rules::network::{can_be_dropped, is_bound};

/// What stands before a line that was commented out.
const MARK: &str = "# comeback: ";

pub(super) fn edit(edits: &mut Edits) {
    let guest = edits.guest;
    for setting in guest
        .network
        .settings
        .iter()
        .filter(|setting| is_bound(setting) && can_be_dropped(setting))
    {
        let Some(mac) = &setting.mac else {
            continue;
        };
        let content = edits.content(&setting.path);
        let starts: Vec<usize> = match setting.kind {
            // A rule may go on over several lines, and half a rule is worse than none.
            NetworkKind::UdevRule => line_starts(content, setting.span.clone()),
            _ => vec![line_around(content, mac.span.start).start],
        };
        let made: Vec<Replacement> = starts
            .into_iter()
            .map(|start| Replacement::insert(start, MARK, mac.line, "the new card has another address"))
            .collect();
        for replacement in made {
            edits.push(&setting.path, replacement);
        }
    }
}

/// Where the lines that a span touches start.
fn line_starts(content: &[u8], span: std::ops::Range<usize>) -> Vec<usize> {
    let first = line_around(content, span.start).start;
    let text = content.get(first..span.end.min(content.len())).unwrap_or_default();
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let breaks = text
        .iter()
        .enumerate()
        .filter(|&(_, &byte)| byte == b'\n')
        .map(|(at, _)| first + at + 1);
    std::iter::once(first).chain(breaks).collect()
}
