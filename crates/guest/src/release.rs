//! Which distribution a guest is, and which release of it.

use comeback_disk::tree::FileTree;
use serde::Serialize;

use crate::defaults::{last, shell_assignments};

/// A distribution and its release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Release {
    /// As in os-release: `debian`, `ubuntu`, `centos`, `rhel`, `amzn`, `sles`, `fedora`, …; `unknown` where a file
    /// names something else.
    pub id: String,
    /// `6`, `12.04`, `2018.03`, `11.4`; empty where nothing says it.
    pub version: String,
    /// As the distribution calls itself: `CentOS release 6.10 (Final)`.
    pub name: String,
    /// The file that says so.
    pub evidence: String,
}

/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 64 << 10;
/// The longest name that is kept, in characters.
const MAX_NAME: usize = 200;

/// What a file says, by its path.
type Parser = fn(&str, &str) -> Option<Release>;

/// The files in the order in which they are believed, with their parsers.
const FILES: [(&str, Parser); 8] = [
    ("/etc/os-release", os_release),
    ("/usr/lib/os-release", os_release),
    ("/etc/lsb-release", lsb_release),
    ("/etc/system-release", red_hat_release),
    ("/etc/redhat-release", red_hat_release),
    ("/etc/centos-release", red_hat_release),
    ("/etc/SuSE-release", suse_release),
    ("/etc/debian_version", debian_version),
];

/// The release of a guest; none where none of the known files is there.
pub fn read(tree: &dyn FileTree) -> Option<Release> {
    FILES
        .iter()
        .find_map(|(path, _)| parse(path, &tree.read(path, MAX_SIZE).ok()?))
}

/// What the file at one of the known paths says.
pub fn parse(path: &str, content: &[u8]) -> Option<Release> {
    let (path, parser) = FILES.iter().find(|(known, _)| *known == path)?;
    let mut release = parser(path, &String::from_utf8_lossy(content))?;
    for text in [&mut release.id, &mut release.version, &mut release.name] {
        *text = text.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    }
    Some(release)
}

/// os-release(5).
fn os_release(path: &str, content: &str) -> Option<Release> {
    let assignments = shell_assignments(content.as_bytes());
    let value = |name| last(&assignments, name).map(|assignment| assignment.value.value.clone());
    let id = value("ID")?.to_ascii_lowercase();
    Some(Release {
        version: value("VERSION_ID").unwrap_or_default(),
        name: value("PRETTY_NAME")
            .or_else(|| value("NAME"))
            .unwrap_or_else(|| id.clone()),
        id,
        evidence: path.to_owned(),
    })
}

/// Ubuntu's. Those of Red Hat and SUSE name no distribution.
fn lsb_release(path: &str, content: &str) -> Option<Release> {
    let assignments = shell_assignments(content.as_bytes());
    let value = |name| last(&assignments, name).map(|assignment| assignment.value.value.clone());
    let id = value("DISTRIB_ID")?;
    Some(Release {
        version: value("DISTRIB_RELEASE").unwrap_or_default(),
        name: value("DISTRIB_DESCRIPTION").unwrap_or_else(|| id.clone()),
        id: id.to_ascii_lowercase(),
        evidence: path.to_owned(),
    })
}

/// `CentOS release 5.11 (Final)`, `Amazon Linux AMI release 2012.03`.
fn red_hat_release(path: &str, content: &str) -> Option<Release> {
    let name = content.lines().next()?.trim();
    let (product, rest) = name.split_once(" release ")?;
    let id = [
        ("Amazon", "amzn"),
        ("CentOS", "centos"),
        ("Red Hat", "rhel"),
        ("Oracle", "ol"),
        ("Enterprise Linux Enterprise Linux", "ol"),
        ("Scientific", "scientific"),
        ("Fedora", "fedora"),
    ]
    .iter()
    .find(|(start, _)| product.starts_with(start))
    .map_or("unknown", |(_, id)| id);
    Some(Release {
        id: id.to_owned(),
        version: rest.split_whitespace().next().unwrap_or_default().to_owned(),
        name: name.to_owned(),
        evidence: path.to_owned(),
    })
}

/// A line of text, then `VERSION = 11` and `PATCHLEVEL = 4`.
fn suse_release(path: &str, content: &str) -> Option<Release> {
    let name = content.lines().next()?.trim();
    let value = |key: &str| {
        content.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        })
    };
    let version = value("VERSION")?;
    let patch_level = value("PATCHLEVEL").filter(|level| level != "0");
    Some(Release {
        id: if name.contains("Enterprise") {
            "sles"
        } else {
            "opensuse"
        }
        .to_owned(),
        version: match patch_level {
            Some(level) if !version.contains('.') => format!("{version}.{level}"),
            _ => version,
        },
        name: name.to_owned(),
        evidence: path.to_owned(),
    })
}

/// `6.0.10`, or `squeeze/sid`.
fn debian_version(path: &str, content: &str) -> Option<Release> {
    let version = content.lines().next()?.trim();
    (!version.is_empty()).then(|| Release {
        id: "debian".to_owned(),
        version: version.to_owned(),
        name: format!("Debian GNU/Linux {version}"),
        evidence: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn releases_of_old_and_new_distributions() {
        for (path, content, id, version) in [
            (
                "/etc/system-release",
                "Amazon Linux AMI release 2012.03\n",
                "amzn",
                "2012.03",
            ),
            (
                "/etc/os-release",
                "NAME=\"Amazon Linux AMI\"\nVERSION=\"2018.03\"\nID=\"amzn\"\nID_LIKE=\"rhel fedora\"\n\
                 VERSION_ID=\"2018.03\"\nPRETTY_NAME=\"Amazon Linux AMI 2018.03\"\n",
                "amzn",
                "2018.03",
            ),
            ("/etc/redhat-release", "CentOS release 5.11 (Final)\n", "centos", "5.11"),
            ("/etc/redhat-release", "CentOS release 6.10 (Final)\n", "centos", "6.10"),
            (
                "/etc/redhat-release",
                "Red Hat Enterprise Linux Server release 6.9 (Santiago)\n",
                "rhel",
                "6.9",
            ),
            (
                "/etc/lsb-release",
                "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=10.04\nDISTRIB_CODENAME=lucid\nDISTRIB_DESCRIPTION=\"Ubuntu 10.04.4 LTS\"\n",
                "ubuntu",
                "10.04",
            ),
            (
                "/etc/SuSE-release",
                "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n",
                "sles",
                "11.4",
            ),
            ("/etc/debian_version", "6.0.10\n", "debian", "6.0.10"),
            (
                "/etc/os-release",
                "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n",
                "debian",
                "12",
            ),
        ] {
            let release = parse(path, content.as_bytes()).unwrap();
            assert_eq!(
                (release.id.as_str(), release.version.as_str()),
                (id, version),
                "{content}"
            );
            assert_eq!(release.evidence, path);
        }
        assert_eq!(parse("/etc/lsb-release", b"LSB_VERSION=base-4.0-amd64\n"), None);
    }

    proptest! {
        #[test]
        fn never_panics(content in proptest::collection::vec(any::<u8>(), 0..300)) {
            for (path, _) in FILES {
                parse(path, &content);
            }
        }
    }
}
