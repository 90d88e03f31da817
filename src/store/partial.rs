//! A file that is not whole yet: it has the ending `.partial` until all of it is written, checked and durable, and only then the
//! name that it is to have. So whatever ends the program on the way, no half of a copy ever stands where a whole one is looked for.

use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with, statvfs};

use crate::store::files;

/// The file while it is written. Removed when dropped.
pub(crate) struct Partial {
    file: File,
    path: PathBuf,
    to: PathBuf,
}

impl Partial {
    /// Begins a file that is to be called `to`, which must not be there. What somebody else left half done is begun anew.
    pub(crate) fn of(to: &Path) -> Result<Self, String> {
        if fs::symlink_metadata(to).is_ok() {
            return Err("there is such a file already; name another".to_owned());
        }
        if !files::folder_of(to).is_dir() {
            return Err("there is no such folder; make it first".to_owned());
        }
        let mut path = to.as_os_str().to_owned();
        path.push(".partial");
        let path = PathBuf::from(path);
        let file = files::open_or_create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err("another process writes it just now; wait for that".to_owned()),
            Err(TryLockError::Error(error)) => return Err(error.to_string()),
        }
        let partial = Self { file, path, to: to.to_owned() };
        // Of what was left half done; SQLite would take it for a part of the new one.
        partial.remove_journal();
        let emptied =
            partial.file.set_permissions(Permissions::from_mode(0o600)).and_then(|()| partial.file.set_len(0));
        emptied.map_err(|error| error.to_string())?;
        Ok(partial)
    }

    /// What SQLite keeps beside a file that it writes, and leaves there when that fails.
    fn remove_journal(&self) {
        let mut journal = self.path.as_os_str().to_owned();
        journal.push("-journal");
        let _ = fs::remove_file(PathBuf::from(journal));
    }

    /// Where it is meanwhile.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// To write it.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Its bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |file| file.len())
    }

    /// How many bytes there is room for, for this user; nothing where the file system does not say.
    pub(crate) fn room(&self) -> Option<u64> {
        statvfs(&self.path).ok().map(|found| found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// Makes all that was written durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Gives it its name, durably. Nothing that has come to have that name meanwhile is written over.
    pub(crate) fn put(self) -> io::Result<()> {
        self.sync()?;
        match renameat_with(CWD, &self.path, CWD, &self.to, RenameFlags::NOREPLACE) {
            // A file system that cannot promise it.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if fs::symlink_metadata(&self.to).is_err() => {
                fs::rename(&self.path, &self.to)?;
            }
            renamed => renamed?,
        }
        files::sync_folder(&self.to)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Nothing is there by this name when it has got its own.
        let _ = fs::remove_file(&self.path);
        self.remove_journal();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn it_has_its_name_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("copy.db");
        let names = || {
            let mut names: Vec<_> = fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        fs::write(folder.path().join("copy.db.partial"), "what a killed one left").unwrap();
        fs::write(folder.path().join("copy.db.partial-journal"), "and its journal").unwrap();
        let mut partial = Partial::of(&to).unwrap();
        assert_eq!((partial.bytes(), names()), (0, vec!["copy.db.partial".to_owned()]));
        assert!(Partial::of(&to).err().unwrap().contains("another process writes it"));
        partial.file().write_all(b"whole").unwrap();
        assert!(partial.room().unwrap() > 0);
        partial.put().unwrap();
        assert_eq!((fs::read(&to).unwrap().as_slice(), names()), (b"whole".as_slice(), vec!["copy.db".to_owned()]));
        assert!(Partial::of(&to).err().unwrap().contains("such a file already"));

        let other = folder.path().join("other.db");
        let late = Partial::of(&other).unwrap();
        fs::write(&other, "somebody else's").unwrap();
        assert!(late.put().is_err());
        assert_eq!(fs::read_to_string(&other).unwrap(), "somebody else's");
        assert_eq!(names(), ["copy.db", "other.db"]);
    }
}
