//! What is installed on a disk.
