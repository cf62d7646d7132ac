//! The upstream of all contenders: as little as HTTP/1.1 needs, in a process of its own, which counts what it answered.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::machine::Machine;

/// The body of every answer.
pub const BODY: &str = "Hello, world!";
/// What this program is told to be the upstream.
pub const ROLE: &str = "upstream";

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!";
const HEAD_END: &[u8] = b"\r\n\r\n";

/// The process, and its tongue.
pub struct Upstream {
    process: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Upstream {
    /// Starts it beside the measured core.
    pub fn start(machine: &Machine) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = machine.beside(program);
        let mut process = command.arg(ROLE).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let ask = process.stdin.take().expect("it is piped");
        let mut answers = BufReader::new(process.stdout.take().expect("it is piped"));
        let address = line(&mut answers).parse().expect("it says where it listens");
        Self { process, ask, answers, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests it has answered.
    pub fn answered(&mut self) -> u64 {
        self.ask.write_all(b"?").expect("the upstream lives");
        line(&mut self.answers).parse().expect("it says a number")
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn line(answers: &mut impl BufRead) -> String {
    let mut text = String::new();
    answers.read_line(&mut text).expect("the upstream lives");
    text.trim().to_owned()
}

/// The role itself: prints its address, and a count for each byte that comes in; ends where its input does.
pub fn serve() {
    let answered = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&answered);
    std::thread::spawn(move || {
        for _ in std::io::stdin().lock().bytes().map_while(Result::ok) {
            println!("{}", counted.load(Ordering::Relaxed));
        }
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime starts");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        println!("{}", listener.local_addr().expect("a bound socket has an address"));
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, Arc::clone(&answered)));
        }
    });
}

/// Answers every request of a connection; none has a body.
async fn converse(mut stream: TcpStream, answered: Arc<AtomicU64>) {
    let _ = stream.set_nodelay(true);
    let mut head = Vec::with_capacity(4096);
    while let Ok(1..) = stream.read_buf(&mut head).await {
        while let Some(end) = head.windows(HEAD_END.len()).position(|window| window == HEAD_END) {
            head.drain(..end + HEAD_END.len());
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}
