//! Reads the lines of a menu as GRUB 0.97 does.

use std::borrow::Cow;
use std::ops::Range;

use super::{DefaultEntry, Entry, Kernel, MenuLst, Module, Password, Template};
use crate::cmdline::Cmdline;
use crate::limit::{Budget, ENTRIES, LINE};
use crate::menu::device::{Device, DevicePath};
use crate::text::{Spanned, lines};

/// Commands that PV-GRUB knows: GRUB 0.97's table without what Xen's `stubdom/grub.patches/99minios` takes out.
const COMMANDS: &[&str] = &[
    "blocklist",
    "boot",
    "bootp",
    "cat",
    "chainloader",
    "cmp",
    "color",
    "configfile",
    "debug",
    "default",
    "device",
    "dhcp",
    "fallback",
    "find",
    "fstest",
    "geometry",
    "halt",
    "help",
    "hiddenmenu",
    "hide",
    "ifconfig",
    "initrd",
    "kernel",
    "lock",
    "makeactive",
    "map",
    "md5crypt",
    "module",
    "modulenounzip",
    "pager",
    "partnew",
    "parttype",
    "password",
    "pause",
    "print",
    "quit",
    "rarp",
    "read",
    "reboot",
    "root",
    "rootnoverify",
    "savedefault",
    "shade",
    "splashimage",
    "terminal",
    "terminfo",
    "tftpserver",
    "timeout",
    "title",
    "unhide",
    "viewport",
];

/// Commands that only run before the first entry (GRUB 0.97 `stage2/builtins.c`: `BUILTIN_MENU` alone). In an entry they
/// are an error, and the entry does not boot.
const MENU_ONLY: &[&str] = &["default", "fallback", "hiddenmenu", "timeout"];

/// Longest line that GRUB legacy reads (`NEW_HEAPSIZE` in `stage2/shared.h`); it drops the rest.
const LONGEST_LINE: usize = 1500;

/// A line as GRUB sees it: lines that end in a backslash are joined to the next, with blanks for backslash and line
/// ending, so that every byte keeps its offset.
struct Logical<'a> {
    line: usize,
    end_line: usize,
    start: usize,
    bytes: Cow<'a, [u8]>,
}

fn logical_lines(content: &[u8]) -> impl Iterator<Item = Logical<'_>> {
    let mut lines = lines(content);
    std::iter::from_fn(move || {
        let first = lines.next()?;
        let mut end = first.start + first.bytes.len();
        let mut last = first;
        let mut joints = Vec::new();
        while last.bytes.last() == Some(&b'\\') {
            let Some(next) = lines.next() else { break };
            // A longer line is not read at all.
            if end - first.start <= LINE {
                joints.push(end - 1..next.start);
            }
            end = next.start + next.bytes.len();
            last = next;
        }
        let mut bytes = Cow::Borrowed(&content[first.start..end]);
        for joint in joints {
            bytes.to_mut()[joint.start - first.start..joint.end - first.start].fill(b' ');
        }
        Some(Logical {
            line: first.number,
            end_line: last.number,
            start: first.start,
            bytes,
        })
    })
}

fn blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Part of a line with its place.
#[derive(Clone, Copy)]
struct Part<'a> {
    bytes: &'a [u8],
    start: usize,
    line: usize,
}

impl<'a> Part<'a> {
    fn spanned<T>(&self, value: T) -> Spanned<T> {
        Spanned {
            value,
            span: self.start..self.start + self.bytes.len(),
            line: self.line,
        }
    }

    fn text(&self) -> Spanned<String> {
        self.spanned(String::from_utf8_lossy(self.bytes).into_owned())
    }

    /// From `at` on, without blanks at either end.
    fn behind(&self, at: usize) -> Part<'a> {
        let rest = &self.bytes[at..];
        let skip = rest.iter().position(|b| !blank(b)).unwrap_or(rest.len());
        let end = rest.iter().rposition(|b| !blank(b)).map_or(skip, |n| n + 1);
        Part {
            bytes: &rest[skip..end],
            start: self.start + at + skip,
            line: self.line,
        }
    }

    /// The first word and what stands behind it.
    fn split_word(&self) -> (Part<'a>, Part<'a>) {
        let end = self.bytes.iter().position(blank).unwrap_or(self.bytes.len());
        (
            Part {
                bytes: &self.bytes[..end],
                start: self.start,
                line: self.line,
            },
            self.behind(end),
        )
    }

    fn cmdline(&self) -> Cmdline {
        Cmdline::parse(self.bytes, self.start, self.line)
    }

    fn device_path(&self) -> Spanned<DevicePath<Device>> {
        DevicePath::split(&self.text(), Device::parse)
    }

    fn number(&self) -> Option<Spanned<usize>> {
        let (value, len) = number(self.bytes)?;
        Some(Spanned {
            value,
            span: self.start..self.start + len,
            line: self.line,
        })
    }
}

/// A number as GRUB legacy reads it (`safe_parse_maxint` in `stage2/char_io.c`), with its length: decimal or `0x`, up to
/// the first character that does not fit.
pub(super) fn number(bytes: &[u8]) -> Option<(usize, usize)> {
    let (digits_at, radix) = match bytes {
        [b'0', b'x' | b'X', ..] => (2, 16),
        _ => (0, 10),
    };
    let mut value = 0u32;
    let mut end = digits_at;
    while let Some(digit) = bytes.get(end).and_then(|b| char::from(*b).to_digit(radix)) {
        value = value.checked_mul(radix)?.checked_add(digit)?;
        end += 1;
    }
    let found = end > digits_at && value <= i32::MAX as u32;
    found.then_some((value as usize, end))
}

impl Entry {
    fn new(title: Spanned<String>, span: Range<usize>, lines: Range<usize>) -> Self {
        Entry {
            title,
            span,
            lines,
            root: None,
            uuid: None,
            kernel: None,
            modules: Vec::new(),
            initrd: Vec::new(),
            savedefault: None,
            lock: None,
            password: None,
            chainloader: None,
            other: Vec::new(),
            counts: false,
        }
    }
}

impl MenuLst {
    /// Parses the menu.
    pub fn parse(content: &[u8]) -> Self {
        let mut menu = MenuLst::default();
        let mut budget = Budget::new();
        for logical in logical_lines(content) {
            let whole = Part {
                bytes: &logical.bytes,
                start: logical.start,
                line: logical.line,
            };
            let part = whole.behind(0);
            if part.bytes.is_empty() {
                continue;
            }
            if part.bytes.len() > LINE {
                menu.problem(part.spanned("the line is too long and is not read"));
                continue;
            }
            if !budget.take_line(part.bytes) || menu.entries.len() >= ENTRIES {
                menu.problem(part.spanned("too many lines: the rest is not read"));
                break;
            }
            if part.bytes[0] == b'#' {
                menu.comment(whole, logical.end_line);
            } else {
                menu.command(part, &logical);
            }
        }
        menu
    }

    fn problem(&mut self, problem: Spanned<&str>) {
        self.problems.push(problem.map(str::to_owned));
    }

    /// A comment: `update-grub` keeps its settings in them.
    fn comment(&mut self, part: Part<'_>, end_line: usize) {
        if end_line > part.line {
            self.problem(part.spanned("the comment ends in a backslash: GRUB legacy skips the next line too"));
        }
        let text = part.text();
        let place = match text.value.trim_end() {
            "### BEGIN AUTOMAGIC KERNELS LIST" => &mut self.automagic.begin,
            "## ## Start Default Options ##" => &mut self.automagic.options_start,
            "## ## End Default Options ##" => &mut self.automagic.options_end,
            "### END DEBIAN AUTOMAGIC KERNELS LIST" => &mut self.automagic.end,
            _ => {
                if self.automagic.begin.is_some()
                    && self.automagic.options_end.is_none()
                    && self.automagic.end.is_none()
                {
                    self.templates.extend(template(part));
                }
                return;
            }
        };
        if place.is_none() {
            *place = Some(text);
        }
    }

    fn command(&mut self, part: Part<'_>, logical: &Logical<'_>) {
        if part.bytes.len() > LONGEST_LINE {
            self.problem(part.spanned("the line has more than 1500 bytes: GRUB legacy drops the rest"));
        }
        // `default=1` and `default 1` are the same (GRUB 0.97 `stage2/cmdline.c`, `skip_to` with `after_equal`).
        let separator = |b: &u8| blank(b) || *b == b'=';
        let name_end = part.bytes.iter().position(separator).unwrap_or(part.bytes.len());
        let argument_at = part.bytes[name_end..]
            .iter()
            .position(|b| !separator(b))
            .map_or(part.bytes.len(), |n| name_end + n);
        let name = &part.bytes[..name_end];
        let argument = part.behind(argument_at);
        // Names are case-sensitive in GRUB legacy (`find_command`) and in GRUB 2 (`grub_legacy_parse`).
        let known = COMMANDS.iter().copied().find(|command| command.as_bytes() == name);

        if known == Some("title") {
            let span = part.start..part.start + part.bytes.len();
            self.entries
                .push(Entry::new(argument.text(), span, logical.line..logical.end_line + 1));
            return;
        }
        let Some(entry) = self.entries.last_mut() else {
            return self.header(known, name, part, argument);
        };
        entry.span.end = part.start + part.bytes.len();
        entry.lines.end = logical.end_line + 1;
        entry.counts |= known.is_some();
        let problem = entry.command(known, name, part, argument);
        let grub2 = match known {
            _ if logical.end_line > logical.line => Some("GRUB 2 does not join lines that end in a backslash"),
            Some("lock") => Some("GRUB 2 joins lock to the next command, and the entry does not boot"),
            Some("password") => Some("GRUB 2 makes an if without fi of password, and the entry does not boot"),
            _ => None,
        };
        if let Some(text) = grub2 {
            self.grub2_problems.push(part.spanned(text.to_owned()));
        }
        if let Some(problem) = problem {
            self.problem(part.spanned(problem));
        }
    }

    /// A command before the first entry.
    fn header(&mut self, known: Option<&str>, name: &[u8], part: Part<'_>, argument: Part<'_>) {
        match known {
            Some("default") if argument.bytes == b"saved" => self.default = Some(argument.spanned(DefaultEntry::Saved)),
            Some("default") => match argument.number() {
                Some(number) => self.default = Some(number.map(DefaultEntry::Index)),
                None => self.problem(part.spanned("default is not a number: GRUB legacy ignores it")),
            },
            Some("fallback") => {
                let mut rest = argument;
                let mut numbers = Vec::new();
                while !rest.bytes.is_empty() {
                    let (word, behind) = rest.split_word();
                    // One word that is not a number makes GRUB ignore the line (`fallback_func` in `stage2/builtins.c`).
                    let Some(number) = word.number() else {
                        return self.problem(part.spanned("fallback is not a list of numbers: GRUB legacy ignores it"));
                    };
                    numbers.push(number.value);
                    rest = behind;
                }
                self.fallback = Some(argument.spanned(numbers));
            }
            Some("timeout") => {
                let text = argument.text();
                let negative = text
                    .value
                    .strip_prefix('-')
                    .and_then(|digits| digits.parse::<i32>().ok());
                match argument.number() {
                    Some(number) => self.timeout = Some(number.map(|n| n as i64)),
                    None => match negative {
                        Some(value) => self.timeout = Some(text.map(|_| -i64::from(value))),
                        None => self.problem(part.spanned("timeout is not a number: GRUB legacy ignores it")),
                    },
                }
            }
            Some("hiddenmenu") => self.hidden_menu = Some(part.text()),
            Some("password") => {
                if self.password.is_none() {
                    self.password = Some(password(part, argument));
                }
            }
            Some("terminal") => self.console.push(part.text()),
            // PV-GRUB has no `serial`; GRUB legacy on hardware and GRUB 2 do.
            None if name == b"serial" => self.console.push(part.text()),
            _ => self.other.push(part.text()),
        }
    }
}

impl Entry {
    /// Takes in a command; returns what is wrong with it.
    fn command(
        &mut self,
        known: Option<&str>,
        name: &[u8],
        part: Part<'_>,
        argument: Part<'_>,
    ) -> Option<&'static str> {
        match known {
            Some("root" | "rootnoverify") => {
                let (word, _) = argument.split_word();
                // Without a device the command only shows the root.
                if word.bytes.is_empty() {
                    self.other.push(part.text());
                    return None;
                }
                if let Some(earlier) = self.root.replace(word.text().map(|text| Device::parse(&text))) {
                    self.other.push(earlier.map(|device| device.to_string()));
                    return Some("the entry has several root lines: this one counts for what follows");
                }
            }
            Some("kernel") => {
                let mut rest = argument;
                let mut options = Vec::new();
                while rest.bytes.starts_with(b"--type=") || rest.bytes.starts_with(b"--no-mem-option") {
                    let (word, behind) = rest.split_word();
                    options.push(word.text());
                    rest = behind;
                }
                let (path, arguments) = rest.split_word();
                if path.bytes.is_empty() {
                    self.other.push(part.text());
                    return Some("kernel names no file");
                }
                let kernel = Kernel {
                    options,
                    path: path.device_path(),
                    cmdline: arguments.cmdline(),
                };
                if let Some(earlier) = self.kernel.replace(kernel) {
                    self.other.push(earlier.path.map(|path| {
                        let device = path.device.map(|device| device.value.to_string());
                        device.unwrap_or_default() + &path.path.value
                    }));
                    return Some("the entry has several kernel lines: the last one counts");
                }
            }
            Some("module" | "modulenounzip") => {
                let (path, arguments) = argument.split_word();
                self.modules.push(Module {
                    path: path.device_path(),
                    cmdline: arguments.cmdline(),
                });
            }
            Some("initrd") => {
                let (path, rest) = argument.split_word();
                self.initrd.push(path.device_path());
                if !rest.bytes.is_empty() {
                    return Some("initrd names several files: GRUB legacy and GRUB 2's legacy_initrd load the first");
                }
            }
            Some("savedefault") => self.savedefault = Some(part.text()),
            Some("lock") => self.lock = Some(part.text()),
            Some("password") => self.password = Some(password(part, argument)),
            Some("chainloader") => self.chainloader = Some(argument.text()),
            Some(command) if MENU_ONLY.contains(&command) => {
                self.other.push(part.text());
                return Some("the command is not allowed in an entry: GRUB legacy fails to boot it");
            }
            None if name == b"uuid" => self.uuid = Some(argument.text()),
            None if name == b"quiet" => self.other.push(part.text()),
            None => {
                self.other.push(part.text());
                return Some("PV-GRUB does not know the command and skips it");
            }
            Some(_) => self.other.push(part.text()),
        }
        None
    }
}

fn password(part: Part<'_>, argument: Part<'_>) -> Spanned<Password> {
    part.spanned(Password {
        hashed: argument.bytes.starts_with(b"--"),
    })
}

/// `# name=value`, with exactly one `#`: `update-grub` takes `##` for a comment.
fn template(part: Part<'_>) -> Option<Template> {
    if part.bytes.first() != Some(&b'#') {
        return None;
    }
    let body = part.behind(1);
    let name_end = body
        .bytes
        .iter()
        .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')))?;
    if name_end == 0 || body.bytes.get(name_end) != Some(&b'=') {
        return None;
    }
    let value = body.behind(name_end + 1);
    Some(Template {
        name: Part {
            bytes: &body.bytes[..name_end],
            ..body
        }
        .text(),
        value: value.text(),
        cmdline: value.cmdline(),
    })
}
