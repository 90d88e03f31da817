//! Every way that is known to smuggle a private address past a check, and a line past a header, through every channel.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bellboard::channels::email::EmailOptions;
use bellboard::channels::form::values_from_text;
use bellboard::channels::{self, Options, Settings};
use bellboard::domain::channel::Channel;
use bellboard::domain::delivery::Answer;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::net::TcpListener;

use crate::channels::conformance::{OVER_HTTP, senders_to, typed};
use crate::channels::far_end::{Does, start};
use crate::channels::{message, options, settings};

/// Hosts that lead to this machine or into its network, however they are written.
const HOSTS: [&str; 34] = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "00000177.1",
    "0",
    "0.0.0.0",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "１２７.0.0.1",
    "%31%32%37.0.0.1",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "ｌocalhost",
    "user:password@127.0.0.1",
    "one.acme.test@127.0.0.1",
    "one.acme.test%40@127.0.0.1",
    "[::1]",
    "[::]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::127.0.0.1]",
    "[2002:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
];

/// Of the machine's own network, and of what clouds tell their machines.
const MORE: [&str; 8] = [
    "10.0.0.1",
    "169.254.169.254",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "192.168.1.1",
    "100.100.100.200",
    "[::ffff:169.254.169.254]",
    "198.18.0.1",
];

/// The channel's settings for that host; nothing when its form refuses them.
fn at(channel: Channel, scheme: &str, host: &str) -> Option<Settings> {
    let typed = typed(channel, &format!("{scheme}://{host}"))?;
    let text: BTreeMap<String, String> = typed.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    let mut values = values_from_text(channel, &text).ok()?;
    channels::complete(channel, &mut values).ok()?;
    channels::parse(channel, &values).ok()
}

#[tokio::test]
async fn no_way_of_writing_it_leads_to_a_private_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connected = Arc::new(AtomicUsize::new(0));
    let count = connected.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut refused = 0;
    for host in HOSTS.iter().chain(&MORE) {
        for (scheme, port) in [("http", port), ("https", port), ("http", 22), ("https", 65535)] {
            for channel in OVER_HTTP {
                let Some(settings) = at(channel, scheme, &format!("{host}:{port}")) else { continue };
                let what = format!("{channel} {scheme}://{host}:{port}");
                // Apple's server is of the config, and is given as the same host.
                let Ok(address) = format!("{scheme}://{host}:{port}").parse::<url::Url>() else { continue };
                let senders = senders_to(Options::default(), address.as_str());
                let exchange = senders.send(&settings, &message()).await;
                let error = exchange.result.err().unwrap_or_else(|| panic!("{what}: sent"));
                let reason = error.reason().to_string();
                assert!(reason.contains("[network] allow") || reason.contains("cannot be found"), "{what}: {reason}");
                assert!(exchange.request.is_none(), "{what}: nothing left");
                refused += 1;
            }
        }
    }
    assert!(refused > HOSTS.len() * OVER_HTTP.len(), "most of them reach the gate: {refused}");
    assert_eq!(connected.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_mail_server_passes_the_same_gate() {
    let settings = settings(Channel::Email, &[("address", "ops@acme.test")]);
    for host in HOSTS.iter().chain(&MORE) {
        let email = EmailOptions {
            server: Some(format!("smtp://{host}:25?tls=none")),
            from: Some("bells@acme.test".to_owned()),
            ..EmailOptions::default()
        };
        let Ok(senders) = channels::Senders::new(Options { email, ..Options::default() }) else { continue };
        let exchange = senders.send(&settings, &message()).await;
        let error = exchange.result.err().unwrap_or_else(|| panic!("{host}: sent"));
        let reason = error.reason().to_string();
        let said = ["[network] allow", "cannot be found", "host"].iter().any(|words| reason.contains(words));
        assert!(said, "{host}: {reason}");
    }
}

/// The head of a request as the other end saw it, who repeats it all.
fn head(answer: &Answer) -> String {
    answer.body.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase()
}

#[test]
fn no_field_of_any_channel_makes_a_header_line() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let address = runtime.block_on(start(Does::Answers(200)));
    let breaks = proptest::sample::select(vec![
        "\r\n",
        "\n",
        "\r",
        "\r\n ",
        "\0\r\n",
        "\u{85}",
        "\u{2028}",
        "%0d%0a",
        "%0A",
        "\\r\\n",
        "\u{10a}",
        "\u{560d}\u{560a}",
        "\x0b",
        "\x0c",
    ]);
    let channel = proptest::sample::select(OVER_HTTP.to_vec());
    let case = (channel, any::<proptest::sample::Index>(), breaks, "[a-z]{0,4}", any::<bool>());
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&case, |(channel, field, between, word, in_message)| {
        let mut typed: BTreeMap<String, String> =
            typed(channel, &address).unwrap().into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        let injected = format!("{word}{between}x-injected: yes{between}{between}GET /injected HTTP/1.1");
        let mut message = message();
        if in_message {
            message.account_name = injected;
        } else {
            let fields = channels::fields(channel);
            let field = fields[field.index(fields.len())];
            typed.entry(field.name.to_owned()).or_default().push_str(&injected);
        }
        // What the form refuses cannot be sent.
        let Ok(mut values) = values_from_text(channel, &typed) else { return Ok(()) };
        if channels::complete(channel, &mut values).is_err() {
            return Ok(());
        }
        let Ok(settings) = channels::parse(channel, &values) else { return Ok(()) };
        let exchange = runtime.block_on(senders_to(options(false), &address).send(&settings, &message));
        if let Some(answer) = &exchange.answer {
            let head = head(answer);
            // A header of the person's own, on a line of its own, is what that field is for.
            let own = channel == Channel::Webhook && typed["headers"].contains("x-injected") && !in_message;
            prop_assert!(own || !head.lines().any(|line| line.starts_with("x-injected")), "{head}");
            prop_assert!(!head.lines().any(|line| line.starts_with("get /injected")), "{head}");
        }
        let kept = exchange.request.map(|request| request.headers).unwrap_or_default();
        prop_assert!(kept.iter().all(|(name, value)| !name.contains(['\r', '\n']) && !value.contains(['\r', '\n'])));
        Ok(())
    });
    ran.unwrap();
}

#[tokio::test]
async fn what_is_packed_is_not_unpacked() {
    for packing in ["content-encoding: gzip\r\n", "content-encoding: br, gzip, deflate, zstd\r\n"] {
        let address = start(Does::AnswersWith(200, packing)).await;
        let settings = at(Channel::Webhook, "http", address.trim_start_matches("http://")).unwrap();
        let exchange = senders_to(options(false), &address).send(&settings, &message()).await;
        assert!(exchange.result.is_ok(), "{exchange:?}");
        let sent = exchange.request.unwrap();
        assert!(!sent.headers.iter().any(|(name, _)| name == "accept-encoding"), "nothing packed is asked for");
        assert!(exchange.answer.unwrap().body.starts_with("POST /in"), "it is kept as it came");
    }
}
