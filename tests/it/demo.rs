//! The demo's web page in a real browser, as the README promises it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::chromium::drive;

/// A demo that ends with the test.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_consents_and_sees_two_isolated_tokens() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_narrowgate"));
    command.arg("demo").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut demo = Demo(command.spawn().expect("the program can be run"));
    let lines = BufReader::new(demo.0.stdout.take().expect("stdout is piped")).lines().map_while(Result::ok);
    let mut pages = lines.filter_map(|line| {
        let (page, _) = line.strip_prefix("# In a browser: ")?.split_once(' ')?;
        Some(page.to_owned())
    });
    let page = pages.next().expect("the demo says where its page is");
    drive("demo.mjs", json!({ "page": page })).await;
}
