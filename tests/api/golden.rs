//! What errors say, word for word: `tests/error_texts.txt`, which `UPDATE_TEXTS=1` writes anew. Ports and times are left out.

mod calls;
mod metadata;
mod records;
mod sent;
mod settings;

use std::sync::Mutex;
use std::{env, fs, thread};

use kafka_producer::Error;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/error_texts.txt");

/// What went wrong, and what the error said of it.
type Texts = Vec<(&'static str, Error)>;

#[test]
fn every_error_names_what_its_reader_needs() {
    let groups = [settings::texts, records::texts, metadata::texts, sent::texts, calls::texts];
    let done = Mutex::new(vec![String::new(); groups.len()]);
    thread::scope(|scope| {
        for (index, texts) in groups.iter().enumerate() {
            let done = &done;
            scope.spawn(move || {
                let shown = texts().iter().map(show).collect();
                done.lock().expect("no panic")[index] = shown;
            });
        }
    });
    let texts = done.into_inner().expect("no panic").concat();
    if env::var_os("UPDATE_TEXTS").is_some() {
        fs::write(FILE, &texts).expect("the file can be written");
    }

    let known = fs::read_to_string(FILE).expect("the file is there");
    for (now, known) in texts.lines().zip(known.lines()) {
        assert_eq!(now, known);
    }
    assert_eq!(texts.lines().count(), known.lines().count());
}

fn show((situation, error): &(&str, Error)) -> String {
    let text = hide_digits(&error.to_string(), "127.0.0.1:", "");
    let text = hide_digits(&text, ", ", " ms after it was accepted");
    let text = hide_digits(&text, "socket.connection.setup.timeout.ms (", " ms)"); // drawn by chance
    let text = hide_digits(&text, "(os error ", ")");
    format!("{situation}\n    {text}\n")
}

/// Puts `N` for every number between `before` and `behind`.
fn hide_digits(text: &str, before: &str, behind: &str) -> String {
    let mut parts = text.split(before);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|character: char| character.is_ascii_digit());
        let is_number = rest.len() < part.len() && rest.starts_with(behind);
        shown += before;
        shown += &if is_number { format!("N{rest}") } else { part.to_owned() };
    }
    shown
}
