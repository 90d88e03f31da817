//! Tokens, enrolment codes and the program's own keys.

use std::collections::BTreeMap;
use std::time::Duration;

use bellboard::channels::form::values_from_text;
use bellboard::domain::access::{Scope, SecretHash};
use bellboard::domain::channel::Channel;
use bellboard::domain::command::{Command, DestinationForm, EnrolBy};
use bellboard::domain::id::TokenId;
use bellboard::store::error::CommandError;

use crate::support::{TestStore, acme};

const DEVICE: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";

fn device(token: &str, name: &str) -> DestinationForm {
    let fields =
        BTreeMap::from([("device_token".to_owned(), token.to_owned()), ("device".to_owned(), name.to_owned())]);
    DestinationForm { label: String::new(), only: Vec::new(), fields: values_from_text(Channel::Ios, &fields).unwrap() }
}

async fn invited(test: &TestStore) -> SecretHash {
    let done = test.run(Command::Invite { account: acme(), channel: Channel::Ios }).await.unwrap();
    SecretHash::of_code(done.secret.unwrap().expose())
}

#[tokio::test]
async fn a_token_is_known_until_it_is_revoked() {
    let test = TestStore::acme().await;
    let command = Command::CreateToken { name: "billing".to_owned(), scope: Scope::Emit, account: Some(acme()) };
    let secret = test.run(command).await.unwrap().secret.unwrap();
    let hash = SecretHash::of(secret.expose());
    let token = test.store.token(hash).await.unwrap().unwrap();
    assert_eq!((token.name.as_str(), token.scope, token.account.clone()), ("billing", Scope::Emit, Some(acme())));
    assert_eq!(test.store.token(SecretHash::of("bell_other")).await.unwrap(), None);
    test.store.token_used(token.id).await.unwrap();
    assert_eq!(test.store.token(hash).await.unwrap().unwrap().last_used_at, Some(test.clock_now()));
    test.run(Command::RevokeToken { id: token.id }).await.unwrap();
    assert_eq!(test.store.token(hash).await.unwrap(), None);
    let again = test.run(Command::RevokeToken { id: token.id }).await.unwrap();
    assert!(again.change.is_none(), "{}", again.says);
    let unknown = test.run(Command::RevokeToken { id: TokenId::new(99) }).await.unwrap_err();
    assert!(matches!(unknown, CommandError::NotFound(_)));
    let database = std::fs::read(test.store.path()).unwrap();
    assert!(!contains(&database, secret.expose().as_bytes()), "only the hash is kept");
}

#[tokio::test]
async fn a_code_enrols_once_and_soon() {
    let test = TestStore::acme().await;
    let code = invited(&test).await;
    let enrol =
        |code, channel| Command::Enrol { by: EnrolBy::Code(code), channel, form: device(DEVICE, "Jane's phone") };
    let wrong = test.run(enrol(SecretHash::of_code("00000-00000-00000"), Channel::Ios)).await.unwrap_err();
    assert!(matches!(wrong, CommandError::NotFound(_)), "{wrong}");
    let other = test.run(enrol(code, Channel::Browser)).await.unwrap_err();
    assert!(matches!(other, CommandError::NotFound(_)), "for another channel: {other}");
    let done = test.run(enrol(code, Channel::Ios)).await.unwrap();
    let shown = SecretHash::of(done.secret.unwrap().expose());
    assert_eq!(test.store.access(shown).await.unwrap(), done.destination);
    let again = test.run(enrol(code, Channel::Ios)).await.unwrap_err();
    assert!(again.to_string().contains("has been used"), "{again}");
    let late = invited(&test).await;
    test.clock.advance(Duration::from_hours(1));
    let expired = test.run(enrol(late, Channel::Ios)).await.unwrap_err();
    assert!(expired.to_string().contains("has expired"), "{expired}");
    test.run(Command::RemoveDestination { id: done.destination.unwrap() }).await.unwrap();
    assert_eq!(test.store.access(shown).await.unwrap(), None, "what was removed speaks no more");
}

#[tokio::test]
async fn a_device_that_registers_again_stays_one() {
    let test = TestStore::acme().await;
    let enrol = |token: &str| Command::Enrol {
        by: EnrolBy::Token(acme()),
        channel: Channel::Ios,
        form: device(token, "Jane's phone"),
    };
    let first = test.run(enrol(DEVICE)).await.unwrap();
    let id = first.destination.unwrap();
    test.run(Command::SetDestinationState { id, state: bellboard::domain::destination::DestinationState::Disabled })
        .await
        .unwrap();
    let second = test.run(enrol(&DEVICE.to_uppercase())).await.unwrap();
    assert_eq!(second.destination, Some(id));
    let (_, destination) = test.store.destination(id).await.unwrap();
    assert_eq!(destination.state.name(), "enabled", "whoever registers is there");
    let other = test.run(enrol(&DEVICE.replace('0', "1"))).await.unwrap();
    assert_ne!(other.destination, Some(id));
    test.run(Command::RemoveAccount { key: acme() }).await.unwrap();
}

#[tokio::test]
async fn a_key_is_made_once() {
    let test = TestStore::acme().await;
    let first = test.store.key("links", || Some(vec![1; 32])).await.unwrap();
    let second = test.store.key("links", || Some(vec![2; 32])).await.unwrap();
    assert_eq!((first.as_slice(), second.as_slice()), ([1; 32].as_slice(), [1; 32].as_slice()));
    let database = std::fs::read(test.store.path()).unwrap();
    assert!(!contains(&database, &[1; 32]), "it is sealed");
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
