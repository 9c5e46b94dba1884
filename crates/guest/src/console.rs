//! On which consoles somebody can log in.

mod inittab;
mod sysv;

use serde::Serialize;

use crate::text::Spanned;

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
