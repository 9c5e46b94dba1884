//! The virtual machine: QEMU's command line, its streams and its end.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::{
        fs::FileTypeExt,
        net::{UnixListener, UnixStream},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::json;
use tempfile::TempDir;

use comeback_console::judge::CpuMode;

use crate::{
    Accelerator, DiskFormat, Platform, Rehearsal, RehearseError,
    qmp::Qmp,
    screen,
    streams::{Streams, read_in_thread},
};

/// The emulator.
const QEMU: &str = "qemu-system-x86_64";
/// The oldest version that is known to take the options used here (Debian 11's).
const OLDEST: (u64, u64) = (5, 2);
/// How long QEMU may take to start and to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much of QEMU's standard error is kept, in bytes.
const STDERR_LIMIT: usize = 16 << 10;

/// How to start one machine.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// What carries out the guest's instructions.
    pub accelerator: Accelerator,
    /// Whether QEMU confines itself by seccomp; some builds cannot.
    pub sandbox: bool,
}

/// A running machine. It is killed when this is dropped.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    /// Control connection.
    pub qmp: Qmp,
    /// Where to type at the serial port.
    pub keyboard: ChildStdin,
    /// Serial and firmware output.
    pub output: Streams,
    stderr: Stderr,
    scratch: TempDir,
    /// When the guest's processor was started.
    pub started: Instant,
}

/// Whether hardware virtualization can work at all. A `/dev/kvm` that opens is no proof: in some nested machines it opens
/// although the processor has nothing to offer, and guests crash.
pub fn kvm_usable() -> bool {
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    processor_virtualizes(&flags) && File::options().read(true).write(true).open("/dev/kvm").is_ok()
}

fn processor_virtualizes(cpuinfo: &str) -> bool {
    let flags = cpuinfo
        .lines()
        .find(|line| line.starts_with("flags"))
        .and_then(|line| line.split_once(':'));
    flags.is_some_and(|(_, flags)| flags.split_whitespace().any(|flag| flag == "vmx" || flag == "svm"))
}

/// Checks that the disk can be read and says how QEMU has to open it.
///
/// # Errors
/// When it does not exist, cannot be read, or is neither a file nor a block device.
pub fn disk_driver(disk: &Path) -> Result<&'static str, RehearseError> {
    let failed = |source| RehearseError::Disk {
        path: disk.to_owned(),
        source,
    };
    let kind = fs::metadata(disk).map_err(failed)?.file_type();
    let driver = if kind.is_file() {
        "file"
    } else if kind.is_block_device() {
        "host_device"
    } else {
        return Err(RehearseError::NotADisk { path: disk.to_owned() });
    };
    File::open(disk).map_err(failed)?;
    Ok(driver)
}

impl Machine {
    /// Starts the machine; its processor runs when this returns.
    ///
    /// # Errors
    /// When QEMU is missing, too old, or ends at once.
    pub fn start(rehearsal: &Rehearsal, start: Start) -> Result<Self, RehearseError> {
        let driver = disk_driver(&rehearsal.disk)?;
        let folder = rehearsal.scratch.clone().unwrap_or_else(scratch_folder);
        let scratch_failed = |source| RehearseError::Scratch {
            path: folder.clone(),
            source,
        };
        let scratch = tempfile::Builder::new()
            .prefix("comeback-rehearse-")
            .tempdir_in(&folder)
            .map_err(scratch_failed)?;
        let control = UnixListener::bind(scratch.path().join("qmp")).map_err(scratch_failed)?;
        let firmware = UnixListener::bind(scratch.path().join("firmware")).map_err(scratch_failed)?;

        let mut command = Command::new(QEMU);
        command.args(arguments(rehearsal, start, driver, scratch.path())?);
        // QEMU keeps what the guest writes in an unlinked file there.
        command.env("TMPDIR", scratch.path());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Ctrl-C is for us: the machine ends when we do.
        command.process_group(0);
        die_with_parent(&mut command);
        let mut child = command.spawn().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => RehearseError::QemuMissing { program: QEMU },
            _ => RehearseError::Io {
                doing: "starting QEMU",
                source,
            },
        })?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut child = Guard(Some(child));
        let (Some(keyboard), Some(serial), Some(errors)) = streams else {
            return Err(RehearseError::Io {
                doing: "connecting to QEMU",
                source: io::ErrorKind::BrokenPipe.into(),
            });
        };
        let threads_failed = |source| RehearseError::Io {
            doing: "starting a thread",
            source,
        };
        let stderr = Stderr::new(errors).map_err(threads_failed)?;
        let firmware = child.accept(&firmware, &stderr)?;
        let output = Streams::new(serial, firmware).map_err(threads_failed)?;
        let control = child.accept(&control, &stderr)?;
        let qmp = Qmp::connect(control, PATIENCE).map_err(|error| child.failure(&stderr, &error))?;
        let (major, minor, micro) = qmp.version;
        if (major, minor) < OLDEST {
            return Err(RehearseError::QemuTooOld {
                found: format!("{major}.{minor}.{micro}"),
                required: "5.2",
            });
        }
        let mut qmp = qmp;
        qmp.execute("cont", json!({}), PATIENCE)
            .map_err(|error| child.failure(&stderr, &error))?;
        let Some(child) = child.0.take() else {
            return Err(RehearseError::Io {
                doing: "starting QEMU",
                source: io::ErrorKind::NotFound.into(),
            });
        };
        Ok(Self {
            child,
            qmp,
            keyboard,
            output,
            stderr,
            scratch,
            started: Instant::now(),
        })
    }

    /// Version of QEMU as text.
    pub fn version(&self) -> String {
        let (major, minor, micro) = self.qmp.version;
        format!("{major}.{minor}.{micro}")
    }

    /// How QEMU ended, if it has.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, RehearseError> {
        self.child.try_wait().map_err(|source| RehearseError::Io {
            doing: "asking for QEMU's end",
            source,
        })
    }

    /// What QEMU wrote to its standard error.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// The folder that holds what the guest writes.
    pub fn scratch(&self) -> &Path {
        self.scratch.path().parent().unwrap_or(self.scratch.path())
    }

    /// The text on the screen.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn screen(&mut self) -> io::Result<Vec<String>> {
        let path = self.scratch.path().join("screen-text");
        let arguments = json!({ "val": screen::ADDRESS, "size": screen::SIZE, "filename": path });
        self.qmp.execute("pmemsave", arguments, PATIENCE)?;
        Ok(screen::rows(&fs::read(&path)?))
    }

    /// Saves a PNG picture of the screen.
    ///
    /// # Errors
    /// When QEMU cannot make one, or the file cannot be written.
    pub fn picture(&mut self, target: &Path) -> io::Result<()> {
        let path = self.scratch.path().join("screen.png");
        self.qmp
            .execute("screendump", json!({ "filename": path, "format": "png" }), PATIENCE)?;
        fs::copy(&path, target).map(|_| ())
    }

    /// What the processor is doing; real mode only if it is there every time one looks, as GRUB goes there for a moment
    /// whenever it calls the BIOS.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn cpu_mode(&mut self) -> io::Result<CpuMode> {
        let mut mode = CpuMode::Real;
        for _ in 0..5 {
            let answer = self.qmp.execute(
                "human-monitor-command",
                json!({ "command-line": "info registers" }),
                PATIENCE,
            )?;
            mode = cpu_mode(answer.as_str().unwrap_or_default());
            if mode != CpuMode::Real {
                break;
            }
            thread::sleep(Duration::from_millis(30));
        }
        Ok(mode)
    }

    /// How often the disk has been read so far.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn disk_reads(&mut self) -> io::Result<u64> {
        let devices = self.qmp.execute("query-blockstats", json!({}), PATIENCE)?;
        let devices = devices.as_array().map(Vec::as_slice).unwrap_or_default();
        let reads = |device: &serde_json::Value| device["stats"]["rd_operations"].as_u64();
        Ok(devices.iter().filter_map(reads).sum())
    }

    /// Whether the machine stands still because of an error inside QEMU or KVM.
    pub fn internal_error(&mut self) -> bool {
        let status = self.qmp.execute("query-status", json!({}), PATIENCE);
        status.is_ok_and(|status| status["status"].as_str() == Some("internal-error"))
    }

    /// Asks QEMU to end and waits a little, so that what was written to the disk is complete.
    pub fn quit(mut self) {
        if self.qmp.execute("quit", json!({}), Duration::from_secs(2)).is_ok() {
            let patience = Instant::now() + Duration::from_secs(5);
            while Instant::now() < patience && matches!(self.child.try_wait(), Ok(None)) {
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill, and waiting returns at once.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What QEMU writes to its standard error, the end of it.
#[derive(Debug)]
struct Stderr {
    kept: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Stderr {
    fn new(stream: ChildStderr) -> io::Result<Self> {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&kept);
        let reader = read_in_thread("qemu-stderr", stream, move |bytes| {
            let mut kept = to.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend_from_slice(bytes);
            let surplus = kept.len().saturating_sub(STDERR_LIMIT);
            kept.drain(..surplus);
            true
        })?;
        Ok(Self { kept, reader })
    }

    /// Waits until the last words of a QEMU that has ended are read.
    fn wait_for_end(&self) {
        let until = Instant::now() + Duration::from_secs(5);
        while !self.reader.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn text(&self) -> String {
        let bytes = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        if text.is_empty() { "nothing".to_owned() } else { text }
    }
}

/// A child that is killed unless it is taken out.
struct Guard(Option<Child>);

impl Guard {
    fn accept(&mut self, listener: &UnixListener, stderr: &Stderr) -> Result<UnixStream, RehearseError> {
        let failed = |source| RehearseError::Io {
            doing: "connecting to QEMU",
            source,
        };
        listener.set_nonblocking(true).map_err(failed)?;
        let patience = Instant::now() + PATIENCE;
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).map_err(failed)?;
                    return Ok(stream);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(failed(error)),
            }
            let ended = self
                .0
                .as_mut()
                .is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            if ended {
                return Err(self.failure(stderr, &io::ErrorKind::BrokenPipe.into()));
            }
            if Instant::now() > patience {
                return Err(self.failure(stderr, &io::ErrorKind::TimedOut.into()));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The error to report when QEMU does not do what it should.
    fn failure(&mut self, stderr: &Stderr, error: &io::Error) -> RehearseError {
        // A connection that broke means that QEMU is ending; on a busy machine its end takes a while to be seen.
        let patience = match error.kind() {
            io::ErrorKind::TimedOut => Duration::ZERO,
            _ => PATIENCE,
        };
        let until = Instant::now() + patience;
        let mut status = None;
        while let Some(child) = &mut self.0 {
            status = child.try_wait().ok().flatten();
            if status.is_some() || Instant::now() >= until {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        if status.is_some() {
            stderr.wait_for_end();
        }
        let stderr = stderr.text();
        match status {
            Some(status) => RehearseError::QemuFailed {
                status: status.to_string(),
                stderr,
            },
            None => RehearseError::QemuSilent {
                waited: PATIENCE,
                detail: error.to_string(),
                stderr,
            },
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn scratch_folder() -> PathBuf {
    // Like QEMU itself: /tmp is often in memory, and a guest may write a lot.
    let var_tmp = PathBuf::from("/var/tmp");
    match std::env::var_os("TMPDIR").filter(|folder| !folder.is_empty()) {
        Some(folder) => folder.into(),
        None if var_tmp.is_dir() => var_tmp,
        None => std::env::temp_dir(),
    }
}

fn arguments(
    rehearsal: &Rehearsal,
    start: Start,
    driver: &str,
    scratch: &Path,
) -> Result<Vec<OsString>, RehearseError> {
    let failed = |source| RehearseError::Disk {
        path: rehearsal.disk.clone(),
        source,
    };
    let disk = std::path::absolute(&rehearsal.disk).map_err(failed)?;
    let disk = option_value(&disk)?;
    let scratch = option_value(scratch)?;
    let format = match rehearsal.format {
        DiskFormat::Raw => "raw",
        DiskFormat::Qcow2 => "qcow2",
    };
    // With snapshot=on QEMU opens the disk read-only. `unsafe` leaves flushes out, as nothing has to survive.
    let (snapshot, cache) = if rehearsal.keep_writes {
        ("off", "writeback")
    } else {
        ("on", "unsafe")
    };
    let drive = format!(
        "if=none,id=disk,driver={format},file.driver={driver},file.filename={disk},snapshot={snapshot},cache={cache}"
    );
    let device = match rehearsal.platform {
        Platform::XenHvm => "ide-hd,drive=disk,bus=ide.0,unit=0,bootindex=0",
        Platform::Nitro => "nvme,drive=disk,serial=vol00000000000000001,bootindex=0",
    };
    let (accelerator, cpu) = match start.accelerator {
        Accelerator::Kvm => ("kvm", "host"),
        Accelerator::Tcg => ("tcg,thread=multi", "max"),
    };
    let mut arguments: Vec<OsString> = [
        "-name",
        "comeback-rehearsal",
        "-nodefaults",
        "-no-user-config",
        "-nic",
        "none",
        "-display",
        "none",
        "-vga",
        "std",
        "-machine",
        "pc",
        "-rtc",
        "base=utc",
        "-boot",
        "strict=on",
        // The processor starts when we are ready to hear about it.
        "-S",
        "-accel",
        accelerator,
        "-cpu",
        cpu,
        "-drive",
        drive.as_str(),
        "-device",
        device,
        "-chardev",
        "stdio,id=serial,signal=off,mux=off",
        "-serial",
        "chardev:serial",
        "-device",
        "isa-debugcon,iobase=0x402,chardev=firmware",
        "-mon",
        "chardev=qmp,mode=control",
    ]
    .map(OsString::from)
    .into();
    let more = [
        ("-m", rehearsal.memory_mib.to_string()),
        ("-chardev", format!("socket,id=firmware,path={scratch}/firmware")),
        ("-chardev", format!("socket,id=qmp,path={scratch}/qmp")),
    ];
    arguments.extend(
        more.into_iter()
            .flat_map(|(option, value)| [option.into(), value.into()]),
    );
    if start.sandbox {
        let sandbox = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";
        arguments.extend(["-sandbox".into(), sandbox.into()]);
    }
    Ok(arguments)
}

/// A path inside one of QEMU's comma-separated options.
fn option_value(path: &Path) -> Result<String, RehearseError> {
    let text = path
        .to_str()
        .ok_or_else(|| RehearseError::PathNotUtf8 { path: path.to_owned() })?;
    Ok(text.replace(',', ",,"))
}

/// Has the kernel kill what `command` starts when the thread that starts it ends, with or without its process.
#[allow(unsafe_code)]
pub fn die_with_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    let in_child = move || {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        // If the parent has died before the call, no signal will come.
        if rustix::process::getppid() != Some(parent) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    };
    // SAFETY: between fork and exec only two system calls are made; nothing allocates or takes a lock. An error is made
    // from a number or a kind, neither of which allocates.
    unsafe { command.pre_exec(in_child) };
}

/// Mode of the processor from the monitor's `info registers`: bit 0 of CR0 is protection, bit 10 of EFER is long mode.
fn cpu_mode(registers: &str) -> CpuMode {
    let value = |name: &str| {
        let rest = registers.split_once(name)?.1;
        let digits = rest.split(|c: char| !c.is_ascii_hexdigit()).next()?;
        u64::from_str_radix(digits, 16).ok()
    };
    if value("EFER=").unwrap_or(0) & (1 << 10) != 0 {
        CpuMode::Long
    } else if value("CR0=").unwrap_or(1) & 1 != 0 {
        CpuMode::Protected
    } else {
        CpuMode::Real
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_decides_about_kvm() {
        assert!(processor_virtualizes("processor\t: 0\nflags\t\t: fpu vme svm npt\n"));
        assert!(processor_virtualizes("flags\t\t: fpu vmx\n"));
        assert!(!processor_virtualizes("flags\t\t: fpu svm_lock vmxnet\nbugs\t: svm\n"));
        assert!(!processor_virtualizes(""));
    }

    #[test]
    fn mode_of_the_processor() {
        let registers = |cr0, efer| format!("RAX=0000\r\nCR0={cr0} CR2=0000 CR3=0000\r\nEFER={efer}\r\n");
        assert_eq!(cpu_mode(&registers("00000010", "0000000000000000")), CpuMode::Real);
        assert_eq!(cpu_mode(&registers("00000011", "0000000000000000")), CpuMode::Protected);
        assert_eq!(cpu_mode(&registers("80050033", "0000000000000d01")), CpuMode::Long);
        assert_eq!(cpu_mode("garbage"), CpuMode::Protected);
    }

    #[test]
    fn the_machine_has_no_network_and_never_writes_to_the_disk() {
        let rehearsal = Rehearsal::new("/images/a,b.img", DiskFormat::Raw, Platform::Nitro);
        let start = Start {
            accelerator: Accelerator::Tcg,
            sandbox: true,
        };
        let arguments = arguments(&rehearsal, start, "file", Path::new("/scratch")).unwrap();
        let line = arguments.join(" ".as_ref()).into_string().unwrap();
        assert!(line.contains("-nodefaults -no-user-config -nic none"), "{line}");
        assert!(line.contains("file.filename=/images/a,,b.img,snapshot=on"), "{line}");
        assert!(line.contains("-sandbox on,"), "{line}");
    }

    #[test]
    fn the_last_words_of_a_qemu_that_ends_slowly_are_waited_for() {
        let mut command = Command::new("sh");
        command
            .args(["-c", "sleep 1; echo no such disk >&2; exit 7"])
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = Stderr::new(child.stderr.take().unwrap()).unwrap();
        let error = Guard(Some(child)).failure(&stderr, &io::ErrorKind::BrokenPipe.into());
        let RehearseError::QemuFailed { status, stderr } = error else {
            panic!("{error}")
        };
        assert_eq!((status.as_str(), stderr.as_str()), ("exit status: 7", "no such disk"));
    }

    #[test]
    fn what_is_not_a_disk_is_refused() {
        assert!(matches!(
            disk_driver(Path::new("/nonexistent")),
            Err(RehearseError::Disk { .. })
        ));
        assert!(matches!(
            disk_driver(Path::new("/dev/null")),
            Err(RehearseError::NotADisk { .. })
        ));
        assert!(matches!(
            disk_driver(Path::new("/")),
            Err(RehearseError::NotADisk { .. })
        ));
    }
}
