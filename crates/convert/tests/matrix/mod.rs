//! `docs/support-matrix.md`, written from what the golden guests really get.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use comeback_convert::finding::Level;
use comeback_convert::platform::Platform;
use comeback_convert::verdict::{Assessment, Outcome};
use comeback_guest::boot::Loader;
use comeback_testkit::golden::GuestKind;

use crate::common::{against, bless, repository};
use crate::{Report, refusal};

const HEAD: &str = "\
<!-- Written by the tests (crates/convert/tests/golden.rs); change guests/golden, and run them with COMEBACK_BLESS=1. -->

# Support matrix

What comeback says of a guest before and after an in-place conversion, for each platform: `yes`, it boots; `no`, it does
not; `?`, the disk does not tell.

The tables are made from the results of the tests. Each row is a folder in `guests/golden`: a small tree with the boot menus,
kernel configurations, module lists, fstab and network settings as that release has them, and with made-up kernels and
initramfs files that are empty but for what an inspection looks at. The tests put it on a disk image, inspect it, convert it,
inspect the result, check the file system, compare each edited file with one that was read and approved, and take it all back.

That proves what comeback sees and what it writes. It does not prove that these releases boot: the trees are synthetic,
written from what is known of the releases, and nothing in them can run. Instances differ, too: what counts is what
`comeback inspect` says of the disk in question.
";

/// Compares the page with the results, or writes it.
pub fn check(reports: &[Report]) {
    let path = repository().join("docs/support-matrix.md");
    let page = page(reports);
    if bless() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, page).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/support-matrix.md is stale; run this test with COMEBACK_BLESS=1\n{page}"
    );
}

fn page(reports: &[Report]) -> String {
    let mut page = HEAD.to_owned();
    let of = |kind| {
        reports
            .iter()
            .filter(move |report| report.guest.description.kind == kind)
    };
    page.push_str("\n## Releases\n\n");
    table(&mut page, of(GuestKind::Release));
    page.push_str("\n## Corner cases\n\n");
    table(&mut page, of(GuestKind::Corner));
    page.push_str("\n## Notes\n\n");
    for report in reports {
        let description = &report.guest.description;
        let _ = writeln!(
            page,
            "- **{}** (`{}`): {}",
            description.title,
            report.guest.name,
            one_line(&description.notes)
        );
    }
    page.push_str(
        "\n## Really booted\n\nThese guests are built from Debian's packages, and the boot tests start them before and after conversion:\n\n",
    );
    for (name, about) in recipes() {
        let _ = writeln!(page, "- `{name}`: {about}");
    }
    page
}

fn one_line(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Boots => "yes",
        Outcome::DoesNotBoot => "no",
        Outcome::Unknown => "?",
    }
}

fn table<'a>(page: &mut String, reports: impl Iterator<Item = &'a Report>) {
    page.push_str("| Guest | Kernel | PV-GRUB 1.03 | PV-GRUB 1.05 | Xen HVM | Nitro | What blocks after conversion | What to know |\n");
    page.push_str("|---|---|---|---|---|---|---|---|\n");
    for report in reports {
        let _ = write!(
            page,
            "| {} | {} |",
            one_line(&report.guest.description.title),
            kernels(report)
        );
        for platform in Platform::ALL {
            let before = mark(report.before.assessment.outcome(platform));
            let after = mark(after(report, platform));
            let _ = write!(page, " {before} → {after} |");
        }
        let _ = writeln!(page, " {} | {} |", blocks(report), warnings(report));
    }
}

/// The kernels that start after the conversion, or that would start.
fn kernels(report: &Report) -> String {
    let guest = report
        .auto
        .as_ref()
        .map_or(&report.before.guest, |conversion| &conversion.after.guest);
    let selections = [Loader::PvGrub, Loader::Comeback]
        .into_iter()
        .filter_map(|loader| guest.selection(loader));
    let started = selections.filter_map(|selection| selection.entry.as_ref());
    let kernels: BTreeSet<&str> = started
        .filter_map(|entry| guest.kernel_of(entry)?.release.as_deref())
        .collect();
    kernels.into_iter().collect::<Vec<_>>().join(", ")
}

/// The assessment of the disk as the conversion leaves it; as it is where there is none.
fn assessment(report: &Report) -> &Assessment {
    report
        .auto
        .as_ref()
        .map_or(&report.before.assessment, |conversion| &conversion.after.assessment)
}

/// Whether it boots when it was converted for this platform, if it can be.
fn after(report: &Report, platform: Platform) -> Outcome {
    match platform {
        Platform::XenHvm => report
            .xen_hvm
            .as_ref()
            .map_or(Outcome::DoesNotBoot, |done| done.after.assessment.outcome(platform)),
        Platform::Nitro => report
            .nitro
            .as_ref()
            .map_or(Outcome::DoesNotBoot, |done| done.after.assessment.outcome(platform)),
        _ => assessment(report).outcome(platform),
    }
}

fn blocks(report: &Report) -> String {
    let mut lines = Vec::new();
    for platform in Platform::ALL {
        let refused = match platform {
            Platform::XenHvm => report.xen_hvm.as_ref().err(),
            Platform::Nitro => report.nitro.as_ref().err(),
            _ => None,
        };
        let ids: Vec<&str> = match refused {
            Some(error) => refusal(error).iter().map(|finding| finding.id).collect(),
            None if after(report, platform) == Outcome::Boots => continue,
            None => against(assessment(report), platform),
        };
        lines.push(format!("{platform}: {}", ids.join(", ")));
    }
    lines.join("<br>")
}

/// The ids of what is no obstacle and still worth a warning.
fn warnings(report: &Report) -> String {
    let warned = assessment(report)
        .findings
        .iter()
        .filter(|finding| finding.level == Level::Warning);
    let ids: BTreeSet<&str> = warned.map(|finding| finding.id).collect();
    ids.into_iter().collect::<Vec<_>>().join(", ")
}

/// The recipes of guests that can be installed, with what they say of themselves.
fn recipes() -> Vec<(String, String)> {
    let mut recipes = Vec::new();
    for entry in fs::read_dir(repository().join("guests")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        if text.contains("style = \"grub-2\"") {
            // An HVM guest: nothing to convert.
            continue;
        }
        let about = text
            .lines()
            .find_map(|line| line.strip_prefix("about = \"")?.strip_suffix('"'));
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        recipes.push((name, about.unwrap_or_default().to_owned()));
    }
    recipes.sort();
    recipes
}
