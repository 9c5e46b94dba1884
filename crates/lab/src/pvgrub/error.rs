//! The errors of GRUB 0.97, with their numbers (`stage2/common.c`, `err_list`).

/// An error as GRUB legacy prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrubError {
    /// A folder where a file was expected, or what is neither.
    #[error("Error 2: Bad file or directory type")]
    BadFileType,
    /// The sector that should have a partition table is not marked as one.
    #[error("Error 5: Partition table invalid or corrupt")]
    BadPartitionTable,
    /// `boot` without `kernel`.
    #[error("Error 8: Kernel must be loaded before booting")]
    NeedKernel,
    /// Xen's domain builder gave up.
    #[error("Error 9: Unknown boot failure")]
    BootFailure,
    /// Text where a device was expected.
    #[error("Error 11: Unrecognized device string")]
    DeviceFormat,
    /// The kernel is for another processor, or no kernel.
    #[error("Error 13: Invalid or unsupported executable format")]
    ExecFormat,
    /// Nothing has that name.
    #[error("Error 15: File not found")]
    FileNotFound,
    /// The file system cannot be followed.
    #[error("Error 16: Inconsistent filesystem structure")]
    Corrupt,
    /// No file system that GRUB knows.
    #[error("Error 17: Cannot mount selected partition")]
    NotMountable,
    /// A disk that is not there.
    #[error("Error 21: Selected disk does not exist")]
    NoDisk,
    /// A partition that is not there.
    #[error("Error 22: No such partition")]
    NoPartition,
    /// Links that go in circles or are nested deeply.
    #[error("Error 26: Too many symbolic links")]
    TooManyLinks,
    /// A command that is not allowed where it stands.
    #[error("Error 27: Unrecognized command")]
    Unrecognized,
    /// `lock` without a password given.
    #[error("Error 32: Must be authenticated")]
    NotAuthenticated,
}
