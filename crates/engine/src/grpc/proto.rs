//! `.proto` files, read before the run.
use std::path::{Path, PathBuf};

use protox::Compiler;

/// Read a `.proto` file and what it imports, as an encoded `FileDescriptorSet`. Imports are looked for beside the file
/// and in `folders`; those of `google/protobuf` are known.
///
/// # Errors
/// What is wrong with it, with file, line and column where that can be told.
pub fn descriptors_of(file: &Path, folders: &[PathBuf]) -> Result<Vec<u8>, String> {
    let beside = file.parent().unwrap_or(Path::new("."));
    let mut wanted: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
    // A folder that is given and holds the file names it; otherwise it stands for itself.
    if !wanted.iter().any(|folder| file.starts_with(folder)) {
        wanted.insert(0, beside);
    }
    let mut compiler = Compiler::new(wanted).map_err(|error| format!("{error:?}"))?;
    compiler.include_imports(true);
    compiler
        .open_file(file)
        .map_err(|error| format!("{error:?}"))?;
    Ok(compiler.encode_file_descriptor_set())
}
