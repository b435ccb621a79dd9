//! How the pages look, as far as it can be measured: nothing is wider than the window, and whatever is written stands
//! out from what is behind it.

use serde_json::json;

use crate::browser::Browser;
use crate::support::TestServer;

const PAGES: [&str; 24] = [
    "/sessions",
    "/sessions?filter=user:x+cost:%3Eten",
    "/sessions/conversation-1002",
    "/sessions/conversation-1002?view=waterfall",
    "/sessions/sess_01hxcheckout?view=events",
    "/sessions/conversation-1002?view=cost",
    "/sessions/conversation-1002?view=json",
    "/sessions/%22%3E%3Cscript%3Ealert%28%27id%27%29%3C%2Fscript%3E%2F..%2Fx%3Fy%23z",
    "/sessions/%22%3E%3Cscript%3Ealert%28%27id%27%29%3C%2Fscript%3E%2F..%2Fx%3Fy%23z/replay",
    "/traces/4b4b4b4b4b4b4b4bffffffffffffffff",
    "/traces",
    "/events",
    "/events?filter=level:error",
    "/live",
    "/sessions/conversation-1002/replay",
    "/analytics",
    "/analytics/goals",
    "/analytics/goals?goal=error:false",
    "/analytics/journeys",
    "/analytics/scores",
    "/analytics/usage",
    "/analytics/users",
    "/nowhere",
    "/sessions?filter=user:nobody",
];

/// Texts with less than 4.5 to 1 (3 to 1 where they are large) between them and what is behind, as WCAG AA asks.
const FAINT_TEXTS: &str = r#"
    const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgb = (colour) => {
      paint.clearRect(0, 0, 1, 1);
      paint.fillStyle = colour;
      paint.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = paint.getImageData(0, 0, 1, 1).data;
      return { channels: [r, g, b], a: a / 255 };
    };
    const over = (front, back) => front.channels.map((value, i) => value * front.a + back[i] * (1 - front.a));
    const behind = (element) => {
      if (!element) return [255, 255, 255];
      const own = rgb(getComputedStyle(element).backgroundColor);
      return own.a === 1 ? own.channels : over(own, behind(element.parentElement));
    };
    const light = (channels) => channels
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
      .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
    const faint = new Set();
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const element = texts.currentNode.parentElement;
      if (!texts.currentNode.data.trim() || element.closest(".sr, .skip, .forming, dialog, [popover], title, desc")) continue;
      if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
      const style = getComputedStyle(element);
      const back = behind(element);
      const front = over(rgb(element.closest("svg") ? style.fill : style.color), back);
      const [dark, bright] = [light(front), light(back)].sort((a, b) => a - b);
      const least = parseFloat(style.fontSize) >= 24 ? 3 : 4.5;
      const contrast = (bright + 0.05) / (dark + 0.05);
      if (contrast < least) faint.add(`${contrast.toFixed(2)} .${element.className}: ${texts.currentNode.data.trim().slice(0, 30)}`);
    }
    return [...faint].slice(0, 10);
"#;

pub(crate) async fn every_page_fits_and_can_be_read(browser: &Browser, server: &TestServer) {
    for theme in ["light", "dark"] {
        browser.open(server, "/live").await;
        browser.run(&format!("document.cookie = 'theme={theme}; path=/'")).await;
        for width in [380, 2560] {
            browser.client.set_window_size(width, 900).await.unwrap();
            assert_eq!(browser.run("return innerWidth").await, width);
            for path in PAGES {
                browser.client.goto(&format!("{}{path}", server.url())).await.unwrap();
                assert_eq!(browser.run("return document.documentElement.dataset.theme").await, theme);
                let wider = browser
                    .run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
                    .await;
                assert_eq!(wider, json!(0), "{path} is too wide for {width} px");
                assert_eq!(browser.run(FAINT_TEXTS).await, json!([]), "{path} in the {theme} theme");
            }
        }
    }
}
