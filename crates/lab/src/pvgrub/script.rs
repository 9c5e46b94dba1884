//! The commands of a menu entry, run as GRUB 0.97 runs them (`stage2/cmdline.c`, `run_script`).

use std::io;

use comeback_guest::menu::device::Device as Named;

use super::GrubError;
use super::console::Console;
use super::disk::{Device, Disk};

/// Commands of `stage2/builtins.c` that stand in entries and change nothing that is looked at here.
const WITHOUT_EFFECT: &[&str] = &[
    "boot",
    "cat",
    "color",
    "debug",
    "fstest",
    "geometry",
    "help",
    "hide",
    "makeactive",
    "map",
    "module",
    "modulenounzip",
    "pager",
    "pause",
    "print",
    "savedefault",
    "shade",
    "splashimage",
    "terminal",
    "terminfo",
    "unhide",
    "viewport",
];
/// Commands that `run_script` refuses (`BUILTIN_MENU` alone).
const MENU_ONLY: &[&str] = &["default", "fallback", "hiddenmenu", "timeout"];

/// What an entry starts.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) kernel: Vec<u8>,
    pub(super) initrd: Option<Vec<u8>>,
    pub(super) cmdline: String,
}

/// Why an entry starts nothing.
#[derive(Debug)]
pub(super) struct Failed {
    /// What is printed before the error.
    pub(super) said: String,
    /// The error that ends the entry.
    pub(super) error: GrubError,
    /// The line that tells more than the error.
    pub(super) telling: Option<String>,
}

impl Failed {
    pub(super) fn line(&self) -> String {
        self.telling.clone().unwrap_or_else(|| self.error.to_string())
    }
}

impl From<GrubError> for Failed {
    fn from(error: GrubError) -> Self {
        Self {
            said: String::new(),
            error,
            telling: None,
        }
    }
}

/// Runs the lines of an entry; `menu` is the device that the menu is on, which stands in for a missing `root` (inference:
/// upstream's PV-GRUB has none then, Amazon's starts such menus).
pub(super) fn run(
    disk: &Disk,
    menu: &Device,
    entry: &[u8],
    console: &mut Console,
) -> io::Result<Result<Loaded, Failed>> {
    let text = String::from_utf8_lossy(entry)
        .replace("\r\n", "\n")
        .replace("\\\n", "  ");
    let mut root = *menu;
    let (mut kernel, mut initrd, mut cmdline) = (None, None, String::new());
    // The first line is the title.
    for line in text.lines().skip(1).map(str::trim) {
        let (command, argument) = split(line);
        let known = matches!(
            command,
            "root" | "rootnoverify" | "kernel" | "initrd" | "lock" | "password" | "chainloader"
        ) || WITHOUT_EFFECT.contains(&command)
            || MENU_ONLY.contains(&command);
        if !known {
            // `cmain` skips comments and what it does not know while it reads the menu.
            continue;
        }
        console.print(&format!("{line}\n"));
        let load = |word: &str| -> io::Result<Result<Vec<u8>, GrubError>> {
            match place(word, root) {
                Ok((device, path)) => disk.load(&device, &path),
                Err(error) => Ok(Err(error)),
            }
        };
        let failed = match command {
            "root" | "rootnoverify" if argument.is_empty() => None,
            "root" | "rootnoverify" => match device(&Named::parse(first(argument))) {
                Ok(device) => match disk.open(&device)? {
                    Ok(opened) => {
                        root = device;
                        if command == "root" {
                            console.print(&opened.describe());
                        }
                        None
                    }
                    Err(error) => Some(error),
                },
                Err(error) => Some(error),
            },
            "kernel" => {
                let mut rest = argument;
                while rest.starts_with("--type=") || rest.starts_with("--no-mem-option") {
                    rest = behind(rest);
                }
                match load(first(rest))? {
                    Ok(content) => {
                        (kernel, cmdline) = (Some(content), behind(rest).to_owned());
                        None
                    }
                    Err(error) => Some(error),
                }
            }
            "initrd" => match load(first(argument))? {
                Ok(content) => {
                    initrd = Some(content);
                    None
                }
                Err(error) => Some(error),
            },
            "lock" | "password" => Some(GrubError::NotAuthenticated),
            "chainloader" => Some(GrubError::ExecFormat),
            command if MENU_ONLY.contains(&command) => Some(GrubError::Unrecognized),
            _ => None,
        };
        if let Some(error) = failed {
            return Ok(Err(error.into()));
        }
    }
    Ok(match kernel {
        Some(kernel) => Ok(Loaded {
            kernel,
            initrd,
            cmdline,
        }),
        None => Err(GrubError::NeedKernel.into()),
    })
}

/// Command and argument; `=` separates as blanks do.
fn split(line: &str) -> (&str, &str) {
    let separates = |letter: char| matches!(letter, ' ' | '\t' | '=');
    let end = line.find(separates).unwrap_or(line.len());
    let (command, rest) = line.split_at(end);
    (command, rest.trim_start_matches(separates))
}

/// The first word.
fn first(text: &str) -> &str {
    text.split([' ', '\t']).next().unwrap_or_default()
}

/// What stands behind the first word.
fn behind(text: &str) -> &str {
    text.get(first(text).len()..).unwrap_or_default().trim()
}

/// Device and path of a file's name.
fn place(word: &str, root: Device) -> Result<(Device, String), GrubError> {
    let (named, path) = match word.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((inside, path)) => (device(&Named::parse(&format!("({inside})")))?, path),
        None => (root, word),
    };
    if path.starts_with('/') {
        Ok((named, path.to_owned()))
    } else {
        Err(GrubError::FileNotFound)
    }
}

fn device(named: &Named) -> Result<Device, GrubError> {
    match named {
        Named::Disk(0) => Ok(Device::Whole),
        Named::Partition { disk: 0, partition } => Ok(Device::Partition(*partition)),
        Named::Disk(_) | Named::Partition { .. } => Err(GrubError::NoDisk),
        Named::Other(_) => Err(GrubError::DeviceFormat),
    }
}
