//! Reads the folder of message templates that the config names.

use std::fs;
use std::path::Path;

use crate::channels::templates::{EXTENSION, Source, TEMPLATE_BYTES_MAX, TemplateError};

/// The templates of a folder, in the order of their names. Hidden files and an editor's copies (`x.txt~`) are none.
pub(crate) fn read(folder: &Path) -> Result<Vec<Source>, TemplateError> {
    let wrong = |path: &Path, problem: String| TemplateError { place: path.display().to_string(), problem };
    let hint = "name a folder that bellboard's user can read";
    let entries = fs::read_dir(folder).map_err(|error| wrong(folder, format!("{error}; {hint}")))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|error| wrong(folder, format!("{error}; {hint}")))?.path());
    }
    paths.sort();
    let mut sources = Vec::new();
    for path in paths {
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if file.starts_with('.') || file.ends_with('~') {
            continue;
        }
        let Some(name) = file.strip_suffix(EXTENSION) else {
            let problem = format!("this is no template; name it after its event type, as server.stopped{EXTENSION}");
            return Err(wrong(&path, problem));
        };
        let size = fs::metadata(&path).map_err(|error| wrong(&path, unreadable(&error)))?.len();
        if size > TEMPLATE_BYTES_MAX as u64 {
            return Err(wrong(&path, format!("it has {size} bytes; a template has at most {TEMPLATE_BYTES_MAX}")));
        }
        let bytes = fs::read(&path).map_err(|error| wrong(&path, unreadable(&error)))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = String::from_utf8_lossy(valid).matches('\n').count();
            let place = format!("{}:{}", path.display(), line + 1);
            TemplateError { place, problem: "this is no UTF-8; save the file in that encoding".to_owned() }
        })?;
        sources.push(Source { name: name.to_owned(), path: path.display().to_string(), text });
    }
    Ok(sources)
}

fn unreadable(error: &std::io::Error) -> String {
    format!("it cannot be read: {error}; make it readable for bellboard's user, or take it away")
}
