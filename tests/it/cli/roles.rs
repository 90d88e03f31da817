//! Roles, as the config gives them, and what `--restricted` leaves within reach.

use std::collections::BTreeSet;

use bellboard::cli::args::Arguments;
use bellboard::cli::reach::Reach;
use bellboard::cli::start;
use clap::CommandFactory;

use crate::cli::{Cli, Ran};

/// Runs a command as jane with these roles in the config.
fn with_roles(cli: &Cli, roles: &str, line: &str) -> Ran {
    std::fs::write(cli.path("roles.toml"), format!("[roles]\n{roles}\n")).unwrap();
    let config = cli.path("roles.toml").display().to_string();
    cli.run(format!("{line} --config {config}").trim())
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
    std::fs::write(cli.path("empty.toml"), "").unwrap();
    let asked = |command: &str| -> Ran {
        let mut program = cli.command();
        program.args(["--restricted", "--db", "bellboard.db", "--config", "empty.toml"]);
        program.env("SSH_ORIGINAL_COMMAND", command).output().unwrap().into()
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

/// Every command there is: the lowest role that may have it done, whether it is within reach under `--restricted`, and words
/// that ask for it. `nobody`: it needs none.
const ALL: &str = "
look       inside   (the console)
nobody     outside  demo
nobody     outside  serve
operate    inside   emit acme server.stopped
look       inside   emit acme server.stopped --dry-run
operate    outside  ingest -
look       inside   watch
look       inside   why dlv_1
look       inside   accounts list
look       inside   accounts show acme
operate    inside   accounts add other --name O --email o@acme.test
operate    inside   accounts edit acme --name Other
administer inside   accounts remove acme --yes
operate    inside   accounts copy acme other
look       inside   event-types list
operate    inside   event-types add acme disk.full
operate    inside   event-types remove acme disk.full
look       inside   matrix show acme
operate    inside   matrix set acme server.stopped slack on
operate    inside   matrix mute acme --for 1h
operate    inside   matrix unmute acme
look       inside   messages preview server.stopped
look       inside   messages template server.stopped
look       inside   destinations list acme
operate    inside   destinations add acme email --address a@acme.test
operate    inside   destinations add acme webhook --url https://acme.test
operate    inside   destinations add acme slack --url https://acme.test
operate    inside   destinations add acme hipchat --token t --room r
operate    inside   destinations add acme ios --device-token t
operate    inside   destinations add acme browser
operate    inside   destinations invite acme browser
look       inside   destinations show dst_1
operate    inside   destinations edit dst_1 --label x
operate    inside   destinations rotate dst_1
operate    inside   destinations test dst_1
operate    inside   destinations pause dst_1
operate    inside   destinations enable dst_1
operate    inside   destinations disable dst_1
operate    inside   destinations remove dst_1 --yes
look       inside   deliveries list
look       inside   deliveries show dlv_1
operate    inside   deliveries replay dlv_1
look       inside   deliveries replay --account acme --dry-run
operate    inside   deliveries send-missed --account acme --yes
look       inside   deliveries send-missed --account acme --dry-run
look       inside   deliveries replays
look       inside   deliveries replays list
operate    inside   deliveries replays cancel rpl_1
operate    inside   deliveries cancel dlv_1
look       inside   events list
look       inside   events show evt_0192f0c1a7b07d0e8a3b5c6d7e8f9a0b
administer outside  tokens create t --scope emit
look       outside  tokens list
administer outside  tokens revoke tok_1
look       inside   audit list
look       inside   audit export
look       inside   audit verify
operate    inside   audit undo chg_1
administer inside   audit forget --yes
look       inside   audit forget --dry-run
look       outside  config show
nobody     outside  config show --example
nobody     outside  config path
look       outside  config keys
nobody     outside  config check
look       outside  doctor --offline
administer outside  backup copy.db
administer outside  restore copy.db
look       outside  keys show
administer outside  keys rotate
administer outside  prune --yes
look       outside  prune --dry-run
nobody     outside  completions bash
nobody     inside   man
nobody     inside   help
";

/// A line of [`ALL`]: the role, the reach, the words.
fn lines() -> impl Iterator<Item = (&'static str, &'static str, Vec<&'static str>)> {
    ALL.lines().filter(|line| !line.is_empty()).map(|line| {
        let (role, rest) = line.split_once(' ').unwrap();
        let (reach, words) = rest.trim().split_once(' ').unwrap();
        let words = words.trim();
        (role, reach, if words.starts_with('(') { Vec::new() } else { words.split(' ').collect() })
    })
}

/// The commands that have none below them, as their words.
fn leaves(command: &clap::Command, words: &[String], all: &mut BTreeSet<Vec<String>>) {
    let below: Vec<_> =
        command.get_subcommands().filter(|member| member.get_name() != "help" || words.is_empty()).collect();
    if below.is_empty() {
        all.insert(words.to_vec());
    }
    for member in below {
        leaves(member, &[words, &[member.get_name().to_owned()]].concat(), all);
    }
}

#[test]
fn every_command_has_its_role() {
    let mut missing = BTreeSet::new();
    leaves(&Arguments::command(), &[], &mut missing);
    assert!(missing.len() > 55, "{}", missing.len());
    for (role, reach, words) in lines() {
        missing.retain(|leaf| {
            let mut said = words.iter();
            !leaf.iter().all(|own| said.any(|word| own == word))
        });
        let given: Vec<_> = std::iter::once("bellboard").chain(words.iter().copied()).map(Into::into).collect();
        let arguments = start::parse(&given).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        let Reach { role: needed, when_restricted } = arguments.reach();
        assert_eq!(needed.map_or("nobody", |role| role.name()), role, "{words:?}");
        assert_eq!(when_restricted, reach == "inside", "{words:?}");
    }
    assert_eq!(missing, BTreeSet::new(), "these commands have no line in the table");
}

#[test]
fn nobody_gets_further_than_their_role() {
    let cli = Cli::acme();
    assert_eq!(cli.run("tokens create t --scope emit").code, 0);
    let before = cli.run("audit verify --json").json();
    let own =
        [("nobody", r#"administer = ["root"]"#), ("look", r#"look = ["jane"]"#), ("operate", r#"operate = ["jane"]"#)];
    let rank = |role: &str| ["nobody", "look", "operate", "administer"].iter().position(|name| *name == role).unwrap();
    for (role, config) in own {
        for (needed, _, words) in lines().filter(|(needed, ..)| rank(needed) > rank(role)) {
            let expected = if role == "nobody" { "has no role here" } else { needed };
            with_roles(&cli, config, &words.join(" ")).refused(4, &[expected]);
        }
    }
    assert!(!cli.path("copy.db").exists());
    assert_eq!(cli.run("audit verify --json").json(), before, "something was changed");
}

#[test]
fn the_service_is_no_person() {
    let cli = Cli::acme();
    std::fs::write(cli.path("roles.toml"), "[roles]\nadminister = [\"root\"]\n[http]\nlisten = \"off\"\n").unwrap();
    let mut service = cli.command();
    service.args(["serve", "--config", "roles.toml"]).stderr(std::process::Stdio::piped());
    let mut service = service.spawn().unwrap();
    let log = std::io::BufReader::new(service.stderr.take().unwrap());
    let started = std::io::BufRead::lines(log).map_while(Result::ok).find(|line| line.contains("started"));
    let _ = service.kill();
    let _ = service.wait();
    assert!(started.is_some(), "it has to deliver whatever the roles of its user");
}
