//! Compiles the C side of the ext module and links libext2fs, as pkg-config describes it: dynamically, or, for a program that
//! is all in one file (`-C target-feature=+crt-static`), from the archives that Debian has beside the shared libraries.

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
    let features = std::env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let is_static = features.split(',').any(|feature| feature == "crt-static");
    let kind = if is_static { "static=" } else { "" };
    // After the shim, which calls them.
    for (library, package) in libraries.iter().zip(["ext2fs", "com_err"]) {
        for path in &library.link_paths {
            println!("cargo::rustc-link-search=native={}", path.display());
        }
        if is_static {
            // Where the linker looks anyway, pkg-config does not say; rustc, which takes the archives in, does not look there.
            match pkg_config::get_variable(package, "libdir") {
                Ok(folder) => println!("cargo::rustc-link-search=native={folder}"),
                Err(error) => println!("cargo::error={}", error.to_string().replace('\n', " ")),
            }
        }
        for name in &library.libs {
            println!("cargo::rustc-link-lib={kind}{name}");
        }
    }
}
