//! Whole machines: small disks under QEMU. Skipped where QEMU is not installed.

#![allow(clippy::unwrap_used)] // The helpers of tests are tests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::{Duration, Instant},
};

use comeback_rehearse::{
    Accelerator, DiskFormat, Event, LoginProbe, Platform, Rehearsal, RehearseError, Stage, Verdict,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// One machine at a time: two emulations on a small computer take more than twice as long.
static ONE: Mutex<()> = Mutex::new(());

fn qemu_is_missing() -> bool {
    let missing = Command::new("qemu-system-x86_64").arg("--version").output().is_err();
    if missing {
        eprintln!("skipped: qemu-system-x86 is not installed");
    }
    missing
}

/// A disk of 16 MiB with this boot code in its first sector.
fn disk(folder: &TempDir, name: &str, code: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    let mut bytes = vec![0; 16 << 20];
    bytes[..code.len()].copy_from_slice(code);
    if !code.is_empty() {
        bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    }
    fs::write(&path, bytes).unwrap();
    path
}

/// Boot code that writes the text to COM1 and then runs `rest`.
///
/// ```text
/// 7c00  31 c0           xor ax, ax
/// 7c02  8e d8           mov ds, ax
/// 7c04  be lo hi        mov si, text
/// 7c07  ba fd 03        mov dx, 3fdh      ; line status
/// 7c0a  ec              in al, dx
/// 7c0b  a8 20           test al, 20h      ; transmitter empty?
/// 7c0d  74 fb           jz 7c0a
/// 7c0f  ac              lodsb
/// 7c10  84 c0           test al, al
/// 7c12  74 06           jz 7c1a
/// 7c14  ba f8 03        mov dx, 3f8h
/// 7c17  ee              out dx, al
/// 7c18  eb ed           jmp 7c07
/// 7c1a                  rest, then the text and a zero byte
/// ```
fn prints(text: &str, rest: &[u8]) -> Vec<u8> {
    let address = (0x7c1a + rest.len() as u16).to_le_bytes();
    let mut code = vec![
        0x31, 0xc0, 0x8e, 0xd8, 0xbe, address[0], address[1], 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x20,
    ];
    code.extend([
        0x74, 0xfb, 0xac, 0x84, 0xc0, 0x74, 0x06, 0xba, 0xf8, 0x03, 0xee, 0xeb, 0xed,
    ]);
    assert_eq!(code.len(), 0x1a);
    code.extend(rest);
    code.extend(text.bytes());
    code.push(0);
    code
}

/// `hlt` for ever.
const HALT: &[u8] = &[0xf4, 0xeb, 0xfd];
/// Restart through the keyboard controller: `mov al, 0feh; out 64h, al; hlt; jmp`.
const RESTART: &[u8] = &[0xb0, 0xfe, 0xe6, 0x64, 0xf4, 0xeb, 0xfd];
/// Print "GRUB " with the BIOS: `mov ax, 0eXXh; int 10h` for each letter; then halt.
fn on_screen(text: &str) -> Vec<u8> {
    let mut code: Vec<u8> = text.bytes().flat_map(|byte| [0xb8, byte, 0x0e, 0xcd, 0x10]).collect();
    code.extend(HALT);
    code
}

fn rehearsal(disk: &Path, platform: Platform, seconds: u64) -> Rehearsal {
    let mut rehearsal = Rehearsal::new(disk, DiskFormat::Raw, platform);
    rehearsal.timeout = Duration::from_secs(seconds);
    rehearsal.memory_mib = 64;
    rehearsal
}

fn checksum(path: &Path) -> Vec<u8> {
    Sha256::digest(fs::read(path).unwrap()).to_vec()
}

#[test]
fn an_empty_disk_does_not_boot_on_either_platform() {
    if qemu_is_missing() {
        return;
    }
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = TempDir::new().unwrap();
    let disk = disk(&folder, "empty.img", &[]);
    for platform in [Platform::XenHvm, Platform::Nitro] {
        let outcome = rehearsal(&disk, platform, 60).run(|_| {}).unwrap();
        assert_eq!(outcome.verdict, Verdict::DoesNotBoot, "{outcome:?}");
        let signature = outcome.signature.unwrap();
        assert_eq!(signature.id, "not-a-bootable-disk");
        assert!(signature.line.contains("not a bootable disk"), "{signature:?}");
        assert!(
            outcome
                .findings
                .iter()
                .any(|finding| finding.line == "No bootable device."),
            "{:?}",
            outcome.findings
        );
        assert_eq!(outcome.timeline.last().unwrap().stage, Stage::Firmware);
    }
}

#[test]
fn a_login_prompt_is_a_boot_and_the_disk_is_not_written() {
    if qemu_is_missing() {
        return;
    }
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = TempDir::new().unwrap();
    // A comma in the name has a meaning of its own in QEMU's options.
    let disk = disk(&folder, "login,1.img", &prints("\r\nhello login: ", &write_sector()));
    let mut permissions = fs::metadata(&disk).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&disk, permissions).unwrap();
    let before = checksum(&disk);
    for platform in [Platform::XenHvm, Platform::Nitro] {
        let mut rehearsal = rehearsal(&disk, platform, 60);
        rehearsal.console = Some(folder.path().join("console.txt"));
        rehearsal.screenshot = Some(folder.path().join("screen.png"));
        let mut stages = Vec::new();
        let outcome = rehearsal
            .run(|event| {
                if let Event::Stage(reached) = event {
                    stages.push(reached.stage);
                }
            })
            .unwrap();
        assert_eq!(outcome.verdict, Verdict::Boots, "{outcome:?}");
        assert_eq!(outcome.evidence.as_deref(), Some("hello login:"));
        assert_eq!(stages, [Stage::Firmware, Stage::BootLoader, Stage::Login]);
        assert_eq!(
            outcome.timeline.iter().map(|reached| reached.stage).collect::<Vec<_>>(),
            stages
        );
        assert_eq!(fs::read(outcome.console_file.unwrap()).unwrap(), b"\r\nhello login: ");
        let picture = fs::read(outcome.screenshot.unwrap()).unwrap();
        assert_eq!(picture[..8], *b"\x89PNG\r\n\x1a\n");
    }
    assert_eq!(checksum(&disk), before);
}

/// Writes one sector over the boot sector: `mov ax, 0301h; mov bx, 7c00h; mov cx, 0001h; mov dx, 0080h; int 13h`, with
/// es = 0, and halts.
fn write_sector() -> Vec<u8> {
    let mut code = vec![
        0x31, 0xc0, 0x8e, 0xc0, 0xb8, 0x01, 0x03, 0xbb, 0x00, 0x7d, 0xb9, 0x01, 0x00, 0xba, 0x80, 0x00,
    ];
    code.extend([0xcd, 0x13]);
    code.extend(HALT);
    code
}

#[test]
fn writes_are_kept_only_when_asked_for() {
    if qemu_is_missing() {
        return;
    }
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = TempDir::new().unwrap();
    let mut code = write_sector();
    code.truncate(code.len() - HALT.len());
    code.extend(prints_at("hello login: ", code.len() as u16));
    let disk = disk(&folder, "writes.img", &code);
    let before = checksum(&disk);
    let mut rehearsal = rehearsal(&disk, Platform::XenHvm, 60);
    rehearsal.keep_writes = true;
    let outcome = rehearsal.run(|_| {}).unwrap();
    assert_eq!(outcome.verdict, Verdict::Boots, "{outcome:?}");
    assert_ne!(checksum(&disk), before);
}

/// As [`prints`], for code that starts so many bytes into the sector.
fn prints_at(text: &str, offset: u16) -> Vec<u8> {
    let mut code = prints(text, HALT);
    let address = (0x7c1a + offset + HALT.len() as u16).to_le_bytes();
    code[5..7].copy_from_slice(&address);
    code
}

#[test]
fn failures_are_named_with_their_line() {
    if qemu_is_missing() {
        return;
    }
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = TempDir::new().unwrap();
    let cases: &[(&str, Vec<u8>, &str, &str)] = &[
        (
            "rescue",
            prints("error: no such partition.\r\ngrub rescue> ", HALT),
            "grub-no-such-partition",
            "error: no such partition.",
        ),
        ("restart", prints("Booting `Linux'\r\n", RESTART), "guest-restarts", ""),
        (
            "screen",
            on_screen("\r\nGRUB Read Error\r\n"),
            "grub-read-error",
            "GRUB Read Error",
        ),
        (
            "screen-prompt",
            on_screen("\r\ngrub rescue> "),
            "grub-rescue",
            "grub rescue>",
        ),
    ];
    for (name, code, id, line) in cases {
        let disk = disk(&folder, name, code);
        let outcome = rehearsal(&disk, Platform::XenHvm, 40).run(|_| {}).unwrap();
        assert_eq!(outcome.verdict, Verdict::DoesNotBoot, "{name}: {outcome:?}");
        let signature = outcome.signature.unwrap();
        assert_eq!((signature.id, signature.line.as_str()), (*id, *line), "{name}");
        assert!(
            outcome.elapsed < Duration::from_secs(20),
            "{name} took {:?}",
            outcome.elapsed
        );
    }
}

#[test]
fn silence_is_unknown() {
    if qemu_is_missing() {
        return;
    }
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = TempDir::new().unwrap();
    let disk = disk(&folder, "silent.img", HALT);
    let outcome = rehearsal(&disk, Platform::XenHvm, 5).run(|_| {}).unwrap();
    assert_eq!(outcome.verdict, Verdict::Unknown, "{outcome:?}");
    assert_eq!(outcome.signature.unwrap().id, "silent-boot-loader");
    assert!(outcome.accelerator == Accelerator::Tcg || outcome.accelerator == Accelerator::Kvm);
}

#[test]
fn a_rehearsal_can_be_cancelled() {
    if qemu_is_missing() {
        return;
    }
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = TempDir::new().unwrap();
    let disk = disk(&folder, "cancel.img", &prints("hello login: ", HALT));
    let mut rehearsal = rehearsal(&disk, Platform::XenHvm, 60);
    let cancel = Arc::new(AtomicBool::new(false));
    rehearsal.cancel = Some(Arc::clone(&cancel));
    rehearsal.probe = Some(LoginProbe {
        user: "root".to_owned(),
        password: None,
        commands: vec!["true".to_owned()],
        patience: Duration::from_secs(5),
    });
    let started = Instant::now();
    let mut log = Vec::new();
    let result = rehearsal.run(|event| {
        if matches!(&event, Event::Stage(reached) if reached.stage == Stage::Login) {
            cancel.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        log.push((started.elapsed(), event));
    });
    let elapsed = started.elapsed();
    assert!(matches!(result, Err(RehearseError::Cancelled)), "{result:?}");
    assert!(elapsed < Duration::from_secs(20), "took {elapsed:?}: {log:?}");
}

#[test]
fn what_cannot_be_read_is_an_error_that_names_it() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing.img");
    let error = rehearsal(&missing, Platform::XenHvm, 5).run(|_| {}).unwrap_err();
    assert!(error.to_string().contains("missing.img"), "{error}");
    if qemu_is_missing() {
        return;
    }
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let disk = disk(&folder, "not-qcow2.img", &[]);
    let scratch = folder.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    let mut rehearsal = rehearsal(&disk, Platform::XenHvm, 5);
    rehearsal.format = DiskFormat::Qcow2;
    rehearsal.scratch = Some(scratch.clone());
    let error = rehearsal.run(|_| {}).unwrap_err();
    assert!(
        matches!(&error, RehearseError::QemuFailed { stderr, .. } if stderr.contains("qcow2")),
        "{error}"
    );
    assert_eq!(
        fs::read_dir(&scratch).unwrap().count(),
        0,
        "the scratch folder is empty again"
    );
}
