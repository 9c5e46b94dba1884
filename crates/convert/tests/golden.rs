//! Golden guests: releases as they were, with the verdicts that they must get and the edits that a conversion makes.
//!
//! `COMEBACK_BLESS=1` writes what the conversions do (`guests/golden/*/after`, and `docs/support-matrix.md`) instead of
//! comparing it; the difference is then for a person to read.

#![allow(clippy::unwrap_used)]

mod common;
mod matrix;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use comeback_convert::conversion::{Conversion, ConvertError, Inspection, convert, inspect};
use comeback_convert::edits::{Action, own};
use comeback_convert::finding::Finding;
use comeback_convert::plan::Target;
use comeback_convert::platform::Platform;
use comeback_convert::verdict::{Assessment, Outcome};
use comeback_disk::tree::{FileTree, Kind};
use comeback_disk::view::View;
use comeback_guest::kernels::KernelReader;
use comeback_guest::system::System;
use comeback_testkit::golden::{self, Expectation, GoldenGuest, Verdict};
use common::{NOW, against, assets, bless, disk, e2fsck, image_of, in_parallel, patched, reverted};

/// What became of a guest.
#[derive(Debug)]
pub struct Report {
    guest: GoldenGuest,
    before: Inspection,
    xen_hvm: Result<Conversion, ConvertError>,
    nitro: Result<Conversion, ConvertError>,
    auto: Result<Conversion, ConvertError>,
    problems: Vec<String>,
}

/// The conversions of all golden guests, which the tests of this file share.
fn reports() -> &'static [Report] {
    static REPORTS: OnceLock<Vec<Report>> = OnceLock::new();
    REPORTS.get_or_init(|| in_parallel(common::guests(), report))
}

fn report(guest: GoldenGuest) -> Report {
    let bytes = image_of(&guest);
    let (system, before) = look(&bytes);
    let to = |target| convert(disk(bytes.clone()), target, &assets(), NOW);
    let mut report = Report {
        before,
        xen_hvm: to(Target::XenHvm),
        nitro: to(Target::Nitro),
        auto: to(Target::Auto),
        guest,
        problems: Vec::new(),
    };
    let mut problems = Problems(Vec::new());
    before_is_expected(&report, &mut problems);
    after_is_expected(&report, &mut problems);
    let files = files(&system);
    // Whichever target `auto` chose is looked at under that name.
    let chosen = report.auto.as_ref().ok();
    let other = report
        .xen_hvm
        .as_ref()
        .ok()
        .filter(|other| chosen.is_none_or(|chosen| chosen.plan != other.plan));
    for conversion in chosen.into_iter().chain(other) {
        let mut found = Problems(Vec::new());
        bytes_are_right(&report.guest, &bytes, &files, conversion, &mut found);
        let target = conversion.plan.target;
        problems.0.extend(
            found
                .0
                .into_iter()
                .map(|problem| format!("converted for {target}: {problem}")),
        );
    }
    report.problems = problems.0;
    report
}

fn look(bytes: &[u8]) -> (System, Inspection) {
    let view = Arc::new(View::new(disk(bytes.to_vec())));
    inspect(&view, &mut KernelReader::default(), NOW).unwrap()
}

struct Problems(Vec<String>);

impl Problems {
    fn unless(&mut self, good: bool, problem: impl FnOnce() -> String) {
        if !good {
            self.0.push(problem());
        }
    }
}

fn of_testkit(platform: Platform) -> golden::Platform {
    golden::Platform::ALL
        .into_iter()
        .find(|other| other.name() == platform.name())
        .unwrap()
}

fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Boots => Outcome::Boots,
        Verdict::DoesNotBoot => Outcome::DoesNotBoot,
        Verdict::Unknown => Outcome::Unknown,
    }
}

fn verdict_is(
    moment: &str,
    assessment: &Assessment,
    platform: Platform,
    expected: &Expectation,
    problems: &mut Problems,
) {
    let (got, ids) = (assessment.outcome(platform), against(assessment, platform));
    problems.unless(got == outcome(expected.verdict), || {
        format!(
            "{moment}, {platform}: {got} ({}), expected {}",
            ids.join(", "),
            outcome(expected.verdict)
        )
    });
    for id in &expected.findings {
        problems.unless(ids.contains(&id.as_str()), || {
            format!("{moment}, {platform}: {id} is expected, found is {}", ids.join(", "))
        });
    }
}

fn before_is_expected(report: &Report, problems: &mut Problems) {
    for platform in Platform::ALL {
        let expected = &report.guest.description.expect.before[&of_testkit(platform)];
        verdict_is("before", &report.before.assessment, platform, expected, problems);
    }
}

/// The findings for which a conversion was refused.
fn refusal(error: &ConvertError) -> &[Finding] {
    match error {
        ConvertError::Plan(error) => error.findings(),
        ConvertError::NotProven { findings, .. } => findings,
        _ => &[],
    }
}

fn after_is_expected(report: &Report, problems: &mut Problems) {
    let expected = |platform| &report.guest.description.expect.after[&of_testkit(platform)];
    let boots = |platform| expected(platform).verdict == Verdict::Boots;
    for (platform, conversion) in [(Platform::XenHvm, &report.xen_hvm), (Platform::Nitro, &report.nitro)] {
        match conversion {
            Ok(conversion) => {
                problems.unless(boots(platform), || format!("{platform} was not to be converted for"));
                for other in Platform::PV.into_iter().chain([platform]) {
                    let moment = format!("converted for {platform}");
                    verdict_is(&moment, &conversion.after.assessment, other, expected(other), problems);
                }
            }
            Err(error) => {
                problems.unless(!boots(platform), || format!("{platform} was refused: {error}"));
                let ids: Vec<&str> = refusal(error).iter().map(|finding| finding.id).collect();
                for id in &expected(platform).findings {
                    problems.unless(ids.contains(&id.as_str()), || {
                        format!("{platform} was refused for {}, expected is {id}", ids.join(", "))
                    });
                }
            }
        }
    }
    let wanted = [Platform::Nitro, Platform::XenHvm]
        .into_iter()
        .find(|&platform| boots(platform));
    match &report.auto {
        Ok(conversion) => {
            problems.unless(Some(conversion.plan.target) == wanted, || {
                format!("auto chose {}", conversion.plan.target)
            });
            for platform in Platform::ALL {
                verdict_is(
                    "after",
                    &conversion.after.assessment,
                    platform,
                    expected(platform),
                    problems,
                );
            }
        }
        Err(error) => problems.unless(wanted.is_none(), || format!("auto was refused: {error}")),
    }
    if wanted.is_none() {
        // Nothing is written, so PV boots as it did.
        for platform in Platform::PV {
            verdict_is(
                "unconverted",
                &report.before.assessment,
                platform,
                expected(platform),
                problems,
            );
        }
    }
}

/// Everything about a file but its place on the disk.
#[derive(Debug, PartialEq, Eq)]
struct Node {
    kind: Kind,
    mode: u32,
    owner: (u32, u32),
    mtime: i64,
    content: Vec<u8>,
    xattrs: Vec<(String, Vec<u8>)>,
}

fn files(system: &System) -> BTreeMap<String, Node> {
    let mut files = BTreeMap::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let names = system.read_dir(if folder.is_empty() { "/" } else { &folder }).unwrap();
        for name in names {
            let path = format!("{folder}/{name}");
            let metadata = system.symlink_metadata(&path).unwrap();
            let content = match metadata.kind {
                Kind::File => system.read(&path, u64::MAX).unwrap(),
                Kind::Symlink => system.read_link(&path).unwrap().into_bytes(),
                Kind::Directory => {
                    folders.push(path.clone());
                    Vec::new()
                }
                Kind::Other => Vec::new(),
            };
            let (ext, _, inner) = system.locate(&path);
            let xattrs = if metadata.kind == Kind::Symlink {
                Vec::new()
            } else {
                ext.xattrs(inner).unwrap()
            };
            let node = Node {
                kind: metadata.kind,
                mode: metadata.mode,
                owner: (metadata.uid, metadata.gid),
                mtime: metadata.mtime,
                content,
                xattrs,
            };
            files.insert(path, node);
        }
    }
    files
}

fn bytes_are_right(
    guest: &GoldenGuest,
    bytes: &[u8],
    before: &BTreeMap<String, Node>,
    conversion: &Conversion,
    problems: &mut Problems,
) {
    let result = patched(bytes, &conversion.patch);
    problems.unless(reverted(&result, &conversion.patch) == bytes, || {
        "the old bytes do not bring the disk back".to_owned()
    });
    for (part, said) in e2fsck(&result, guest.description.disk.layout) {
        problems.unless(said.is_empty(), || format!("e2fsck of {}: {said}", part.mount));
    }
    let target = if conversion.plan.target == Platform::Nitro {
        Target::Nitro
    } else {
        Target::XenHvm
    };
    match convert(disk(result.clone()), target, &assets(), NOW + 86_400) {
        Ok(again) => problems.unless(again.patch.is_empty() && again.plan.is_empty(), || {
            let paths: Vec<_> = again.plan.files.iter().map(|change| &change.path).collect();
            format!(
                "converting again changes {} bytes, {paths:?}",
                again.patch.changed_bytes()
            )
        }),
        Err(error) => problems.0.push(format!("converting again: {error}")),
    }
    let (system, _) = look(&result);
    differing_files_are_planned(before, &files(&system), conversion, problems);
}

fn differing_files_are_planned(
    before: &BTreeMap<String, Node>,
    after: &BTreeMap<String, Node>,
    conversion: &Conversion,
    problems: &mut Problems,
) {
    let planned: BTreeSet<&str> = conversion
        .plan
        .files
        .iter()
        .map(|change| change.path.as_str())
        .collect();
    let paths: BTreeSet<&str> = before.keys().chain(after.keys()).map(String::as_str).collect();
    // A folder gets a new time when a file is made in it.
    let holds_new = |path: &str| {
        let made = conversion
            .plan
            .files
            .iter()
            .filter(|change| !matches!(change.action, Action::Edit { .. }));
        made.map(|change| change.path.as_str())
            .any(|made| made.starts_with(&format!("{path}/")))
    };
    let differing: BTreeSet<&str> = paths
        .into_iter()
        .filter(|&path| before.get(path) != after.get(path))
        .filter(|&path| !(after.get(path).is_some_and(|node| node.kind == Kind::Directory) && holds_new(path)))
        .collect();
    problems.unless(differing == planned, || {
        format!("these files differ: {differing:?}, planned were {planned:?}")
    });
    for change in &conversion.plan.files {
        let (Some(old), Some(new)) = (before.get(&change.path), after.get(&change.path)) else {
            continue;
        };
        if let Action::Edit { new: content, .. } = &change.action {
            problems.unless(new.content == *content, || {
                format!("{} has another content than planned", change.path)
            });
            let same = (old.kind, old.mode, old.owner, old.mtime) == (new.kind, new.mode, new.owner, new.mtime)
                && old.xattrs == new.xattrs;
            problems.unless(same, || {
                format!("{}: owner, mode, times or attributes changed", change.path)
            });
        }
    }
}

#[test]
fn verdicts_bytes_and_files_are_as_expected() {
    let mut said = String::new();
    for report in reports() {
        for problem in &report.problems {
            let _ = writeln!(said, "{}: {problem}", report.guest.name);
        }
    }
    assert!(said.is_empty(), "\n{said}");
}

/// What a conversion leaves in the files that it writes, all but GRUB itself.
fn written(conversion: &Conversion) -> BTreeMap<String, Vec<u8>> {
    let content = |action: &Action| match action {
        Action::Edit { new, .. } => Some(new.clone()),
        Action::Create { content, .. } => Some(content.clone()),
        Action::Link { target } => Some(format!("-> {target}\n").into_bytes()),
        Action::CoreImage { .. } => None,
    };
    let files = conversion.plan.files.iter();
    files
        .filter_map(|change| Some((change.path.clone(), content(&change.action)?)))
        .collect()
}

fn kept(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        let path = format!("{prefix}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            kept(&entry.path(), &path, files);
        } else {
            files.insert(path, fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn edits_are_those_that_were_read_and_approved() {
    let mut said = String::new();
    for report in reports() {
        let folder = report.guest.folder.join("after");
        let written = report.auto.as_ref().map_or_else(|_| BTreeMap::new(), written);
        assert!(!written.contains_key(&own::core_path()));
        if bless() {
            let _ = fs::remove_dir_all(&folder);
            for (path, content) in &written {
                let path = folder.join(path.trim_start_matches('/'));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            continue;
        }
        let mut approved = BTreeMap::new();
        kept(&folder, "", &mut approved);
        for path in written.keys().chain(approved.keys()).collect::<BTreeSet<_>>() {
            if written.get(path) != approved.get(path) {
                let text = |content: Option<&Vec<u8>>| {
                    content.map_or_else(
                        || "(nothing)\n".to_owned(),
                        |content| String::from_utf8_lossy(content).into_owned(),
                    )
                };
                let (approved, written) = (text(approved.get(path)), text(written.get(path)));
                let _ = writeln!(
                    said,
                    "{}{path}\n--- approved\n{approved}--- written\n{written}",
                    report.guest.name
                );
            }
        }
    }
    assert!(
        said.is_empty(),
        "\n{said}\nIf this is right, run the test with COMEBACK_BLESS=1 and read the difference."
    );
}

/// An entry that is named by its title does not follow kernel updates, which is said before and after.
#[test]
fn a_pinned_entry_is_warned_of() {
    let warned = |assessment: &Assessment| {
        let mut findings = assessment.findings.iter();
        findings.any(|finding| finding.id == "boot-entry-pinned")
    };
    let mut pinned = Vec::new();
    for report in reports() {
        let Ok(conversion) = &report.auto else { continue };
        let config = &written(conversion)[&own::config_path()];
        let names_it = String::from_utf8_lossy(config).contains("set default=");
        assert_eq!(warned(&report.before.assessment), names_it, "{}", report.guest.name);
        assert_eq!(warned(&conversion.after.assessment), names_it, "{}", report.guest.name);
        if names_it {
            pinned.push(report.guest.name.as_str());
        }
    }
    assert!(
        pinned.contains(&"no-initramfs") && pinned.contains(&"rhel-5"),
        "{pinned:?}"
    );
    assert!(!pinned.contains(&"ubuntu-12.04"), "{pinned:?}");
}

#[test]
fn the_support_matrix_is_what_the_guests_get() {
    matrix::check(reports());
}
