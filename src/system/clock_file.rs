//! The file in which service time outlives the process: one line of JSON.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::files::replace_durably;
use super::timeline::Remembered;
use crate::domain::times::Timestamp;

const NAME: &str = "clock";
const FORMAT: u32 = 1;
/// What is larger is something else: it has a mark and a few steps.
const LARGEST: u64 = 64 * 1024;

/// Why there is nothing to go on from, in words that follow the file's path.
#[derive(Debug)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

/// The file `clock` of a data directory.
#[derive(Clone, Debug)]
pub struct ClockFile(PathBuf);

#[derive(Serialize, Deserialize)]
struct Content {
    format_version: u32,
    mark: String,
    #[serde(default)]
    steps: Vec<StepContent>,
}

#[derive(Serialize, Deserialize)]
struct StepContent {
    time: String,
    ran_seconds: u64,
}

impl ClockFile {
    pub fn of(data_directory: &Path) -> Self {
        Self(data_directory.join(NAME))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What was last written; `None` where there is no file.
    pub fn read(&self) -> Result<Option<Remembered>, Unreadable> {
        let mut text = String::new();
        let read =
            File::open(&self.0).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
        match read {
            Ok(_) => parse(&text).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Unreadable(format!("cannot be read: {error}"))),
        }
    }

    /// Replaces it durably. Two calls must not overlap.
    pub fn write(&self, remembered: &Remembered) -> io::Result<()> {
        let content = Content {
            format_version: FORMAT,
            mark: remembered.mark.to_string(),
            steps: remembered
                .steps
                .iter()
                .map(|(time, ran)| StepContent {
                    time: time.to_string(),
                    ran_seconds: ran.as_secs(),
                })
                .collect(),
        };
        let mut line = serde_json::to_vec(&content)?;
        line.push(b'\n');
        replace_durably(&self.0, &line)
    }
}

fn parse(text: &str) -> Result<Remembered, Unreadable> {
    let damaged = |error: &dyn fmt::Display| Unreadable(format!("is damaged: {error}"));
    // The version first: a later one may have other members.
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| damaged(&error))?;
    let version = value.get("format_version").and_then(|v| v.as_u64());
    if let Some(version) = version.filter(|version| *version > FORMAT.into()) {
        return Err(Unreadable(format!(
            "has format version {version}, and this program reads up to version {FORMAT}"
        )));
    }
    let content: Content = serde_json::from_value(value).map_err(|error| damaged(&error))?;
    let time = |member, text: &str| {
        Timestamp::parse(member, text).map_err(|refusal| damaged(&refusal.reason))
    };
    Ok(Remembered {
        mark: time("mark", &content.mark)?,
        steps: content
            .steps
            .iter()
            .map(|step| {
                let ran = Duration::from_secs(step.ran_seconds);
                Ok((time("time", &step.time)?, ran))
            })
            .collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse("t", text).unwrap()
    }

    #[test]
    fn what_was_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let file = ClockFile::of(directory.path());
        assert_eq!(file.read().unwrap(), None);
        let mut remembered = Remembered {
            mark: at("2030-06-01T12:00:00.123456Z"),
            steps: Vec::new(),
        };
        for _ in 0..2 {
            file.write(&remembered).unwrap();
            assert_eq!(file.read().unwrap().as_ref(), Some(&remembered));
            let step = (at("2040-06-01T12:00:00Z"), Duration::from_secs(3_600));
            remembered.steps.push(step);
        }
        file.write(&remembered).unwrap();
        assert_eq!(
            std::fs::read_to_string(file.path()).unwrap(),
            "{\"format_version\":1,\"mark\":\"2030-06-01T12:00:00.123456Z\",\"steps\":[\
             {\"time\":\"2040-06-01T12:00:00Z\",\"ran_seconds\":3600},\
             {\"time\":\"2040-06-01T12:00:00Z\",\"ran_seconds\":3600}]}\n"
        );
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let file = ClockFile::of(directory.path());
        for (content, words) in [
            (&b""[..], "is damaged"),
            (b"\0\0\0\0", "is damaged"),
            (b"\xff\xfe", "cannot be read"),
            (b"{\"format_version\":1}", "mark"),
            (b"{\"format_version\":1,\"mark\":\"noon\"}", "noon"),
            (b"{\"format_version\":1,\"mark\":\"2030-01-01T00:00:00Z\",\"steps\":[{\"time\":\"", "is damaged"),
            (b"{\"format_version\":1,\"mark\":\"2030-01-01T00:00:00Z\",\"steps\":[{\"time\":\"-\",\"ran_seconds\":1}]}", "time"),
            (b"{\"format_version\":2,\"time\":5}", "version 2"),
        ] {
            std::fs::write(file.path(), content).unwrap();
            let why = file.read().unwrap_err().to_string();
            assert!(why.contains(words), "{why}");
        }
        std::fs::remove_file(file.path()).unwrap();
        std::fs::create_dir(file.path()).unwrap();
        assert!(file.read().is_err());
    }
}
