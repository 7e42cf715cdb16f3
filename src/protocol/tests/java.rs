//! Java's own classes, generated from Kafka's schemas, write the bytes that we write, and we read what they make up.

use crate::java_oracle::{self, LAST_OF_3, NEWEST, bytes_of, digits};
use crate::protocol::request_header::RequestHeader;

use super::*;

/// Messages of each type and version, in each direction.
const COUNT: u64 = 60;
const PROGRAM: &str = "Messages.java";

/// A line for Java, and what is to be made of the answer.
struct Question {
    line: String,
    version: i16,
    check: fn(&Self, answer: &str),
}

/// A request, which has a header, or the body of a response.
trait Directed: Message {
    const KIND: &str;

    /// `payload` is what the line ends with.
    fn question(version: i16, payload: &str, check: fn(&Question, &str)) -> Question {
        let line = format!("{}\t{}\t{version}\t{payload}", Self::KIND, Self::API.id());
        Question { line, version, check }
    }
}

macro_rules! directed {
    ($($kind:literal: $($message:ty),*;)*) => {
        $($(impl Directed for $message {
            const KIND: &str = $kind;
        })*)*

        /// Our messages, to be read and written by Java.
        fn ours() -> Vec<Question> {
            [$($(ours_of::<$message>()),*),*].into_iter().flatten().collect()
        }

        /// Messages that Java is to make up.
        fn theirs() -> Vec<Question> {
            [$($(theirs_of::<$message>()),*),*].into_iter().flatten().collect()
        }
    };
}

directed! {
    "request": ApiVersionsRequest, InitProducerIdRequest, MetadataRequest, ProduceRequest<Vec<u8>>;
    "response": ApiVersionsResponse, InitProducerIdResponse, MetadataResponse, ProduceResponse;
}

#[test]
fn java_reads_every_message_of_ours_and_writes_the_same_bytes() {
    if java_oracle::is_available() {
        ask_all(&ours());
    }
}

#[test]
fn we_read_every_message_that_java_makes_up_and_write_the_same_bytes() {
    if java_oracle::is_available() {
        ask_all(&theirs());
    }
}

fn ours_of<M: Directed>() -> Vec<Question> {
    let mut questions = Vec::new();
    for_samples(COUNT, |version, message: M| {
        let mut bytes = Vec::new();
        if M::KIND == "request" {
            // To Java no name is an empty one.
            let client_id = Some(["", "über-client"][questions.len() % 2]);
            let correlation_id = i32::try_from(questions.len()).expect("a few");
            RequestHeader { api: M::API, version, correlation_id, client_id }.encode(&mut bytes);
        }
        Message::encode(&message, version, &mut bytes);
        questions.push(M::question(version, &digits(&bytes), |question, answer| {
            assert_eq!(question.line.rsplit('\t').next(), Some(answer), "{}", question.line);
        }));
    });
    questions
}

fn theirs_of<M: Directed>() -> Vec<Question> {
    let of_version = |version| {
        (0..COUNT).map(move |seed| M::question(version, &format!("?{seed}"), check_reading::<M>))
    };
    M::API.versions().flat_map(of_version).collect()
}

fn check_reading<M: Directed>(question: &Question, theirs: &str) {
    let Question { line, version, .. } = question;
    let bytes = bytes_of(theirs);
    let mut reader = Reader::new(&bytes);
    let mut ours = Vec::new();
    if M::KIND == "request" {
        let header = RequestHeader::decode(&mut reader).expect("a header");
        assert_eq!((header.api, header.version), (M::API, *version), "{line}");
        header.encode(&mut ours);
    }
    let message = M::decode(*version, &mut reader).expect("a message");
    Message::encode(&message, *version, &mut ours);

    assert_eq!(digits(&ours), theirs, "{line}: {message:?}");
    assert_eq!(reader.remaining(), 0, "{line}");
}

/// Asks the newest release, and an older one for what that does not know any more.
fn ask_all(questions: &[Question]) {
    let unknown = ask(&NEWEST, &questions.iter().collect::<Vec<_>>());
    let unknown = ask(&LAST_OF_3, &unknown);

    assert!(unknown.is_empty(), "no release knows {}", unknown[0].line);
}

/// Returns the questions about versions that this release does not know.
fn ask<'a>(release: &java_oracle::Release, questions: &[&'a Question]) -> Vec<&'a Question> {
    if questions.is_empty() {
        return Vec::new();
    }
    let lines: Vec<_> = questions.iter().map(|question| question.line.clone()).collect();
    let answers = java_oracle::ask(release, PROGRAM, &lines);
    let mut unknown = Vec::new();
    for (question, answer) in questions.iter().zip(answers) {
        match answer.as_str() {
            "unknown" => unknown.push(*question),
            answer => (question.check)(question, answer),
        }
    }
    unknown
}
