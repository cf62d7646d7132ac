//! What a user sees of what he allowed, and how he takes it back.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use narrowgate::clock::Timestamp;
use narrowgate::config::Consent;
use narrowgate::store::{FAMILY_PAGE, NewCode, NewFamily, Store, TakingCode, TokenDigest};

use super::authorize::is_guarded;
use super::granted::{VERIFIER, families, kept};
use super::moods::Moody;
use super::visitor::{PASSWORD, Page, Visitor, asking, world, world_over, world_with};
use super::world::{ONE, TWO, World};

/// Redeems a code, as `/token` does, and gives the root of the family that begins.
async fn redeemed(world: &World, browser: &Visitor<'_>, answer: &Page) -> String {
    let record = browser.granted(answer).await;
    let snapshot = world.gateway.current.load();
    let issuing = snapshot.issuing.as_ref().unwrap();
    let digest = TokenDigest::of(answer.told("code").unwrap().as_bytes());
    let now = Timestamp::now();
    let narrowgate::store::Code::Fresh { record: sealed, root } = issuing.store.peek_code(&digest, now).await.unwrap()
    else {
        panic!("it was taken");
    };
    let (until, end) = (Timestamp(now.0 + 300), record.ends());
    let family = NewFamily {
        client: record.client().to_owned(),
        subject: record.subject().to_string(),
        record: issuing.seals.grants.seal(&record.to_json()).unwrap(),
        leaf: TokenDigest::of(root.as_bytes()),
        until: end,
        tokens_until: until,
        end,
    };
    let taking = TakingCode { digest, record: sealed, family, now };
    issuing.store.take_code(&taking).await.unwrap();
    root
}

fn is_revoked(world: &World, root: &str) -> bool {
    world.gateway.current.load().issuing.as_ref().unwrap().revocations.contain(&format!("{root}.x"))
}

fn token(page: &Page) -> String {
    page.hidden("token")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_sees_what_he_allowed_and_takes_it_back() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[("resource", ONE), ("resource", TWO)])).await;
    let both = browser.answer(&consent, "allow", &[]).await;
    let both = redeemed(&world, &browser, &both).await;
    let one = browser.visit(&asking(&[("scope", "read")])).await;
    let one = redeemed(&world, &browser, &one).await;
    let page = browser.get("/grants").await;
    is_guarded(&page);
    for text in ["Reporting &#60;App&#62;", "Documents", TWO, "Change your documents", "In use since", "alice"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let form = [("token", token(&page)), ("client", "app".into()), ("api", TWO.into())];
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let after = browser.post("/grants", &form).await;
    assert_eq!((after.status, is_revoked(&world, &both), is_revoked(&world, &one)), (303, true, false));
    let page = browser.follow(after).await;
    assert!(page.text.contains(ONE) && !page.text.contains(TWO), "{}", page.text);
    assert!(browser.visit(&asking(&[("resource", TWO)])).await.title().starts_with("Allow"), "he is asked again");
    assert!(browser.visit(&asking(&[])).await.told("code").is_some(), "the other API stays allowed");
    let form = [("token", token(&page)), ("client", "app".into())];
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let page = browser.post("/grants", &form).await;
    let page = browser.follow(page).await;
    assert!(page.text.contains("No application") && is_revoked(&world, &one), "{}", page.text);
    assert!(browser.visit(&asking(&[])).await.title().starts_with("Allow"));
}

#[tokio::test(flavor = "multi_thread")]
async fn however_much_others_hold_all_that_is_taken_back_ends() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[])).await;
    let answer = browser.answer(&consent, "allow", &[]).await;
    let root = redeemed(&world, &browser, &answer).await;
    let (now, store) = (Timestamp::now(), kept(&world));
    for at in 0..5_100 {
        let (root, record, until) = (format!("--{at:04}"), Vec::new(), Timestamp(now.0 + 300));
        let digest = TokenDigest::of(root.as_bytes());
        store.save_code(&NewCode { digest, root, record: record.clone(), until }).await.unwrap();
        let family = NewFamily {
            client: "other".to_owned(),
            subject: "local|alice".to_owned(),
            record: record.clone(),
            leaf: digest,
            until,
            tokens_until: until,
            end: until,
        };
        store.take_code(&TakingCode { digest, record, family, now }).await.unwrap();
    }
    let token = token(&browser.get("/grants").await);
    let after = browser.post("/grants", &[("token", &token), ("client", "app")]).await;
    assert_eq!((after.status, is_revoked(&world, &root)), (303, true));
    assert_eq!(families(&world, "other").await, FAMILY_PAGE, "what others hold stands");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_taken_back_is_said() {
    let store = Arc::new(Moody::default());
    let world = world_over(Arc::clone(&store) as Arc<dyn Store>).await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[])).await;
    let answer = browser.answer(&consent, "allow", &[]).await;
    redeemed(&world, &browser, &answer).await;
    let token = token(&browser.get("/grants").await);
    store.unheard.store(1, SeqCst);
    let form = [("token", &*token), ("client", "app")];
    let page = browser.post("/grants", &form).await;
    assert_eq!((page.status, page.title()), (503, "Not everything is taken back yet".to_owned()));
    assert_eq!(browser.post("/grants", &form).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_or_takes_back_what_is_anothers() {
    let world = world().await;
    let mut alices = Visitor::new(&world);
    let consent = alices.reach_consent(&asking(&[])).await;
    let answer = alices.answer(&consent, "allow", &[]).await;
    let root = redeemed(&world, &alices, &answer).await;
    let mut bobs = Visitor::new(&world);
    let login = bobs.visit("/grants").await;
    assert_eq!(login.title(), "Sign in");
    let page = bobs.log_in(&login, "bob", PASSWORD).await;
    assert!(page.text.contains("No application"), "{}", page.text);
    for token in [token(&page), token(&alices.get("/grants").await), String::new()] {
        bobs.post("/grants", &[("token", &token), ("client", "app")]).await;
    }
    assert!(!is_revoked(&world, &root) && alices.get("/grants").await.text.contains(ONE));
    let forged = alices.post("/grants", &[("token", &token(&page)), ("client", "app")]).await;
    assert_eq!((forged.status, is_revoked(&world, &root)), (403, false), "the form was made for another session");
    let twice = alices.post("/grants", &[("token", "a"), ("token", "b"), ("client", "app")]).await;
    assert_eq!(twice.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_out_is_out() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    browser.reach_consent(&asking(&[])).await;
    let page = browser.get("/grants").await;
    let session = browser.cookies["__Host-narrowgate-session"].clone();
    assert_eq!(browser.post("/logout", &[("token", "wrong")]).await.status, 403);
    let out = browser.post("/logout", &[("token", &token(&page))]).await;
    assert_eq!((out.status, out.title()), (200, "You are signed out".to_owned()));
    is_guarded(&out);
    assert!(!browser.cookies.contains_key("__Host-narrowgate-session"));
    browser.cookies.insert("__Host-narrowgate-session".to_owned(), session);
    assert_eq!(browser.visit("/grants").await.title(), "Sign in", "the session has ended, whoever kept its cookie");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_went_away_can_still_be_taken_back_from() {
    let world = world_with(|_| {}).await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[])).await;
    let answer = browser.answer(&consent, "allow", &[]).await;
    let root = redeemed(&world, &browser, &answer).await;
    world.reload(|config| config.issuer.as_mut().unwrap().clients.retain(|client| client.id != "app"));
    let page = browser.get("/grants").await;
    assert!(page.text.contains("app") && page.text.contains("Read your documents"), "{}", page.text);
    browser.post("/grants", &[("token", &token(&page)), ("client", "app")]).await;
    assert!(is_revoked(&world, &root));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_signed_out_by_a_form_that_is_not_his() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    browser.reach_consent(&asking(&[])).await;
    let right = token(&browser.get("/grants").await);
    world.reload(|config| {
        config.issuer.as_mut().unwrap().login.as_mut().unwrap().users.retain(|user| user.name != "alice")
    });
    for wrong in ["", "wrong"] {
        assert_eq!(browser.post("/logout", &[("token", wrong)]).await.status, 403);
        assert!(browser.cookies.contains_key("__Host-narrowgate-session"), "although it does not count now");
    }
    assert_eq!(browser.post("/logout", &[("token", &right)]).await.status, 200);
    assert!(!browser.cookies.contains_key("__Host-narrowgate-session"));
    let nobody = browser.post("/logout", &[("token", "")]).await;
    assert_eq!((nobody.status, nobody.field("set-cookie")), (200, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_ask_is_said_not_to() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[])).await;
    browser.answer(&consent, "allow", &[]).await;
    assert!(!browser.get("/grants").await.text.contains("does not ask"));
    let ask = |consent: Consent| {
        world.reload(|config| {
            let clients = &mut config.issuer.as_mut().unwrap().clients;
            clients.iter_mut().filter(|client| client.id == "app").for_each(|client| client.consent = consent);
        });
    };
    ask(Consent::Never);
    let page = browser.get("/grants").await;
    assert!(page.text.contains("Read your documents") && page.text.contains("does not ask"), "{}", page.text);
    assert!(!page.text.contains("You will not be asked again"), "{}", page.text);
    let form = [("token", token(&page)), ("client", "app".into())];
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let after = browser.post("/grants", &form).await;
    assert!(browser.follow(after).await.text.contains("No application"));
    ask(Consent::Ask);
    assert!(browser.visit(&asking(&[])).await.title().starts_with("Allow"), "what he agreed to before is gone");
}

/// Nobody keeps a list of codes, and where users are not asked there is no consent to take back either.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_redeemed_yet_is_taken_back_also_where_nobody_is_asked() {
    let world = world_with(|config| {
        let clients = &mut config.issuer.as_mut().unwrap().clients;
        clients.iter_mut().filter(|client| client.id == "app").for_each(|client| client.consent = Consent::Never);
    })
    .await;
    let mut browser = Visitor::new(&world);
    let login = browser.visit(&asking(&[])).await;
    browser.log_in(&login, "alice", PASSWORD).await;
    let redeemed = async |answer: &Page| {
        let code = answer.told("code").expect("nobody is asked");
        let form = [("grant_type", "authorization_code"), ("code", &*code), ("code_verifier", VERIFIER)];
        world.post("/token", Some(("app", "app-s3cret")), &form).await.status
    };
    let answer = browser.visit(&asking(&[])).await;
    let form = [("token", token(&browser.get("/grants").await)), ("client", "app".into())];
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(browser.post("/grants", &form).await.status, 303);
    assert_eq!(redeemed(&answer).await, 400, "it was about");
    let answer = browser.visit(&asking(&[])).await;
    assert_eq!(redeemed(&answer).await, 200, "it came later");
}
