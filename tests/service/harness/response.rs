//! What the service answered, and what a test may expect of it.

use serde_json::Value;
use ureq::Body;

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Response {
    /// What was asked, for a failure's message.
    asked: String,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn try_read(
        asked: String,
        answer: ureq::http::Response<Body>,
    ) -> Result<Self, ureq::Error> {
        let (parts, mut body) = answer.into_parts();
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        Ok(Self {
            asked,
            status: parts.status.as_u16(),
            headers,
            body: body.with_config().limit(1 << 30).read_to_vec()?,
        })
    }

    /// Fails the test unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{} answered {body}", self.asked);
        self
    }

    /// Fails the test unless it is an error of this status in the contract's form: all four
    /// members and no other, all with words, the id that of the header. Gives the body.
    #[track_caller]
    pub fn refused(self, status: u16) -> Value {
        let answer = self.expect(status);
        assert_eq!(
            answer.header("content-type"),
            Some("application/json"),
            "{}",
            answer.asked
        );
        let body = answer.json();
        assert_eq!(
            keys(&body),
            ["Error", "OperationId", "Reason", "Resolution"]
        );
        for (name, value) in body.as_object().unwrap() {
            assert!(!value.as_str().unwrap().is_empty(), "{name} is empty");
        }
        assert_eq!(answer.header("operation-id"), body["OperationId"].as_str());
        body
    }

    /// The same, where the reason must hold these words.
    #[track_caller]
    pub fn refused_because(self, status: u16, words: &str) -> Value {
        let body = self.refused(status);
        let reason = body["Reason"].as_str().unwrap();
        assert!(reason.contains(words), "the reason is: {reason}");
        body
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is there twice");
        first
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!(
                "{}: {error}: {}",
                self.asked,
                String::from_utf8_lossy(&self.body)
            )
        })
    }

    /// A member of the body that is a string.
    #[track_caller]
    pub fn text(&self, member: &str) -> String {
        self.json()[member]
            .as_str()
            .unwrap_or_else(|| panic!("no {member}"))
            .to_owned()
    }

    /// `Total-Count`.
    #[track_caller]
    pub fn total(&self) -> usize {
        self.header("total-count")
            .expect("Total-Count")
            .parse()
            .unwrap()
    }

    /// The `Id` of each entry of a list.
    #[track_caller]
    pub fn ids(&self) -> Vec<String> {
        let list = self.json();
        let ids = list
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["Id"].as_str().unwrap().into());
        ids.collect()
    }
}

/// The members of an object, in order.
#[track_caller]
pub fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}
