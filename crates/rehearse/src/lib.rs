//! Boots a disk in a virtual machine and judges its console.
