//! The config, as the commands about it and all others see it.

use serde_json::json;

use crate::cli::{Cli, Ran};

#[test]
fn what_is_in_force_is_shown_with_its_origin() {
    let cli = Cli::new();
    std::fs::write(cli.path("c.toml"), "[delivery]\ntimeout = \"3s\"\nkeep = \"1d\"\n").unwrap();
    let run = |line: &str| {
        Ran::from(cli.command().args(line.split(' ')).env("BELLBOARD_DELIVERY_KEEP", "2d").output().unwrap())
    };
    let shown = run("--config c.toml config show --json").json();
    assert_eq!(shown["delivery"]["timeout"], "3s");
    assert_eq!(shown["delivery"]["keep"], "2d");
    assert_eq!(shown["network"]["allow"], json!([]));
    assert_eq!(shown["email"]["server"], json!(null));
    let table = run("--config c.toml config show").ok();
    let line = |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    assert!(line("delivery.timeout").contains("config file, line 2"), "{table}");
    assert!(line("delivery.keep").contains("BELLBOARD_DELIVERY_KEEP"), "{table}");
    assert!(line("delivery.max_age").contains("default"), "{table}");
    assert_eq!(run("--config c.toml config check --json").json()["right"], true);
}

#[test]
fn the_files_are_where_xdg_puts_them_or_as_named() {
    let cli = Cli::new();
    let home = cli.folder.path().display().to_string();
    let paths = cli.run("config path --json").json();
    assert_eq!(paths["config"], format!("{home}/.config/bellboard/config.toml"));
    assert_eq!(paths["database"], format!("{home}/bellboard.db"));
    assert_eq!(paths["log"], format!("{home}/.local/state/bellboard/bellboard.log"));
    let output = cli.command().args(["config", "path", "--json"]).env_remove("BELLBOARD_DB").output().unwrap();
    assert_eq!(Ran::from(output).json()["database"], format!("{home}/.local/share/bellboard/bellboard.db"));
    assert_eq!(cli.run("--db x.db config path --json").json()["database"], "x.db");
}

#[test]
fn a_wrong_config_stops_every_command_that_needs_it() {
    let cli = Cli::new();
    std::fs::write(cli.path("c.toml"), "[delivery]\n\ntimeout = 15\n").unwrap();
    for line in ["config check", "config show", "accounts list"] {
        cli.run(&format!("{line} --config c.toml")).refused(2, &["c.toml:3", "delivery.timeout", "\"15s\""]);
    }
    cli.run("config path --config c.toml").ok();
    cli.run("accounts list --config none.toml").refused(2, &["none.toml", "cannot be read"]);
    std::fs::write(cli.path("c.toml"), "[deliverie]\n").unwrap();
    cli.run("config check --config c.toml").refused(2, &["c.toml:1", "`deliverie`"]);
    std::fs::write(cli.path("c.toml"), "[email]\nserver = \"smtp://a:hush@b\"\n").unwrap();
    cli.run("config check --config c.toml").refused(2, &["c.toml:2", "password_file"]);
    std::fs::write(cli.path("c.toml"), "[email]\nserver = \"smtp://a@b\"\npassword_file = \"none\"\n").unwrap();
    cli.run("config check --config c.toml").refused(2, &["none", "first line"]);
    assert!(!cli.path("bellboard.db").exists());
}

#[test]
fn a_folder_of_templates_is_checked_and_used() {
    let cli = Cli::new();
    let folder = cli.path("words");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(cli.path("c.toml"), "[messages]\ntemplates = \"words\"\n").unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    let frame = "{% extends 'job.fail.txt' %}\n{% block text %}";
    let refused = |words: &[&str]| {
        for line in ["config check", "messages preview job.fail"] {
            cli.run(&format!("{line} --config c.toml")).refused(2, &[&["messages.templates"][..], words].concat());
        }
    };
    write("job.fail.txt", format!("{frame}{{{{ nmae }}}}{{% endblock %}}").as_bytes());
    refused(&["words/job.fail.txt:2", "`nmae`"]);
    write("job.fail.txt", b"one\n\xff");
    refused(&["words/job.fail.txt:2", "UTF-8"]);
    write("job.fail.txt", "x".repeat(17_000).as_bytes());
    refused(&["words/job.fail.txt", "17000 bytes"]);
    std::fs::remove_file(folder.join("job.fail.txt")).unwrap();
    std::fs::create_dir(folder.join("job.fail.txt")).unwrap();
    refused(&["words/job.fail.txt", "cannot be read"]);
    std::fs::remove_dir(folder.join("job.fail.txt")).unwrap();
    write("notes.md", b"x");
    refused(&["words/notes.md", "server.stopped.txt"]);
    std::fs::remove_file(folder.join("notes.md")).unwrap();
    write(".hidden", b"x");
    write("job.fail.txt", format!("{frame}{{{{ name }}}} is out!{{% endblock %}}").as_bytes());
    cli.run("config check --config c.toml").ok();
    let shown = cli.run("messages preview job.fail --channel email --config c.toml").ok();
    assert!(shown.contains("Nightly backup is out!"), "{shown}");
    let template = cli.run("messages template job.fail --config c.toml --json").json();
    assert_eq!(template["file"], "words/job.fail.txt");
    std::fs::remove_dir_all(&folder).unwrap();
    refused(&["words", "name a folder"]);
}

#[test]
fn a_preview_shows_every_channel_and_needs_no_store() {
    let cli = Cli::new();
    let shown = cli.run("messages preview server.backon --json").json();
    let text =
        |channel: usize, part: usize| shown[channel]["parts"][part]["text"].as_str().unwrap_or_default().to_owned();
    assert_eq!(shown.as_array().map(Vec::len), Some(6));
    assert!(text(1, 1).contains("It was down for 2 hours 5 minutes."), "{shown}");
    assert!(text(4, 0).contains("sample-server came back"), "{shown}");
    assert!(text(5, 1).starts_with("{\"uid\":\"sample-server\""), "{shown}");
    assert!(!cli.path("bellboard.db").exists());
    cli.run("messages preview server.stoped").refused(3, &["did you mean `server.stopped`"]);
    cli.run("messages preview job.fail --data [1]").refused(2, &["one JSON object"]);
    cli.run("messages template nothing").refused(3, &["server.backon"]);
    let built_in = include_str!("../../../assets/templates/job.fail.txt");
    assert_eq!(cli.run("messages template job.fail").ok().trim_end(), built_in.trim_end(), "as a file to begin with");
    let own = cli.run("messages preview job.fail --channel ios --data {\"name\":\"tidy\"}").ok();
    assert!(own.contains("The job tidy failed at"), "{own}");
}
