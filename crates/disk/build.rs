//! Compiles the C side of the ext module and links libext2fs, as pkg-config describes it.

fn main() {
    println!("cargo::rerun-if-changed=src/ext/shim");
    let mut config = pkg_config::Config::new();
    config.cargo_metadata(false);
    let found = config
        .atleast_version("1.46")
        .probe("ext2fs")
        .and_then(|ext2fs| Ok([ext2fs, config.atleast_version("1").probe("com_err")?]));
    let libraries = match found {
        Ok(libraries) => libraries,
        Err(error) => {
            println!(
                "cargo::error=libext2fs 1.46 or later is needed to build: install Debian's packages libext2fs-dev and \
                 pkg-config (apt install libext2fs-dev pkg-config)"
            );
            println!("cargo::error={}", error.to_string().replace('\n', " "));
            return;
        }
    };
    cc::Build::new()
        .files(["alloc", "error", "io", "open", "read", "write"].map(|name| format!("src/ext/shim/{name}.c")))
        .includes(libraries.iter().flat_map(|library| &library.include_paths))
        .std("gnu11")
        .extra_warnings(true)
        .warnings_into_errors(false)
        .compile("comeback_ext");
    // After the shim, which calls them.
    for library in &libraries {
        for path in &library.link_paths {
            println!("cargo::rustc-link-search=native={}", path.display());
        }
        for name in &library.libs {
            println!("cargo::rustc-link-lib={name}");
        }
    }
}
