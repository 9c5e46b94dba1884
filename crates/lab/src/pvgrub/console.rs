//! What PV-GRUB prints.
//!
//! The texts are those of published system logs. Mini-OS also prints addresses of its own memory, which are left out:
//! nobody can do anything with them.

use comeback_guest::menu::lst::MenuLst;

use super::{GrubError, Instance};

/// Cursor to the first column of the first row, then clear the screen.
const CLEAR: &str = "\u{1b}[H\u{1b}[J";

/// The console so far.
#[derive(Debug)]
pub(super) struct Console {
    pub(super) text: String,
    vbd: u32,
}

impl Console {
    /// Where GRUB ends without a menu.
    pub(super) const PROMPT: &'static str = "\n       [ Minimal BASH-like line editing is supported.  For\n         \
        the   first   word,  TAB  lists  possible  command\n         completions.  Anywhere else TAB lists the possible\n         \
        completions of a device/filename. ]\n\ngrubdom> ";

    /// What Mini-OS says until GRUB begins; `sectors` is the size of the root disk.
    pub(super) fn new(instance: Instance<'_>, sectors: u64) -> Self {
        let name = instance.device.trim_start_matches("/dev/");
        let (vbd, memory_kib) = (vbd(name), u64::from(instance.memory_mib) * 1024);
        let pages = memory_kib / 4;
        let text = format!(
            "Xen Minimal OS!\n    nr_pages: {pages:#x}\n   mod_start: 0x0(VA)\n     mod_len: 0\n       flags: 0x0\n    \
             cmd_line: root=/dev/{name} ro 4\nMM: Init\n    max_pfn: {pages:x}\nMM: done\nInitialising timer interface\n\
             Initialising console ... done.\nInitialising scheduler\nInitialising xenbus\n\
             \"main\" \"root=/dev/{name}\" \"ro\" \"4\" \nvbd {vbd} is hd0\n\
             ******************* BLKFRONT for device/vbd/{vbd} **********\n\n\n\
             backend at /local/domain/0/backend/vbd/1/{vbd}\n{sectors} sectors of 512 bytes\n\
             **************************\n\n\n    GNU GRUB  version 0.97  ({memory_kib}K lower / 0K upper memory)\n\n"
        );
        Self { text, vbd }
    }

    pub(super) fn print(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The countdown of `hiddenmenu` at its end.
    pub(super) fn hidden_menu(&mut self) {
        self.print("Press `ESC' to enter the menu... 0   ");
    }

    pub(super) fn booting(&mut self, title: &str) {
        self.print(&format!("{CLEAR}  Booting '{title}'\n\n"));
    }

    pub(super) fn error(&mut self, error: GrubError) {
        self.print(&format!("\n{error}\n"));
    }

    /// What is said last, before the kernel has the machine. The releases from 1.04 on look for a TPM.
    pub(super) fn hand_over(&mut self, version: (u8, u8)) {
        self.print("\n");
        if version >= (1, 4) {
            self.print(
                "============= Init TPM Front ================\n\
                 Tpmfront:Error Unable to read device/vtpm/0/backend-id during tpmfront initialization! error = ENOENT\n\
                 Tpmfront:Info Shutting down tpmfront\n",
            );
        }
        let vbd = self.vbd;
        self.print(&format!(
            "close blk: backend=/local/domain/0/backend/vbd/1/{vbd} node=device/vbd/{vbd}\n"
        ));
    }
}

/// The menu as it is on the screen; without seconds it waits for a key.
pub(super) fn menu(menu: &MenuLst, seconds: Option<i64>) -> String {
    let mut text = String::new();
    for entry in menu.entries.iter().filter(|entry| entry.counts) {
        text.push_str(&format!("    {}\n", entry.title.value));
    }
    text.push_str(
        "\n    Use the ^ and v keys to select which entry is highlighted.\n    Press enter to boot the selected OS, 'e' to \
         edit the\n    commands before booting, or 'c' for a command-line.\n",
    );
    if let Some(seconds) = seconds {
        text.push_str(&format!(
            "\n    The highlighted entry will be booted automatically in {seconds} seconds.   \n"
        ));
    }
    text
}

/// The number that Xen gives a disk by its name: that of the Linux device it once was. 202 (xvd) and 8 (sd) are the major
/// numbers, with 16 minors for each disk.
fn vbd(name: &str) -> u32 {
    let split = name.find(|letter: char| letter.is_ascii_digit()).unwrap_or(name.len());
    let (disk, partition) = name.split_at(split);
    let partition: u32 = partition.parse().unwrap_or(0);
    let letter = disk.bytes().last().unwrap_or(b'a').saturating_sub(b'a');
    let major = if disk.starts_with("xvd") { 202 } else { 8 };
    (major << 8) + u32::from(letter.min(15)) * 16 + partition.min(15)
}

#[cfg(test)]
mod tests {
    use super::vbd;

    #[test]
    fn numbers_of_disks() {
        let names = ["sda1", "sda", "sda3", "sdb", "xvda", "xvdb"];
        assert_eq!(names.map(vbd), [2049, 2048, 2051, 2064, 51712, 51728]);
        assert_eq!(vbd(""), 2048);
    }
}
