//! The pages in a real browser: headless Chromium, driven through chromedriver.
//!
//! Skipped where chromedriver is not installed, unless `THROUGHLINE_REQUIRE_BROWSER` is set.

use std::io::{BufRead, BufReader};
use std::panic::AssertUnwindSafe;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::{Client, ClientBuilder, Locator};
use futures_util::FutureExt;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use throughline_model::ProjectId;
use throughline_server::domain::arrival::{Arrival, ArrivalRecord};
use throughline_server::domain::price::Prices;
use throughline_server::store::memory::MemoryStore;

use crate::looks;
use crate::pages::shelf::Shelf;
use crate::pages::{large, story};
use crate::support::{Request, TestServer};

/// A running browser with what must be taken down after it.
pub(crate) struct Browser {
    pub(crate) client: Client,
    driver: Driver,
    _profile: tempfile::TempDir,
}

/// The chromedriver process; killed when dropped, so that a failed test leaves nothing behind.
struct Driver {
    process: Child,
    url: String,
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Driver {
    /// `None` if there is no chromedriver on this machine.
    fn start() -> Option<Self> {
        let started =
            Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process = started.ok()?;
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            line.split_once("successfully on port ").map(|(_, port)| port.trim_end_matches('.').to_owned())
        });
        let url = format!("http://127.0.0.1:{}", port.expect("chromedriver says its port"));
        Some(Self { process, url })
    }
}

impl Browser {
    pub(crate) async fn start() -> Option<Self> {
        let Some(driver) = Driver::start() else {
            assert!(
                std::env::var_os("THROUGHLINE_REQUIRE_BROWSER").is_none(),
                "chromedriver is not installed"
            );
            println!("skipped: chromedriver is not installed, so the pages are not tested in a browser");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let capabilities =
            json!({"goog:chromeOptions": {"args": flags}, "goog:loggingPrefs": {"browser": "ALL"}});
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&driver.url)
            .await
            .unwrap();
        Some(Self { client, driver, _profile: profile })
    }

    pub(crate) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Waits until the script is true.
    pub(crate) async fn until(&self, script: &str) {
        for _ in 0..300 {
            // A page that is being left answers with an error.
            if self.client.execute(script, Vec::new()).await.is_ok_and(|value| value == json!(true)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let url = self.client.current_url().await.unwrap();
        panic!("never true at {url}: {script}");
    }

    pub(crate) async fn press(&self, keys: &str) {
        for key in keys.chars() {
            let actions = KeyActions::new("keyboard".to_owned())
                .then(KeyAction::Down { value: key })
                .then(KeyAction::Up { value: key });
            self.client.perform_actions(actions).await.unwrap();
        }
    }

    pub(crate) async fn open(&self, server: &TestServer, path: &str) {
        self.client.goto(&format!("{}{path}", server.url())).await.unwrap();
        self.until("return document.documentElement.classList.contains('js')").await;
    }

    pub(crate) async fn click(&self, selector: &str) {
        self.client.find(Locator::Css(selector)).await.unwrap().click().await.unwrap();
    }

    /// What the console says is wrong, policy violations among it.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let session = self.client.session_id().await.unwrap().unwrap();
        let request = Request::new("POST", &self.driver.url, &format!("/session/{session}/se/log"));
        let reply = request.json().body(r#"{"type":"browser"}"#).send().await;
        let log: Value = serde_json::from_slice(&reply.body).unwrap();
        let entries = log["value"].as_array().unwrap();
        let bad =
            entries.iter().filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")));
        // Pages about a filter that cannot be read, and about what is not there, answer so on purpose.
        let meant =
            |said: &String| ["status of 400", "status of 404"].iter().any(|status| said.contains(status));
        bad.map(|entry| entry["message"].to_string()).filter(|said| !meant(said)).collect()
    }

    pub(crate) async fn close(self) {
        self.client.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_work_in_a_browser() {
    let Some(browser) = Browser::start().await else { return };
    let story = story::everything();
    let shelf = Arc::new(Shelf::new(story.traces, story.events));
    let server = TestServer::with_store(shelf.clone(), &[]).await;

    let outcome = AssertUnwindSafe(everything(&browser, &server, &shelf)).catch_unwind().await;
    // A test that fails must not leave a browser running.
    browser.close().await;
    server.stop().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

async fn everything(browser: &Browser, server: &TestServer, shelf: &Shelf) {
    from_the_list_to_an_observation(browser, server).await;
    by_keyboard(browser, server).await;
    the_trace_is_read_without_losing_the_place(browser, server).await;
    later_turns_come_when_scrolled_to(browser, server).await;
    light_and_dark(browser, server).await;
    arrivals_are_shown_live(browser, server, shelf).await;
    arrivals_in_lists_are_announced(browser).await;
    a_long_turn_goes_on_when_scrolled_to(browser).await;
    assert_eq!(browser.complaints().await, [""; 0]);
    looks::every_page_fits_and_can_be_read(browser, server).await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

async fn from_the_list_to_an_observation(browser: &Browser, server: &TestServer) {
    browser.open(server, "/").await;
    browser.until("return location.pathname === '/sessions' && document.querySelectorAll('[data-row]').length === 50").await;
    let field = browser.client.find(Locator::Css("input[type=search]")).await.unwrap();
    field.send_keys("user:dana\u{e007}").await.unwrap();
    browser.until("return document.querySelectorAll('[data-row]').length === 1").await;
    // Anywhere on the row, not only on the title.
    browser
        .run(
            "const box = document.querySelector('[data-row] .c-turns').getBoundingClientRect();
             document.elementFromPoint(box.x + 4, box.y + 4).click()",
        )
        .await;
    browser.until("return location.pathname === '/sessions/conversation-long'").await;
    browser.click("#turn-1 .turn-head .open").await;
    browser.until("return location.pathname.startsWith('/traces/')").await;
    browser.click(".w-row:nth-of-type(4) .row-link").await;
    browser.until("return document.querySelector('#record h2').textContent === 'chat gpt-4o'").await;
    browser.until("return location.search.includes('observation=')").await;
}

async fn by_keyboard(browser: &Browser, server: &TestServer) {
    browser.open(server, "/sessions").await;
    browser.press("jjk").await;
    browser.until("return document.querySelectorAll('[data-row]')[0].contains(document.activeElement)").await;
    browser.press("j").await;
    let title = browser.run("return document.activeElement.textContent").await;
    browser.press("\u{e007}").await;
    browser.until("return location.pathname.startsWith('/sessions/')").await;
    browser.until("return document.documentElement.classList.contains('js')").await;
    assert_eq!(browser.run("return document.querySelector('h1').textContent").await, title);
    browser.press("ge").await;
    browser
        .until("return location.pathname === '/events' && document.documentElement.classList.contains('js')")
        .await;
    browser.press("/").await;
    browser.until("return document.activeElement.matches('input[type=search]')").await;
    // In the field the keys are letters.
    browser.press("j?").await;
    browser.until("return document.activeElement.value === 'j?'").await;
    browser.press("\u{e00c}").await;
    browser.press("?").await;
    browser.until("return document.querySelector('dialog.help').open").await;
    browser.press("\u{e00c}").await;
    browser.until("return !document.querySelector('dialog.help').open").await;
}

async fn the_trace_is_read_without_losing_the_place(browser: &Browser, server: &TestServer) {
    browser.open(server, "/traces/4b4b4b4b4b4b4b4bffffffffffffffff").await;
    browser.run("scrollTo(0, 4000); window.kept = true").await;
    let row = "document.querySelectorAll('.w-row')[170]";
    let name = browser
        .run(&format!("const row = {row}.querySelector('.row-link'); row.click(); return row.textContent"))
        .await;
    browser.until(&format!("return document.querySelector('#record h2').textContent === {name}")).await;
    browser
        .until("return window.kept && scrollY > 3000 && document.querySelector('.w-row.selected') !== null")
        .await;
    browser.client.back().await.unwrap();
    browser.until("return document.querySelector('#record h2').textContent === 'crawl'").await;
    // Closing a subtree hides its rows.
    browser.run("document.querySelectorAll('.toggle[href]')[1].click()").await;
    browser.until("return document.querySelector('.hidden-rows')?.textContent === '99'").await;
}

async fn later_turns_come_when_scrolled_to(browser: &Browser, server: &TestServer) {
    browser.open(server, "/sessions/conversation-long").await;
    assert_eq!(browser.run("return document.querySelectorAll('.turn').length").await, json!(10));
    browser.run("scrollTo(0, document.body.scrollHeight)").await;
    browser.until("return document.querySelectorAll('.turn').length >= 20").await;
    assert_eq!(browser.run("return document.querySelectorAll('#turn-11').length").await, json!(1));
}

async fn light_and_dark(browser: &Browser, server: &TestServer) {
    const PAPER: &str = "return getComputedStyle(document.body).backgroundColor";
    browser.open(server, "/sessions").await;
    let before = browser.run(PAPER).await;
    browser.click("form.theme button").await;
    browser.until("return document.documentElement.dataset.theme !== undefined").await;
    let after = browser.run(PAPER).await;
    assert_ne!(before, after);
    // The server knows it on the next page, before any script has run.
    browser.open(server, "/events").await;
    assert_eq!(browser.run(PAPER).await, after);
    let source = browser.client.source().await.unwrap();
    assert!(source.contains("data-theme=\"dark\"") || source.contains("data-theme=\"light\""));
}

async fn arrivals_are_shown_live(browser: &Browser, server: &TestServer, shelf: &Shelf) {
    const ROWS: &str = "document.querySelectorAll('#live [data-row]')";
    browser.open(server, "/live?filter=level:error").await;
    browser.until("return document.getElementById('live-state').textContent === 'Listening'").await;
    let send = |wanted: usize| {
        for event in shelf.events.iter().take(wanted) {
            let record = ArrivalRecord::Event(Box::new(event.clone()));
            shelf.sender.send(Arrival { project: ProjectId::default(), record }).unwrap();
        }
    };
    // Only the last of the checkout's seven events is an error.
    send(7);
    browser.until(&format!("return {ROWS}.length === 1")).await;
    browser.until(&format!("return {ROWS}[0].textContent.includes('email.failed')")).await;
    browser.click("#live-pause").await;
    send(7);
    browser.until("return document.getElementById('live-state').textContent === 'Paused, 1 held back'").await;
    assert_eq!(browser.run(&format!("return {ROWS}.length")).await, json!(1));
    browser.click("#live-pause").await;
    browser.until(&format!("return {ROWS}.length === 2")).await;
    browser.click("#live-clear").await;
    browser.until(&format!("return {ROWS}.length === 0")).await;

    // Hostile text stays text.
    browser.open(server, "/live").await;
    browser.until("return document.getElementById('live-state').textContent === 'Listening'").await;
    send(shelf.events.len());
    browser
        .until(&format!("return [...{ROWS}].some((row) => row.textContent.includes('<script>alert(1)'))"))
        .await;
    assert_eq!(
        browser.run("return document.querySelectorAll('#live script, #live img').length").await,
        json!(0)
    );
}

async fn arrivals_in_lists_are_announced(browser: &Browser) {
    const SAID: &str = "document.querySelector('[data-arrivals]').textContent";
    let server = TestServer::with_store(Arc::new(MemoryStore::new(Prices::builtin())), &[]).await;
    let send = async |events: Value| {
        assert_eq!(server.post("/api/v1/events").json().body(events.to_string()).send().await.status, 200);
    };
    let event = |id: &str, level: &str| json!({"id": id, "name": "order.shipped", "level": level});
    send(json!([event("1", "error")])).await;
    browser.open(&server, "/events?filter=level:error").await;
    assert_eq!(browser.run(&format!("return {SAID}")).await, "");
    send(json!([event("2", "info"), event("3", "error"), event("4", "error")])).await;
    browser.until(&format!("return {SAID} === '2 new events Show'")).await;
    assert_eq!(browser.run("return document.querySelectorAll('[data-row]').length").await, json!(1));
    browser.click("[data-arrivals] a").await;
    browser.until("return document.querySelectorAll('[data-row]').length === 3").await;
    assert_eq!(browser.run("return location.search").await, "?filter=level:error");
    assert_eq!(browser.run(&format!("return {SAID}")).await, "");
    browser.open(&server, "/sessions").await;
    server.stop().await;
}

async fn a_long_turn_goes_on_when_scrolled_to(browser: &Browser) {
    let story = large::agent(200);
    let server = TestServer::with_store(Arc::new(Shelf::new(story.traces, story.events)), &[]).await;
    browser.open(&server, "/sessions/agent-run").await;
    let told = "document.querySelectorAll('#talk-1 > *').length";
    assert!(browser.run(&format!("return {told}")).await.as_u64().unwrap() < 60);
    // To the end, as often as there is more.
    browser.until(&format!("scrollTo(0, document.body.scrollHeight); return {told} > 590")).await;
    browser.until("return document.querySelector('a[data-more]') === null").await;
    let parts = "[...document.querySelectorAll('#talk-1 .reasoning')].map((told) => told.textContent.match(/Part \\d+/)[0])";
    let once = browser.run(&format!("const told = {parts}; return [told.length, new Set(told).size]")).await;
    assert_eq!(once, json!([200, 200]), "every step once");
    server.stop().await;
}
