//! What comes out of the machine, collected by threads that always read.
//!
//! They must: QEMU writes to the firmware's debug port byte by byte, waits when nobody reads, and holds its global lock
//! meanwhile. A caller that waits for an answer on the control socket while nobody reads would wait for ever.

use std::{
    io::{self, Read},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

/// The most bytes that wait to be taken from the serial port; beyond it the guest has to wait.
const SERIAL_LIMIT: usize = 8 << 20;
/// The most bytes of firmware log in a whole run; SeaBIOS writes a few thousand, and what a guest adds is dropped.
const FIRMWARE_LIMIT: usize = 1 << 20;

/// Bytes that came out of the machine since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// From the first serial port.
    pub serial: Vec<u8>,
    /// From SeaBIOS's debug port.
    pub firmware: Vec<u8>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Output>,
    came: Condvar,
    taken: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Output> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The collected output.
#[derive(Debug)]
pub struct Streams {
    shared: Arc<Shared>,
}

impl Streams {
    /// Starts to read both streams.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn new(serial: impl Read + Send + 'static, firmware: impl Read + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let to = Arc::downgrade(&shared);
        read_in_thread("serial", serial, move |bytes| {
            // Once nobody holds the streams the machine is being ended.
            let Some(shared) = to.upgrade() else { return false };
            let mut waiting = shared.lock();
            waiting.serial.extend_from_slice(bytes);
            shared.came.notify_one();
            while waiting.serial.len() > SERIAL_LIMIT && Arc::strong_count(&shared) > 1 {
                let waited = shared.taken.wait_timeout(waiting, Duration::from_millis(100));
                waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            true
        })?;
        let to = Arc::downgrade(&shared);
        let mut room = FIRMWARE_LIMIT;
        read_in_thread("firmware", firmware, move |bytes| {
            let Some(shared) = to.upgrade() else { return false };
            let kept = bytes.get(..room).unwrap_or(bytes);
            room -= kept.len();
            shared.lock().firmware.extend_from_slice(kept);
            shared.came.notify_one();
            true
        })?;
        Ok(Self { shared })
    }

    /// Takes all that has come, waiting for something if there is nothing yet.
    pub fn take(&self, patience: Duration) -> Output {
        let waiting = self.shared.lock();
        let nothing = |output: &mut Output| output.serial.is_empty() && output.firmware.is_empty();
        let waited = self.shared.came.wait_timeout_while(waiting, patience, nothing);
        let mut waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        let output = std::mem::take(&mut *waiting);
        self.shared.taken.notify_all();
        output
    }
}

/// Reads until the end or until `take` returns false.
///
/// # Errors
/// When the thread cannot be started.
pub fn read_in_thread(
    name: &str,
    mut stream: impl Read + Send + 'static,
    mut take: impl FnMut(&[u8]) -> bool + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let body = move || {
        let mut buffer = [0; 16 << 10];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => {
                    if !take(buffer.get(..length).unwrap_or_default()) {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(body)
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::net::UnixStream, sync::mpsc, time::Instant};

    use super::*;

    /// Runs in a thread and fails instead of hanging.
    fn within(seconds: u64, work: impl FnOnce() + Send + 'static) {
        let (done, wait) = mpsc::channel();
        thread::spawn(move || {
            work();
            let _ = done.send(());
        });
        wait.recv_timeout(Duration::from_secs(seconds))
            .expect("the writer was not held up");
    }

    #[test]
    fn single_bytes_do_not_hold_up_the_machine_while_nobody_takes_them() {
        let (mut guest, serial) = UnixStream::pair().unwrap();
        let (mut bios, firmware) = UnixStream::pair().unwrap();
        let streams = Streams::new(serial, firmware).unwrap();
        within(20, move || {
            for _ in 0..20_000 {
                bios.write_all(b"b").unwrap();
                guest.write_all(b"g").unwrap();
            }
        });
        let mut all = Output::default();
        let until = Instant::now() + Duration::from_secs(10);
        while (all.serial.len() < 20_000 || all.firmware.len() < 20_000) && Instant::now() < until {
            let output = streams.take(Duration::from_millis(100));
            all.serial.extend(output.serial);
            all.firmware.extend(output.firmware);
        }
        assert_eq!((all.serial.len(), all.firmware.len()), (20_000, 20_000));
    }

    #[test]
    fn a_guest_that_floods_the_firmware_log_fills_no_memory() {
        let (_guest, serial) = UnixStream::pair().unwrap();
        let (mut bios, firmware) = UnixStream::pair().unwrap();
        let streams = Streams::new(serial, firmware).unwrap();
        within(20, move || bios.write_all(&vec![b'x'; 4 * FIRMWARE_LIMIT]).unwrap());
        thread::sleep(Duration::from_millis(100));
        assert_eq!(streams.take(Duration::from_secs(1)).firmware.len(), FIRMWARE_LIMIT);
        assert_eq!(streams.take(Duration::from_millis(1)), Output::default());
    }

    #[test]
    fn a_guest_that_floods_the_serial_port_waits_and_loses_nothing() {
        let (mut guest, serial) = UnixStream::pair().unwrap();
        let (_bios, firmware) = UnixStream::pair().unwrap();
        let streams = Streams::new(serial, firmware).unwrap();
        let length = 3 * SERIAL_LIMIT;
        let writer = thread::spawn(move || guest.write_all(&vec![b'x'; length]).unwrap());
        thread::sleep(Duration::from_millis(300));
        let mut total = 0;
        let until = Instant::now() + Duration::from_secs(20);
        while total < length && Instant::now() < until {
            let taken = streams.take(Duration::from_millis(200)).serial.len();
            assert!(taken <= SERIAL_LIMIT + (16 << 10), "{taken}");
            total += taken;
        }
        assert_eq!(total, length);
        writer.join().unwrap();
    }
}
