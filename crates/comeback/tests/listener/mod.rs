//! A webhook on this machine.

#![allow(dead_code, reason = "no test uses all of it")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::Value;

/// Takes what is posted, and answers what it was told to. It ends with the test.
pub struct Listener {
    port: u16,
    posted: Receiver<(String, Value)>,
    answers: Sender<String>,
}

impl Listener {
    pub fn new() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let (tell, posted) = channel();
        let (answers, next) = channel();
        std::thread::spawn(move || {
            for stream in socket.incoming() {
                let stream = stream.unwrap();
                let answer = next
                    .try_recv()
                    .unwrap_or_else(|_| "HTTP/1.1 200 OK\r\n\r\nok".to_owned());
                if tell.send(serve(stream, &answer)).is_err() {
                    return;
                }
            }
        });
        Self { port, posted, answers }
    }

    /// The address of a path here.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Answers the next one with this, whole: `HTTP/1.1 500 …`.
    pub fn answer(&self, answer: &str) {
        self.answers.send(answer.to_owned()).unwrap();
    }

    /// What was posted since the last time, each with its path.
    pub fn posted(&self) -> Vec<(String, Value)> {
        self.posted.try_iter().collect()
    }
}

fn serve(mut stream: TcpStream, answer: &str) -> (String, Value) {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while lines.read_line(&mut head).unwrap() > 2 {}
    let length = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.trim().parse().unwrap());
    let mut body = vec![0; length];
    lines.read_exact(&mut body).unwrap();
    stream.write_all(answer.as_bytes()).unwrap();
    let request = head.lines().next().unwrap_or_default();
    let path = request.split(' ').take(2).collect::<Vec<_>>().join(" ");
    (path, serde_json::from_slice(&body).unwrap_or(Value::Null))
}
