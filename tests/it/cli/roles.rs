//! Roles, as the config gives them, and what `--restricted` leaves within reach.

use crate::cli::{Cli, Ran};

/// Runs a command as jane with these roles in the config.
fn with_roles(cli: &Cli, roles: &str, line: &str) -> Ran {
    std::fs::write(cli.path("roles.toml"), format!("[roles]\n{roles}\n")).unwrap();
    let config = cli.path("roles.toml").display().to_string();
    cli.run(&format!("{line} --config {config}"))
}

#[test]
fn a_role_is_how_far_somebody_gets() {
    let cli = Cli::acme();
    let change = "matrix set acme server.stopped slack on";
    let remove = "accounts remove acme --yes";
    let look = r#"look = ["*"]"#;
    assert!(with_roles(&cli, look, "accounts list").ok().contains("acme"));
    with_roles(&cli, look, change).refused(4, &["role"]);
    with_roles(&cli, look, "emit acme server.stopped").refused(4, &["role"]);
    let operate = "look = [\"*\"]\noperate = [\"jane\"]";
    with_roles(&cli, operate, change).ok();
    with_roles(&cli, operate, remove).refused(4, &["administer", "operate"]);
    with_roles(&cli, operate, "tokens create t --scope emit").refused(4, &["administer"]);
    with_roles(&cli, r#"administer = ["root"]"#, "accounts list").refused(4, &["jane", "[roles]"]);
    with_roles(&cli, r#"administer = ["jane"]"#, remove).ok();
}

#[test]
fn nobody_can_be_named_by_accident() {
    let cli = Cli::acme();
    for roles in [r#"operate = ["jane joe"]"#, r#"operate = ["@"]"#, r#"operate = [""]"#, r#"operate = ["@@ops"]"#] {
        with_roles(&cli, roles, "accounts list").refused(2, &["roles.operate", "@support"]);
    }
}

#[test]
fn a_restricted_one_keeps_to_its_database() {
    let cli = Cli::acme();
    let asked = |command: &str| -> Ran {
        let mut program = cli.command();
        program.arg("--restricted").env("SSH_ORIGINAL_COMMAND", command).output().unwrap().into()
    };
    assert!(asked("accounts list").ok().contains("acme"));
    assert!(asked("bellboard accounts list --json").json()[0]["key"] == "acme");
    assert!(asked("--help").ok().contains("Usage"));
    asked("config show").refused(4, &["out of reach"]);
    asked("accounts list --db other.db").refused(4, &["another database"]);
    asked("emit acme server.stopped --data @/etc/passwd").refused(4, &["file"]);
    asked("sh -c id").refused(2, &["sh"]);
    asked("accounts 'list").refused(2, &["quotation"]);
    asked("accounts list; id").refused(2, &["list;"]);
}
