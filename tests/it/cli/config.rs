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
