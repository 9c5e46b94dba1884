//! Xen's domain builder inside PV-GRUB: which kernels it can unpack and start.
//!
//! Every message is one of `xc_dom_bzimageloader.c`, `xc_dom_core.c`, `libelf-dominfo.c` or PV-GRUB's `kexec.c`. The lines
//! that name a place in the source are left out, as they differ from build to build.

use std::io::{Cursor, Read};

use comeback_guest::compression::Compression;
use comeback_guest::kernel::image::{Architecture, Format, KernelImage, read_notes};

use super::GrubError;
use super::script::Failed;

/// The lowest boot protocol whose header says where the payload is (`xc_dom_probe_bzimage_kernel`).
const OLDEST_PROTOCOL: (u8, u8) = (2, 8);
/// The section in which kernels before 2.6.20 tell Xen of themselves.
const OLD_SECTION: &[u8] = b"__xen_guest";
/// The most that a kernel is unpacked to, in bytes.
const MOST: u64 = 256 << 20;

/// Whether PV-GRUB starts the kernel; otherwise what it says and how it fails.
pub(super) fn check(kernel: &[u8], version: (u8, u8), bits: u8) -> Result<(), Failed> {
    let size = kernel.len() as u64;
    let Ok(image) = KernelImage::read(Cursor::new(kernel), size) else {
        return Err(no_loader(""));
    };
    match image.format {
        Format::Elf | Format::ElfGz => {}
        Format::BzImage if image.protocol >= Some(OLDEST_PROTOCOL) => {
            if !unpacks(version, image.compression) {
                return Err(no_loader("xc_dom_probe_bzimage_kernel: unknown compression format"));
            }
        }
        Format::BzImage | Format::ZImage | Format::Unknown => return Err(no_loader("")),
    }
    match read_notes(Cursor::new(kernel), &image) {
        Ok(Some(notes)) if notes.present => {
            let generic = notes.loader.as_deref() == Some("generic");
            let linux = notes.guest_os.as_deref().is_some_and(|os| os.starts_with("linux"));
            if !generic && !linux {
                return Err(refused(
                    "elf_xen_note_check: ERROR: Will only load images built for the generic loader or Linux images",
                ));
            }
            if !notes.pv_entry {
                // Without that note the entry is the ELF header's, a physical address below the kernel's own.
                return Err(refused(
                    "elf_xen_addr_calc_check: ERROR: ELF start or entries are out of bounds",
                ));
            }
        }
        Ok(_) if has_old_section(kernel, &image) => {}
        Ok(_) => {
            return Err(refused(
                "elf_xen_note_check: ERROR: Not a Xen-ELF image: No ELF notes or '__xen_guest' section found",
            ));
        }
        Err(_) => return Err(no_loader("")),
    }
    let (wanted, found) = match (bits, image.architecture) {
        (64, Some(Architecture::X86)) => ("64", "xen-3.0-x86_32p"),
        (32, Some(Architecture::X86_64)) => ("32 PAE", "xen-3.0-x86_64"),
        _ => return Ok(()),
    };
    let line = format!("can only boot x86 {wanted} kernels, not {found}");
    Err(Failed {
        said: format!("{line}\n"),
        error: GrubError::ExecFormat,
        telling: Some(line),
    })
}

/// AWS's user guide: gzip, bzip2, lzo and xz. That xz came with 1.04 is what people found out who lost instances to it.
/// lzma is not named there; lz4 and zstd are in no release.
fn unpacks(version: (u8, u8), compression: Compression) -> bool {
    match compression {
        Compression::None | Compression::Gzip | Compression::Bzip2 | Compression::Lzo => true,
        Compression::Xz => version >= (1, 4),
        Compression::Lzma | Compression::Lz4 | Compression::Lz4Frame | Compression::Zstd | Compression::Unknown => {
            false
        }
    }
}

fn has_old_section(kernel: &[u8], image: &KernelImage) -> bool {
    let (start, length) = image.payload.map_or((0, kernel.len()), |payload| {
        (payload.offset as usize, payload.length as usize)
    });
    let payload = kernel.get(start..).unwrap_or_default();
    let payload = payload.get(..length).unwrap_or(payload);
    let mut elf = Vec::new();
    // An unpacker that stops early has given what there is.
    let _ = image
        .compression
        .decoder(payload)
        .and_then(|decoder| decoder.take(MOST).read_to_end(&mut elf));
    elf.windows(OLD_SECTION.len()).any(|window| window == OLD_SECTION)
}

/// The domain builder finds nobody who takes the kernel.
fn no_loader(first: &str) -> Failed {
    let last = "xc_dom_find_loader: no loader found";
    let mut failed = refused(last);
    if !first.is_empty() {
        let line = format!("ERROR Invalid kernel: {first}");
        failed.said = format!("{line}\n\n{}", failed.said);
        failed.telling = Some(line);
    }
    failed
}

fn refused(message: &str) -> Failed {
    let line = format!("ERROR Invalid kernel: {message}");
    Failed {
        said: format!("{line}\n\nxc_dom_parse_image returned -1\n"),
        error: GrubError::BootFailure,
        telling: Some(line),
    }
}
