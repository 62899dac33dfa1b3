//! Whether speed depends on how much there is: lists at places further back, of stores with more
//! clients, and with more tenants, each against the first of its column in turns.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::contest::{Contender, Contest, Effort, Measure, median_of};
use super::exchange::token;
use super::load::{self, Work};
use super::mixes::Asking;
use super::process::{OPERATOR, OPERATOR_SECRET, ServerProcess};
use super::rows::latencies;
use super::seed::Population;
use super::{Audience, Failure, Plan, fill, start};
use crate::system::cores::Cores;

/// What grows, and what was measured as it did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Column {
    /// What names its figure.
    pub name: String,
    pub title: String,
    /// What the places of its points are.
    pub axis: String,
    /// The places of the points lie so far apart that a figure needs a logarithm.
    pub logarithmic: bool,
    pub points: Vec<Point>,
}

/// One size, against the first of its column.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Point {
    pub place: u64,
    /// Lists of 100 in a second.
    pub rate: f64,
    pub ratio: f64,
    pub lowest_ratio: f64,
    pub highest_ratio: f64,
    /// At half the rate, in microseconds.
    pub p50: f64,
    pub p99: f64,
}

/// The sizes.
struct Sizes {
    /// Parts of the list at which pages begin, in thousandths.
    places: &'static [u64],
    page_of: Population,
    clients: &'static [Population],
    tenants: &'static [Population],
}

const fn population(tenants: u64, clients: u64) -> Population {
    Population { tenants, clients }
}

const WHOLE: Sizes = Sizes {
    places: &[0, 200, 500, 800, 1_000],
    page_of: population(1, 50_000),
    clients: &[
        population(1, 1_000),
        population(1, 10_000),
        population(1, 50_000),
        population(4, 50_000),
        population(20, 50_000),
    ],
    tenants: &[
        population(1, 100),
        population(100, 100),
        population(10_000, 100),
    ],
};

/// To see that it works; too small to say anything of growth.
const SMALL: Sizes = Sizes {
    places: &[0, 1_000],
    page_of: population(1, 1_000),
    clients: &[population(1, 1_000), population(2, 1_000)],
    tenants: &[population(1, 100), population(3, 100)],
};

/// Measures the columns.
pub fn measure(
    plan: &Plan,
    effort: Effort,
    cores: &Cores,
    audience: &mut dyn Audience,
) -> Result<Vec<Column>, Failure> {
    let sizes = if plan.quick { &SMALL } else { &WHOLE };
    let stage = Stage {
        plan,
        effort,
        cores,
    };
    let column = |name: &str, title: &str, axis: &str, logarithmic, points| Column {
        name: name.to_owned(),
        title: title.to_owned(),
        axis: axis.to_owned(),
        logarithmic,
        points,
    };
    Ok(vec![
        column(
            "skip",
            "Lists of 100 by the place where they begin",
            "skip",
            false,
            stage.places(sizes, audience)?,
        ),
        column(
            "clients",
            "Lists of 100 by the number of clients, 50,000 a tenant at most",
            "clients",
            true,
            stage.populations(sizes.clients, audience, |size| size.tenants * size.clients)?,
        ),
        column(
            "tenants",
            "Lists of 100 by the number of tenants, each with 100 clients",
            "tenants",
            true,
            stage.populations(sizes.tenants, audience, |size| size.tenants)?,
        ),
    ])
}

struct Stage<'a> {
    plan: &'a Plan,
    effort: Effort,
    cores: &'a Cores,
}

/// A service with a population, all of it in memory.
struct Populated {
    service: ServerProcess,
    asking: Asking,
    directory: tempfile::TempDir,
}

impl Populated {
    fn asked(&self, work: Work) -> Contender {
        Contender {
            process: Some(self.service.id()),
            work,
        }
    }

    fn end(self) -> Result<(), Failure> {
        self.service.stop()?;
        Ok(self.directory.close()?)
    }
}

impl Stage<'_> {
    /// Pages that begin at different places of one list.
    fn places(&self, sizes: &Sizes, audience: &mut dyn Audience) -> Result<Vec<Point>, Failure> {
        audience.step("lists further back: making clients");
        let populated = self.populated(sizes.page_of)?;
        let last = sizes.page_of.clients - 100;
        let first = populated.asked(populated.asking.list_at(0));
        let mut points = Vec::new();
        for (number, thousandths) in sizes.places.iter().enumerate() {
            audience.step("lists further back");
            audience.progress(number as f64 / sizes.places.len() as f64);
            let skip = last * thousandths / 1_000;
            let here = populated.asked(populated.asking.list_at(skip));
            points.push(self.compare(skip, &here, &first)?);
        }
        populated.end()?;
        Ok(points)
    }

    /// Stores of different sizes, each beside the first one.
    fn populations(
        &self,
        sizes: &[Population],
        audience: &mut dyn Audience,
        place: impl Fn(Population) -> u64,
    ) -> Result<Vec<Point>, Failure> {
        let Some((smallest, larger)) = sizes.split_first() else {
            return Ok(Vec::new());
        };
        audience.step("larger stores: making clients");
        let first = self.populated(*smallest)?;
        let of_first = first.asked(first.asking.list());
        let mut points = vec![self.compare(place(*smallest), &of_first, &of_first)?];
        for (number, size) in larger.iter().enumerate() {
            audience.step("larger stores: making clients");
            audience.progress(number as f64 / larger.len() as f64);
            let populated = self.populated(*size)?;
            let here = populated.asked(populated.asking.list());
            points.push(self.compare(place(*size), &here, &of_first)?);
            populated.end()?;
        }
        first.end()?;
        Ok(points)
    }

    fn populated(&self, population: Population) -> Result<Populated, Failure> {
        let directory = tempfile::tempdir_in(&self.plan.directory)?;
        let data = directory.path().join("data");
        let service = start(self.plan, &data, self.cores)?;
        fill(population, directory.path(), &data)?;
        let asking = Asking {
            address: service.address,
            token: token(service.address, OPERATOR, OPERATOR_SECRET)?,
            population,
            connections: self.plan.connections,
        };
        // The whole list of each, so that all of them are in memory.
        load::visit(population.tenants, |visited| {
            asking.whole_list_of_next(visited)
        })?;
        Ok(Populated {
            service,
            asking,
            directory,
        })
    }

    fn compare(&self, place: u64, here: &Contender, first: &Contender) -> Result<Point, Failure> {
        let contest = Contest::hold(here, first, Measure::Answers, self.effort, || {})?;
        let rate = median_of(&contest.ours, |turn| turn.rate);
        let ratios = contest.ratios();
        let latencies = latencies(&here.work, rate, self.effort)?;
        Ok(Point {
            place,
            rate,
            ratio: contest.ratio(),
            lowest_ratio: ratios.first().copied().unwrap_or_default(),
            highest_ratio: ratios.last().copied().unwrap_or_default(),
            p50: latencies.p50,
            p99: latencies.p99,
        })
    }
}

/// The columns as tables in Markdown.
pub fn tables(columns: &[Column]) -> String {
    let mut text = String::new();
    for column in columns {
        text.push_str(&format!(
            "\n{}\n\n| {} | lists/s | to the first | from … to | p50, p99 at half the rate |\n|--:|--:|--:|--:|--:|\n",
            column.title, column.axis
        ));
        for point in &column.points {
            text.push_str(&format!(
                "| {} | {:.0} | {:.2} | {:.2} … {:.2} | {:.2}, {:.2} ms |\n",
                point.place,
                point.rate,
                point.ratio,
                point.lowest_ratio,
                point.highest_ratio,
                point.p50 / 1e3,
                point.p99 / 1e3
            ));
        }
    }
    text
}

/// Draws each column into a file of a directory.
pub fn draw(columns: &[Column], directory: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(directory)?;
    for column in columns {
        let path = directory.join(format!("lists-by-{}.svg", column.name));
        std::fs::write(path, super::figure::draw(column))?;
    }
    Ok(())
}
