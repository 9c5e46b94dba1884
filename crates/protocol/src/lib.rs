//! What the agent says: one JSON object a line on its standard output.
//!
//! ```text
//! {"agent":"0.1.0","protocol":1}                                     Hello
//! {"event":"stage","stage":"applying"}                               any number of these
//! {"event":"progress","done":65536,"total":197120}
//! {"event":"converted","saved":"/var/lib/comeback/saved/vol-…",…}    one that ends it: a result, or `failed`
//! ```
//!
//! A stream without an end was cut off, whatever the exit code says. A reader takes fields that it does not know for what a
//! later agent of the same protocol has to add; an agent of another protocol is refused by its first line.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Version of the protocol. It changes when something is taken away or gets another meaning.
pub const PROTOCOL: u32 = 1;

/// The files in the folder of saved bytes, in the order in which they are written.
pub const SAVED_FILES: [&str; 3] = ["undo.qcow2", "patch.qcow2", "journal.json"];

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the agent.
    pub agent: String,
    /// [`PROTOCOL`] as the agent knows it.
    pub protocol: u32,
}

impl Hello {
    /// The first line of an agent of this version.
    pub fn new(agent: &str) -> Self {
        Hello {
            agent: agent.to_owned(),
            protocol: PROTOCOL,
        }
    }
}

/// Every line after the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// What is being done from now on.
    Stage {
        /// What.
        stage: Stage,
    },
    /// How far it got.
    Progress {
        /// Bytes done.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// Something to know that changes nothing.
    Note {
        /// A sentence.
        text: String,
    },
    /// What will be done to a disk, before it is done.
    Planned(Box<Planned>),
    /// Ends `disks`.
    Disks {
        /// Every block device that holds bytes.
        disks: Vec<Disk>,
    },
    /// Ends `find`.
    Found {
        /// The device.
        disk: Box<Disk>,
        /// How it was told from others.
        by: Evidence,
    },
    /// Ends `inspect`.
    Inspected(Box<Inspected>),
    /// Ends `convert`.
    Converted(Converted),
    /// Ends `revert`.
    Reverted(Reverted),
    /// Ends anything that came to nothing.
    Failed(Failure),
}

impl Event {
    /// Whether nothing comes after it.
    pub fn is_last(&self) -> bool {
        !matches!(
            self,
            Event::Stage { .. } | Event::Progress { .. } | Event::Note { .. } | Event::Planned(_)
        )
    }
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Waiting for a device to appear.
    Waiting,
    /// Taking the disk for itself.
    Opening,
    /// Completing what an earlier run left half done.
    Resuming,
    /// Reading what is on the disk.
    Inspecting,
    /// Making the plan and the patch in a view of the disk, and inspecting the result.
    Planning,
    /// Saving old and new bytes.
    Saving,
    /// Writing the new bytes to the disk.
    Applying,
    /// Writing the old bytes to the disk.
    Reverting,
}

/// A block device as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Its node, such as `/dev/nvme1n1`.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// The whole disk that it is a partition of.
    pub partition_of: Option<PathBuf>,
    /// What it calls its maker and make.
    pub model: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// The volume that its serial number names.
    pub volume: Option<VolumeId>,
    /// The letters of the name that it was attached by, as Xen's device number has them: `f` for `/dev/sdf` and `/dev/xvdf`.
    pub attached_as: Option<String>,
    /// It cannot be written to.
    pub read_only: bool,
    /// What uses it or a part of it, in words; empty if nothing does.
    pub users: Vec<String>,
    /// What its bytes are.
    pub content: Content,
}

impl Disk {
    /// Whether it is a disk of its own, not a partition.
    pub fn is_whole(&self) -> bool {
        self.partition_of.is_none()
    }
}

/// What the bytes of a device are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Content {
    /// A partition table.
    Table {
        /// `mbr` or `gpt`.
        scheme: String,
    },
    /// An ext2, ext3 or ext4 file system.
    Ext {
        /// Its UUID.
        uuid: String,
        /// Its label, which may be empty.
        label: String,
    },
    /// Something else, in words.
    Other {
        /// What.
        name: String,
    },
    /// They cannot be read.
    Unreadable {
        /// Why.
        reason: String,
    },
}

/// The id of an EBS volume: `vol-` and 8 or 17 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VolumeId(String);

/// Not the id of a volume.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the id of a volume: expected vol- and 8 or 17 hexadecimal digits")]
pub struct NoVolumeId(String);

impl VolumeId {
    /// Reads an id, also as serial numbers have it: without the dash, and with blanks to fill the field.
    ///
    /// # Errors
    /// [`NoVolumeId`].
    pub fn parse(text: &str) -> Result<Self, NoVolumeId> {
        let wrong = || NoVolumeId(text.to_owned());
        let rest = text.trim_matches(['\0', ' ']).strip_prefix("vol").ok_or_else(wrong)?;
        let digits = rest.strip_prefix('-').unwrap_or(rest);
        let is_digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        if ![8, 17].contains(&digits.len()) || !digits.bytes().all(is_digit) {
            return Err(wrong());
        }
        Ok(VolumeId(format!("vol-{digits}")))
    }

    /// As EC2 writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for VolumeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl std::str::FromStr for VolumeId {
    type Err = NoVolumeId;

    fn from_str(text: &str) -> Result<Self, NoVolumeId> {
        VolumeId::parse(text)
    }
}

impl TryFrom<String> for VolumeId {
    type Error = NoVolumeId;

    fn try_from(text: String) -> Result<Self, NoVolumeId> {
        VolumeId::parse(&text)
    }
}

impl From<VolumeId> for String {
    fn from(id: VolumeId) -> String {
        id.0
    }
}

/// By what a device was told from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Its serial number is the volume's id.
    Serial,
    /// Xen's device number is that of the attachment, its size is the volume's, and nothing uses it.
    AttachedAs,
    /// It is the only one that was not there before, has the volume's size, and is not in use.
    New,
}

/// Whether a disk boots on a platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// `pv-grub-1.03`, `pv-grub-1.05`, `xen-hvm` or `nitro`.
    pub platform: String,
    /// `boots`, `does-not-boot` or `unknown`.
    pub outcome: String,
    /// The ids of the findings that decide it.
    pub decided_by: Vec<String>,
}

/// What is on a disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inspected {
    /// Bytes.
    pub size: u64,
    /// What else uses the disk: what was read may be half of a change.
    pub users: Vec<String>,
    /// One a platform.
    pub verdicts: Vec<Verdict>,
    /// As the main program's `inspect --json` has them.
    pub findings: serde_json::Value,
    /// As the main program's `inspect --json` has it.
    pub guest: serde_json::Value,
}

/// What will be done to a disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// `xen-hvm` or `nitro`.
    pub target: String,
    /// As the main program's `convert --json` has it.
    pub plan: serde_json::Value,
    /// As the disk is.
    pub before: Vec<Verdict>,
    /// As it will be.
    pub after: Vec<Verdict>,
    /// What was found on the disk as it is.
    pub findings: serde_json::Value,
    /// The ranges that change.
    pub ranges: Vec<Span>,
    /// Size of the disk in bytes.
    pub disk_size: u64,
}

/// A run of bytes on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Offset from the start of the disk, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
}

/// What became of a conversion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Converted {
    /// Whether anything was written to the disk now.
    pub applied: bool,
    /// Whether that completed a conversion that was interrupted earlier; it was planned then.
    pub resumed: bool,
    /// `xen-hvm` or `nitro`, as far as it is known.
    pub target: Option<String>,
    /// The folder with the saved bytes; none if there was nothing to do, now or earlier.
    pub saved: Option<PathBuf>,
    /// Where the saved bytes of an earlier conversion of the disk are now.
    pub set_aside: Option<PathBuf>,
    /// Bytes that differ between old and new.
    pub changed: u64,
}

/// What became of a revert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reverted {
    /// Whether the old bytes are back, all but those that are kept.
    pub reverted: bool,
    /// Ranges that hold their old bytes again.
    pub restored: Vec<Span>,
    /// Ranges that were left alone, because somebody else wrote to them since.
    pub kept: Vec<Span>,
    /// Other places that show that the disk was used since.
    pub used: Vec<Span>,
    /// Where the saved bytes are, if they are still needed.
    pub saved: Option<PathBuf>,
}

/// Why it came to nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of reason.
    pub kind: FailureKind,
    /// The reason with its causes, and what to do.
    pub message: String,
    /// What stands against it, where findings do.
    #[serde(default)]
    pub findings: serde_json::Value,
    /// The devices that were looked at, where no one of them could be told.
    #[serde(default)]
    pub candidates: Vec<Disk>,
}

/// Kinds of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The disk is not fit for it. Exit code 1.
    Blocked,
    /// No device, or more than one, can be the volume. Exit code 1.
    NotFound,
    /// Something else uses the disk. Exit code 3.
    InUse,
    /// Anything else. Exit code 3.
    Failed,
}

/// Why a line of an agent could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It is not what an agent says.
    #[error("this is not what an agent says: {line:?}: {source}")]
    Strange {
        /// The line, cut short.
        line: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The agent is of another version.
    #[error("the agent {agent} speaks protocol {found}, expected {PROTOCOL}; send it again")]
    OtherProtocol {
        /// Version of the agent.
        agent: String,
        /// Its protocol.
        found: u32,
    },
}

/// Reads the first line.
///
/// # Errors
/// [`LineError`].
pub fn hello(line: &str) -> Result<Hello, LineError> {
    let hello: Hello = serde_json::from_str(line).map_err(|source| strange(line, source))?;
    if hello.protocol != PROTOCOL {
        return Err(LineError::OtherProtocol {
            agent: hello.agent,
            found: hello.protocol,
        });
    }
    Ok(hello)
}

/// Reads any other line.
///
/// # Errors
/// [`LineError::Strange`].
pub fn event(line: &str) -> Result<Event, LineError> {
    serde_json::from_str(line).map_err(|source| strange(line, source))
}

fn strange(line: &str, source: serde_json::Error) -> LineError {
    LineError::Strange {
        line: line.chars().take(200).collect(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_ids_as_they_are_written_and_as_serial_numbers() {
        for text in [
            "vol-0123456789abcdef0",
            "vol0123456789abcdef0",
            "vol0123456789abcdef0 ",
            "vol0123456789abcdef0\0",
        ] {
            assert_eq!(
                VolumeId::parse(text).unwrap().as_str(),
                "vol-0123456789abcdef0",
                "{text:?}"
            );
        }
        assert_eq!(VolumeId::parse("vol-1234abcd").unwrap().as_str(), "vol-1234abcd");
        for text in [
            "",
            "vol",
            "vol-",
            "vol-0123",
            "vol-0123456789ABCDEF0",
            "AWS0123456789abcdef0",
            "vol--1234abcd",
        ] {
            assert!(VolumeId::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn lines_are_read_as_they_were_written() {
        let events = [
            Event::Stage { stage: Stage::Applying },
            Event::Progress { done: 1, total: 2 },
            Event::Converted(Converted {
                applied: true,
                resumed: false,
                target: Some("nitro".to_owned()),
                saved: Some("/x".into()),
                set_aside: None,
                changed: 3,
            }),
            Event::Failed(Failure {
                kind: FailureKind::InUse,
                message: "a\nb".to_owned(),
                findings: serde_json::Value::Null,
                candidates: Vec::new(),
            }),
        ];
        for (at, sent) in events.iter().enumerate() {
            let line = serde_json::to_string(sent).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(event(&line).unwrap(), *sent);
            assert_eq!(sent.is_last(), at >= 2);
        }
    }

    #[test]
    fn what_a_later_agent_adds_does_no_harm() {
        let read = event(r#"{"event":"progress","done":1,"total":2,"speed":3}"#).unwrap();
        assert_eq!(read, Event::Progress { done: 1, total: 2 });
    }

    #[test]
    fn other_protocols_and_other_programs_are_refused() {
        assert_eq!(hello(r#"{"agent":"0.1.0","protocol":1}"#).unwrap(), Hello::new("0.1.0"));
        let error = hello(r#"{"agent":"9.0.0","protocol":2}"#).unwrap_err().to_string();
        assert!(error.contains("9.0.0") && error.contains("protocol 2"), "{error}");
        let error = hello("sh: 1: not found").unwrap_err().to_string();
        assert!(error.contains("sh: 1: not found"), "{error}");
    }
}
