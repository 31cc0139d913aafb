//! The programs that tests start and that cargo does not build: they are in `.tools/`, where `make test` puts them. A
//! missing one fails the test with a sentence; no test is skipped for want of a tool.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// A tool, for example `bin/grpcurl`.
///
/// *Panics* when it is not there.
pub fn tool(name: &str) -> PathBuf {
    let path = repository().join(".tools").join(name);
    assert!(path.exists(), ".tools/{name} is missing: run `make test` once, or tests/tools/install");
    path
}

/// `PATH` with `.tools/bin` first, for programs that start others by name.
pub fn path_with_tools() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let (own, node) = (tool("bin"), tool("node/node_modules/.bin"));
    format!("{}:{}:{path}", own.display(), node.display())
}
