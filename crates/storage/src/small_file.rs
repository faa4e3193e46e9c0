//! Small files such as `node.json`: replaced as a whole, or not at all.

use std::io;

use crate::seams::{Disk, OpenMode};

/// Writes a small file so that after a crash either the old or the new content is there, complete:
/// temporary file, sync, rename, sync of the directory.
///
/// `name` may lie in a subdirectory that exists. Durable on return.
///
/// # Errors
/// Whatever the disk answers; the file then has its old content or, if only the last step failed,
/// perhaps the new one.
pub fn write_small_file_atomically(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!("{name}.tmp");
    if disk.exists(&temporary)? {
        disk.remove(&temporary)?;
    }
    let file = disk.open(&temporary, OpenMode::New)?;
    file.write(0, bytes)?;
    file.sync_data()?;
    file.close()?;
    disk.rename(&temporary, name)?;
    disk.sync_dir(directory_of(name))
}

/// The content of a small file, or `None` if there is no such file.
///
/// # Errors
/// Whatever the disk answers.
pub fn read_small_file(disk: &dyn Disk, name: &str) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(name, OpenMode::Existing) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = usize::try_from(file.len()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read(0, &mut bytes)?;
    file.close()?;
    Ok(Some(bytes))
}

/// The directory part of a name; `""` is the data directory.
fn directory_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}
