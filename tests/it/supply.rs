//! What comes in with dependencies: licences, versions and sources, as `.deny.toml` allows them. `cargo deny` reads the same file,
//! and asks for advisories too; this needs no program, and the network only for manifests that no build here has asked for yet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use clap::Parser;
use serde_json::Value;
use sqlx::{Connection, SqliteConnection};

/// What `.deny.toml` says.
struct Allowed {
    licences: Vec<String>,
    exceptions: BTreeMap<String, Vec<String>>,
    /// Names and beginnings of versions that may stand beside a newer one.
    twice: BTreeMap<String, String>,
}

impl Allowed {
    fn read() -> Self {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".deny.toml")).unwrap();
        let file: toml::Table = text.parse().unwrap();
        let words = |value: &toml::Value| -> Vec<String> {
            value.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
        };
        let exceptions = file["licenses"]["exceptions"].as_array().unwrap();
        let exception = |it: &toml::Value| (it["crate"].as_str().unwrap().to_owned(), words(&it["allow"]));
        let twice = file["bans"]["skip"].as_array().unwrap().iter().map(|it| {
            assert!(!it["reason"].as_str().unwrap().is_empty());
            let (name, version) = it["crate"].as_str().unwrap().split_once('@').unwrap();
            (name.to_owned(), version.to_owned())
        });
        Self {
            licences: words(&file["licenses"]["allow"]),
            exceptions: exceptions.iter().map(exception).collect(),
            twice: twice.collect(),
        }
    }
}

/// A dependency, of a build for this kind of machine.
struct Package {
    name: String,
    version: String,
    licence: String,
    source: Option<String>,
}

fn packages() -> Vec<Package> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform];
    let done = Command::new(env!("CARGO")).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let document: Value = serde_json::from_slice(&done.stdout).unwrap();
    let used: BTreeSet<&str> =
        document["resolve"]["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = document["packages"].as_array().unwrap().iter();
    all.filter(|package| used.contains(package["id"].as_str().unwrap()))
        .map(|package| Package {
            name: text(&package["name"]),
            version: text(&package["version"]),
            licence: text(&package["license"]),
            source: package["source"].as_str().map(str::to_owned),
        })
        .collect()
}

/// Whether an expression (SPDX; `/` is an older way to write OR) can be met by licences that are allowed.
fn is_met(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ").replace(" WITH ", "+WITH+");
    let words: Vec<String> = spaced.split_whitespace().map(|word| word.replace("+WITH+", " WITH ")).collect();
    let mut at = 0;
    let met = any(&words, &mut at, allowed);
    met && at == words.len()
}

fn any(words: &[String], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = all(words, at, allowed);
    while words.get(*at).is_some_and(|word| word == "OR") {
        *at += 1;
        met |= all(words, at, allowed);
    }
    met
}

fn all(words: &[String], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at).is_some_and(|word| word == "AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[String], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let word = words.get(*at).map(String::as_str).unwrap_or_default();
    *at += 1;
    if word != "(" {
        return allowed(word);
    }
    let met = any(words, at, allowed);
    *at += 1;
    met
}

#[test]
fn an_expression_is_read_as_it_is_meant() {
    let allowed = |licence: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&licence);
    let check = |expression: &str, expected: bool| assert_eq!(is_met(expression, &allowed), expected, "{expression}");
    check("MIT", true);
    check("GPL-3.0", false);
    check("", false);
    check("GPL-3.0 OR MIT", true);
    check("GPL-3.0/MIT", true);
    check("GPL-3.0 AND MIT", false);
    check("GPL-3.0 AND MIT OR ISC", true);
    check("ISC AND (GPL-3.0 OR MIT)", true);
    check("ISC AND (GPL-3.0 OR BSL-1.0)", false);
    check("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true);
    check("MIT)", false);
}

#[test]
fn every_licence_is_one_that_is_allowed() {
    let allowed = Allowed::read();
    let packages = packages();
    assert!(packages.len() > 100);
    let own = |package: &Package| package.source.is_none();
    let refused: Vec<_> = packages
        .iter()
        .filter(|package| !own(package))
        .filter(|package| {
            let more = allowed.exceptions.get(&package.name);
            let is_allowed = |licence: &str| {
                let is = |other: &String| other == licence;
                allowed.licences.iter().any(is) || more.is_some_and(|more| more.iter().any(is))
            };
            !is_met(&package.licence, &is_allowed)
        })
        .map(|package| format!("{} {}: {}", package.name, package.version, package.licence))
        .collect();
    assert!(refused.is_empty(), "licences that .deny.toml does not allow:\n{}", refused.join("\n"));
}

#[test]
fn nothing_comes_in_twice_unless_there_is_a_reason() {
    let allowed = Allowed::read();
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages() {
        versions.entry(package.name).or_default().insert(package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let is_known = |name: &str, version: &str| {
        allowed.twice.get(name).is_some_and(|known| version.starts_with(&format!("{known}.")))
    };
    let mut problems = Vec::new();
    for (name, versions) in &versions {
        let unknown = versions.iter().filter(|version| !is_known(name, version)).count();
        if unknown != 1 {
            problems
                .push(format!("{name}: {versions:?}; have one version of it, or a line and a reason in .deny.toml"));
        }
    }
    let stale = allowed.twice.keys().filter(|name| !versions.contains_key(*name));
    problems.extend(stale.map(|name| format!("{name} comes in once now: take its line out of .deny.toml")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn everything_comes_from_the_one_registry() {
    let registry = "registry+https://github.com/rust-lang/crates.io-index";
    let elsewhere: Vec<_> =
        packages().into_iter().filter_map(|package| package.source).filter(|source| source != registry).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

#[test]
fn what_the_package_takes_along_is_there_and_the_unit_agrees_with_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest: toml::Table = std::fs::read_to_string(root.join("Cargo.toml")).unwrap().parse().unwrap();
    let package = &manifest["package"]["metadata"]["deb"];
    let mut installed = Vec::new();
    for asset in package["assets"].as_array().unwrap() {
        let (from, to) = (asset[0].as_str().unwrap(), asset[1].as_str().unwrap());
        let from = from.trim_end_matches("/*");
        assert!(from.starts_with("target/package/") || root.join(from).exists(), "{from} is not there");
        let is_folder = to.ends_with('/');
        installed.push(if is_folder { format!("/{to}{}", from.rsplit('/').next().unwrap()) } else { format!("/{to}") });
    }
    for kept in package["conf-files"].as_array().unwrap() {
        assert!(installed.iter().any(|path| path == kept.as_str().unwrap()), "{kept} is not installed");
    }
    let unit = std::fs::read_to_string(root.join("assets/systemd/bellboard.service")).unwrap();
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let words: Vec<&str> = start.split(' ').collect();
    assert!(installed.iter().any(|path| path == words[0]), "{} is not installed", words[0]);
    assert!(installed.iter().any(|path| path == words[4]), "{} is not installed", words[4]);
    let postinst = std::fs::read_to_string(root.join("assets/debian/postinst")).unwrap();
    let folder = Path::new(words[2]).parent().unwrap().display().to_string();
    assert!(postinst.contains(&folder), "nobody makes {folder}");
    assert!(bellboard::cli::args::Arguments::try_parse_from(words).is_ok(), "{start} is no command line");
}

#[tokio::test]
async fn sqlite_is_compiled_as_cargos_config_says() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let options: Vec<String> = sqlx::query_scalar("PRAGMA compile_options").fetch_all(&mut connection).await.unwrap();
    let has = |name: &str| options.iter().any(|option| option == name);
    assert!(has("DEFAULT_MEMSTATUS=0") && !has("ENABLE_MEMORY_MANAGEMENT"), "{options:?}");
}
