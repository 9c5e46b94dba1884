//! On which consoles somebody can log in.

mod inittab;
mod upstart;

use comeback_disk::tree::{FileTree, Kind};
use serde::Serialize;

use crate::defaults::{last, shell_assignments};
use crate::text::{Spanned, lines};

/// The init of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitSystem {
    /// System V init, with `/etc/inittab`.
    SysV,
    /// upstart, with `/etc/init` or `/etc/event.d`.
    Upstart,
    /// systemd.
    Systemd,
    /// None of these was found.
    Unknown,
}

/// What starts a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginKind {
    /// A line of `/etc/inittab`.
    Inittab,
    /// A job of upstart in `/etc/init`.
    Upstart,
    /// A job of the first upstart in `/etc/event.d`.
    EventD,
    /// A unit of systemd that is enabled.
    SystemdUnit,
}

/// A login on a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Login {
    /// The device without `/dev/`: `hvc0`, `ttyS0`, `tty1`, `console`.
    pub device: String,
    /// What starts it.
    pub kind: LoginKind,
    /// Path within the guest.
    pub path: String,
    /// The device where it is written in the file; none where only the file's name says it.
    pub written: Option<Spanned<String>>,
    /// First line of the entry, from 1.
    pub line: usize,
}

/// `/etc/securetty`: the devices on which root may log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Securetty {
    /// Path within the guest.
    pub path: String,
    /// The devices, without `/dev/`.
    pub devices: Vec<Spanned<String>>,
}

/// All that a guest says of its consoles.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Consoles {
    /// Which init it has.
    pub init: InitSystem,
    /// The logins.
    pub logins: Vec<Login>,
    /// What starts a login on the kernel's consoles by itself: systemd's getty generator, or the `serial.conf` of
    /// RHEL 6 (which takes the last `console=` only).
    pub automatic: Option<String>,
    /// `/etc/securetty`, if there is one; without it root may log in anywhere.
    pub securetty: Option<Securetty>,
    /// `ACTIVE_CONSOLES` of `/etc/sysconfig/init`.
    pub active_consoles: Option<Spanned<String>>,
    /// Files that could not be read, with the reason.
    pub unreadable: Vec<(String, String)>,
}

/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 256 << 10;
/// The most logins that are kept.
const MAX_LOGINS: usize = 1_000;

/// The folders in which systemd's units are enabled.
const WANTS: [&str; 2] = [
    "/etc/systemd/system/getty.target.wants",
    "/etc/systemd/system/multi-user.target.wants",
];

/// The logins of an inittab(5).
pub fn parse_inittab(path: &str, content: &[u8]) -> Vec<Login> {
    inittab::parse(path, content)
}

/// The logins of one job of upstart, or of an `/etc/event.d` file.
pub fn parse_job(path: &str, kind: LoginKind, content: &[u8]) -> Vec<Login> {
    upstart::parse(path, kind, content)
}

/// The devices in a securetty(5).
pub fn parse_securetty(path: &str, content: &[u8]) -> Securetty {
    let devices = lines(content)
        .filter_map(|line| line.words().into_iter().next())
        .filter(|word| !word.value.starts_with('#'))
        .take(MAX_LOGINS)
        .collect();
    Securetty {
        path: path.to_owned(),
        devices,
    }
}

/// What a guest says of its consoles. Only what its own init reads counts: an inittab that was left behind does not.
pub fn read(tree: &dyn FileTree) -> Consoles {
    let mut reader = Reader {
        tree,
        unreadable: Vec::new(),
    };
    let init = init_system(tree);
    let is = |wanted| init == wanted || init == InitSystem::Unknown;
    let mut logins = Vec::new();
    let mut automatic = None;
    let mut active_consoles = None;
    if is(InitSystem::SysV)
        && let Some(content) = reader.read("/etc/inittab")
    {
        logins.extend(inittab::parse("/etc/inittab", &content));
    }
    if is(InitSystem::Upstart) {
        for (folder, kind) in [("/etc/init", LoginKind::Upstart), ("/etc/event.d", LoginKind::EventD)] {
            logins.extend(reader.jobs(folder, kind, &mut automatic));
        }
        let path = "/etc/sysconfig/init";
        if let Some(content) = reader.read(path) {
            active_consoles =
                last(&shell_assignments(&content), "ACTIVE_CONSOLES").map(|assignment| assignment.value.clone());
            logins.extend(
                active_consoles
                    .iter()
                    .flat_map(|value| upstart::active(path, &content, value)),
            );
        }
    }
    if is(InitSystem::Systemd) {
        logins.extend(units(tree));
        automatic = automatic.or_else(|| generator(tree));
    }
    logins.truncate(MAX_LOGINS);
    Consoles {
        init,
        logins,
        automatic,
        securetty: reader
            .read("/etc/securetty")
            .map(|content| parse_securetty("/etc/securetty", &content)),
        active_consoles,
        unreadable: reader.unreadable,
    }
}

struct Reader<'a> {
    tree: &'a dyn FileTree,
    unreadable: Vec<(String, String)>,
}

impl Reader<'_> {
    fn read(&mut self, path: &str) -> Option<Vec<u8>> {
        match self.tree.read(path, MAX_SIZE) {
            Ok(content) => Some(content),
            Err(error) => {
                if !error.is_not_found() {
                    self.unreadable.push((path.to_owned(), error.to_string()));
                }
                None
            }
        }
    }

    fn jobs(&mut self, folder: &str, kind: LoginKind, automatic: &mut Option<String>) -> Vec<Login> {
        let mut logins = Vec::new();
        for name in self
            .tree
            .read_dir(folder)
            .unwrap_or_default()
            .into_iter()
            .take(MAX_LOGINS)
        {
            let path = format!("{folder}/{name}");
            let job = if kind == LoginKind::Upstart {
                let Some(job) = name.strip_suffix(".conf") else {
                    continue;
                };
                job
            } else {
                name.as_str()
            };
            let is_file = self
                .tree
                .metadata(&path)
                .is_ok_and(|metadata| metadata.kind == Kind::File);
            let Some(content) = is_file.then(|| self.read(&path)).flatten() else {
                continue;
            };
            let stopped = upstart::is_manual(&content)
                || self
                    .tree
                    .read(&format!("{folder}/{job}.override"), MAX_SIZE)
                    .is_ok_and(|content| upstart::is_manual(&content));
            if stopped {
                continue;
            }
            if upstart::is_serial_job(job, &content) {
                *automatic = Some(path.clone());
            }
            logins.extend(upstart::parse(&path, kind, &content));
        }
        logins
    }
}

fn init_system(tree: &dyn FileTree) -> InitSystem {
    let link = tree.read_link("/sbin/init").unwrap_or_default();
    let jobs = |folder: &str| tree.read_dir(folder).is_ok_and(|names| !names.is_empty());
    let upstart = jobs("/etc/init") || jobs("/etc/event.d");
    let systemd = [
        "/lib/systemd/systemd",
        "/usr/lib/systemd/systemd",
        "/lib/systemd/system/getty@.service",
        "/usr/lib/systemd/system/getty@.service",
    ]
    .iter()
    .any(|path| tree.exists(path));
    if link.contains("systemd") {
        InitSystem::Systemd
    } else if link.contains("upstart") || upstart && (tree.exists("/sbin/initctl") || !systemd) {
        InitSystem::Upstart
    } else if tree.exists("/etc/inittab") {
        InitSystem::SysV
    } else if systemd {
        InitSystem::Systemd
    } else {
        InitSystem::Unknown
    }
}

/// The getty units that are enabled: `serial-getty@ttyS0.service`.
fn units(tree: &dyn FileTree) -> Vec<Login> {
    let mut logins = Vec::new();
    for folder in WANTS {
        for name in tree.read_dir(folder).unwrap_or_default() {
            let Some((template, device)) = name.strip_suffix(".service").and_then(|unit| unit.split_once('@')) else {
                continue;
            };
            let known = matches!(template, "getty" | "serial-getty" | "container-getty" | "autovt");
            if known && !is_masked(tree, &name) && logins.len() < MAX_LOGINS {
                logins.push(Login {
                    device: device.to_owned(),
                    kind: LoginKind::SystemdUnit,
                    path: format!("{folder}/{name}"),
                    written: None,
                    line: 1,
                });
            }
        }
    }
    logins
}

/// Whether a unit is masked by a link to /dev/null.
fn is_masked(tree: &dyn FileTree, unit: &str) -> bool {
    tree.read_link(&format!("/etc/systemd/system/{unit}"))
        .is_ok_and(|target| target == "/dev/null")
}

/// systemd's getty generator starts `serial-getty@` on the kernel's consoles. It is part of systemd; where the program
/// itself is not seen, the unit that it instantiates stands for it.
fn generator(tree: &dyn FileTree) -> Option<String> {
    const NAME: &str = "systemd-getty-generator";
    if is_masked(tree, "serial-getty@.service")
        || tree
            .read_link(&format!("/etc/systemd/system-generators/{NAME}"))
            .is_ok_and(|target| target == "/dev/null")
    {
        return None;
    }
    [
        format!("/lib/systemd/system-generators/{NAME}"),
        format!("/usr/lib/systemd/system-generators/{NAME}"),
        "/lib/systemd/system/serial-getty@.service".to_owned(),
        "/usr/lib/systemd/system/serial-getty@.service".to_owned(),
    ]
    .into_iter()
    .find(|path| tree.exists(path))
}

/// Whether a program is one that lets people log in.
fn is_getty(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or_default();
    name.ends_with("getty") || matches!(name, "login" | "sulogin" | "bash" | "sh")
}

/// The device that a word names, without `/dev/`.
fn device(word: &str) -> Option<&str> {
    let name = word.strip_prefix("/dev/").unwrap_or(word);
    let number = ["ttyS", "tty", "hvc", "xvc", "vc/"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix));
    match number {
        Some(rest) => (!rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit())).then_some(name),
        None => (name == "console").then_some(name),
    }
}

/// The device among the arguments of a getty, as it is written, without `/dev/`.
fn device_of(words: &[Spanned<String>]) -> Option<Spanned<String>> {
    let program = words.first()?;
    if !is_getty(&program.value) {
        return None;
    }
    words.iter().skip(1).find_map(|word| {
        let name = device(&word.value)?;
        let skipped = word.value.len() - name.len();
        Some(Spanned {
            value: name.to_owned(),
            span: word.span.start + skipped..word.span.end,
            line: word.line,
        })
    })
}

#[cfg(test)]
mod tests;
