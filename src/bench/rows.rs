//! The rows of the table: each is a contest of the service with the floor, or with itself, and how
//! long a request takes at half of the rate that was found.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::contest::{Contender, Contest, Effort, Measure, median_of};
use super::exchange::exchange;
use super::floor::{self, Shape};
use super::load::{self, Pace, Work};
use super::mixes::Asking;
use super::process::ServerProcess;
use super::{Audience, Failure, Plan, writers};

/// The servers, and how the service is asked.
pub struct Servers<'a> {
    pub service: &'a ServerProcess,
    pub floor: &'a ServerProcess,
    pub asking: &'a Asking,
}

/// A row before it is measured.
struct Planned {
    name: &'static str,
    title: &'static str,
    work: Work,
    against: Against,
    measure: Measure,
    aim: f64,
}

/// What a row is measured against.
enum Against {
    /// An answer of as many bytes, with the same headers.
    Floor,
    /// The same, with one ES256 signature.
    SigningFloor,
    /// The service itself, asked for something else.
    Itself(Work),
}

/// A row of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// What names it in a file of recorded ratios.
    pub name: String,
    pub title: String,
    /// Answers in a second; middle of the rounds.
    pub rate: f64,
    /// Of what it is measured against.
    pub other_rate: f64,
    /// Megabytes in a second, of rows of few large answers.
    pub megabytes: Option<f64>,
    pub ratio: f64,
    pub lowest_ratio: f64,
    pub highest_ratio: f64,
    /// The ratio that it should reach.
    pub aim: f64,
    /// Time of processors for an answer, in microseconds, 0 where unknown.
    pub server_microseconds: f64,
    pub other_server_microseconds: f64,
    /// How busy the processors of the server and of the load were, in processors.
    pub server_busy: f64,
    pub other_server_busy: f64,
    pub load_busy: f64,
    pub latencies: Latencies,
}

/// How long requests took from the moment that they were due, at a steady rate, in microseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Latencies {
    /// In a second.
    pub rate: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
}

impl Servers<'_> {
    /// The service under some work.
    pub fn asked_for(&self, work: Work) -> Contender {
        Contender {
            process: Some(self.service.id()),
            work,
        }
    }
}

/// What a quick benchmark has no time for: it needs turns of some length.
const OF_WHOLE_BENCHMARKS: &[&str] = &["create", writers::NAME];

/// The most clients that get a token before the first row, so that the service knows where they are
/// as it does in the long run.
const MOST_VISITED: u64 = 100_000;

fn planned(asking: &Asking) -> Vec<Planned> {
    let row = |name, title, work, against, aim| Planned {
        name,
        title,
        work,
        against,
        measure: Measure::Answers,
        aim,
    };
    let last = asking.population.clients.saturating_sub(100);
    vec![
        row(
            "list",
            "list 100 at a random skip",
            asking.list(),
            Against::Floor,
            0.85,
        ),
        row(
            "list_tag",
            "list 100 of a tag",
            asking.list_of_a_tag(),
            Against::Floor,
            0.85,
        ),
        row(
            "list_two_tags",
            "list 100 of two tags",
            asking.list_of_two_tags(),
            Against::Floor,
            0.7,
        ),
        row("count", "count", asking.count(), Against::Floor, 0.85),
        row(
            "count_tag",
            "count of a tag",
            asking.count_of_a_tag(),
            Against::Floor,
            0.85,
        ),
        Planned {
            measure: Measure::Bytes,
            ..row(
                "list_all",
                "list all",
                asking.list_all(),
                Against::Floor,
                0.7,
            )
        },
        row(
            "get",
            "get one client",
            asking.get_one(),
            Against::Floor,
            0.85,
        ),
        row(
            "token",
            "token",
            asking.token(),
            Against::SigningFloor,
            0.75,
        ),
        row(
            "last_page",
            "the last page against the first",
            asking.list_at(last),
            Against::Itself(asking.list_at(0)),
            1.0 / 1.1,
        ),
        row(
            "create",
            "create, 64 callers against one",
            asking.over(64).create(),
            Against::Itself(asking.over(1).create()),
            8.0,
        ),
    ]
}

/// Measures the rows whose names hold a text, or all of those that a benchmark has time for.
pub fn measure(
    servers: &Servers<'_>,
    plan: &Plan,
    effort: Effort,
    audience: &mut dyn Audience,
) -> Result<Vec<Row>, Failure> {
    let wanted = |name: &str| {
        let in_time = !plan.quick || !OF_WHOLE_BENCHMARKS.contains(&name);
        in_time && name.contains(&plan.only)
    };
    if wanted("token") {
        audience.step("a token for each client");
        let clients = servers.asking.population;
        let all = (clients.tenants * clients.clients).min(MOST_VISITED);
        load::visit(all, |visited| servers.asking.token_of_next(visited))?;
    }
    let mut planned = planned(servers.asking);
    planned.retain(|row| wanted(row.name));
    let rows = planned.len() + usize::from(wanted(writers::NAME));
    let mut measured = Vec::new();
    let mut turns = 0;
    let mut tell = |audience: &mut dyn Audience| {
        turns += 1;
        audience.progress(turns as f64 / (2 * effort.rounds * rows) as f64);
    };
    for row in planned {
        audience.step(row.title);
        let row = measure_row(servers, row, effort, &mut || tell(audience))?;
        measured.push(row);
    }
    if wanted(writers::NAME) {
        audience.step(writers::TITLE);
        measured.push(writers::measure(servers, effort, &mut || tell(audience))?);
    }
    Ok(measured)
}

fn measure_row(
    servers: &Servers<'_>,
    row: Planned,
    effort: Effort,
    tell: &mut dyn FnMut(),
) -> Result<Row, Failure> {
    let ours = servers.asked_for(row.work);
    let other = match row.against {
        Against::Itself(work) => Contender {
            work,
            ..ours.clone()
        },
        Against::Floor => shaped(servers.floor, &ours.work, false)?,
        Against::SigningFloor => shaped(servers.floor, &ours.work, true)?,
    };
    let contest = Contest::hold(&ours, &other, row.measure, effort, tell)?;
    let rate = median_of(&contest.ours, |turn| turn.answers_rate);
    let ratios = contest.ratios();
    Ok(Row {
        name: row.name.to_owned(),
        title: row.title.to_owned(),
        rate,
        other_rate: median_of(&contest.other, |turn| turn.answers_rate),
        megabytes: (row.measure == Measure::Bytes)
            .then(|| median_of(&contest.ours, |turn| turn.rate) / 1e6),
        ratio: contest.ratio(),
        lowest_ratio: ratios.first().copied().unwrap_or_default(),
        highest_ratio: ratios.last().copied().unwrap_or_default(),
        aim: row.aim,
        server_microseconds: median_of(&contest.ours, |turn| turn.server_time),
        other_server_microseconds: median_of(&contest.other, |turn| turn.server_time),
        server_busy: median_of(&contest.ours, |turn| turn.server_busy),
        other_server_busy: median_of(&contest.other, |turn| turn.server_busy),
        load_busy: median_of(&contest.ours, |turn| turn.load_busy),
        latencies: latencies(&ours.work, rate, effort)?,
    })
}

/// How long requests take at half of a rate.
pub fn latencies(work: &Work, rate: f64, effort: Effort) -> Result<Latencies, Failure> {
    let rate = rate / 2.0;
    let driven = load::drive(
        work,
        Pace::Open { rate, exact: true },
        effort.latencies,
        effort.threads,
        7,
    )?;
    let microseconds = |part| driven.latencies.value_at_quantile(part) as f64 / 1e3;
    Ok(Latencies {
        rate,
        p50: microseconds(0.5),
        p90: microseconds(0.9),
        p99: microseconds(0.99),
        p999: microseconds(0.999),
    })
}

/// The floor, once it answers with as many bytes and the same headers as the service to some work.
fn shaped(floor: &ServerProcess, work: &Work, signs: bool) -> Result<Contender, Failure> {
    /// What every server writes for itself.
    const OWN: [&str; 3] = ["content-length", "transfer-encoding", "date"];
    let (headers, length) = load::sample(work)?;
    let shape = Shape {
        headers: headers
            .into_iter()
            .filter(|(name, _)| !OWN.contains(&name.to_ascii_lowercase().as_str()))
            .collect(),
        length: usize::try_from(length).unwrap_or(usize::MAX),
        signs,
    };
    let shape = serde_json::to_string(&shape).map_err(|error| Failure::new(error.to_string()))?;
    let (status, _) = exchange(floor.address, "PUT /shape", "application/json", &shape)?;
    if status != 204 {
        return Err(Failure::new(format!(
            "the floor refused its shape: status {status}"
        )));
    }
    let write = work.request.clone();
    Ok(Contender {
        process: Some(floor.id()),
        work: Work {
            address: floor.address,
            // The same request, of the same length, to the floor's own path.
            request: Arc::new(move |draw, request| {
                let start = request.len();
                write(draw, request);
                redirect(request, start);
            }),
            status: 200,
            ..work.clone()
        },
    })
}

/// Puts the floor's path into a request, before the query, which the floor does not read.
fn redirect(request: &mut Vec<u8>, start: usize) {
    let line = &request[start..];
    let end = line
        .iter()
        .position(|byte| *byte == b'\r')
        .unwrap_or(line.len());
    let words: Vec<&[u8]> = line[..end].split(|byte| *byte == b' ').collect();
    if let [method, target, _] = words[..] {
        // The rest of the path follows as a query: the target keeps its length.
        let rest = &target[(floor::PATH.len() + 1).min(target.len())..];
        let new = [
            method,
            b" ",
            floor::PATH.as_bytes(),
            b"?",
            rest,
            b" HTTP/1.1",
        ]
        .concat();
        request.splice(start..start + end, new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_asked_in_as_many_bytes() {
        let mut request = b"GET /api/v1/Tenants/x?skip=3 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
        let length = request.len();
        redirect(&mut request, 0);
        assert_eq!(request.len(), length);
        assert!(
            request.starts_with(b"GET /floor?/Tenants/x?skip=3 HTTP/1.1\r\n"),
            "{request:?}"
        );
    }
}
