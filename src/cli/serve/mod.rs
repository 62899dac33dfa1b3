//! `credenza serve`: runs the service until a signal ends it.

mod arguments;
mod background;
mod clock_keeper;
mod first_start;
mod keys;
mod memory_keeper;
mod network;
mod running;
mod schedule;
mod settings;

use std::process::ExitCode;

pub use arguments::Arguments;
pub use keys::{RotateEvery, key_path};
pub use running::{Running, StartError, open_audit_log, start};
pub use schedule::Schedule;
pub use settings::{Base, Between, BootstrapSettings, DataSet, Settings};

use super::{fail, tell};

/// Runs the service as the command line says.
pub fn run(arguments: Arguments) -> ExitCode {
    let settings = match arguments.settings() {
        Ok(settings) => settings,
        Err(why) => return fail(&why),
    };
    actix_web::rt::System::new().block_on(async {
        let running = match start(settings, &mut std::io::stdout()).await {
            Ok(running) => running,
            Err(error) => return fail(&error),
        };
        // Before the line that says it is ready: whoever reads it may send a signal at once.
        let ended = signals();
        tell(&format_args!("listening on {}", running.url()));
        ended.await;
        log::info!("stopping: finishing what is in flight");
        match running.stop().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        }
    })
}

/// From this call on, SIGTERM and SIGINT end the future that it gives instead of the process; where
/// there are no signals, Ctrl-C does.
#[cfg(unix)]
fn signals() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = signal(SignalKind::terminate())
        .and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)));
    async {
        match signals {
            Ok((mut terminate, mut interrupt)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            Err(error) => {
                log::error!("signals cannot be received, only kill -9 ends the service: {error}");
                std::future::pending().await
            }
        }
    }
}

#[cfg(not(unix))]
async fn signals() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
