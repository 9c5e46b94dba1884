//! `/etc/fstab`.
//!
//! Source: util-linux `fstab(5)` and `libmount/src/tab_parse.c`: fields are separated by blanks, octal escapes stand for
//! blanks within them, a line is a comment when its first character that is not blank is `#`.

use std::ops::Range;

use serde::Serialize;

use crate::limit::{ENTRIES, LINE};
use crate::spec::Spec;
use crate::text::{Spanned, lines};

/// A whole fstab.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fstab {
    /// Its lines that are neither blank nor a comment and have at least two fields.
    pub entries: Vec<FstabEntry>,
    /// What was not understood.
    pub problems: Vec<Spanned<String>>,
}

/// One line. Values have their octal escapes resolved, spans are those of the fields as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FstabEntry {
    /// The first field.
    pub spec: Spanned<String>,
    /// What it names.
    pub device: Spec,
    /// The second field.
    pub mount_point: Spanned<String>,
    /// The third field.
    pub fs_type: Option<Spanned<String>>,
    /// The fourth field.
    pub options: Option<Spanned<Vec<String>>>,
    /// The fifth field.
    pub dump: Option<Spanned<u32>>,
    /// The sixth field: the pass of fsck.
    pub pass: Option<Spanned<u32>>,
    /// The whole line, without its ending.
    #[serde(skip)]
    pub span: Range<usize>,
    /// Its number, from 1.
    pub line: usize,
}

impl FstabEntry {
    /// Whether the option stands there; of `name=value` the name is enough.
    pub fn has_option(&self, name: &str) -> bool {
        self.options.iter().flat_map(|options| &options.value).any(|option| {
            option
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        })
    }
}

impl Fstab {
    /// Parses the file.
    pub fn parse(content: &[u8]) -> Self {
        let mut entries = Vec::new();
        let mut problems: Vec<Spanned<String>> = Vec::new();
        for line in lines(content) {
            let first = line.bytes.iter().find(|b| !matches!(b, b' ' | b'\t'));
            if matches!(first, None | Some(b'#')) {
                continue;
            }
            let full = entries.len() >= ENTRIES || problems.len() >= ENTRIES;
            let mut problem = |text: &str, span: Range<usize>| {
                problems.push(Spanned {
                    value: text.to_owned(),
                    span,
                    line: line.number,
                });
            };
            if full {
                problem("too many lines: the rest is not read", line.span());
                break;
            }
            if line.bytes.len() > LINE {
                problem("the line is too long and is not read", line.span());
                continue;
            }
            let mut fields = line.words().into_iter().map(|word| word.map(|text| unescape(&text)));
            let (Some(spec), Some(mount_point)) = (fields.next(), fields.next()) else {
                problem("the line has only one field", line.span());
                continue;
            };
            let fs_type = fields.next();
            if fs_type.is_none() {
                problem("the line names no file system type", line.span());
            }
            let options = fields
                .next()
                .map(|field| field.map(|text| text.split(',').map(str::to_owned).collect()));
            let mut number = |what: &str| {
                // A comment may stand behind the fields.
                let field = fields.next().filter(|field| !field.value.starts_with('#'))?;
                match field.value.parse() {
                    Ok(value) => Some(field.map(|_| value)),
                    Err(_) => {
                        problem(&format!("the {what} field is not a number"), field.span);
                        None
                    }
                }
            };
            let dump = number("fifth");
            let pass = dump.is_some().then(|| number("sixth")).flatten();
            entries.push(FstabEntry {
                device: Spec::parse(&spec.value),
                spec,
                mount_point,
                fs_type,
                options,
                dump,
                pass,
                span: line.span(),
                line: line.number,
            });
        }
        Fstab { entries, problems }
    }
}

/// Resolves `\040` and its like.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{DiskName, Family};
    use proptest::prelude::*;

    /// Amazon Linux 2012.09, with what people add to it.
    const AMAZON: &str = "#\n\
        LABEL=/     /           ext4    defaults,noatime  1   1\n\
        tmpfs       /dev/shm    tmpfs   defaults        0   0\n\
        devpts      /dev/pts    devpts  gid=5,mode=620  0   0\n\
        /dev/sda3\tswap\tswap\tdefaults,comment=cloudconfig\t0\t0\r\n\
        /dev/sdf1   /my\\040data  ext3   nofail 0 2 # added later\n\
        fs-1.efs.us-east-1.amazonaws.com:/ /efs nfs4 _netdev\n\
        /swapfile none swap\n\
        lonely\n\
        \x20 # indented comment\n\
        /dev/sdg /data auto defaults zero 0\n";

    #[test]
    fn a_real_file() {
        let fstab = Fstab::parse(AMAZON.as_bytes());
        let points: Vec<_> = fstab.entries.iter().map(|e| e.mount_point.value.as_str()).collect();
        assert_eq!(
            points,
            ["/", "/dev/shm", "/dev/pts", "swap", "/my data", "/efs", "none", "/data"]
        );
        let root = &fstab.entries[0];
        assert_eq!(root.device, Spec::Label("/".into()));
        assert_eq!(&AMAZON[root.spec.span.clone()], "LABEL=/");
        let options = root.options.as_ref().unwrap();
        assert_eq!(options.value, ["defaults", "noatime"]);
        assert_eq!(&AMAZON[options.span.clone()], "defaults,noatime");
        assert_eq!(root.pass.as_ref().unwrap().value, 1);

        let swap = &fstab.entries[3];
        assert_eq!(
            swap.device.disk(),
            Some(DiskName {
                family: Family::Sd,
                disk: 0,
                partition: Some(3)
            })
        );
        assert!(swap.has_option("comment") && !swap.has_option("nofail"));
        assert!(AMAZON[swap.span.clone()].ends_with("\t0"), "no carriage return");

        let data = &fstab.entries[4];
        assert_eq!(&AMAZON[data.mount_point.span.clone()], "/my\\040data");
        assert_eq!(data.pass.as_ref().unwrap().value, 2);
        assert!(matches!(fstab.entries[5].device, Spec::Network(_)));
        assert!(fstab.entries[6].options.is_none() && fstab.entries[6].pass.is_none());

        let problems: Vec<_> = fstab.problems.iter().map(|p| (p.line, p.value.as_str())).collect();
        assert_eq!(
            problems,
            [
                (9, "the line has only one field"),
                (11, "the fifth field is not a number")
            ]
        );
    }

    #[test]
    fn ten_megabytes_are_cut_off() {
        let fstab = Fstab::parse("a b c d 0 0\n".repeat(900_000).as_bytes());
        assert_eq!(fstab.entries.len(), ENTRIES);
        assert_eq!(fstab.problems.len(), 1);
        let fstab = Fstab::parse("a ".repeat(5_000_000).as_bytes());
        assert_eq!((fstab.entries.len(), fstab.problems.len()), (0, 1));
    }

    proptest! {
        #[test]
        fn spans_are_those_of_the_fields(content in "([ \\t#\\\\0-9a-z/=,é]|\r\n|\n){0,200}") {
            let fstab = Fstab::parse(content.as_bytes());
            for entry in &fstab.entries {
                prop_assert_eq!(unescape(&content[entry.spec.span.clone()]), entry.spec.value.clone());
                prop_assert_eq!(unescape(&content[entry.mount_point.span.clone()]), entry.mount_point.value.clone());
                if let Some(pass) = &entry.pass {
                    prop_assert_eq!(content[pass.span.clone()].parse::<u32>(), Ok(pass.value));
                }
            }
            // Nothing is lost: a line is blank, a comment, an entry or a problem.
            let told = content
                .lines()
                .filter(|l| !l.trim_matches([' ', '\t', '\r']).is_empty() && !l.trim_start_matches([' ', '\t']).starts_with('#'))
                .count();
            let mut lines: Vec<_> = fstab.entries.iter().map(|e| e.line).chain(fstab.problems.iter().map(|p| p.line)).collect();
            lines.sort_unstable();
            lines.dedup();
            prop_assert_eq!(lines.len(), told);
        }

        #[test]
        fn no_bytes_panic(content in proptest::collection::vec(any::<u8>(), 0..300)) {
            let fstab = Fstab::parse(&content);
            prop_assert!(fstab.entries.iter().all(|e| e.span.end <= content.len()));
        }
    }
}
