//! Every option with what it cannot be: what is told names file, line, option, and what may stand there.

use std::path::Path;

use bellboard::config::Config;
use bellboard::config::settings::{SETTINGS, Setting};

use crate::cli::Cli;

/// For each option, values that are of the right type and yet none, as TOML, and words of what is said.
const OUT_OF_RANGE: &[(&str, &[&str], &str)] = &[
    ("delivery.retry", &["[\"5\"]", "[\"x\"]", "[\"0s\"]", "[\"-5s\"]"], "s"),
    ("delivery.timeout", &["\"6m\"", "\"1d\""], "at most 5m"),
    ("delivery.keep", &["\"0d\"", "\"0s\""], "longer than nothing"),
    ("delivery.max_age", &["\"0s\""], "longer than nothing"),
    ("delivery.disable_after", &["\"0s\""], "longer than nothing"),
    ("delivery.storm_messages", &["-1", "4294967296", "\"many\""], "a whole one, as 5"),
    ("delivery.storm_window", &["\"0s\""], "longer than nothing"),
    ("store.key_file", &["\"\""], "write a value"),
    ("store.keep_secrets", &["\"90\"", "\"soon\""], "d"),
    ("network.allow", &["[\"10.1\"]", "[\"10.0.0.0/33\"]", "[\"example.com\"]"], "10.1.0.0/16"),
    ("email.server", &["\"nonsense\"", "\"smtp://a:hush@b\""], "mail"),
    ("email.from", &["\"nonsense\"", "\"a@b@c\""], "@"),
    ("email.password_file", &["\" \""], "write a value"),
    ("email.ca_file", &["\"\""], "write a value"),
    ("messages.templates", &["\"\""], "write a value"),
    ("http.listen", &["\"7787\"", "\"127.0.0.1:99999\"", "\"localhost:7787\""], "127.0.0.1:7787"),
    ("http.public_url", &["\"ftp://x.test\"", "\"x.test\""], "https://"),
    ("http.proxies", &["[\"10.1\"]"], "10.1.0.0/16"),
    ("http.tls_cert", &["\"\""], "write a value"),
    ("http.tls_key", &["\"\""], "write a value"),
    ("apns.key_file", &["\"\""], "write a value"),
    ("apns.key_id", &["\"\""], "write a value"),
    ("apns.team_id", &["\"\""], "write a value"),
    ("apns.topic", &["\"\""], "write a value"),
    ("apns.server", &["\"nonsense\""], "https://"),
    ("apns.ca_file", &["\"\""], "write a value"),
    ("roles.look", &["[\"a b\"]", "[\"@\"]"], "@support"),
    ("roles.operate", &["[\"\"]"], "@support"),
    ("roles.administer", &["[\"a:b\"]"], "@support"),
    ("console.theme", &["\"pink\""], "colour-blind"),
    ("console.color", &["\"pink\""], "never"),
    ("console.marks", &["\"pink\""], "write one of"),
    ("console.keys", &["{ \"matrix.nonsense\" = [\"x\"] }"], "matrix"),
    ("console.timezone", &["\"Moon/Crater\""], "Europe/Vienna"),
    ("console.template", &["\"No Key!\""], "standard"),
];

fn said(section: &str, line: &str) -> String {
    let text = format!("# A comment.\n\n[{section}]\n{line}\n");
    Config::parse(Path::new("c.toml"), &text).map(|_| ()).expect_err(line).to_string()
}

#[test]
fn a_wrong_type_is_named_for_every_option() {
    for setting in SETTINGS {
        for wrong in ["true", "1.5", "2026-01-01", "[1]", "[[\"x\"]]", "{ x = 1 }"] {
            let says = said(setting.section, &format!("{} = {wrong}", setting.name));
            assert!(says.starts_with(&format!("c.toml:4: {}: ", setting.full_name())), "{wrong}: {says}");
            assert!(["write", "put", "is no", "too large"].iter().any(|words| says.contains(words)), "{wrong}: {says}");
        }
    }
}

#[test]
fn what_is_out_of_range_is_named_for_every_option_and_what_may_stand_there() {
    let names: Vec<String> = SETTINGS.iter().map(Setting::full_name).collect();
    assert_eq!(OUT_OF_RANGE.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), names, "an option without a line here");
    for (setting, (_, values, words)) in SETTINGS.iter().zip(OUT_OF_RANGE) {
        for value in *values {
            let says = said(setting.section, &format!("{} = {value}", setting.name));
            assert!(says.starts_with(&format!("c.toml:4: {}: ", setting.full_name())), "{value}: {says}");
            assert!(says.contains(words), "{value}: {says}");
        }
    }
}

#[test]
fn a_name_that_is_none_leads_to_the_nearest_for_every_option() {
    for setting in SETTINGS {
        // Two letters that changed places, and the right name in another table.
        let (first, rest) = setting.name.split_at(setting.name.len() - 2);
        let swapped: String = first.chars().chain(rest.chars().rev()).collect();
        if swapped != setting.name {
            let says = said(setting.section, &format!("{swapped} = 1"));
            let named = format!(
                "c.toml:4: there is no option `{}.{swapped}` (did you mean `{}`?)",
                setting.section,
                setting.full_name()
            );
            assert!(says.starts_with(&named), "{says}");
        }
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_from_top_to_bottom() {
    let cli = Cli::new();
    let text = "[http]\nlisten = 5\n[delivery]\ntimeout = 15\nretri = [\"5s\"]\n[nonsense]\nx = 1\n";
    std::fs::write(cli.path("c.toml"), text).unwrap();
    let output =
        cli.command().args(["config", "check", "--config", "c.toml"]).env("BELLBOARD_CONSOLE_COLOR", "pink").output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    for (line, words) in lines.iter().zip([
        "c.toml:2: http.listen",
        "c.toml:4: delivery.timeout",
        "c.toml:5: there is no option `delivery.retri`",
        "c.toml:6: there is no option `nonsense`",
        "BELLBOARD_CONSOLE_COLOR: console.color",
    ]) {
        assert!(line.contains(words), "{said}");
    }
    assert_eq!(lines.len(), 5, "{said}");
    cli.run("accounts list --config c.toml").refused(2, &["c.toml:2", "http.listen", "3 more", "config check"]);
}
