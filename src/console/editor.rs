//! A long text in the person's own editor: a file that only they can read, their program, and the file gone again.

use std::io::{Read, Write};

use tokio::process::Command;

/// Largest text that is taken back, in bytes.
const TEXT_BYTES_MAX: u64 = 64 * 1024;

/// What is started when the person has named no editor.
const EDITOR: &str = "vi";

/// Lets the person edit the text. Returns what they left in the file.
///
/// # Errors
/// When the file or the editor cannot be used, as a sentence.
pub async fn edit(text: &str) -> Result<String, String> {
    let named = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| EDITOR.to_owned());
    let cannot = |error: std::io::Error| format!("the text cannot be handed to an editor: {error}");
    // Only its owner can read a file that `tempfile` makes, and it is removed when it is dropped.
    let mut file = tempfile::Builder::new().prefix("bellboard-").suffix(".txt").tempfile().map_err(cannot)?;
    file.write_all(text.as_bytes()).map_err(cannot)?;
    // The variable may hold arguments too, as `code --wait`.
    let status = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(file.path())
        // The key that opens every secret is no editor's business.
        .env_remove("BELLBOARD_KEY")
        .kill_on_drop(true)
        .status()
        .await
        .map_err(cannot)?;
    if !status.success() {
        return Err(format!("the editor ended with {status}; the text is as it was"));
    }
    let mut written = String::new();
    let read =
        std::fs::File::open(file.path()).and_then(|file| file.take(TEXT_BYTES_MAX + 1).read_to_string(&mut written));
    read.map_err(|error| format!("what the editor wrote cannot be read: {error}"))?;
    if written.len() as u64 > TEXT_BYTES_MAX {
        return Err(format!("the text is longer than {TEXT_BYTES_MAX} bytes, so it is as it was"));
    }
    Ok(written)
}
