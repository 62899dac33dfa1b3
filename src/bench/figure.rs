//! A figure of one column: how the rate changes, against the first point, as SVG.

use std::fmt::Write as _;

use super::growth::{Column, Point};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;

/// Where points stand on the paper.
struct Scale {
    first: f64,
    last: f64,
    logarithmic: bool,
    highest: f64,
}

impl Scale {
    fn of(column: &Column) -> Self {
        let places = || column.points.iter().map(|point| point.place as f64);
        let highest = column.points.iter().map(|point| point.highest_ratio);
        Self {
            first: places().fold(f64::INFINITY, f64::min),
            last: places().fold(f64::NEG_INFINITY, f64::max),
            logarithmic: column.logarithmic,
            // A fifth above the first point at least, in steps of fifths.
            highest: (highest.fold(1.0, f64::max) * 5.0 + 0.5).ceil() / 5.0,
        }
    }

    fn across(&self, place: f64) -> f64 {
        let on = |value: f64| {
            if self.logarithmic {
                value.max(1.0).ln()
            } else {
                value
            }
        };
        let whole = on(self.last) - on(self.first);
        let part = match whole > 0.0 {
            true => (on(place) - on(self.first)) / whole,
            false => 0.0,
        };
        LEFT + 20.0 + part * (WIDTH - LEFT - RIGHT - 40.0)
    }

    fn up(&self, ratio: f64) -> f64 {
        HEIGHT - BOTTOM - ratio / self.highest * (HEIGHT - TOP - BOTTOM)
    }
}

/// The figure: a line through the medians, and a stroke from the lowest to the highest ratio of each.
pub fn draw(column: &Column) -> String {
    let scale = Scale::of(column);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n\
         <title>{title}</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"14\">{title}, rate against the first</text>\n",
        title = column.title
    );
    draw_frame(&scale, &column.axis, &mut svg);
    let line: Vec<_> = column
        .points
        .iter()
        .map(|point| {
            format!(
                "{:.1},{:.1}",
                scale.across(point.place as f64),
                scale.up(point.ratio)
            )
        })
        .collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#1f6feb\" stroke-width=\"2\"/>",
        line.join(" ")
    );
    for point in &column.points {
        draw_point(&scale, point, &mut svg);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_frame(scale: &Scale, axis: &str, svg: &mut String) {
    let right = WIDTH - RIGHT;
    let steps = (scale.highest * 5.0).round() as u32;
    for step in 0..=steps {
        let ratio = f64::from(step) / 5.0;
        let y = scale.up(ratio);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{ratio:.1}</text>",
            LEFT - 8.0,
            y + 4.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{axis}</text>",
        (LEFT + right) / 2.0,
        HEIGHT - 10.0
    );
}

fn draw_point(scale: &Scale, point: &Point, svg: &mut String) {
    let x = scale.across(point.place as f64);
    let (low, high) = (scale.up(point.lowest_ratio), scale.up(point.highest_ratio));
    let _ = writeln!(
        svg,
        "<line x1=\"{x:.1}\" y1=\"{low:.1}\" x2=\"{x:.1}\" y2=\"{high:.1}\" stroke=\"#1f6feb\"/>\
         <circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"#1f6feb\"/>\
         <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.0}/s</text>\
         <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        scale.up(point.ratio),
        high - 8.0,
        point.rate,
        HEIGHT - BOTTOM + 18.0,
        grouped(point.place)
    );
}

/// `50,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let grouped: Vec<_> = [0, 999, 1_000, 50_000, 1_234_567].map(grouped).to_vec();
        assert_eq!(grouped, ["0", "999", "1,000", "50,000", "1,234,567"]);
    }

    #[test]
    fn every_point_is_on_the_paper() {
        let point = |place, ratio| Point {
            place,
            rate: 1_000.0,
            ratio,
            lowest_ratio: ratio * 0.9,
            highest_ratio: ratio * 1.1,
            p50: 1.0,
            p99: 2.0,
        };
        for logarithmic in [false, true] {
            let column = Column {
                name: "skip".into(),
                title: "Lists".into(),
                axis: "skip".into(),
                logarithmic,
                points: vec![point(0, 1.0), point(25_000, 0.2), point(49_900, 1.7)],
            };
            let scale = Scale::of(&column);
            for point in &column.points {
                let (x, top) = (
                    scale.across(point.place as f64),
                    scale.up(point.highest_ratio),
                );
                assert!(
                    x > LEFT && x < WIDTH - RIGHT && top > TOP - 8.0,
                    "{x} {top}"
                );
            }
            assert_eq!(draw(&column).matches("<circle").count(), 3);
        }
    }
}
