//! Files for their owner only: made with mode 0600 in folders of mode 0700, whatever the umask; refused when somebody else could
//! write them; and never reached through a symbolic link, which would let whoever may write one folder choose another file.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// The mode of files, and of folders.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// The ending of the file beside a database whose lock is held by the process that delivers from it.
pub const DELIVERER: &str = "-deliverer";

/// Bits of a mode: who but the owner may write, anybody at all may write, and only owners may take files away.
const OTHERS_WRITE: u32 = 0o022;
const ANYBODY_WRITES: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Whether a file may be trusted. One that is not there is in order.
///
/// # Errors
/// What is wrong with it, and what to do, as the end of a sentence that names it.
pub fn check(path: &Path) -> Result<(), String> {
    let Ok(found) = fs::symlink_metadata(path) else { return check_folder(path) };
    if found.file_type().is_symlink() {
        return Err("it is a symbolic link, which is not followed; name the file itself".to_owned());
    }
    if !found.is_file() {
        return Err("it is no regular file; name another".to_owned());
    }
    check_mode(path, &found.permissions())?;
    check_folder(path)
}

/// Whether somebody else could write what is at that path, links followed: for files that only people write.
///
/// # Errors
/// What is wrong with it, and what to do, as the end of a sentence that names it.
pub fn check_target(path: &Path) -> Result<(), String> {
    fs::metadata(path).map_or(Ok(()), |found| check_mode(path, &found.permissions()))
}

fn check_mode(path: &Path, found: &Permissions) -> Result<(), String> {
    if found.mode() & OTHERS_WRITE == 0 {
        return Ok(());
    }
    Err(format!("others than its owner could write it; run `chmod go-w {}`", path.display()))
}

/// In a folder that anybody may write, another file could be put in this one's place.
fn check_folder(path: &Path) -> Result<(), String> {
    let folder = folder_of(path);
    let mode = fs::metadata(folder).map_or(0, |found| found.permissions().mode());
    if mode & ANYBODY_WRITES == 0 || mode & STICKY != 0 {
        return Ok(());
    }
    Err(format!("anybody could write its folder; run `chmod o-w {}`", folder.display()))
}

/// The folder that a file is in.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The file beside another one whose name is that one's with an ending.
#[must_use]
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// Whether some process holds the lock (flock(2)) on a file. Nobody can know this for longer than the answer takes.
#[must_use]
pub fn is_locked(path: &Path) -> bool {
    let lock = File::open(path).map(|file| file.try_lock_shared());
    matches!(lock, Ok(Err(TryLockError::WouldBlock)))
}

/// Makes a folder with all above it that are not there.
///
/// # Errors
/// When one cannot be made.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_folder(above)?;
    }
    match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
        // The umask may have taken from it.
        Ok(()) => fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes a file that is not there.
///
/// # Errors
/// When there is one, a link included, or it cannot be made.
pub fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)?;
    file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    Ok(file)
}

/// Opens a file to read and write it, after making it and its folder when they are not there.
///
/// # Errors
/// When it is a symbolic link, or cannot be made or opened.
pub fn open_or_create(path: &Path) -> io::Result<File> {
    open(path, OpenOptions::new().read(true).write(true))
}

/// Opens a file to write at its end, after making it and its folder when they are not there.
///
/// # Errors
/// When it is a symbolic link, or cannot be made or opened.
pub fn append(path: &Path) -> io::Result<File> {
    open(path, OpenOptions::new().append(true))
}

fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    make_folder(folder_of(path))?;
    match create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
    options.custom_flags(nofollow).open(path)
}

/// Puts a file in the place of the one that is there, as a whole or not at all, and durably.
///
/// # Errors
/// When it cannot be written; what was there is still there then.
pub fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(draft);
    let written = create(&draft).and_then(|mut file| {
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written.and_then(|()| sync_folder(path))
}

/// Makes the names in a file's folder durable.
///
/// # Errors
/// When the folder cannot be synced.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn what_others_could_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/er/file");
        assert_eq!(check(&file), Ok(()), "not there yet");
        drop(append(&file).unwrap());
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (FILE_MODE, FOLDER_MODE));
        for (bits, is_refused) in [(0o644, false), (0o620, true), (0o602, true), (0o666, true), (0o600, false)] {
            fs::set_permissions(&file, Permissions::from_mode(bits)).unwrap();
            assert_eq!((check(&file).is_err(), check_target(&file).is_err()), (is_refused, is_refused), "{bits:o}");
        }
        for (bits, is_refused) in [(0o777, true), (0o1777, false), (0o755, false)] {
            fs::set_permissions(file.parent().unwrap(), Permissions::from_mode(bits)).unwrap();
            assert_eq!(check(&file).is_err(), is_refused, "folder {bits:o}");
        }
    }

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "theirs").unwrap();
        symlink(&target, &link).unwrap();
        assert!(check(&link).unwrap_err().contains("symbolic link"));
        assert!(create(&link).is_err() && append(&link).is_err() && open_or_create(&link).is_err());
        replace(&link, b"ours").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
        assert_eq!((fs::read_to_string(&link).unwrap().as_str(), mode(&link)), ("ours", FILE_MODE));
        let nowhere = folder.path().join("nowhere");
        symlink(folder.path().join("not-there"), &nowhere).unwrap();
        assert!(append(&nowhere).is_err(), "nothing is made where a link points");
    }
}
