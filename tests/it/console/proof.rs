//! What is handed over to customers, checked by the tools that they have.

use std::process::{Command, Stdio};

use crate::console::harness::Console;

fn shell(folder: &std::path::Path, script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).current_dir(folder).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_hash_of_what_is_exported_is_checked_by_sha256sum() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    let folder = console.test.folder.path().join("exports");
    console.keys("tab").await;
    for keys in ["E t", "E j", "E c", "enter y t", "y j"] {
        console.keys(keys).await;
        let job = console.jobs.recv().await.unwrap();
        console.app.job(&job).await;
        assert!(console.picture().contains("exports"), "{}", console.picture());
    }
    let checked = shell(&folder, "sha256sum --check *.sha256");
    assert_eq!(checked.lines().filter(|line| line.ends_with(": OK")).count(), 5, "{checked}");
    let proof = shell(&folder, "cat proof-*.txt");
    let (_, said) = proof.trim_end().rsplit_once(": ").unwrap();
    let hash = shell(&folder, "head -n -2 proof-*.txt | sha256sum");
    assert_eq!(hash.split_whitespace().next(), Some(said), "{proof}");
    shell(&folder, "echo >> $(ls proof-*.txt); ! sha256sum --status --check proof-*.txt.sha256");
}
