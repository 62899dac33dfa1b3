//! Files and directories: their owner's alone, whatever the umask was, and nothing is served from
//! a data directory that others can read or exchange.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::process::{Service, credenza, run, serve};

/// The same command, started by somebody who lets everybody read and write.
fn with_open_umask(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 000; exec \"$0\" \"$@\""]);
    shell.arg(command.get_program()).args(command.get_args());
    shell
}

fn check(data: &Path) -> Command {
    let mut command = credenza(["check", "--data"]);
    command.arg(data);
    command
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A directory and everything below it.
fn everything(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            found.extend(everything(&entry.unwrap().path()));
        }
    }
    found
}

#[track_caller]
fn all_private(data: &Path) {
    for path in everything(data) {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{}", path.display());
    }
}

/// A store that was set up and stopped.
fn set_up(data: &Path) {
    Service::start(serve(data)).terminate();
}

#[test]
fn h19_every_file_is_its_owners_alone_whatever_the_umask() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("above/store");
    let service = Service::start(with_open_umask(&serve(&data)));
    all_private(&data);
    service.terminate();
    assert!(data.join("sled/db").is_file());
    run(with_open_umask(&check(&data))).succeeded();
    Service::start(with_open_umask(&serve(&data))).terminate();
    all_private(&directory.path().join("above"));
}

#[test]
fn h19_a_directory_that_others_can_read_or_write_is_refused_with_the_command_that_mends_it() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    fs::DirBuilder::new().mode(0o700).create(&data).unwrap();
    for open in [0o777, 0o750, 0o705, 0o710, 0o1700 | 0o001] {
        set_mode(&data, open);
        let why = format!("chmod 700 {}", data.display());
        run(serve(&data)).refused_because(&why);
        assert_eq!(everything(&data).len(), 1, "something was created");
        assert_eq!(mode(&data), open);
    }
    set_mode(&data, 0o700);
    set_up(&data);
    set_mode(&data, 0o755);
    run(check(&data)).refused_because("chmod 700");
    run(serve(&data)).refused_because("mode 0755");
    set_mode(&data, 0o700);
    set_up(&data);
}

#[test]
fn h19_a_symbolic_link_is_refused_and_names_how_to_find_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    set_up(&data);
    let link = directory.path().join("link");
    symlink(&data, &link).unwrap();
    let slash = PathBuf::from(format!("{}/", link.display()));
    for name in [&link, &slash] {
        run(serve(name)).refused_because("symbolic link");
        run(check(name)).refused_because("readlink -f");
    }
    fs::remove_file(&link).unwrap();
    symlink(directory.path().join("nowhere"), &link).unwrap();
    run(serve(&link)).refused_because("symbolic link");
    assert!(!directory.path().join("nowhere").exists());
    // A link above the directory is the business of whoever made it.
    let above = directory.path().join("above");
    symlink(directory.path(), &above).unwrap();
    run(check(&above.join("store"))).succeeded();
}

#[test]
fn h19_a_directory_of_another_user_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    set_up(&data);
    // Only root can give a directory away.
    if std::os::unix::fs::chown(&data, Some(12_345), None).is_err() {
        return;
    }
    run(serve(&data)).refused_because("belongs to user 12345");
    run(check(&data)).refused_because("chown -R");
}

#[test]
fn files_of_a_store_of_before_are_made_private() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    set_up(&data);
    for path in everything(&data) {
        let is_key = path.extension().is_some_and(|end| end == "pem");
        match path.is_dir() {
            _ if path == data || is_key => {}
            true => set_mode(&path, 0o755),
            false => set_mode(&path, 0o644),
        }
    }
    run(check(&data)).succeeded();
    all_private(&data);
}

#[test]
fn a_signing_key_that_others_could_read_is_not_made_good_in_silence() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    set_up(&data);
    let key = data.join("signing-key.pem");
    set_mode(&key, 0o644);
    run(serve(&data)).refused_because("chmod 600");
    assert_eq!(mode(&key), 0o644);
    set_mode(&key, 0o600);
    // The next one has signed nothing yet: another one takes its place.
    let next = data.join("next-key.pem");
    let open = fs::read(&next).unwrap();
    set_mode(&next, 0o640);
    Service::start(serve(&data)).terminate();
    assert_eq!(mode(&next), 0o600);
    assert_ne!(fs::read(&next).unwrap(), open);
}
