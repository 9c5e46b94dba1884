//! The modules of a kernel: `/lib/modules/<release>`.

use std::collections::BTreeMap;

use comeback_disk::tree::{FileTree, Kind, TreeError};
use serde::Serialize;

use crate::text::lines;

/// The largest `modules.dep` or `modules.builtin` that is read, in bytes; real ones have less than 1 MiB.
pub const MAX_INDEX: u64 = 16 << 20;

/// How many files and folders are looked at where there is no `modules.dep`.
const MAX_WALK: usize = 20_000;
/// How deep folders are followed.
const MAX_DEPTH: usize = 8;

/// The folders that hold the drivers this crate asks for.
const DRIVER_FOLDERS: [&str; 13] = [
    "kernel/drivers/block",
    "kernel/drivers/net",
    "kernel/drivers/amazon",
    "kernel/drivers/ata",
    "kernel/drivers/ide",
    "kernel/drivers/nvme",
    "kernel/drivers/scsi",
    "kernel/drivers/xen",
    "kernel/drivers/xenpv_hvm",
    "kernel/drivers/tty",
    "kernel/fs",
    "updates",
    "extra",
];

/// Where the list of modules comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModuleSource {
    /// `modules.dep`.
    Index,
    /// The folders, as there is no `modules.dep`.
    Walk,
    /// Neither could be read: which modules there are is unknown.
    Nothing,
}

/// A module file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModuleFile {
    /// Path within the guest.
    pub path: String,
    /// Line in `modules.dep`, from 1.
    pub line: Option<usize>,
}

/// The modules of one kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModuleDirectory {
    /// Name of the folder.
    pub release: String,
    /// Path of the folder within the guest.
    pub path: String,
    /// Where `files` comes from.
    pub source: ModuleSource,
    /// Module files by name (`-` written as `_`).
    pub files: BTreeMap<String, ModuleFile>,
    /// What would be modules but is built in: name and line of `modules.builtin`. `None` when there is no such file.
    pub builtin: Option<BTreeMap<String, usize>>,
}

/// The name of the module in a file: no folder, no `.ko`, no compression suffix, `-` written as `_`. `None` for what
/// is no module.
pub fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let file = [".gz", ".xz", ".zst", ".bz2", ".lzma"]
        .iter()
        .find_map(|suffix| file.strip_suffix(suffix))
        .unwrap_or(file);
    // Kernels of 2.4 had `.o`; nothing that old is looked at.
    let name = file.strip_suffix(".ko")?;
    (!name.is_empty()).then(|| name.replace('-', "_"))
}

/// The module files in `modules.dep`, whose lines are `path: dependencies`. `directory` is the folder it is in.
pub fn parse_dep(content: &[u8], directory: &str) -> BTreeMap<String, ModuleFile> {
    let mut files = BTreeMap::new();
    for line in lines(content) {
        let text = line.text();
        let Some((path, _)) = text.split_once(':') else {
            continue;
        };
        let path = path.trim();
        let Some(name) = module_name(path) else {
            continue;
        };
        // Before depmod 3.8 (2009) the paths were absolute.
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("{directory}/{path}")
        };
        let line = Some(line.number);
        files.entry(name).or_insert(ModuleFile { path, line });
    }
    files
}

/// The names in `modules.builtin` with their lines.
pub fn parse_builtin(content: &[u8]) -> BTreeMap<String, usize> {
    lines(content)
        .filter_map(|line| Some((module_name(line.text().trim())?, line.number)))
        .collect()
}

impl ModuleDirectory {
    /// Reads a folder of `/lib/modules`.
    ///
    /// # Errors
    /// When `path` is not a folder that can be read.
    pub fn read(tree: &dyn FileTree, path: &str) -> Result<ModuleDirectory, TreeError> {
        let release = path.rsplit('/').next().unwrap_or_default().to_owned();
        tree.read_dir(path)?;
        let builtin = match tree.read(&format!("{path}/modules.builtin"), MAX_INDEX) {
            Ok(content) => Some(parse_builtin(&content)),
            Err(_) => None,
        };
        let (source, files) = match tree.read(&format!("{path}/modules.dep"), MAX_INDEX) {
            // An empty file is what a depmod that was interrupted leaves.
            Ok(content) if !content.is_empty() => (ModuleSource::Index, parse_dep(&content, path)),
            _ => walk(tree, path),
        };
        Ok(ModuleDirectory {
            release,
            path: path.to_owned(),
            source,
            files,
            builtin,
        })
    }
}

fn walk(tree: &dyn FileTree, directory: &str) -> (ModuleSource, BTreeMap<String, ModuleFile>) {
    let mut files = BTreeMap::new();
    let mut seen = 0;
    let mut queue: Vec<(String, usize)> = DRIVER_FOLDERS
        .iter()
        .map(|folder| (format!("{directory}/{folder}"), 0))
        .collect();
    let mut source = ModuleSource::Nothing;
    while let Some((folder, depth)) = queue.pop() {
        let Ok(names) = tree.read_dir(&folder) else {
            continue;
        };
        source = ModuleSource::Walk;
        for name in names {
            seen += 1;
            if seen > MAX_WALK {
                return (ModuleSource::Nothing, files);
            }
            let path = format!("{folder}/{name}");
            if let Some(module) = module_name(&name) {
                files.entry(module).or_insert(ModuleFile { path, line: None });
            } else if depth < MAX_DEPTH
                && tree
                    .symlink_metadata(&path)
                    .is_ok_and(|metadata| metadata.kind == Kind::Directory)
            {
                queue.push((path, depth + 1));
            }
        }
    }
    (source, files)
}
