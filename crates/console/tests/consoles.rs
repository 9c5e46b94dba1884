//! Consoles of boots that went well and of boots that did not, each with the verdict that is expected of it.
//!
//! A file is a few lines of expectations (`verdict`, `signature`, `also`: other findings, `platform`), a line `---`, and
//! the console as it comes from the serial port, with its escape sequences and without a line end after a prompt.

#![allow(clippy::unwrap_used)] // The helpers of tests are tests.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use comeback_console::{
    Finding, Origin, Stage, Verdict,
    judge::{End, Judge, Judgement, Source},
    signatures::{self, SIGNATURES, Weight},
};
use proptest::prelude::*;

struct Case {
    name: String,
    verdict: String,
    signature: Option<String>,
    also: BTreeSet<String>,
    origin: Origin,
    console: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("tests/consoles");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| case(path)).collect()
}

fn case(path: &Path) -> Case {
    let bytes = fs::read(path).unwrap();
    let cut = bytes.windows(5).position(|window| window == b"\n---\n").unwrap();
    let header = std::str::from_utf8(&bytes[..cut]).unwrap();
    let field = |name: &str| {
        let line = header
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("{} has no {name}", path.display()))
            .trim()
            .to_owned()
    };
    let console = &bytes[cut + 5..];
    Case {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        verdict: field("verdict"),
        signature: Some(field("signature")).filter(|id| id != "-"),
        also: field("also").split_whitespace().map(str::to_owned).collect(),
        origin: if field("platform") == "nitro" {
            Origin::Real
        } else {
            Origin::StandIn
        },
        // An editor wants a line end at the end of the file; a prompt has none.
        console: console.strip_suffix(b"\n").unwrap().to_vec(),
    }
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Boots => "boots",
        Verdict::DoesNotBoot => "does-not-boot",
        Verdict::Unknown => "unknown",
    }
}

fn judge(origin: Origin, chunks: &[&[u8]]) -> (Judgement, Vec<Finding>) {
    let mut judge = Judge::new(origin);
    for chunk in chunks {
        judge.feed(Source::Serial, chunk, Duration::from_secs(1));
    }
    let judgement = judge.finish(End::Timeout, Duration::from_secs(60));
    (judgement, judge.findings())
}

#[test]
fn each_console_is_judged_as_expected() {
    let mut wrong = Vec::new();
    for case in cases() {
        let (judgement, findings) = judge(case.origin, &[&case.console]);
        let signature = judgement.signature.as_ref().map(|finding| finding.id.to_owned());
        let mut also: BTreeSet<_> = findings.iter().map(|finding| finding.id.to_owned()).collect();
        also.retain(|id| Some(id) != signature.as_ref());
        if (name(judgement.verdict), &signature, &also) != (case.verdict.as_str(), &case.signature, &case.also) {
            wrong.push(format!(
                "{}: {} {signature:?} {also:?}, expected {} {:?} {:?}",
                case.name,
                name(judgement.verdict),
                case.verdict,
                case.signature,
                case.also
            ));
        }
        // A verdict names its evidence.
        match judgement.verdict {
            Verdict::Boots => assert!(!judgement.evidence.unwrap().is_empty(), "{}", case.name),
            Verdict::DoesNotBoot => {
                let line = judgement.signature.unwrap().line;
                let console = String::from_utf8_lossy(&case.console).into_owned();
                let shown = line
                    .split_whitespace()
                    .next_back()
                    .is_some_and(|word| console.contains(word));
                assert!(shown, "{}: {line:?}", case.name);
            }
            Verdict::Unknown => assert_eq!(judgement.evidence, None),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_signature_is_seen_in_some_console() {
    let cases = cases();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for case in &cases {
        let (judgement, findings) = judge(case.origin, &[&case.console]);
        seen.extend(findings.iter().map(|finding| finding.id));
        seen.extend(judgement.signature.map(|finding| finding.id));
        for line in case.console.split(|byte| *byte == b'\n') {
            let harmless = signatures::find(line, |signature| signature.weight == Weight::Harmless);
            seen.extend(harmless.map(|signature| signature.id));
        }
    }
    let missing: Vec<_> = SIGNATURES
        .iter()
        .filter(|signature| !signature.pattern.is_empty() && !seen.contains(signature.id))
        .map(|signature| signature.id)
        .collect();
    assert!(missing.is_empty(), "no console shows {missing:?}");
}

#[test]
fn healthy_boots_pass_through_their_stages() {
    let mut count = 0;
    for case in cases().iter().filter(|case| case.name.starts_with("healthy")) {
        let mut judge = Judge::new(case.origin);
        judge.feed(Source::Serial, &case.console, Duration::from_secs(1));
        judge.finish(End::Timeout, Duration::from_secs(2));
        let stages: Vec<_> = judge.timeline().iter().map(|reached| reached.stage).collect();
        assert!(
            stages.contains(&Stage::Kernel) && stages.contains(&Stage::Init),
            "{}: {stages:?}",
            case.name
        );
        assert!(stages.is_sorted(), "{}: {stages:?}", case.name);
        count += 1;
    }
    assert!(count >= 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn chunks_make_no_difference(which in any::<prop::sample::Index>(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        let cases = cases();
        let case = which.get(&cases);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(case.console.len() + 1)).collect();
        cuts.extend([0, case.console.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &case.console[pair[0]..pair[1]]).collect();
        prop_assert_eq!(judge(case.origin, &chunks), judge(case.origin, &[&case.console]));
    }

    #[test]
    fn any_bytes_are_judged(serial in prop::collection::vec(any::<u8>(), 0..5000), firmware in prop::collection::vec(any::<u8>(), 0..500)) {
        let mut judge = Judge::new(Origin::Real);
        judge.feed(Source::Firmware, &firmware, Duration::from_secs(1));
        judge.feed(Source::Serial, &serial, Duration::from_secs(2));
        judge.tick(Duration::from_secs(100));
        let judgement = judge.finish(End::Timeout, Duration::from_secs(200));
        // Noise never proves a boot.
        prop_assert_ne!(judgement.verdict, Verdict::Boots);
    }

    #[test]
    fn damaged_consoles_are_judged(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), noise in prop::collection::vec(any::<u8>(), 1..50)) {
        let cases = cases();
        let case = which.get(&cases);
        let mut console = case.console.clone();
        let at = at.index(console.len() + 1);
        console.splice(at..at, noise);
        let (judgement, findings) = judge(case.origin, &[&console]);
        prop_assert!(findings.len() <= SIGNATURES.len());
        prop_assert!(judgement.verdict != Verdict::Boots || judgement.evidence.is_some());
    }
}
