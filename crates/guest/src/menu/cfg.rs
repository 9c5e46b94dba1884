//! The script of GRUB 2 (`grub.cfg`), read without running it.
//!
//! Source: GRUB 2 `grub-core/script/yylex.l`, `grub-core/commands/menuentry.c`, `grub-core/normal/menu.c`, and the files that
//! `grub-mkconfig` writes.

use std::ops::Range;

use serde::Serialize;

use crate::cmdline::Cmdline;
use crate::defaults::unquote;
use crate::limit::{Budget, ENTRIES, LINE};
use crate::menu::device::DevicePath;
use crate::menu::grubenv::GrubEnv;
use crate::menu::script::{Script, Token, Word};
use crate::menu::{entry_number, split_menu_path};
use crate::text::Spanned;

/// A whole `grub.cfg`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GrubCfg {
    /// The last `set default=` that is not for the next boot only; the span is that of the value within its quotes.
    pub default: Option<Spanned<String>>,
    /// Whether `default` takes `saved_entry` from the environment block.
    pub uses_saved_entry: bool,
    /// Whether `next_entry` of the environment block is booted once.
    pub uses_next_entry: bool,
    /// The last `set timeout=`, in seconds.
    pub timeout: Option<Spanned<i64>>,
    /// `set fallback=`.
    pub fallback: Option<Spanned<String>>,
    /// All entries of all menus, in the order in which they stand.
    pub entries: Vec<CfgEntry>,
    /// All submenus, in the order in which they stand.
    pub submenus: Vec<Submenu>,
    /// `search` outside of entries.
    pub searches: Vec<Search>,
    /// The `blscfg` command, which adds the entries of `/boot/loader/entries`.
    pub blscfg: Option<Spanned<String>>,
    /// Other files that it reads.
    pub sources: Vec<Source>,
    /// Whole commands `serial …`, `terminal_input …`, `terminal_output …`, `terminal …`.
    pub console: Vec<Spanned<String>>,
    /// Whether `grub-mkconfig` wrote it.
    pub generated: bool,
    /// The parts that `grub-mkconfig` marked with the script that they come from.
    pub sections: Vec<Section>,
    /// What was not understood.
    pub problems: Vec<Spanned<String>>,
}

/// One `menuentry`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CfgEntry {
    /// The title, without quotes.
    pub title: Spanned<String>,
    /// `--id` or `$menuentry_id_option`.
    pub id: Option<Spanned<String>>,
    /// Its number in its menu, behind the numbers of the submenus that it stands in; from 0.
    pub path: Vec<usize>,
    /// Whether it stands within `if`, a loop or a function.
    pub conditional: bool,
    /// From `menuentry` to the closing brace.
    #[serde(skip)]
    pub span: Range<usize>,
    /// The lines of `span`, from 1; the end is the first line behind it.
    pub lines: Range<usize>,
    /// `linux`, `linux16`, `linuxefi`.
    pub linux: Option<Linux>,
    /// `initrd`, `initrd16`, `initrdefi`: all files.
    pub initrd: Vec<Spanned<DevicePath<String>>>,
    /// `multiboot`, `multiboot2`: Xen.
    pub multiboot: Option<Linux>,
    /// `module`, `module2`: under Xen the Linux kernel and its initramfs.
    pub modules: Vec<Linux>,
    /// `search`.
    pub searches: Vec<Search>,
    /// The first `set root=`; the span is that of the value within its quotes.
    pub set_root: Option<Spanned<String>>,
    /// `insmod`.
    pub insmods: Vec<Spanned<String>>,
    /// `chainloader`, `configfile` and others that load something else: whole commands.
    pub other: Vec<Spanned<String>>,
}

/// One `submenu`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Submenu {
    /// The title, without quotes.
    pub title: Spanned<String>,
    /// `--id` or `$menuentry_id_option`.
    pub id: Option<Spanned<String>>,
    /// Its number in its menu, behind the numbers of the submenus that it stands in; from 0.
    pub path: Vec<usize>,
    /// Whether it stands within `if`, a loop or a function.
    pub conditional: bool,
}

/// A command that loads a file with parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Linux {
    /// The command.
    pub command: Spanned<String>,
    /// The file.
    pub path: Spanned<DevicePath<String>>,
    /// What stands behind it.
    pub cmdline: Cmdline,
}

/// What `search` looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SearchKind {
    /// `--fs-uuid`
    FsUuid,
    /// `--label`
    Label,
    /// `--file`
    File,
}

/// A `search` command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Search {
    /// What it looks for.
    pub kind: SearchKind,
    /// Its UUID, label or path.
    pub value: Spanned<String>,
}

/// A command that reads another file: `source`, `configfile`, `legacy_configfile`, …
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The command.
    pub command: String,
    /// The file, with variables as they stand there.
    pub path: Spanned<String>,
    /// Whether it stands within `if`, a loop or a function.
    pub conditional: bool,
}

/// What one script of `/etc/grub.d` wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// `/etc/grub.d/10_linux`
    pub script: Spanned<String>,
    /// From the line of `### BEGIN` to the end of that of `### END`, or of the file.
    #[serde(skip)]
    pub span: Range<usize>,
}

/// Submenus within submenus that are followed.
const DEEPEST_MENU: usize = 16;

/// Braces within braces that are followed.
const DEEPEST_BLOCK: usize = 256;

/// Words of one command that are looked at; the rest of a kernel's parameters is still read.
const MOST_WORDS: usize = 4096;

impl GrubCfg {
    /// Parses the script.
    pub fn parse(content: &[u8]) -> Self {
        let mut reader = Reader {
            content,
            cfg: GrubCfg::default(),
            budget: Budget::new(),
            blocks: Vec::new(),
            blocks_beyond: 0,
            conditions: 0,
            functions: 0,
            menu_path: Vec::new(),
            next_in_menu: vec![0],
        };
        let mut script = Script { content, at: 0, line: 1 };
        let mut words: Vec<Word> = Vec::new();
        loop {
            match script.next() {
                Token::Word(word) => {
                    if words.len() < MOST_WORDS {
                        words.push(word);
                    } else if let Some(last) = words.last_mut() {
                        last.raw.end = word.raw.end;
                    }
                    continue;
                }
                Token::Comment(word) => {
                    reader.comment(word);
                    continue;
                }
                Token::Open => reader.open(&words),
                Token::Close(end, line) => {
                    reader.command(&words);
                    reader.close(end, line);
                }
                Token::Separator => reader.command(&words),
                Token::End => {
                    reader.command(&words);
                    break;
                }
            }
            words.clear();
            if reader.cfg.entries.len() + reader.cfg.submenus.len() >= ENTRIES || reader.budget.is_spent() {
                reader.problem("too many commands: the rest is not read", script.at..content.len(), script.line);
                break;
            }
        }
        reader.finish(script.line)
    }

    /// What GRUB is told to boot: `next_entry` or `saved_entry` of the environment block, or the `default` that stands in
    /// the file. A title, an id, a number, or several of them with `>` between; empty for the first entry.
    pub fn wanted(&self, environment: Option<&GrubEnv>) -> String {
        let variable = |name: &str| environment.and_then(|env| env.get(name)).unwrap_or_default();
        let next = variable("next_entry");
        if self.uses_next_entry && !next.is_empty() {
            return next.to_owned();
        }
        let default = self.default.as_ref().map_or("", |default| default.value.as_str());
        default.replace("${saved_entry}", variable("saved_entry")).replace("$saved_entry", variable("saved_entry"))
    }

    /// The entry that would boot, as a position in `entries`. Conditions are taken as true. `None` if there is no entry,
    /// or if the choice falls on an entry that is not in this file: with `blscfg`, when what is wanted is neither the
    /// title nor the id of an entry, see [`crate::menu::bls::selected`].
    ///
    /// Source: GRUB 2 `grub-core/normal/menu.c`: `get_entry_number`; `run_menu`: what is no entry becomes the first;
    /// `grub_menu_execute_entry`: in a submenu what stands behind `>` is wanted, or the same again if nothing does.
    pub fn selected(&self, environment: Option<&GrubEnv>) -> Option<usize> {
        let mut wanted = self.wanted(environment);
        if self.blscfg.is_some() {
            let named = |entry: &&CfgEntry| {
                entry.title.value == wanted || entry.id.as_ref().is_some_and(|id| id.value == wanted)
            };
            let found = self.entries.iter().find(named)?;
            return self.entries.iter().position(|entry| entry == found);
        }
        let mut prefix: &[usize] = &[];
        loop {
            let here = |path: &[usize]| path.len() == prefix.len() + 1 && path.starts_with(prefix);
            let mut items: Vec<Item<'_>> = Vec::new();
            items.extend(self.entries.iter().enumerate().filter(|(_, e)| here(&e.path)).map(|(n, e)| Item {
                path: &e.path,
                id: e.id.as_ref(),
                title: &e.title,
                entry: Some(n),
            }));
            items.extend(self.submenus.iter().filter(|s| here(&s.path)).map(|s| Item {
                path: &s.path,
                id: s.id.as_ref(),
                title: &s.title,
                entry: None,
            }));
            items.sort_by_key(|item| item.path.last().copied());
            let names = items.iter().map(|item| (item.id.map(|id| id.value.as_str()), item.title.value.as_str()));
            let number = entry_number(&wanted, names).unwrap_or(0);
            let item = items.get(number).or_else(|| items.first())?;
            if item.entry.is_some() {
                return item.entry;
            }
            prefix = item.path;
            if let (_, Some(rest)) = split_menu_path(&wanted)
                && !rest.is_empty()
            {
                wanted = rest.to_owned();
            }
        }
    }
}

/// An entry or a submenu of one menu.
struct Item<'a> {
    path: &'a [usize],
    id: Option<&'a Spanned<String>>,
    title: &'a Spanned<String>,
    entry: Option<usize>,
}

/// What a pair of braces holds.
#[derive(Clone, Copy)]
enum Block {
    Entry(usize),
    Submenu,
    Function,
    Group,
}

struct Reader<'a> {
    content: &'a [u8],
    cfg: GrubCfg,
    budget: Budget,
    /// Open braces, each with the conditions that were open before it.
    blocks: Vec<(Block, usize)>,
    blocks_beyond: usize,
    conditions: usize,
    functions: usize,
    menu_path: Vec<usize>,
    /// The number of the next entry, for the main menu and each submenu that is open.
    next_in_menu: Vec<usize>,
}

impl Reader<'_> {
    fn problem(&mut self, text: &str, span: Range<usize>, line: usize) {
        if self.cfg.problems.len() < ENTRIES {
            self.cfg.problems.push(Spanned { value: text.to_owned(), span, line });
        }
    }

    fn raw<'a>(&'a self, word: &Word) -> &'a [u8] {
        &self.content[word.raw.clone()]
    }

    /// The text of a word without quotes; its span is that of the inside when one pair of quotes holds all of it.
    fn text(&self, word: &Word) -> Spanned<String> {
        let (value, span) = unquote(self.content, word.raw.clone());
        Spanned { value, span, line: word.line }
    }

    /// Words as they stand, from the first to the last.
    fn whole(&self, words: &[Word]) -> Spanned<String> {
        let (span, line) = match words {
            [first, .., last] => (first.raw.start..last.raw.end, first.line),
            [only] => (only.raw.clone(), only.line),
            [] => (0..0, 1),
        };
        Spanned { value: String::from_utf8_lossy(&self.content[span.clone()]).into_owned(), span, line }
    }

    fn comment(&mut self, word: Word) {
        let text = self.whole(std::slice::from_ref(&word));
        let line = text.value.trim();
        let script = |prefix: &str| line.strip_prefix(prefix).and_then(|rest| rest.strip_suffix("###")).map(str::trim);
        self.cfg.generated |= line == "# DO NOT EDIT THIS FILE";
        if let Some(name) = script("### BEGIN ") {
            if self.budget.take(1) {
                let at = text.value.find(name).unwrap_or(0);
                let start = word.raw.start + at;
                self.cfg.sections.push(Section {
                    script: Spanned { value: name.to_owned(), span: start..start + name.len(), line: word.line },
                    span: word.raw.start..self.content.len(),
                });
            }
        } else if let Some(name) = script("### END ")
            && let Some(section) = self.cfg.sections.last_mut()
            && section.script.value == name
        {
            section.span.end = word.raw.end;
        }
    }

    fn open(&mut self, words: &[Word]) {
        if self.blocks.len() >= DEEPEST_BLOCK {
            self.blocks_beyond += 1;
            return;
        }
        let block = match words.first().map(|word| self.raw(word)) {
            Some(b"menuentry") => self.entry(words),
            Some(b"submenu") => self.submenu(words),
            Some(b"function") => {
                self.functions += 1;
                Block::Function
            }
            _ => {
                self.command(words);
                Block::Group
            }
        };
        self.blocks.push((block, self.conditions));
    }

    fn close(&mut self, end: usize, line: usize) {
        if self.blocks_beyond > 0 {
            self.blocks_beyond -= 1;
            return;
        }
        let Some((block, conditions)) = self.blocks.pop() else {
            return self.problem("a closing brace without an opening one", end - 1..end, line);
        };
        self.conditions = conditions;
        match block {
            Block::Entry(n) => {
                if let Some(entry) = self.cfg.entries.get_mut(n) {
                    entry.span.end = end;
                    entry.lines.end = line + 1;
                }
            }
            Block::Submenu => {
                self.menu_path.pop();
                self.next_in_menu.pop();
            }
            Block::Function => self.functions -= 1,
            Block::Group => {}
        }
    }

    /// The path of the next entry of the menu that is open.
    fn next_path(&mut self) -> Vec<usize> {
        let mut path = self.menu_path.clone();
        if let Some(next) = self.next_in_menu.last_mut() {
            path.push(*next);
            *next += 1;
        }
        path
    }

    /// Title and id of `menuentry` or `submenu`.
    fn title(&self, words: &[Word]) -> (Spanned<String>, Option<Spanned<String>>) {
        let mut title = None;
        let mut id = None;
        let mut rest = words.iter().skip(1);
        while let Some(word) = rest.next() {
            match self.raw(word) {
                b"--id" | b"$menuentry_id_option" | b"${menuentry_id_option}" => id = rest.next().map(|w| self.text(w)),
                b"--class" | b"--users" | b"--hotkey" | b"--source" => {
                    rest.next();
                }
                raw if raw.starts_with(b"--id=") => {
                    let value = Word { raw: word.raw.start + 5..word.raw.end, line: word.line };
                    id = Some(self.text(&value));
                }
                raw if raw.starts_with(b"--") => {}
                _ => title = title.or_else(|| Some(self.text(word))),
            }
        }
        let empty = || {
            let end = words.first().map_or(0, |word| word.raw.end);
            Spanned { value: String::new(), span: end..end, line: words.first().map_or(1, |word| word.line) }
        };
        (title.unwrap_or_else(empty), id)
    }

    fn entry(&mut self, words: &[Word]) -> Block {
        let (title, id) = self.title(words);
        self.budget.take(4);
        let (start, line) = words.first().map_or((0, 1), |word| (word.raw.start, word.line));
        let entry = CfgEntry {
            title,
            id,
            path: self.next_path(),
            conditional: self.is_conditional(),
            span: start..self.content.len(),
            lines: line..line + 1,
            linux: None,
            initrd: Vec::new(),
            multiboot: None,
            modules: Vec::new(),
            searches: Vec::new(),
            set_root: None,
            insmods: Vec::new(),
            other: Vec::new(),
        };
        self.cfg.entries.push(entry);
        Block::Entry(self.cfg.entries.len() - 1)
    }

    fn submenu(&mut self, words: &[Word]) -> Block {
        if self.menu_path.len() >= DEEPEST_MENU {
            if let Some(word) = words.first() {
                self.problem("too many submenus within submenus", word.raw.clone(), word.line);
            }
            return Block::Group;
        }
        let (title, id) = self.title(words);
        self.budget.take(4);
        let path = self.next_path();
        self.menu_path.clone_from(&path);
        self.next_in_menu.push(0);
        let conditional = self.is_conditional();
        self.cfg.submenus.push(Submenu { title, id, path, conditional });
        Block::Submenu
    }

    fn is_conditional(&self) -> bool {
        self.conditions > 0 || self.functions > 0
    }

    /// A command outside of the braces that it may open.
    fn command(&mut self, words: &[Word]) {
        let mut words = words;
        while let Some((first, rest)) = words.split_first() {
            match self.raw(first) {
                b"then" | b"else" | b"do" | b"!" => words = rest,
                b"if" | b"while" | b"until" | b"for" => {
                    self.conditions += 1;
                    return;
                }
                b"fi" | b"done" => {
                    let outside = self.blocks.last().map_or(0, |(_, conditions)| *conditions);
                    self.conditions = self.conditions.saturating_sub(1).max(outside);
                    return;
                }
                b"elif" => return,
                b"menuentry" | b"submenu" => {
                    let whole = self.whole(words);
                    return self.problem("the entry has no commands in braces", whole.span, whole.line);
                }
                b"set" | b"export" => match rest.first() {
                    Some(assignment) => return self.assignment(assignment),
                    None => return,
                },
                raw if raw.contains(&b'=') && rest.is_empty() => return self.assignment(first),
                _ => return self.plain(first, rest, words),
            }
        }
    }

    /// `name=value`.
    fn assignment(&mut self, word: &Word) {
        let raw = self.raw(word);
        let Some(equals) = raw.iter().position(|&b| b == b'=') else { return };
        let name = raw[..equals].to_vec();
        let value = self.text(&Word { raw: word.raw.start + equals + 1..word.raw.end, line: word.line });
        if let Some(entry) = self.entry_of_block() {
            if name == b"root" && entry.set_root.is_none() {
                entry.set_root = Some(value);
            }
            return;
        }
        match name.as_slice() {
            b"default" if value.value.contains("next_entry") => self.cfg.uses_next_entry = true,
            b"default" => {
                self.cfg.uses_saved_entry = value.value.contains("saved_entry");
                self.cfg.default = Some(value);
            }
            b"timeout" => {
                if let Ok(seconds) = value.value.parse() {
                    self.cfg.timeout = Some(value.map(|_| seconds));
                }
            }
            b"fallback" => self.cfg.fallback = Some(value),
            _ => {}
        }
    }

    /// The entry whose braces are the innermost ones of an entry.
    fn entry_of_block(&mut self) -> Option<&mut CfgEntry> {
        let number = self.blocks.iter().rev().find_map(|(block, _)| match block {
            Block::Entry(number) => Some(*number),
            _ => None,
        })?;
        self.cfg.entries.get_mut(number)
    }

    fn plain(&mut self, name: &Word, arguments: &[Word], words: &[Word]) {
        let command = self.raw(name).to_vec();
        match command.as_slice() {
            b"linux" | b"linux16" | b"linuxefi" | b"multiboot" | b"multiboot2" | b"module" | b"module2" => {
                let Some(linux) = self.linux(name, arguments) else { return };
                let module = command.starts_with(b"module");
                let Some(entry) = self.entry_of_block() else { return };
                if module {
                    entry.modules.push(linux);
                    return;
                }
                let place = if command.starts_with(b"linux") { &mut entry.linux } else { &mut entry.multiboot };
                if let Some(earlier) = place.replace(linux) {
                    let path = earlier.path.clone();
                    self.problem("the entry loads several kernels: the last one counts", path.span, path.line);
                }
            }
            b"initrd" | b"initrd16" | b"initrdefi" => {
                self.budget.take(arguments.len());
                let files: Vec<_> =
                    arguments.iter().map(|word| DevicePath::split(&self.text(word), str::to_owned)).collect();
                if let Some(entry) = self.entry_of_block() {
                    entry.initrd.extend(files);
                }
            }
            b"search" | b"search.fs_uuid" | b"search.fs_label" | b"search.file" => {
                let Some(search) = self.search(&command, arguments) else { return };
                self.budget.take(1);
                match self.entry_of_block() {
                    Some(entry) => entry.searches.push(search),
                    None => self.cfg.searches.push(search),
                }
            }
            b"insmod" => {
                let modules: Vec<_> = arguments.iter().map(|word| self.text(word)).collect();
                self.budget.take(modules.len());
                if let Some(entry) = self.entry_of_block() {
                    entry.insmods.extend(modules);
                }
            }
            b"blscfg" => {
                let whole = self.whole(words);
                self.cfg.blscfg.get_or_insert(whole);
            }
            b"source" | b"." | b"configfile" | b"legacy_configfile" | b"legacy_source" | b"extract_entries_source"
            | b"extract_entries_configfile" => {
                self.budget.take(1);
                if self.entry_of_block().is_some() {
                    return self.keep(words);
                }
                let Some(path) = arguments.first().map(|word| self.text(word)) else { return };
                let conditional = self.is_conditional();
                let command = String::from_utf8_lossy(&command).into_owned();
                self.cfg.sources.push(Source { command, path, conditional });
            }
            b"serial" | b"terminal" | b"terminal_input" | b"terminal_output" => {
                self.budget.take(1);
                let whole = self.whole(words);
                self.cfg.console.push(whole);
            }
            b"chainloader" | b"kfreebsd" | b"knetbsd" | b"xen_hypervisor" | b"xen_module" => {
                self.budget.take(1);
                self.keep(words);
            }
            _ => {}
        }
    }

    fn keep(&mut self, words: &[Word]) {
        let whole = self.whole(words);
        if let Some(entry) = self.entry_of_block() {
            entry.other.push(whole);
        }
    }

    /// A command that loads a file with parameters.
    fn linux(&mut self, name: &Word, arguments: &[Word]) -> Option<Linux> {
        let arguments_at = arguments.iter().position(|word| !self.raw(word).starts_with(b"--"))?;
        let (path, rest) = arguments[arguments_at..].split_first()?;
        let end = rest.last().map_or(path.raw.end, |word| word.raw.end);
        let start = rest.first().map_or(path.raw.end, |word| word.raw.start);
        let mut bytes = &self.content[start..end];
        if bytes.len() > LINE {
            self.problem("the kernel has too many parameters: they are not read", start..end, path.line);
            bytes = &[];
        }
        self.budget.take_line(bytes);
        Some(Linux {
            command: self.text(name),
            path: DevicePath::split(&self.text(path), str::to_owned),
            cmdline: Cmdline::parse(bytes, start, path.line),
        })
    }

    /// Source: GRUB 2 `grub-core/commands/search_wrap.c`: `--set` takes a value only behind `=`, `--hint` and its like
    /// take one in any case; the first word that is no option is what is looked for.
    fn search(&self, command: &[u8], arguments: &[Word]) -> Option<Search> {
        let mut kind = match command {
            b"search.fs_uuid" => Some(SearchKind::FsUuid),
            b"search.fs_label" => Some(SearchKind::Label),
            b"search.file" => Some(SearchKind::File),
            _ => None,
        };
        let mut value = None;
        let mut rest = arguments.iter();
        while let Some(word) = rest.next() {
            match self.raw(word) {
                b"--fs-uuid" | b"-u" => kind = Some(SearchKind::FsUuid),
                b"--label" | b"--fs-label" | b"-l" => kind = Some(SearchKind::Label),
                b"--file" | b"-f" => kind = Some(SearchKind::File),
                b"-h" | b"--hint" | b"--hint-bios" | b"--hint-efi" | b"--hint-baremetal" | b"--hint-ieee1275" => {
                    rest.next();
                }
                raw if raw.starts_with(b"-") => {}
                _ => value = value.or_else(|| Some(self.text(word))),
            }
        }
        // Without an option `search` looks for a file.
        Some(Search { kind: kind.unwrap_or(SearchKind::File), value: value? })
    }

    fn finish(mut self, line: usize) -> GrubCfg {
        let open = self.blocks.iter().rev().find_map(|(block, _)| match block {
            Block::Entry(number) => Some(*number),
            _ => None,
        });
        if !self.blocks.is_empty() {
            let end = self.content.len();
            self.problem("a brace is not closed", end..end, line);
        }
        if let Some(entry) = open.and_then(|number| self.cfg.entries.get_mut(number)) {
            entry.lines.end = line + 1;
        }
        self.cfg
    }
}

#[cfg(test)]
mod tests;
